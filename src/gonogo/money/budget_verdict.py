"""The verdict on planned work against balances, and its wording. Pure and quick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.answers import (
    Binding,
    BudgetCheck,
    Calibration,
    Days,
    Hold,
    NextAction,
    NotCounted,
    OtherHold,
    Substitute,
    UnconfiguredHold,
    UnpricedShare,
    Window,
    rfc3339,
)
from gonogo.money.not_counted import UncountedCalls
from gonogo.money.planned_spend import KEPT, PlannedSpend, UnpricedCalls
from gonogo.money.windows import WindowSpan
from gonogo.ports.money import Balance, Draft, LeftHold, Replay
from gonogo.records import UNIT_SIZE, Unit, Verdict
from gonogo.settings import BudgetSettings
from gonogo.text.budget_summary import budget_summary, unknown_budget_summary
from gonogo.text.forms import UNIT_WORDS
from gonogo.text.row_notes import age_s

TOOL = "check_budget_with_confidence"
OFFERED_SHARE = 0.97


@dataclass(frozen=True, slots=True)
class BudgetQuestion:
    """All that a verdict needs but the balances, which a transaction adds.

    `chain` is the budget that was asked about and its ancestors; a hold is made where
    `reservation_id` is given.
    """

    chain: tuple[BudgetSettings, ...]
    window: WindowSpan
    plan: PlannedSpend
    now_ms: int
    arguments: tuple[tuple[str, object], ...]
    reservation_id: str | None = None
    calibration: Calibration | None = None
    is_mixed: bool = False  # calls are stated by dependency, which the tool's arguments cannot say
    unpriced: UnpricedCalls | None = None  # called in the window, without a price
    instead: tuple[tuple[str, str], ...] = ()  # counts too, and in whose stead
    uncounted: tuple[UncountedCalls, ...] = ()  # near names that the budget does not count
    left: tuple[LeftHold, ...] = ()  # held or spent for budgets that are no longer configured
    decision_id: str | None = None  # of the log entry that a hold is written with
    offer_max: int | None = None  # the most calls that a failed check may offer


@dataclass(frozen=True, slots=True)
class _Judgement:
    """The numbers of a verdict."""

    passed: bool
    confidence: float
    required: float
    remaining: tuple[int, ...]  # of each budget of the chain
    binding: int  # index of the budget with the least left
    calls_that_would_pass: int | None
    hold: int | None = None
    capped: bool = False
    worst: int | None = None  # the worst case, where a hard budget cannot hold it


def stated_unit(unit: Unit) -> Unit | None:
    """The unit as answers state it: money is what they are in where none is stated."""
    return None if unit == "usd" else unit


def draft(question: BudgetQuestion, balances: Sequence[Balance]) -> Draft:
    """Decide on balances: the answer, and what to hold if holding was asked for and passed."""
    found = _judge(question, balances)

    def answer() -> str:
        return _answer(question, balances, found).model_dump_json(exclude_none=True)

    return Draft(
        answer,
        found.hold,
        found.confidence,
        found.remaining[found.binding],
    )


def check(question: BudgetQuestion, balances: Sequence[Balance]) -> BudgetCheck:
    """The verdict without holding anything; `unknown` where nothing can be forecast and something is left."""
    hidden = question.unpriced is not None and question.unpriced.hides_spending
    if hidden or not question.plan.grid:
        return _unknown(question, balances)
    return _answer(question, balances, _judge(question, balances))


def offered_calls(question: BudgetQuestion, balances: Sequence[Balance]) -> int | None:
    """The calls that would pass, by a failed check's quick curve; None where it passes, offers none or knows them."""
    if not question.plan.grid or question.plan.is_exact or question.is_mixed:
        return None
    found = _judge(question, balances)
    return None if found.passed else found.calls_that_would_pass or None


