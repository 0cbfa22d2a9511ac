"""Co-failure: several dependencies that fail at once, as a group and in pairs.

A group (one provider's dependencies) is tested as a whole: "they fail together" against "each has
incidents of its own, as often as its history shows". Without a declared group, pairs are tested by
when their incidents begin, with false-discovery control.

Source: Vovk & Wang, E-values: Calibration, combination and applications, Ann. Stat. 49(3), 2021
(averages of likelihood ratios are e-values; p to e by 1 / (2 sqrt p)); Benjamini & Hochberg (1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.log_space import log_rising
from gonogo.detectors.trust.calibration_health import FALSE_DISCOVERY_RATE, benjamini_hochberg
from gonogo.errors import DataError

# Evidence that members fail together is of these last hours; since when is told by all of them.
STARTS_MAX = 24
NEWEST_HOURS = 2
# A member with fewer calls in those is known by its newest so many: one call in two hours says nothing.
NEWEST_CALLS = 4
# Shares of a group that a shared outage takes down.
_SHARES: Floats = np.array([0.4, 0.7, 0.95])
# An incident of a member's own takes about one hour in a hundred before history says otherwise.
_OWN_RATE, _OWN_HOURS = 0.01, 100.0
# Pseudo-calls with which a normal failure rate begins: 1 in 25.
_NORMAL = (1.0, 24.0)
_BAD_NATS = math.log(20)
DAY_HOURS = 24
_NATS_MAX = 690.0


@dataclass(frozen=True, slots=True)
class GroupFinding:
    """Evidence that members fail together now; `members` are the rows that do.

    `e_value`: where each member only has incidents of its own, its mean is at most 1. `start` is
    the column since which they are likeliest to fail.
    """

    members: tuple[int, ...]
    start: int
    e_value: float


@dataclass(frozen=True, slots=True)
class PairFinding:
    """Two rows whose incidents begin together more often than chance: `together` times.

    `newest_start` is the column in which the newest of those incidents began.
    """

    first: int
    second: int
    together: int
    newest_start: int
    p_value: float


def failing_together(failed: Ints, n: Ints) -> GroupFinding:
    """Weigh whether a group's members fail together up to the last hour.

    Args:
        failed: Shape (members, hours), failed calls, oldest hour first.
        n: Same shape, calls.

    Returns:
        The finding; its `members` are empty where nobody fails.

    Raises:
        DataError: the counts are not two matrices of one shape with 0 <= failed <= n.
    """
    _check(failed, n)
    if not failed.size:
        return GroupFinding((), 0, 1.0)
    normal = _normal(failed, n)
    own = _own_rate(_bad_nats(failed, n, normal), n)
    starts = np.arange(max(failed.shape[1] - STARTS_MAX, 0), failed.shape[1])
    # From each start to the end: columns of sums.
    all_failed = np.cumsum(failed[:, ::-1], axis=1)[:, ::-1]
    all_n = np.cumsum(n[:, ::-1], axis=1)[:, ::-1]
    since_n = all_n[:, starts]
    # Failing since then and still: what ended two hours ago is not failing now.
    newest = _newest(n)
    still = _bad_nats((failed * newest).sum(axis=1), (n * newest).sum(axis=1), _flat(normal))
    nats = np.minimum(_bad_nats(all_failed[:, starts], since_n, normal), still[:, None])
    alone = np.logaddexp(np.log1p(-own)[:, None], np.log(own)[:, None] + nats)
    shared = np.logaddexp(np.log1p(-_SHARES)[:, None, None], np.log(_SHARES)[:, None, None] + nats)
    # A member without calls since the start says nothing either way.
    each = np.where(since_n > 0, shared - alone, 0.0).sum(axis=1)
    together = np.logaddexp.reduce(each, axis=0) - math.log(_SHARES.size)
    total = float(np.logaddexp.reduce(together)) - math.log(starts.size)
    # What still fails bounds the evidence from every start alike: that they began is told by all
    # of it, also where that was days ago.
    since = _bad_nats(all_failed, all_n, normal)
    failing = (since > _BAD_NATS) & (still[:, None] > _BAD_NATS)
    best = int(np.argmax(np.where(failing, since, 0.0).sum(axis=0)))
    members = tuple(np.flatnonzero(failing[:, best]).tolist())
    return GroupFinding(members, best, math.exp(min(total, _NATS_MAX)))


def _newest(n: Ints) -> NDArray[np.bool_]:
    """The hours by which it is known how each member is now; (members, hours)."""
    ago = np.arange(n.shape[1])[::-1]
    later = np.cumsum(n[:, ::-1], axis=1)[:, ::-1] - n
    newest: NDArray[np.bool_] = (ago < NEWEST_HOURS) | (later < NEWEST_CALLS) & (ago < STARTS_MAX)
    return newest


def falling_pairs(failed: Ints, n: Ints) -> list[PairFinding]:
    """Pairs whose incidents begin in the same hour, or the next, more often than chance.

    Fisher's exact test on two-hour bins in which both were called; false-discovery rate 5 % over
    all pairs. Only beginnings count: the hours of one long incident are not many coincidences.

    Args:
        failed: Shape (members, hours), failed calls, oldest hour first.
        n: Same shape, calls.

    Returns:
        The discoveries, smallest p-value first.

    Raises:
        DataError: as `failing_together`.
    """
    _check(failed, n)
    nats = _bad_nats(failed, n, _normal(failed, n))
    bad = np.zeros((len(n), n.shape[1] + 1), dtype=bool)
    bad[:, 1:] = nats > _BAD_NATS
    begins: NDArray[np.bool_] = np.asarray(bad[:, 1:] & ~bad[:, :-1])
    hours = begins.shape[1] // 2 * 2
    # Two ways to cut two-hour bins, so that no coincidence is cut in two; each pair pays for both.
    cuts = [slice(0, hours), slice(1, hours - 1)]
    found: dict[tuple[int, int], PairFinding] = {}
    for offset, cut in enumerate(cuts):
        began = begins[:, cut].reshape(len(begins), -1, 2).max(axis=2)
        called = (n[:, cut] > 0).reshape(len(n), -1, 2).max(axis=2)
        for first in range(len(n)):
            for second in range(first + 1, len(n)):
                both = called[first] & called[second]
                p_value = len(cuts) * _exact(began[first, both], began[second, both])
                together = np.flatnonzero(began[first] & began[second])
                known = found.get((first, second))
                if together.size and (known is None or p_value < known.p_value):
                    newest = 2 * int(together[-1]) + offset
                    found[first, second] = PairFinding(
                        first, second, together.size, newest, min(p_value, 1.0)
                    )
    pairs = list(found.values())
    # Pairs that never began together have p-value 1, and are counted in the number of tests.
    silent = [1.0] * (len(n) * (len(n) - 1) // 2 - len(pairs))
    hits = benjamini_hochberg([pair.p_value for pair in pairs] + silent, FALSE_DISCOVERY_RATE)
    return sorted(
        (pair for pair, hit in zip(pairs, hits[: len(pairs)], strict=True) if hit),
        key=lambda p: p.p_value,
    )


def _exact(x: NDArray[np.bool_], y: NDArray[np.bool_]) -> float:
    """Fisher's one-sided exact p-value for x and y being true together."""
    bins, k, m, both = x.size, int(x.sum()), int(y.sum()), int((x & y).sum())
    tail = sum(math.comb(k, i) * math.comb(bins - k, m - i) for i in range(both, min(k, m) + 1))
    return tail / math.comb(bins, m)


