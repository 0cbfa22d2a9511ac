"""Calls whose tokens had no price when they came, booked once there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.store.observations.catalogue import CommittedIds
from gonogo.store.observations.costs import Costs, Pricing, as_priced
from gonogo.store.observations.rows import COLUMNS, Row

if TYPE_CHECKING:
    from gonogo.settings import Settings
    from gonogo.store.engine import Connection
    from gonogo.store.observations.catalogue import CatalogueOf

__all__ = ["book_late"]

_WAITING = f"""
SELECT {COLUMNS} FROM observation
WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) AND ts_ms >= ?
  AND cost_micro_usd IS NULL AND booked_nano_usd IS NULL
  AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL)
"""  # noqa: S608 - constant names
_BOOK = """
UPDATE observation SET booked_nano_usd = ? WHERE dependency_id = ? AND ts_ms = ? AND seq = ?
"""


def book_late(
    connection: Connection,
    *,
    name: str,
    since_ms: int,
    now_ms: int,
    settings: Settings,
    catalogue_of: CatalogueOf,
) -> int:
    """Book them at the price of their day, in a write transaction; how many they were."""
    catalogue = catalogue_of(connection, CommittedIds())
    pricing, costs = Pricing(name, settings), Costs(name, catalogue, settings)
    booked = []
    for values in connection.execute(_WAITING, (name, since_ms)).fetchall():
        row = Row(*values)
        nano = pricing(as_priced(name, row, catalogue))
        if nano is not None:
            booked.append((nano, *row[:3]))
            costs.add(row, -1)
            costs.add(row._replace(booked_nano_usd=nano), 1)
    if booked:
        connection.executemany(_BOOK, booked)
        catalogue.book(costs.booked(), now_ms=now_ms, settings=settings)
    return len(booked)
