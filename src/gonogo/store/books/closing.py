"""Closing and lowering a hold on SQLite, and what both engines say of one that is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gonogo.errors import ParameterError
from gonogo.ports.booked_costs import Usage
from gonogo.ports.micro import micro_usd
from gonogo.ports.money import ClosedAs, ClosedReservation
from gonogo.records import NANO_A_MICRO, QUARTER_MS, UNIT_SIZE, Decision, Unit
from gonogo.store.books.audit import append_action
from gonogo.store.books.hold_clock import date_anew
from gonogo.store.books.ledger_books import book, book_used, enter, source_id
from gonogo.store.books.run_books import calls_of, unknown_reservation
from gonogo.store.engine import Connection
from gonogo.text.forms import amount_text


def settle(
    connection: Connection,
    *,
    name: str,
    actual_usd: float | None,
    now_ms: int,
    entry_of: Callable[[ClosedReservation], Decision] | None,
) -> ClosedReservation:
    """Close a reservation at an amount in its unit, or at what its calls came to, or say how it was closed."""
    date_anew(connection, now_ms=now_ms)
    row = connection.execute(
        "SELECT budget, unit, state, held_micro_usd, observed_micro_usd, declared_micro_usd,"
        " created_ms, expires_ms FROM reservation WHERE id = ?",
        (name,),
    ).fetchone()
    if row is None:
        raise unknown_reservation(name)
    budget, unit, state, held, observed, declared, created_ms, expires_ms = row
    actual = amount_of(actual_usd, unit)
    if declared is not None and actual not in (None, declared):
        raise settled_before(name, unit, declared)
    freed = -held if state == "open" else 0
    if declared is None and actual is not None:
        booked_ms = max(created_ms, min(now_ms, expires_ms))
        booked_as = (source_id(connection, "", budget, 1), booked_ms // QUARTER_MS)
        if unit == "usd":
            book(connection, *booked_as, (actual - observed) * NANO_A_MICRO)
        if actual != observed:
            book_used(connection, *booked_as, Usage.amount(unit, actual - observed))
        enter(
            connection,
            now_ms,
            name,
            "settle",
            held=freed,
            spent=actual - observed,
            booked_as=booked_as,
        )
        _close(connection, name, "settled", now_ms, actual)
    elif state == "open":
        state = "settled" if observed else "released"
        enter(connection, now_ms, name, "settle" if observed else "release", held=freed)
        _close(connection, name, state, now_ms, None)
    else:
        return _closed(connection, name)
    return logged(connection, _closed(connection, name), entry_of)


def lower(
    connection: Connection, *, name: str, to: int, beyond_recorded: bool, now_ms: int
) -> None:
    """Let an open reservation hold less; see `Ledger.lower`."""
    row = connection.execute(
        "SELECT held_micro_usd, planned_micro_usd, observed_micro_usd FROM reservation"
        " WHERE id = ? AND state = 'open'",
        (name,),
    ).fetchone()
    if row is None:
        return
    before, planned, observed = row
    held = to + (observed if beyond_recorded else 0)
    if before <= held:
        return
    plan = planned if beyond_recorded else lowered_plan(planned, before, held)
    connection.execute(
        "UPDATE reservation SET held_micro_usd = ?, planned_micro_usd = ? WHERE id = ?",
        (held, plan, name),
    )
    enter(connection, now_ms, name, "hold", held=held - before)


def lowered_plan(planned: int | None, before: int, held: int) -> int | None:
    """The plan for the rest of a hold, in proportion: calibration compares it with the cost."""
    return None if planned is None else planned * held // before


def amount_of(actual_usd: float | None, unit: Unit) -> int | None:
    """A declared amount as it is booked, on both engines."""
    return None if actual_usd is None else micro_usd(actual_usd, name="actual_usd", unit=unit)


def settled_before(name: str, unit: Unit, declared: int) -> ParameterError:
    """A declared amount is final."""
    return ParameterError(
        f"Reservation '{name}' was settled at {amount_text(declared / UNIT_SIZE[unit], unit)} before, "
        "which is final. Record further costs as observations of its budget."
    )


def logged(
    connection: Connection,
    closed: ClosedReservation,
    entry_of: Callable[[ClosedReservation], Decision] | None,
) -> ClosedReservation:
    """Write the log entry of a reservation that was just closed; it, naming its entry."""
    if entry_of is None:
        return closed
    entry = entry_of(closed)
    append_action(connection, entry)
    return replace(closed, decision_id=entry.id)


def _close(
    connection: Connection, name: str, state: str, now_ms: int, declared: int | None
) -> None:
    connection.execute(
        "UPDATE reservation SET state = ?, closed_ms = ?, declared_micro_usd = ? WHERE id = ?",
        (state, now_ms, declared, name),
    )


def _closed(connection: Connection, name: str) -> ClosedReservation:
    row = connection.execute(
        "SELECT budget, unit, held_micro_usd, declared_micro_usd, observed_micro_usd,"
        " closed_ms >= expires_ms, created_ms FROM reservation WHERE id = ?",
        (name,),
    ).fetchone()
    return closed_as(connection, name, row)


def closed_as(connection: Connection, name: str, row: Sequence[Any]) -> ClosedReservation:
    """A closed reservation, of its budget and unit, what it held, declared and observed, whether late, and since when."""
    budget, unit, held, declared, observed, late, created_ms = row
    if declared is not None:
        status: ClosedAs = "expired_settled" if late else "settled"
        return ClosedReservation(
            name, budget, status, held, declared, unit=unit, observed_micro_usd=observed
        )
    calls = calls_of(connection, [name], budget, unit, created_ms=created_ms)
    status = "released" if observed <= 0 else "expired_settled" if late else "settled"
    return ClosedReservation(name, budget, status, held, observed, calls, unit=unit)
