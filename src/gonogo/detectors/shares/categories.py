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
from gonogo.detectors.log_space import accumulate_starts, log_gamma
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
# Batches that are looked at together: more cost memory, and are for nothing after an alarm.
_BLOCK = 32
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
    rows = merged[baseline:]
    full = np.flatnonzero(rows.any(axis=1))  # a batch without values changes nothing
    found = _follow(
        rows[full], first / dispersion + _PRIOR, needed=math.log(needed), dispersion=dispersion
    )
    newest = np.searchsorted(full, np.arange(len(rows)), side="right")
    began = int(np.append(full, len(rows))[found.began]) if found.began else 0
    recent = rows[began:].sum(axis=0)
    return CategoryWatch(
        np.append(-math.inf, found.evidence)[newest],
        math.log(needed),
        np.append(False, found.latched)[newest],
        _shares([*kept, NEW], first, recent),
        began,
        float(recent.sum()),
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


@dataclass(slots=True, eq=False)
class _Course:
    """After each batch the evidence, nats, and whether an alarm stands; the present period began with `began`."""

    evidence: Floats
    latched: NDArray[np.bool_]
    began: int = 0


def _follow(rows: Floats, null: Floats, *, needed: float, dispersion: float) -> _Course:
    """Look for a change and, from an alarm on, for the old shares, in turns while there are batches.

    Args:
        rows: Counts of each batch and category, shape (batches, C), no batch empty.
        null: What was learned before, shape (C,).
        needed: Nats of evidence at which to alarm.
        dispersion: Values that carry one independent value's information.
    """
    found = _Course(np.full(len(rows), -math.inf), np.zeros(len(rows), dtype=np.bool_))
    at = 0
    while at < len(rows):
        evidence, change, null = _search(rows[at:], at, null, needed, dispersion)
        found.evidence[at : at + len(evidence)] = evidence
        at += len(evidence)
        if change is None:
            break
        back = _back_after(rows[at:], rows[change:at].sum(axis=0), null, needed, dispersion)
        found.evidence[at : at + back] = evidence[-1]
        found.latched[at - 1 : at + back] = True
        found.began = change if at + back == len(rows) else at + back + 1
        at += back + 1
    return found


def _search(
    rows: Floats, first: int, null: Floats, needed: float, dispersion: float
) -> tuple[Floats, int | None, Floats]:
    """Evidence up to an alarm, the batch with which the change likely began, and the null before it.

    Args:
        rows: Counts of the batches from number `first` on, shape (batches, C).
        first: That number.
        null: What was learned before them, shape (C,).
        needed: Nats of evidence at which to alarm.
        dispersion: Values that carry one independent value's information.
    """
    # What was learned before each batch and after the last, and what is bet on by each one's start.
    learned = null + np.vstack((np.zeros(len(null)), np.cumsum(rows / dispersion, axis=0)))
    own = _constant_nats(learned)
    share = learned / learned.sum(axis=1, keepdims=True)
    bets = _STRENGTHS[:, None] * share[:, None, :]
    unseen = _constant_nats(bets)
    log_size = np.log(rows.sum(axis=1))
    evidence = np.zeros(0)
    for block in range(0, len(rows), _BLOCK):
        now, start = _open_starts(first, block, min(block + _BLOCK, len(rows)))
        since = (learned[now + 1] - learned[start])[:, None, :]
        each = _constant_nats(bets[start] + since) - unseen[start]
        bet = np.logaddexp.reduce(each, axis=1) - math.log(len(_STRENGTHS))
        gain = bet - (own[now + 1] - own[start]) + log_size[start]
        nats = np.logaddexp.reduceat(gain, np.flatnonzero(np.diff(now, prepend=-1)))
        evidence = np.append(evidence, nats)
        if nats.max() >= needed:
            alarm = block + int(np.argmax(nats >= needed))
            best = int(start[np.argmax(np.where(now == alarm, gain, -math.inf))])
            return evidence[: alarm + 1], first + best, learned[best]
    return evidence, None, learned[-1]


def _open_starts(first: int, begin: int, end: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Each batch from `begin` to before `end`, as often as there are starts that it counts for, and these."""
    now, start = np.arange(begin, end)[:, None], np.arange(end)
    kept = (start > now - _RECENT) | ((first + start) % _EVERY == 0)
    kept &= start <= now
    # The newest: of those that are kept few enough come after it.
    kept &= np.cumsum(kept[:, ::-1], axis=1)[:, ::-1] <= _STARTS_MAX
    at, of = np.nonzero(kept)
    return at + begin, of


def _back_after(
    rows: Floats, changed: Floats, null: Floats, needed: float, dispersion: float
) -> int:
    """The batches after an alarm until the old shares are back; all of them where they are not.

    Args:
        rows: Counts of these batches, shape (batches, C).
        changed: Values since the change, up to the alarm, shape (C,).
        null: What was learned before the change, shape (C,).
        needed: Nats of evidence at which the alarm was given.
        dispersion: Values that carry one independent value's information.
    """
    if not len(rows):
        return 0
    seen, old = changed + _PRIOR, null / null.sum()
    still = (old + seen / seen.sum()) / 2
    # What a value of each category says for the old shares.
    walk = np.cumsum(rows / dispersion @ (np.log(old) - np.log(still)))
    back = accumulate_starts(walk, np.log(rows.sum(axis=1)), -math.inf)
    found = np.flatnonzero(back >= needed + math.log(SHARE_OF_NEEDED))
    return int(found[0]) if len(found) else len(rows)


def _constant_nats(laws: Floats) -> Floats:
    """Log of each Dirichlet law's normalising constant, along the last axis."""
    nats: Floats = log_gamma(laws).sum(axis=-1) - log_gamma(laws.sum(axis=-1))
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
