"""The chance that a dependency's next call is good, with its parts and its verdict.

A good call has no error, meets the latency SLO and, where it was labelled, an outcome at or above
the quality bar; where inputs repeat, it answers as before. Calls without an outcome never count
as good: P(good) = P(ok) * P(good | ok, labelled) * P(no disagreeing repeat), independent given
their rates.

The verdict:
* `unknown`: fewer than 10 calls, the newest call or the newest label older than `stale_after`, a
  version that answers now without an outcome of its own (while an older one has some), or a 90 %
  interval wider than half the scale. Thin or stale evidence is never `go`.
* `no_go`: the whole interval lies below the bar, so that it is 95 % sure to be below. The bar is
  the dependency's own normal (declared baseline outcome, else its longest memory) less its
  `min_effect`, and never under one half, where a call is as likely bad as good.
* `go`: even the interval's lower end is at least one half, and the score is at or above the bar.
* `caution`: anything between; also a dependency without any label that is not judged by its errors
  alone (`measured.errors_decide`), because what is not measured cannot be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.errors import NotEnoughData, UnknownTarget
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.services.measured import errors_decide, unlabelled_version
from gonogo.services.ports_trust import KeptScore
from gonogo.text.forms import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gonogo.detectors.trust import BetaMixture, Prior
    from gonogo.records import Dependency, Floats, HourCounts, Ints, Kind, Verdict
    from gonogo.services.measured import UnlabelledVersion
    from gonogo.services.ports_trust import Population, Repeats, TrustTelemetry
    from gonogo.settings import DependencySettings, Settings

CALLS_MIN = 10
WIDTH_MAX = 0.5
EVEN_CHANCE = 0.5
# The longest memory counts calls alike for this long; older ones say nothing on the next call.
MEMORY_DAYS = 120
POPULATION_DAYS = 30
POPULATION_LIMIT = 200
REPEATS_MIN = 10


@dataclass(frozen=True, slots=True, eq=False)
class TrustEstimate:
    """P(next call is good). `score`, `lower`, `upper` and `bar` are fractions.

    `points` are values of the rate of equal probability, ascending: its whole distribution.
    `ok` and `quality` are the Beta mixtures behind it; `quality` is None without one label.
    """

    dependency: str
    score: float
    lower: float
    upper: float
    bar: float
    n: int
    verdict: Verdict
    why: str
    points: Floats
    ok: BetaMixture
    ok_prior: Prior
    quality: BetaMixture | None
    quality_prior: Prior | None
    population: Population
    known: Dependency
    labels: int
    golden: bool
    counts: HourCounts
    repeats: Repeats
    unlabelled: UnlabelledVersion | None = None

    @property
    def newest_ts_ms(self) -> int:
        """Of the dependency's newest observation."""
        return self.known.newest_ts_ms

    @property
    def rev(self) -> int:
        """The dependency's, when it was read."""
        return self.known.rev


def kept_from(found: TrustEstimate, now_ms: int) -> KeptScore:
    """What is kept of an estimate for the fleet's view."""
    return KeptScore(
        found.dependency, now_ms, found.rev, found.verdict, found.score, found.lower, found.upper
    )


def p_better(first: TrustEstimate, second: TrustEstimate) -> float:
    """P(the first's rate of good calls is above the second's), a fraction."""
    from gonogo.detectors.trust import p_greater

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
        names = [d.name for d in await telemetry.dependencies(limit=1000)]
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
        counts, golden = await _hours(telemetry, one, now_ms)
        if not counts.n.sum():
            continue
        if one.kind not in populations:
            populations[one.kind] = await population_of(telemetry, one.kind, now_ms)
        repeats = await telemetry.repeats(one.name)
        own = settings.dependency(one.name)
        unlabelled = None if golden else await _unlabelled(telemetry, one, counts, now_ms)
        estimates.append(
            estimate(
                one,
                counts,
                populations[one.kind],
                repeats,
                own,
                golden=golden,
                unlabelled=unlabelled,
                now_ms=now_ms,
            )
        )
    return estimates


