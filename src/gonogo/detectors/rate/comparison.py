"""Two named sides held against each other: is the second's rate of bad outcomes another one.

Evidence of worse is a ratio of predictions for both sides' outcomes. Its null says that they share
one rate, Beta(1/2, 1/2), learned from both. Its alternative says that the first has a rate of its
own, Beta(1/2, 1/2) learned from it alone, and the second a rate p that lies above what the first has
shown, a. It is a mixture over laws of p, each cut at a: p may be anything, Beta(1/2, 1/2), or lies
about a + delta, for two deltas about the rule's effect, with a spread of delta: Beta(1/2 + m c, 1/2 + m (1 - c)), c = a + delta, m = a (1 - a) / delta^2
pseudo-labels but at most the labels of the first side. That the second is better is the same with
good and bad exchanged.

**Evidence never falls as harm grows.** One more bad outcome in place of a good one on the second
side multiplies each ratio by E[odds of p | its data, p > a] over the pooled odds. The pooled odds are
the second side's own, (bad + 1/2) / (good - 1/2), with the first side's labels mixed in; E[odds] are
the same with at most as many labels mixed in, of a rate of a or more. So where the second side's
odds are above the first's, E[odds] are the larger of the two; and where they are not, the pooled
odds lie below those of a, which E[odds] exceed. A bet on a fixed rate has no such property: once all
have been outbid by what was seen, the null learns the collapse faster than they can win. That is
proved for sides known at once. Where outcomes come in turns, the first side's must be predicted too:
a bad outcome early on the second side makes the null expect more of them on both, which costs it as
the first side goes on being good.

Source: Ville (1939) for the promise; Dawid (1984) for predictive likelihood ratios; the law cut at
the first side's rate after Saha & Ramdas (2025), arXiv:2502.06096.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, check_counts
from gonogo.detectors.log_space import log_beta, log_beta_above
from gonogo.detectors.rate.rule import DELTA_MAX, ROOM_SHARE, RateRule
from gonogo.errors import DataError

# Weight of "any rate above the first side's"; the rule's deltas share the rest. Small effects are
# found sooner by the deltas, collapses as soon by either (benchmarks/comparisons.py).
_OWN_SHARE = 0.2
# Beside it: two effects, in units of the smallest that matters.
_SPREAD = (0.9, 2.4)


@dataclass(frozen=True, slots=True)
class RateComparison:
    """Evidence that the second side's bad rate is higher, lower, or either (weighed), nats."""

    up_nats: float
    down_nats: float
    evidence_nats: float


def compare_as_they_come(
    n_before: ArrayLike,
    bad_before: ArrayLike,
    n_after: ArrayLike,
    bad_after: ArrayLike,
    rule: RateRule,
) -> RateComparison:
    """Weigh whether the second of two streams has another rate of bad outcomes than the first.

    Labels are taken in order, in each batch the first stream's before the second's; what is bet on a
    batch of the second rests on what the first has shown by then. So each evidence is a martingale
    of mean 1 under the null: it ever reaches 100 with probability at most 1 %, however often it is
    looked at, averaged over the common rate.

    Args:
        n_before: Labels of the first stream in each batch, oldest first, shape (batches,).
        bad_before: Bad outcomes among them; fractional where outcomes are graded.
        n_after: Labels of the second stream in the same batches.
        bad_after: Bad outcomes among them.
        rule: Deltas, weights of the sides and dispersion are used.

    Raises:
        DataError: The counts are malformed, or of different lengths.
    """
    labels, failures = check_counts(n_before, bad_before)
    new_labels, new_failures = check_counts(n_after, bad_after)
    if labels.shape != new_labels.shape:
        raise DataError(f"{len(labels)} batches before and {len(new_labels)} after: need as many.")
    bad, good = (np.cumsum(x) / rule.dispersion for x in (failures, labels - failures))
    new_bad, new_good = (x / rule.dispersion for x in (new_failures, new_labels - new_failures))
    up = _worse_nats(_merged(bad, good, new_bad, new_good), rule)
    down = _worse_nats(_merged(good, bad, new_good, new_bad), rule)
    with np.errstate(divide="ignore"):
        both = np.logaddexp.reduce(np.log(rule.side_weights) + np.array((up, down)))
    return RateComparison(up, down, float(both))


class _Batches(NamedTuple):
    """The second stream's batches, and what was known by each; shapes (batches,).

    `bad`, `good`: of the first stream up to it. `seen_*`: of the second before it. `added_*`: in it.
    """

    bad: Floats
    good: Floats
    seen_bad: Floats
    seen_good: Floats
    added_bad: Floats
    added_good: Floats