def _normal(failed: Ints, n: Ints) -> tuple[Floats, Floats]:
    """Beta parameters of each member's normal failure rate, its bad hours and days left out; (members, 1).

    It begins with the better half of days: from all hours, an outage of days would be the more normal the
    longer it lasts.
    """
    a, b = _NORMAL
    hours = n.shape[1]
    starts = np.unique(np.arange(hours % DAY_HOURS - DAY_HOURS, hours, DAY_HOURS).clip(min=0))
    day_failed, day_n = (np.add.reduceat(counts, starts, axis=1) for counts in (failed, n))
    rate = np.where(day_n > 0, (day_failed + a) / (day_n + a + b), np.inf)
    place = rate.argsort(axis=1, kind="stable").argsort(axis=1)
    good_days = place < -(-(day_n > 0).sum(axis=1, keepdims=True) // 2)
    good_hours = np.ones(n.shape, dtype=bool)
    for _ in range(3):
        kept = good_hours & np.repeat(good_days, np.diff(np.r_[starts, hours]), axis=1)
        bad = (failed * kept).sum(axis=1, keepdims=True)
        good = ((n - failed) * kept).sum(axis=1, keepdims=True)
        normal = (a + bad, b + good)
        good_hours = _bad_nats(failed, n, normal) <= _BAD_NATS
        good_days = _bad_nats(day_failed, day_n, normal) <= _BAD_NATS
    return normal


def _flat(normal: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    return normal[0][:, 0], normal[1][:, 0]


def _bad_nats(failed: Ints, n: Ints, normal: tuple[Floats, Floats]) -> Floats:
    """Log odds that these calls give for "failing, at any rate" against the normal rate."""
    a, b = normal
    failing = log_rising(np.ones(1), failed) + log_rising(np.ones(1), n - failed)
    failing -= log_rising(np.full(1, 2.0), n)
    usual = log_rising(a, failed) + log_rising(b, n - failed) - log_rising(a + b, n)
    # Better than normal is not failing.
    worse = failed * (a + b) > n * a
    nats: Floats = np.where(worse, failing - usual, np.minimum(failing - usual, 0.0))
    return nats


def _own_rate(nats: Floats, n: Ints) -> Floats:
    """Share of hours in which each member has been failing, all told; shape (members,)."""
    bad = ((nats > _BAD_NATS) & (n > 0)).sum(axis=1)
    hours = (n > 0).sum(axis=1)
    rate: Floats = (bad + _OWN_RATE * _OWN_HOURS) / (hours + _OWN_HOURS)
    return rate


def _check(failed: Ints, n: Ints) -> None:
    if failed.shape != n.shape or failed.ndim != 2:  # noqa: PLR2004 - members by hours
        raise DataError("failed and n must be matrices of one shape (members, hours)")
    if np.any(failed < 0) or np.any(failed > n):
        raise DataError("each hour must have 0 <= failed <= n")