async def _unlabelled(
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
    return await telemetry.population(kind, since_day=since_day, limit=POPULATION_LIMIT)


def estimate(
    known: Dependency,
    counts: HourCounts,
    population: Population,
    repeats: Repeats,
    own: DependencySettings,
    *,
    golden: bool,
    unlabelled: UnlabelledVersion | None = None,
    now_ms: int,
) -> TrustEstimate:
    """The estimate from what was read; pure."""
    from gonogo.detectors import trust

    others, hour = _others(population, known), now_ms // HOUR_MS
    ok, ok_prior = _ok(counts, population, others, hour)
    points, normal, mean = trust.equal_points(ok), _longest(ok), float(ok.mean())
    labels, quality, quality_prior = int(counts.ok_labels.sum()), None, None
    if labels:
        quality, quality_prior = _quality(counts, population, others, hour)
        points = trust.product_points(points, trust.equal_points(quality))
        mean *= float(quality.mean())
        normal *= _normal_quality(quality, own)
    if repeats.repeats >= REPEATS_MIN:
        consistent = _consistent(repeats)
        points, steady = trust.product_points(points, consistent), float(consistent.mean())
        mean, normal = mean * steady, normal * steady
    lower, upper = trust.point_interval90(points)
    found = TrustEstimate(
        dependency=known.name,
        score=mean,
        lower=lower,
        upper=upper,
        bar=max(EVEN_CHANCE, normal - own.min_effect),
        n=int(counts.n.sum()),
        verdict="unknown",
        why="",
        points=points,
        ok=ok,
        ok_prior=ok_prior,
        quality=quality,
        quality_prior=quality_prior,
        population=population,
        known=known,
        labels=labels,
        golden=golden,
        counts=counts,
        repeats=repeats,
        unlabelled=unlabelled,
    )
    return _judged(found, known, own, now_ms)


def _consistent(repeats: Repeats) -> Floats:
    """Points of the chance that a call is not a repeat that was answered otherwise."""
    share = repeats.repeats / repeats.answers
    points: Floats = 1 - share * (1 - consistency_points(repeats))
    return points


def _others(population: Population, known: Dependency) -> NDArray[np.bool_]:
    """Which of the population are not the dependency itself."""
    import numpy as np

    return np.array([name != known.name for name in population.names], dtype=bool)


def _normal_quality(quality: BetaMixture, own: DependencySettings) -> float:
    """The share of good answers that is usual: declared, or over the longest memory."""
    declared = own.baseline.outcome if own.baseline else None
    return _longest(quality) if declared is None else declared


def _ok(
    counts: HourCounts, population: Population, others: NDArray[np.bool_], now_hour: int
) -> tuple[BetaMixture, Prior]:
    """The posterior of a call without error and within the SLO, and the prior it began from."""
    from gonogo.detectors import trust

    prior = trust.population_prior(population.ok[others], population.n[others])
    ok = by_hour(counts, counts.ok, counts.n)
    return trust.posterior(*ok, now_hour=now_hour, prior=prior), prior


def _quality(
    counts: HourCounts, population: Population, others: NDArray[np.bool_], now_hour: int
) -> tuple[BetaMixture, Prior]:
    """The posterior of a good answer where there was one, and the prior it began from."""
    from gonogo.detectors import trust

    prior = trust.population_prior(population.ok_good[others], population.ok_labels[others])
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


def consistency_points(repeats: Repeats) -> Floats:
    """The chance that a repeated input is answered as before, from a uniform prior."""
    import numpy as np

    from gonogo.detectors.trust import BetaMixture, equal_points

    agreeing = repeats.repeats - repeats.disagreeing
    one = np.ones(1)
    return equal_points(BetaMixture(one, one + agreeing, one + repeats.disagreeing))


async def _hours(
    telemetry: TrustTelemetry, known: Dependency, now_ms: int
) -> tuple[HourCounts, bool]:
    """The dependency's own calls, or its golden ones where there are no others."""
    newest = min(now_ms, known.newest_ts_ms)
    start_hour = newest // HOUR_MS - MEMORY_DAYS * 24
    end_hour = now_ms // HOUR_MS + 1
    counts = await telemetry.hours(known.name, start_hour=start_hour, end_hour=end_hour)
    if counts.n.sum():
        return counts, False
    return await telemetry.hours(
        known.name, golden=True, start_hour=start_hour, end_hour=end_hour
    ), True


def _longest(mixture: BetaMixture) -> float:
    return float(mixture.a[-1] / (mixture.a[-1] + mixture.b[-1]))


def _judged(
    found: TrustEstimate, known: Dependency, own: DependencySettings, now_ms: int
) -> TrustEstimate:
    from dataclasses import replace

    verdict, why = _verdict(found, known, own, now_ms)
    return replace(found, verdict=verdict, why=why)


WIDE = "the interval is wider than half the scale"
LOW = "the interval's lower end is below an even chance"
UNMEASURED = "whether answers are right is not known, no outcome was recorded"


def _verdict(
    found: TrustEstimate, known: Dependency, own: DependencySettings, now_ms: int
) -> tuple[Verdict, str]:
    stale_ms = own.stale_after_s * 1000
    labelled = found.counts.hour[found.counts.ok_labels > 0]
    label_age_ms = now_ms - (int(labelled[-1]) + 1) * HOUR_MS if labelled.size else 0
    limit = "an even chance" if found.bar == EVEN_CHANCE else "its normal"
    unmeasured = found.quality is None and not errors_decide(known, own)
    unlabelled = "" if found.unlabelled is None else found.unlabelled.why
    newest = f"is older than {days(stale_ms)}"
    least = f"{number(round(100 * found.bar, 1))}%, the least that {limit} allows"
    too_few = f"there are {found.n} of the {CALLS_MIN} calls that a verdict needs"
    # The first that holds decides.
    rules: list[tuple[bool, Verdict, str]] = [
        (now_ms - found.newest_ts_ms > stale_ms, "unknown", f"the newest call {newest}"),
        (found.n < CALLS_MIN, "unknown", too_few),
        (found.upper < found.bar, "no_go", f"95% sure to be below {least}"),
        (found.unlabelled is not None, "unknown", unlabelled),
        (label_age_ms > stale_ms, "unknown", f"the newest outcome {newest}"),
        (found.upper - found.lower > WIDTH_MAX, "unknown", WIDE),
        (found.lower < EVEN_CHANCE, "caution", LOW),
        (found.score < found.bar, "caution", f"below {least}"),
        (unmeasured, "caution", UNMEASURED),
    ]
    return next(((verdict, why) for holds, verdict, why in rules if holds), ("go", ""))


def days(ms: int) -> str:
    """A span in whole days, or hours below two days."""
    hours = round(ms / HOUR_MS)
    return f"{hours // 24} days" if hours >= 48 and hours % 24 == 0 else f"{hours} h"  # noqa: PLR2004
