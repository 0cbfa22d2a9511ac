"""Routes and their plans: every change is fenced in one durable transaction.

Where the machine's clock was set, times are read as it would tell them now (`hold_clock`).
"""

from __future__ import annotations

from dataclasses import replace

from gonogo.errors import ParameterError, UnknownTarget
from gonogo.ports.routes import (
    Amended,
    Books,
    Fence,
    Plan,
    Route,
    Switch,
    SwitchEntry,
    primary_route,
)
from gonogo.records import Decision
from gonogo.store.books.audit import append_action
from gonogo.store.books.hold_clock import date_anew, dating_of
from gonogo.store.books.route_codec import body_of, plan_of_row, put_route, routes_of
from gonogo.store.engine import Connection, Engine, Parameters

_DAY_MS = 86_400_000
# What a fence may look back on; older switches say nothing about flapping now.
SWITCHES_SHOWN_MS = 30 * _DAY_MS

PLANS_WAITING_MAX = 5

_PLAN = (
    "id, dependency, created_ms, expires_ms, route_version, body, idempotency_key, undoes, state,"
    " audit_id, epoch, result"
)


def _route(conn: Connection, dependency: str) -> Route | None:
    ahead_ms = dating_of(conn).ahead_ms
    return next((route.dated(ahead_ms) for route in routes_of(conn, dependency)), None)


def _routes(conn: Connection) -> list[Route]:
    ahead_ms = dating_of(conn).ahead_ms
    return [route.dated(ahead_ms) for route in routes_of(conn)]


def _plans(conn: Connection, clause: str, values: Parameters) -> list[Plan]:
    ahead_ms = dating_of(conn).ahead_ms
    rows = conn.execute(f"SELECT {_PLAN} FROM plan WHERE {clause}", values).fetchall()  # noqa: S608 - constant clauses
    return [plan_of_row(row).dated(ahead_ms) for row in rows]


def _find_plan(conn: Connection, clause: str, *values: object) -> Plan | None:
    return next(iter(_plans(conn, clause, values)), None)


def _switches(conn: Connection, dependency: str, since_ms: int) -> list[Switch]:
    ahead_ms = dating_of(conn).ahead_ms
    rows = conn.execute(
        "SELECT ts_ms, undo, stage FROM route_switch WHERE dependency = ? AND ts_ms >= ? ORDER BY epoch",
        (dependency, since_ms - ahead_ms),
    )
    return [Switch(ts_ms + ahead_ms, bool(undo), bool(stage)) for ts_ms, undo, stage in rows]


def _save_plan(conn: Connection, plan: Plan) -> Plan:
    date_anew(conn, now_ms=plan.created_ms)
    conn.execute(
        "DELETE FROM plan WHERE dependency = ? AND state = 'planned' AND expires_ms < ?",
        (plan.dependency, plan.created_ms - _DAY_MS),
    )
    for clause, value in (
        ("dependency = ? AND idempotency_key = ?", plan.idempotency_key),
        ("dependency = ? AND undoes = ?", plan.undoes),
    ):
        same = _find_plan(conn, clause, plan.dependency, value) if value is not None else None
        if same is None:
            continue
        usable = plan.created_ms < same.expires_ms and plan.route_version == same.route_version
        if same.state != "planned" or usable:
            return same
        conn.execute("DELETE FROM plan WHERE dependency = ? AND id = ?", (same.dependency, same.id))
    conn.execute(
        f"INSERT INTO plan ({_PLAN}) VALUES ({', '.join('?' * 12)})",  # noqa: S608 - constant columns
        (
            plan.id,
            plan.dependency,
            plan.created_ms,
            plan.expires_ms,
            plan.route_version,
            body_of(plan),
            plan.idempotency_key,
            plan.undoes,
            plan.state,
            plan.audit_id,
            plan.epoch,
            plan.result,
        ),
    )
    return plan


