"""A trust estimate made again after a part of what it rests on was taken away: a version's, or some writers'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gonogo.hours.counts import hours_less, hours_where
from gonogo.ports.trust_reads import TrustTelemetry
from gonogo.records import DAY_MS, HOUR_MS, HourCounts, worst_verdict
from gonogo.settings import Settings
from gonogo.trust.trust_estimate import (
    TrustEstimate,
    estimate,
    population_of,
    trust_estimate,
)
from gonogo.trust.writers import doubts_about


async def estimate_without(
    telemetry: TrustTelemetry,
    settings: Settings,
    found: TrustEstimate,
    writers: Sequence[str],
    *,
    now_ms: int,
    version: str | None = None,
) -> TrustEstimate | None:
    """The estimate without what some recorded in the last day; None where that is all there is.

    `found` itself where they recorded nothing. `version`: of which it is, where it is not of all.
    """
    name, since_ms = found.dependency, now_ms - DAY_MS
    part = await telemetry.recorded_by(name, writers, since_ms=since_ms, golden=found.golden)
    if not part.n.size:
        return found
    counts, golden = hours_less(found.counts, part), found.golden
    if not counts.n.sum() and not golden:
        asked = await telemetry.hours(name, golden=True, end_hour=now_ms // HOUR_MS + 1)
        counts, golden = asked if version is None else of_version(asked, version), True
        part = await telemetry.recorded_by(name, writers, since_ms=since_ms, golden=True)
        counts = hours_less(counts, part)
    if not counts.n.sum():
        return None
    # As new as the newest hour that is left.
    newest_ms = min(found.newest_ts_ms, (int(counts.hour.max()) + 1) * HOUR_MS - 1)
    left = replace(found.known, newest_ts_ms=newest_ms)
    rest = replace(found, known=left, counts=counts, golden=golden)
    return await estimate_again(telemetry, settings, rest, now_ms)


async def judged_estimate(
    telemetry: TrustTelemetry, settings: Settings, dependency: str, now_ms: int
) -> TrustEstimate:
    """The estimate of a dependency, its verdict given whose word about it is doubtful (`writers`).

    Raises:
        UnknownTarget: nothing was ever recorded under this name.
        NotEnoughData: it is known, but has no call to score.
    """
    found = await trust_estimate(telemetry, settings, dependency, now_ms)
    doubts = await doubts_about(telemetry, settings, dependency, now_ms=now_ms)
    if not doubts.named:
        return found
    rest = None
    if doubts.aside:
        rest = await estimate_without(telemetry, settings, found, doubts.aside, now_ms=now_ms)
    verdict = found.verdict
    if rest is None or rest.verdict == verdict:
        rest = None
    else:
        verdict = doubts.verdict(verdict, rest.verdict)
    return replace(found, verdict=worst_verdict([verdict, "caution"]), doubts=doubts, without=rest)


async def estimate_again(
    telemetry: TrustTelemetry, settings: Settings, found: TrustEstimate, now_ms: int
) -> TrustEstimate:
    """An estimate made again, after what it rests on has changed."""
    return estimate(
        found.known,
        found.counts,
        await population_of(telemetry, found.known.kind, now_ms),
        found.repeats,
        settings.dependency(found.dependency),
        golden=found.golden,
        now_ms=now_ms,
    )


def of_version(counts: HourCounts, version: str) -> HourCounts:
    """The counts of one version."""
    number = counts.versions.index(version) if version in counts.versions else -1
    return hours_where(counts, counts.version == number)
