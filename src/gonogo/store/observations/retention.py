"""Letting old rows go, a few at a time; what was rolled up from them stays.

First the day is marked from which on rows are kept, then rows and ids before it are removed in
steps, each a transaction of its own: other writers wait for one step at most, and what a killed
process began the next one goes on with. Nothing before the mark is taken in again, since its id is
no longer known, and it would be counted twice.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from gonogo.clock import borne_out_ms
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.store.engine import Connection, Engine, in_shard

# About 15 ms a step.
ROWS_A_STEP = 2000
# An id is looked at without holding a lock.
IDS_A_LOOK = 20_000
# Tables, and the columns that order each: its time first.
_ROWS, _CELLS = ("observation", "ts_ms", "seq"), ("hour_cell", "hour", "cell")


def kept_from_ms(connection: Connection, dependency_id: int) -> int | None:
    """The time from which a dependency's rows are kept; None: none were ever deleted."""
    found = connection.execute(
        "SELECT from_ms FROM retention WHERE dependency_id = ?", (dependency_id,)
    ).fetchone()
    return None if found is None else int(found[0])


async def let_go(database: Engine, *, days: int, now_ms: int) -> int:
    """Remove the rows of whole UTC days that ended over `days` days ago; how many there were.

    Old is told by the latest time that the store's own days bear out: neither a clock that jumped
    ahead nor what was recorded by it makes anything old.

    Raises:
        StoreError: The store failed; what was removed until then is consistent.
    """
    newest, known = await database.read(_dependencies)
    reached_ms = borne_out_ms(now_ms, await database.read(active_days))
    if reached_ms is None:
        return 0
    from_ms = (min(reached_ms, newest) - days * DAY_MS) // DAY_MS * DAY_MS
    removed = 0
    for number, name, first_ms in known:
        if first_ms >= from_ms:
            continue
        await database.write(partial(_mark, dependency_id=number, from_ms=from_ms), shard=name)
        step = partial(_remove_oldest, of=_ROWS, dependency_id=number, before=from_ms)
        while gone := await database.write(step, shard=name):
            removed += gone
        await _remove_ids(database, number, name, from_ms)
        old = partial(_remove_oldest, of=_CELLS, dependency_id=number, before=from_ms // HOUR_MS)
        while await database.write(old, shard=name):
            pass
    return removed


def active_days(connection: Connection) -> Counter[int]:
    """Count the stored observations and log entries of each UTC day since 1970."""
    tied = in_shard(connection, "r.", "s.dependency_id")
    observed = connection.execute(
        f"SELECT r.bucket, sum(r.n) FROM series s JOIN rollup r ON r.series_id = s.id{tied}"  # noqa: S608 - constant names
        " WHERE s.segment_id = 0 AND r.daily = 1 GROUP BY r.bucket"
    )
    found = Counter[int](dict(observed.fetchall()))
    found.update(
        dict(
            connection.execute(
                f"SELECT last_ts_ms / {DAY_MS}, sum(count) FROM decision GROUP BY 1"  # noqa: S608 - a constant number
            ).fetchall()
        )
    )
    return found


def _dependencies(connection: Connection) -> tuple[int, list[tuple[int, str, int]]]:
    """The newest time of any, and of each that has rows or cells its id, name and their first."""
    rows = connection.execute(
        "SELECT id, name, newest_ts_ms,"
        " (SELECT min(ts_ms) FROM observation WHERE dependency_id = dependency.id),"
        " (SELECT min(hour) FROM hour_cell WHERE dependency_id = dependency.id) FROM dependency"
    ).fetchall()
    newest = max((row[2] for row in rows), default=0)
    found = []
    for number, name, _, first_ms, hour in rows:
        firsts = [] if first_ms is None else [first_ms]
        firsts += [] if hour is None else [hour * HOUR_MS]
        if firsts:
            found.append((number, name, min(firsts)))
    return newest, found


def _mark(connection: Connection, *, dependency_id: int, from_ms: int) -> None:
    """Keep rows from a day on; a later mark stays, since rows before it are gone."""
    connection.execute(
        "INSERT INTO retention VALUES (?, ?) ON CONFLICT (dependency_id) DO UPDATE"
        " SET from_ms = excluded.from_ms WHERE retention.from_ms < excluded.from_ms",
        (dependency_id, from_ms),
    )


def _remove_oldest(
    connection: Connection, *, of: tuple[str, str, str], dependency_id: int, before: int
) -> int:
    """Remove the oldest of a dependency's rows or cells, one step of them; how many that were.

    `of`: which, of `_ROWS` and `_CELLS`.
    """
    table, at, nth = of
    last = connection.execute(
        f"SELECT {at}, {nth} FROM (SELECT {at}, {nth} FROM {table}"  # noqa: S608 - constant names
        f" WHERE dependency_id = ? AND {at} < ? ORDER BY {at}, {nth} LIMIT ?) AS oldest"
        f" ORDER BY {at} DESC, {nth} DESC LIMIT 1",
        (dependency_id, before, ROWS_A_STEP),
    ).fetchone()
    if last is None:
        return 0
    removed = connection.execute(
        f"DELETE FROM {table} WHERE dependency_id = ? AND ({at}, {nth}) <= (?, ?)",  # noqa: S608 - constant names
        (dependency_id, *last),
    )
    return int(removed.rowcount)


def marks_ahead(connection: Connection, now_ms: int) -> dict[str, tuple[int, int]]:
    """Marks that no removal made, by dependency: after everything there is; each with the day of its first row."""
    newest_ms, firsts = _dependencies(connection)
    latest_ms = min(now_ms, newest_ms)
    first_of = {number: first_ms for number, _, first_ms in firsts}
    rows = connection.execute(
        "SELECT d.id, d.name, r.from_ms FROM retention r JOIN dependency d ON d.id = r.dependency_id"
        " WHERE r.from_ms > ? ORDER BY d.name",
        (latest_ms,),
    ).fetchall()
    return {
        name: (from_ms, first_of.get(number, latest_ms) // DAY_MS * DAY_MS)
        for number, name, from_ms in rows
    }


def mend_marks(connection: Connection, now_ms: int) -> None:
    """Put marks that are ahead back to the day of the first row: what is older was let go."""
    for name, (_, first_ms) in marks_ahead(connection, now_ms).items():
        connection.execute(
            "UPDATE retention SET from_ms = ?"
            " WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?)",
            (first_ms, name),
        )


async def _remove_ids(database: Engine, number: int, name: str, before_ms: int) -> None:
    """Remove the ids of rows that are gone: found by reading, since their order is of the hash."""
    after = b""
    while True:
        look = partial(_ids_after, dependency_id=number, after=after)
        looked = await database.read(look)
        if not looked:
            return
        after = looked[-1][0]
        old = [(number, hashed) for hashed, ts_ms in looked if ts_ms < before_ms]
        for start in range(0, len(old), ROWS_A_STEP):
            step = partial(_drop_ids, keys=old[start : start + ROWS_A_STEP])
            await database.write(step, shard=name)


def _ids_after(
    connection: Connection, *, dependency_id: int, after: bytes
) -> list[tuple[bytes, int]]:
    rows = connection.execute(
        "SELECT id, ts_ms FROM observation_id WHERE dependency_id = ? AND id > ?"
        " ORDER BY id LIMIT ?",
        (dependency_id, after, IDS_A_LOOK),
    ).fetchall()
    return [(bytes(hashed), ts_ms) for hashed, ts_ms in rows]


def _drop_ids(connection: Connection, *, keys: list[tuple[int, bytes]]) -> None:
    connection.executemany("DELETE FROM observation_id WHERE dependency_id = ? AND id = ?", keys)
