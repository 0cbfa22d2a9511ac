"""Whether the budgets that a fallback will draw on carry it until their windows end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.money.amounts import mean_amount
from gonogo.money.scopes import (
    Traffic,
    dependencies_of,
    scopes_at,
    seen_budgets,
    stead_of,
    traffic_now,
)
from gonogo.ports.routes import Check, Route, Weight, is_called, split_version
from gonogo.records import DAY_MS, HOUR_MS, UNIT_SIZE, Unit
from gonogo.settings import PER_DEPENDENCY, BudgetSettings, Settings
from gonogo.text.forms import amount_text

# A target that costs at most so much more than where the calls go now leaves a budget as it was.
_AS_DEAR_MAX = 1.1
# Of the limits of single values (customers) so many are looked at, and of all so many are told.
VALUES_LOOKED_AT = 50
SHOWN_MAX = 4


async def drawn_budgets(
    ports: FallbackPorts, route: Route, after: tuple[Weight, ...], *, now_ms: int
) -> tuple[Check, ...]:
    """A check of the budgets that count where the calls would go; none where no budget does.

    What the calls would cost there until each window ends (of one without an end, a day), at
    their rate of the last day, beside what is left. A budget that pays for them already, and would
    hardly pay more, has no say: staying would use it up as well. A hard budget that is used up
    stops agents; all else leaves the decision to a person.
    """
    if ports.ledger is None or not (ports.settings.budgets or ports.settings.keyed_budgets):
        return ()
    now = await traffic_now(ports.settings, ports.telemetry, ports.routes)
    moved = {route.dependency: replace(route, targets=after)}
    traffic = replace(now, routes={**now.routes, **moved})
    gets = {w.target for w in after} | {split_version(w.target)[0] for w in after}
    every = {**ports.settings.budgets, **_own_limits(ports.settings, gets)}
    every |= await _limits_of_values(ports, traffic)
    drawn = [b for b in every.values() if _counts(ports.settings, b, traffic, gets)]
    if not drawn:
        return ()
    scopes = await scopes_at(ports.ledger, ports.settings, drawn, traffic, now_ms=now_ms)
    balances = await ports.ledger.balances(scopes, now_ms=now_ms, holds_max=0)
    units = {budget.unit for budget in drawn}
    rates = {u: await _rates(ports, route, after, u, now_ms) for u in sorted(units)}
    segments = {budget.segment for budget in drawn}
    calls_an_hour = {s: await _calls_an_hour(ports, route.dependency, s, now_ms) for s in segments}
    from_here = {w.target for w in route.targets}
    found: list[tuple[bool, bool, str]] = []
    for budget, scope, balance in zip(drawn, scopes, balances, strict=True):
        there, here = rates[budget.unit]
        as_dear = there is not None and here is not None and there <= here * _AS_DEAR_MAX
        an_hour = None if there is None else there * calls_an_hour[budget.segment]
        left = budget.limit_micro_usd - balance.spent_micro_usd - balance.held_micro_usd
        until = now_ms + DAY_MS if scope.end_ms is None else scope.end_ms
        needed = None if an_hour is None else an_hour * (until - now_ms) / HOUR_MS
        said = _told(budget, left, needed, ends=scope.end_ms is not None)
        fits = left > 0 and (needed is None or needed <= left)
        if not fits and as_dear and _counts(ports.settings, budget, traffic, from_here):
            fits, said = True, f"{said}, as much as where they go now"
        if budget.segment is not None and (fits or not calls_an_hour[budget.segment]):
            continue  # of many values those alone are told that it would stop
        found.append((fits, budget.hard, said))
    if not found:
        return ()
    passed = all(fits for fits, _, _ in found)
    hard = any(hard and not fits for fits, hard, _ in found)
    shown = [said for fits, _, said in found if passed or not fits]
    left_out = [f"{len(shown) - SHOWN_MAX} more"] if len(shown) > SHOWN_MAX else []
    why = "; ".join((*shown[:SHOWN_MAX], *left_out))
    return (Check("budget", passed, why, "agents" if hard else "never"),)


def _own_limits(settings: Settings, names: set[str]) -> dict[str, BudgetSettings]:
    """The limits of single dependencies, of budgets that are one for each."""
    owners = [each.name for each in settings.keyed_budgets.values() if each.per == PER_DEPENDENCY]
    limits = (settings.budget(f"{owner}/{name}") for owner in owners for name in sorted(names))
    return {limit.name: limit for limit in limits if limit is not None}


def _told(budget: BudgetSettings, left: int, needed: float | None, *, ends: bool) -> str:
    """One budget in words: its rest, and how much of it the calls would take."""
    size, verb = UNIT_SIZE[budget.unit], "cost" if budget.unit == "usd" else "use"
    said = f"{budget.name}: {amount_text(left / size, budget.unit)} left"
    if needed is not None:
        end = "until its window ends" if ends else "in a day"
        about = amount_text(needed / size, budget.unit)
        return f"{said}, these calls would {verb} about {about} {end}"
    return f"{said}, what the calls {verb} there is not known" if left > 0 else said


async def _limits_of_values(ports: FallbackPorts, traffic: Traffic) -> dict[str, BudgetSettings]:
    """The limits of values of segment keys, of the values that were called last."""
    if ports.ledger is None or all(
        b.per == PER_DEPENDENCY for b in ports.settings.keyed_budgets.values()
    ):
        return {}
    seen = await seen_budgets(ports.ledger, ports.settings, traffic)
    limits = [budget for budget in seen if budget.segment is not None]
    return {limit.name: limit for limit in limits[:VALUES_LOOKED_AT]}


def _counts(settings: Settings, budget: BudgetSettings, traffic: Traffic, names: set[str]) -> bool:
    """Whether a budget counts any of these targets; one of a value that lists none counts every one."""
    if budget.segment is not None and not budget.dependencies:
        return True
    return bool(names & _counted(settings, budget, traffic))


def _counted(settings: Settings, budget: BudgetSettings, traffic: Traffic) -> set[str]:
    listed = dependencies_of(settings, budget, traffic)
    return {*listed, *stead_of(settings, listed, traffic.routes)}


async def _calls_an_hour(
    ports: FallbackPorts, dependency: str, segment: str | None, now_ms: int
) -> float:
    """The dependency's calls an hour over the last day, all of them or those in a declared slice."""
    counts = await ports.telemetry.hours(
        dependency,
        segment=segment,
        start_hour=(now_ms - DAY_MS) // HOUR_MS,
        end_hour=now_ms // HOUR_MS + 1,
    )
    return float(counts.n.sum()) * HOUR_MS / DAY_MS


def _mean_of(weights: Sequence[Weight], a_call: Mapping[str, float | None]) -> float | None:
    """The mean cost of a call over targets and shares; None where a price is not known."""
    total, cost = sum(weight.share for weight in weights), 0.0
    for weight in weights:
        own = a_call[weight.target]
        if own is None:
            return None
        cost += weight.share / total * own
    return cost


async def _rates(
    ports: FallbackPorts, route: Route, after: tuple[Weight, ...], unit: Unit, now_ms: int
) -> tuple[float | None, float | None]:
    """The cost of a call where the calls would go, and where they go now."""
    a_call = {
        target: await mean_amount(ports.telemetry, ports.settings, target, unit, now_ms=now_ms)
        if is_called(target)
        else 0.0
        for target in dict.fromkeys(weight.target for weight in (*after, *route.targets))
    }
    return _mean_of(after, a_call), _mean_of(route.targets, a_call)
