"""Observations dated far back: history is told from late news, and a closed baseline stays closed.

A learned baseline is a function of the hours: the first 100 labels or 3 days of what is stored, in
whatever order it came. So older observations would move it, and with it every verdict. Once one is
closed, its start is therefore written into the log when the first older observation arrives, before
that is stored: as an entry like a person's acceptance, which says `closed`. What came before that
start is kept and counted, but no baseline is learned from it. A person can take it back: the newest
entry holds (`gonogo baseline NAME --accept --from … --to …`).

A golden set's baseline begins with its first run, and is closed by its second: from then on verdicts
rest on the first. It is held likewise, in the same entry.

* An agent's observations never move a closed baseline.
* A file may, while no drift verdict has been told of the dependency: history can be read in any
  order of files. Afterwards it does not either.

Evidence stays a function of the hourly counts and the newest entry of the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gonogo.ports.hour_cells import HourCell
from gonogo.ports.telemetry import DecisionLog, KnownIds
from gonogo.records import DAY_MS, HISTORY_AFTER_MS, HOUR_MS, BatchReport, Decision, Observation
from gonogo.settings import Settings


@dataclass(slots=True)
class BackdatedIntake:
    """Records observations, holds closed baselines where they are, and says what was dated back.

    Args:
        telemetry: Where observations go.
        log: Where a baseline's start is held.
        settings: The configuration; its digest stands in log entries.
        from_files: Whether a person brings files, or an agent or a program its calls.
        new_id: Makes ids of log entries.
    """

    telemetry: KnownIds
    log: DecisionLog
    settings: Settings
    from_files: bool
    new_id: Callable[[int], str]
    notes: list[str] = field(default_factory=list)
    _starts_ms: dict[tuple[str, bool], int | None] = field(default_factory=dict)
    _held: set[tuple[str, bool]] = field(default_factory=set)

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch in one transaction; what would move a closed baseline is held before."""
        dated: dict[str, list[int]] = {}
        by_kind: dict[tuple[str, bool], list[int]] = {}
        for one in observations:
            if now_ms - one.ts_ms > HISTORY_AFTER_MS:
                dated.setdefault(one.dependency, []).append(one.ts_ms)
                key = one.dependency, one.item is not None
                by_kind.setdefault(key, []).append(one.ts_ms)
        for (name, golden), times in by_kind.items():
            await self._hold(name, times, now_ms, golden=golden)
        stored = await self.telemetry.record(observations, now_ms)
        if not self.from_files and stored.accepted:
            self.notes += [_history_note(name, times) for name, times in dated.items()]
            # Said once, however many dependencies it is about; who states the time needs no advice.
            if any(one.outcome_ts_assumed for one in observations if one.dependency in dated):
                self.notes.append(AT_ONCE)
        return stored

    async def record_cells(self, cells: Sequence[HourCell], now_ms: int) -> BatchReport:
        """Store a batch of hour cells, as `record` does observations."""
        by_kind: dict[tuple[str, bool], list[int]] = {}
        for one in cells:
            if now_ms - one.first_ts_ms > HISTORY_AFTER_MS:
                key = one.dependency, one.item is not None
                by_kind.setdefault(key, []).append(one.first_ts_ms)
        for (name, golden), times in by_kind.items():
            await self._hold(name, times, now_ms, golden=golden)
        return await self.telemetry.record_cells(cells, now_ms)

    async def dependencies_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The dependency of each observation with one of these ids, where it is stored."""
        return await self.telemetry.dependencies_of(ids)

    async def _hold(self, name: str, times: Sequence[int], now_ms: int, *, golden: bool) -> None:
        """Write down where a closed baseline begins, if one of these times lies before it."""
        key = name, golden
        if key not in self._starts_ms:
            self._starts_ms[key] = await self._closed_start_ms(name, golden=golden)
        start_ms = self._starts_ms[key]
        older = [] if start_ms is None else [ts_ms for ts_ms in times if ts_ms < start_ms]
        if start_ms is None or not older or key in self._held:
            return
        from gonogo.answers import rfc3339

        await self._write_down(name, start_ms, older, now_ms, golden=golden)
        self._held.add(key)
        first = datetime.fromtimestamp(min(older) / 1000, tz=UTC)
        what = (
            "golden runs from before the first of its baseline"
            if golden
            else ("observations from before its baseline")
        )
        self.notes.append(
            f"{name}: {what}, which began {rfc3339(start_ms)}, do not move it. To begin it earlier: "
            f"gonogo baseline {name} --accept --from {first:%Y-%m-%d}"
        )

    async def _closed_start_ms(self, name: str, *, golden: bool) -> int | None:
        """The start of the learned baseline; None while it is open, held, or may still be moved."""
        # Drift is numpy's, and most observations are of today: they never need it.
        from gonogo.drift.baseline import accepted_baseline
        from gonogo.hours.rate_hours import RATE_METRICS, learned_baseline, rate_stream

        if self.from_files and not await self.log.decisions(
            dependency=name, kind="check_model_drift", limit=1
        ):
            return None
        if await self.telemetry.dependency(name) is None:
            return None
        held = await accepted_baseline(self.log, name)
        if golden and (held is None or (held.closed and held.golden_start is None)):
            days = set((await self.telemetry.golden_answers(name)).day.tolist())
            return min(days) * DAY_MS if len(days) > 1 else None
        if golden or held is not None:
            return None
        counts = await self.telemetry.hours(name)
        for metric in RATE_METRICS:
            hours = learned_baseline(rate_stream(counts, metric, golden=False))
            if hours is not None:
                return int(counts.hour[0]) * HOUR_MS
        return None

    async def _write_down(
        self, name: str, start_ms: int, older: Sequence[int], now_ms: int, *, golden: bool
    ) -> None:
        """Log where a baseline is held, with what the entry before it held."""
        from gonogo.answers import rfc3339
        from gonogo.drift.baseline import BASELINE_DECISION, accepted_baseline

        held = await accepted_baseline(self.log, name)
        start = rfc3339(start_ms)
        told: dict[str, object] = {"closed": True, "dependency": name, "start": start}
        if golden:
            counts = await self.telemetry.hours(name)
            first_ms = int(counts.hour[0]) * HOUR_MS if len(counts.hour) else start_ms
            told |= {
                "golden_start": start,
                "start": held.start if held is not None else rfc3339(first_ms),
            }
        inputs = json.dumps(told, sort_keys=True)
        await self.log.append(
            Decision(
                id=self.new_id(now_ms),
                ts_ms=now_ms,
                kind=BASELINE_DECISION,
                verdict=None,
                summary=(
                    f"The {'golden ' if golden else ''}baseline of {name} stays where it was closed, "
                    f"from {start}: {'golden runs' if golden else 'observations'} came that are "
                    f"dated back to {rfc3339(min(older))}."
                ),
                inputs=inputs,
                answer=inputs,
                action=True,
                dependency=name,
                actor="gonogo",
                settings_digest=self.settings.digest,
                last_ts_ms=now_ms,
            )
        )


AT_ONCE = (
    "Outcomes of history count as if they had come at once; give outcome_ts where an outcome came "
    "later than its call."
)


def _history_note(name: str, times: Sequence[int]) -> str:
    from gonogo.answers import rfc3339

    first, last = rfc3339(min(times)), rfc3339(max(times))
    told = f"dated {first}" if first == last else f"dated {first} to {last}"
    return (
        f"{name}: {len(times):,} observation{'s' * (len(times) != 1)} {told}, more than a day back, "
        f"count{'s' * (len(times) == 1)} as history in those hours."
    )