def _judge(question: BudgetQuestion, balances: Sequence[Balance]) -> _Judgement:
    plan, chain = question.plan, question.chain
    remaining = _remaining(chain, balances)
    binding = min(range(len(chain)), key=lambda i: remaining[i])
    failed = [
        budget
        for budget, left in zip(chain, remaining, strict=True)
        if plan.chance_within(left) < budget.required_confidence
    ]
    # A hard budget passes only what it can hold at its worst: a check says what a hold would.
    hard = [left for budget, left in zip(chain, remaining, strict=True) if budget.hard]
    worst = plan.worst_micro_usd if hard and plan.worst_micro_usd > min(hard) else None
    passed = not failed and worst is None
    found = _Judgement(
        passed=passed,
        confidence=plan.chance_within(remaining[binding]),
        required=max((b.required_confidence for b in failed), default=chain[0].required_confidence),
        remaining=remaining,
        binding=binding,
        calls_that_would_pass=_calls_that_would_pass(question, remaining, passed=passed),
        worst=None if failed else worst,
    )
    if question.reservation_id is None or not passed:
        return found
    held, wanted = _to_hold(question, remaining)
    return replace(found, hold=held, capped=held < wanted)


def _to_hold(question: BudgetQuestion, remaining: Sequence[int]) -> tuple[int, int]:
    """The amount that a hold for the plan takes, at most what is left, and the amount that it wants."""
    plan = question.plan
    is_hard = any(budget.hard for budget in question.chain)
    wanted = plan.worst_micro_usd if is_hard else plan.hold_micro_usd
    return min(wanted, max(min(remaining), 0)), wanted


def _remaining(chain: Sequence[BudgetSettings], balances: Sequence[Balance]) -> tuple[int, ...]:
    """The part of each budget's limit that is neither spent nor held; below 0 where more than all is."""
    return tuple(
        budget.limit_micro_usd - held.spent_micro_usd - held.held_micro_usd
        for budget, held in zip(chain, balances, strict=True)
    )


def _calls_that_would_pass(
    question: BudgetQuestion, remaining: tuple[int, ...], *, passed: bool
) -> int | None:
    plan = question.plan
    declared = "planned_cost_usd" in dict(question.arguments)
    if plan.calls is None or not plan.curves or (declared and not passed):
        return None  # a declared total stays what it is with fewer calls
    curves = dict(plan.curves)
    calls = min(
        curves[budget.required_confidence].calls_within(left)
        for budget, left in zip(question.chain, remaining, strict=True)
    )
    # The curve is interpolated and every forecast is drawn anew, to about a point of probability:
    # the offer is shaded by more than that, and what is offered is asked before it is said.
    if not plan.is_exact:
        calls = max(min(calls, 1), math.floor(OFFERED_SHARE * calls))
    if question.offer_max is not None and not passed:
        calls = min(calls, question.offer_max)
    hard = [left for b, left in zip(question.chain, remaining, strict=True) if b.hard]
    if hard and plan.worst_call_micro_usd:
        calls = min(calls, max(math.floor(min(hard) / plan.worst_call_micro_usd), 0))
    return max(calls, plan.calls) if passed else min(calls, plan.calls - 1)


def _answer(
    question: BudgetQuestion, balances: Sequence[Balance], found: _Judgement
) -> BudgetCheck:
    plan, size = question.plan, UNIT_SIZE[question.chain[0].unit]
    verdict: Verdict = "go" if found.passed else "no_go"
    hold = None
    if found.hold is not None and question.reservation_id is not None:
        expires_ms = question.now_ms + question.chain[0].hold_expires_s * 1000
        hold = Hold(
            id=question.reservation_id,
            held_usd=found.hold / size,
            expires_at=rfc3339(expires_ms),
        )
    parent = question.chain[found.binding]
    binding = (
        Binding(budget=parent.name, remaining_usd=found.remaining[found.binding] / size)
        if found.binding
        else None
    )
    confidence = round(found.confidence, 4)
    if not found.passed and found.confidence < found.required <= confidence:
        confidence -= 1e-4  # what fails does not read as what is required
    answer = _base(question, balances, verdict, "").model_copy(
        update={
            "passed": found.passed,
            "confidence": confidence,
            "required_confidence": found.required,
            "projected_usd": plan.quantile(0.5) / size,
            "projected_interval80_usd": (plan.quantile(0.1) / size, plan.quantile(0.9) / size),
            "worst_case_usd": None if found.worst is None else found.worst / size,
            "calls_that_would_pass": found.calls_that_would_pass,
            "binding": binding,
            "reservation": hold,
            "hold_capped": True if found.capped else None,
            "next_actions": _next_actions(question, found, hold),
        }
    )
    return answer.model_copy(update={"summary": budget_summary(answer)})


