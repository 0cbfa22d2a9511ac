"""Has a metric's distribution moved: what it comes to on its baseline's scale, batch by batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.pieces import Beginnings, PieceCache, SettledPrefix
from gonogo.detectors.rate.dispersion import (
    daily_dispersion,
    early_dispersion,
    score_dispersion,
    score_step_ratios,
    trimmed_dispersion,
    weekly_offsets,
)
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.values.ranks import ScoreSums
from gonogo.detectors.values.scale import ValueScale, ValueSums
from gonogo.detectors.values.score_state import ScoreRule, ScoreState
from gonogo.detectors.values.scores import ScoreWatch, watch_scores
from gonogo.errors import DataError, ParameterError

_HOURS_A_DAY = 24
_HOURS_A_WEEK = 168
_WEEKDAYS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ValuePart:
    """One of the streams that a metric is followed as; arrays over the batches since the baseline.

    `atom` is the bin whose share, or above which the share, is followed; None for scores. Evidence is
    weighted, as it is summed; `told_nats` is that by which a change that lasts was told, the most that there
    was of it, else that after the last batch. `quiet_from`: the first after the newest that is over.
    """

    atom: int | None
    evidence_nats: Floats
    up_nats: Floats
    down_nats: Floats
    latched: bool
    dispersion: float
    told_nats: float
    quiet_from: int

    def times(self, weight: float) -> ValuePart:
        """The part with its evidence weighted."""
        up, down, both = (
            nats + math.log(weight) for nats in (self.up_nats, self.down_nats, self.evidence_nats)
        )
        told = self.told_nats + math.log(weight)
        return replace(self, evidence_nats=both, up_nats=up, down_nats=down, told_nats=told)


@dataclass(frozen=True, slots=True, eq=False)
class ValueWatch:
    """Evidence that the distribution moved; arrays over the batches since the baseline.

    `suggested`: scores followed as if the largest steps between early days were no such differences;
    a change within the first two weeks is one, as are weekends. None where that makes no difference.
    """

    evidence_nats: Floats
    needed_nats: float
    parts: tuple[ValuePart, ...]
    suggested: ValuePart | None = None

    @property
    def suggests(self) -> bool:
        """Whether it has, if days differ by no more than all but the largest steps between them."""
        return not self.drifted and self.suggested is not None and self.suggested.latched

    @property
    def drifted(self) -> bool:
        """Whether it has, as of the last batch: together, or in one part that has not recovered."""
        now = self.evidence_nats[-1] if len(self.evidence_nats) else -math.inf
        return bool(now >= self.needed_nats) or any(part.latched for part in self.parts)

    @property
    def told_nats(self) -> float:
        """Evidence by which a change that lasts was told, else that after the last batch."""
        lasting = [part.told_nats for part in self.parts if part.latched]
        return max(float(self.evidence_nats[-1]), *lasting, -math.inf)


Rule = TypeVar("Rule", RateRule, ScoreRule)


@dataclass(frozen=True, slots=True, eq=False)
class _PartRule(Generic[Rule]):
    """The way in which one part is followed.

    `atom` as in `ValuePart`. `expected` is what each hour of the week usually brings, shape (168,):
    log-odds of a share, less the stream's own, or a mean score; None where that is not asked.
    """

    atom: int | None
    rule: Rule
    expected: Floats | None
    beginnings: Beginnings = field(default_factory=dict)

    def settled(self, batches: int) -> SettledPrefix | None:
        """The first batches of this stream, which are final, shared by all watches by this rule."""
        return SettledPrefix(batches, self.beginnings) if batches > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class ValueRule:
    """The rule that a closed baseline sets for all that follows; made by `value_rule`."""

    baseline: int
    needed: float
    size: float  # of the baseline, in what is ranked
    atoms: tuple[_PartRule[RateRule], ...]
    scores: _PartRule[ScoreRule] | None
    trimmed: _PartRule[ScoreRule] | None = None


def value_rule(
    scale: ValueScale,
    sums: ValueSums,
    *,
    baseline: int,
    needed: float,
    day: ArrayLike,
    hour_of_week: ArrayLike | None = None,
    early: int | None = None,
) -> ValueRule:
    """Learn from a baseline how much days and hours differ. Batches after `early` are not read.

    Args:
        scale: Of the baseline.
        sums: Of successive batches on that scale, the baseline first.
        baseline: Batches that are the baseline, at least 1.
        needed: Evidence at which to alarm: values a day times days between false alarms.
        day: Day of each batch, integers, ascending, shape (batches,).
        hour_of_week: 0 (Monday, first hour) to 167 of each batch, local; with it what each hour
            usually brings is learned from the baseline, as far as it tells.
        early: Batches from which it is learned how much days differ, where the baseline is too
            short for that; they may reach beyond it. Default: the baseline, by its variance.

    Raises:
        ParameterError: `baseline` or `needed` is out of range.
        DataError: days or hours are malformed.
    """
    rows = len(sums.n)
    if not (1 <= baseline <= rows and needed >= 1):
        raise ParameterError(f"baseline={baseline} of {rows} batches, needed={needed}.")
    days = _integers("day", day, rows)
    hours = None if hour_of_week is None else _hours(hour_of_week, rows)
    own = needed * (len(sums.atoms) + (scale.ranks is not None))
    first = slice(0, early or baseline)
    by_day = partial(_by_day, days[first])
    n, atoms = sums.n, []
    for atom, inside in zip((*scale.atoms, *scale.cuts), sums.atoms, strict=True):
        offsets = None
        if hours is not None:
            learned_week = weekly_offsets(n[:baseline], inside[:baseline], hours[:baseline])
            # All hours alike is no week: a share of 0 or 1 stays with the closed form, which is exact.
            offsets = learned_week if learned_week.any() else None
        learned = daily_dispersion if early is None else early_dispersion
        dispersion = learned(by_day(n[first]), by_day(inside[first])).used
        atoms.append(_PartRule(atom, RateRule(needed=own, dispersion=dispersion), offsets))
    if scale.ranks is None:
        return ValueRule(baseline, needed, 0.0, tuple(atoms), None)
    scores, expected = sums.scores, None
    if hours is not None:
        expected = _expected(scores, baseline, hours)
        scores = scores.less(expected[hours])
    daily = [by_day(one[first]) for one in (scores.n, scores.total, scores.squares)]
    dispersion = score_dispersion(*daily, by_steps=early is not None)
    rule = ScoreRule(needed=own, dispersion=dispersion)
    part, trimmed = _PartRule(None, rule, expected), None
    if early is not None:
        least = trimmed_dispersion(score_step_ratios(*daily), days=len(daily[0])).used
        if least < dispersion:
            trimmed = _PartRule(None, ScoreRule(needed=own, dispersion=least), expected)
    return ValueRule(baseline, needed, scale.ranks.size, tuple(atoms), part, trimmed)


def watch_value_sums(
    rule: ValueRule,
    sums: ValueSums,
    *,
    hour_of_week: ArrayLike | None = None,
    kept: tuple[PieceCache[RateWatch], PieceCache[ScoreWatch]] | None = None,
    settled: int = 0,
) -> ValueWatch:
    """Follow a metric through its histograms.

    Each value that holds more than a fifth of the baseline (its bin) is followed as a rate, all
    others by the ranks they would have had in the baseline; evidence is the mean over these parts.
    While values are exchangeable with the baseline its mean after n values is at most n, so that
    it reaches `needed` within n with probability at most n / needed, at any look. Days that differ
    by more than chance are allowed for by the baseline's dispersion. A level that wanders over
    weeks is not.

    Args:
        rule: Of the baseline.
        sums: Of successive batches on the baseline's scale, the baseline first.
        hour_of_week: As for `value_rule`, of all batches.
        kept: Pieces of earlier runs of rates and of scores, which are not run again.
        settled: The first so many batches are those of every watch by this very rule.

    Raises:
        DataError: hours are malformed.
    """
    hours = None if hour_of_week is None else _hours(hour_of_week, len(sums.n))
    weight = 1 / (len(rule.atoms) + (rule.scores is not None))
    rates, scores = (None, None) if kept is None else kept
    parts = []
    if rule.scores is not None:
        parts.append(_scores_part(rule, rule.scores, sums.scores, hours, scores, settled))
    for part, inside in zip(rule.atoms, sums.atoms, strict=True):
        offset = None if part.expected is None or hours is None else part.expected[hours]
        watch = watch_rate(
            sums.n, inside, part.rule, offset=offset, kept=rates, settled=part.settled(settled)
        )
        parts.append(_part(part, watch, slice(rule.baseline, None)))
    weighed = tuple(part.times(weight) for part in parts)
    suggested = None
    if rule.trimmed is not None and not any(part.latched for part in parts):
        suggested = _scores_part(rule, rule.trimmed, sums.scores, hours, scores, settled)
        suggested = suggested.times(weight)
    total = weighed[0].evidence_nats
    if len(weighed) > 1:
        total = np.logaddexp.reduce([part.evidence_nats for part in weighed], axis=0)
    return ValueWatch(total, math.log(rule.needed), weighed, suggested)


def _scores_part(
    whole: ValueRule,
    part: _PartRule[ScoreRule],
    sums: ScoreSums,
    hours: Ints | None,
    kept: PieceCache[ScoreWatch] | None,
    settled: int,
) -> ValuePart:
    first = whole.baseline
    since = ScoreSums(sums.n[first:], sums.total[first:], sums.squares[first:])
    if part.expected is not None and hours is not None:
        since = since.less(part.expected[hours[first:]])
    watch = watch_scores(
        since,
        part.rule,
        state=ScoreState.of_baseline(whole.size, part.rule),
        kept=kept,
        settled=part.settled(settled - first),
    )
    return _part(part, watch, slice(None))


def _part(part: _PartRule[Rule], watch: RateWatch | ScoreWatch, since: slice) -> ValuePart:
    return ValuePart(
        part.atom,
        watch.evidence_nats[since],
        watch.up_nats[since],
        watch.down_nats[since],
        watch.state.latched,
        part.rule.dispersion,
        _told_nats(watch),
        _quiet_from(watch.latched[since]),
    )


def _quiet_from(latched: NDArray[np.bool_]) -> int:
    """The first batch after the newest episode that is over."""
    return int(np.flatnonzero(np.r_[True, latched[:-1] & ~latched[1:]])[-1])


def _told_nats(watch: RateWatch | ScoreWatch) -> float:
    nats = watch.evidence_nats
    if not len(nats):
        return -math.inf
    before = np.flatnonzero(~watch.latched)
    begun = int(before[-1]) + 1 if len(before) else 0
    return float(nats[begun:].max() if watch.state.latched else nats[-1])


def _integers(name: str, values: ArrayLike, rows: int) -> Ints:
    made = np.asarray(values)
    if made.dtype.kind != "i" or made.shape != (rows,):
        raise DataError(f"{name} needs one integer for each of {rows} batches.")
    return made.astype(np.int64)


def _hours(values: ArrayLike, rows: int) -> Ints:
    hours = _integers("hour_of_week", values, rows)
    if hours.size and not (hours.min() >= 0 and hours.max() < _HOURS_A_WEEK):
        raise DataError(f"hour_of_week must lie in 0 to {_HOURS_A_WEEK - 1}.")
    return hours


def _expected(sums: ScoreSums, baseline: int, hours: Ints) -> Floats:
    """Mean score of each hour of the week, learned level by level and shrunk (empirical Bayes).

    Shape (168,).
    """
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
    return expected


def _by_day(days: Ints, values: Floats) -> Floats:
    _, at = np.unique(days, return_inverse=True)
    summed: Floats = np.bincount(at, values).astype(np.float64)
    return summed
