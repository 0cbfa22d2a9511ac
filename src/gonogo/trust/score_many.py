"""The trust scores of many dependencies in one run, each the one that a question about it gets.

From hourly counts, as the one-by-one score is: days would be fewer rows, but a memory with a
half-life of 2.4 hours cannot be told from them. `detectors.trust_many` has the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gonogo.hours.measured import OneSided, one_sided
from gonogo.ports.trust_reads import (
    CallCounts,
    FleetRow,
    JudgedLabels,
    KeptScore,
    Population,
    Repeats,
    TrustTelemetry,
)
from gonogo.records import HOUR_MS, Dependency
from gonogo.settings import DependencySettings, Settings
from gonogo.trust.repeats import REPEATS_MIN, consistent_points
from gonogo.trust.trust_estimate import (
    MEMORY_DAYS,
    deciding_judges,
    first_hour,
    population_of,
    product_variance,
    scored_hours,
    unlabelled_now,
)
from gonogo.trust.trust_verdict import (
    EVEN_CHANCE,
    TrustBasis,
    normal_quality,
    outcomes_take_s,
    unmeasured,
    verdict_of,
)

if TYPE_CHECKING:
    from gonogo.detectors.trust.mixture import BetaMixture
    from gonogo.detectors.trust.prior import Prior
    from gonogo.detectors.trust.score import Batches
    from gonogo.records import Floats, Ints, Kind


class KindPriors(NamedTuple):
    """The priors that a kind gives each dependency, of being well and of a good answer: from all others."""

    every: tuple[Prior, Prior]
    without: Mapping[str, tuple[Prior, Prior]]

    def of(self, name: str) -> tuple[Prior, Prior]:
        """The prior from all but this one."""
        return self.without.get(name, self.every)


async def score_many(
    telemetry: TrustTelemetry,
    settings: Settings,
    rows: Sequence[FleetRow],
    now_ms: int,
    *,
    kinds: dict[Kind | None, KindPriors] | None = None,
) -> list[KeptScore]:
    """Score several dependencies; those without a call are left out.

    Args:
        telemetry: The evidence.
        settings: SLOs, bars, declared baselines.
        rows: Which.
        now_ms: Epoch milliseconds.
        kinds: Priors of an earlier run of the same look; what is missing is added.
    """
    from gonogo.detectors.trust.score import Batches, posteriors

    names = [row.name for row in rows]
    counts = await _counts(telemetry, rows, now_ms)
    called = [row for row in rows if row.name in counts]
    if not called:
        return []
    repeats = await telemetry.repeats_of(names)
    priors = await _priors(telemetry, called, {} if kinds is None else kinds, now_ms)
    sides = {name: one_sided(one, settings.dependency(name)) for name, one in counts.items()}
    others = [row for row in called if sides[row.name] is None]
    unlabelled = await _unlabelled(telemetry, others, now_ms)
    start_hour = min(first_hour(row.newest_ts_ms, now_ms) for row in called)
    by_judges = await telemetry.judged_labels(names, start_hour=start_hour)
    labelled_ever = await telemetry.with_outcomes(names)
    now_hour = now_ms // HOUR_MS
    hours = [counts[row.name] for row in called]
    waits = await _waits(telemetry, settings, called, hours, now_ms)
    every = [Batches(one.hour, one.ok, one.n) for one in hours]
    oks = _Chances.of(posteriors(every, [ok for ok, _ in priors], now_hour=now_hour))
    labelled = _with_labels(called, hours, sides)
    judged = [_labelled(hours[at]) for at in labelled]
    qualities = _Chances.of(
        posteriors(judged, [priors[at][1] for at in labelled], now_hour=now_hour)
    )
    quality_at = {at: row for row, at in enumerate(labelled)}
    return [
        _score(
            _known(row, outcomes=row.name in labelled_ever),
            hours[at],
            oks.chance(at),
            qualities.chance(quality_at[at]) if at in quality_at else None,
            repeats.get(row.name),
            settings.dependency(row.name),
            now_ms,
            unlabelled=unlabelled.get(row.name),
            judged=by_judges.get(row.name),
            side=sides[row.name],
            outcomes_take_s=waits[at],
        )
        for at, row in enumerate(called)
    ]


async def _priors(
    telemetry: TrustTelemetry,
    rows: Sequence[FleetRow],
    kinds: dict[Kind | None, KindPriors],
    now_ms: int,
) -> list[tuple[Prior, Prior]]:
    """The priors of each; what `kinds` lacks is added to it."""
    for kind in {row.kind for row in rows} - set(kinds):
        kinds[kind] = _kind_priors(await population_of(telemetry, kind, now_ms))
    return [kinds[row.kind].of(row.name) for row in rows]


async def _waits(
    telemetry: TrustTelemetry,
    settings: Settings,
    rows: Sequence[FleetRow],
    hours: Sequence[CallCounts],
    now_ms: int,
) -> list[float]:
    """How long the outcomes of each take, where its newest would else be too old, seconds."""
    return [
        await outcomes_take_s(telemetry, row, one, settings.dependency(row.name), now_ms)
        for row, one in zip(rows, hours, strict=True)
    ]


class _Chance(NamedTuple):
    """A rate: its mean, its usual value, its variance between hours, and points of equal probability."""

    mean: float
    usual: float
    between_hours: float
    points: Floats


class _Chances(NamedTuple):
    """The rates of many dependencies, one a row (see `_Chance`)."""

    mean: Floats
    usual: Floats
    between_hours: Floats
    points: Floats

    @classmethod
    def of(cls, mixtures: BetaMixture) -> _Chances:
        """Compute the rates from mixtures of shape (dependencies, 5)."""
        import numpy as np

        from gonogo.detectors.trust.mixture import many_equal_points

        between = np.broadcast_to(mixtures.between_hours, len(mixtures.weight))
        points = many_equal_points(mixtures)
        return cls(mixtures.mean(), mixtures.longest(), between, points)

    def chance(self, row: int) -> _Chance:
        return _Chance(
            float(self.mean[row]),
            float(self.usual[row]),
            float(self.between_hours[row]),
            self.points[row],
        )


async def _unlabelled(
    telemetry: TrustTelemetry, rows: Sequence[FleetRow], now_ms: int
) -> dict[str, str]:
    """The dependencies whose current version has no outcome of its own, and why that matters.

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


