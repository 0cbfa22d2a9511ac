"""Reservations in the books, on both engines: how long they last, their calls, and what these cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.errors import ParameterError, UnknownTarget
from gonogo.ports.money import LeftHold, ReservationCalls, RunProgress
from gonogo.records import DAY_MS
from gonogo.store.books.counted import counted_by
from gonogo.text.forms import UNIT_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import Unit
    from gonogo.settings import Settings
    from gonogo.store.engine import Connection

__all__ = [
    "budgets_named",
    "calls_of",
    "left_holds",
    "missing",
    "renew",
    "run_so_far",
    "unknown_reservation",
]

PAST_RUNS_MAX = 50
_HOLD_S = 900

_COSTS = (
    "SELECT kind, spent_micro_usd FROM ledger_entry WHERE reservation = ?"
    " AND kind IN ('cost', 'correct') ORDER BY seq"
)
_PAST = """
SELECT id FROM reservation WHERE budget = ? AND unit = ? AND state = 'settled' AND observed_micro_usd > 0
  AND id <> ? AND closed_ms < expires_ms ORDER BY closed_ms DESC LIMIT ?
"""
# From one budget to the next in the index of open holds, however many each has.
_BUDGETS_HELD = """
WITH RECURSIVE held (name) AS (
  SELECT min(budget) FROM reservation WHERE state = 'open'
  UNION ALL
  SELECT (SELECT min(budget) FROM reservation WHERE state = 'open' AND budget > held.name)
  FROM held WHERE held.name IS NOT NULL
)
SELECT name FROM held
"""
_ACCOUNTS = "SELECT DISTINCT budget FROM account"
_LEFT = """
SELECT unit, coalesce(sum(held_micro_usd - observed_micro_usd), 0), max(expires_ms) FROM reservation
WHERE state = 'open' AND budget = ?1 AND expires_ms > ?2 AND held_micro_usd > observed_micro_usd
GROUP BY unit ORDER BY unit
"""
# Found by the time of the calls, since no index has reservations: from a day before the hold was made, for
# who sends late or by another clock. Dependencies that ever spent in the budget's name are few.
_CALLS = """
SELECT d.name, d.kind, count(*),
  sum(CASE WHEN {known} IS NOT NULL THEN 0
           WHEN coalesce(o.input_tokens, o.output_tokens) IS NOT NULL THEN 1
           -- One that failed without usage was not served, and costs nothing.
           WHEN o.error_id IS NULL THEN 1 ELSE 0 END),
  sum(CASE WHEN {known} IS NULL
           THEN coalesce(o.input_tokens, 0) + coalesce(o.output_tokens, 0) ELSE 0 END),
  sum(CASE WHEN {used} IS NULL THEN 0 ELSE 1 END)
FROM observation o JOIN dependency d ON d.id = o.dependency_id
WHERE d.name IN (SELECT dependency FROM {sources} WHERE budget = ?1)
  AND o.ts_ms >= ?2 AND o.reservation = ?3
GROUP BY d.name, d.kind ORDER BY d.name
"""


def unknown_reservation(name: str) -> UnknownTarget:
    """No other is named: an id is all that it takes to settle, and is for its holder."""
    advice = "Check the id: it is in the answer that made the hold."
    return UnknownTarget("reservation", name, None, advice)


def renew(
    connection: Connection, *, name: str, now_ms: int, settings: Settings, length_s: int | None
) -> tuple[str, int]:
    """Let an open hold last as long again; the heartbeat of whoever holds it."""
    row = connection.execute(
        "SELECT budget, state, expires_ms FROM reservation WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        raise unknown_reservation(name)
    budget, state, expires_ms = row
    if state != "open" or expires_ms <= now_ms:
        ended = "was closed" if state != "open" else "has expired"
        raise ParameterError(
            f"Reservation '{name}' {ended} and cannot be renewed: others may have the money. "
            "Reserve again."
        )
    configured = settings.budget(budget)
    if length_s is None:
        length_s = _HOLD_S if configured is None else configured.hold_expires_s
    until_ms = max(expires_ms, now_ms + length_s * 1000)
    connection.execute(
        "UPDATE reservation SET expires_ms = ? WHERE id = ? AND state = 'open'", (until_ms, name)
    )
    return budget, until_ms


def budgets_named(connection: Connection) -> tuple[str, ...]:
    """See `Ledger`."""
    table = "spend" if connection.has_shards else "spend_source"
    found = connection.execute(
        f"SELECT DISTINCT budget FROM {table} WHERE budget <> '' ORDER BY budget"  # noqa: S608 - two constant names
    )
    return tuple(row[0] for row in found)


def left_holds(connection: Connection, settings: Settings, *, now_ms: int) -> tuple[LeftHold, ...]:
    """What open reservations of budgets hold that are neither configured nor a former name of one."""
    former = {name for budget in settings.budgets.values() for name in budget.formerly}
    named = connection.execute(_BUDGETS_HELD if not connection.has_shards else _ACCOUNTS)
    found = []
    for name in sorted({str(row[0]) for row in named.fetchall() if row[0] is not None} - former):
        if settings.budget(name) is not None:
            continue
        for unit, held, until in connection.execute(_LEFT, (name, now_ms)).fetchall():
            found.append(LeftHold(name, int(held), until, unit))
    return tuple(found)


def missing(connection: Connection, *, reservations: Sequence[str]) -> tuple[str, ...]:
    """See `Ledger`."""
    known = "SELECT 1 FROM reservation WHERE id = ?"
    return tuple(
        name for name in reservations if connection.execute(known, (name,)).fetchone() is None
    )


def run_so_far(connection: Connection, *, name: str) -> RunProgress | None:
    """See `Ledger`."""
    row = connection.execute(
        "SELECT budget, unit, held_micro_usd, created_ms FROM reservation WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    budget, unit, held, created_ms = row
    past = connection.execute(_PAST, (budget, unit, name, PAST_RUNS_MAX)).fetchall()
    return RunProgress(
        budget,
        held,
        _costs(connection, name),
        tuple(_costs(connection, one) for (one,) in past),
        calls_of(connection, name, budget, unit, created_ms=created_ms),
        unit,
    )


def calls_of(
    connection: Connection, name: str, budget: str, unit: Unit, *, created_ms: int
) -> ReservationCalls:
    """The calls that name a reservation, and which of them lack what its unit counts.

    Tools that never had any of it are free, but that every call takes time.
    """
    known, used = counted_by(unit, "o.")
    sources = "spend" if connection.has_shards else "spend_source"
    statement = _CALLS.format(known=known, used=used, sources=sources)
    found = connection.execute(statement, (budget, created_ms - DAY_MS, name)).fetchall()
    has_free = bool(UNIT_WORDS[unit].free)
    is_free = [has_free and kind not in (None, "model") and not used for _, kind, *_, used in found]
    unknown = [row for row, free in zip(found, is_free, strict=True) if row[3] and not free]
    return ReservationCalls(
        sum(int(row[2]) for row in found),
        sum(int(row[3]) for row in unknown),
        sum(int(row[4]) for row in unknown),
        tuple(row[0] for row in unknown),
    )


def _costs(connection: Connection, name: str) -> tuple[int, ...]:
    """What each call came to; corrections, and what came after the end, go with the newest."""
    costs: list[int] = []
    for kind, spent in connection.execute(_COSTS, (name,)):
        if kind == "cost" or not costs:
            costs.append(int(spent))
        else:
            costs[-1] += int(spent)
        while costs[-1] < 0 and len(costs) > 1:
            costs[-2:] = [costs[-2] + costs[-1]]
    return tuple(max(cost, 0) for cost in costs)
