"""A dependency whose data are old: nothing can be said of now, but of what is there.

Somebody who brings last year's history asks about it by name first. They are told what there is and
the questions that it answers: its versions side by side, and the verdict as of its last day.
"""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.answers import DriftReport, NextAction, RecordedData, rfc3339
from gonogo.drift.finding import Finding
from gonogo.errors import plain
from gonogo.hours.periods import local_day
from gonogo.hours.rate_hours import Maturity
from gonogo.records import HOUR_MS, Dependency, VersionSeen
from gonogo.text.forms import counted, day, number

TOOL = "check_model_drift"
# How stale the data are is told in tenths of days.
STALE_TOLD_MS = 60_000


@dataclass(frozen=True, slots=True)
class OldData:
    """The data of a dependency, and when the newest came that a verdict could rest on."""

    known: Dependency
    newest_ts_ms: int
    stale_after_s: float
    now_ms: int
    zone: str

    @property
    def last_day(self) -> str:
        """The last local day with such data, as `until` takes it."""
        return local_day(self.newest_ts_ms - 1, zone=self.zone)

    @property
    def versions(self) -> tuple[VersionSeen, VersionSeen] | None:
        """The two newest named versions, the earlier first; None where there are not two."""
        named = [seen for seen in self.known.versions if seen.version is not None]
        if len(named) < 2:  # noqa: PLR2004 - a pair
            return None
        newest = sorted(named, key=lambda seen: seen.newest_ts_ms)[-2:]
        before, after = sorted(newest, key=lambda seen: seen.first_ts_ms)
        return before, after

    def finding(self, metric: str) -> Finding:
        """Nothing of now, with what is there instead of a change that is long past."""
        compare = ""
        if (pair := self.versions) is not None:
            before, after = (plain(seen.version or "", 80) for seen in pair)
            compare = f"compare version {after} with {before} (`baseline_version`, `version`), or "
        missing = f"{compare}ask `until` {self.last_day}, its last day; record current calls and"
        missing += " their outcomes for a verdict on now."
        return Finding(
            metric=metric,
            status="insufficient_data",
            why=self._what_is_there(),
            missing=f"{missing[0].upper()}{missing[1:]}",
            newest_ts_ms=self.newest_ts_ms,
        )

    def _what_is_there(self) -> str:
        known, limit = self.known, f"{number(self.stale_after_s / 86_400)} days"
        if self.now_ms - known.newest_ts_ms <= self.stale_after_s * 1000:
            return f"its newest outcome is of {self.last_day}, older than {limit}"
        named = [plain(seen.version, 80) for seen in known.versions if seen.version is not None]
        of = f" of {counted(len(named), 'version')} ({', '.join(named[:4])})" if named else ""
        first, last = day(rfc3339(known.first_ts_ms)), day(rfc3339(known.newest_ts_ms))
        return (
            f"there are {counted(known.n, 'call')}{of} from {first} to {last} and none since, all "
            f"older than {limit}"
        )

    def beside(self, report: DriftReport) -> DriftReport:
        """The report with what there is and the questions that it answers, each about the past."""
        actions = []
        name = self.known.name
        if (pair := self.versions) is not None:
            before, after = pair
            versions = {"baseline_version": before.version, "version": after.version}
            actions.append(
                NextAction(
                    tool=TOOL,
                    arguments={"dependency": name, **versions},
                    reason="the two newest versions side by side",
                )
            )
        actions.append(
            NextAction(
                tool=TOOL,
                arguments={"dependency": name, "until": self.last_day},
                reason="the verdict as of its last day; it says nothing of now",
            )
        )
        recorded = RecordedData(
            n=self.known.n,
            start=rfc3339(self.known.first_ts_ms),
            end=rfc3339(self.known.newest_ts_ms),
        )
        return report.model_copy(update={"next_actions": actions, "recorded": recorded})


def old_data(
    known: Dependency,
    decisive: Finding,
    *,
    stale_after_s: float,
    lag_s: float,
    now_ms: int,
    zone: str,
) -> OldData | None:
    """Describe the data of a dependency, where all of them are older than the user wants for a verdict.

    Args:
        known: The dependency.
        decisive: What the verdict would follow.
        stale_after_s: The age from which data are old.
        lag_s: How long outcomes take.
        now_ms: Now.
        zone: Where a day is local.
    """
    newest = decisive.newest_ts_ms
    if newest is None:
        newest, lag_s = known.newest_ts_ms + 1, 0.0
    if now_ms <= newest + (stale_after_s + lag_s) * 1000:
        return None
    return OldData(known, newest, stale_after_s, now_ms, zone)


def good_until_ms(maturity: Maturity, *, stale_at_ms: int | None, now_ms: int) -> int:
    """When a report may change without new data: at the next hour, as hours ripen, as data grow stale."""
    turns = [(now_ms // HOUR_MS + 1) * HOUR_MS]
    if not maturity.prompt:
        turns.append(round((maturity.end_hour(now_ms) + 1) * HOUR_MS + maturity.lag_s * 1000))
    if stale_at_ms is not None:
        turns.append(stale_at_ms + 1 if stale_at_ms >= now_ms else now_ms + STALE_TOLD_MS)
    return min(turns)
