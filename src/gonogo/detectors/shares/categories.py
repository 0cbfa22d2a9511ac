"""Evidence that shares of categories have moved: predictions, error kinds, parts of a distribution.

The null learns the shares (Dirichlet-multinomial). At each batch candidates start whose law is
centred on the shares learned there, with several strengths, and learns from its own data only.
See `rate.rule` for the construction and its promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.detectors.arrays import Floats, check_positive
from gonogo.detectors.log_space import log_gamma
from gonogo.detectors.rate.recovery import SHARE_OF_NEEDED
from gonogo.errors import DataError, NotEnoughData, ParameterError

# How far shares are expected to move: a share of one half by about .16, .08 and .04.
_STRENGTHS = np.array([10.0, 40.0, 160.0])
_PRIOR = 0.5
# Older starts are dropped, which only lowers the evidence: all but every seventh after two weeks
# of daily batches, and the oldest of these after a year.
_RECENT = 14
_EVERY = 7
_STARTS_MAX = _RECENT + 52
NEW = "(new)"
_TRIM_STEPS_MIN = 3
# Days' worth of "days do not differ" that a short baseline starts from.
_PRIOR_DAYS = 3.0


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """One category's share in the baseline and since (during an episode: since its alarm began).

    `surprise_sd`: the difference in standard deviations of chance, for ranking only.
    """

    category: str
    before: float
    after: float
    surprise_sd: float


@dataclass(frozen=True, slots=True, eq=False)
class CategoryWatch:
    """Evidence after each batch since the baseline, nats; `shares` most surprising first.

    `began`: the batch since the baseline with which the present period began, of `n` values.
    """

    evidence_nats: Floats
    needed_nats: float
    latched: NDArray[np.bool_]
    shares: tuple[CategoryShare, ...]
    began: int
    n: float

    @property
    def drifted(self) -> bool:
        """Whether shares have moved and not come back, as of the last batch."""
        return bool(self.latched[-1]) if len(self.latched) else False


def watch_categories(
    counts: ArrayLike,
    names: Sequence[str],
    *,
    baseline: int,
    needed: float,
    dispersion: float = 1.0,
) -> CategoryWatch:
    """Follow the shares of categories, batch by batch (days are enough).

    While values are exchangeable with the baseline, evidence after n of them has mean at most n, so
    that it reaches `needed` within n with probability at most n / needed, at any look. Categories
    that the baseline never had are one category, "(new)". After an alarm the null stops learning
    until the old shares are back.

    Args:
        counts: Values of each batch and category, shape (batches, categories), the baseline first.
        names: Of the categories.
        baseline: Batches that are the baseline, at least 1.
        needed: Evidence at which to alarm.
        dispersion: Values that carry one independent value's information, 1 or more.

    Raises:
        DataError: counts are negative, not finite or of another shape than the names.
        ParameterError: `baseline`, `needed` or `dispersion` is out of range.
        NotEnoughData: the baseline is empty.

    Source: Good (1967) on the Dirichlet-multinomial Bayes factor; `rate.rule` for its use.
    """
    table = _checked(counts, names)
    check_positive(needed=needed, dispersion=dispersion)
    if not 1 <= baseline <= len(table) or needed < 1 or dispersion < 1:
        raise ParameterError(
            f"baseline={baseline} of {len(table)} batches, needed={needed}, dispersion={dispersion}."
        )
    known = table[:baseline].sum(axis=0) > 0
    if not known.any():
        raise NotEnoughData("The baseline has no value of this category.")
    merged = np.column_stack((table[:, known], table[:, ~known].sum(axis=1)))
    kept = [name for name, here in zip(names, known.tolist(), strict=True) if here]
    first = merged[:baseline].sum(axis=0)
    run = _Run(first / dispersion + _PRIOR, needed, dispersion)
    seen = [run.see(row) for row in merged[baseline:]]
    evidence = np.array([nats for nats, _ in seen], dtype=np.float64)
    latched = np.array([held for _, held in seen], dtype=np.bool_)
    shares = _shares([*kept, NEW], first, run.recent)
    return CategoryWatch(
        evidence, math.log(needed), latched, shares, run.began, float(run.recent.sum())
    )


def category_dispersion(counts: ArrayLike, *, trimmed: bool) -> float:
    """The number of values that carry one independent value's information, for days that differ.

    Each day is compared with the day before it; the estimate is shrunk towards 1 and raised by one
    standard error of what it rests on.

    Args:
        counts: Values of each day and category, shape (days, categories).
        trimmed: Leave the largest step out, for days beyond the baseline may hold the change.

    Raises:
        DataError: counts are malformed.

    Source: von Neumann (1941), the mean square successive difference; Pearson's statistic.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or not (np.isfinite(table) & (table >= 0)).all():  # noqa: PLR2004
        raise DataError(f"Counts of days and categories, 0 or more, not shape {table.shape}.")
    table = table[table.sum(axis=1) > 0]
    # A category that is expected less than once a day tells of chance, not of days.
    common = table.sum(axis=0) >= max(len(table), 1)
    rest = table[:, ~common].sum(axis=1)
    table = np.column_stack((table[:, common], rest)) if rest.any() else table[:, common]
    free = table.shape[1] - 1
    if len(table) < 2 or free < 1:  # noqa: PLR2004 - a difference needs two
        return 1.0
    size = table.sum(axis=1, keepdims=True)
    share = table.sum(axis=0) / table.sum()
    chance = share * (1 - share) * (1 / size[1:] + 1 / size[:-1])
    steps = np.diff(table / size, axis=0) ** 2 / chance
    if trimmed and len(steps) > _TRIM_STEPS_MIN:
        steps = np.delete(steps, int(np.argmax(steps @ share)), axis=0)
    each = (steps.sum(axis=0) + _PRIOR_DAYS) / (len(steps) + _PRIOR_DAYS)
    # What moves a day moves large shares most; the mean over categories would miss it.
    even, by_share = float(each @ (1 - share)) / free, float(each @ share)
    fewer = 1 / float((share**2).sum())
    error = math.sqrt(2 / ((len(steps) + _PRIOR_DAYS) * max(fewer - 1, 1.0)))
    return float(max(1.0, max(even, by_share) * (1 + error)))


