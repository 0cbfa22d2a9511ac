"""Ids that are hashes, and rows and rollups written in few round trips."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from gonogo.errors import StoreError, plain
from gonogo.store.observations.catalogue import Catalogue, since
from gonogo.store.observations.rows import Place, hash64
from gonogo.store.postgres.books import book_costs
from gonogo.store.postgres.rollups import apply_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.booked_costs import BookedCost
    from gonogo.settings import Settings
    from gonogo.store.engine import Connection
    from gonogo.store.observations.cells import Cells
    from gonogo.store.observations.rows import SeriesKey

__all__ = ["PostgresCatalogue", "id_of", "series_hash"]

# An id at a time by its whole key: without statistics the planner would read all of a dependency.
_PLACES = """
SELECT k.id, o.ts_ms, o.seq, o.assumed FROM unnest(CAST(? AS BYTEA[])) AS k (id) CROSS JOIN LATERAL
  (SELECT ts_ms, seq, assumed FROM observation_id i WHERE i.dependency_id = ? AND i.id = k.id LIMIT 1) o
"""


def id_of(text: str) -> int:
    """The id of a name: never 0, which stands for none."""
    return hash64(text) or 1


def series_hash(key: SeriesKey) -> int:
    """The id of a slice."""
    packed = b"".join(part.to_bytes(8, "big", signed=True) for part in key)
    return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big", signed=True)


class PostgresCatalogue(Catalogue):
    """A catalogue whose ids are hashes of what they stand for: no look-up, no sequence, no race."""

    def dependency_id(self, name: str) -> int:
        """The hash of its name."""
        return id_of(name)

    def name_id(self, text: str) -> int:
        """The hash of a text; a new one is added to the dictionary."""
        number = self._known.names.get(text) or self.found.names.get(text)
        if number is None:
            number = self.found.names[text] = id_of(text)
            self.found.texts[number] = text
            self._connection.ahead(lambda aside: _spell(aside, number, text))
        return number

    def series_id(self, key: SeriesKey) -> int:
        """The hash of a slice; a new one is added."""
        number = self._known.series.get(key) or self.found.series.get(key)
        if number is None:
            number = self.found.series[key] = series_hash(key)
            dependency, golden, segment, version = key
            added = self._connection.execute(
                "INSERT INTO series (id, dependency_id, golden, segment_id, version_id) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (number, dependency, golden, segment, version),
            )
            if not added.rowcount:
                self._refuse_other(number, key)
        return number

    def _refuse_other(self, number: int, key: SeriesKey) -> None:
        """Refuse the second of two slices whose hashes are equal: mixed, both would be wrong."""
        found = self._connection.execute(
            "SELECT dependency_id, golden, segment_id, version_id FROM series WHERE id = ?",
            (number,),
        ).fetchone()
        if found is not None and tuple(found) != key:
            raise StoreError(
                "Two slices have the same 64-bit hash, and the newer one is not recorded. Rename its "
                "version or its segment's value."
            )

    def places_of(self, dependency_id: int, hashes: Sequence[bytes]) -> dict[bytes, Place]:
        """Where the observations are whose ids are there already."""
        if not hashes:
            return {}
        rows = self._connection.execute(_PLACES, (list(hashes), dependency_id))
        return {row[0]: Place(row[1], row[2], bool(row[3])) for row in rows}

    def apply(self, cells: Cells) -> None:
        """Add changes to the rollups of their hours and days."""
        apply_cells(self._connection, self, cells)

    def book(self, costs: Sequence[BookedCost], *, now_ms: int, settings: Settings) -> None:
        """Book what newly stored observations cost, in the shard of each budget's root."""
        book_costs(self._connection, costs, now_ms=now_ms, settings=settings)

    def drop_rollups(self, dependency_id: int, *, from_ms: int | None = None) -> None:
        """Remove the rollups of a dependency; those from a day on, where one is given."""
        for table in ("rollup", "histogram", "category"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE dependency_id = ?{since(from_ms)}",  # noqa: S608 - constant names
                (dependency_id,),
            )


def _spell(connection: Connection, number: int, text: str) -> None:
    """Add a text to the dictionary; two texts of one hash are told, not mixed."""
    connection.execute("INSERT INTO name VALUES (?, ?) ON CONFLICT (id) DO NOTHING", (number, text))
    found = connection.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
    if found is not None and found[0] != text:
        raise StoreError(
            f"The names '{plain(text, 80)}' and '{plain(found[0], 80)}' have the same 64-bit hash. "
            "Rename one of them."
        )
