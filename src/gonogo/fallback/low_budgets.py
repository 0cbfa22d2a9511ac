"""A route, with the cheaper target beside it where a budget of its calls runs low."""

from __future__ import annotations

from gonogo.answers import RouteAnswer
from gonogo.errors import plain
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.route import get_route
from gonogo.money.scopes import dependencies_of, scopes_at, traffic_now
from gonogo.money.step_down import LOW_SHARE, cheaper_target, stepped_down
from gonogo.settings import Settings
from gonogo.text.budget_summary import step_down_text


async def recommended_route(
    ports: FallbackPorts,
    settings: Settings,
    *,
    dependency: str,
    key: str | None = None,
    draw: float = 0.0,
    now_ms: int,
) -> RouteAnswer:
    """Which target to call now, as `get_route`; a recommendation changes nothing of that."""
    route = await get_route(
        ports, settings, dependency=dependency, key=key, draw=draw, now_ms=now_ms
    )
    stepping = [b for b in settings.budgets.values() if b.on_low == "step_down"]
    if ports.ledger is None or not stepping:
        return route
    traffic = await traffic_now(settings, ports.telemetry, ports.routes)
    for budget in stepping:
        if dependency not in dependencies_of(settings, budget, traffic):
            continue
        scopes = await scopes_at(ports.ledger, settings, (budget,), traffic, now_ms=now_ms)
        [balance] = await ports.ledger.balances(scopes, now_ms=now_ms, holds_max=0)
        used = balance.spent_micro_usd + balance.held_micro_usd
        if used < LOW_SHARE * budget.limit_micro_usd:
            continue
        found = await cheaper_target(
            ports.telemetry, settings, budget.name, traffic, of=dependency, now_ms=now_ms
        )
        if found is not None:
            step, plan = stepped_down(found, budget.name)
            said = step_down_text(step, None if budget.unit == "usd" else budget.unit)
            return route.model_copy(
                update={
                    "step_down": step,
                    "summary": f"{route.summary} Budget {plain(budget.name, 80)}: {said}",
                    "next_actions": [plan, *route.next_actions][:3],
                }
            )
    return route
