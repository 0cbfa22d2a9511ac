"""Reads of the daily signals, each a plain function of a connection: `ports.signal_reads.SignalTelemetry`."""

from __future__ import annotations

from gonogo.ports.signal_reads import Categories, CategoryField, DailyAnswers, Grades, OutputSample
from gonogo.store.engine import Connection, in_shard, read
from gonogo.store.observations.catalogue import PAIR, VALUES_MAX
from gonogo.store.reads.queries import columns_of, read_segments

_ID = "(SELECT id FROM dependency WHERE name = ?)"


def read_categories(
    connection: Connection,
    dependency: str,
    field: CategoryField,
    *,
    end_day: int,
    slices_max: int,
) -> Categories:
    """Counts of a field's values on days before `end_day`, in the whole and in slices, golden calls left out."""
    import numpy as np

    segments = (None, *read_segments(connection, dependency)[:slices_max])
    place = {segment: index for index, segment in enumerate(segments)}
    series: dict[int, list[int]] = {}
    shard = in_shard(connection, "", _ID)
    for number, text in connection.execute(
        "SELECT series.id, name.text FROM series LEFT JOIN name ON name.id = segment_id "  # noqa: S608 - constant text
        f"WHERE dependency_id = {_ID} AND golden = 0",
        (dependency,),
    ):
        at = place.get(None if text is None else text.replace(PAIR, ","))
        if at is not None:
            series.setdefault(at, []).append(number)
    rows: list[tuple[int, int, int, int]] = []
    for at in sorted(series):
        marks = ", ".join("?" * len(series[at]))
        rows += connection.execute(
            f"SELECT {at}, bucket, value_id, sum(n) FROM category "  # noqa: S608 - a number and marks
            f"WHERE series_id IN ({marks}){shard} AND field = ? AND daily = 1 AND bucket < ? "
            "GROUP BY bucket, value_id HAVING sum(n) > 0",
            (*series[at], *([dependency] if shard else []), field, end_day),
        ).fetchall()
    segment, day, value_ids, n = columns_of(rows, 4)
    distinct, value = np.unique(value_ids, return_inverse=True)
    texts = [
        str(connection.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()[0])
        for number in distinct.tolist()
    ]
    by_text = sorted(range(len(texts)), key=texts.__getitem__)
    rank = np.argsort(np.array(by_text, dtype=np.int64))
    value = rank[value] if texts else value
    order = np.lexsort((value, day, segment))
    return Categories(
        segments,
        tuple(texts[i] for i in by_text),
        *(column[order] for column in (segment, day, value, n)),
    )


def read_grades(connection: Connection, dependency: str) -> dict[str, Grades]:
    """A judge's grades by hour, and a person's of the same calls."""
    rows = connection.execute(
        "SELECT name.text, hour, judge_grade, person_grade, n FROM grade "  # noqa: S608 - constant text
        f"JOIN name ON name.id = judge_id WHERE dependency_id = {_ID} AND n > 0 "
        "ORDER BY hour, judge_grade, person_grade",
        (dependency,),
    ).fetchall()
    found: dict[str, list[tuple[int, ...]]] = {}
    for judge, *counts in rows:
        found.setdefault(str(judge), []).append(tuple(counts))
    return {judge: Grades(*columns_of(own, 4)) for judge, own in sorted(found.items())}


def read_daily_answers(connection: Connection, dependency: str, *, end_day: int) -> DailyAnswers:
    """The answers to sampled inputs on days before `end_day`, by version, day, input and output."""
    rows = connection.execute(
        "SELECT version_id, day, input_hash, output_hash, n FROM answer_day "  # noqa: S608 - constant text
        f"WHERE dependency_id = {_ID} AND day < ? "
        "ORDER BY version_id, day, input_hash, output_hash",
        (dependency, end_day),
    ).fetchall()
    return DailyAnswers(*columns_of(rows, 5))


def read_outputs(
    connection: Connection,
    dependency: str,
    *,
    start_day: int,
    end_day: int,
    limit: int,
    embedded: bool,
) -> OutputSample:
    """Up to `limit` sampled outputs of a period, those with the smallest hashes, by day and hash."""
    import numpy as np

    rows = connection.execute(
        "SELECT day, hash, features FROM output_sample "  # noqa: S608 - constant text
        f"WHERE dependency_id = {_ID} AND day >= ? AND day < ? AND embedded = ? "
        "ORDER BY hash, day LIMIT ?",
        (dependency, start_day, end_day, int(embedded), limit),
    ).fetchall()
    rows.sort()
    day, hashed = columns_of([row[:2] for row in rows], 2)
    numbers = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f4")
    return OutputSample(day, hashed, numbers.reshape(len(rows), -1 if rows else 0).astype(float))


def read_not_rolled_up(connection: Connection, dependency: str) -> list[str]:
    """Fields with too many values to be rolled up, sorted."""
    rows = connection.execute(
        f"SELECT field FROM cardinality WHERE dependency_id = {_ID} "  # noqa: S608 - constant text
        "AND values_seen > ? ORDER BY field",
        (dependency, VALUES_MAX),
    )
    return [field for (field,) in rows]


class SignalReads:
    """The part of `StoredTelemetry` that daily signals read."""

    categories = read(read_categories)
    grades = read(read_grades)
    daily_answers = read(read_daily_answers)
    outputs = read(read_outputs)
    not_rolled_up = read(read_not_rolled_up)
