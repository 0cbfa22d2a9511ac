"""The cost of planned work: a grid of totals for lookups inside a transaction, or a declared amount alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from gonogo.answers import UnpricedShare
from gonogo.errors import plain
from gonogo.ports.money import JudgedCheck
from gonogo.records import Unit
from gonogo.text.forms import UNIT_WORDS, counted

# Above this share of calls without a price a sum would leave out what it should count.
UNPRICED_SHARE_MAX = 0.05
# A declared amount is taken at its word this often, until settled reservations say otherwise;
# they outweigh that belief once there are more of them than it counts for.
KEPT = 0.96
_BELIEF_WEIGHT = 5
_OVERRUN_SD = 0.5
_GRID = 1000


@dataclass(frozen=True, slots=True)
class Curve:
    """The bound that totals stay within at one probability, by number of calls. Both ascending."""

    calls: tuple[int, ...]
    micro_usd: tuple[float, ...]

    def calls_within(self, micro_usd: int) -> int:
        """The largest number of calls whose total stays within an amount; 0 where none does."""
        i = bisect_right(self.micro_usd, micro_usd)
        if i == 0:
            return 0
        if i == len(self.calls):
            return self.calls[-1]
        low, high = self.micro_usd[i - 1], self.micro_usd[i]
        share = (micro_usd - low) / (high - low)
        return self.calls[i - 1] + math.floor(share * (self.calls[i] - self.calls[i - 1]))


@dataclass(frozen=True, slots=True)
class PlannedSpend:
    """The predictive distribution of what the planned work will cost.

    `grid` holds equally likely totals in micro-dollars, ascending; empty where nothing is known,
    and then `missing` says of what.
    """

    grid: tuple[int, ...]
    hold_micro_usd: int
    worst_micro_usd: int
    n: int
    method: str
    curves: tuple[tuple[float, Curve], ...] = ()
    calls: int | None = None
    regime_start_ms: int | None = None
    newest_ts_ms: int | None = None
    unpriced: str | None = None
    free: str | None = None  # what counts as free, since it never had a cost
    worst_call_micro_usd: float | None = None  # where the worst case grows with the calls
    missing: str | None = None
    parts: int = 1  # of how many dependencies' forecasts this is the sum
    days: tuple[int, int] = (0, 0)  # seen, and beyond today that the plan reaches
    is_exact: bool = False  # known to the last call, and not forecast

    def quantile(self, probability: float) -> int:
        """The total that the work stays within, with a probability."""
        return quantile(self.grid, probability)

    def chance_within(self, micro_usd: int) -> float:
        """The chance that the work stays within an amount; never quite 0 or 1."""
        return (bisect_right(self.grid, micro_usd) + 0.5) / (len(self.grid) + 1)


@dataclass(frozen=True, slots=True)
class UnpricedCalls:
    """Calls in a window that have neither a cost nor a price, and their tokens.

    Where there are many, some were looked at, all over the window: `is_part`.
    """

    calls: int = 0
    tokens: int = 0
    of: int = 0
    names: tuple[str, ...] = ()
    parent: str | None = None  # whose window it is, where not that of the budget asked about
    holder: Literal["reservation", "run"] | None = None  # whose they are, where no window's
    unit: Unit = "usd"
    tiers: int = 0  # of them, those in a service tier without a price
    is_part: bool = False
    booked: bool = False  # whether some got their price only now, and were booked

    @property
    def hides_spending(self) -> bool:
        """Whether too much of what was called has no price for what was spent to be known."""
        return self.calls > UNPRICED_SHARE_MAX * self.of

    @property
    def share(self) -> UnpricedShare | None:
        """Their number and tokens for an answer; None where every call has a cost."""
        if not self.calls:
            return None
        return UnpricedShare(calls=self.calls, tokens=self.tokens, why=self.why)

    @property
    def why(self) -> str:
        """The consequence of unpriced calls, in words, and the remedy."""
        named = ", ".join(f"'{plain(name, 80)}'" for name in self.names)
        tokens = f" ({counted(self.tokens, 'token')})" if self.tokens else ""
        where = f"in the window of '{plain(self.parent, 80)}'" if self.parent else "in this window"
        words = UNIT_WORDS[self.unit]
        where = f"of this {self.holder}" if self.holder else where
        return (
            f"{self.calls:,} of {counted(self.of, 'call')} {'looked at ' * self.is_part}{where} "
            f"{'has' if self.calls == 1 else 'have'} {words.lacks}{tokens}: {named}. {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        if not self.tiers:
            return UNIT_WORDS[self.unit].remedy
        which = "These are" if self.tiers == self.calls else f"{self.tiers:,} of these are"
        return (
            f"{which} of a service tier without a price: add the table 'MODEL:TIER' to [settings.prices] in "
            "gonogo.toml and record them again with their tier, or record cost_usd."
        )


def quantile(grid: Sequence[int], probability: float) -> int:
    """The value that a share of a grid of equally likely, ascending values stays within."""
    return grid[min(int(probability * len(grid)), len(grid) - 1)]


class Forecasts:
    """Forecasts made, kept until the calls that they rest on change. Bounded, throw-away."""

    def __init__(self, size_max: int = 256) -> None:
        self._size_max = size_max
        self._made: OrderedDict[tuple[object, ...], PlannedSpend] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> PlannedSpend | None:
        """A forecast made before, for the same calls and the same plan."""
        found = self._made.get(key)
        if found is not None:
            self._made.move_to_end(key)
        return found

    def keep(self, key: tuple[object, ...], plan: PlannedSpend) -> None:
        """Keep a forecast; the one that was unused the longest gives way."""
        self._made[key] = plan
        if len(self._made) > self._size_max:
            self._made.popitem(last=False)


def plan_declared(
    declared_micro_usd: int, judged: Sequence[JudgedCheck], calls: int | None
) -> PlannedSpend:
    """A plan that is known only by its declared cost.

    Taken at its word, but for a share of overruns, until this budget's own settled reservations
    tell how declared costs turn out. A reservation speaks for a plan of its own size or less: for
    one a hundred times dearer it weighs a hundredth, so that small ones cannot vouch for a large
    one. One that was settled at nothing says no more than one that was released.
    """
    size = max(declared_micro_usd, 1)
    weighed = sorted(
        [
            (actual / planned, 1.0 if planned >= size else planned / size)
            for _, _, actual, planned in judged
            if planned and actual > 0
        ]
    )
    heard = sum(weight for _, weight in weighed)
    believed = round(_GRID * _BELIEF_WEIGHT / (_BELIEF_WEIGHT + heard))
    kept = math.ceil(believed * KEPT)
    over = believed - kept
    normal = NormalDist(0, _OVERRUN_SD)
    factors = [(1.0, kept)]
    factors += [(math.exp(normal.inv_cdf(0.5 + (i + 0.5) / over / 2)), 1) for i in range(over)]
    factors += _quantiles(weighed, heard, _GRID - believed)
    grid: list[int] = []
    for factor, points in sorted(factors):
        grid += [math.ceil(declared_micro_usd * factor)] * points
    method = "declared cost, taken at its word in 96 of 100 cases"
    if believed < _GRID:
        settled = counted(len(weighed), "settled reservation")
        method = f"declared cost, judged by {settled} that declared theirs"
    return PlannedSpend(tuple(grid), declared_micro_usd, declared_micro_usd, 0, method, calls=calls)


def _quantiles(
    weighed: Sequence[tuple[float, float]], total: float, k: int
) -> list[tuple[float, int]]:
    """`k` evenly spaced quantiles of weighted values, which ascend: each value, and how many it is."""
    found = []
    end, told = 0.0, 0
    for value, weight in weighed:
        end += weight
        below = min(round(end / total * k), k)
        found.append((value, below - told))
        told = below
    return found
