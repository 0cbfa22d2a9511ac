"""Counts and rollups of a dependency's observations, compared with the rows.

Nothing is written: ids that rollups would be made under are looked up, never given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gonogo.detectors.packed_bins import unpack
from gonogo.errors import StoreError
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.store.engine import Connection, in_shard
from gonogo.store.figures.figure import Figure, Figures
from gonogo.store.figures.kept_figures import compare_kept, mend_kept
from gonogo.store.figures.row_figures import RowsRead
from gonogo.store.hour_cells.stored_cells import cells_after, contribute, golden_of
from gonogo.store.observations.catalogue import VALUES_MAX, Catalogue, CommittedIds
from gonogo.store.observations.cells import COUNTS, Cells, daily
from gonogo.store.observations.grades import GradeKey, grade_change
from gonogo.store.observations.observation_counts import recount as recount_all
from gonogo.store.observations.observation_counts import versions_of, whole_of
from gonogo.store.observations.rebuild import ROWS_AFTER
from gonogo.store.observations.retention import kept_from_ms
from gonogo.store.observations.rollups import merged, metrics_of
from gonogo.store.observations.rows import Row, Rule, SeriesKey, hash64
from gonogo.store.observations.samples import GoldenKey, golden_change, kept_answers
from gonogo.store.observations.slices import Slices


class _Finder(Catalogue):
    """A catalogue that gives no ids: what has none gets a number that nothing is stored under."""

    def name_id(self, text: str) -> int:
        number = self._known.names.get(text) or self.found.names.get(text)
        if number is None:
            if self._connection.has_shards:
                number = hash64(text) or 1
            else:
                row = self._connection.execute("SELECT id FROM name WHERE text = ?", (text,))
                found = row.fetchone()
                number = -1 - len(self.found.names) if found is None else int(found[0])
            self.found.names[text], self.found.texts[number] = number, text
        return number

    def series_id(self, key: SeriesKey) -> int:
        number = self._known.series.get(key) or self.found.series.get(key)
        if number is None:
            number = self.found.series[key] = -1 - len(self.found.series)
        return number


class _Dependency:
    """One dependency within one snapshot."""

    def __init__(self, connection: Connection, name: str, figures: Figures) -> None:
        self.connection, self.name, self.figures = connection, name, figures
        found = connection.execute("SELECT id, rule FROM dependency WHERE name = ?", (name,))
        self.id, rule = found.fetchone()
        self.rule = Rule.parse(rule)
        self.from_ms = kept_from_ms(connection, self.id)
        series = connection.execute(
            "SELECT dependency_id, golden, segment_id, version_id, id FROM series"
            " WHERE dependency_id = ?",
            (self.id,),
        ).fetchall()
        known = CommittedIds(series={(row[0], row[1], row[2], row[3]): row[4] for row in series})
        self.finder = _Finder(connection, known)

    def rows(self) -> Iterator[list[Row]]:
        """Read the dependency's rows as they are kept, a few thousand at a time."""
        after = (-1 if self.from_ms is None else self.from_ms, -1)
        while step := [
            Row(*row) for row in self.connection.execute(ROWS_AFTER, (self.id, *after)).fetchall()
        ]:
            after = step[-1].ts_ms, step[-1].seq
            yield step

    def _where(self, table: str, columns: str) -> list[tuple[int, ...]]:
        """Rows of a rollup table, of the days whose rows are kept."""
        tied = in_shard(self.connection, "r.", "s.dependency_id")
        rows = self.connection.execute(
            f"SELECT {columns} FROM series s JOIN {table} r ON r.series_id = s.id{tied}"  # noqa: S608 - constant names
            f" WHERE s.dependency_id = ?{self._since()}",
            (self.id,),
        )
        return [tuple(row) for row in rows]

    def _since(self) -> str:
        if self.from_ms is None:
            return ""
        hour, day = self.from_ms // HOUR_MS, self.from_ms // DAY_MS
        return f" AND (r.daily = 0 AND r.bucket >= {hour} OR r.daily = 1 AND r.bucket >= {day})"

    def compare_rollups(self, cells: Cells) -> None:
        """Counts, histograms and categories of every hour and day."""
        counts: dict[tuple[int, ...], object] = {}
        histograms: dict[tuple[int, ...], object] = {}
        categories: dict[tuple[int | str, ...], object] = {}
        for is_daily, changed in ((0, cells), (1, daily(cells))):
            for (series, bucket), cell in changed.items():
                at = self.finder.series_id(series), is_daily, bucket
                counts[at] = tuple(cell.counts)
                for (field, value), n in cell.categories.items():
                    categories[*at, field, value] = n
                for metric, histogram in cell.histograms.items():
                    n, total, lowest, bins = merged(None, histogram)
                    histograms[*at, self.finder.name_id(metric)] = _content(n, total, lowest, bins)
        columns = ", ".join(f"r.{name}" for name in COUNTS)
        stored = self._where("rollup", f"r.series_id, r.daily, r.bucket, {columns}")
        kept = {row[:3]: row[3:] for row in stored if any(row[3:])}
        self._compare("rollups", kept, counts)
        stored = self._where(
            "histogram", "r.series_id, r.daily, r.bucket, r.metric_id, r.n, r.sum, r.lowest, r.bins"
        )
        filled = {row[:4]: _content(*row[4:]) for row in stored}  # type: ignore[arg-type]  # STRICT columns
        self._compare("histograms", filled, histograms)
        stored = self._where("category", "r.series_id, r.daily, r.bucket, r.field, r.value_id, r.n")
        self._compare("categories", {row[:5]: row[5] for row in stored}, categories)

    def _compare(self, what: str, stored: dict, derived: dict) -> None:  # type: ignore[type-arg]  # keys and values differ
        """Note one difference a figure and dependency: a damaged hour is damaged in its day as well."""
        keys = stored.keys() | derived.keys()
        figure = self.figures.of(what)
        figure.compared += len(keys)
        amiss = [
            k for k in keys if stored.get(k) != derived.get(k) and (stored.get(k) or derived.get(k))
        ]
        if amiss:
            figure.amiss.append(f"{self.name}: {len(amiss)} of {len(keys)}")

    def compare_rest(self, rows_kept: _RowSums) -> None:
        """Golden answers, grades, outputs per input, and which metrics there are."""
        day = 0 if self.from_ms is None else self.from_ms // DAY_MS
        run = self.connection.execute
        golden = run(
            "SELECT dependency_id, item_id, version_id, day, n, outcome_sum FROM golden_answer"
            " WHERE dependency_id = ? AND day >= ?",
            (self.id, day),
        )
        self._compare(
            "golden answers",
            {tuple(row[:4]): tuple(row[4:]) for row in golden if any(row[4:])},
            dict(rows_kept.golden),
        )
        grades = run(
            "SELECT dependency_id, hour, judge_id, judge_grade, person_grade, n FROM grade"
            " WHERE dependency_id = ? AND hour >= ?",
            (self.id, 24 * day),
        )
        self._compare("grades", {tuple(row[:5]): row[5] for row in grades}, rows_kept.grades)
        days = run(
            "SELECT version_id, day, input_hash, output_hash, n FROM answer_day"
            " WHERE dependency_id = ? AND day >= ?",
            (self.id, day),
        )
        derived = kept_answers(rows_kept.answers, by_day=True)
        self._compare("answers", {tuple(row[:4]): row[4] for row in days}, derived)
        if self.from_ms is not None:
            return
        whole = run(
            "SELECT version_id, input_hash, output_hash, n FROM answer WHERE dependency_id = ?",
            (self.id,),
        )
        derived = kept_answers(rows_kept.answers, by_day=False)
        self._compare("answers", {tuple(row[:3]): row[3] for row in whole}, derived)
        metrics = run("SELECT metric FROM dependency_metric WHERE dependency_id = ?", (self.id,))
        listed = {row[0]: 1 for row in metrics}
        self._compare("metrics", listed, dict.fromkeys(rows_kept.metrics, 1))

    def compare_counts(self) -> None:
        """Compare the counts of observations, by version as well, and their first and newest times."""
        stored = self.connection.execute(
            "SELECT n, first_ts_ms, newest_ts_ms FROM dependency WHERE id = ?", (self.id,)
        ).fetchone()
        versions = versions_of(self.connection, self.id, self.from_ms)
        figure = self.figures.of("counts")
        derived = whole_of(versions)
        self._times(figure, self.name, tuple(stored), derived)
        listed = self.connection.execute(
            "SELECT version_id, n, first_ts_ms, newest_ts_ms FROM dependency_version"
            " WHERE dependency_id = ?",
            (self.id,),
        )
        kept = {row[0]: tuple(row[1:]) for row in listed}
        for version in sorted(kept.keys() | versions.keys()):
            of = f"a version of {self.name}"
            self._times(figure, of, kept.get(version), versions.get(version))

    def _times(
        self,
        figure: Figure,
        of: str,
        stored: tuple[int, ...] | None,
        derived: tuple[int, int | None, int | None] | None,
    ) -> None:
        figure.compared += 3
        if stored is None or derived is None:
            figure.amiss.append(f"{of} is {'not ' if stored is None else ''}listed")
            return
        for what, found, wanted in zip(("n", "first", "newest"), stored, derived, strict=True):
            if wanted is not None and found != wanted:
                figure.amiss.append(f"{of}: {what} is {found}, its rows say {wanted}")

    def compare_ids(self) -> None:
        """Each id names a row that is there."""
        loose = self.connection.execute(
            "SELECT count(*) FROM observation_id i WHERE i.dependency_id = ? AND i.ts_ms >= ?"
            " AND NOT EXISTS (SELECT 1 FROM observation o WHERE o.dependency_id = i.dependency_id"
            " AND o.ts_ms = i.ts_ms AND o.seq = i.seq)",
            (self.id, self.from_ms or 0),
        ).fetchone()[0]
        known = self.connection.execute(
            "SELECT count(*) FROM observation_id WHERE dependency_id = ?", (self.id,)
        ).fetchone()[0]
        figure = self.figures.of("ids")
        figure.compared += known
        if loose:
            figure.amiss.append(f"{self.name}: {loose} name no observation")
        fields = self.connection.execute(
            "SELECT c.field, c.values_seen, (SELECT count(*) FROM cardinality_value v"
            " WHERE v.dependency_id = c.dependency_id AND v.field = c.field)"
            " FROM cardinality c WHERE c.dependency_id = ? AND c.values_seen <= ?"
            " UNION ALL SELECT v.field, 0, count(*) FROM cardinality_value v WHERE v.dependency_id = ?"
            " AND NOT EXISTS (SELECT 1 FROM cardinality c WHERE c.dependency_id = v.dependency_id"
            " AND c.field = v.field) GROUP BY v.field",
            (self.id, VALUES_MAX, self.id),
        ).fetchall()
        figure = self.figures.of("values")
        figure.compared += len(fields)
        figure.amiss += [
            f"{field} of {self.name} has {n} values, {seen} are counted"
            for field, seen, n in fields
            if seen != n
        ]