def _checked(counts: ArrayLike, names: Sequence[str]) -> Floats:
    table = np.array(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):  # noqa: PLR2004
        raise DataError(f"Counts of shape {table.shape} for {len(names)} categories.")
    if not (np.isfinite(table) & (table >= 0)).all():
        raise DataError("Counts of categories need to be finite and 0 or more.")
    return table


class _Run:
    """One pass over batches, K starts and C categories.

    `null`: learned counts, shape (C,). Of each start: `age` is its batch, `size` the values of that
    batch, `law` what was learned before it and `since` what has come from it on, shapes (K,) and
    (K, C). While `latched`, `step` (C,) is what a value of each category says for the old shares.
    `recent`: values of the present period, shape (C,), which began with batch `began`.
    """

    def __init__(self, null: Floats, needed: float, dispersion: float) -> None:
        self._needed, self._dispersion = math.log(needed), dispersion
        self._null, self.recent = null, np.zeros(len(null))
        self._batches, self.began, self._latched = 0, 0, False
        self._evidence, self._back, self._step = -math.inf, -math.inf, np.zeros(len(null))
        self._age, self._size = np.zeros(0), np.zeros(0)
        self._law, self._since = np.zeros((0, len(null))), np.zeros((0, len(null)))
        self._laws = np.zeros((0, len(_STRENGTHS) + 1, len(null) + 1))
        self._terms = np.zeros((0, len(_STRENGTHS) + 1))

    def see(self, row: Floats) -> tuple[float, bool]:
        """Take one batch in: the evidence after it, and whether shares have moved."""
        if self._latched:
            self._recover(row)
        else:
            self._search(row)
        self._batches += 1
        return self._evidence, self._latched

    def _search(self, row: Floats) -> None:
        worth, self.recent = row / self._dispersion, self.recent + row
        if not row.any():
            return
        self._start(float(row.sum()))
        self._since += worth
        counted = np.column_stack((self._since, self._since.sum(axis=1)))[:, None, :]
        # The new start's term beside the likelihoods: one call for both costs a seventh less.
        nats = _constant_nats(np.concatenate((self._laws + counted, self._laws[-1:])))
        self._terms[-1] = nats[-1]
        each = nats[:-1] - self._terms
        bets = np.logaddexp.reduce(each[:, 1:], axis=1) - math.log(len(_STRENGTHS))
        gain = bets - each[:, 0] + np.log(self._size)
        self._evidence = float(np.logaddexp.reduce(gain))
        if self._evidence >= self._needed:
            self._alarm(int(np.argmax(gain)))
        else:
            self._null = self._null + worth

    def _start(self, size: float) -> None:
        """Let candidates start with this batch; give up the old ones but for some."""
        self._age = np.append(self._age, float(self._batches))
        self._size = np.append(self._size, size)
        self._law = np.vstack((self._law, self._null))
        self._since = np.vstack((self._since, np.zeros(len(self._null))))
        self._laws = np.concatenate((self._laws, _laws_of(self._null[None, :])))
        self._terms = np.concatenate((self._terms, np.zeros((1, len(_STRENGTHS) + 1))))
        kept = (self._age > self._batches - _RECENT) | (self._age % _EVERY == 0)
        self._keep(np.flatnonzero(kept)[-_STARTS_MAX:])

    def _keep(self, kept: NDArray[np.intp]) -> None:
        self._age, self._size = self._age[kept], self._size[kept]
        self._law, self._since = self._law[kept], self._since[kept]
        self._laws, self._terms = self._laws[kept], self._terms[kept]

    def _alarm(self, start: int) -> None:
        self._latched, self._back = True, -math.inf
        self._null, self.began = self._law[start], int(self._age[start])
        self.recent = self._since[start] * self._dispersion
        seen, old = self.recent + _PRIOR, self._null / self._null.sum()
        still = (old + seen / seen.sum()) / 2
        self._step = np.log(old) - np.log(still)
        self._keep(np.zeros(0, dtype=np.intp))

    def _recover(self, row: Floats) -> None:
        """Hold the alarm until the old shares are back."""
        size, self.recent = float(row.sum()), self.recent + row
        joined = np.logaddexp(self._back, math.log(size)) if size > 0 else self._back
        self._back = float(joined + row / self._dispersion @ self._step)
        self._latched = self._back < self._needed + math.log(SHARE_OF_NEEDED)
        if not self._latched:
            self._evidence, self.recent = -math.inf, np.zeros(len(row))
            self.began = self._batches + 1


