"""Bringing a store file over: every row, with the ids that they have here, part by part.

The file is read in one snapshot. A part (a dependency with all that is rolled up, the money, the
actions) is copied in one transaction with its mark, so that a move that was broken off goes on
with the part that it had begun.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gonogo.errors import ParameterError
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.rows import hash64
from gonogo.store.postgres.address import shown
from gonogo.store.postgres.books import root_of
from gonogo.store.postgres.catalogue import id_of, series_hash

if TYPE_CHECKING:
    from gonogo.store.postgres.database import PostgresDatabase

    Value = object
    Convert = Callable[[Value], Value]

_BY_DEPENDENCY = (
    *("dependency_version", "cardinality", "cardinality_value", "observation", "observation_id"),
    *("dependency_metric", "golden_answer", "answer", "answer_day", "output_sample", "kept_score"),
    *("retention", "standing", "grade", "hour_cell", "arrival_day", "late_arrival"),
)
_BY_SERIES = ("rollup", "histogram", "category")
_NAMES = (
    *("version_id", "item_id", "error_id", "budget_id", "prediction_id", "label_id", "value_id"),
    *("metric_id", "segment_id", "run_id", "writer_id"),
    *("outcome_by_id", "judge_id", "outcome_writer_id", "filled_by_id"),
)
_ACTIONS = (
    *("decision", "decision_repeat", "audit", "route", "route_switch", "plan"),
    *("incident", "incident_event", "suspicion", "notice", "message_told", "silence"),
    *("refused", "told_calls", "counter_point"),
)
_SPENT_ON = ("root", "budget", "dependency", "reserved")
MONEY, ACTIONS, ALL = "/money", "/actions", "/"
_ROWS_A_STEP = 5000


class Move:
    """A move from one file into one database.

    Args:
        path: The file, at this release's schema.
        database: Where it goes.
        settings: Say which budget is whose parent.
    """

    def __init__(self, path: Path, database: PostgresDatabase, settings: Settings) -> None:
        # Works run in one thread after another, never in two at once.
        uri = f"{path.resolve().as_uri()}?mode=ro"
        self._file = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        self._file.execute("BEGIN")
        self._database = database
        self._settings = settings
        self._source = str(hash64(str(path.resolve())))
        self._names: dict[int, int] = {0: 0}

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    async def begin(self) -> None:
        """Refuse a database that holds anything else, and bring the dictionary over.

        Raises:
            ParameterError: It does.
        """
        marks = await self._database.read(self._marks)
        if not marks and await self._database.read(_is_used):
            raise ParameterError(
                f"'{shown(self._database.address)}' holds data that did not come from this file. "
                "Name an empty database."
            )
        texts = self._file.execute("SELECT id, text FROM name").fetchall()
        self._names |= {number: id_of(text) for number, text in texts}
        for start in range(0, len(texts), _ROWS_A_STEP):
            words = [(id_of(text), text) for _, text in texts[start : start + _ROWS_A_STEP]]
            await self._database.write(partial(_spell_all, words=words), shard=None)

    async def parts(self) -> list[tuple[str, str]]:
        """The parts that are still to be copied, with their state in the file."""
        marks = await self._database.read(self._marks)
        if ALL in marks:
            return []
        rows = self._file.execute("SELECT name, rev || ':' || n FROM dependency ORDER BY name")
        known = [*rows, (MONEY, ""), (ACTIONS, "")]
        return [(part, state) for part, state in known if marks.get(part) != state]

    async def bring(self, part: str, state: str) -> int:
        """Bring one part over; how many rows it had."""
        copy = {MONEY: self._money, ACTIONS: self._actions}.get(part, partial(self._all_of, part))

        def work(connection: Connection) -> int:
            rows = copy(connection)
            self._mark(connection, part, state, rows)
            return rows

        shard = part if part not in {MONEY, ACTIONS} else ""
        return await self._database.write(work, shard=shard, kept=lambda _: None)

    async def finish(self) -> None:
        """Mark the move as whole."""
        await self._database.write(lambda c: self._mark(c, ALL, "", 0), kept=lambda _: None)

    def counts(self) -> dict[str, int]:
        """Count the rows of each table of the file."""
        tables = ("dependency", "series", *_BY_DEPENDENCY, *_BY_SERIES, *_ACTIONS)
        return {table: self._count(table) for table in (*tables, "reservation", "ledger_entry")}

    def _count(self, table: str) -> int:
        found: int = self._file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - constant names
        return found

    def _marks(self, connection: Connection) -> dict[str, str]:
        rows = connection.execute("SELECT part, state FROM moved WHERE source = ?", (self._source,))
        return dict(rows.fetchall())

    def _mark(self, connection: Connection, part: str, state: str, rows: int) -> None:
        connection.execute(
            "INSERT INTO moved VALUES (?, ?, ?, ?) ON CONFLICT (source, part)"
            " DO UPDATE SET state = excluded.state, row_count = excluded.row_count",
            (self._source, part, state, rows),
        )

    def _all_of(self, name: str, connection: Connection) -> int:
        """A dependency, and every row that belongs to it."""
        old = self._file.execute("SELECT id FROM dependency WHERE name = ?", (name,)).fetchone()[0]
        new = id_of(name)
        convert: dict[str, Convert] = dict.fromkeys(_NAMES, self._name)
        convert |= {"dependency_id": lambda _: new, "id": lambda value: value}
        convert["segments"] = self._segments
        of_dependency = "WHERE dependency_id = ?"
        series = {
            number: series_hash((new, golden, self._names[segment], self._names[version]))
            for number, golden, segment, version in self._file.execute(
                f"SELECT id, golden, segment_id, version_id FROM series {of_dependency}",  # noqa: S608 - constant text
                (old,),
            )
        }
        as_new = {**convert, "id": lambda _: new}
        rows = self._copy(connection, "dependency", "WHERE id = ?", old, as_new)
        as_series = {**convert, "id": lambda value: series[cast("int", value)]}
        rows += self._copy(connection, "series", of_dependency, old, as_series)
        for table in _BY_DEPENDENCY:
            rows += self._copy(connection, table, of_dependency, old, convert)
        convert["series_id"] = lambda value: series[cast("int", value)]
        for table in _BY_SERIES:
            of_series = "WHERE series_id IN (SELECT id FROM series WHERE dependency_id = ?)"
            rows += self._copy(connection, table, of_series, old, convert, owner=new)
        return rows

    def _copy(
        self,
        connection: Connection,
        table: str,
        where: str,
        old: int,
        convert: dict[str, Convert],
        *,
        owner: int | None = None,
    ) -> int:
        """Replace a dependency's rows of a table; `owner` is its id where the file has no column."""
        key = "id" if table == "dependency" else "dependency_id"
        mine = convert[key](old) if owner is None else owner
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (mine,))  # noqa: S608 - constant names
        found = self._file.execute(f"SELECT * FROM {table} {where}", (old,))  # noqa: S608 - constant names
        columns = [column[0] for column in found.description]
        turn = [convert.get(column) for column in columns]
        lead = () if owner is None else (owner,)
        rows = (
            (
                *lead,
                *(value if to is None else to(value) for value, to in zip(row, turn, strict=True)),
            )
            for row in found
        )
        into = columns if owner is None else ["dependency_id", *columns]
        return _copied(connection, table, into, rows)

    def _name(self, number: Value) -> Value:
        return None if number is None else self._names[cast("int", number)]

    def _segments(self, text: Value) -> Value:
        if text is None:
            return None
        parts = [p if isinstance(p, str) else self._names[p] for p in json.loads(str(text))]
        return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)

    def _actions(self, connection: Connection) -> int:
        """The decision log with its chain as it is, routes, plans and incidents."""
        for table in reversed(_ACTIONS):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constant names
        rows = 0
        for table in _ACTIONS:
            found = self._file.execute(f"SELECT * FROM {table}")  # noqa: S608 - constant names
            columns = [column[0] for column in found.description]
            if table == "decision":  # its shard is worked out here as there, and comes last
                columns.remove("shard")
            wide = len(columns)
            rows += _copied(connection, table, columns, (row[:wide] for row in found))
        return rows

    def _money(self, connection: Connection) -> int:
        """Spending, reservations, their entries and the answers that keys got."""
        _empty_ledger(connection)
        root = partial(root_of, self._settings)
        roots, rows = self._reservations(connection)
        entries = self._file.execute(
            "SELECT reservation, row_number() OVER (PARTITION BY reservation ORDER BY seq), ts_ms,"
            " kind, held_micro_usd, spent_micro_usd, dependency, quarter"
            " FROM ledger_entry LEFT JOIN spend_source ON id = source_id"
        )
        names = ["root", "reservation", "seq", "ts_ms", "kind", "held_micro_usd", "spent_micro_usd"]
        rows += _copied(
            connection,
            "ledger_entry",
            [*names, "dependency", "quarter"],
            ((roots[row[0]], *row) for row in entries),
        )
        spent = self._file.execute(
            # A source without spending names a budget all the same: its calls have no price.
            "SELECT budget, dependency, reserved, coalesce(daily, 0), coalesce(bucket, 0),"
            " coalesce(micro_usd, 0), coalesce(rest_nano_usd, 0)"
            " FROM spend_source LEFT JOIN spend ON id = source_id"
        )
        rows += _copied(
            connection,
            "spend",
            [*_SPENT_ON, "daily", "bucket", "micro_usd", "rest_nano_usd"],
            ((root(row[0]), *row) for row in spent),
        )
        used = self._file.execute(
            "SELECT budget, dependency, reserved, daily, bucket, calls, tokens, latency_us"
            " FROM used JOIN spend_source ON id = source_id"
        )
        rows += _copied(
            connection,
            "used",
            [*_SPENT_ON, "daily", "bucket", "calls", "tokens", "latency_us"],
            ((root(row[0]), *row) for row in used),
        )
        answers = self._file.execute("SELECT key, arguments, answer, ts_ms FROM reserve_answer")
        rows += _copied(
            connection,
            "reserve_answer",
            ["root", "key", "arguments", "answer", "ts_ms"],
            ((root(str(json.loads(row[1])["budget"])), *row) for row in answers),
        )
        return rows

    def _reservations(self, connection: Connection) -> tuple[dict[str, str], int]:
        """Reservations, and what was granted in each budget's name; their roots, and how many."""
        found = self._file.execute("SELECT * FROM reservation")
        columns = [column[0] for column in found.description]
        reservations = [dict(zip(columns, row, strict=True)) for row in found]
        roots = {held["id"]: root_of(self._settings, held["budget"]) for held in reservations}
        granted: dict[tuple[str, str], int] = {}
        for held in reservations:
            for budget in self._chain(held["budget"]):
                account = roots[held["id"]], budget
                granted[account] = granted.get(account, 0) + held["held_micro_usd"]
        accounts = ((*account, amount) for account, amount in sorted(granted.items()))
        _copied(connection, "account", ["root", "budget", "granted_micro_usd"], accounts)
        rows = ((roots[held["id"]], *held.values()) for held in reservations)
        return roots, _copied(connection, "reservation", ["root", *columns], rows)

    def _chain(self, budget: str) -> list[str]:
        """A budget and its ancestors, as far as they are configured."""
        chain: list[str] = []
        at: str | None = budget
        while at is not None and at not in chain:
            chain.append(at)
            configured = self._settings.budget(at)
            at = None if configured is None else configured.parent
        return chain


def _empty_ledger(connection: Connection) -> None:
    """Take out what a move that broke off had brought: it is no entry of anybody's yet."""
    guard = "TRIGGER ledger_entry_is_never_changed"
    connection.execute(f"ALTER TABLE ledger_entry DISABLE {guard}")
    for table in ("spend", "used", "account", "reservation", "ledger_entry", "reserve_answer"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constant names
    connection.execute(f"ALTER TABLE ledger_entry ENABLE {guard}")


def _copied(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterator[Sequence[Value]] | Iterator[tuple[Value, ...]],
) -> int:
    """Add rows by COPY; how many they were."""
    count = 0

    def counted() -> Iterator[Sequence[Value]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    connection.insert(table, columns, counted())
    return count


def _is_used(connection: Connection) -> bool:
    tables = ("dependency", "decision", "reservation", "spend")
    look = "SELECT 1 FROM {} LIMIT 1"
    return any(connection.execute(look.format(table)).fetchone() for table in tables)


def _spell_all(connection: Connection, *, words: list[tuple[int, str]]) -> None:
    connection.executemany("INSERT INTO name VALUES (?, ?) ON CONFLICT (id) DO NOTHING", words)
