"""The slices that an observation belongs to, and the amounts that rows add to their cells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gonogo.records import MICRO
from gonogo.store.observations.catalogue import PAIR, Catalogue
from gonogo.store.observations.cells import Cells, add_features, features_of
from gonogo.store.observations.rows import Row, Rule

# From here on numpy's grouping is worth its fixed cost.
BULK_ROWS_MIN = 64


class Slices:
    """The slices of one dependency's rows, within one transaction."""

    def __init__(self, catalogue: Catalogue, dependency_id: int, rule: Rule) -> None:
        self._catalogue = catalogue
        self._dependency_id = dependency_id
        self._rule = rule
        self._encoded: dict[tuple[tuple[str, str], ...], str] = {}
        self._members: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        self._rolled_up: dict[str, tuple[int, ...]] = {}

    def encode(self, segments: Mapping[str, str]) -> str:
        """The stored form of declared segments; their values count for their keys."""
        key = tuple(segments.items())
        if key not in self._encoded:
            parts: list[int | str] = []
            for name, value in sorted(key):
                text = f"{name}={value}"
                stopped = f"segments.{name}" in self._catalogue.stopped(self._dependency_id)
                parts.append(text if stopped else self._catalogue.name_id(text))
            text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
            self._encoded[key] = text
            self.see(text)
        return self._encoded[key]

    def see(self, segments: str) -> None:
        """Count the values of a stored `segments` for their keys."""
        for fields, value in self._members_of(segments):
            self._catalogue.see_value(self._dependency_id, fields[0], value)

    def rolled_up(self, segments: str | None) -> tuple[int, ...]:
        """The ids of the slices of a stored `segments`, once every value has been seen."""
        if segments is None:
            return ()
        found = self._rolled_up.get(segments)
        if found is None:
            stopped = self._catalogue.stopped(self._dependency_id)
            found = self._rolled_up[segments] = tuple(
                value for fields, value in self._members_of(segments) if stopped.isdisjoint(fields)
            )
        return found

    def contribute(self, cells: Cells, rows: Sequence[Row]) -> None:
        """Add new rows to the cells, once every value in them has been seen."""
        if self._rule.weight_e6 > MICRO:
            rows = [row for row in rows if self._rule.counts(row)]
        stopped = self._catalogue.stopped(self._dependency_id)
        if len(rows) >= BULK_ROWS_MIN:
            from gonogo.store.observations.bulk import add_many

            add_many(cells, rows, self._rule, stopped, self.rolled_up)
            return
        for row in rows:
            features = features_of(row, self._rule, stopped)
            add_features(cells, row, features, self.rolled_up(row.segments), 1)

    def correct(self, cells: Cells, old: Row, new: Row) -> None:
        """Take one row back from the cells and add what it has become."""
        stopped = self._catalogue.stopped(self._dependency_id)
        for row, sign in ((old, -1), (new, 1)):
            if not self._rule.counts(row):
                continue
            features = features_of(row, self._rule, stopped)
            add_features(cells, row, features, self.rolled_up(row.segments), sign)

    def _members_of(self, segments: str) -> list[tuple[tuple[str, ...], int]]:
        """The fields to roll up for each slice, its own first, and the slice's id."""
        found = self._members.get(segments)
        if found is None:
            by_key: dict[str, tuple[str, int]] = {}
            for part in json.loads(segments):
                if not isinstance(part, str):
                    text = self._catalogue.name_text(part)
                    by_key[text.partition("=")[0]] = text, part
            found = [((f"segments.{key}",), value) for key, (_, value) in by_key.items()]
            for first, second in self._rule.pairs:
                if first in by_key and second in by_key:
                    combined = by_key[first][0] + PAIR + by_key[second][0]
                    fields = f"segments.{first},{second}", f"segments.{first}", f"segments.{second}"
                    found.append((fields, self._catalogue.name_id(combined)))
            self._members[segments] = found
        return found
