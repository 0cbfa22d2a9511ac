"""Standing verdicts as they are stored: what drift and trust last said of each dependency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gonogo.records import PartVerdict, StandingVerdict, Verdict
from gonogo.store.engine import Connection

# Names of one query: the engines take at least this many parameters.
_NAMES_A_QUERY = 500
STANDING = "s.drift, s.drift_ms, s.drift_data_ms, s.trust, s.trust_ms, s.trust_data_ms"


def write_verdicts(conn: Connection, verdicts: Mapping[str, PartVerdict], *, now_ms: int) -> None:
    """Keep one part of several dependencies; of two processes' answers the later one stays.

    One that is dated after now was said before the clock was set back, and stands in nobody's way.
    In the order of the names, so that two writers of many never wait for each other in a circle.
    """
    for name, said in sorted(verdicts.items()):
        part = said.part
        conn.execute(
            f"INSERT INTO standing (dependency_id, {part}, {part}_ms, {part}_data_ms)"  # noqa: S608 - one of two constant names
            " SELECT id, ?, ?, ? FROM dependency WHERE name = ?"
            f" ON CONFLICT (dependency_id) DO UPDATE SET {part} = excluded.{part},"
            f" {part}_ms = excluded.{part}_ms, {part}_data_ms = excluded.{part}_data_ms"
            f" WHERE standing.{part}_ms IS NULL OR excluded.{part}_ms >= standing.{part}_ms"
            f" OR standing.{part}_ms > ?",
            (said.verdict, said.ts_ms, said.data_ms, name, now_ms),
        )


def read_standing(
    conn: Connection, names: Sequence[str] | None = None
) -> dict[str, StandingVerdict]:
    """The standing verdicts of these dependencies, or of all; without those never asked."""
    select = (
        f"SELECT d.name, {STANDING} FROM standing s JOIN dependency d ON d.id = s.dependency_id"  # noqa: S608 - constant columns
    )
    if names is None:
        rows = conn.execute(select).fetchall()
    else:
        rows = []
        for start in range(0, len(names), _NAMES_A_QUERY):
            some = tuple(names[start : start + _NAMES_A_QUERY])
            marks = ", ".join("?" * len(some))
            rows += conn.execute(f"{select} WHERE d.name IN ({marks})", some).fetchall()
    return {name: standing_of(*columns) for name, *columns in rows}


def standing_of(
    drift: Verdict | None,
    drift_ms: int | None,
    drift_data_ms: int | None,
    trust: Verdict | None,
    trust_ms: int | None,
    trust_data_ms: int | None,
) -> StandingVerdict:
    """A row's columns as the value that they are of."""
    return StandingVerdict(
        None
        if drift is None or drift_ms is None
        else PartVerdict("drift", drift, drift_ms, drift_data_ms),
        None
        if trust is None or trust_ms is None
        else PartVerdict("trust", trust, trust_ms, trust_data_ms),
    )
