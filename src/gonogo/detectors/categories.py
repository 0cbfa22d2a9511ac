"""Evidence that shares of categories have moved: predictions, error kinds, versions of an answer.

The null learns the shares (Dirichlet-multinomial). At each batch candidates start whose law is
centred on the shares learned there, with several strengths, and learns from its own data only.
See `predictive` for the construction and its promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.detectors.checks import Floats, check_positive
from gonogo.detectors.predictive import log_gamma
from gonogo.detectors.recovery import SHARE_OF_NEEDED
from gonogo.errors import DataError, NotEnoughData, ParameterError

__all__ = ["CategoryShare", "CategoryWatch", "watch_categories"]

# How far shares are expected to move: a share of one half by about .16, .08 and .04.
_STRENGTHS = (10.0, 40.0, 160.0)
_PRIOR = 0.5
# Older starts are dropped, which only lowers the evidence.
_STARTS_MAX = 366
NEW = "(new)"


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
    """Evidence after each batch since the baseline, nats; `shares` most surprising first."""

    evidence_nats: Floats
    needed_nats: float
    latched: NDArray[np.bool_]
    shares: tuple[CategoryShare, ...]

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

    Source: Good (1967) on the Dirichlet-multinomial Bayes factor; `predictive` for its use.
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
    run = _Run(merged[:baseline].sum(axis=0), merged[baseline:], needed, dispersion)
    run.follow()
    shares = _shares([*kept, NEW], merged[:baseline].sum(axis=0), merged[baseline + run.since :])
    return CategoryWatch(run.evidence, math.log(needed), run.latched, shares)


def _checked(counts: ArrayLike, names: Sequence[str]) -> Floats:
    table = np.array(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):  # noqa: PLR2004
        raise DataError(f"Counts of shape {table.shape} for {len(names)} categories.")
    if not (np.isfinite(table) & (table >= 0)).all():
        raise DataError("Counts of categories need to be finite and 0 or more.")
    return table


class _Run:
    """One pass over the batches since the baseline."""

    def __init__(self, learned: Floats, table: Floats, needed: float, dispersion: float) -> None:
        self.table, self.worth = table, table / dispersion
        self.null = learned / dispersion + _PRIOR
        self.needed = math.log(needed)
        self.evidence = np.full(len(table), -math.inf)
        self.latched: NDArray[np.bool_] = np.zeros(len(table), dtype=np.bool_)
        self.since = 0

    def follow(self) -> None:
        at = 0
        while at < len(self.table):
            at = self._search(at)
            if at < len(self.table):
                at = self._recover(at)

    def _search(self, first: int) -> int:
        """Follow until an alarm; the batch after it, or the end."""
        learned = [self.null]
        for at in range(first, len(self.table)):
            learned.append(learned[-1] + self.worth[at])
            start = max(first, at + 1 - _STARTS_MAX)
            law = np.array(learned[start - first : at + 1 - first])
            since = learned[-1] - law
            size = np.array([self.table[k].sum() for k in range(start, at + 1)])
            nats = -_dirichlet(since, law)
            share = law / law.sum(axis=1, keepdims=True)
            bets = np.array([_dirichlet(since, c * share) for c in _STRENGTHS])
            each = np.logaddexp.reduce(bets, axis=0) - math.log(len(_STRENGTHS)) + nats
            with np.errstate(divide="ignore"):
                each = each + np.log(size)
            self.evidence[at] = np.logaddexp.reduce(each)
            if self.evidence[at] >= self.needed:
                self.since = start + int(np.argmax(each))
                self.null, self.latched[at] = learned[self.since - first], True
                return at + 1
        self.null = learned[-1]
        return len(self.table)

    def _recover(self, first: int) -> int:
        """Hold the alarm until the old shares are back; the batch after that, or the end."""
        seen = self.table[self.since : first].sum(axis=0) + _PRIOR
        old = self.null / self.null.sum()
        still = (old + seen / seen.sum()) / 2
        step, back = np.log(old) - np.log(still), -math.inf
        for at in range(first, len(self.table)):
            size = float(self.table[at].sum())
            joined = np.logaddexp(back, math.log(size)) if size > 0 else back
            back = float(joined + self.worth[at] @ step)
            self.evidence[at] = self.evidence[first - 1]
            self.latched[at] = back < self.needed + math.log(SHARE_OF_NEEDED)
            if not self.latched[at]:
                self.since = at + 1
                self.evidence[at] = -math.inf
                return at + 1
        return len(self.table)


def _dirichlet(counts: Floats, law: Floats) -> Floats:
    """Log likelihood of counts (rows) under Dirichlet-multinomial laws, without the coefficient."""
    size, worth = law.sum(axis=-1), counts.sum(axis=-1)
    inner: Floats = (log_gamma(law + counts) - log_gamma(law)).sum(axis=-1)
    return inner - log_gamma(size + worth) + log_gamma(size)


def _shares(names: Sequence[str], before: Floats, after: Floats) -> tuple[CategoryShare, ...]:
    now = after.sum(axis=0)
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