def _laws_of(null: Floats) -> Floats:
    """The null's law and those bet on, each with its sum: shape (K, 1 + strengths, C + 1)."""
    share = null / null.sum(axis=1, keepdims=True)
    bets = _STRENGTHS[None, :, None] * share[:, None, :]
    laws = np.concatenate((null[:, None, :], bets), axis=1)
    return np.concatenate((laws, laws.sum(axis=2, keepdims=True)), axis=2)


def _constant_nats(laws: Floats) -> Floats:
    """Log of each Dirichlet law's normalising constant; the last column is the sum of the others."""
    gammas = log_gamma(laws)
    nats: Floats = gammas[..., :-1].sum(axis=-1) - gammas[..., -1]
    return nats


def _shares(names: Sequence[str], before: Floats, now: Floats) -> tuple[CategoryShare, ...]:
    n0, n1 = float(before.sum()), max(float(now.sum()), 1.0)
    pooled = (before + now + _PRIOR) / (n0 + n1 + _PRIOR * len(names))
    chance = np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    found = [
        CategoryShare(name, b / n0, a / n1, (a / n1 - b / n0) / sd)
        for name, b, a, sd in zip(
            names, before.tolist(), now.tolist(), chance.tolist(), strict=True
        )
        if a or b
    ]
    return tuple(sorted(found, key=lambda share: -abs(share.surprise_sd)))