def _base(
    question: BudgetQuestion, balances: Sequence[Balance], verdict: Verdict, summary: str
) -> BudgetCheck:
    budget, own, plan = question.chain[0], balances[0], question.plan
    asked = dict(question.arguments)
    name, cost_usd = asked.get("dependency"), asked.get("planned_cost_usd")
    newest, size = plan.newest_ts_ms, UNIT_SIZE[budget.unit]
    remaining = budget.limit_micro_usd - own.spent_micro_usd - own.held_micro_usd
    return BudgetCheck(
        verdict=verdict,
        summary=summary,
        as_of=rfc3339(question.now_ms),
        data_age_s=age_s(newest, question.now_ms),
        budget=budget.name,
        unit=stated_unit(budget.unit),
        required_confidence=budget.required_confidence,
        limit_usd=budget.limit_micro_usd / size,
        spent_usd=own.spent_micro_usd / size,
        held_usd=own.held_micro_usd / size,
        remaining_usd=remaining / size,
        dependency=name if isinstance(name, str) else None,
        planned_calls=plan.calls,
        planned_cost_usd=cost_usd if isinstance(cost_usd, float | int) else None,
        window=_window(question.window),
        n=plan.n,
        regime_start=None if plan.regime_start_ms is None else rfc3339(plan.regime_start_ms),
        method=plan.method,
        others_hold=[
            OtherHold(held_usd=h.held_micro_usd / size, expires_at=rfc3339(h.expires_ms))
            for h in own.holds
        ]
        or None,
        unconfigured=_unconfigured(question.left) or None,
        also_counts=[Substitute(dependency=name, instead_of=of) for name, of in question.instead]
        or None,
        not_counted=[NotCounted(listed=a, recorded=b) for a, b in question.uncounted] or None,
        unpriced=_unpriced(question),
        days=Days(seen=plan.days[0], ahead=plan.days[1]) if plan.days[1] else None,
        calibration=question.calibration,
        decision_id=question.decision_id,
    )


def replayed(
    before: Replay, budget: BudgetSettings, balance: Balance, window: WindowSpan, *, now_ms: int
) -> BudgetCheck:
    """An earlier answer to a key, marked as such, with the money as it is now."""
    answer = BudgetCheck.model_validate_json(before.answer)
    others = balance.held_micro_usd - before.held_micro_usd
    hold, size = answer.reservation, UNIT_SIZE[budget.unit]
    told = answer.model_copy(
        update={
            "as_of": rfc3339(now_ms),
            "replayed": True,
            "limit_usd": budget.limit_micro_usd / size,
            "spent_usd": balance.spent_micro_usd / size,
            "held_usd": others / size,
            "remaining_usd": (budget.limit_micro_usd - balance.spent_micro_usd - others) / size,
            "window": _window(window),
            "reservation": hold
            and hold.model_copy(
                update={
                    "held_usd": before.held_micro_usd / size,  # what its calls have left of it
                    "expires_at": rfc3339(before.expires_ms),
                }
            ),
            "others_hold": None,
        }
    )
    return told.model_copy(update={"summary": budget_summary(told)})


def _unconfigured(left: Sequence[LeftHold]) -> list[UnconfiguredHold]:
    return [
        UnconfiguredHold(
            budget=each.budget,
            unit=stated_unit(each.unit),
            held_usd=each.held_micro_usd / UNIT_SIZE[each.unit],
            expires_at=None if each.expires_ms is None else rfc3339(each.expires_ms),
            spent_usd=each.spent_micro_usd / UNIT_SIZE[each.unit] or None,
        )
        for each in left
    ]


