"""The words of a budget check and a settlement, written from the answer itself."""

from __future__ import annotations

from functools import partial

from gonogo.answers import BudgetCheck, RunReport, Settlement, StepDown, UnconfiguredHold
from gonogo.errors import plain
from gonogo.records import Unit
from gonogo.text.forms import UNIT_WORDS, amount_span, amount_text, counted, minute, percent

# Up to here a forecast of another day rests on a prior.
DAYS_UNKNOWN_MAX = 2
# Of budgets that are no longer configured.
LEFT_NAMED = 3


def budget_summary(check: BudgetCheck) -> str:
    """One or two sentences: the verdict with its numbers, then what else decides or is held.

    It is written from the finished check, passed or not, whose own summary is not read.
    """
    money = partial(amount_text, unit=check.unit or "usd")
    words = UNIT_WORDS[check.unit or "usd"]
    chance = percent(check.confidence or 0.0, apart_from=check.required_confidence)
    if check.passed:
        told = f"Budget check passed with {chance} confidence: "
    elif check.worst_case_usd is not None:
        told = (
            f"Budget check failed: the worst case of {money(check.worst_case_usd)} does not fit this hard "
            f"budget ({chance} confidence): "
        )
    else:
        required = percent(check.required_confidence)
        told = f"Budget check failed: {chance} confidence, {required} required: "
    told += f"remaining budget {money(check.remaining_usd)}, "
    told += f"{words.projected} {money(check.projected_usd or 0.0)}"
    low, high = check.projected_interval80_usd or (0.0, 0.0)
    if low != high or (check.planned_calls is not None and check.unit != "calls"):
        told += f" (80% interval {amount_span(low, high, check.unit or 'usd')})"
    if check.planned_calls is not None:
        is_said = check.unit == "calls" and check.projected_usd == check.planned_calls
        told += "" if is_said else f" for {counted(check.planned_calls, 'call')}"
        told += f" of {plain(check.dependency, 80)}" if check.dependency is not None else ""
    elif check.planned_cost_usd is not None:
        told += ", as declared"
    if check.replayed:
        told = f"Answered before under this key, and nothing new is held. {told}"
    rest = "; ".join(_rest(check))
    return f"{told}. {rest[0].upper()}{rest[1:]}." if rest else f"{told}."


def _rest(check: BudgetCheck) -> list[str]:
    parts = []
    money = partial(amount_text, unit=check.unit or "usd")
    if check.binding is not None:
        left = money(check.binding.remaining_usd)
        parts.append(f"parent '{plain(check.binding.budget, 80)}' has {left} left and decides")
    if check.reservation is not None:
        all_left = ", all that is left," if check.hold_capped else ""
        until = minute(check.reservation.expires_at)
        parts.append(f"{money(check.reservation.held_usd)}{all_left} held until {until}")
    if check.held_usd:
        parts.append(f"others hold {money(check.held_usd)}")
    if check.unconfigured:
        named = [
            f"{_left_text(each)} for '{plain(each.budget, 80)}'" for each in check.unconfigured
        ]
        more = f" and of {len(named) - LEFT_NAMED:,} more" if len(named) > LEFT_NAMED else ""
        told = f"{', '.join(named[:LEFT_NAMED])}{more}"
        told += ", not configured, counts nowhere: name it in `formerly` of the budget in its place"
        parts.append(told)
    if check.days is not None and check.days.seen <= DAYS_UNKNOWN_MAX:
        seen, ahead = counted(check.days.seen, "day"), counted(check.days.ahead, "day")
        parts.append(f"how days differ is not known yet: {seen} seen, {ahead} ahead")
    parts += not_counted_texts(check)[0]
    if not check.passed and check.calls_that_would_pass:
        parts.append(f"{counted(check.calls_that_would_pass, 'call')} would pass")
    return parts


def _left_text(left: UnconfiguredHold) -> str:
    money, said = partial(amount_text, unit=left.unit or "usd"), []
    if left.spent_usd:
        said.append(f"{money(left.spent_usd)} {UNIT_WORDS[left.unit or 'usd'].spent} in the window")
    if left.expires_at is not None:
        said.append(f"{money(left.held_usd)} held until {minute(left.expires_at)}")
    return " and ".join(said)


def not_counted_text(listed: str | None, recorded: str | None) -> str:
    """Say that a listed name has no calls, or that a similar or planned one is not counted, and the remedy."""
    if listed is None:
        return f"not in its dependencies, and counted only where a call names the budget: {plain(recorded or '', 200)}"
    name = plain(listed, 80)
    if recorded is None:
        return f"no call of '{name}' was ever recorded"
    other = plain(recorded, 80)
    if recorded.startswith(listed) and "=" not in listed:
        return f"'{other}' is not counted: list \"{name}*\" to count its dates"
    return f"no call of '{name}' was ever recorded (is '{other}' meant?)"


def not_counted_texts(check: BudgetCheck) -> tuple[list[str], list[str]]:
    """Split the names that a budget does not reach into those for the summary and those for the facts.

    The first one that is near a recorded name is money that goes elsewhere; the rest is detail.
    """
    every = check.not_counted or ()
    names = [each for each in every if each.listed is not None]
    names.sort(key=lambda each: each.recorded is None)
    planned = ", ".join(each.recorded or "" for each in every if each.listed is None)
    if planned:
        one = [not_counted_text(None, planned)]
        return one, [not_counted_text(each.listed, each.recorded) for each in names]
    said = [not_counted_text(each.listed, each.recorded) for each in names]
    first = 1 if names and names[0].recorded is not None else 0
    return said[:first], said[first:]


