"""Revisions, scores, cached answers and arrivals of a dependency, which are kept beside its rows and rollups.

What they were made of is not stored, or a check would have to be done again to make them; so they are held
against what bounds them. What is out of its bounds is dropped by the repair: it is made again when it is asked
for, or counted from then on.
"""

from __future__ import annotations

from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures
from gonogo.store.reads.cached_answers import is_whole

_REVISIONS = """
SELECT d.rev, d.history_rev, coalesce(k.rev, 0) FROM dependency d
LEFT JOIN kept_score k ON k.dependency_id = d.id WHERE d.id = ?
"""
_OUT_OF_ORDER = "NOT (lower_e6 BETWEEN 0 AND score_e6 AND upper_e6 BETWEEN score_e6 AND 1000000)"
_SCORES = f"SELECT count(*), sum(CASE WHEN {_OUT_OF_ORDER} THEN 1 ELSE 0 END) FROM kept_score WHERE dependency_id = ?"  # noqa: S608 - constant text
_CACHED = "SELECT key, state FROM state_cache WHERE dependency_id = ?"
# Of calls that were taken back, or of an hour that was counted anew, nothing tells on which day they had come.
_ARRIVED = """
SELECT CAST(coalesce(sum(a.n), 0) AS BIGINT), d.n, coalesce(min(a.n), 1) FROM dependency d
LEFT JOIN arrival_day a ON a.dependency_id = d.id
WHERE d.id = ? AND NOT EXISTS (SELECT 1 FROM decision c WHERE c.dependency = d.name AND c.kind = 'forget')
  AND NOT EXISTS (SELECT 1 FROM hour_cell h WHERE h.dependency_id = d.id)
GROUP BY d.id, d.n
"""
_NOT_LATE = "(came_hour <= hour OR writer_id NOT IN (SELECT id FROM name))"
_LATE = f"SELECT count(*), sum(CASE WHEN {_NOT_LATE} THEN 1 ELSE 0 END) FROM late_arrival WHERE dependency_id = ?"  # noqa: S608 - constant text


def compare_kept(connection: Connection, dependency: tuple[int, str], figures: Figures) -> None:
    """Hold these of one dependency against what bounds them."""
    number, name = dependency
    one = (number,)
    rev, history_rev, scored_rev = connection.execute(_REVISIONS, one).fetchone()
    figure = figures.of("revisions")
    figure.compared += 1
    if rev < max(history_rev, scored_rev):
        figure.amiss.append(
            f"{name} is at {rev}, and {max(history_rev, scored_rev)} was reached before"
        )
    for what, query, problem in (
        ("kept scores", _SCORES, "lie outside their bounds"),
        ("late arrivals", _LATE, "are not late, or of a writer that nobody is"),
    ):
        n, wrong = connection.execute(query, one).fetchone()
        figures.of(what).compared += n
        if wrong:
            figures.of(what).amiss.append(f"{name}: {wrong} of {n} {problem}")
    figure = figures.of("cached answers")
    for key, state in connection.execute(_CACHED, one).fetchall():
        figure.compared += 1
        if not is_whole(bytes(state)):
            figure.amiss.append(f"{name}: {key} is not as it was written")
    figure = figures.of("arrivals")
    for arrived, n, least in connection.execute(_ARRIVED, one).fetchall():
        figure.compared += 1
        if arrived > n or least < 1:
            figure.amiss.append(f"{name}: {arrived} came, and there are {n}")


def mend_kept(connection: Connection, dependency_id: int) -> None:
    """Drop what is out of its bounds, in the caller's transaction; a revision goes past all that were reached."""
    figures = Figures()
    compare_kept(connection, (dependency_id, ""), figures)
    broken = {figure.what for figure in figures.all if figure.amiss}
    one, run = (dependency_id,), connection.execute
    if "revisions" in broken:
        reached = max(run(_REVISIONS, one).fetchone())
        run("UPDATE dependency SET rev = ? WHERE id = ?", (reached + 1, dependency_id))
    run(f"DELETE FROM kept_score WHERE dependency_id = ? AND {_OUT_OF_ORDER}", one)  # noqa: S608 - constant text
    run(f"DELETE FROM late_arrival WHERE dependency_id = ? AND {_NOT_LATE}", one)  # noqa: S608 - constant text
    if "cached answers" in broken:
        run("DELETE FROM state_cache WHERE dependency_id = ?", one)
    if "arrivals" in broken:
        run("DELETE FROM arrival_day WHERE dependency_id = ?", one)
