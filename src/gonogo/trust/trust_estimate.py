"""The chance that a dependency's next call is good, with its parts and its verdict.

A good call has no error, meets the latency SLO and, where it was labelled, an outcome at or above
the quality bar; where inputs repeat, it answers as before. Calls without an outcome never count
as good: P(good) = P(ok) * P(good | ok, labelled) * P(no disagreeing repeat), independent given
their rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gonogo.errors import NotEnoughData, UnknownTarget
from gonogo.hours.measured import (
    OneSided,
    UnlabelledVersion,
    are_complaints,
    are_praise,
    one_sided,
    unlabelled_version,
)
from gonogo.ports.trust_reads import (
    NO_DOUBTS,
    Doubts,
    JudgedLabels,
    KeptScore,
    Population,
    Repeats,
    TrustTelemetry,
)
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.settings import DependencySettings, Settings
from gonogo.trust.repeats import with_repeats
from gonogo.trust.trust_verdict import (
    EVEN_CHANCE,
    TrustBasis,
    normal_quality,
    outcomes_take_s,
    unmeasured,
    verdict_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gonogo.detectors.trust.mixture import BetaMixture
    from gonogo.detectors.trust.prior import Prior
    from gonogo.records import Dependency, Floats, HourCounts, Ints, Kind, Verdict

# The longest memory counts calls alike for this long; older ones say nothing on the next call.
MEMORY_DAYS = 120
POPULATION_DAYS = 30
POPULATION_LIMIT = 200


@dataclass(frozen=True, slots=True, eq=False)
class TrustEstimate:
    """P(next call is good). `score`, `lower`, `upper` and `bar` are fractions.

    `lower` and `upper` hold the chance of the next call, now: hours differ from the average by
    `hours_sd` (NaN: too few calls to tell, they hold the average alone). `points` are values of that average of equal probability, ascending.
    `ok` and `quality` are the Beta mixtures behind it; `quality` is None without one label, or with outcomes of one
    `side` alone. `without`: the estimate without the writers of `doubts` that are set aside, where its verdict is another (`estimate_without.judged_estimate`).
    """

    score: float
    lower: float
    upper: float
    bar: float
    points: Floats
    ok: BetaMixture
    ok_prior: Prior
    quality: BetaMixture | None
    quality_prior: Prior | None
    population: Population
    known: Dependency
    golden: bool
    counts: HourCounts
    repeats: Repeats
    side: OneSided | None
    hours_sd: float = math.nan
    unlabelled: UnlabelledVersion | None = None
    judged: JudgedLabels | None = None
    doubts: Doubts = NO_DOUBTS
    without: TrustEstimate | None = None
    verdict: Verdict = "unknown"
    why: str = ""

    @property
    def dependency(self) -> str:
        """Its name."""
        return self.known.name

    @property
    def n(self) -> int:
        """Calls in all hours."""
        return int(self.counts.n.sum())

    @property
    def labels(self) -> int:
        """Calls without error that have an outcome."""
        return int(self.counts.ok_labels.sum())

    @property
    def newest_ts_ms(self) -> int:
        """The time of the dependency's newest observation."""
        return self.known.newest_ts_ms

    @property
    def rev(self) -> int:
        """The dependency's, when it was read."""
        return self.known.rev


def kept_from(found: TrustEstimate, now_ms: int) -> KeptScore:
    """The part of an estimate that the fleet's view keeps."""
    return KeptScore(
        found.dependency, now_ms, found.rev, found.verdict, found.score, found.lower, found.upper
    )


def p_better(first: TrustEstimate, second: TrustEstimate) -> float:
    """P(the first's rate of good calls is above the second's), a fraction."""
    from gonogo.detectors.trust.mixture import p_greater

    return p_greater(first.points, second.points)


async def trust_estimate(
    telemetry: TrustTelemetry, settings: Settings, dependency: str, now_ms: int
) -> TrustEstimate:
    """Score one dependency from its hour counts.

    Raises:
        UnknownTarget: nothing was ever recorded under this name.
        NotEnoughData: it is known, but has no call to score.
    """
    known = await telemetry.dependency(dependency)
    if known is None:
        names = await telemetry.names()
        raise UnknownTarget(
            "dependency", dependency, names, "Record observations first, or check the name."
        )
    found = await trust_estimates(telemetry, settings, [known], now_ms)
    if not found:
        raise NotEnoughData(f"'{dependency}' has no call to score. Record observations first.")
    return found[0]


