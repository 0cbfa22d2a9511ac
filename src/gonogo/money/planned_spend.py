"""The cost of planned work as a grid of totals, for lookups inside a transaction."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.answers import UnpricedShare
from gonogo.errors import plain
from gonogo.text.forms import counted
from gonogo.text.unit_words import UNIT_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import Unit

# Above this share of calls without a price a sum would leave out what it should count.
UNPRICED_SHARE_MAX = 0.05


@dataclass(frozen=True, slots=True)
class Curve:
    """What totals stay within at one probability, by number of calls. Both ascending."""

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
    """Calls of the newest ones in a window that have neither a cost nor a price, and their tokens."""

    calls: int = 0
    tokens: int = 0
    of: int = 0
    names: tuple[str, ...] = ()
    parent: str | None = None  # whose window it is, where not that of the budget asked about
    reservation: bool = False  # they are one reservation's, and no window's
    unit: Unit = "usd"

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
        """Why the unpriced calls matter, in words, and what to do about them."""
        named = ", ".join(f"'{plain(name, 80)}'" for name in self.names)
        tokens = f" ({counted(self.tokens, 'token')})" if self.tokens else ""
        where = f"in the window of '{plain(self.parent, 80)}'" if self.parent else "in this window"
        words = UNIT_WORDS[self.unit]
        where = "of this reservation" if self.reservation else where
        return (
            f"{self.calls:,} of {counted(self.of, 'call')} {where} "
            f"{'has' if self.calls == 1 else 'have'} {words.lacks}{tokens}: {named}. {words.remedy}"
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
