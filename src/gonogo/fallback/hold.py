"""A person holds a route where it is: no agent and no automation changes it until it is let go."""

from __future__ import annotations

import json
from dataclasses import replace

from gonogo.answers import rfc3339
from gonogo.errors import ParameterError, plain
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.plan import REASON_CHARS_MAX
from gonogo.fallback.route import refuse_unknown
from gonogo.hours.periods import moment
from gonogo.ports.routes import Route
from gonogo.records import Decision
from gonogo.text.forms import actor_name


async def hold_route(
    ports: FallbackPorts,
    dependency: str,
    *,
    reason: str | None,
    until: str | None = None,
    actor: str,
    now_ms: int,
) -> Route:
    """Hold a route where it is, or let it go (no `reason`). Logged as an action.

    Args:
        ports: The routes, and the telemetry that knows names.
        settings: The zone of `until`, and configured names.
        dependency: The primary's name.
        reason: Why; None lets the route go.
        until: A date or time at which the hold ends by itself; without one it stays.
        actor: Who says so.
        now_ms: Epoch milliseconds.

    Raises:
        ParameterError: The reason is empty, or `until` is no time ahead.
        UnknownTarget: Nothing is known of the dependency.
    """
    if await ports.routes.route(dependency) is None:
        await refuse_unknown(ports.telemetry, ports.settings, dependency)
    said, until_ms = None, None
    if reason is not None:
        said = plain(reason.strip(), REASON_CHARS_MAX)
        if not said:
            raise ParameterError("A hold needs a reason: others will read why the route is stuck.")
    if until is not None:
        until_ms = moment(until, name="until", zone=ports.settings.timezone).start_ms
        if until_ms <= now_ms:
            raise ParameterError(f"until {plain(until, 60)} has passed: name a time ahead.")
    end = "" if until_ms is None else f" until {rfc3339(until_ms)}"
    told = f"held{end}: {said}" if said else "let go"
    entry = Decision(
        id=ports.new_id(),
        ts_ms=now_ms,
        kind="hold",
        verdict=None,
        summary=f"{actor_name(actor)}: the route of {dependency} is {told}",
        inputs=json.dumps({"dependency": dependency, "hold": said, "until": until}),
        answer=json.dumps({"held": said, "held_until_ms": until_ms}),
        action=True,
        dependency=dependency,
        actor=actor,
        settings_digest=ports.settings.digest,
    )

    def amended(route: Route) -> tuple[Route, Decision] | None:
        same = (route.held, route.held_until_ms) == (said, until_ms)
        return None if same else (replace(route, held=said, held_until_ms=until_ms), entry)

    return await ports.routes.amend(dependency, amended, now_ms=now_ms)
