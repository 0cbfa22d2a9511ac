"""Two versions or periods on the golden items that both answered: each item is its own control."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.errors import DataError, NotEnoughData

# Half-steps of the share of wealth bet on each item; a bet of 1 would be lost whole on one item.
_STAKES = (np.arange(64) + 0.5) / 64


@dataclass(frozen=True, slots=True, eq=False)
class ItemMeans:
    """Items of one period or version: shapes (n,), `item` ascending and distinct."""

    item: Ints
    n: Ints
    mean: Floats  # in [0, 1]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Items that both periods answered, each against itself.

    `e_worse` and `e_better` are e-values: if no item's expected outcome fell (rose), each has mean
    at most 1, whatever the order of items and however often it is read. `e_value` is their mean,
    so that it reaches 100 with probability at most 1 % where nothing changed. `p_worse` holds for
    one look only, and is exact (`exact`) where each item's outcome moved by -1, 0 or 1.
    """

    items: int
    worse: int
    better: int
    same: int
    mean_before: float
    mean_after: float
    interval95: tuple[float, float]  # of mean_after - mean_before
    e_worse: float
    e_better: float
    log10_e: float
    p_worse: float
    p_better: float
    exact: bool

    @property
    def change(self) -> float:
        """Mean outcome after minus before, over the shared items."""
        return self.mean_after - self.mean_before

    @property
    def e_value(self) -> float:
        """Evidence for a change in either direction."""
        return (self.e_worse + self.e_better) / 2


def compare(before: ItemMeans, after: ItemMeans) -> PairedTest:
    """Hold two versions or periods against each other on the items that both answered.

    The e-value bets on each item's difference d in [-1, 1] with every stake s of a fixed grid and
    averages the products of (1 - s d) or (1 + s d): fractional outcomes and items asked unequally
    often need no other rule, and with answers right or wrong asked once it is the likelihood ratio
    of a mixture over the share of "worse" among discordant pairs. The p-value is McNemar's exact
    test where every item moved by -1, 0 or 1, else the paired t-test (items asked unequally often
    fall and rise unequally often even when nothing changed).

    Raises:
        NotEnoughData: no item was answered in both.
        DataError: a mean is not a number in [0, 1].

    Source: McNemar (1947); Waudby-Smith & Ramdas (2024), "Estimating means of bounded random
    variables by betting", JRSS B 86(1).
    """
    shared, left, right = np.intersect1d(
        before.item, after.item, assume_unique=True, return_indices=True
    )
    if shared.size == 0:
        raise NotEnoughData("No golden item was answered in both periods; run the same items.")
    x, y = before.mean[left], after.mean[right]
    for values in (x, y):
        if not ((values >= 0) & (values <= 1)).all():
            raise DataError("A golden item's mean outcome does not lie in [0, 1].")
    d = y - x
    worse, better = int((d < 0).sum()), int((d > 0).sum())
    exact = bool(np.isin(d, (-1.0, 0.0, 1.0)).all())
    p = _mcnemar(worse, better) if exact else _paired_t(d)
    down, up = _betting_nats(-d), _betting_nats(d)
    return PairedTest(
        items=d.size,
        worse=worse,
        better=better,
        same=d.size - worse - better,
        mean_before=float(x.mean()),
        mean_after=float(y.mean()),
        interval95=_paired_interval95(d),
        e_worse=_capped_exp(down),
        e_better=_capped_exp(up),
        log10_e=(float(np.logaddexp(down, up)) - math.log(2)) / math.log(10),
        p_worse=p[0],
        p_better=p[1],
        exact=exact,
    )


def _betting_nats(gain: Floats) -> float:
    """Log of the mean over stakes of prod(1 + stake * gain)."""
    walks = np.log1p(np.outer(_STAKES, gain)).sum(axis=1)
    return float(np.logaddexp.reduce(walks)) - math.log(_STAKES.size)


def _mcnemar(worse: int, better: int) -> tuple[float, float]:
    """One-sided exact p-values: P(Bin(worse + better, 1/2) >= worse), and for better."""
    n = worse + better
    total = 1 << n
    tails = [sum(math.comb(n, k) for k in range(count, n + 1)) for count in (worse, better)]
    return tails[0] / total, tails[1] / total


def _paired_interval95(d: Floats) -> tuple[float, float]:
    """Tango's score interval of a mean difference: not of width 0 where no item changed.

    Differences between -1 and 1 count as so many whole ones of their root mean square size.

    Source: Tango (1998), Statistics in Medicine 17, 891-908.
    """
    n, size = float(d.size), float(np.abs(d).sum())
    unit = float((d**2).sum()) / size if size else 1.0
    better, worse = float(d[d > 0].sum()) / unit, -float(d[d < 0].sum()) / unit

    def excess(change: float) -> float:
        """Standard errors by which the mean lies above a change, their size taken at that change."""
        a, b = 2 * n, (2 * n - better + worse) * change - better - worse
        c = -worse * change * (1 - change)
        share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = n * (2 * share + change * (1 - change))
        return (better - worse - n * change) / math.sqrt(max(variance, 1e-12))

    low, high = (_crossing(excess, z) for z in (1.96, -1.96))
    return max(low * unit, -1.0), min(high * unit, 1.0)


def _crossing(falling: Callable[[float], float], level: float) -> float:
    """The change in [-1, 1] at which a falling function passes a level."""
    low, high = -1.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > level else (low, middle)
    return (low + high) / 2


def _paired_t(d: Floats) -> tuple[float, float]:
    sd = float(d.std(ddof=1)) if d.size > 1 else 0.0
    if sd == 0:
        return (1.0, 1.0) if d.size < 2 or d[0] == 0 else (float(d[0] > 0), float(d[0] < 0))  # noqa: PLR2004
    t = float(d.mean()) / (sd / math.sqrt(d.size))
    return student_tail(-t, d.size - 1), student_tail(t, d.size - 1)


def student_tail(t: float, freedom: int) -> float:
    """P(T > t) for Student's t, by Wallace's (1959) normal approximation (error below .002)."""
    size = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return 0.5 * math.erfc(math.copysign(size, t) / math.sqrt(2))


def _capped_exp(nats: float) -> float:
    return math.exp(min(nats, 690.0))