class _RowSums:
    """Sums over rows that have no place in the rollups."""

    def __init__(self, rule: Rule) -> None:
        self._bar_e6 = rule.bar_e6
        self.grades: Counter[GradeKey] = Counter()
        self.golden: dict[tuple[int, int, int, int], tuple[int, int]] = {}
        self.answers: Counter[tuple[int, int, int, int]] = Counter()
        self.metrics: set[str] = set()

    def add(self, rows: list[Row]) -> None:
        for row in rows:
            self.add_golden(golden_change(row, 1))
            if (grade := grade_change(row, 1, self._bar_e6)) is not None:
                self.grades[grade[0]] += grade[1]
            if row.input_hash is not None and row.output_hash is not None:
                day = row.ts_ms // DAY_MS
                self.answers[row.version_id, day, row.input_hash, row.output_hash] += 1

    def add_golden(self, change: tuple[GoldenKey, int, int] | None) -> None:
        if change is not None:
            n, total = self.golden.get(change[0], (0, 0))
            self.golden[change[0]] = n + change[1], total + change[2]


def _content(n: int, total: int, lowest: int, bins: bytes) -> object:
    """A stored histogram without the empty bins that pad it; None for an empty one."""
    try:
        filled = {place: count for place, count in unpack(lowest, bytes(bins)).items() if count}
    except (ValueError, LookupError):
        return "cannot be read"
    return (n, total, filled) if n or total or filled else None