def _merged(bad: Floats, good: Floats, new_bad: Floats, new_good: Floats) -> _Batches:
    """Batches of the second stream, those put together between which the first stands still.

    Without those in which the first shows nothing to be worse than: no label yet, or all bad.
    """
    stays = np.zeros(len(bad), dtype=np.bool_)
    stays[1:] = (np.diff(bad) == 0) & (np.diff(good) == 0)
    first = np.flatnonzero(~stays)
    if not len(first):
        return _Batches(bad, good, new_bad, new_good, new_bad, new_good)
    added_bad, added_good = (np.add.reduceat(x, first) for x in (new_bad, new_good))
    seen_bad, seen_good = (np.cumsum(x) - x for x in (added_bad, added_good))
    columns = (bad[first], good[first], seen_bad, seen_good, added_bad, added_good)
    kept = (added_bad + added_good > 0) & (good[first] > 0)
    return _Batches(*(column[kept] for column in columns))


def _worse_nats(batches: _Batches, rule: RateRule) -> float:
    """Evidence that the second stream's bad rate is above the first's; see the module."""
    bad, good, seen_bad, seen_good, added_bad, added_good = batches
    null_bad, null_good = bad + seen_bad + 0.5, good + seen_good + 0.5
    null = log_beta(null_bad + added_bad, null_good + added_good) - log_beta(null_bad, null_good)
    if not len(null):
        return 0.0
    count = bad + good
    cut = np.maximum((bad + 0.5) / (count + 1), bad / count)
    deltas = np.array(_looked_for(rule))[:, None]
    centre = np.minimum(cut + deltas, cut + ROOM_SHARE * (1 - cut))
    pseudo = np.minimum(cut * (1 - cut) / deltas**2, count)
    # "Any rate of its own" is the law without pseudo-labels.
    pseudo, centre = np.vstack((0 * cut, pseudo)), np.vstack((cut, centre))
    a, b = 0.5 + seen_bad + pseudo * centre, 0.5 + seen_good + pseudo * (1 - centre)
    ends = np.array((a + added_bad, a)), np.array((b + added_good, b))
    cuts = np.broadcast_to(cut, ends[0].shape)
    later, sooner = log_beta_above(cuts.ravel(), *(x.ravel() for x in ends)).reshape(cuts.shape)
    walks = (later - sooner - null).sum(axis=1)
    others = (1 - _OWN_SHARE) / len(deltas)
    weights = np.log([_OWN_SHARE, *[others] * len(deltas)])
    return _first_nats(batches) + float(np.logaddexp.reduce(weights + walks))


def _first_nats(batches: _Batches) -> float:
    """Weigh what the first stream's labels after the first batch say for a rate of its own, nats.

    That is how much better they are told by those before them alone than together with the second stream's.
    """
    bad, good, seen_bad, seen_good, _, _ = batches
    own, common = ((bad + x + 0.5, good + y + 0.5) for x, y in ((0, 0), (seen_bad, seen_good)))
    nats = 0.0
    for sign, (a, b) in ((1, own), (-1, common)):
        before = a[1:] - np.diff(bad), b[1:] - np.diff(good)
        nats += sign * float((log_beta(a[1:], b[1:]) - log_beta(*before)).sum())
    return nats


def _looked_for(rule: RateRule) -> tuple[float, ...]:
    """Two effects about the one that matters: more of them, or a larger one, found nothing sooner."""
    return tuple(min(spread * rule.effect, DELTA_MAX) for spread in _SPREAD)


# Evidence at which two named sides are called different, and at which one is warned of.
COMPARISON_NEEDED = 100.0
COMPARISON_SUGGESTS = 20.0


def compare_rates(
    n_before: float, bad_before: float, n_after: float, bad_after: float, rule: RateRule
) -> RateComparison:
    """Weigh two samples against each other: `compare_as_they_come` of one batch.

    One more bad outcome on the second side, in place of a good one, is always more evidence of worse.

    Raises:
        DataError: The counts are malformed.
    """
    return compare_as_they_come([n_before], [bad_before], [n_after], [bad_after], rule)


def fisher_worse(n_before: float, bad_before: float, n_after: float, bad_after: float) -> float:
    """The exact one-sided p-value that the second side's bad rate is higher, for one look.

    Graded outcomes are rounded to whole ones.

    Source: Fisher (1935), the conditional law of a 2 x 2 table.
    """
    n0, n1 = round(n_before), round(n_after)
    b0, b1 = min(round(bad_before), n0), min(round(bad_after), n1)
    total = b0 + b1
    values = np.arange(max(0, total - n0), min(total, n1) + 1, dtype=np.float64)
    nats = _log_choose(n1, values) + _log_choose(n0, total - values)
    chance = np.exp(nats - nats.max())
    return float(chance[values >= b1].sum() / chance.sum())


def _log_choose(n: int, k: Floats) -> Floats:
    """The logarithm of n over k."""
    nats: Floats = -log_beta(n - k + 1, k + 1) - math.log(n + 1)
    return nats