async def trust_estimates(
    telemetry: TrustTelemetry, settings: Settings, known: Sequence[Dependency], now_ms: int
) -> list[TrustEstimate]:
    """Score several dependencies; those without a call are left out."""
    populations: dict[Kind | None, Population] = {}
    estimates = []
    for one in known:
        counts, golden = await scored_hours(telemetry, one, now_ms)
        if not counts.n.sum():
            continue
        if one.kind not in populations:
            populations[one.kind] = await population_of(telemetry, one.kind, now_ms)
        repeats = await telemetry.repeats(one.name)
        own = settings.dependency(one.name)
        unlabelled = None
        if not golden and one_sided(counts, own) is None:
            unlabelled = await unlabelled_now(telemetry, one, counts, now_ms)
        start_hour = first_hour(one.newest_ts_ms, now_ms)
        judged = await telemetry.judged_labels([one.name], start_hour=start_hour)
        estimates.append(
            estimate(
                one,
                counts,
                populations[one.kind],
                repeats,
                own,
                golden=golden,
                unlabelled=unlabelled,
                judged=judged.get(one.name),
                outcomes_take_s=await outcomes_take_s(telemetry, one, counts, own, now_ms),
                now_ms=now_ms,
            )
        )
    return estimates


async def unlabelled_now(
    telemetry: TrustTelemetry, known: Dependency, counts: HourCounts, now_ms: int
) -> UnlabelledVersion | None:
    """The version that answers now without an outcome; its golden answers are read only then."""
    found = unlabelled_version(counts, None, known.versions)
    if found is None:
        return None
    golden = await telemetry.hours(known.name, golden=True, end_hour=now_ms // HOUR_MS + 1)
    return unlabelled_version(counts, golden, known.versions)


async def population_of(telemetry: TrustTelemetry, kind: Kind | None, now_ms: int) -> Population:
    """The dependencies of a kind whose newest days make the prior."""
    since_day = now_ms // DAY_MS - POPULATION_DAYS
    found = await telemetry.population(kind, since_day=since_day, limit=POPULATION_LIMIT)
    # What complaints or praise say is no share of good answers, so it is none for others to begin from.
    counted = ~are_complaints(found.n, found.ok_labels, found.ok_good)
    counted &= ~are_praise(found.ok, found.ok_labels, found.ok_good)
    return replace(
        found,
        labels=found.labels * counted,
        good=found.good * counted,
        ok_labels=found.ok_labels * counted,
        ok_good=found.ok_good * counted,
    )


def estimate(
    known: Dependency,
    counts: HourCounts,
    population: Population,
    repeats: Repeats,
    own: DependencySettings,
    *,
    golden: bool,
    unlabelled: UnlabelledVersion | None = None,
    judged: JudgedLabels | None = None,
    outcomes_take_s: float = 0.0,
    now_ms: int,
) -> TrustEstimate:
    """The estimate from what was read; pure."""
    from gonogo.detectors.trust import mixture as rates
    from gonogo.detectors.trust.hour_spread import widened

    others, hour, side = _others(population, known), now_ms // HOUR_MS, one_sided(counts, own)
    ok, ok_prior = _ok(counts, population, others, hour)
    points, normal, mean = rates.equal_points(ok), float(ok.longest()), float(ok.mean())
    quality, quality_prior = None, None
    if counts.ok_labels.any() and side is None:
        quality, quality_prior = _quality(counts, population, others, hour)
        points = rates.product_points(points, rates.equal_points(quality))
        mean *= float(quality.mean())
        normal *= normal_quality(float(quality.longest()), own)
    points, steady = with_repeats(points, repeats)
    mean, normal = mean * steady, normal * steady
    between = between_hours(ok, quality)
    lower, upper = widened(mean, rates.point_interval90(points), between)
    found = TrustEstimate(
        score=mean,
        lower=lower,
        upper=upper,
        bar=max(EVEN_CHANCE, normal - own.min_effect),
        points=points,
        ok=ok,
        ok_prior=ok_prior,
        quality=quality,
        quality_prior=quality_prior,
        population=population,
        known=known,
        golden=golden,
        counts=counts,
        repeats=repeats,
        side=side,
        hours_sd=math.sqrt(between),
        unlabelled=unlabelled,
        judged=None if golden else judged,
    )
    return _judged(found, known, own, outcomes_take_s, now_ms)


def between_hours(ok: BetaMixture, quality: BetaMixture | None) -> float:
    """The variance of an hour's chance that a call is well and, where known, answered well."""
    variance = float(ok.between_hours)
    if quality is None:
        return variance
    return product_variance(
        float(ok.mean()), variance, float(quality.mean()), float(quality.between_hours)
    )


def product_variance(first: float, of_first: float, second: float, of_second: float) -> float:
    """The variance of a product of two chances from their means and small variances."""
    return of_first * second**2 + of_second * first**2


def deciding_judges(
    judged: JudgedLabels | None, labels: int, ok: Callable[[], Floats], normal: float
) -> str | None:
    """The judges that gave at least half of the outcomes, where errors are not what is bad.

    Args:
        judged: What judges gave.
        labels: Outcomes in all.
        ok: Makes points of equal probability of the chance that a call comes well.
        normal: The least of that chance that its normal allows.
    """
    from gonogo.detectors.trust.mixture import point_interval90

    if judged is None or 2 * judged.n < labels:
        return None
    fails = point_interval90(ok())[1] < max(EVEN_CHANCE, normal)
    return None if fails else judged.judges


def _others(population: Population, known: Dependency) -> NDArray[np.bool_]:
    """A mask of the population without the dependency itself."""
    import numpy as np

    return np.array([name != known.name for name in population.names], dtype=bool)


def _ok(
    counts: HourCounts, population: Population, others: NDArray[np.bool_], now_hour: int
) -> tuple[BetaMixture, Prior]:
    """The posterior of a call without error and within the SLO, and the prior it began from."""
    from gonogo.detectors.trust import score as trust
    from gonogo.detectors.trust.prior import population_prior

    prior = population_prior(population.ok[others], population.n[others])
    ok = by_hour(counts, counts.ok, counts.n)
    return trust.posterior(*ok, now_hour=now_hour, prior=prior), prior


def _quality(
    counts: HourCounts, population: Population, others: NDArray[np.bool_], now_hour: int
) -> tuple[BetaMixture, Prior]:
    """The posterior of a good answer where there was one, and the prior it began from."""
    from gonogo.detectors.trust import score as trust
    from gonogo.detectors.trust.prior import population_prior

    prior = population_prior(population.ok_good[others], population.ok_labels[others])
    good = by_hour(counts, counts.ok_good, counts.ok_labels)
    return trust.posterior(*good, now_hour=now_hour, prior=prior), prior


def by_hour(counts: HourCounts, good: Ints, n: Ints) -> tuple[Ints, Ints, Ints]:
    """Hours with their good calls and calls, versions added up, hours without calls left out."""
    import numpy as np

    called = np.flatnonzero(n)
    hour = counts.hour[called]
    starts = np.flatnonzero(np.r_[True, hour[1:] != hour[:-1]]) if hour.size else called
    if not hour.size:
        return hour, hour, hour
    return hour[starts], np.add.reduceat(good[called], starts), np.add.reduceat(n[called], starts)


def first_hour(newest_ts_ms: int, now_ms: int) -> int:
    """The first hour that a score rests on."""
    return min(now_ms, newest_ts_ms) // HOUR_MS - MEMORY_DAYS * 24


async def scored_hours(
    telemetry: TrustTelemetry, known: Dependency, now_ms: int
) -> tuple[HourCounts, bool]:
    """The dependency's own calls, or its golden ones where there are no others."""
    start_hour = first_hour(known.newest_ts_ms, now_ms)
    end_hour = now_ms // HOUR_MS + 1
    counts = await telemetry.hours(known.name, start_hour=start_hour, end_hour=end_hour)
    if counts.n.sum():
        return counts, False
    return await telemetry.hours(
        known.name, golden=True, start_hour=start_hour, end_hour=end_hour
    ), True


def _judged(
    found: TrustEstimate,
    known: Dependency,
    own: DependencySettings,
    outcomes_take_s: float,
    now_ms: int,
) -> TrustEstimate:
    from gonogo.detectors.trust.mixture import equal_points

    labelled = found.counts.hour[found.counts.ok_labels > 0]
    dated = labelled.size and found.quality is not None
    scored = TrustBasis(
        score=found.score,
        lower=found.lower,
        upper=found.upper,
        bar=found.bar,
        n=found.n,
        newest_ts_ms=known.newest_ts_ms,
        newest_label_hour=int(labelled[-1]) if dated else None,
        outcomes_take_s=outcomes_take_s,
        unmeasured=unmeasured(known, own, found.side, has_quality=found.quality is not None),
        unlabelled=None if found.unlabelled is None else found.unlabelled.why,
        judges=deciding_judges(
            found.judged,
            found.labels,
            lambda: equal_points(found.ok),
            float(found.ok.longest()) - own.min_effect,
        ),
    )
    verdict, why = verdict_of(scored, own, now_ms)
    return replace(found, verdict=verdict, why=why)