def _swept(plan_id: str) -> UnknownTarget:
    """Another process may have swept it meanwhile."""
    return UnknownTarget("plan", plan_id, (), "Plan again: call with a `reason`.")


def _begin(
    conn: Connection, named: Plan, fence: Fence, key: str | None, now_ms: int
) -> SwitchEntry:
    date_anew(conn, now_ms=now_ms)
    plan = _find_plan(conn, "dependency = ? AND id = ?", named.dependency, named.id)
    if plan is None:
        raise _swept(named.id)
    if key is not None:
        used = _find_plan(
            conn,
            "dependency = ? AND idempotency_key = ? AND state <> 'planned'",
            plan.dependency,
            key,
        )
        if used is not None and used.id != plan.id:
            raise ParameterError(
                f"idempotency_key '{key}' was used for plan {used.id}: pass that one, or another key."
            )
    route = _route(conn, plan.dependency) or primary_route(plan.dependency)
    switches = _switches(conn, plan.dependency, now_ms - SWITCHES_SHOWN_MS)
    begun = fence(
        plan, Books(route, switches, {found.dependency: found for found in _routes(conn)})
    )
    if begun.route is None or begun.entry is None:
        return begun
    if key is not None:
        conn.execute(
            "UPDATE plan SET idempotency_key = NULL WHERE dependency = ? AND idempotency_key = ?",
            (plan.dependency, key),
        )
    append_action(conn, begun.entry)
    put_route(conn, begun.route)
    conn.execute(
        "INSERT INTO route_switch VALUES (?, ?, ?, ?, ?, ?)",
        (
            plan.dependency,
            begun.route.epoch,
            begun.route.changed_ms,
            begun.entry.id,
            int(plan.is_way_back),
            int(plan.is_stage),
        ),
    )
    conn.execute(
        "UPDATE plan SET state = 'begun', audit_id = ?, epoch = ?,"
        " idempotency_key = coalesce(?, idempotency_key) WHERE dependency = ? AND id = ?",
        (begun.entry.id, begun.route.epoch, key, plan.dependency, plan.id),
    )
    return begun


def _finish(conn: Connection, plan: Plan, result: str, entry: Decision) -> str:
    own = plan.dependency, plan.id
    stands: str | None = conn.execute(
        "SELECT result FROM plan WHERE dependency = ? AND id = ?", own
    ).fetchone()[0]
    if stands is not None:
        return stands
    append_action(conn, entry)
    conn.execute(
        "UPDATE plan SET state = 'done', result = ? WHERE dependency = ? AND id = ?",
        (result, *own),
    )
    return result


def _waits(plan: Plan) -> bool:
    """Whether a person's yes would carry it out: what stops everybody waits for nobody."""
    stopped = any(not check.passed and check.blocks == "always" for check in plan.checks)
    return plan.approval in ("ask", "person") and not stopped


