"""The hours of a Parquet file, counted by DuckDB (the extra `duckdb`): its calls themselves are not kept.

Each call passes the checks of an observation: numbers by their bounds in the query, texts by the check of their
field in Python, once for each different value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import tzinfo
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from gonogo.errors import DataError, plain
from gonogo.ingest import field_checks as checked
from gonogo.ingest.cell_words import is_nothing
from gonogo.ingest.error_codes import error_code_of
from gonogo.ingest.field_checks import RefusedError
from gonogo.ingest.hour_cells.cell_dialects import FIELDS_COUNTED, CallTable, quoted
from gonogo.ingest.hour_cells.cell_sql import cells_query
from gonogo.ingest.mapping import ColumnMap, Target
from gonogo.ingest.observation import FIELDS
from gonogo.records import DAY_MS
from gonogo.settings import Settings

DIFFERENT_MAX = 200_000
MEMORY_MAX = "2GB"
_TIMES = ("ts", "outcome_ts")
_NUMBERS: dict[str, tuple[float, float]] = {
    "outcome": (0, 1),
    "confidence": (0, 1),
    "latency_ms": (0, checked.LATENCY_MS_MAX),
    "cost_usd": (0, checked.COST_USD_MAX),
    "input_tokens": (0, checked.TOKENS_MAX),
    "output_tokens": (0, checked.TOKENS_MAX),
    "weight": (1, checked.WEIGHT_MAX),
}
_TOKENS = ("input_tokens", "output_tokens")


class RefusedCalls(NamedTuple):
    """Calls that are not counted: whose they were, how many, and what is wrong with the first of them."""

    dependency: str
    field: str
    n: int
    problem: str


class HoursFile(NamedTuple):
    """The result of reading a file: its refused calls, its outcomes, and the columns that no hour holds."""

    refused: list[RefusedCalls]
    outcomes: int
    left_out: list[str]


def count_hours(
    path: str,
    mapping: ColumnMap,
    settings: Settings,
    *,
    zone: tzinfo | None,
    counted_by: str,
    now_ms: int,
    out: Path,
) -> HoursFile:
    """Write the hour cells of a Parquet file, as JSON lines.

    Args:
        path: The file.
        mapping: Which of its columns are which fields.
        settings: Say the quality bar and the latency objective of each dependency.
        zone: Of times that state none.
        counted_by: The cells' `source`: the same file again changes nothing.
        now_ms: A call over a day later is refused.
        out: Where the cells go.

    Raises:
        DataError: the extra is missing, or the file cannot be read or counted as it is.
    """
    try:
        duckdb: Any = import_module("duckdb")
    except ImportError:
        raise DataError("--hours-only needs the extra duckdb: install gonogo[duckdb].") from None
    engine = duckdb.connect(config={"autoinstall_known_extensions": False})
    engine.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
    # The least and most that a file states of a column leave NaN out; of them DuckDB 2.0 takes isnan() for false.
    engine.execute("SET disabled_optimizers = 'statistics_propagation'")
    engine.execute(f"SET memory_limit = '{MEMORY_MAX}'; SET TimeZone = 'UTC'")
    try:
        return _FileCounter(engine, path, mapping, zone).write(settings, counted_by, now_ms, out)
    except duckdb.Error as error:
        raise DataError(
            f"'{plain(path, 150)}' cannot be counted: {plain(str(error).splitlines()[0], 150)}."
        ) from None
    finally:
        engine.close()


class _Text(NamedTuple):
    """A column of text, and the check that each of its values passes."""

    name: str
    check: Callable[[object], object]


class _FileCounter:
    """One file, its columns as fields, and the tables of what its texts become."""

    def __init__(self, engine: Any, path: str, mapping: ColumnMap, zone: tzinfo | None) -> None:  # noqa: ANN401 - duckdb's own
        if any(sign in path for sign in "*?["):
            raise DataError(f"'{plain(path, 150)}': a name with * ? or [ cannot be counted.")
        self._engine, self._path, self._zone = engine, path, zone
        self._file = f"read_parquet({quoted(path)})"
        types = dict(self._described(f"SELECT * FROM {self._file}"))  # noqa: S608 - quoted above
        self._mapping = mapping.with_header(types, path)
        self._told: dict[str, str] = {}
        self._texts: list[_Text] = []
        self._segments: dict[str, str] = {}
        self._metrics: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self.left_out = sorted(self._mapping.left_out(dict.fromkeys(types)))
        for column, target in self._mapping.targets:
            self._take(target, _identifier(column, types), column)
        for target, constant in self._mapping.constants:
            self._take(target, _literal(constant), "")
        self._judge(types)
        missing = [name for name in ("dependency", "ts") if name not in self._told]
        if missing:
            raise DataError(
                f"'{plain(path, 150)}' has no {' and no '.join(missing)}: hours are counted by both; name the "
                f"column, as --map {missing[0]}=COLUMN."
            )

    def write(self, settings: Settings, counted_by: str, now_ms: int, out: Path) -> HoursFile:
        told = ", ".join(f"{expression} AS {name}" for name, expression in self._told.items())
        self._engine.execute(f"CREATE TEMP VIEW told AS SELECT {told} FROM {self._file}")  # noqa: S608 - quoted above
        types = dict(self._described("SELECT * FROM told"))
        self._check_types(types)
        texts = [
            text
            for text in self._texts
            if text.name not in _NUMBERS or types[text.name] == "VARCHAR"
        ]
        joins = [text.name for text in texts if self._is_joined(text, types[text.name])]
        columns = ", ".join(
            f"{self._clean(name, types[name], joins)} AS {name}" for name in self._told
        )
        lost = " ".join(f"WHEN b_{name}.is_refused THEN '{name}'" for name in joins)
        source = "told " + " ".join(
            f"LEFT JOIN became_{name} b_{name} ON told.{name} = b_{name}.raw" for name in joins
        )
        self._engine.execute(
            f"CREATE TEMP VIEW cleaned AS SELECT {columns}, "  # noqa: S608 - names of fields, literals
            f"{f'CASE {lost} END' if lost else 'NULL'} AS lost FROM {source}"
        )
        refused = f"coalesce(lost, CASE {' '.join(self._bounds(now_ms))} END)"
        self._engine.execute(
            f"CREATE TEMP VIEW calls AS SELECT *, {refused} AS refused FROM cleaned"  # noqa: S608 - as above
        )
        fields = {name: name for name in self._told if name in FIELDS_COUNTED}
        table = CallTable(
            "(SELECT * FROM calls WHERE refused IS NULL)",
            fields,
            self._segments,
            self._metrics,
            counted_by=counted_by,
        )
        query = cells_query("duckdb", table, settings)
        self._engine.execute(f"COPY ({query}) TO {quoted(str(out))} (FORMAT json)")
        return HoursFile(list(self._refused()), self._outcomes(), self.left_out)

    def _described(self, query: str) -> Iterator[tuple[str, str]]:
        for name, kind, *_ in self._engine.execute(f"DESCRIBE {query}").fetchall():
            yield str(name), str(kind)

    def _take(self, target: Target, expression: str, column: str) -> None:
        """A column, or a constant, as the field that it is."""
        if target.factor is not None:
            expression = f"({expression}) * {target.factor!r}"
        if target.key is None and target.field in ("segments", "metrics"):
            raise DataError(
                f"'{plain(column, 60)}' is an object: say which of it is wanted, as --map "
                f"{target.field}.NAME='{target.field}.NAME' --drop {target.field}."
            )
        if target.field == "segments":
            name = f"segment_{len(self._segments)}"
            self._segments[target.key or ""] = name
            self._texts.append(_Text(name, _segment_check(target.key or "")))
        elif target.field == "metrics":
            name = f"metric_{len(self._metrics)}"
            self._metrics[target.key or ""] = name
        elif target.field in FIELDS_COUNTED:
            name = target.field
            if name not in _TIMES and (name not in _NUMBERS or name == "outcome"):
                self._texts.append(_Text(name, FIELDS[name].check))
        else:
            self.left_out.append(column or target.field)
            return
        self._told[name] = expression

    def _judge(self, types: dict[str, str]) -> None:
        """`--good-when` and `--error-when` as columns."""
        for column, _ in self._mapping.good_when[:1]:
            words = [word for _, word in self._mapping.good_when]
            text = f"CAST({_identifier(column, types)} AS VARCHAR)"
            said = f"lower(trim({text})) IN ({', '.join(quoted(w.strip().lower()) for w in words)})"
            self._told["outcome"] = f"CASE WHEN trim({text}) <> '' THEN CAST({said} AS DOUBLE) END"
        for column, word in self._mapping.error_when:
            said = f"lower(trim(CAST({_identifier(column, types)} AS VARCHAR))) = {quoted(word.strip().lower())}"
            stated = f"CAST({self._told.get('error', 'NULL')} AS VARCHAR)"
            self._told["error"] = (
                f"CASE WHEN {said} THEN {quoted(error_code_of(word))} ELSE {stated} END"
            )
            if "error" not in [text.name for text in self._texts]:
                self._texts.append(_Text("error", FIELDS["error"].check))

    def _check_types(self, types: dict[str, str]) -> None:
        for name in _TIMES:
            kind = types.get(name, "TIMESTAMP WITH TIME ZONE")
            if kind.startswith("VARCHAR"):
                raise DataError(
                    f"{name} is text: hours are counted by timestamps or Unix seconds; write it as one."
                )
            if kind.startswith(("TIMESTAMP", "DATE")) and "ZONE" not in kind and self._zone is None:
                raise DataError(
                    f"{name} has no time zone: state it (--timezone Europe/Berlin, or UTC)."
                )

    def _is_joined(self, text: _Text, kind: str) -> bool:
        """Whether any of a column's values becomes another one; then a table says which."""
        name = text.name
        found = self._engine.execute(
            f"SELECT DISTINCT {name} FROM told WHERE {name} IS NOT NULL LIMIT {DIFFERENT_MAX + 1}"  # noqa: S608 - a field
        ).fetchall()
        if len(found) > DIFFERENT_MAX:
            raise DataError(
                f"'{plain(self._path, 150)}': {name} has over {DIFFERENT_MAX:,} different values, too many to "
                "count by; leave it out, or bring in the calls."
            )
        became = [(raw, *self._became(text, raw)) for (raw,) in found]
        if all(value == raw and not lost for raw, value, lost in became):
            return False
        of_value = "DOUBLE" if name == "outcome" else "VARCHAR"
        self._engine.execute(
            f"CREATE TEMP TABLE became_{name} (raw {kind}, value {of_value}, is_refused BOOLEAN)"
        )
        raws, values, lost = zip(*became, strict=True)
        self._engine.execute(
            f"INSERT INTO became_{name} SELECT unnest($1::{kind}[]), unnest($2::{of_value}[]), unnest($3::BOOLEAN[])",
            [list(raws), list(values), list(lost)],
        )
        return True

    def _became(self, text: _Text, raw: object) -> tuple[object, bool]:
        """The SQL of a converted value, and of whether it is refused."""
        if isinstance(raw, str) and is_nothing(raw):
            return None, False
        try:
            return text.check(raw), False
        except RefusedError as refused:
            self._problems.setdefault(text.name, str(refused))
            return None, True

    def _clean(self, name: str, kind: str, joins: list[str]) -> str:
        """A field's value once its text is read, its number a double and its time a timestamp."""
        if name in joins:
            return f"b_{name}.value"
        if name in _TIMES:
            if kind.startswith(("TIMESTAMP", "DATE")):
                if "ZONE" in kind:
                    return f"told.{name}"
                return f"timezone({quoted(str(self._zone))}, CAST(told.{name} AS TIMESTAMP))"
            seconds = f"CAST(told.{name} AS DOUBLE)"
            least = checked.TS_MS_MIN // 1000
            units = " ".join(
                f"WHEN {seconds} >= {least * ticks} THEN {seconds} / {ticks}"
                for ticks in checked.TICKS_A_SECOND
            )
            seconds = f"CASE {units} ELSE {seconds} END"
            return f"CASE WHEN {seconds} BETWEEN 0 AND {checked.SECONDS_MAX} THEN to_timestamp({seconds}) END"
        if name not in _NUMBERS and not name.startswith("metric_"):
            return f"CAST(told.{name} AS VARCHAR)"
        # Text that is no number becomes one that no bound allows; NaN is how frames write nothing.
        number = f"CAST(told.{name} AS DOUBLE)"
        if kind == "VARCHAR":
            number = f"CASE WHEN trim(told.{name}) <> '' THEN coalesce(TRY_CAST(told.{name} AS DOUBLE), 'inf'::DOUBLE) END"
        return f"CASE WHEN NOT isnan({number}) THEN {number} END"

    def _bounds(self, now_ms: int) -> Iterator[str]:
        """The SQL of the faults of a call, the first one first."""
        yield "WHEN dependency IS NULL THEN 'dependency'"
        for name in self._told:
            if name in _TIMES:
                late = f"epoch_ms({name}) NOT BETWEEN {checked.TS_MS_MIN} AND {now_ms + DAY_MS}"
                yield f"WHEN {late}{' OR ts IS NULL' if name == 'ts' else ''} THEN '{name}'"
            elif name in _NUMBERS or name.startswith("metric_"):
                low, high = _NUMBERS.get(name, (-checked.NUMBER_ABS_MAX, checked.NUMBER_ABS_MAX))
                part = f" OR {name} <> floor({name})" if name in _TOKENS else ""
                yield f"WHEN {name} NOT BETWEEN {low!r} AND {high!r}{part} THEN '{name}'"

    def _outcomes(self) -> int:
        if "outcome" not in self._told:
            return 0
        counted = self._engine.execute("SELECT count(outcome) FROM calls WHERE refused IS NULL")
        return int(counted.fetchall()[0][0])

    def _refused(self) -> Iterator[RefusedCalls]:
        numbers = [
            name for name in self._told if name in _NUMBERS or name in self._metrics.values()
        ]
        first = " ".join(f"WHEN '{name}' THEN {name}" for name in numbers)
        example = f"first(CASE refused {first} END)" if numbers else "NULL"
        found = self._engine.execute(
            f"SELECT dependency, refused, count(*), {example} FROM calls WHERE refused IS NOT NULL "  # noqa: S608 - fields
            "GROUP BY ALL ORDER BY dependency, refused"
        ).fetchall()
        for dependency, name, n, value in found:
            problem = self._problems.get(name) or _problem(name, value)
            yield RefusedCalls(dependency or "", self._said(name), n, problem)

    def _said(self, name: str) -> str:
        """The field as a person knows it."""
        for names, title in ((self._segments, "segments"), (self._metrics, "metrics")):
            for key, column in names.items():
                if column == name:
                    return f"{title}.{key}"
        return name


def _identifier(column: str, types: dict[str, str]) -> str:
    """A column as SQL names it, or a path into one."""
    parts = [column] if column in types else column.split(".")
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _literal(constant: object) -> str:
    if isinstance(constant, bool | int | float):
        return repr(constant)
    return quoted(str(constant))


def _segment_check(key: str) -> Callable[[object], object]:
    return lambda value: checked.segments({key: value}).get(key)


def _problem(name: str, example: object) -> str:
    if name in _TIMES:
        return "is missing, before 2000, or more than a day ahead of the clock"
    try:
        if name in FIELDS:
            FIELDS[name].check(example)
        else:
            checked.metrics({"value": example})
    except RefusedError as refused:
        return str(refused)
    return "cannot be read"
