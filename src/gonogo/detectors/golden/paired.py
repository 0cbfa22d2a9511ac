"""Golden sets: the same items asked again, so that each item is its own control.

Two periods or versions are compared once (`compare`); daily runs are followed (`run_evidence`,
`pass_chart`). An item asked several times counts by its mean. `item_evidence` says which items broke:
the total of a run hides what its items say: of items that each fail one time in sixteen, a dozen that
fail twice in a row are hardly chance, though the total moved by three standard deviations only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.golden.pairs import ItemMeans
from gonogo.detectors.log_space import log_beta
from gonogo.errors import DataError, NotEnoughData, ParameterError

if TYPE_CHECKING:
    from gonogo.records import GoldenAnswers

    Bools = NDArray[np.bool_]

# What the items' chances to fail may look like: a Beta law by its mean and its strength in answers,
# from "some always, others never" to "all alike".
# The means lie close: of two hundred items all alike, a mean that is a quarter off would look broken.
_MEANS = 1 / (1 + np.exp(-np.linspace(-6, 0, 61)))
_STRENGTHS = np.array([0.3, 2.0, 15.0, 1000.0])
_LAWS = np.array([(m * s, (1 - m) * s) for m in _MEANS for s in _STRENGTHS])
# Shares of items that a change breaks, and how an item fails that is broken. Without the last, evidence
# fell by up to seven decades from half of the items broken to all.
_SHARES = np.array([0.02, 0.08, 0.5])
_WELL_NATS, _SHARE_NATS = np.log1p(-_SHARES)[:, None, None], np.log(_SHARES)[:, None, None]
_BROKEN = 0.9
# Older starts are left to the totals; dropping them only lowers the evidence.
_STARTS_MAX = 12


def item_evidence(outcome: Floats, *, warm_up: int, newest: int | None = None) -> Floats:
    """Weigh, run by run, whether a share of the items began to fail.

    The null: each item fails by a chance of its own, drawn from one Beta law of which mean and
    strength are unknown (uniform on a grid, learned from all answers so far). The alternative of a
    start: from there on a share of the items fails nine times in ten or, where they had failed as often,
    halfway from their own chance to always; the others go on as before under the law that was likeliest
    at the start. Evidence is the sum over starts. While items keep
    chances drawn from such a law, it has mean at most r after r runs, at any look.

    Args:
        outcome: Shape (runs, items), in [0, 1]; NaN where an item was not asked.
        warm_up: Runs before the first start, 1 or more.
        newest: Weigh so many runs at the end alone; None is all.

    Returns:
        Evidence after each run, nats, shape (runs,); -inf where it was not weighed.

    Raises:
        ParameterError: `warm_up` is below 1.
        DataError: an outcome is neither NaN nor in [0, 1], or the shape is another.

    Source: empirical Bayes for many small counts, Robbins (1956); `rate.rule` for the sum.
    """
    if warm_up < 1:
        raise ParameterError(f"warm_up={warm_up}: the null needs a run or more to learn from.")
    asked = ~np.isnan(outcome)
    if outcome.ndim != 2 or not ((outcome[asked] >= 0) & (outcome[asked] <= 1)).all():  # noqa: PLR2004
        raise DataError(f"Outcomes of shape {outcome.shape} need to lie in [0, 1], or be NaN.")
    first = max(warm_up, 0 if newest is None else len(outcome) - newest)
    learned = max(first - _STARTS_MAX, 0)
    fails = np.cumsum(np.where(asked, 1 - outcome, 0), axis=0)
    passes = np.cumsum(asked, axis=0) - fails
    law_nats = np.zeros((len(outcome), len(_LAWS)))
    for run in range(learned, len(outcome)):
        law_nats[run] = _law_nats(fails[run], passes[run])
    evidence = np.full(len(outcome), -math.inf)
    null = np.logaddexp.reduce(law_nats, axis=1)
    for run in range(first, len(outcome)):
        before = np.arange(max(warm_up, run + 1 - _STARTS_MAX), run + 1) - 1
        law = _LAWS[law_nats[before].argmax(axis=1)]
        f, p = fails[run] - fails[before], passes[run] - passes[before]
        a, b = law[:, :1] + fails[before], law[:, 1:] + passes[before]
        well = log_beta(a + f, b + p) - log_beta(a, b)
        # Broken is worse than before also for an item that nearly always failed: else one that
        # was right once would count as broken.
        failing = np.maximum(_BROKEN, (1 + a / (a + b)) / 2)
        broken = f * np.log(failing) + p * np.log1p(-failing)
        mixed = np.logaddexp(_WELL_NATS + well, _SHARE_NATS + broken).sum(axis=-1)
        nats = np.logaddexp.reduce(mixed, axis=0) - math.log(len(_SHARES))
        evidence[run] = np.logaddexp.reduce(nats - (null[run] - null[before]))
    return evidence


def _law_nats(fails: Floats, passes: Floats) -> Floats:
    """Log likelihood of all answers so far under each law, shape (laws,)."""
    # Items with the same answers are counted once.
    pairs, times = np.unique(fails + 1j * passes, return_counts=True)
    a, b = _LAWS[:, :1], _LAWS[:, 1:]
    each = log_beta(a + pairs.real, b + pairs.imag) - log_beta(a, b)
    nats: Floats = each @ times
    return nats


MICRO = 1_000_000
WARM_UP_RUNS = 7
# What may change: the share of "worse" among discordant pairs, and the pass rate.
_SHARE_STEPS = np.array([0.15, 0.35])
_RATE_STEPS = np.array([0.02, 0.04, 0.08])
_RATE_MAX = 0.99
# Items that always answer alike leave a run less to chance than independent answers would; no
# more than this share of it is taken for granted.
_DISPERSION_MIN = 0.4
# Weight, in runs, of the items' own spread against the spread of run totals.
_SPREAD_PRIOR_RUNS = 28


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRuns:
    """Daily runs against one reference run. `outcome` has shape (runs, items), NaN: not asked."""

    day: Ints
    outcome: Floats
    reference: Floats  # shape (items,)

    @property
    def items(self) -> Ints:
        """Items answered in each run."""
        count: Ints = np.isfinite(self.outcome).sum(axis=1, dtype=np.int64)
        return count

    @property
    def worse(self) -> Ints:
        """Items of each run below the reference."""
        count: Ints = (self.outcome < self.reference).sum(axis=1, dtype=np.int64)
        return count

    @property
    def better(self) -> Ints:
        """Items of each run above the reference."""
        count: Ints = (self.outcome > self.reference).sum(axis=1, dtype=np.int64)
        return count

    @property
    def rate(self) -> Floats:
        """Mean outcome of each run."""
        total: Floats = np.nansum(self.outcome, axis=1)
        return total / np.maximum(self.items, 1)

    def means(self, runs: Ints) -> ItemMeans:
        """The items that were answered in some of the runs, each by its mean."""
        n = np.isfinite(self.outcome[runs]).sum(axis=0)
        item = np.flatnonzero(n)
        return ItemMeans(item, n[item], np.nansum(self.outcome[runs], axis=0)[item] / n[item])


@dataclass(frozen=True, slots=True, eq=False)
class RunEvidence:
    """Evidence after each run, shapes (runs,); 0 before the first run that counts.

    If the runs after the warm-up are exchangeable with it, the mean of `value` after r of them is
    at most r, so that it reaches A within r runs with probability at most r / A, at any look.
    """

    day: Ints
    worse: Floats
    better: Floats

    @property
    def value(self) -> Floats:
        """Evidence for a change in either direction."""
        return (self.worse + self.better) / 2


def item_means(answers: GoldenAnswers, rows: Bools | None = None) -> ItemMeans:
    """Gather the answers of some rows by item.

    Args:
        answers: Golden answers by item, version and day.
        rows: Which rows take part, shape (n,); None is all.
    """
    keep = np.ones(answers.item.shape, dtype=bool) if rows is None else rows
    item, back = np.unique(answers.item[keep], return_inverse=True)
    n = np.bincount(back, weights=answers.n[keep], minlength=item.size)
    total = np.bincount(back, weights=answers.outcome_sum[keep], minlength=item.size)
    return ItemMeans(item, n.astype(np.int64), total / (np.maximum(n, 1) * MICRO))


def runs_of(answers: GoldenAnswers, rows: Bools | None = None) -> GoldenRuns:
    """Lay out the runs after the reference run (the first day's), one a day, items of the reference only.

    Args:
        answers: Golden answers by item, version and day.
        rows: Which rows take part, shape (n,); None is all.

    Raises:
        NotEnoughData: nothing was answered.
    """
    keep = np.ones(answers.item.shape, dtype=bool) if rows is None else rows
    if not keep.any():
        raise NotEnoughData("The golden set has no reference run; run it once.")
    first = int(answers.day[keep].min())
    reference = item_means(answers, keep & (answers.day == first))
    keep = keep & np.isin(answers.item, reference.item) & (answers.day > first)
    days, run = np.unique(answers.day[keep], return_inverse=True)
    column = np.searchsorted(reference.item, answers.item[keep])
    asked = np.zeros((days.size, reference.item.size))
    total = np.zeros_like(asked)
    np.add.at(asked, (run, column), answers.n[keep])
    np.add.at(total, (run, column), answers.outcome_sum[keep] / MICRO)
    outcome = np.full_like(asked, np.nan)
    np.divide(total, asked, out=outcome, where=asked > 0)
    return GoldenRuns(days, outcome, reference.mean)


def items_needed(loss: float) -> int:
    """Items of which none changed that exclude, at 95 %, a loss of that share by items that were not asked."""
    return math.ceil(1.96**2 * (1 - loss) / loss)


def run_evidence(
    runs: GoldenRuns, *, warm_up: int = WARM_UP_RUNS, newest: int | None = None
) -> RunEvidence:
    """Follow daily runs: is the golden set answered worse (or better) than it was?

    Two predictive Shiryaev-Roberts states are averaged, both learned from the warm-up on: the
    share of "worse" among the pairs that differ from the reference run, whose own luck is frozen
    (half would be a false null), and the pass rate. The first is strong where most items always
    give the same answer, the second where every answer is a throw of dice; its counts are divided by
    the dispersion of runs in the warm-up, below 1 where items tend to repeat themselves. A
    candidate change starts before every run. "Worse" has a third: the items one by one
    (`golden_items`), which knows a dozen broken items from many unlucky ones.

    Args:
        runs: Daily runs.
        warm_up: Runs from which the null learns first.
        newest: Runs at the end whose items are weighed one by one; None is all. One is enough for
            the evidence now.

    Raises:
        ParameterError: `warm_up` is below 2.
        DataError: an outcome is neither NaN nor in [0, 1].
    """
    if warm_up < 2:  # noqa: PLR2004
        raise ParameterError(f"warm_up={warm_up}: the null needs 2 runs or more to learn from.")
    known = runs.outcome[~np.isnan(runs.outcome)]
    if not ((known >= 0) & (known <= 1)).all():
        raise DataError("A golden item's outcome does not lie in [0, 1].")
    pairs = runs.worse + runs.better
    asked = runs.items / run_dispersion(runs, warm_up)
    failed = asked * (1 - runs.rate)
    up = [
        _predictive_sum(runs.worse, pairs, _SHARE_STEPS, warm_up),
        _predictive_sum(failed, asked, _RATE_STEPS, warm_up),
    ]
    down = [
        _predictive_sum(runs.better, pairs, _SHARE_STEPS, warm_up),
        _predictive_sum(asked - failed, asked, _RATE_STEPS, warm_up),
    ]
    seen = np.vstack([runs.reference, runs.outcome])
    nats = item_evidence(seen, warm_up=warm_up + 1, newest=newest)[1:]
    items = np.exp(np.minimum(nats, 690.0))
    return RunEvidence(runs.day, (up[0] + up[1] + items) / 3, (down[0] + down[1]) / 2)


def run_dispersion(runs: GoldenRuns, warm_up: int) -> Floats:
    """Variance of each run's passes as a multiple of the binomial's, from the runs before it.

    The spread of each item's own answers in the warm-up, mixed with the spread of run totals
    (half the mean squared difference of neighbours, which a step hardly moves).
    """
    seen = np.vstack([runs.reference, runs.outcome])
    learned = seen[: warm_up + 1]
    asked = np.isfinite(learned).sum(axis=0)
    mean = np.nansum(learned, axis=0) / asked
    binomial = float(mean.mean()) * (1 - float(mean.mean()))
    if binomial == 0:
        return np.full(len(runs.day), 1.0)
    squares = float(np.nansum((learned - mean) ** 2))
    within = squares / max(int((asked - 1).sum()), 1) / binomial
    count = np.isfinite(seen).sum(axis=1)
    rate = np.nansum(seen, axis=1) / np.maximum(count, 1)
    apart = np.diff(rate) ** 2 * count[1:] * count[:-1] / (count[1:] + count[:-1]) / binomial
    known = np.maximum(np.arange(len(apart)), 1)
    between = np.r_[within, np.cumsum(apart)[:-1] / known[1:]]
    weight = _SPREAD_PRIOR_RUNS / (known + _SPREAD_PRIOR_RUNS)
    mixed = weight * within + (1 - weight) * between
    used: Floats = np.maximum(np.maximum(mixed, min(1.1 * within, 1.0)), _DISPERSION_MIN)
    return used


def _predictive_sum(hits: Floats | Ints, n: Floats | Ints, steps: Floats, warm_up: int) -> Floats:
    """R after each run; alternatives stay at their anchor plus a step."""
    learned = n[:warm_up].sum(), float(hits[:warm_up].sum())
    bets = np.empty((0, steps.size))
    rates = np.empty((0, steps.size))
    evidence = np.zeros(n.size)
    seen, total = float(learned[0]), learned[1]
    for run in range(warm_up, n.size):
        anchor = (total + 0.5) / (seen + 1)
        rates = np.vstack([rates, np.minimum(anchor + steps, (_RATE_MAX + anchor) / 2)])
        bets = np.vstack([bets, np.zeros(steps.size)])
        size, s = float(n[run]), float(hits[run])
        null = _log_beta(total + 0.5 + s, seen - total + 0.5 + size - s) - _log_beta(
            total + 0.5, seen - total + 0.5
        )
        bets = bets + s * np.log(rates) + (size - s) * np.log1p(-rates) - null
        evidence[run] = _capped_exp(float(np.logaddexp.reduce(bets, axis=None))) / steps.size
        seen, total = seen + size, total + s
    return evidence


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _capped_exp(nats: float) -> float:
    return math.exp(min(nats, 690.0))
