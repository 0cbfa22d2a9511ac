"""Sums by the values of a segment key, for budgets that are a limit for each value, on both engines.

They lie among the sums of dependencies, under names that no call can have (`KeyedCalls`), and are kept from the
first question about such a budget on: then the calls that are there are summed too. The key itself is one more
such name, so that every process that records keeps them, whatever its configuration.
"""

from __future__ import annotations

from gonogo.ports.booked_costs import KEPT_KEY, BookedCost, Usage, keyed_costs
from gonogo.settings import Settings
from gonogo.store.books.keyed_names import kept_keys
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import CatalogueOf, CommittedIds
from gonogo.store.observations.costs import Costs
from gonogo.store.observations.rows import COLUMNS, Row

_ROWS = f"""
SELECT {COLUMNS} FROM observation
WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) AND segments IS NOT NULL
"""  # noqa: S608 - constant names


def keep_key(
    connection: Connection,
    *,
    key: str,
    settings: Settings,
    catalogue_of: CatalogueOf,
) -> None:
    """Keep sums by the values of a key from now on, and of all calls that are there; in a write transaction."""
    if connection.has_shards:
        # Whoever recorded rows before has committed them, or waits with its next one until this is there.
        connection.execute("LOCK TABLE observation IN SHARE MODE")
    if key in kept_keys(connection):
        return
    catalogue = catalogue_of(connection, CommittedIds())
    budgets = dict(connection.execute("SELECT id, budget FROM reservation").fetchall())
    found = [BookedCost(f"{KEPT_KEY}{key}", None, None, 0, 0, used=Usage(calls=1))]
    for (name,) in connection.execute("SELECT name FROM dependency ORDER BY name").fetchall():
        costs = Costs(name, catalogue, settings, keys=frozenset({key}))
        for values in connection.execute(_ROWS, (name,)):
            costs.add(Row(*values), 1)
        found += keyed_costs(costs.booked(), budgets)
    catalogue.book(found, now_ms=0, settings=settings)  # nothing of a reservation is booked
