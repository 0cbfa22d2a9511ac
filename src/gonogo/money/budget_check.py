"""Will planned work fit its budget, and what became of the money that was held for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from gonogo.answers import BudgetCheck, NextAction, Settlement, rfc3339
from gonogo.errors import ParameterError, UnknownTarget
from gonogo.money.budget_plan import PLANNED_CALLS_MAX, Forecasts, plan_work
from gonogo.money.budget_verdict import BudgetQuestion, check, draft
from gonogo.money.calibration import calibration_note
from gonogo.money.windows import window_at
from gonogo.ports.micro import micro_usd
from gonogo.ports.money import BudgetRecord, ReserveRequest, Scope
from gonogo.records import MICRO, Dependency, Verdict
from gonogo.text.budget_summary import settlement_summary

if TYPE_CHECKING:
    from gonogo.ports.money import CallCosts, Ledger
    from gonogo.settings import BudgetSettings, Settings

_NAME_CHARS_MAX = 200
_HOLDS_SHOWN = {"brief": 5, "full": 50}


async def check_budget(
    telemetry: CallCosts,
    ledger: Ledger,
    settings: Settings,
    *,
    budget: str,
    dependency: str | None = None,
    planned_calls: int | None = None,
    planned_cost_usd: float | None = None,
    reserve: bool = False,
    idempotency_key: str | None = None,
    now_ms: int,
    new_id: Callable[[], str],
    detail: Literal["brief", "full"] = "brief",
    forecasts: Forecasts | None = None,
) -> BudgetCheck:
    """Tell the chance that planned work stays within a budget and its parents; hold the money.

    Without a plan, one call is asked about. With `reserve`, the check and the hold are one
    transaction, and the same `idempotency_key` with the same arguments gets the same answer.

    Args:
        telemetry: The calls that the forecast rests on.
        ledger: What was spent and what is held.
        settings: The budgets.
        budget: Its name.
        dependency: What will be called; without it, what the budget is spent on, as mixed lately.
        planned_calls: How many calls, retries included.
        planned_cost_usd: What the work is expected to cost in total.
        reserve: Hold the money if the check passes.
        idempotency_key: Names this reservation, so that asking again holds nothing twice.
        now_ms: The time.
        new_id: Makes a reservation's id.
        detail: How many other holds are listed: 5 or 50.
        forecasts: Forecasts made before.

    Raises:
        UnknownTarget: No such budget or dependency.
        ParameterError: Money or calls out of range; a key that was used with other arguments.
    """
    chain = budget_chain(settings, budget)
    calls, declared = _checked_plan(planned_calls, planned_cost_usd)
    arguments = _arguments(budget, dependency, planned_calls, planned_cost_usd)
    told = json.dumps(arguments, sort_keys=True)
    key = _checked_key(idempotency_key) if reserve else None
    if key is not None and (before := await ledger.answered(key, told)) is not None:
        return BudgetCheck.model_validate_json(before)
    scopes = tuple(scope_at(settings, each, now_ms) for each in chain)
    record = await ledger.record(scopes[0].members)
    plan = await plan_work(
        telemetry,
        settings,
        await _dependencies(telemetry, settings, scopes[0], record, dependency),
        calls=calls,
        declared_micro_usd=declared,
        required=tuple(sorted({each.required_confidence for each in chain})),
        judged=record.judged,
        now_ms=now_ms,
        forecasts=forecasts,
    )
    question = BudgetQuestion(
        chain=chain,
        window=window_at(chain[0], settings.timezone, now_ms),
        plan=plan,
        now_ms=now_ms,
        arguments=tuple(arguments.items()),
        reservation_id=new_id() if reserve and plan.grid else None,
        calibration=calibration_note(record.judged),
    )
    holds_max = _HOLDS_SHOWN[detail]
    if question.reservation_id is None:
        return check(question, await ledger.balances(scopes, now_ms=now_ms, holds_max=holds_max))
    request = _request(question, question.reservation_id, scopes, declared, key=key, told=told)
    return BudgetCheck.model_validate_json(await ledger.reserve(request, holds_max=holds_max))


def _request(
    question: BudgetQuestion,
    reservation_id: str,
    scopes: tuple[Scope, ...],
    declared: int | None,
    *,
    key: str | None,
    told: str,
) -> ReserveRequest:
    asked = question.chain[0]
    return ReserveRequest(
        reservation_id=reservation_id,
        budget=asked.name,
        scopes=scopes,
        decide=partial(draft, question),
        now_ms=question.now_ms,
        expires_ms=question.now_ms + asked.hold_expires_s * 1000,
        planned_micro_usd=declared,
        key=key,
        arguments=told,
    )


def budget_chain(settings: Settings, name: str) -> tuple[BudgetSettings, ...]:
    """A budget and its ancestors, nearest first. A cycle ends where it closes.

    Raises:
        UnknownTarget: There is no such budget.
    """
    chain: dict[str, BudgetSettings] = {}
    at: str | None = name
    while at is not None and at not in chain:
        found = settings.budgets.get(at)
        if found is None:
            advice = "Add [budgets.NAME] to gonogo.toml, or check the name."
            raise UnknownTarget("budget", at, settings.budgets, advice)
        chain[at] = found
        at = found.parent
    return tuple(chain.values())


def scope_at(settings: Settings, budget: BudgetSettings, now_ms: int) -> Scope:
    """A budget as the ledger counts it at a time: its descendants, dependencies and window."""
    members = {budget.name}
    while True:
        children = {b.name for b in settings.budgets.values() if b.parent in members} - members
        if not children:
            break
        members |= children
    dependencies = {name for each in members for name in settings.budgets[each].dependencies}
    window = window_at(budget, settings.timezone, now_ms)
    return Scope(
        budget.name,
        tuple(sorted(members)),
        tuple(sorted(dependencies)),
        window.start_ms,
        window.end_ms,
    )


def _checked_plan(calls: int | None, cost_usd: float | None) -> tuple[int | None, int | None]:
    if calls is not None and not 1 <= calls <= PLANNED_CALLS_MAX:
        raise ParameterError(f"planned_calls must be from 1 to {PLANNED_CALLS_MAX}, not {calls}.")
    declared = None if cost_usd is None else micro_usd(cost_usd, name="planned_cost_usd")
    if calls is None and declared is None:
        calls = 1
    return calls, declared


def _checked_key(key: str | None) -> str | None:
    if key is not None and not 1 <= len(key) <= _NAME_CHARS_MAX:
        raise ParameterError(f"idempotency_key must have 1 to {_NAME_CHARS_MAX} characters.")
    return key


def _arguments(
    budget: str, dependency: str | None, calls: int | None, cost_usd: float | None
) -> dict[str, object]:
    given = {
        "budget": budget,
        "dependency": dependency,
        "planned_calls": calls,
        "planned_cost_usd": cost_usd,
    }
    return {name: value for name, value in given.items() if value is not None}


async def _dependencies(
    telemetry: CallCosts,
    settings: Settings,
    scope: Scope,
    record: BudgetRecord,
    dependency: str | None,
) -> list[Dependency]:
    if dependency is None:
        names: Sequence[str] = scope.dependencies or record.dependencies
        found = [await telemetry.dependency(name) for name in names]
        return [known for known in found if known is not None]
    known = await telemetry.dependency(dependency)
    if known is not None:
        return [known]
    if dependency in settings.dependencies or dependency in scope.dependencies:
        return []
    names = [each.name for each in await telemetry.dependencies()]
    advice = "Record observations first, or check the name."
    raise UnknownTarget("dependency", dependency, {*names, *settings.dependencies}, advice)


async def settle_reservation(
    ledger: Ledger,
    settings: Settings,
    *,
    reservation_id: str,
    actual_usd: float | None = None,
    now_ms: int,
) -> Settlement:
    """Close a reservation at its true cost, even above what was held.

    Without `actual_usd` it costs what its observations cost, and is released where there are none.
    Settling again gives the same answer; a declared cost is final.

    Raises:
        UnknownTarget: There is no such reservation.
        ParameterError: The amount is out of range, or another one was declared before.
    """
    if not 1 <= len(reservation_id) <= _NAME_CHARS_MAX:
        raise ParameterError(f"reservation_id must have 1 to {_NAME_CHARS_MAX} characters.")
    actual = None if actual_usd is None else micro_usd(actual_usd, name="actual_usd")
    closed = await ledger.settle(reservation_id, actual_micro_usd=actual, now_ms=now_ms)
    overrun = max(closed.actual_micro_usd - closed.held_micro_usd, 0)
    verdict: Verdict = "caution" if overrun else "go"
    look = NextAction(
        tool="check_budget_with_confidence",
        arguments={"budget": closed.budget},
        reason="see what remains",
    )
    settled = Settlement(
        verdict=verdict,
        summary="",
        as_of=rfc3339(now_ms),
        reservation_id=closed.id,
        status=closed.status,
        held_usd=closed.held_micro_usd / MICRO,
        actual_usd=closed.actual_micro_usd / MICRO,
        overrun_usd=overrun / MICRO,
        # A budget that is no longer configured can be settled, and not asked about.
        next_actions=[look] if closed.budget in settings.budgets else [],
    )
    return settled.model_copy(update={"summary": settlement_summary(settled)})
