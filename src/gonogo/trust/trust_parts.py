"""The parts of a good call, each a rate of its own: available, right, in time, consistent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gonogo.records import HOUR_MS
from gonogo.settings import DependencySettings
from gonogo.trust.repeats import consistency_points
from gonogo.trust.trust_estimate import TrustEstimate, by_hour

if TYPE_CHECKING:
    from gonogo.detectors.trust.mixture import BetaMixture
    from gonogo.detectors.trust.prior import Prior
    from gonogo.records import Ints

PartName = Literal["availability", "quality", "latency_slo", "consistency"]


@dataclass(frozen=True, slots=True)
class PartEstimate:
    """One part of good: a rate with the 90 % interval of the next call's, from n calls."""

    rate: float
    lower: float
    upper: float
    n: int


def part_estimates(
    found: TrustEstimate, own: DependencySettings, now_ms: int
) -> dict[PartName, PartEstimate]:
    """The parts of good, each by the same rule over its own calls; those without data are left out."""
    import numpy as np

    from gonogo.detectors.trust import mixture as rates
    from gonogo.detectors.trust import score as trust
    from gonogo.detectors.trust.hour_spread import widened
    from gonogo.detectors.trust.prior import population_prior

    counts, all_ = found.counts, found.population
    others = np.array([name != found.dependency for name in all_.names], dtype=bool)
    pairs: dict[PartName, tuple[Ints, Ints, Ints, Ints]] = {
        "availability": (counts.n - counts.errors, counts.n, all_.n - all_.errors, all_.n),
    }
    if found.side is None:
        pairs["quality"] = (counts.good, counts.labels, all_.good, all_.labels)
    if own.latency_slo_ms is not None:
        pairs["latency_slo"] = (counts.slo_met, counts.timed, all_.slo_met, all_.timed)
    parts: dict[PartName, PartEstimate] = {}
    for name, (good, n, others_good, others_n) in pairs.items():
        if n.sum():
            prior = population_prior(others_good[others], others_n[others])
            mixture = _known(found, good, n, prior) or trust.posterior(
                *by_hour(counts, good, n), now_hour=now_ms // HOUR_MS, prior=prior
            )
            low, high = rates.quantiles(mixture, np.array([0.05, 0.95]))
            rate = float(mixture.mean())
            ends = widened(rate, (float(low), float(high)), float(mixture.between_hours))
            parts[name] = PartEstimate(rate, *ends, int(n.sum()))
    if found.repeats.repeats:
        points = consistency_points(found.repeats)
        low, high = rates.point_interval90(points)
        parts["consistency"] = PartEstimate(
            float(points.mean()), float(low), float(high), found.repeats.repeats
        )
    return parts


def _known(found: TrustEstimate, good: Ints, n: Ints, prior: Prior) -> BetaMixture | None:
    """The posterior of such calls where the score was made from the same ones.

    Without an SLO a call that is well is one without error, and where no failed call has an outcome
    a good answer is a good call.
    """
    import numpy as np

    counts = found.counts
    for own_good, own_n, own_prior, mixture in (
        (counts.ok, counts.n, found.ok_prior, found.ok),
        (counts.ok_good, counts.ok_labels, found.quality_prior, found.quality),
    ):
        if own_prior == prior and np.array_equal(own_n, n) and np.array_equal(own_good, good):
            return mixture
    return None
