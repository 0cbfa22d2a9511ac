"""Routes and plans as rows, and as the texts that their columns hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import Check, Plan, Recovery, Route, Weight
from gonogo.store.engine import Connection
from gonogo.store.readable import readable

_ROUTE = (
    "dependency, targets, epoch, version, salt, why, changed_ms, expires_ms, held, incident_id,"
    " audit_id, held_until_ms, renewals, recovery"
)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _ROUTE.split(", ")[1:])


def routes_of(connection: Connection, dependency: str | None = None) -> list[Route]:
    """Every route, or the one of a dependency, with its times as they are stored."""
    one = "" if dependency is None else "WHERE dependency = ?"
    bound = () if dependency is None else (dependency,)
    rows = connection.execute(
        f"SELECT {_ROUTE} FROM route {one} ORDER BY dependency",  # noqa: S608 - constant columns
        bound,
    )
    return [_route_of_row(row) for row in rows.fetchall()]


def put_route(connection: Connection, route: Route) -> None:
    """Write a route in its row's place."""
    connection.execute(
        f"INSERT INTO route ({_ROUTE}) VALUES ({', '.join('?' * 14)}) "  # noqa: S608 - constant columns
        f"ON CONFLICT (dependency) DO UPDATE SET {_REPLACED}",
        (
            route.dependency,
            _weights_json(route.targets),
            route.epoch,
            route.version,
            route.salt,
            route.why,
            route.changed_ms,
            route.expires_ms,
            route.held,
            route.incident_id,
            route.audit_id,
            route.held_until_ms,
            route.renewals,
            _ways_json(route),
        ),
    )


def _weights_json(weights: Iterable[Weight]) -> str:
    """Targets and shares."""
    return json.dumps([[weight.target, weight.share] for weight in weights])


def _weights(pairs: list[list[object]]) -> tuple[Weight, ...]:
    return tuple(Weight(str(target), int(str(share))) for target, share in pairs)


def _ways_json(route: Route) -> str | None:
    """The way back, and the way forward: the former alone is the list that it always was."""
    back = _recovery_values(route.recovery)
    if route.promotion is None:
        return None if back is None else json.dumps(back)
    return json.dumps({"recovery": back, "promotion": asdict(route.promotion)})


def _recovery_values(recovery: Recovery | None) -> list[object] | None:
    if recovery is None:
        return None
    pairs = [[weight.target, weight.share] for weight in recovery.fallback]
    return [pairs, recovery.fell_ms, recovery.since_ms, recovery.tried]


def _recovery(values: Any) -> Recovery | None:  # noqa: ANN401 - parsed JSON of `_recovery_values`
    return None if values is None else Recovery(_weights(values[0]), *values[1:])


def _promotion(values: Any) -> Promotion | None:  # noqa: ANN401 - parsed JSON of a Promotion
    if values is None:
        return None
    stages = tuple((since_ms, stage) for since_ms, stage in values["stages"])
    asked_by = tuple(values.get("asked_by", ()))
    return Promotion(**{**values, "stages": stages, "asked_by": asked_by})


def _route_of_row(row: tuple[Any, ...]) -> Route:
    """A route from its columns, the ways last."""
    *stored, ways = row
    with readable(f"The route of {stored[0]}"):
        route = Route(stored[0], _weights(json.loads(stored[1])), *stored[2:])
        found = json.loads(ways or "null")
        if not isinstance(found, dict):
            return replace(route, recovery=_recovery(found))
        promotion = _promotion(found["promotion"])
        return replace(route, recovery=_recovery(found["recovery"]), promotion=promotion)


def body_of(plan: Plan) -> str:
    """The parts of a plan that have no column of their own."""
    back = _recovery_values(plan.returns)
    return json.dumps(
        {
            "before": [[w.target, w.share] for w in plan.before],
            "after": [[w.target, w.share] for w in plan.after],
            "reason": plan.reason,
            "checks": [[c.check, c.passed, c.why, c.blocks] for c in plan.checks],
            "approval": plan.approval,
            "answer": plan.answer,
            "returns": None if back is None else json.dumps(back),
            "evidence": plan.evidence,
            "asked": plan.asked,
            "asked_by": plan.asked_by,
            "home": plan.home,
            "salt": plan.salt,
            "promotes": None if plan.promotes is None else asdict(plan.promotes),
        }
    )


def plan_of_row(row: tuple[str, str, int, int, int, str, *tuple[object, ...]]) -> Plan:
    """A plan from its columns."""
    with readable(f"Plan {row[0]}"):
        return _plan_of_row(row)


def _plan_of_row(row: tuple[str, str, int, int, int, str, *tuple[object, ...]]) -> Plan:
    body = json.loads(row[5])
    plan = Plan(
        id=row[0],
        dependency=row[1],
        created_ms=row[2],
        expires_ms=row[3],
        route_version=row[4],
        before=_weights(body["before"]),
        after=_weights(body["after"]),
        reason=body["reason"],
        checks=tuple(Check(*check) for check in body["checks"]),
        approval=body["approval"],
        answer=body["answer"],
        returns=_recovery(json.loads(body.get("returns") or "null")),
        evidence=body.get("evidence", ""),
        asked=body.get("asked", ""),
        asked_by=body.get("asked_by", ""),
        home=body.get("home", ""),
        salt=body.get("salt", ""),
        promotes=_promotion(body.get("promotes")),
    )
    rest = ("idempotency_key", "undoes", "state", "audit_id", "epoch", "result")
    return replace(plan, **dict(zip(rest, row[6:], strict=True)))  # type: ignore[arg-type]  # STRICT columns
