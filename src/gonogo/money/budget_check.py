"""Will planned work fit its budget, and what became of the money that was held for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from gonogo.answers import BudgetCheck, NextAction, Settlement, rfc3339
from gonogo.errors import ParameterError, UnknownTarget
from gonogo.money.budget_plan import WorkPlan, plan_work
from gonogo.money.budget_request import BudgetRequest
from gonogo.money.budget_verdict import (
    BudgetQuestion,
    check,
    draft,
    offered_calls,
    replayed,
    stated_unit,
)
from gonogo.money.calibration import calibration_note
from gonogo.money.not_counted import all_uncounted, left_money
from gonogo.money.planned_spend import Forecasts, PlannedSpend
from gonogo.money.scopes import (
    NO_TRAFFIC,
    Traffic,
    budget_chain,
    called_in,
    dependencies_of,
    scopes_at,
    stead_of,
    window_of,
)
from gonogo.money.unpriced import unpriced_calls, unpriced_of
from gonogo.ports.booked_costs import KeyedCalls
from gonogo.ports.money import Balance, CallCosts, ClosedReservation, Ledger, ReserveRequest, Scope
from gonogo.records import UNIT_SIZE, Decision, Unit, Verdict
from gonogo.settings import BudgetSettings, Settings
from gonogo.text.budget_summary import settlement_summary

_NAME_CHARS_MAX = 200
_OFFERS_TRIED_MAX = 4
_HOLDS_SHOWN = {"brief": 5, "full": 50}


async def check_budget(
    telemetry: CallCosts,
    ledger: Ledger,
    settings: Settings,
    request: BudgetRequest,
    *,
    traffic: Traffic = NO_TRAFFIC,
    now_ms: int,
    new_id: Callable[[], str],
    entry_of: Callable[[BudgetCheck], Decision] | None = None,
    decision_id: str | None = None,
    forecasts: Forecasts | None = None,
) -> BudgetCheck:
    """Tell the chance that planned work stays within a budget and its parents; hold the money.

    Without a plan, one call is asked about. With `reserve`, the check and the hold are one
    transaction, and the same `idempotency_key` with the same arguments gets the same answer.

    Args:
        telemetry: The calls that the forecast rests on.
        ledger: What was spent and what is held.
        settings: The budgets.
        request: What is asked.
        traffic: Where calls go now: what is called instead of a dependency is priced and counted.
        now_ms: The time.
        new_id: Makes a reservation's id.
        entry_of: Makes the log entry of an answer that holds money or was refused it, in its transaction.
        decision_id: Of that entry; an answer without it was not logged.
        forecasts: Forecasts made before.

    Raises:
        UnknownTarget: No such budget or dependency.
        ParameterError: Money or calls out of range; a key that was used with other arguments.
    """
    chain = _leased(budget_chain(settings, request.budget), request.lease_s)
    key, _ = request.key(), request.plan(chain[0].unit)
    scopes = await scopes_at(ledger, settings, chain, traffic, now_ms=now_ms)
    if key and (before := await _replayed(ledger, settings, request, chain[0], scopes, now_ms)):
        return before
    holds_max = _HOLDS_SHOWN[request.detail]
    look = partial(ledger.balances, scopes, now_ms=now_ms, holds_max=holds_max)
    history = ledger.record(scopes, now_ms=now_ms)
    record, balances = await asyncio.gather(history, look())  # in one trip to the store
    listed = dependencies_of(settings, chain[0], traffic)
    spent_on = await _spent_on(ledger, scopes[0], listed, record.dependencies)
    wanted = await _work_plan(telemetry, settings, request, chain, traffic, spent_on)
    forecast = partial(
        plan_work, telemetry, settings, judged=record.judged, now_ms=now_ms, forecasts=forecasts
    )
    missing = unpriced_calls(telemetry, settings, scopes, record, now_ms=now_ms)
    plan, unpriced = await asyncio.gather(forecast(wanted), missing)
    balances = await look() if unpriced.booked else balances
    holds = request.reserve and bool(plan.grid) and not unpriced.hides_spending
    question = BudgetQuestion(
        chain=chain,
        window=window_of(settings, chain[0], scopes[0], now_ms),
        plan=plan,
        now_ms=now_ms,
        arguments=tuple(request.arguments().items()),
        reservation_id=await _new_hold(ledger, request, new_id, now_ms) if holds else None,
        calibration=calibration_note(record.judged),
        is_mixed=request.is_mixed,
        instead=tuple(sorted(stead_of(settings, listed, traffic.routes).items())),
        decision_id=decision_id if holds and entry_of else None,
        unpriced=unpriced if unpriced.calls else None,
        uncounted=await all_uncounted(ledger, settings, request, scopes[0], traffic, record),
        left=await left_money(ledger, scopes[0], record, balances[0], now_ms=now_ms),
    )
    question = await _tried(question, balances, wanted, forecast)
    hold = _hold(question, request, scopes, entry_of)
    return check(question, balances) if hold is None else await _held(ledger, hold, holds_max)


async def _new_hold(
    ledger: Ledger, request: BudgetRequest, new_id: Callable[[], str], now_ms: int
) -> str:
    key = request.key() if request.run is not None else None
    goes_on = key and await ledger.next_hold(key, request.text(), now_ms=now_ms)
    return goes_on or new_id()


async def _held(ledger: Ledger, hold: ReserveRequest, holds_max: int) -> BudgetCheck:
    """The answer given as the money was held; a second request with the same key gets the first one's answer."""
    answer = BudgetCheck.model_validate_json(await ledger.reserve(hold, holds_max=holds_max))
    key_was_free = answer.reservation is None or answer.reservation.id == hold.reservation_id
    if hold.key is None or key_was_free:
        return answer
    return answer.model_copy(update={"replayed": True})


