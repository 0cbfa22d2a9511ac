"""The ledger that money needs of a store, which checks and holds in one transaction; and amounts on their way in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from gonogo.errors import ParameterError
from gonogo.ports.booked_costs import VersionCalls
from gonogo.records import AMOUNT_MAX, UNIT_SIZE, Costs, Decision, Dependency, Unit
from gonogo.settings import Settings


@dataclass(frozen=True, slots=True)
class Scope:
    """A budget as the ledger counts it, here and now.

    It has spent what observations cost, or used in its `unit`, that name one of `members` (itself and its descendants), or
    whose dependency is one of `dependencies`, each once, in `start_ms <= time < end_ms`.
    """

    budget: str
    members: tuple[str, ...]
    dependencies: tuple[str, ...]
    start_ms: int | None
    end_ms: int | None
    unit: Unit = "usd"
    session_ms: int | None = None  # how long a window lasts that begins with its first call
    # Whose calls alone count; `dependencies` are names of their sums then.
    segment: str | None = None


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Money that a reservation still holds: what it was given, less what its calls have cost."""

    id: str
    held_micro_usd: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Balance:
    """The spend of a scope and the amount held by its open reservations, with the first to expire."""

    spent_micro_usd: int
    held_micro_usd: int
    holds: tuple[OpenHold, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A decision on balances: what to hold, if anything, and a way to write the answer's JSON.

    The text is made within the transaction only where it has to be stored with the hold.
    """

    answer: Callable[[], str]
    held_micro_usd: int | None
    confidence: float
    remaining_micro_usd: int


@dataclass(frozen=True, slots=True)
class ReserveRequest:
    """A check to be made and held in one transaction.

    `decide` gets a balance for each scope, in order; it may be called more than once, so it must
    be pure, and it runs under the store's lock, so it must be quick.
    """

    reservation_id: str
    budget: str
    scopes: tuple[Scope, ...]
    decide: Callable[[Sequence[Balance]], Draft]
    now_ms: int
    expires_ms: int
    planned_micro_usd: int | None = None
    key: str | None = None
    arguments: str = ""
    # The log entry of an answer, written in the transaction that holds the money.
    entry_of: Callable[[str], Decision] | None = None
    unit: Unit = "usd"


@dataclass(frozen=True, slots=True)
class ReservationCalls:
    """Recorded calls that name a reservation; those among them without what its unit counts, and their tokens."""

    calls: int = 0
    unpriced: int = 0
    tokens: int = 0
    names: tuple[str, ...] = ()  # the dependencies of those without a cost

    def plus(self, other: ReservationCalls) -> ReservationCalls:
        """The sum of two counts."""
        return ReservationCalls(
            self.calls + other.calls,
            self.unpriced + other.unpriced,
            self.tokens + other.tokens,
            tuple(sorted({*self.names, *other.names})),
        )


@dataclass(frozen=True, slots=True)
class EarlierHolds:
    """A run's spend under the holds before its present one.

    `spent_micro_usd` has amounts that were declared at settling in place of their calls' costs.
    """

    spent_micro_usd: int = 0
    costs: tuple[int, ...] = ()
    calls: ReservationCalls = ReservationCalls()


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A reservation that carries a run: what it was given, and the costs of its calls, in order.

    `past`: those of runs of the same budget that were settled, newest first.
    """

    budget: str
    held_micro_usd: int
    costs: tuple[int, ...]
    past: tuple[tuple[int, ...], ...]
    calls: ReservationCalls = ReservationCalls()
    unit: Unit = "usd"
    earlier: EarlierHolds = EarlierHolds()


@dataclass(frozen=True, slots=True)
class Replay:
    """The earlier answer to an idempotency key whose hold is still open, and the present amount of that hold."""

    answer: str
    held_micro_usd: int
    expires_ms: int


ClosedAs = Literal["settled", "released", "expired_settled"]


@dataclass(frozen=True, slots=True)
class ClosedReservation:
    """A reservation after it was closed; amounts in its `unit`."""

    id: str
    budget: str
    status: ClosedAs
    held_micro_usd: int
    actual_micro_usd: int
    # Where no cost was declared, which covers all of them.
    calls: ReservationCalls = ReservationCalls()
    unit: Unit = "usd"
    # Of the log entry that was written with it; None where it was closed before, or has none.
    decision_id: str | None = None
    # What its recorded calls came to, where an amount was declared.
    observed_micro_usd: int | None = None


class Payer(NamedTuple):
    """The budget that a reservation belongs to, and whether it was settled at an amount that was declared."""

    budget: str
    is_declared: bool


class JudgedCheck(NamedTuple):
    """A check whose reservation was settled: what was said, and what the work came to cost."""

    confidence: float
    remaining_micro_usd: int
    actual_micro_usd: int
    planned_micro_usd: int | None


@dataclass(frozen=True, slots=True)
class LeftHold:
    """Money that open reservations hold, or that was spent, in the name of a budget that is no longer configured."""

    budget: str
    held_micro_usd: int
    expires_ms: int | None  # of the last of them
    unit: Unit = "usd"
    spent_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class BudgetRecord:
    """The history of a budget that its forecast can use beside the calls' own costs."""

    dependencies: tuple[str, ...]  # that spent money in its name
    judged: tuple[JudgedCheck, ...]  # newest first
    left: tuple[LeftHold, ...] = ()  # of budgets that an edit took away
    named_above: tuple[str, ...] = ()  # as `dependencies`, of the topmost budget of its chain
    # Budgets that calls named and an edit took away; read only where `dependencies` has none.
    gone: tuple[str, ...] = ()


class NewestCalls(Protocol):
    """Reads the cost or use of a dependency's newest calls."""

    async def dependency(self, name: str) -> Dependency | None:
        """Read one dependency; None where nothing was ever recorded."""
        ...

    async def newest_costs(self, dependency: str) -> Costs:
        """The newest calls that have a cost or tokens, oldest first."""
        ...

    async def newest_durations(self, dependency: str) -> Costs:
        """The newest calls whose duration is known, oldest first: in microseconds, in place of costs."""
        ...


class CallCosts(NewestCalls, Protocol):
    """Reads the cost of a dependency's calls: the part of `Telemetry` that forecasts use."""

    async def dependencies(self) -> list[Dependency]:
        """Dependencies by name."""
        ...

    async def calls_without_cost(
        self,
        dependency: str,
        *,
        since_ms: int,
        now_ms: int,
        budgets: Sequence[str] | None = None,
        segment: str | None = None,
        unit: Unit = "usd",
    ) -> tuple[VersionCalls, ...]:
        """Count the calls since a time that have no cost, or none of a unit, by version.

        Of a dependency with many calls these are the newest, and some in each quarter of the time before them.

        With `budgets` of those that name one of them, with `segment` of those in it. Calls whose reservation holds money, or was
        settled at a declared cost, are left out.
        """
        ...

    async def book_late(self, dependency: str, *, since_ms: int, now_ms: int) -> int:
        """Book calls since a time whose tokens have a price only now; how many they were."""
        ...


class Ledger(Protocol):
    """Money held and spent. Every change is durable before it is answered."""

    def under(self, settings: Settings) -> Ledger:
        """These books under an edited configuration."""
        ...

    async def session_start(self, scope: Scope, *, now_ms: int) -> int | None:
        """Find when the open window of a scope with `session_ms` began; None where none is open."""
        ...

    async def keyed_names(self, key: str, value: str | None = None) -> tuple[str, ...]:
        """The names (`KeyedCalls`) of sums of calls with a value of a segment key; without one with any.

        They are kept from the first question on, which sums the calls that are there.
        """
        ...

    async def newest_values(self, key: str, *, most: int) -> tuple[str, ...]:
        """The values of a segment key that were called last, the newest first; their sums are kept from then on."""
        ...

    async def budgets_below(self, owner: str) -> tuple[str, ...]:
        """The limits of single values, `owner/VALUE`, that calls or holds have named."""
        ...

    async def balances(
        self, scopes: Sequence[Scope], *, now_ms: int, holds_max: int
    ) -> tuple[Balance, ...]:
        """Read the spend and the holds of each scope in one snapshot."""
        ...

    async def reserve(self, request: ReserveRequest, *, holds_max: int) -> str:
        """Check and hold in one transaction over all scopes.

        Returns:
            The drafted answer; with a key that is in use, the answer that it got.

        Raises:
            ParameterError: The key is in use with other arguments.
        """
        ...

    async def answered(self, key: str, arguments: str, *, now_ms: int) -> Replay | None:
        """Read the earlier answer to an idempotency key; None where the key is free.

        A key ends with its hold, and after a day: an answer that holds nothing is given anew.

        Raises:
            ParameterError: It is in use with other arguments.
        """
        ...

    async def next_hold(self, key: str, arguments: str, *, now_ms: int) -> str | None:
        """The id for the next hold of a run that goes on after its last one; None where a run begins."""
        ...

    async def renew(
        self, reservation_id: str, *, now_ms: int, length_s: int | None = None
    ) -> tuple[str, int]:
        """Let a hold last as long again: its budget, and until when.

        `length_s`: how long from now; without it as long as its budget lets one last.

        Raises:
            UnknownTarget: There is no such reservation.
            ParameterError: It was closed, or has expired: others may have taken the money.
        """
        ...

    async def lower(
        self, reservation_id: str, *, to_micro_usd: int, now_ms: int, beyond_recorded: bool = False
    ) -> None:
        """Let an open hold hold no more than this, and have been planned for as much less.

        Beyond what was recorded of it: its calls cost less than was planned, and the plan stays.
        Of one that is closed, unknown or smaller nothing changes: it may be asked again.
        """
        ...

    async def run_so_far(self, reservation_id: str) -> RunProgress | None:
        """Read the cost of each of a reservation's calls, of earlier holds of its run, and of past runs."""
        ...

    async def settle(
        self,
        reservation_id: str,
        *,
        actual_usd: float | None,
        now_ms: int,
        entry_of: Callable[[ClosedReservation], Decision] | None = None,
    ) -> ClosedReservation:
        """Close a reservation at its true cost, in its unit; without one, at that of its observations.

        Where that changes anything, the log entry that `entry_of` makes of it is written in the
        same transaction.

        Raises:
            UnknownTarget: There is no such reservation.
            ParameterError: It was settled at another declared cost before; the amount is out of range.
        """
        ...

    async def record(self, scopes: Sequence[Scope], *, now_ms: int) -> BudgetRecord:
        """Read the history of a budget beside the balances of its chain: checks in its unit."""
        ...

    async def named_by(self, members: Sequence[str]) -> tuple[str, ...]:
        """The dependencies of which calls named one of these budgets, with a cost or without."""
        ...

    async def budgets_named(self) -> tuple[str, ...]:
        """Every budget that a recorded call ever named, configured or not."""
        ...

    async def payers(self, reservations: Sequence[str]) -> Mapping[str, Payer]:
        """The budgets that pay for calls of these reservations, by id; of one that is not known none."""
        ...

    async def judged(self, *, limit: int = 1000) -> tuple[JudgedCheck, ...]:
        """Settled checks of every budget, newest first."""
        ...


def micro_usd(usd: float, *, name: str, unit: Unit = "usd") -> int:
    """An amount in integer micro-dollars, or in whole numbers of another unit's smallest part.

    Raises:
        ParameterError: It is negative, not finite, beyond 1e9 USD, or a part of a call or a token;
            names the argument.
    """
    size = UNIT_SIZE[unit]
    most = AMOUNT_MAX / size
    if isinstance(usd, bool) or not math.isfinite(usd) or not 0 <= usd <= most:
        of = unit.upper() if unit == "usd" else unit
        limit = f"{most:g}".replace("e+0", "e").replace("e+", "e")
        raise ParameterError(f"{name} must be from 0 to {limit} {of}, not {usd!r}.")
    if size == 1 and not float(usd).is_integer():
        raise ParameterError(f"{name} must be a whole number of {unit}, not {usd!r}.")
    return max(round(usd * size), 1 if usd else 0)  # a little is not nothing
