"""Observations dated far back: history is told from late news, and a closed baseline stays closed.

A learned baseline is a function of the hours: the first 100 labels or 3 days of what is stored, in
whatever order it came. So older observations would move it, and with it every verdict. Once one is
closed, its start is therefore written into the log when the first older observation arrives, before
that is stored: as an entry like a person's acceptance, which says `closed`. What came before that
start is kept and counted, but no baseline is learned from it. A person can take it back: the newest
entry holds (`gonogo baseline NAME --accept --from … --to …`).

* An agent's observations never move a closed baseline.
* A file may, while no drift verdict has been told of the dependency: history can be read in any
  order of files. Afterwards it does not either.

Evidence stays a function of the hourly counts and the newest entry of the log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gonogo.records import HISTORY_AFTER_MS, HOUR_MS, Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gonogo.ports.telemetry import DecisionLog, KnownIds
    from gonogo.records import BatchReport, Observation
    from gonogo.settings import Settings

__all__ = ["BackdatedIntake"]


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
    _starts_ms: dict[str, int | None] = field(default_factory=dict)
    _older: dict[str, int] = field(default_factory=dict)

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch in one transaction; what would move a closed baseline is held before."""
        dated: dict[str, list[int]] = {}
        for one in observations:
            if now_ms - one.ts_ms > HISTORY_AFTER_MS:
                dated.setdefault(one.dependency, []).append(one.ts_ms)
        for name, times in dated.items():
            await self._hold(name, times, now_ms)
        stored = await self.telemetry.record(observations, now_ms)
        if not self.from_files and stored.accepted:
            self.notes += [_history_note(name, times) for name, times in dated.items()]
            # Said once, however many dependencies it is about; who states the time needs no advice.
            if any(one.outcome_ts_assumed for one in observations if one.dependency in dated):
                self.notes.append(AT_ONCE)
        return stored

    async def dependencies_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The dependency of each observation with one of these ids, where it is stored."""
        return await self.telemetry.dependencies_of(ids)

    async def _hold(self, name: str, times: Sequence[int], now_ms: int) -> None:
        """Write down where a closed baseline begins, if one of these times lies before it."""
        if name not in self._starts_ms:
            self._starts_ms[name] = await self._closed_start_ms(name)
        start_ms = self._starts_ms[name]
        older = [] if start_ms is None else [ts_ms for ts_ms in times if ts_ms < start_ms]
        if start_ms is None or not older:
            return
        from gonogo.answers import rfc3339

        if name not in self._older:
            await self.log.append(self._entry(name, start_ms, older, now_ms))
            first = datetime.fromtimestamp(min(older) / 1000, tz=UTC)
            self.notes.append(
                f"{name}: observations from before its baseline, which began "
                f"{rfc3339(start_ms)}, do not move it. To begin it earlier: gonogo baseline "
                f"{name} --accept --from {first:%Y-%m-%d}"
            )
        self._older[name] = self._older.get(name, 0) + len(older)

    async def _closed_start_ms(self, name: str) -> int | None:
        """Where the learned baseline begins; None while it is open, or may still be moved."""
        # Drift is numpy's, and most observations are of today: they never need it.
        from gonogo.drift.baseline import accepted_baseline
        from gonogo.hours.rate_hours import RATE_METRICS, learned_baseline, rate_stream

        if self.from_files and not await self.log.decisions(
            dependency=name, kind="check_model_drift", limit=1
        ):
            return None
        if await self.telemetry.dependency(name) is None or await accepted_baseline(self.log, name):
            return None
        counts = await self.telemetry.hours(name)
        for metric in RATE_METRICS:
            hours = learned_baseline(rate_stream(counts, metric, golden=False))
            if hours is not None:
                return int(counts.hour[0]) * HOUR_MS
        return None

    def _entry(self, name: str, start_ms: int, older: Sequence[int], now_ms: int) -> Decision:
        from gonogo.answers import rfc3339
        from gonogo.drift.baseline import BASELINE_DECISION

        start = rfc3339(start_ms)
        inputs = json.dumps({"closed": True, "dependency": name, "start": start}, sort_keys=True)
        return Decision(
            id=self.new_id(now_ms),
            ts_ms=now_ms,
            kind=BASELINE_DECISION,
            verdict=None,
            summary=(
                f"The baseline of {name} stays where it was closed, from {start}: observations "
                f"came that are dated back to {rfc3339(min(older))}."
            ),
            inputs=inputs,
            answer=inputs,
            action=True,
            dependency=name,
            actor="gonogo",
            settings_digest=self.settings.digest,
            last_ts_ms=now_ms,
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