def unknown_budget_summary(check: BudgetCheck, why: str) -> str:
    """Say why nothing can be forecast, and how much remains all the same; nothing more fits where a limit is passed."""
    near = "".join(f" {said[0].upper()}{said[1:]}." for said in not_counted_texts(check)[0])
    left = amount_text(check.remaining_usd, check.unit or "usd")
    if check.passed is None:
        return f"No forecast: {why} Remaining budget {left}.{near}"
    told = f"Budget check failed, whatever more costs: remaining budget {left}"
    if check.binding is not None:
        over = amount_text(check.binding.remaining_usd, check.unit or "usd")
        told += f", and parent '{plain(check.binding.budget, 80)}' has {over} left"
    return f"{told}. No forecast: {why}{near}"


def settlement_summary(settled: Settlement) -> str:
    """Say how held money was settled.

    A release says that nothing was booked, and not that nothing was spent: calls that were recorded
    without naming the reservation count in the budget on their own.
    """
    money = partial(amount_text, unit=settled.unit or "usd")
    name, held = plain(settled.reservation_id, 80), money(settled.held_usd)
    before = "Closed before, and nothing new is booked. " if settled.replayed else ""
    if settled.status == "released":
        return f"{before}Reservation {name} released{_why_released(settled, held)}"
    if settled.status == "renewed":
        until = minute(settled.expires_at or settled.as_of)
        spent = money(settled.actual_usd)
        without = f"; {_without_cost(settled)}" if settled.unpriced else ""
        return f"Reservation {name} renewed until {until}: {spent} of {held} spent{without}."
    late = " after it had expired" if settled.status == "expired_settled" else ""
    told = f"{before}Reservation {name} settled{late} at {money(settled.actual_usd)} of {held} held"
    if settled.overrun_usd:
        told += f", an overrun of {money(settled.overrun_usd)}"
    if settled.calls_usd is not None:
        told += f"; its recorded calls {UNIT_WORDS[settled.unit or 'usd'].cost} {money(settled.calls_usd)}"
    return f"{told}; {_without_cost(settled)}." if settled.unpriced else f"{told}."


def _why_released(settled: Settlement, held: str) -> str:
    free = f"the {held} held for it is free again"
    if not settled.calls:
        return (
            f": no recorded call names it, so {free} and nothing was booked. Calls recorded without "
            "`reservation` count in the budget by themselves."
        )
    if settled.unpriced is None:
        cost = UNIT_WORDS[settled.unit or "usd"].cost
        return f": its {counted(settled.calls, 'recorded call')} {cost} nothing, so {free}."
    told = f", and what it cost is not known: {_without_cost(settled)}. Nothing was booked, and {free}. "
    if settled.unit is not None:
        return f"{told}Settle it with `actual_usd`: its {settled.unit}."
    return f"{told}Settle it with `actual_usd`, or add the price to [settings.prices]."


def _without_cost(settled: Settlement) -> str:
    """Say how many of a reservation's calls have no known cost."""
    found = settled.unpriced
    if found is None:
        return ""
    of = f"{found.calls:,} of its {counted(settled.calls or found.calls, 'recorded call')}"
    tokens = f" ({counted(found.tokens, 'token')})" if found.tokens else ""
    lacks = UNIT_WORDS[settled.unit or "usd"].lacks
    return f"{of}{tokens} {'has' if found.calls == 1 else 'have'} {lacks}"


def run_summary(run: RunReport, unit: Unit | None = None) -> str:
    """Say what a run has cost, what it will have cost, and what to do."""
    money = partial(amount_text, unit=unit or "usd")
    steps = counted(run.calls, "recorded cost" if unit is None else "recorded amount")
    spent = f"This run: {money(run.spent_usd)} after {steps}"
    if run.unpriced is not None:
        lacks = "without a cost or a known price"
        lacks = lacks if unit is None else f"with {UNIT_WORDS[unit].lacks}"
        spent += f", and {counted(run.unpriced.calls, 'call')} {lacks}"
    if run.projected_total_usd is None or run.advice is None:
        past = f"from {counted(run.past_runs, 'past run')} of this budget"
        return f"{spent}; what it will cost is not known{'' if run.unpriced else f' {past}'}."
    told = f"{spent}, about {money(run.projected_total_usd)} in the end"
    if run.interval90_usd is not None:
        low, high = run.interval90_usd
        told += f" (90% interval {amount_span(low, high, unit or 'usd')})"
    told += f", from {counted(run.past_runs, 'past run')}: {run.advice}"
    return f"{told} to {run.step_down_to}." if run.step_down_to else f"{told}."


def step_down_text(step: StepDown, unit: Unit, who: str) -> str:
    """Suggest a cheaper target, with the saving; `who` begins the sentence."""
    name, to, share = plain(step.dependency, 80), plain(step.to, 80), percent(step.cost_share)
    does = "costs" if unit == "usd" else "uses"
    of = f"{share} of one of {name}" if unit == "usd" else f"{share} of the {unit} of one of {name}"
    return f"{who}: a call of {to} {does} {of}."
