"""Has a metric's distribution moved: its histograms held against their baseline, batch by batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.checks import Floats, Ints
from gonogo.detectors.dispersion import PRIOR_DAYS, early_dispersion
from gonogo.detectors.pieces import Kept
from gonogo.detectors.predictive import RateRule, daily_dispersion
from gonogo.detectors.predictive_hours import RateWatch, watch_rate
from gonogo.detectors.ranks import RankScores, ScoreSums, SparseRows, atoms_of, rank_scores
from gonogo.detectors.reals import ScoreRule, ScoreState, ScoreWatch, watch_scores
from gonogo.detectors.seasons import weekly_offsets
from gonogo.errors import DataError, NotEnoughData, ParameterError

__all__ = [
    "ValuePart",
    "ValueScale",
    "ValueSums",
    "ValueWatch",
    "value_scale",
    "watch_value_sums",
    "watch_values",
]

# Below this share of the baseline, what is not one of the heavy values is too thin to rank.
_REST_SHARE_MIN = 0.02
_HOURS_A_DAY = 24
_HOURS_A_WEEK = 168
_WEEKDAYS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ValuePart:
    """One of the streams that a metric is followed as; arrays over the batches since the baseline.

    `atom` is the bin whose share is followed, None for the scores of all other values. Evidence is
    weighted, as it is summed.
    """

    atom: int | None
    evidence_nats: Floats
    up_nats: Floats
    down_nats: Floats
    latched: bool
    dispersion: float

    def times(self, weight: float) -> ValuePart:
        """The same with its evidence weighted."""
        up, down, both = (
            nats + math.log(weight) for nats in (self.up_nats, self.down_nats, self.evidence_nats)
        )
        return replace(self, evidence_nats=both, up_nats=up, down_nats=down)


@dataclass(frozen=True, slots=True, eq=False)
class ValueWatch:
    """Evidence that the distribution moved; arrays over the batches since the baseline."""

    evidence_nats: Floats
    needed_nats: float
    parts: tuple[ValuePart, ...]

    @property
    def drifted(self) -> bool:
        """Whether it has, as of the last batch: together, or in one part that has not recovered."""
        now = self.evidence_nats[-1] if len(self.evidence_nats) else -math.inf
        return bool(now >= self.needed_nats) or any(part.latched for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class ValueSums:
    """What histograms come to on a `ValueScale`; all that evidence depends on.

    `n`: values of each batch, shape (batches,). `atoms`: those of each heavy value, shape (atoms,
    batches). `scores`: of all others.
    """

    n: Floats
    atoms: Floats
    scores: ScoreSums

    def then(self, later: ValueSums) -> ValueSums:
        """With later batches on the same scale."""
        mine, others = self.scores, later.scores
        return ValueSums(
            np.concatenate((self.n, later.n)),
            np.concatenate((self.atoms, later.atoms), axis=1),
            ScoreSums(
                np.concatenate((mine.n, others.n)),
                np.concatenate((mine.total, others.total)),
                np.concatenate((mine.squares, others.squares)),
            ),
        )

    def since(self, first: int) -> ValueSums:
        """The batches from one on."""
        n, total, squares = self.scores.n, self.scores.total, self.scores.squares
        scores = ScoreSums(n[first:], total[first:], squares[first:])
        return ValueSums(self.n[first:], self.atoms[:, first:], scores)


@dataclass(frozen=True, slots=True, eq=False)
class ValueScale:
    """What a baseline says of a metric's values; made by `value_scale`.

    `atoms`: bins that hold more than a fifth of it each, ascending. `ranks`: of all other values;
    None where they are too few.
    """

    atoms: tuple[int, ...]
    ranks: RankScores | None

    def sums(self, histogram: SparseRows) -> ValueSums:
        """Sum up batches, each by itself.

        Raises:
            DataError: the histogram is malformed.
        """
        data = histogram.checked()
        atoms = np.zeros((len(self.atoms), data.rows))
        for at, atom in enumerate(self.atoms):
            atoms[at] = data.share(atom)
        none = np.zeros(data.rows)
        rest = data.without(self.atoms)
        scores = ScoreSums(none, none, none) if self.ranks is None else self.ranks.sums(rest)
        return ValueSums(data.sizes(), atoms, scores)


def value_scale(baseline: SparseRows) -> ValueScale:
    """Learn from a baseline's histograms which values are heavy, and the ranks of all others.

    Raises:
        NotEnoughData: the baseline holds no value.
        DataError: the histogram is malformed.
    """
    first = baseline.checked()
    total = float(first.counts.sum())
    if total == 0:
        raise NotEnoughData("The baseline has no value of this metric.")
    atoms = atoms_of(first.bins, first.counts)
    rest = first.without(atoms)
    ranked = not atoms or float(rest.counts.sum()) > _REST_SHARE_MIN * total
    return ValueScale(tuple(atoms), rank_scores(rest.bins, rest.counts) if ranked else None)


def watch_values(
    histogram: SparseRows,
    *,
    baseline: int,
    needed: float,
    day: ArrayLike,
    hour_of_week: ArrayLike | None = None,
    early: int | None = None,
) -> ValueWatch:
    """Follow a metric through its histograms: `watch_value_sums`, learned and summed up first.

    Args:
        histogram: Bins and counts of successive batches, the baseline first.
        baseline: As there, and all that follow.
        needed: The same.
        day: The same.
        hour_of_week: The same.
        early: The same.

    Raises:
        NotEnoughData: the baseline holds no value.
        ParameterError: `baseline` or `needed` is out of range.
        DataError: the histogram, days or hours are malformed.
    """
    if not 1 <= baseline <= histogram.rows:
        raise ParameterError(f"baseline={baseline} of {histogram.rows} batches.")
    scale = value_scale(histogram.checked().cut(0, baseline))
    return watch_value_sums(
        scale,
        scale.sums(histogram),
        baseline=baseline,
        needed=needed,
        day=day,
        hour_of_week=hour_of_week,
        early=early,
    )


def watch_value_sums(
    scale: ValueScale,
    sums: ValueSums,
    *,
    baseline: int,
    needed: float,
    day: ArrayLike,
    hour_of_week: ArrayLike | None = None,
    early: int | None = None,
    kept: tuple[Kept[RateWatch], Kept[ScoreWatch]] | None = None,
) -> ValueWatch:
    """Follow a metric through its histograms.

    Each value that holds more than a fifth of the baseline (its bin) is followed as a rate, all
    others by the ranks they would have had in the baseline; evidence is the mean over these parts.
    While values are exchangeable with the baseline its mean after n values is at most n, so that
    it reaches `needed` within n with probability at most n / needed, at any look. Days that differ
    by more than chance are allowed for by the baseline's dispersion. A level that wanders over
    weeks is not.

    Args:
        scale: Of the baseline.
        sums: Of successive batches on that scale, the baseline first.
        baseline: Batches that are the baseline, at least 1.
        needed: Evidence at which to alarm: values a day times days between false alarms.
        day: Day of each batch, integers, shape (batches,).
        hour_of_week: 0 (Monday, first hour) to 167 of each batch, local; with it what each hour
            usually brings is learned from the baseline, as far as it tells.
        early: Batches from which it is learned how much days differ, where the baseline is too
            short for that; they may reach beyond it. Default: the baseline, by its variance.
        kept: Pieces of earlier runs of rates and of scores, which are not run again.

    Raises:
        ParameterError: `baseline` or `needed` is out of range.
        DataError: days or hours are malformed.
    """
    rows = len(sums.n)
    if not (1 <= baseline <= rows and needed >= 1):
        raise ParameterError(f"baseline={baseline} of {rows} batches, needed={needed}.")
    days = _integers("day", day, rows)
    hours = None if hour_of_week is None else _integers("hour_of_week", hour_of_week, rows)
    if hours is not None and hours.size and not (hours.min() >= 0 and hours.max() < _HOURS_A_WEEK):
        raise DataError("hour_of_week must lie in 0 to 167.")
    weight = 1 / (len(scale.atoms) + (scale.ranks is not None))
    when = _When(baseline, days, hours, early)
    rates, scores = (None, None) if kept is None else kept
    parts = [
        _atom_part(atom, sums.n, inside, needed / weight, when, rates)
        for atom, inside in zip(scale.atoms, sums.atoms, strict=True)
    ]
    if scale.ranks is not None:
        size = scale.ranks.size
        parts.insert(0, _scores_part(size, sums.scores, needed / weight, when, scores))
    weighed = tuple(part.times(weight) for part in parts)
    total = np.logaddexp.reduce([part.evidence_nats for part in weighed], axis=0)
    return ValueWatch(total, math.log(needed), weighed)


@dataclass(frozen=True, slots=True, eq=False)
class _When:
    """Batches that are the baseline, their days and hours, and those that tell how days differ."""

    baseline: int
    days: Ints
    hours: Ints | None
    early: int | None


def _integers(name: str, values: ArrayLike, rows: int) -> Ints:
    made = np.asarray(values)
    if made.dtype.kind != "i" or made.shape != (rows,):
        raise DataError(f"{name} needs one integer for each of {rows} batches.")
    return made.astype(np.int64)


def _atom_part(
    atom: int,
    n: Floats,
    inside: Floats,
    needed: float,
    when: _When,
    kept: Kept[RateWatch] | None,
) -> ValuePart:
    baseline, hours = when.baseline, when.hours
    offset = None
    if hours is not None:
        offset = weekly_offsets(n[:baseline], inside[:baseline], hours[:baseline])[hours]
    learned = daily_dispersion if when.early is None else early_dispersion
    first = slice(0, when.early or baseline)
    by_day = (_by_day(counts[first], when.days[first]) for counts in (n, inside))
    dispersion = learned(*by_day).used
    rule = RateRule(needed=needed, dispersion=dispersion)
    watch = watch_rate(n, inside, rule, offset=offset, kept=kept)
    since = slice(baseline, None)
    return ValuePart(
        atom,
        watch.evidence_nats[since],
        watch.up_nats[since],
        watch.down_nats[since],
        watch.state.latched,
        dispersion,
    )


def _scores_part(
    size: float, sums: ScoreSums, needed: float, when: _When, kept: Kept[ScoreWatch] | None
) -> ValuePart:
    baseline, hours = when.baseline, when.hours
    if hours is not None:
        sums = sums.less(_expected(sums, baseline, hours))
    dispersion = _score_dispersion(sums, when)
    rule = ScoreRule(needed=needed, dispersion=dispersion)
    since = ScoreSums(sums.n[baseline:], sums.total[baseline:], sums.squares[baseline:])
    watch = watch_scores(since, rule, state=ScoreState.of_baseline(size, rule), kept=kept)
    return ValuePart(
        None,
        watch.evidence_nats,
        watch.up_nats,
        watch.down_nats,
        watch.state.latched,
        dispersion,
    )


def _expected(sums: ScoreSums, baseline: int, hours: Ints) -> Floats:
    """Mean score of each hour of the week, learned level by level and shrunk (empirical Bayes)."""
    week = np.arange(_HOURS_A_WEEK)
    weekend = (week // _HOURS_A_DAY >= _WEEKDAYS).astype(np.int64)
    n = np.bincount(hours[:baseline], sums.n[:baseline], _HOURS_A_WEEK)
    total = np.bincount(hours[:baseline], sums.total[:baseline], _HOURS_A_WEEK)
    expected = np.zeros(_HOURS_A_WEEK)
    for level in (week % _HOURS_A_DAY, week % _HOURS_A_DAY + _HOURS_A_DAY * weekend):
        count, excess = np.bincount(level, n), np.bincount(level, total - n * expected)
        used = count > 0
        chance = float((excess[used] ** 2 / count[used]).sum()) - float(used.sum()) + 1
        weight = float(count.sum() - (count**2).sum() / count.sum())
        between = max(chance / weight, 0.0) if weight > 0 else 0.0
        shift = excess / (count + 1 / between) if between > 0 else np.zeros(count.size)
        expected = expected + shift[level]
    found: Floats = expected[hours]
    return found


def _score_dispersion(sums: ScoreSums, when: _When) -> float:
    """How much more days differ than their values would; raised by its own error."""
    first = slice(0, when.early or when.baseline)
    n = _by_day(sums.n[first], when.days[first])
    total = _by_day(sums.total[first], when.days[first])
    squares = _by_day(sums.squares[first], when.days[first])
    n, total, squares = n[n > 0], total[n > 0], squares[n > 0]
    free = len(n) - 1
    if free < 1:
        return 1.0
    if when.early is not None:
        return _step_dispersion(n, total, squares)
    mean = float(total.sum() / n.sum())
    variance = float(squares.sum() / n.sum()) - mean**2
    chance = float(((total - n * mean) ** 2 / n).sum()) / free
    return max(1.0, chance / variance * (1 + math.sqrt(2 / free))) if variance > 0 else 1.0


def _step_dispersion(n: Floats, total: Floats, squares: Floats) -> float:
    """The same from each day against the day before, as `early_dispersion` does for rates."""
    within = float((squares - total**2 / n).sum() / n.sum())
    if within <= 0:
        return 1.0
    steps = np.diff(total / n) ** 2 / (1 / n[1:] + 1 / n[:-1]) / within
    weight = len(steps) + PRIOR_DAYS
    shrunk = (float(steps.sum()) + PRIOR_DAYS) / weight
    return max(1.0, shrunk * (1 + math.sqrt(2 / weight)))


def _by_day(values: Floats, days: Ints) -> Floats:
    _, at = np.unique(days, return_inverse=True)
    summed: Floats = np.bincount(at, values).astype(np.float64)
    return summed