def _with_labels(
    rows: Sequence[FleetRow], hours: Sequence[CallCounts], sides: Mapping[str, OneSided | None]
) -> list[int]:
    """The places of those whose outcomes are a share of good calls."""
    return [
        at for at, row in enumerate(rows) if hours[at].ok_labels.any() and sides[row.name] is None
    ]


def _known(row: FleetRow, *, outcomes: bool) -> Dependency:
    """The facts about a dependency that a score needs."""
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
    from gonogo.detectors.trust.score import Batches

    rows = one.ok_labels > 0
    return Batches(one.hour[rows], one.ok_good[rows], one.ok_labels[rows])


def _kind_priors(population: Population) -> KindPriors:
    import numpy as np

    from gonogo.detectors.trust.prior import population_priors

    names = population.names
    # A row without each, and one of all.
    others = np.vstack([1 - np.eye(len(names), dtype=np.int64), np.ones((1, len(names)), int)])
    ok = population_priors(population.ok * others, population.n * others)
    good = population_priors(population.ok_good * others, population.ok_labels * others)
    *without, every = zip(ok, good, strict=True)
    return KindPriors(every, dict(zip(names, without, strict=True)))


def _score(
    known: Dependency,
    counts: CallCounts,
    ok: _Chance,
    quality: _Chance | None,
    repeats: Repeats | None,
    own: DependencySettings,
    now_ms: int,
    *,
    unlabelled: str | None,
    judged: JudgedLabels | None,
    side: OneSided | None,
    outcomes_take_s: float,
) -> KeptScore:
    """The score as `trust_estimate.estimate` makes it."""
    from gonogo.detectors.trust import mixture as rates
    from gonogo.detectors.trust.hour_spread import widened

    mean, normal, between, points = ok
    second = None if quality is None else quality.points
    if quality is not None:
        between = product_variance(mean, between, quality.mean, quality.between_hours)
        mean *= quality.mean
        normal *= normal_quality(quality.usual, own)
    if repeats is not None and repeats.repeats >= REPEATS_MIN:
        points = points if second is None else rates.product_points(points, second)
        second = consistent_points(repeats)
        steady = float(second.mean())
        mean, normal = mean * steady, normal * steady
    averaged = (
        rates.point_interval90(points)
        if second is None
        else rates.product_interval90(points, second)
    )
    lower, upper = widened(mean, averaged, between)
    labels, least = int(counts.ok_labels.sum()), ok.usual - own.min_effect
    scored = TrustBasis(
        score=mean,
        lower=lower,
        upper=upper,
        bar=max(EVEN_CHANCE, normal - own.min_effect),
        n=int(counts.n.sum()),
        newest_ts_ms=known.newest_ts_ms,
        newest_label_hour=None if quality is None else _newest(counts.hour[counts.ok_labels > 0]),
        outcomes_take_s=outcomes_take_s,
        unmeasured=unmeasured(known, own, side, has_quality=quality is not None),
        unlabelled=unlabelled,
        judges=deciding_judges(judged, labels, lambda: ok.points, least),
    )
    told = verdict_of(scored, own, now_ms)[0]
    return KeptScore(known.name, now_ms, known.rev, told, mean, lower, upper)


def _newest(hour: Ints) -> int | None:
    return int(hour[-1]) if hour.size else None
