"""Costs of calls on their way from rows to the ledger, and counts of calls that have none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gonogo.records import MICRO, NANO_A_MICRO, Unit

# Between and before the parts of a name in the books that no call can have: names hold no such characters.
# The first stands before a segment key by whose values sums are kept, the second before such a sum's name.
KEPT_KEY, KEYED = "\x1e", "\x1f"


# What a call is booked at that came with tokens in a service tier without a price: its model's own price
# would be another one.
UNLISTED_TIER = -2
# As vendors call the tiers of their services; in many tables a `tier` is a customer's.
SERVICE_TIERS = frozenset(
    ["auto", "default", "standard", "batch", "flex", "priority", "scale", "fast", "on_demand"]
)


class VersionCalls(NamedTuple):
    """Calls of a version in a window: how many have no usage, tokens but no cost, and those tokens.

    `waiting`: those of `counted` that are booked as soon as their model has a price. `is_part`: there are more of the
    dependency in the window than were looked at.
    """

    version: str | None
    calls: int
    silent: int
    counted: int
    tokens: int
    waiting: int = 0
    is_part: bool = False

    def plus(self, other: VersionCalls) -> VersionCalls:
        """Both together, of one version."""
        return VersionCalls(
            self.version,
            self.calls + other.calls,
            self.silent + other.silent,
            self.counted + other.counted,
            self.tokens + other.tokens,
            self.waiting + other.waiting,
            self.is_part or other.is_part,
        )


class Usage(NamedTuple):
    """Calls, tokens and minutes, the use of a budget beside money; negative where they are taken back."""

    calls: int = 0
    tokens: int = 0
    latency_us: int = 0

    @classmethod
    def amount(cls, unit: Unit, amount: int) -> Usage:
        """So much of a unit, and of money none."""
        return cls(*(amount if _COUNTED.get(unit) == at else 0 for at in range(len(_COUNTED))))

    def plus(self, other: Usage) -> Usage:
        """The sum of two usages."""
        return Usage(*(a + b for a, b in zip(self, other, strict=True)))

    def of(self, unit: Unit) -> int:
        """The amount that a budget of a unit other than money counts."""
        return self[_COUNTED[unit]]

    def without(self, unit: Unit) -> Usage:
        """This usage without the amount that a budget of the unit counts."""
        left = list(self)
        left[_COUNTED[unit]] = 0
        return Usage(*left)


_NOTHING = Usage()
# The column of `used` that a budget of a unit adds up.
_COUNTED: Mapping[Unit, int] = {"calls": 0, "tokens": 1, "minutes": 2}


def counted_column(unit: Unit) -> str:
    """The name of the column that a budget of a unit other than money adds up."""
    return Usage._fields[_COUNTED[unit]]


@dataclass(frozen=True, slots=True)
class BookedCost:
    """The cost and use of one quarter hour's stored observations, as the ledger books them.

    `rest_nano_usd` is what there is beyond whole micro-dollars, 0 to 999.
    """

    dependency: str
    budget: str | None
    reservation: str | None
    ts_ms: int
    cost_micro_usd: int
    rest_nano_usd: int = 0
    used: Usage = _NOTHING
    # Those of its segments whose keys sums are kept by, as `tenant=acme`.
    segments: tuple[str, ...] = ()

    @property
    def nano_usd(self) -> int:
        """The whole amount in 1e-9 USD."""
        return self.cost_micro_usd * NANO_A_MICRO + self.rest_nano_usd


class KeyedCalls(NamedTuple):
    """Calls of a dependency with one value of a segment key, summed beside all of its calls.

    `paid_by`: what stands before the value in the name of the budget to which they are booked anyway, as
    `customers` in `customers/acme`; there they must not count again.
    """

    segment: str
    dependency: str
    paid_by: str = ""

    @property
    def name(self) -> str:
        """The name under which the books have them."""
        return f"{KEYED}{KEYED.join(self)}"

    @classmethod
    def parse(cls, name: str) -> KeyedCalls:
        """Parse a name in the books."""
        return cls(*name.split(KEYED)[1:])


def is_keyed(name: str) -> bool:
    """Whether a name in the books is of calls with one value of a segment key, or of such a key."""
    return name.startswith((KEPT_KEY, KEYED))


def keyed_costs(
    costs: Iterable[BookedCost], budgets: Mapping[str | None, str | None]
) -> list[BookedCost]:
    """Costs by each segment that sums are kept of; `budgets` are those of reservations, by id.

    A call counts in a value's limit at its own cost, whatever was held or declared for it elsewhere.
    """
    found = []
    for cost in costs:
        budget = budgets.get(cost.reservation) or cost.budget or ""
        for segment in cost.segments:
            value = segment.partition("=")[2]
            paid_by = budget.removesuffix(f"/{value}")
            keyed = KeyedCalls(segment, cost.dependency, "" if paid_by == budget else paid_by)
            booked = replace(
                cost, dependency=keyed.name, budget=None, reservation=None, segments=()
            )
            found.append(booked)
    return found


def weighed(amounts: Sequence[int], weight_e6: int) -> tuple[int, ...]:
    """The cost and use of a weighted call, which stands for others: so many times its own, rounded."""
    return tuple((amount * weight_e6 + MICRO // 2) // MICRO for amount in amounts)
