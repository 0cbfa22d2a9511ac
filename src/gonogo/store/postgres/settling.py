"""Closing a reservation on PostgreSQL, with its row locked; as store/books/ledger.py does on a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gonogo.ports.booked_costs import Usage
from gonogo.ports.money import ClosedReservation
from gonogo.records import NANO_A_MICRO, QUARTER_MS, Decision
from gonogo.store.books.closing import amount_of, closed_as, logged, lowered_plan, settled_before
from gonogo.store.books.run_books import unknown_reservation
from gonogo.store.engine import Connection
from gonogo.store.postgres.books import add_spending, add_used, enter

_CLOSE = """
UPDATE reservation SET state = ?, closed_ms = ?, declared_micro_usd = ? WHERE root = ? AND id = ?
"""
_CLOSED = """
SELECT budget, unit, held_micro_usd, declared_micro_usd, observed_micro_usd, closed_ms >= expires_ms, created_ms
FROM reservation WHERE root = ? AND id = ?
"""


def settle(
    connection: Connection,
    *,
    name: str,
    actual_usd: float | None,
    now_ms: int,
    entry_of: Callable[[ClosedReservation], Decision] | None = None,
) -> ClosedReservation:
    """Close a reservation, or say how it was closed before."""
    if entry_of is not None:
        # The budget's chain before the reservation's row, in the order of those who reserve.
        chain = connection.execute(
            "SELECT budget FROM reservation WHERE id = ?", (name,)
        ).fetchone()
        connection.alone_in("" if chain is None else chain[0])
    root, budget, unit, state, held, observed, declared, created_ms, expires_ms = _taken(
        connection, name
    )
    actual = amount_of(actual_usd, unit)
    if declared is not None and actual not in (None, declared):
        raise settled_before(name, unit, declared)
    freed = -held if state == "open" else 0
    if declared is None and actual is not None:
        quarter = max(created_ms, min(now_ms, expires_ms)) // QUARTER_MS
        spent = actual - observed
        enter(
            connection,
            root,
            name,
            "settle",
            now_ms=now_ms,
            held=freed,
            spent=spent,
            booked_as=("", quarter),
        )
        connection.execute(_CLOSE, ("settled", now_ms, actual, root, name))
        key = root, budget, "", 1, quarter
        if unit == "usd":
            add_spending(connection, {key: spent * NANO_A_MICRO})
        if spent:
            add_used(connection, {key: Usage.amount(unit, spent)})
    elif state == "open":
        state = "settled" if observed else "released"
        kind = "settle" if observed else "release"
        enter(connection, root, name, kind, now_ms=now_ms, held=freed)
        connection.execute(_CLOSE, (state, now_ms, None, root, name))
    else:
        return _closed(connection, root, name)
    return logged(connection, _closed(connection, root, name), entry_of)


def lower(connection: Connection, *, name: str, held: int, now_ms: int) -> None:
    """Let an open hold hold no more than this; as store/books/ledger.py does on a file."""
    row = connection.execute(
        "SELECT root, held_micro_usd, planned_micro_usd FROM reservation"
        " WHERE id = ? AND state = 'open' FOR UPDATE",
        (name,),
    ).fetchone()
    if row is None or row[1] <= held:
        return
    root, before, planned = row
    connection.execute(
        "UPDATE reservation SET held_micro_usd = ?, planned_micro_usd = ? WHERE root = ? AND id = ?",
        (held, lowered_plan(planned, before, held), root, name),
    )
    enter(connection, root, name, "hold", now_ms=now_ms, held=held - before)


def _taken(connection: Connection, name: str) -> Any:  # noqa: ANN401 - the row's columns
    """The row of a reservation, which nobody else changes until the transaction ends."""
    row = connection.execute(
        "SELECT root, budget, unit, state, held_micro_usd, observed_micro_usd, declared_micro_usd,"
        " created_ms, expires_ms FROM reservation WHERE id = ? FOR UPDATE",
        (name,),
    ).fetchone()
    if row is None:
        raise unknown_reservation(name)
    return row


def _closed(connection: Connection, root: str, name: str) -> ClosedReservation:
    found = connection.execute(_CLOSED, (root, name)).fetchone()
    if found is None:
        raise unknown_reservation(name)
    return closed_as(connection, name, found)
