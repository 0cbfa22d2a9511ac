"""How a fallback target does beside its primary: by its calibrated trust, and whether it answers.

Two paths. Quality: the target's verdict and the chance that it is better than the primary now.
Outage: where the primary is down, waiting for statistics makes it worse; it is enough that the
target answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.errors import NotEnoughData
from gonogo.records import HOUR_MS
from gonogo.services.ports_actions import Assessment

if TYPE_CHECKING:
    from gonogo.records import HourCounts
    from gonogo.services.ports_trust import TrustTelemetry
    from gonogo.services.trust_estimate import TrustEstimate
    from gonogo.settings import Settings

# An outage: this share of the calls of this and the previous hour failed, among at least so many.
DOWN_SHARE = 0.5
DOWN_CALLS_MIN = 5
ANSWERS_WITHIN_HOURS = 24
UNMEASURED = ("refuse", "human")
_BY_ROW = (
    *("hour", "version", "n", "errors", "timed", "slo_met", "labels", "outcome_sum"),
    *("good", "ok", "ok_labels", "ok_good"),
)


def split_version(target: str) -> tuple[str, str | None]:
    """`name@version` as its parts; the version is None where there is none."""
    name, at, version = target.rpartition("@")
    return (name, version) if at and name and version else (target, None)


class TrustHealth:
    """Health from what was recorded (`services.ports_actions.Health`)."""

    def __init__(self, telemetry: TrustTelemetry, settings: Settings) -> None:
        self._telemetry = telemetry
        self._settings = settings

    async def assess(self, target: str, *, primary: str, now_ms: int) -> Assessment:
        """A target beside the primary; `unknown` where nothing was recorded of it."""
        if target in UNMEASURED:
            return Assessment(target, "go", "needs no measurement", answers=True)
        if target.startswith("rules:") and not await self.is_known(target):
            return Assessment(target, "go", "rules: nothing to measure", answers=True)
        name, version = await self._parts(target)
        found = await self._estimate(name, version, now_ms)
        if found is None:
            return Assessment(target, "unknown", "nothing was recorded of it")
        answers = _answers(found.counts, now_ms)
        why = found.why or f"{found.score:.0%} of its calls are good"
        assessed = Assessment(target, found.verdict, why, found.score, answers=answers)
        other = (
            None if name == primary and version is None else await self._primary(primary, now_ms)
        )
        if other is None:
            return assessed
        from gonogo.services.trust_estimate import p_better

        return replace(assessed, p_better=p_better(found, other))

    async def is_down(self, dependency: str, *, now_ms: int) -> bool:
        """Whether half or more of the calls of this and the previous hour failed outright."""
        hour = now_ms // HOUR_MS
        counts = await self._telemetry.hours(dependency, start_hour=hour - 1, end_hour=hour + 1)
        n, errors = int(counts.n.sum()), int(counts.errors.sum())
        return n >= DOWN_CALLS_MIN and errors >= DOWN_SHARE * n

    async def is_known(self, dependency: str) -> bool:
        """Whether anything was ever recorded of it, or of this version of it."""
        name, version = await self._parts(dependency)
        known = await self._telemetry.dependency(name)
        if known is None or version is None:
            return known is not None
        return any(seen.version == version for seen in known.versions)

    async def _parts(self, target: str) -> tuple[str, str | None]:
        if await self._telemetry.dependency(target) is not None:
            return target, None
        return split_version(target)

    async def _primary(self, primary: str, now_ms: int) -> TrustEstimate | None:
        """The primary as it serves now: its newest version, where it states versions."""
        known = await self._telemetry.dependency(primary)
        versions = [seen for seen in known.versions if seen.version] if known else []
        newest = max(versions, key=lambda seen: seen.newest_ts_ms, default=None)
        return await self._estimate(primary, newest.version if newest else None, now_ms)

    async def _estimate(self, name: str, version: str | None, now_ms: int) -> TrustEstimate | None:
        from gonogo.services import trust_estimate as trust

        known = await self._telemetry.dependency(name)
        if known is None:
            return None
        try:
            whole = await trust.trust_estimate(self._telemetry, self._settings, name, now_ms)
        except NotEnoughData:
            return None
        if version is None:
            return whole
        seen = next((seen for seen in known.versions if seen.version == version), None)
        counts = _of_version(whole.counts, version)
        if seen is None or not counts.n.sum():
            return None
        since_day = now_ms // (24 * HOUR_MS) - trust.POPULATION_DAYS
        return trust.estimate(
            replace(known, n=seen.n, newest_ts_ms=seen.newest_ts_ms),
            counts,
            await self._telemetry.population(
                known.kind, since_day=since_day, limit=trust.POPULATION_LIMIT
            ),
            whole.repeats,
            self._settings.dependency(name),
            golden=whole.golden,
            now_ms=now_ms,
        )


def _of_version(counts: HourCounts, version: str) -> HourCounts:
    number = counts.versions.index(version) if version in counts.versions else -1
    kept = counts.version == number
    return replace(counts, **{name: getattr(counts, name)[kept] for name in _BY_ROW})


def _answers(counts: HourCounts, now_ms: int) -> bool | None:
    recent = counts.hour > now_ms // HOUR_MS - ANSWERS_WITHIN_HOURS
    n, errors = int(counts.n[recent].sum()), int(counts.errors[recent].sum())
    return None if n == 0 else errors < DOWN_SHARE * n
