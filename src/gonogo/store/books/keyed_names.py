"""Which sums by the values of a segment key there are, on both engines: `keyed_sums` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.ports.booked_costs import KEPT_KEY, KEYED

if TYPE_CHECKING:
    from gonogo.store.engine import Connection

__all__ = ["budgets_below", "kept_keys", "keyed_names"]

_NAMES = {
    False: "SELECT DISTINCT dependency FROM spend_source WHERE dependency >= ? AND dependency < ?"
    " ORDER BY dependency",
    True: "SELECT DISTINCT dependency FROM used WHERE root = '' AND budget = ''"
    " AND dependency >= ? AND dependency < ? ORDER BY dependency",
}
_BUDGETS = {
    False: "SELECT budget FROM spend_source WHERE budget >= ?1 AND budget < ?2"
    " UNION SELECT budget FROM reservation WHERE state = 'open' AND budget >= ?1 AND budget < ?2",
    True: "SELECT budget FROM spend WHERE starts_with(budget, ?1)"
    " UNION SELECT budget FROM account WHERE starts_with(budget, ?1)",
}


def kept_keys(connection: Connection) -> frozenset[str]:
    """The segment keys by whose values sums are kept."""
    return frozenset(name[len(KEPT_KEY) :] for name in _names(connection, KEPT_KEY))


def keyed_names(
    connection: Connection, key: str, value: str | None = None
) -> tuple[str, ...] | None:
    """The names of sums of calls with a value of a key, or with any; None: they are not kept yet."""
    if key not in kept_keys(connection):
        return None
    start = f"{KEYED}{key}="
    return tuple(_names(connection, start if value is None else f"{start}{value}{KEYED}"))


def budgets_below(connection: Connection, owner: str) -> tuple[str, ...]:
    """The limits of single values, `owner/VALUE`, that calls or open holds have named."""
    start, end = f"{owner}/", f"{owner}0"  # the character behind a slash
    wanted = (start,) if connection.has_shards else (start, end)
    found = connection.execute(_BUDGETS[connection.has_shards], wanted).fetchall()
    return tuple(sorted(row[0] for row in found))


def _names(connection: Connection, start: str) -> list[str]:
    end = f"{start[:-1]}{chr(ord(start[-1]) + 1)}"
    found = connection.execute(_NAMES[connection.has_shards], (start, end)).fetchall()
    return [row[0] for row in found]
