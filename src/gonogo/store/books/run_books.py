"""Runs in the books, on both engines: how long their holds last, and what their calls have cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.errors import ParameterError, UnknownTarget
from gonogo.ports.money import RunProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.settings import Settings
    from gonogo.store.engine import Connection

__all__ = ["budgets_named", "missing", "renew", "run_so_far", "unknown_reservation"]

PAST_RUNS_MAX = 50
_HOLD_S = 900

_COSTS = (
    "SELECT spent_micro_usd FROM ledger_entry WHERE reservation = ? AND kind = 'cost' ORDER BY seq"
)
_PAST = """
SELECT id FROM reservation WHERE budget = ? AND state = 'settled' AND observed_micro_usd > 0
  AND id <> ? AND closed_ms < expires_ms ORDER BY closed_ms DESC LIMIT ?
"""


def unknown_reservation(name: str) -> UnknownTarget:
    """No other is named: an id is all that it takes to settle, and is for its holder."""
    advice = "Check the id: it is in the answer that made the hold."
    return UnknownTarget("reservation", name, None, advice)


def renew(connection: Connection, *, name: str, now_ms: int, settings: Settings) -> tuple[str, int]:
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
    configured = settings.budgets.get(budget)
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


def missing(connection: Connection, *, reservations: Sequence[str]) -> tuple[str, ...]:
    """See `Ledger`."""
    known = "SELECT 1 FROM reservation WHERE id = ?"
    return tuple(
        name for name in reservations if connection.execute(known, (name,)).fetchone() is None
    )


def run_so_far(connection: Connection, *, name: str) -> RunProgress | None:
    """See `Ledger`."""
    row = connection.execute(
        "SELECT budget, held_micro_usd FROM reservation WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    past = connection.execute(_PAST, (row[0], name, PAST_RUNS_MAX)).fetchall()
    return RunProgress(
        row[0], row[1], _costs(connection, name), tuple(_costs(connection, one) for (one,) in past)
    )


def _costs(connection: Connection, name: str) -> tuple[int, ...]:
    return tuple(int(spent) for (spent,) in connection.execute(_COSTS, (name,)))