async def _tried(
    question: BudgetQuestion,
    balances: Sequence[Balance],
    wanted: WorkPlan,
    forecast: Callable[[WorkPlan], Awaitable[PlannedSpend]],
) -> BudgetQuestion:
    """The question with the calls that a failed check may offer: as many as pass when they are asked about.

    The curve that offers them is of the plan that failed, and rough far from it.
    """
    offer = offered_calls(question, balances)
    for _ in range(_OFFERS_TRIED_MAX):
        if offer is None:
            return question
        question = replace(question, offer_max=offer)
        fewer = replace(question, plan=await forecast(replace(wanted, calls=offer)))
        offer = offered_calls(fewer, balances)
    return question


def _leased(chain: tuple[BudgetSettings, ...], lease_s: int | None) -> tuple[BudgetSettings, ...]:
    """The budgets of a request, the first with the hold's own length where one is asked."""
    asked, *above = chain
    if lease_s is None or lease_s >= asked.hold_expires_s:
        return chain
    return replace(asked, hold_expires_s=lease_s), *above


async def _spent_on(
    ledger: Ledger, scope: Scope, listed: tuple[str, ...], own: tuple[str, ...]
) -> tuple[str, ...]:
    """The dependencies that a budget lists, else those called in its name; of a value without calls those of any."""
    names = {*listed} or {*own, *called_in(scope)}
    if not names and scope.segment is not None:
        key = scope.segment.partition("=")[0]
        names = {KeyedCalls.parse(each).dependency for each in await ledger.keyed_names(key)}
    return tuple(sorted(names))


async def _replayed(
    ledger: Ledger,
    settings: Settings,
    request: BudgetRequest,
    budget: BudgetSettings,
    scopes: tuple[Scope, ...],
    now_ms: int,
) -> BudgetCheck | None:
    """The answer that a key in use was given, with the money as it is now."""
    before = await ledger.answered(request.key() or "", request.text(), now_ms=now_ms)
    if before is None:
        return None
    balances = await ledger.balances(scopes[:1], now_ms=now_ms, holds_max=0)
    window = window_of(settings, budget, scopes[0], now_ms)
    return replayed(before, budget, balances[0], window, now_ms=now_ms)


def _entry_of_text(entry_of: Callable[[BudgetCheck], Decision], answer: str) -> Decision:
    return entry_of(BudgetCheck.model_validate_json(answer))


def _hold(
    question: BudgetQuestion,
    request: BudgetRequest,
    scopes: tuple[Scope, ...],
    entry_of: Callable[[BudgetCheck], Decision] | None,
) -> ReserveRequest | None:
    """The hold that a question asks for; None where it only asks."""
    if question.reservation_id is None:
        return None
    asked = question.chain[0]
    return ReserveRequest(
        reservation_id=question.reservation_id,
        budget=asked.name,
        unit=asked.unit,
        scopes=scopes,
        decide=partial(draft, question),
        now_ms=question.now_ms,
        expires_ms=question.now_ms + asked.hold_expires_s * 1000,
        planned_micro_usd=request.plan(asked.unit)[1],
        key=request.key(),
        arguments=request.text(),
        entry_of=partial(_entry_of_text, entry_of) if entry_of else None,
    )


