"""Holds on PostgreSQL: decided without a lock, made by one statement, exact all the same.

Requests of one process that wait on the same budget go together, as works do in a file's group
commit. Balances are read in one snapshot and each request is decided on them, one after the other.
The statement that makes the holds takes the account rows of the budget and its ancestors in one
order, and grants only while others were granted no more since the reading than every decision
leaves room for. What was settled, released or spent in between needs no look: it is as if it had
come after. Where there is too little room to tell, the accounts are locked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.errors import GonogoError
from gonogo.ports.money import Balance, Draft, OpenHold, ReserveRequest
from gonogo.records import MICRO
from gonogo.store.books.audit import append_action
from gonogo.store.engine import Connection
from gonogo.store.postgres.books import BalanceSnapshot, see_balances

# How many more holds of its size a decision is asked to bear, from most to none.
_ROOM_HOLDS = (1024, 64, 4, 0)
_ROOM_MAX = 1 << 61

# Ends in a division by zero, which undoes it whole, where one of the accounts has no room.
_HOLD = """
WITH locked AS (
  SELECT budget FROM account WHERE root = :root AND budget = ANY(:chain) ORDER BY budget FOR UPDATE
), granted AS (
  UPDATE account SET granted_micro_usd = account.granted_micro_usd + :total
  FROM locked, unnest(CAST(:chain AS TEXT[]), CAST(:most AS BIGINT[])) AS room (budget, most)
  WHERE account.root = :root AND account.budget = locked.budget AND room.budget = locked.budget
    AND account.granted_micro_usd <= room.most
  RETURNING 1
), fits AS (
  SELECT 1 / CASE WHEN count(*) = :n THEN 1 ELSE 0 END AS yes FROM granted
), h AS (
  SELECT u.* FROM fits, unnest(CAST(:ids AS TEXT[]), CAST(:held AS BIGINT[]),
    CAST(:now AS BIGINT[]), CAST(:expires AS BIGINT[]), CAST(:confidence AS INTEGER[]),
    CAST(:remaining AS BIGINT[]), CAST(:planned AS BIGINT[]))
    AS u (id, held, now, expires, confidence, remaining, planned)
), held AS (
  INSERT INTO reservation (root, id, budget, unit, state, held_micro_usd, created_ms, expires_ms,
    confidence_e6, remaining_micro_usd, planned_micro_usd)
  SELECT :root, id, :budget, :unit, 'open', held, now, expires, confidence, remaining, planned FROM h
), entered AS (
  INSERT INTO ledger_entry SELECT :root, id, 1, now, 'hold', held, 0, NULL, NULL FROM h
){answered}
SELECT yes FROM fits
"""
_ANSWERED = """, answered AS (
  INSERT INTO reserve_answer SELECT :root, u.* FROM fits, unnest(CAST(:keys AS TEXT[]),
    CAST(:arguments AS TEXT[]), CAST(:answers AS TEXT[]), CAST(:asked AS BIGINT[])) AS u
)"""


class NoRoom(GonogoError):
    """Others were granted more meanwhile than what was decided leaves room for."""


class KeyUsed(GonogoError):
    """An idempotency key, or an id, was used meanwhile."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """The decision on one request, and its answer."""

    request: ReserveRequest
    drafted: Draft
    answer: str


@dataclass(slots=True)
class Group:
    """Requests with the same scopes. `decided` is what was decided last; `room` bears on all.

    `roots`: the shard of the budget, then others where money of it may lie from before an edit.
    """

    roots: tuple[str, ...]
    requests: Sequence[ReserveRequest]
    holds_max: int
    decided: tuple[_Decision, ...] = ()
    seen: BalanceSnapshot | None = None
    room: int = _ROOM_MAX

    @property
    def root(self) -> str:
        """The shard in which the holds are made."""
        return self.roots[0]

    @property
    def answers(self) -> list[str]:
        """The answers, in the order of the requests."""
        return [each.answer for each in self.decided]

    @property
    def holds(self) -> list[_Decision]:
        """The decisions that hold money."""
        return [each for each in self.decided if each.drafted.held_micro_usd is not None]

    @property
    def chain(self) -> list[str]:
        """The budget and its ancestors."""
        return [scope.budget for scope in self.requests[0].scopes]

    def look(self, connection: Connection) -> BalanceSnapshot:
        """Read the balances; of requests at several times, at the first: no hold is over then."""
        return see_balances(
            connection,
            self.roots,
            self.requests[0].scopes,
            now_ms=min(request.now_ms for request in self.requests),
            holds_max=self.holds_max,
        )

    def decide(self, seen: BalanceSnapshot) -> None:
        """Decide on each request in turn, each upon the holds of those before it."""
        balances, decided = seen.balances, []
        self.seen, self.room = seen, _ROOM_MAX
        for request in self.requests:
            drafted = request.decide(balances)
            decided.append(_Decision(request, drafted, drafted.answer()))
            if drafted.held_micro_usd is not None:
                self.room = min(self.room, _room(request, drafted.held_micro_usd, balances))
                balances = self._with(balances, request, drafted.held_micro_usd)
        self.decided = tuple(decided)

    def _with(
        self, balances: Sequence[Balance], request: ReserveRequest, held: int
    ) -> tuple[Balance, ...]:
        mate = OpenHold(request.reservation_id, held, request.expires_ms)
        first, *above = (replace(b, held_micro_usd=b.held_micro_usd + held) for b in balances)
        shown = sorted([*first.holds, mate], key=lambda hold: (hold.expires_ms, hold.id))
        return replace(first, holds=tuple(shown[: self.holds_max])), *above

    @property
    def has_entries(self) -> bool:
        """Whether what was decided is logged in the same transaction."""
        return any(request.entry_of is not None for request in self.requests)

    @property
    def writes(self) -> bool:
        """Whether anything of what was decided is to be kept."""
        return bool(self.holds) or self.has_entries

    def hold_and_enter(self, connection: Connection) -> bool:
        """Make every hold, and append the log entry of every decision to the budget's chain.

        Raises:
            NoRoom: As for `hold`.
            KeyUsed: As for `hold`.
        """
        self.hold(connection)
        for each in self.decided:
            if each.request.entry_of is not None:
                append_action(connection, each.request.entry_of(each.answer))
        return True

    def hold(self, connection: Connection) -> bool:
        """Make every hold, and keep its answer where it has a key.

        Raises:
            NoRoom: Others hold more by now than what was decided leaves room for; nothing was made.
            KeyUsed: One of the keys or ids is there; nothing was made.
        """
        import psycopg

        if not self.holds or self.seen is None:
            return True
        keyed = [each for each in self.holds if each.request.key is not None]
        named: dict[str, object] = {
            "root": self.root,
            "budget": self.requests[0].budget,
            "unit": self.requests[0].unit,
            "chain": self.chain,
            "n": len(self.chain),
            "most": [granted + self.room for granted in self.seen.granted],
            "total": sum(each.drafted.held_micro_usd or 0 for each in self.holds),
            "ids": [each.request.reservation_id for each in self.holds],
            "held": [each.drafted.held_micro_usd for each in self.holds],
            "now": [each.request.now_ms for each in self.holds],
            "expires": [each.request.expires_ms for each in self.holds],
            "confidence": [round(each.drafted.confidence * MICRO) for each in self.holds],
            "remaining": [each.drafted.remaining_micro_usd for each in self.holds],
            "planned": [each.request.planned_micro_usd for each in self.holds],
            "keys": [each.request.key for each in keyed],
            "arguments": [each.request.arguments for each in keyed],
            "answers": [each.answer for each in keyed],
            "asked": [each.request.now_ms for each in keyed],
        }
        try:
            connection.execute(_HOLD.format(answered=_ANSWERED if keyed else ""), named)
        except psycopg.errors.DivisionByZero as error:
            raise NoRoom("There is too little room by now; ask again.") from error
        except psycopg.errors.UniqueViolation as error:
            raise KeyUsed("The idempotency_key is in use; ask again.") from error
        return True

    def is_held(self, connection: Connection) -> bool | None:
        """Whether the last run made the holds, which it makes all or none; None where it did not."""
        if not self.holds:
            return None
        one = (self.holds[0].request.reservation_id,)
        found = connection.execute("SELECT 1 FROM reservation WHERE id = ?", one).fetchone()
        return None if found is None else True

    def hold_alone(self, connection: Connection) -> bool:
        """Lock the accounts, in one order; then look, decide and hold, with nobody in between."""
        if self.has_entries:
            connection.alone_in(self.chain[0])
        connection.execute(
            "SELECT 1 FROM account WHERE root = ? AND budget = ANY(?) ORDER BY budget FOR UPDATE",
            (self.root, self.chain),
        )
        self.decide(self.look(connection))
        return self.hold_and_enter(connection)


def _room(request: ReserveRequest, held: int, balances: Sequence[Balance]) -> int:
    """The amount that others may hold in addition before the decision would change: more is never better."""
    for room in (held * holds for holds in _ROOM_HOLDS):
        fuller = [replace(b, held_micro_usd=b.held_micro_usd + room) for b in balances]
        if room == 0 or request.decide(fuller).held_micro_usd == held:
            return room
    return 0
