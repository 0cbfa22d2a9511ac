"""Routes, incidents, standing verdicts and the log, compared with the actions that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from gonogo.errors import StoreError
from gonogo.store.books.audit import verify_chain
from gonogo.store.books.route_codec import routes_of
from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures

# Which check speaks for which part of a dependency's standing verdict.
_PARTS = {"check_model_drift": "drift", "get_trust_score_health": "trust"}
# The beginning of the event that gives an incident its status.
_STATUSES = {
    "open": "open",
    "acknowledged": "acknowledged",
    "mitigated": "mitigated",
    "recovering": "recovering",
    "resolved": "resolved",
}
# The newest switch of each route, and the plan that it carried out.
_ROUTES = """
SELECT r.dependency, r.epoch, r.targets, s.epoch, p.body FROM route r
LEFT JOIN route_switch s ON s.dependency = r.dependency
  AND s.epoch = (SELECT max(epoch) FROM route_switch t WHERE t.dependency = r.dependency)
LEFT JOIN plan p ON p.dependency = s.dependency AND p.audit_id = s.audit_id
"""
_LOST_ROUTES = """
SELECT s.dependency, p.body FROM route_switch s
LEFT JOIN plan p ON p.dependency = s.dependency AND p.audit_id = s.audit_id
WHERE NOT EXISTS (SELECT 1 FROM route r WHERE r.dependency = s.dependency)
  AND s.epoch = (SELECT max(epoch) FROM route_switch t WHERE t.dependency = s.dependency)
"""
# What a switch carried out is kept for as long as the switch.
_PLANLESS = """
SELECT s.dependency, s.epoch FROM route_switch s
LEFT JOIN plan p ON p.dependency = s.dependency AND p.audit_id = s.audit_id WHERE p.id IS NULL
"""
_LOST_INCIDENTS = """
SELECT DISTINCT incident_id FROM incident_event
WHERE incident_id NOT IN (SELECT id FROM incident) ORDER BY incident_id
"""
_LOOSE_SWITCHES = """
SELECT s.dependency, s.epoch FROM route_switch s
LEFT JOIN decision d ON d.id = s.audit_id AND d.action = 1 WHERE d.id IS NULL
"""
_FOLDED = """
SELECT d.id, d.count, 1 + (SELECT count(*) FROM decision_repeat r WHERE r.decision_id = d.id)
FROM decision d
"""
_ASKED = """
SELECT d.name, c.kind, c.inputs, c.verdict, c.last_ts_ms, s.drift, s.drift_ms, s.trust, s.trust_ms
FROM decision c JOIN dependency d ON d.name = c.dependency
LEFT JOIN standing s ON s.dependency_id = d.id
WHERE c.kind IN ('check_model_drift', 'get_trust_score_health') AND c.verdict IS NOT NULL
ORDER BY c.last_ts_ms
"""


def compare_actions(connection: Connection, figures: Figures, now_ms: int) -> None:
    """Compare what stands now with the newest action, event or check that it comes of."""
    _compare_chain(connection, figures)
    figure = figures.of("log")
    folded = connection.execute(_FOLDED).fetchall()
    figure.compared += len(folded)
    figure.amiss += [
        f"{name} was asked {n} times, {count} are counted"
        for name, count, n in folded
        if n != count
    ]
    entries = connection.execute("SELECT id, inputs, versions, answer FROM decision").fetchall()
    figures.of("log entries", is_derived=False).compared += len(entries)
    figures.of("log entries").amiss += [
        f"{name} cannot be read"
        for name, *texts in entries
        if any(_parsed(text) is None for text in texts)
    ]
    _compare_routes(connection, figures)
    figure, told = figures.of("incidents"), figures.of("incident events", is_derived=False)
    lost = connection.execute(_LOST_INCIDENTS).fetchall()
    told.compared += len(lost)
    told.amiss += [f"the incident of {name}'s events is gone" for (name,) in lost]
    for name, status, derived, is_whole in _incidents(connection):
        figure.compared += 1
        told.compared += 1
        if not is_whole:
            told.amiss.append(f"events of {name} are missing")
        elif status != derived:
            figure.amiss.append(f"{name} is {status}, its timeline says {derived}")
    figure = figures.of("standing verdicts")
    for (name, part), checked in _standing(connection, now_ms).items():
        figure.compared += 1
        if not checked.stands:
            figure.amiss.append(
                f"{part} of {name} is {checked.stored or 'absent'}, the newest check said"
                f" {checked.verdict}"
            )


def _compare_chain(connection: Connection, figures: Figures) -> None:
    chain = verify_chain(connection)
    figure = figures.of("audit", is_derived=False)
    figure.compared += chain.entries
    if chain.problem is not None:
        figure.compared += 1
        figure.amiss.append(f"broken at link {chain.broken_at}: {chain.problem}")
    figure = figures.of("switches", is_derived=False)
    figure.compared += connection.execute("SELECT count(*) FROM route_switch").fetchone()[0]
    figure.amiss += [
        f"switch {epoch} of {name} has no entry in the audit trail"
        for name, epoch in connection.execute(_LOOSE_SWITCHES).fetchall()
    ]


def _compare_routes(connection: Connection, figures: Figures) -> None:
    figure = figures.of("routes")
    for name, epoch, targets, switched, body in connection.execute(_ROUTES).fetchall():
        figure.compared += 1
        after = _after(body)
        if (switched or 0) != epoch:
            figure.amiss.append(
                f"{name} is at epoch {epoch}, its newest switch was {switched or 0}"
            )
        elif after is not None and _parsed(targets) != after:
            figure.amiss.append(
                f"{name} goes to {targets}, its newest switch said {json.dumps(after)}"
            )
        if not _is_way_read(connection, name):
            figure.amiss.append(f"the way back or forward of {name} cannot be read")
    plans = connection.execute("SELECT id, body FROM plan").fetchall()
    figure = figures.of("plans", is_derived=False)
    figure.compared += len(plans)
    figure.amiss += [f"{name} cannot be read" for name, body in plans if _after(body) is None]
    figure.amiss += [
        f"what switch {epoch} of {name} carried out is gone"
        for name, epoch in connection.execute(_PLANLESS).fetchall()
    ]
    figure = figures.of("switches", is_derived=False)
    figure.amiss += [
        f"the route of {name} is gone, which switched to {targets or 'a target that no plan says'}"
        for name, targets in _lost_routes(connection)
    ]


def _is_way_read(connection: Connection, dependency: str) -> bool:
    """Whether a route can be read: its targets are compared with its switch, so that it is its ways that cannot."""
    try:
        routes_of(connection, dependency)
    except StoreError:
        return False
    return True


def _parsed(text: str) -> object:
    """Parse a column's JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _after(body: str | None) -> list[object] | None:
    """The route that a plan leads to; None where it cannot be read."""
    found = None if body is None else _parsed(body)
    after = found.get("after") if isinstance(found, dict) else None
    return after if isinstance(after, list) else None


