"""Two known periods or versions side by side: has the rate of bad outcomes changed between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.checks import Floats, check_counts
from gonogo.detectors.predictive import RateRule, log_gamma
from gonogo.detectors.predictive_bets import ROOM_SHARE

# Evidence at which two named sides are called different.
COMPARISON_NEEDED = 100.0


@dataclass(frozen=True, slots=True)
class RateComparison:
    """Evidence that the second side's bad rate differs from the first's, nats."""

    up_nats: float
    down_nats: float
    evidence_nats: float


def compare_rates(
    n_before: float, bad_before: float, n_after: float, bad_after: float, rule: RateRule
) -> RateComparison:
    """Weigh two known samples against each other.

    Given how many outcomes were bad on both sides together, chance alone deals them out
    hypergeometrically whatever the common rate is; the bets are on odds ratios that correspond to
    the rule's deltas around the common rate. So the mean of each evidence is exactly 1 while the
    rates are equal, for every rate, and P(evidence >= 100) is at most 1 % for one look at samples
    whose sizes do not depend on the outcomes.

    Args:
        n_before: Labels of the first side.
        bad_before: Bad outcomes among them; graded sums are rounded.
        n_after: Labels of the second side.
        bad_after: Bad outcomes among them.
        rule: Deltas, weights of the sides and dispersion are used.

    Raises:
        DataError: The counts are malformed.

    Source: Fisher (1935), the conditional law of a 2 x 2 table, as a likelihood ratio.
    """
    labels, failures = check_counts([n_before, n_after], [bad_before, bad_after])
    labels = np.rint(labels / rule.dispersion)
    failures = np.minimum(np.rint(failures / rule.dispersion), labels)
    total = float(failures.sum())
    values = np.arange(max(0.0, total - labels[0]), min(total, labels[1]) + 1)
    dealt = _log_hypergeometric(values, labels, total)
    up, down = (
        _mean_nats(
            [
                float(failures[1]) * odds - _log_sum(dealt + values * odds)
                for odds in (_log_odds_ratio(labels, total, sign * d) for d in rule.deltas)
            ]
        )
        for sign in (1, -1)
    )
    weight_up, weight_down = rule.side_weights
    with np.errstate(divide="ignore"):
        both = np.logaddexp(np.log(weight_up) + up, np.log(weight_down) + down)
    return RateComparison(up, down, float(both))


def _log_hypergeometric(values: Floats, labels: Floats, total: float) -> Floats:
    """Log chance that `values` of `total` bad outcomes fall on the second side."""
    nats = (
        _log_choose(np.full(1, labels[1]), values)
        + _log_choose(np.full(1, labels[0]), total - values)
        - _log_choose(np.full(1, labels.sum()), np.full(1, total))
    )
    return nats - _log_sum(nats)


def _log_choose(n: Floats, k: Floats) -> Floats:
    return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1)


def _log_odds_ratio(labels: Floats, total: float, delta: float) -> float:
    """The odds ratio of two rates `delta` apart whose mean over both sides is the common rate."""
    count = max(float(labels.sum()), 1.0)
    common = (total + 0.5) / (count + 1)
    room = ROOM_SHARE * (1 - common if delta > 0 else common)
    step = math.copysign(min(abs(delta), room), delta)
    before = common - step * float(labels[1]) / count
    before = min(max(before, (1 - ROOM_SHARE) * common), common + ROOM_SHARE * (1 - common))
    after = before + step
    after = min(max(after, (1 - ROOM_SHARE) * common), common + ROOM_SHARE * (1 - common))
    return math.log(after / (1 - after)) - math.log(before / (1 - before))


def _log_sum(nats: Floats) -> float:
    top = float(nats.max())
    return top + math.log(float(np.exp(nats - top).sum()))


def _mean_nats(nats: list[float]) -> float:
    return _log_sum(np.array(nats)) - math.log(len(nats))