def _unpriced(question: BudgetQuestion) -> UnpricedShare | None:
    """The calls of the window that have no price, and what the forecast leaves out for them."""
    found, plan = question.unpriced, question.plan
    said = [why for why in (found.why if found else plan.unpriced, plan.free) if why]
    if not said:
        return None
    return UnpricedShare(
        calls=found.calls if found else 0, tokens=found.tokens if found else 0, why=" ".join(said)
    )


def _window(window: WindowSpan) -> Window:
    return Window(
        kind=window.kind,
        start=None if window.start_ms is None else rfc3339(window.start_ms),
        end=None if window.end_ms is None else rfc3339(window.end_ms),
    )


def _unknown(question: BudgetQuestion, balances: Sequence[Balance]) -> BudgetCheck:
    plan = question.plan
    hidden = question.unpriced is not None and question.unpriced.hides_spending
    words = UNIT_WORDS[question.chain[0].unit]
    spent = f"what was spent is not known: too many calls have {words.lacks} "
    why = f"{spent}(`unpriced` says which)." if hidden else plan.missing
    why = why or "no call was planned and no cost declared."
    answer = _base(question, balances, "unknown", "")
    over = _first_overdrawn(question, balances)
    if over is not None:
        # Whatever more costs, and whatever was spent besides: it does not fit.
        told = {
            "verdict": "no_go",
            "passed": False,
            "confidence": 0.0,
            "binding": over if over.budget != question.chain[0].name else None,
        }
        answer = answer.model_copy(update=told)
    summary = unknown_budget_summary(answer, why)
    look = NextAction(
        tool="list_dependencies",
        arguments={},
        reason="see which dependencies have recorded observations",
    )
    # What has no price is named; no list of names has one.
    actions = [] if hidden or plan.unpriced else [look]
    return answer.model_copy(update={"summary": summary, "next_actions": actions})


def _first_overdrawn(question: BudgetQuestion, balances: Sequence[Balance]) -> Binding | None:
    """The first budget of the chain of which more than all is spent or held."""
    for budget, left in zip(question.chain, _remaining(question.chain, balances), strict=True):
        if left < 0:
            return Binding(budget=budget.name, remaining_usd=left / UNIT_SIZE[budget.unit])
    return None


def _next_actions(
    question: BudgetQuestion, found: _Judgement, hold: Hold | None
) -> list[NextAction]:
    if hold is not None:
        settle = NextAction(
            tool="settle_reservation",
            arguments={"reservation_id": hold.id},
            reason=f"when the work is done: book what its calls cost, recorded with "
            f"reservation={hold.id} (else pass `actual_usd`), and free the rest",
        )
        return [settle]
    if found.passed:
        asked, unit = _asked_to_hold(question, found), question.chain[0].unit
        what = (
            "the money, so that nobody else can spend it first"
            if unit == "usd"
            else f"the {unit}, so that nobody else can use them first"
        )
        told = NextAction(tool=TOOL, arguments=asked | {"reserve": True}, reason=f"hold {what}")
        return [told] if asked else []
    if question.is_mixed or not found.calls_that_would_pass:
        return []
    asked = dict(question.arguments) | {"planned_calls": found.calls_that_would_pass}
    return [NextAction(tool=TOOL, arguments=asked, reason="as many calls as would pass now")]


def _asked_to_hold(question: BudgetQuestion, found: _Judgement) -> dict[str, object]:
    """The arguments that hold what passed; none where nothing is planned."""
    asked = dict(question.arguments)
    if not question.is_mixed:
        return asked if {"planned_calls", "planned_cost_usd"} & asked.keys() else {}
    # What its parts cost together, held as one amount, as a hold for one of them would be.
    held = _to_hold(question, found.remaining)[0]
    if not held or max(budget.required_confidence for budget in question.chain) > KEPT:
        return {}  # there is nothing to hold, or an amount alone would not pass
    size = UNIT_SIZE[question.chain[0].unit]
    return {"budget": asked["budget"], "planned_cost_usd": held / size}