def _lost_routes(connection: Connection) -> list[tuple[str, str]]:
    """Dependencies whose newest switch has no route any more, and where it led."""
    rows = connection.execute(_LOST_ROUTES).fetchall()
    return [(name, json.dumps(after) if (after := _after(body)) else "") for name, body in rows]


def _incidents(connection: Connection) -> list[tuple[str, str, str, bool]]:
    """Read each incident's status, the status that its timeline ends in, and whether events are missing."""
    events: dict[str, list[tuple[int, str]]] = {}
    for name, seq, event in connection.execute(
        "SELECT incident_id, seq, event FROM incident_event ORDER BY incident_id, seq"
    ):
        events.setdefault(name, []).append((seq, event))
    found = []
    for name, status in connection.execute(
        "SELECT id, status FROM incident ORDER BY id"
    ).fetchall():
        own = events.get(name, [])
        derived = "open"
        for _, event in own:
            derived = next((s for word, s in _STATUSES.items() if event.startswith(word)), derived)
        is_whole = [seq for seq, _ in own] == [*range(1, len(own) + 1)] and bool(own)
        found.append((name, status, derived, is_whole))
    return found


class _NewestCheck(NamedTuple):
    """The verdict and time of the newest check of the whole, beside the stored standing verdict."""

    verdict: str
    asked_ms: int
    stored: str | None
    stored_ms: int | None

    @property
    def stands(self) -> bool:
        """Whether it is what stands: by its words. Clocks that went back date the same word anew."""
        if self.stored_ms is None:
            return False
        return self.stored == self.verdict or self.stored_ms > self.asked_ms


def _standing(connection: Connection, now_ms: int) -> Mapping[tuple[str, str], _NewestCheck]:
    """Read by dependency and part the newest check of the whole, and the stored standing verdict.

    What is dated after now was said before the clock was set back, and is passed over.
    """
    found = {}
    for name, kind, inputs, verdict, asked_ms, *stored in connection.execute(_ASKED).fetchall():
        asked = _parsed(inputs)
        if not isinstance(asked, dict):
            continue  # named among the log's entries
        if asked_ms <= now_ms and asked.keys() <= {"dependency", "detail"}:
            part = _PARTS[kind]
            standing = stored[0:2] if part == "drift" else stored[2:4]
            found[name, part] = _NewestCheck(verdict, asked_ms, *standing)
    return found


def mend_actions(connection: Connection, now_ms: int) -> None:
    """Make anew what actions, events and checks say, in the caller's transaction."""
    run = connection.execute
    for name, count, n in run(_FOLDED).fetchall():
        if n != count:
            run("UPDATE decision SET count = ? WHERE id = ?", (n, name))
    for name, epoch, targets, switched, body in run(_ROUTES).fetchall():
        after = _after(body) or _parsed(targets)
        if after is not None and ((switched or 0) != epoch or _parsed(targets) != after):
            # A new version, so that no plan that was made of the wrong route is carried out.
            run(
                "UPDATE route SET epoch = ?, targets = ?, version = version + 1"
                " WHERE dependency = ?",
                (switched or 0, json.dumps(after), name),
            )
        if not _is_way_read(connection, name):
            # It stays where it is until a person moves it: how far a way had come nothing else says.
            run(
                "UPDATE route SET recovery = NULL, version = version + 1 WHERE dependency = ?",
                (name,),
            )
    for name, status, derived, is_whole in _incidents(connection):
        if is_whole and status != derived:
            run("UPDATE incident SET status = ? WHERE id = ?", (derived, name))
    for (name, part), checked in _standing(connection, now_ms).items():
        if not checked.stands:
            run(
                f"INSERT INTO standing (dependency_id, {part}, {part}_ms)"  # noqa: S608 - one of two names
                " SELECT id, ?, ? FROM dependency WHERE name = ? ON CONFLICT (dependency_id)"
                f" DO UPDATE SET {part} = excluded.{part}, {part}_ms = excluded.{part}_ms",
                (checked.verdict, checked.asked_ms, name),
            )