class StoredRoutes:
    """Routes of one store (`ports.routes.Routes`)."""

    def __init__(self, db: Engine) -> None:
        self._db = db

    async def route(self, dependency: str) -> Route | None:
        """The desired route; None where it was never switched."""
        return await self._db.read(lambda conn: _route(conn, dependency))

    async def routes(self) -> list[Route]:
        """Every route that was ever switched or held, by dependency."""
        return await self._db.read(_routes)

    async def plan(self, plan_id: str) -> Plan | None:
        """A plan as it stands."""
        return await self._db.read(lambda conn: _find_plan(conn, "id = ?", plan_id))

    async def plan_with(
        self, *, audit_id: str | None = None, undoes: str | None = None
    ) -> Plan | None:
        """The plan that an action carried out, or the one that undoes an action."""
        clause, value = ("audit_id = ?", audit_id) if audit_id else ("undoes = ?", undoes)
        return await self._db.read(lambda conn: _find_plan(conn, clause, value))

    async def keyed_plan(self, dependency: str, idempotency_key: str) -> Plan | None:
        """The plan of a dependency that has this key."""
        same = "dependency = ? AND idempotency_key = ?"
        return await self._db.read(lambda conn: _find_plan(conn, same, dependency, idempotency_key))

    async def plan_ids(self, *, limit: int) -> list[str]:
        """The newest plans' ids, newest first."""

        def work(conn: Connection) -> list[str]:
            rows = conn.execute("SELECT id FROM plan ORDER BY created_ms DESC LIMIT ?", (limit,))
            return [plan_id for (plan_id,) in rows]

        return await self._db.read(work)

    async def waiting(self, *, now_ms: int) -> list[Plan]:
        """Plans that a person may still approve, the newest of each switch, the oldest first.

        Of the `PLANS_WAITING_MAX` newest of each dependency: who plans again and again, as an agent
        in a loop does, makes no list slow (a plan's evidence is some kilobytes to read).
        """

        def work(conn: Connection) -> list[Plan]:
            newest_waiting = (
                "id IN (SELECT id FROM (SELECT id, row_number()"
                " OVER (PARTITION BY dependency ORDER BY created_ms DESC, id DESC) AS nth"
                " FROM plan WHERE state = 'planned' AND expires_ms > ?"
                " AND route_version = coalesce((SELECT version FROM route"
                " WHERE route.dependency = plan.dependency), 0)) AS newest"
                " WHERE nth <= ?) ORDER BY created_ms, id"
            )
            bound = now_ms - dating_of(conn).ahead_ms, PLANS_WAITING_MAX
            plans = [plan for plan in _plans(conn, newest_waiting, bound) if _waits(plan)]
            newest = {(plan.dependency, plan.after): plan for plan in plans}
            return sorted(newest.values(), key=lambda plan: plan.created_ms)

        return await self._db.read(work)

    async def begun(self, dependency: str | None = None) -> list[Plan]:
        """Plans whose result is not final: their process works on them or has died."""
        begun = "state = 'begun' AND dependency = coalesce(?, dependency) ORDER BY epoch"
        return await self._db.read(lambda conn: _plans(conn, begun, (dependency,)))

    async def switches(self, dependency: str, *, since_ms: int) -> list[Switch]:
        """Read the switches carried out since a time, oldest first."""
        return await self._db.read(lambda conn: _switches(conn, dependency, since_ms))

    async def save_plan(self, plan: Plan) -> Plan:
        """Keep a plan and return it; or the one that already has its key or undoes the same."""
        return await self._db.write(
            lambda conn: _save_plan(conn, plan), durable=True, shard=plan.dependency
        )

    async def begin(
        self, plan_id: str, fence: Fence, *, idempotency_key: str | None, now_ms: int
    ) -> SwitchEntry:
        """Let `fence` judge the plan against the route as it stands, and write what it decides."""
        plan = await self._planned(plan_id)
        return await self._db.write(
            lambda conn: _begin(conn, plan, fence, idempotency_key, now_ms),
            durable=True,
            shard=plan.dependency,
        )

    async def finish(self, plan_id: str, *, result: str, entry: Decision) -> str:
        """Make a begun plan's result final, durably, with its entry; the result that stands."""
        plan = await self._planned(plan_id)
        return await self._db.write(
            lambda conn: _finish(conn, plan, result, entry), durable=True, shard=plan.dependency
        )

    async def _planned(self, plan_id: str) -> Plan:
        plan = await self.plan(plan_id)
        if plan is None:
            raise _swept(plan_id)
        return plan

    async def amend(self, dependency: str, amended: Amended, *, now_ms: int) -> Route:
        """Change what a route says besides its targets; the route that stands."""

        def work(conn: Connection) -> Route:
            date_anew(conn, now_ms=now_ms)
            route = _route(conn, dependency) or primary_route(dependency)
            found = amended(route)
            if found is None:
                return route
            changed = replace(found[0], version=route.version + 1)
            append_action(conn, found[1])
            put_route(conn, changed)
            return changed

        return await self._db.write(work, durable=True, shard=dependency)