def compare_dependency(connection: Connection, name: str) -> Figures:
    """Compare all that is kept of a dependency's observations with them."""
    figures = Figures()
    figures.of("rules", is_derived=False).compared += 1
    try:
        one = _Dependency(connection, name, figures)
    except StoreError:
        figures.of("rules", is_derived=False).amiss.append(f"{name}: it cannot be read")
        figures.unread.add(name)
        return figures
    one.compare_counts()
    one.compare_ids()
    compare_kept(connection, (one.id, one.name), figures)
    read = RowsRead(connection, (one.id, name), figures)
    has_names = read.has_its_names()
    cells: Cells = {}
    kept = _RowSums(one.rule)
    slices = Slices(one.finder, one.id, one.rule)
    for rows in one.rows():
        if read.can_read(rows) and has_names and read.is_whole:
            slices.contribute(cells, rows)
        kept.add(rows)
    for stored in cells_after(connection, one.id, from_ms=one.from_ms):
        for row in stored:
            content = read.content_of(row)
            if content is not None and has_names and read.is_whole:
                contribute(cells, row, content, catalogue=one.finder, slices=slices, sign=1)
                kept.add_golden(golden_of(row, content, 1))
    if not (read.are_read() and has_names):
        figures.unread.add(name)
        return figures
    kept.metrics = {metric for _, metric in metrics_of(cells)}
    one.compare_rollups(cells)
    one.compare_rest(kept)
    return figures


def recount(connection: Connection, name: str) -> None:
    """Make the counts and times of a dependency anew, and drop ids that name no observation."""
    run = connection.execute
    found = run("SELECT id FROM dependency WHERE name = ?", (name,)).fetchone()[0]
    from_ms = kept_from_ms(connection, found)
    recount_all(connection, found)
    run(
        "DELETE FROM observation_id WHERE dependency_id = ? AND ts_ms >= ? AND NOT EXISTS"
        " (SELECT 1 FROM observation o WHERE o.dependency_id = observation_id.dependency_id"
        " AND o.ts_ms = observation_id.ts_ms AND o.seq = observation_id.seq)",
        (found, from_ms or 0),
    )
    run(
        "INSERT INTO cardinality (dependency_id, field, values_seen) SELECT DISTINCT dependency_id, field, 0"
        " FROM cardinality_value WHERE dependency_id = ? ON CONFLICT DO NOTHING",
        (found,),
    )
    run(
        "UPDATE cardinality SET values_seen = (SELECT count(*) FROM cardinality_value v"
        " WHERE v.dependency_id = cardinality.dependency_id AND v.field = cardinality.field)"
        " WHERE dependency_id = ? AND values_seen <= ?",
        (found, VALUES_MAX),
    )
    mend_kept(connection, found)
