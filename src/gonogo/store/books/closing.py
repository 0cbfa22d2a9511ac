"""Closing and lowering a hold, on both engines: each enters and books in its own way (`Enter`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from gonogo.errors import ParameterError
from gonogo.ports.money import ClosedAs, ClosedReservation, micro_usd
from gonogo.records import QUARTER_MS, UNIT_SIZE, Decision, Unit
from gonogo.store.books.audit import append_action
from gonogo.store.books.hold_clock import date_anew
from gonogo.store.books.run_books import calls_of, unknown_reservation
from gonogo.store.engine import Connection
from gonogo.text.forms import amount_text


class Hold(NamedTuple):
    """A reservation as it is when it is closed or lowered; `root`: its shard, '' in a file."""

    root: str
    id: str
    budget: str
    unit: Unit
    state: str
    held: int
    observed: int
    declared: int | None
    planned: int | None
    created_ms: int
    expires_ms: int


class ClosingEntry(NamedTuple):
    """A change of a hold; `quarter`: the quarter hour in which a declared amount is spent, where one is."""

    kind: str
    now_ms: int
    held: int
    spent: int = 0
    quarter: int | None = None


# Appends such an entry in the way of an engine, and books what is spent under no dependency.
Enter = Callable[[Connection, Hold, ClosingEntry], None]


def settle(
    connection: Connection,
    *,
    name: str,
    actual_usd: float | None,
    now_ms: int,
    entry_of: Callable[[ClosedReservation], Decision] | None,
    enter: Enter,
) -> ClosedReservation:
    """Close a reservation at an amount in its unit, or at what its calls came to, or say how it was closed."""
    date_anew(connection, now_ms=now_ms)
    if connection.has_shards and entry_of is not None:
        # The budget's chain before the reservation's row, in the order of those who reserve.
        of = connection.execute("SELECT budget FROM reservation WHERE id = ?", (name,)).fetchone()
        connection.alone_in("" if of is None else of[0])
    hold = _taken(connection, name)
    if hold is None:
        raise unknown_reservation(name)
    actual = _amount_of(actual_usd, hold.unit)
    if hold.declared is not None and actual not in (None, hold.declared):
        raise _settled_before(hold, hold.declared)
    freed = -hold.held if hold.state == "open" else 0
    if hold.declared is None and actual is not None:
        state = "settled"
        quarter = max(hold.created_ms, min(now_ms, hold.expires_ms)) // QUARTER_MS
        entry = ClosingEntry("settle", now_ms, freed, actual - hold.observed, quarter)
    elif hold.state == "open":
        state, kind = ("settled", "settle") if hold.observed else ("released", "release")
        entry = ClosingEntry(kind, now_ms, freed)
    else:
        return _closed(connection, name)
    enter(connection, hold, entry)
    connection.execute(
        "UPDATE reservation SET state = ?, closed_ms = ?, declared_micro_usd = ? WHERE id = ?",
        (state, now_ms, actual, name),
    )
    return _logged(connection, _closed(connection, name), entry_of)


def lower(
    connection: Connection, *, name: str, to: int, beyond_recorded: bool, now_ms: int, enter: Enter
) -> None:
    """Let an open reservation hold less; see `Ledger.lower`."""
    hold = _taken(connection, name)
    if hold is None or hold.state != "open":
        return
    held, plan = to + (hold.observed if beyond_recorded else 0), hold.planned
    if hold.held <= held:
        return
    if plan is not None and not beyond_recorded:
        # The plan for the rest, in proportion: calibration compares it with the cost.
        plan = plan * held // hold.held
    connection.execute(
        "UPDATE reservation SET held_micro_usd = ?, planned_micro_usd = ? WHERE id = ?",
        (held, plan, name),
    )
    enter(connection, hold, ClosingEntry("hold", now_ms, held - hold.held))


def _taken(connection: Connection, name: str) -> Hold | None:
    """A reservation, whose row nobody else changes until the transaction ends."""
    root, lock = ("root", " FOR UPDATE") if connection.has_shards else ("''", "")
    row = connection.execute(
        f"SELECT {root}, id, budget, unit, state, held_micro_usd, observed_micro_usd,"  # noqa: S608 - constant names
        " declared_micro_usd, planned_micro_usd, created_ms, expires_ms FROM reservation"
        f" WHERE id = ?{lock}",
        (name,),
    ).fetchone()
    return None if row is None else Hold(*row)


def _amount_of(actual_usd: float | None, unit: Unit) -> int | None:
    """A declared amount as it is booked."""
    return None if actual_usd is None else micro_usd(actual_usd, name="actual_usd", unit=unit)


def _settled_before(hold: Hold, declared: int) -> ParameterError:
    """A declared amount is final."""
    amount = amount_text(declared / UNIT_SIZE[hold.unit], hold.unit)
    return ParameterError(
        f"Reservation '{hold.id}' was settled at {amount} before, "
        "which is final. Record further costs as observations of its budget."
    )


def _logged(
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


def _closed(connection: Connection, name: str) -> ClosedReservation:
    row = connection.execute(
        "SELECT budget, unit, held_micro_usd, declared_micro_usd, observed_micro_usd,"
        " closed_ms >= expires_ms, created_ms FROM reservation WHERE id = ?",
        (name,),
    ).fetchone()
    budget, unit, held, declared, observed, late, created_ms = row
    if declared is not None:
        status: ClosedAs = "expired_settled" if late else "settled"
        return ClosedReservation(
            name, budget, status, held, declared, unit=unit, observed_micro_usd=observed
        )
    calls = calls_of(connection, [name], budget, unit, created_ms=created_ms)
    status = "released" if observed <= 0 else "expired_settled" if late else "settled"
    return ClosedReservation(name, budget, status, held, observed, calls, unit=unit)
