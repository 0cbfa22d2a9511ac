"""Interned names, series and the values seen of a field, as one transaction sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gonogo.ports.booked_costs import BookedCost
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.cells import Cells
from gonogo.store.observations.rows import COLUMNS_OF, Place, SeriesKey

# A field with more values is not rolled up.
VALUES_MAX = 200
# Between the parts of a combined slice's name: a value may hold a comma, but no control character.
PAIR = "\x1f"
_REMEMBERED_MAX = 100_000
IDS_A_QUERY = 250


@dataclass(slots=True)
class CommittedIds:
    """The ids that are committed for good: they are never given twice or taken back."""

    names: dict[str, int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    series: dict[SeriesKey, int] = field(default_factory=dict)
    values: set[tuple[int, str, int]] = field(default_factory=set)
    # Dependencies whose rule this process has compared with its own settings.
    ruled: set[str] = field(default_factory=set)
    # How often observations of each dependency were taken back, until when this holds.
    forgotten: dict[str, int] = field(default_factory=dict)

    def learn(self, other: CommittedIds) -> None:
        """Take over what a transaction found, once it has committed."""
        if len(self.names) + len(self.series) + len(self.values) > _REMEMBERED_MAX:
            for remembered in (self.names, self.texts, self.series, self.values):
                remembered.clear()
        if any(self.forgotten.get(name) != times for name, times in other.forgotten.items()):
            self.series.clear()
            self.values.clear()
        self.forgotten.update(other.forgotten)
        self.names.update(other.names)
        self.texts.update(other.texts)
        self.series.update(other.series)
        self.values.update(other.values)
        self.ruled.update(other.ruled)


class Catalogue:
    """Lookups and inserts of a transaction that records, in the way of its engine.

    It looks up and makes ids, and adds rows, cells and costs. What it finds is kept in `found`,
    apart from what is known to be committed, until the caller knows of the commit.
    """

    def __init__(self, connection: Connection, known: CommittedIds) -> None:
        self._connection = connection
        self._known = known
        self.found = CommittedIds()
        self._stopped: dict[int, set[str]] = {}
        self._dependencies: int | None = None
        self._kept_keys: frozenset[str] | None = None

    def has_room(self, most: int) -> bool:
        """Whether one more dependency may be made; counted once a batch."""
        if self._dependencies is None:
            counted = self._connection.execute("SELECT count(*) FROM dependency").fetchone()
            self._dependencies = int(counted[0])
        self._dependencies += 1
        return self._dependencies <= most

    def dependency_id(self, name: str) -> int:
        """The id that a new dependency gets: one that none had before."""
        del name
        found = self._connection.execute(
            "SELECT max(coalesce((SELECT max(id) FROM dependency), 0),"
            " coalesce((SELECT max(dependency_id) FROM forgotten), 0)) + 1"
        ).fetchone()
        return int(found[0])

    def note_forgotten(self, name: str, times: int) -> None:
        """Let go of ids that do not hold since a dependency's observations were taken back."""
        if self._known.forgotten.get(name, 0) != times:
            self._known = replace(self._known, series={}, values=set())
            self.found.series.clear()
            self.found.values.clear()
        if times:
            self.found.forgotten[name] = times

    def places_of(self, dependency_id: int, hashes: Sequence[bytes]) -> dict[bytes, Place]:
        """Find the observations whose ids are stored already."""
        found: dict[bytes, Place] = {}
        for start in range(0, len(hashes), IDS_A_QUERY):
            chunk = hashes[start : start + IDS_A_QUERY]
            rows = self._connection.execute(
                "SELECT id, ts_ms, seq, assumed FROM observation_id WHERE dependency_id = ? "  # noqa: S608 - only marks
                f"AND id IN ({', '.join('?' * len(chunk))})",
                (dependency_id, *chunk),
            )
            found.update({row[0]: Place(row[1], row[2], bool(row[3])) for row in rows})
        return found

    def add_rows(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Add whole rows, sorted by their key."""
        if rows:
            self._connection.insert(table, COLUMNS_OF[table], rows)

    def apply(self, cells: Cells) -> None:
        """Add changes to the rollups of their hours and days."""
        from gonogo.store.observations.rollups import apply_cells

        apply_cells(self._connection, self, cells)

    def book(self, costs: Sequence[BookedCost], *, now_ms: int, settings: Settings) -> None:
        """Book what newly stored observations cost."""
        from gonogo.store.books.ledger_books import book_costs

        del settings
        book_costs(self._connection, costs, now_ms)

    def kept_keys(self) -> frozenset[str]:
        """The segment keys by whose values sums are kept; of PostgreSQL read once a row was written."""
        if self._kept_keys is None:
            from gonogo.store.books.keyed_names import kept_keys

            self._kept_keys = kept_keys(self._connection)
        return self._kept_keys

    def drop_rollups(self, dependency_id: int, *, from_ms: int | None = None) -> None:
        """Remove the rollups of a dependency; those from a day on, where one is given."""
        for table in ("rollup", "histogram", "category"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE series_id IN "  # noqa: S608 - constant names
                f"(SELECT id FROM series WHERE dependency_id = ?){since(from_ms)}",
                (dependency_id,),
            )

    def name_id(self, text: str) -> int:
        """The id of a text; makes it where there is none."""
        number = self._known.names.get(text) or self.found.names.get(text)
        if number is None:
            row = self._connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
            if row is None:
                row = self._connection.execute(
                    "INSERT INTO name (text) VALUES (?) RETURNING id", (text,)
                ).fetchone()
            number = self.found.names[text] = int(row[0])
            self.found.texts[number] = text
        return number

    def name_text(self, number: int) -> str:
        """The text of an id that was given out."""
        text = self._known.texts.get(number) or self.found.texts.get(number)
        if text is None:
            row = self._connection.execute("SELECT text FROM name WHERE id = ?", (number,))
            text = self.found.texts[number] = str(row.fetchone()[0])
        return text

    def series_id(self, key: SeriesKey) -> int:
        """The id of a slice; makes it where there is none."""
        number = self._known.series.get(key) or self.found.series.get(key)
        if number is None:
            row = self._connection.execute(
                "SELECT id FROM series WHERE dependency_id = ? AND golden = ? AND segment_id = ? "
                "AND version_id = ?",
                key,
            ).fetchone()
            if row is None:
                row = self._connection.execute(
                    "INSERT INTO series (dependency_id, golden, segment_id, version_id) "
                    "VALUES (?, ?, ?, ?) RETURNING id",
                    key,
                ).fetchone()
            number = self.found.series[key] = int(row[0])
        return number

    def first_rule(self, dependency: str) -> bool:
        """Whether this process has not compared the rule of a dependency before."""
        if dependency in self._known.ruled or dependency in self.found.ruled:
            return False
        self.found.ruled.add(dependency)
        return True

    def stopped(self, dependency_id: int) -> set[str]:
        """The fields of a dependency that have too many values to be rolled up."""
        fields = self._stopped.get(dependency_id)
        if fields is None:
            rows = self._connection.execute(
                "SELECT field FROM cardinality WHERE dependency_id = ? AND values_seen > ?",
                (dependency_id, VALUES_MAX),
            )
            fields = self._stopped[dependency_id] = {row[0] for row in rows}
        return fields

    def see_value(self, dependency_id: int, field_name: str, value_id: int) -> None:
        """Count a value of a field; the one too many stops the field and drops its rollups."""
        key = (dependency_id, field_name, value_id)
        if key in self._known.values or key in self.found.values:
            return
        if field_name in self.stopped(dependency_id):
            return
        self.found.values.add(key)
        run = self._connection.execute
        added = "INSERT INTO cardinality_value VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        if not run(added, key).rowcount:
            return
        seen = run(
            "INSERT INTO cardinality VALUES (?, ?, 1) ON CONFLICT (dependency_id, field) DO UPDATE "
            "SET values_seen = cardinality.values_seen + 1 RETURNING values_seen",
            (dependency_id, field_name),
        ).fetchone()[0]
        if seen > VALUES_MAX:
            self.stopped(dependency_id).add(field_name)
            self._drop(dependency_id, field_name)

    def _drop(self, dependency_id: int, field_name: str) -> None:
        run = self._connection.execute
        run(
            "DELETE FROM cardinality_value WHERE dependency_id = ? AND field = ?",
            (dependency_id, field_name),
        )
        of_dependency = "SELECT id FROM series WHERE dependency_id = :dependency"
        bound = {"dependency": dependency_id, "field": field_name}
        if field_name in {"error", "prediction"}:
            run(
                "DELETE FROM category WHERE field = :field AND series_id IN "
                "(SELECT id FROM series WHERE dependency_id = :dependency)",
                bound,
            )
        elif field_name == "metrics":
            metrics = "SELECT id FROM name WHERE text LIKE 'metrics.%'"
            run(
                f"DELETE FROM histogram WHERE metric_id IN ({metrics}) AND series_id IN ({of_dependency})",  # noqa: S608 - constant text
                bound,
            )
            run(
                "DELETE FROM dependency_metric WHERE dependency_id = :dependency "
                "AND metric LIKE 'metrics.%'",
                bound,
            )
        else:
            self._drop_segments(dependency_id, field_name.removeprefix("segments."))

    def _drop_segments(self, dependency_id: int, keys: str) -> None:
        run = self._connection.execute
        dropped = [
            (number,)
            for number, text in run(
                "SELECT series.id, text FROM series JOIN name ON name.id = segment_id "
                "WHERE dependency_id = ?",
                (dependency_id,),
            ).fetchall()
            if keys in {keys_of(text), *keys_of(text).split(",")}
        ]
        for table, column in (
            ("rollup", "series_id"),
            ("histogram", "series_id"),
            ("category", "series_id"),
            ("series", "id"),
        ):
            self._connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", dropped)  # noqa: S608 - constant names


CatalogueOf = Callable[[Connection, CommittedIds], Catalogue]


def since(from_ms: int | None) -> str:
    """The condition for hours and days from the start of a UTC day on; '' for all."""
    if from_ms is None:
        return ""
    hour, day = from_ms // HOUR_MS, from_ms // DAY_MS
    return f" AND (daily = 0 AND bucket >= {hour} OR daily = 1 AND bucket >= {day})"


def keys_of(segment: str) -> str:
    """The keys of a slice's name: `tier` of `tier=new`, `day_type,tier` of a combined one."""
    return ",".join(part.partition("=")[0] for part in segment.split(PAIR))
