"""The registry of sums by the values of a segment key, on both engines: `keyed_sums` makes them."""

from __future__ import annotations

from gonogo.ports.booked_costs import KEPT_KEY, KEYED, KeyedCalls
from gonogo.store.engine import Connection

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

# When something was called last of each sum by a value: 0 where its quarter hours are folded into days.
_NEWEST = {
    False: "SELECT dependency, (SELECT coalesce(max(bucket), 0) FROM used"
    " WHERE source_id = spend_source.id AND daily = 0) FROM spend_source"
    " WHERE dependency >= ? AND dependency < ?",
    True: "SELECT dependency, max(CASE WHEN daily = 0 THEN bucket ELSE 0 END) FROM used"
    " WHERE root = '' AND budget = '' AND dependency >= ? AND dependency < ? GROUP BY dependency",
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


def newest_values(connection: Connection, key: str, most: int) -> tuple[str, ...]:
    """The values of a key that were called last, the newest first."""
    start = f"{KEYED}{key}="
    newest: dict[str, int] = {}
    for name, bucket in connection.execute(
        _NEWEST[connection.has_shards], _range(start)
    ).fetchall():
        value = KeyedCalls.parse(name).segment.partition("=")[2]
        newest[value] = max(newest.get(value, 0), bucket)
    return tuple(sorted(newest, key=lambda value: (-newest[value], value))[:most])


def budgets_below(connection: Connection, owner: str) -> tuple[str, ...]:
    """The limits of single values, `owner/VALUE`, that calls or open holds have named."""
    start, end = f"{owner}/", f"{owner}0"  # the character behind a slash
    wanted = (start,) if connection.has_shards else (start, end)
    found = connection.execute(_BUDGETS[connection.has_shards], wanted).fetchall()
    return tuple(sorted(row[0] for row in found))


def _names(connection: Connection, start: str) -> list[str]:
    found = connection.execute(_NAMES[connection.has_shards], _range(start)).fetchall()
    return [row[0] for row in found]


def _range(start: str) -> tuple[str, str]:
    return start, f"{start[:-1]}{chr(ord(start[-1]) + 1)}"
