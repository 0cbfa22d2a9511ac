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
from gonogo.detectors.log_space import log_beta, log_gamma
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
_BROKEN = 0.9
# Older starts are left to the totals; dropping them only lowers the evidence.
_STARTS_MAX = 12
# An item's outcome counts in so many parts: halves and thirds as they are, and scores to the nearest.
_PARTS = 12


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
    runs = len(outcome)
    first = max(warm_up, 0 if newest is None else runs - newest)
    evidence = np.full(runs, -math.inf)
    if first >= runs:
        return evidence
    # Rows before the oldest start that is weighed matter by their counts alone.
    oldest = max(warm_up, first + 1 - _STARTS_MAX) - 1
    fails = np.cumsum(np.where(asked, np.rint((1 - outcome) * _PARTS), 0), axis=0)
    seen = np.cumsum(asked, axis=0) * _PARTS
    counts = _ItemCounts.of(fails[oldest:].astype(np.int64), seen[oldest:].astype(np.int64))
    summed = np.full((_STARTS_MAX, runs - first), -math.inf)
    for back in range(min(_STARTS_MAX, runs - warm_up)):
        nats = counts.start_nats(back, first=first - oldest)
        summed[back, runs - first - len(nats) :] = nats
    evidence[first:] = np.logaddexp.reduce(summed, axis=0)
    return evidence


@dataclass(frozen=True, slots=True, eq=False)
class _ItemCounts:
    """Counts of items' answers up to each run, and the likelihood of these under each law.

    Few counts occur, so log Gamma is looked up: worked out for every item, start and run anew it took a third of
    a second for a year of runs.

    Attributes:
        answers: Wrong, right and all answers of each item up to each run, each with shape (runs, items).
        places: Which of the counts that occur these are.
        nats: Log Gamma of a law's parameter and a count, less that of the parameter; shape (laws, counts):
            for the wrong, the right, and all.
        law: Shape (runs, 1): the law that is likeliest up to each run.
        null_nats: Shape (runs,): of all answers under every law alike.
    """

    answers: tuple[Floats, Floats, Floats]
    places: tuple[Ints, Ints, Ints]
    nats: tuple[Floats, Floats, Floats]
    law: Ints
    null_nats: Floats

    @classmethod
    def of(cls, fails: Ints, seen: Ints) -> _ItemCounts:
        """From numbers of parts of answers that failed and that were given, shape (runs, items)."""
        parts, places = np.unique(np.stack((fails, seen - fails, seen)), return_inverse=True)
        bad, good, both = places.reshape(3, *fails.shape)
        counts = parts / _PARTS
        a, b = _LAWS[:, :1], _LAWS[:, 1:]
        tables = [log_gamma(start + counts) - log_gamma(start) for start in (a, b, a + b)]
        tables[2] *= -1
        law_nats = np.zeros((len(fails), len(_LAWS)))
        for place, table in zip((bad, good, both), tables, strict=True):
            law_nats += _items_with(place, len(counts)) @ table.T
        return cls(
            answers=(counts[bad], counts[good], counts[both]),
            places=(bad, good, both),
            nats=(tables[0], tables[1], tables[2]),
            law=law_nats.argmax(axis=1)[:, None],
            null_nats=np.logaddexp.reduce(law_nats.T, axis=0),
        )

    def start_nats(self, back: int, *, first: int) -> Floats:
        """Log likelihood ratio, after the runs from `first` on, of the start so many runs before each.

        Shape (n,), of the runs that have such a start.
        """
        runs = len(self.law)
        before = slice(max(first - 1 - back, 0), runs - 1 - back)
        run = slice(before.start + 1 + back, runs)
        law = self.law[before]
        well = np.zeros((len(law), self.places[0].shape[1]))
        for table, place in zip(self.nats, self.places, strict=True):
            row = law * table.shape[1]
            well += table.take(row + place[run]) - table.take(row + place[before])
        # Broken is worse than before also for an item that nearly always failed: else one that
        # was right once would count as broken.
        failed = _LAWS[law, 0] + self.answers[0][before]
        chance = failed / (_LAWS[law].sum(axis=-1) + self.answers[2][before])
        failing = np.maximum(_BROKEN, (1 + chance) / 2)
        fails, passes = (counts[run] - counts[before] for counts in self.answers[:2])
        odds = np.exp(fails * np.log(failing) + passes * np.log1p(-failing) - well)
        share_nats = [
            np.log1p(share / (1 - share) * odds).sum(axis=1) + odds.shape[1] * math.log1p(-share)
            for share in _SHARES
        ]
        mixed = np.logaddexp.reduce(share_nats, axis=0) - math.log(len(_SHARES))
        nats: Floats = mixed + well.sum(axis=1) - (self.null_nats[run] - self.null_nats[before])
        return nats


def _items_with(place: Ints, values: int) -> Floats:
    """How many items of each run have each value, shape (runs, values)."""
    runs = len(place)
    flat = place + values * np.arange(runs)[:, None]
    return np.bincount(flat.ravel(), minlength=runs * values).reshape(runs, values).astype(float)


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
    evidence = np.zeros(n.size)
    if n.size <= warm_up:
        return evidence
    size, hit = n[warm_up:].astype(np.float64), hits[warm_up:].astype(np.float64)
    good = np.r_[hits[:warm_up].sum(), hit].cumsum()
    bad = np.r_[(n - hits)[:warm_up].sum(), size - hit].cumsum()
    anchor = ((good + 0.5) / (good + bad + 1))[:-1, None]
    rates = np.minimum(anchor + steps, (_RATE_MAX + anchor) / 2)
    null = log_beta(good + 0.5, bad + 0.5)
    log_rates = np.log(rates), np.log1p(-rates)
    for run in range(size.size):
        since = slice(0, run + 1)
        bets = (good[run + 1] - good[since, None]) * log_rates[0][since]
        bets += (bad[run + 1] - bad[since, None]) * log_rates[1][since]
        bets -= (null[run + 1] - null[since])[:, None]
        top = float(bets.max())
        summed = top + math.log(float(np.exp(bets - top).sum()))
        evidence[warm_up + run] = math.exp(min(summed, 690.0)) / steps.size
    return evidence
