"""Grades of one call by a judge and by a person, and their counts by hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from gonogo.records import HOUR_MS, JUDGE, Observation
from gonogo.store.engine import Connection
from gonogo.store.observations.rows import Row

NO_GRADE, GOOD, BAD = 0, 1, 2

GradeKey = tuple[int, int, int, int, int]  # dependency, hour, judge, judge's grade, person's grade


class Grade(NamedTuple):
    """A judge's grade of a call: its name as `outcome_by` has it, and the outcome that it gave."""

    judge: str
    outcome: float


def judged(observation: Observation) -> Grade | None:
    """The judge's grade of an observation: kept beside a person's, or its outcome itself."""
    if observation.judged is not None:
        return Grade(*observation.judged)
    by, outcome = observation.outcome_by, observation.outcome
    if by is None or outcome is None or not by.startswith(JUDGE):
        return None
    return Grade(by, outcome)


def regraded(first: Observation, second: Observation) -> dict[str, object]:
    """The slots of an Observation that another grade of the same call changes.

    A person's grade takes the place of a judge's, which is kept beside it; a judge's is kept beside
    a person's. Of two grades by the same kind of grader the first stands.
    """
    mine, theirs = judged(first), judged(second)
    if first.outcome is None or second.outcome is None or (mine is None) == (theirs is None):
        return {}
    if theirs is not None:
        return {"judged": tuple(theirs)}
    return {
        "outcome": second.outcome,
        "outcome_ts_ms": second.outcome_ts_ms,
        "outcome_by": second.outcome_by,
        "outcome_ts_assumed": False,
        "judged": mine,
    }


def regraded_row(first: Row, second: Row) -> Row:
    """The changes to a stored row by another grade; `second` is the later record's own row."""
    if second.outcome_e6 is None:
        return first
    if first.outcome_e6 is None:
        # The outcome itself is filled in like any other column.
        return first._replace(
            outcome_by_id=second.outcome_by_id,
            judge_id=second.judge_id,
            judge_e6=second.judge_e6,
        )
    if (first.judge_id is None) == (second.judge_id is None):
        return first
    if second.judge_id is not None:
        return first._replace(judge_id=second.judge_id, judge_e6=second.judge_e6)
    came_ms = second.ts_ms + (second.outcome_lag_ms or 0)
    return first._replace(
        outcome_e6=second.outcome_e6,
        outcome_lag_ms=came_ms - first.ts_ms,
        outcome_by_id=second.outcome_by_id,
    )


def grade_change(row: Row, sign: int, bar_e6: int) -> tuple[GradeKey, int] | None:
    """The counts that a row adds to its hour; golden calls and those without a judge add nothing."""
    if row.judge_id is None or row.judge_e6 is None or row.item_id is not None:
        return None
    person = NO_GRADE
    # The judge's own grade is the outcome where no person gave one.
    if row.outcome_e6 is not None and row.outcome_by_id != row.judge_id:
        person = GOOD if row.outcome_e6 >= bar_e6 else BAD
    grade = GOOD if row.judge_e6 >= bar_e6 else BAD
    hour = row.ts_ms // HOUR_MS
    return (row.dependency_id, hour, row.judge_id, grade, person), sign


def add_grades(connection: Connection, changes: Iterable[tuple[GradeKey, int] | None]) -> None:
    """Add to the counts of the hours; None is passed over."""
    n: Counter[GradeKey] = Counter()
    for change in changes:
        if change is not None:
            n[change[0]] += change[1]
    connection.executemany(
        "INSERT INTO grade (dependency_id, hour, judge_id, judge_grade, person_grade, n) "
        "VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (dependency_id, hour, judge_id, judge_grade, person_grade) "
        "DO UPDATE SET n = grade.n + excluded.n",
        [(*key, n[key]) for key in sorted(n) if n[key]],
    )
