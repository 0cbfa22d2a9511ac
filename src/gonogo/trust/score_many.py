"""The trust scores of many dependencies in one run, each the one that a question about it gets.

From hourly counts, as the one-by-one score is: days would be fewer rows, but a memory with a
half-life of 2.4 hours cannot be told from them. `detectors.trust_many` has the arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.hours.measured import errors_decide
from gonogo.ports.trust_reads import KeptScore
from gonogo.records import HOUR_MS, Dependency
from gonogo.trust.trust_estimate import (
    MEMORY_DAYS,
    REPEATS_MIN,
    between_hours,
    consistent_points,
    population_of,
    scored_hours,
    unlabelled_now,
)
from gonogo.trust.trust_verdict import EVEN_CHANCE, Scored, verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.detectors.trust.chances_many import Batches
    from gonogo.detectors.trust.prior import Prior
    from gonogo.detectors.trust.score import BetaMixture
    from gonogo.ports.trust_reads import (
        CallCounts,
        FleetRow,
        Population,
        Repeats,
        TrustTelemetry,
    )
    from gonogo.records import Floats, Ints
    from gonogo.settings import DependencySettings, Settings

__all__ = ["score_many"]

Pair = tuple["Prior", "Prior"]


async def score_many(
    telemetry: TrustTelemetry, settings: Settings, rows: Sequence[FleetRow], now_ms: int
) -> list[KeptScore]:
    """Score several dependencies; those without a call are left out."""
    from gonogo.detectors.trust.chances_many import Batches, posteriors

    names = [row.name for row in rows]
    counts = await _counts(telemetry, rows, now_ms)
    called = [row for row in rows if row.name in counts]
    if not called:
        return []
    repeats = await telemetry.repeats_of(names)
    priors = await _priors(telemetry, called, now_ms)
    unlabelled = await _unlabelled(telemetry, called, now_ms)
    labelled_ever = await telemetry.with_outcomes(names)
    now_hour = now_ms // HOUR_MS
    hours = [counts[row.name] for row in called]
    oks = posteriors(
        [Batches(one.hour, one.ok, one.n) for one in hours],
        [priors[row.name][0] for row in called],
        now_hour=now_hour,
    )
    labelled = [at for at, one in enumerate(hours) if one.ok_labels.any()]
    qualities = dict(
        zip(
            labelled,
            posteriors(
                [_labelled(hours[at]) for at in labelled],
                [priors[called[at].name][1] for at in labelled],
                now_hour=now_hour,
            ),
            strict=True,
        )
    )
    return [
        _score(
            row,
            hours[at],
            oks[at],
            qualities.get(at),
            repeats.get(row.name),
            settings.dependency(row.name),
            now_ms,
            unlabelled=unlabelled.get(row.name),
            outcomes=row.name in labelled_ever,
        )
        for at, row in enumerate(called)
    ]


async def _unlabelled(
    telemetry: TrustTelemetry, rows: Sequence[FleetRow], now_ms: int
) -> dict[str, str]:
    """Those whose version that answers now has no outcome of its own, and why that matters.

    Only where some version has none while another has: of these alone versions are read apart.
    """
    start_hour = now_ms // HOUR_MS - MEMORY_DAYS * 24
    names = await telemetry.partly_labelled([row.name for row in rows], start_hour=start_hour)
    found = {}
    for name in names:
        known = await telemetry.dependency(name)
        if known is None:
            continue
        counts, golden = await scored_hours(telemetry, known, now_ms)
        version = None if golden else await unlabelled_now(telemetry, known, counts, now_ms)
        if version is not None:
            found[name] = version.why
    return found


def _known(row: FleetRow, *, outcomes: bool) -> Dependency:
    """What is known of it, as far as a score asks."""
    metrics = ("outcome",) if outcomes else ()
    newest_ms = row.newest_ts_ms
    return Dependency(
        row.name, row.kind, row.provider, row.n, newest_ms, newest_ms, row.rev, metrics=metrics
    )


async def _counts(
    telemetry: TrustTelemetry, rows: Sequence[FleetRow], now_ms: int
) -> dict[str, CallCounts]:
    """The hours with calls that each is scored by: of the last 120 days up to its newest."""
    from gonogo.ports.trust_reads import CallCounts

    starts = {row.name: min(now_ms, row.newest_ts_ms) // HOUR_MS - MEMORY_DAYS * 24 for row in rows}
    found = await telemetry.call_counts(
        list(starts), start_hour=min(starts.values()), end_hour=now_ms // HOUR_MS + 1
    )
    kept = {}
    for name, (own, golden) in found.items():
        for one in (own, golden):
            first = int(one.hour.searchsorted(starts[name]))
            if one.n[first:].any():
                kept[name] = CallCounts(*(column[first:] for column in one))
                break
    return kept


def _labelled(one: CallCounts) -> Batches:
    """Good answers among the labelled calls that came well, in the hours that have any."""
    from gonogo.detectors.trust.chances_many import Batches

    rows = one.ok_labels > 0
    return Batches(one.hour[rows], one.ok_good[rows], one.ok_labels[rows])


async def _priors(
    telemetry: TrustTelemetry, rows: Sequence[FleetRow], now_ms: int
) -> dict[str, Pair]:
    """What others of its kind give each, of being well and of a good answer."""
    found: dict[str, Pair] = {}
    for kind in {row.kind for row in rows}:
        population = await population_of(telemetry, kind, now_ms)
        every = _prior(population, None)
        members = set(population.names)
        for row in rows:
            if row.kind == kind:
                is_one = row.name in members
                found[row.name] = _prior(population, row.name) if is_one else every
    return found


def _prior(population: Population, without: str | None) -> Pair:
    import numpy as np

    from gonogo.detectors.trust.prior import population_prior

    others = np.array([name != without for name in population.names], dtype=bool)
    return (
        population_prior(population.ok[others], population.n[others]),
        population_prior(population.ok_good[others], population.ok_labels[others]),
    )


def _score(
    row: FleetRow,
    counts: CallCounts,
    ok: BetaMixture,
    quality: BetaMixture | None,
    repeats: Repeats | None,
    own: DependencySettings,
    now_ms: int,
    *,
    unlabelled: str | None,
    outcomes: bool,
) -> KeptScore:
    """The score as `trust_estimate.estimate` makes it."""
    from gonogo.detectors.trust import score as trust
    from gonogo.detectors.trust.chances_many import product_interval90
    from gonogo.detectors.trust.hour_spread import widened

    points, normal, mean = trust.equal_points(ok), ok.longest(), float(ok.mean())
    second: Floats | None = None
    if quality is not None:
        second = trust.equal_points(quality)
        mean *= float(quality.mean())
        declared = own.baseline.outcome if own.baseline else None
        normal *= quality.longest() if declared is None else declared
    if repeats is not None and repeats.repeats >= REPEATS_MIN:
        if second is not None:
            points = trust.product_points(points, second)
        second = consistent_points(repeats)
        steady = float(second.mean())
        mean, normal = mean * steady, normal * steady
    averaged = (
        trust.point_interval90(points) if second is None else product_interval90(points, second)
    )
    lower, upper = widened(mean, averaged, between_hours(ok, quality))
    scored = Scored(
        score=mean,
        lower=lower,
        upper=upper,
        bar=max(EVEN_CHANCE, normal - own.min_effect),
        n=int(counts.n.sum()),
        newest_ts_ms=row.newest_ts_ms,
        newest_label_hour=_newest(counts.hour[counts.ok_labels > 0]),
        is_measured=quality is not None or errors_decide(_known(row, outcomes=outcomes), own),
        unlabelled=unlabelled,
    )
    verdict, _ = verdict_of(scored, own, now_ms)
    return KeptScore(row.name, now_ms, row.rev, verdict, mean, lower, upper)


def _newest(hour: Ints) -> int | None:
    return int(hour[-1]) if hour.size else None