async def _work_plan(
    telemetry: CallCosts,
    settings: Settings,
    request: BudgetRequest,
    chain: tuple[BudgetSettings, ...],
    traffic: Traffic,
    spent_on: tuple[str, ...],
) -> WorkPlan:
    """The planned calls; where they are not stated, the calls that the budget is usually spent on."""
    unit = chain[0].unit
    calls, declared = request.plan(unit)
    name = request.called
    there = {*settings.dependencies, *spent_on}
    if name is not None and name not in there and await telemetry.dependency(name) is None:
        known = [each.name for each in await telemetry.dependencies()]
        advice = "Record observations first, or check the name."
        raise UnknownTarget("dependency", name, {*known, *settings.dependencies}, advice)
    return WorkPlan(
        names=spent_on if name is None else (name,),
        calls=calls,
        work=request.work if request.is_mixed else None,
        routes=traffic.routes,
        declared_micro_usd=declared,
        required=tuple(sorted({each.required_confidence for each in chain})),
        unit=unit,
    )


async def renew_reservation(
    ledger: Ledger, settings: Settings, *, reservation_id: str, now_ms: int
) -> Settlement:
    """Let a hold last as long again: the heartbeat of a job that lives.

    Raises:
        UnknownTarget: There is no such reservation.
        ParameterError: It was closed or has expired.
    """
    budget, until_ms = await ledger.renew(reservation_id, now_ms=now_ms)
    run = await ledger.run_so_far(reservation_id)
    spent = sum(run.costs) if run else 0
    held = run.held_micro_usd if run else 0
    unit: Unit = run.unit if run else "usd"
    size = UNIT_SIZE[unit]
    end = NextAction(
        tool="settle_reservation",
        arguments={"reservation_id": reservation_id},
        reason=f"when the work is done; renew it before {rfc3339(until_ms)} while it goes on",
    )
    renewed = Settlement(
        verdict="go",
        summary="",
        as_of=rfc3339(now_ms),
        reservation_id=reservation_id,
        status="renewed",
        unit=stated_unit(unit),
        held_usd=held / size,
        actual_usd=spent / size,
        overrun_usd=max(spent - held, 0) / size,
        expires_at=rfc3339(until_ms),
        calls=run.calls.calls if run else None,
        unpriced=unpriced_of(run.calls, unit).share if run else None,
        next_actions=[end] if settings.budget(budget) else [],
    )
    return renewed.model_copy(update={"summary": settlement_summary(renewed)})


async def settle_reservation(
    ledger: Ledger,
    settings: Settings,
    *,
    reservation_id: str,
    actual_usd: float | None = None,
    now_ms: int,
    entry_of: Callable[[Settlement, str], Decision] | None = None,
) -> Settlement:
    """Close a reservation at its true cost, even above what was held.

    `actual_usd` is in the unit of its budget. Without it it costs what its observations cost, and is released where they cost nothing.
    Those without a cost and a price are told as such: what it came to is `unknown` then.
    Settling again gives the same answer; a declared cost is final. The log entry that `entry_of` makes
    of the answer and the budget's name is written in the same transaction, and named in the answer;
    settling again writes none.

    Raises:
        UnknownTarget: There is no such reservation.
        ParameterError: The amount is out of range, or another one was declared before.
    """
    if not 1 <= len(reservation_id) <= _NAME_CHARS_MAX:
        raise ParameterError(f"reservation_id must have 1 to {_NAME_CHARS_MAX} characters.")
    closed = await ledger.settle(
        reservation_id,
        actual_usd=actual_usd,
        now_ms=now_ms,
        entry_of=None
        if entry_of is None
        else lambda closed: entry_of(_settlement(closed, settings, now_ms), closed.budget),
    )
    was_closed = entry_of is not None and closed.decision_id is None
    return _settlement(closed, settings, now_ms, replayed=was_closed)


def _settlement(
    closed: ClosedReservation, settings: Settings, now_ms: int, *, replayed: bool = False
) -> Settlement:
    observed = closed.observed_micro_usd or 0
    is_less = closed.actual_micro_usd < observed  # declared, than what its calls are known to cost
    overrun = max(closed.actual_micro_usd - closed.held_micro_usd, 0)
    unpriced, size = unpriced_of(closed.calls, closed.unit), UNIT_SIZE[closed.unit]
    verdict: Verdict = (
        "caution" if overrun or is_less else "unknown" if unpriced.hides_spending else "go"
    )
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
        unit=stated_unit(closed.unit),
        held_usd=closed.held_micro_usd / size,
        actual_usd=closed.actual_micro_usd / size,
        overrun_usd=overrun / size,
        calls=closed.calls.calls or None,
        calls_usd=observed / size if observed not in (0, closed.actual_micro_usd) else None,
        replayed=replayed or None,
        unpriced=unpriced.share,
        # A budget that is no longer configured can be settled, and not asked about.
        next_actions=[look] if settings.budget(closed.budget) else [],
        decision_id=closed.decision_id,
    )
    return settled.model_copy(update={"summary": settlement_summary(settled)})
