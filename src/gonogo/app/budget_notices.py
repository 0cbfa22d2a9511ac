"""Notices of budgets: at half, four fifths and all of a limit, and of windows that will not last."""

from __future__ import annotations

import shlex
from dataclasses import replace

from gonogo.answers import rfc3339
from gonogo.app.money_actions import cheaper_now
from gonogo.app.parts import Stores
from gonogo.app.shift_notices import ME, notice_of
from gonogo.errors import plain
from gonogo.money.budget_check import check_budget
from gonogo.money.budget_plan import PLANNED_CALLS_MAX
from gonogo.money.budget_request import BudgetRequest
from gonogo.money.scopes import BudgetFill, Traffic, budget_fills, spent_on
from gonogo.money.step_down import LOW_SHARE, stepped_down
from gonogo.ports.incidents import Event
from gonogo.ports.money import Scope
from gonogo.ports.notices import Notice, Pace
from gonogo.records import DAY_MS, UNIT_SIZE
from gonogo.settings import BudgetSettings
from gonogo.text.budget_summary import step_down_text
from gonogo.text.forms import UNIT_WORDS, amount_text, minute, percent

# A window is told not to last where what is left carries its calls this likely, or less.
LASTS_CHANCE_MAX = 0.1
# What a subject begins with, before the budget's name and the start of its window.
SPENT, STEP, PACE = BUDGET_SUBJECTS = ("budget", "step", "pace")
# Ten budgets of a thousand calls took up to two seconds of `watch` at every turn of each receiver.
PACE_EVERY_MS = 60_000
PACED_VALUES = 10
SHARES_TOLD = (0.5, LOW_SHARE, 1.0)


async def budget_notices(stores: Stores, *, now_ms: int) -> list[Notice]:
    """A notice of each budget of which half is spent or more, with an event for each share passed.

    Whoever was told of a share hears of it no more until the window ends; a window that rolls has no
    end, and begins anew where less than half is spent.
    """
    settings = stores.settings
    if not settings.budgets and not settings.keyed_budgets:
        return []
    traffic = await stores.traffic()
    fills = await budget_fills(stores.ledger, settings, traffic, now_ms=now_ms)
    found = []
    for fill in fills:
        budget, scope, spent = fill.budget, fill.scope, fill.balance.spent_micro_usd
        passed = [share for share in SHARES_TOLD if spent >= share * budget.limit_micro_usd]
        if not passed or not spent:
            continue
        found.append(_notice_of(budget, scope, spent, passed, now_ms))
        if budget.on_low == "step_down" and passed[-1] >= LOW_SHARE:
            cheaper = await _cheaper(stores, fill, traffic, now_ms=now_ms)
            found += [] if cheaper is None else [cheaper]
    # Forecasts of every value are too dear: the fullest are those that end first.
    for fill in [fill for fill in fills if 0 < fill.share < 1][
        : len(settings.budgets) + PACED_VALUES
    ]:
        ahead = await _ahead_lately(stores, fill.budget, fill.scope, traffic, now_ms=now_ms)
        found += [] if ahead is None else [ahead]
    return found


async def _cheaper(
    stores: Stores, fill: BudgetFill, traffic: Traffic, *, now_ms: int
) -> Notice | None:
    """A notice of the cheaper target of a budget that is low, on its page: also where one is known only later."""
    budget = fill.budget
    names = await spent_on(stores.ledger, stores.settings, budget, fill.scope, traffic)
    found = await cheaper_now(stores, names, budget.unit, traffic, now_ms=now_ms)
    if found is None:
        return None
    step, plan = stepped_down(found, budget.name)
    said = step_down_text(step, budget.unit, "it runs low")
    subject = f"{STEP}:{budget.name}:{_window_of(budget, fill.scope)}"
    notice = notice_of("budget", subject, budget.name, said, now_ms)
    why = str(plan.arguments["reason"])
    command = ["gonogo", "fallback", step.dependency, "--to", step.to, "--reason", why]
    return replace(notice, command=shlex.join(command))


async def _ahead_lately(
    stores: Stores, budget: BudgetSettings, scope: Scope, traffic: Traffic, *, now_ms: int
) -> Notice | None:
    """Reuse the answer of `_ahead` for a minute: a forecast is dear, and each receiver asks every 15 seconds."""
    asked = stores.settings.digest, scope.start_ms
    kept = stores.paces.get(budget.name)
    if kept is None or kept.asked != asked or not 0 <= now_ms - kept.at_ms < PACE_EVERY_MS:
        found = await _ahead(stores, budget, scope, traffic, now_ms=now_ms)
        kept = stores.paces[budget.name] = Pace(asked, now_ms, found)
    return kept.notice


async def _ahead(
    stores: Stores, budget: BudgetSettings, scope: Scope, traffic: Traffic, *, now_ms: int
) -> Notice | None:
    """A notice that a budget will not last until its window ends, at the last day's rate of calls.

    Of a window that has an end, and where what is left carries the calls until then with one chance in
    ten or less.
    """
    if scope.end_ms is None:
        return None
    last_day = replace(scope, unit="calls", start_ms=now_ms - DAY_MS, end_ms=None)
    [calls] = await stores.ledger.balances([last_day], now_ms=now_ms, holds_max=0)
    planned = round(calls.spent_micro_usd * (scope.end_ms - now_ms) / DAY_MS)
    if not 1 <= planned <= PLANNED_CALLS_MAX:
        return None
    check = await check_budget(
        stores.telemetry,
        stores.ledger,
        stores.settings,
        BudgetRequest(budget.name, planned_calls=planned),
        traffic=traffic,
        now_ms=now_ms,
        new_id=lambda: "",
        forecasts=stores.forecasts,
    )
    if check.projected_usd is None or check.binding is not None:
        return None  # nothing is known, or a parent decides, which is told of itself
    if check.confidence is None or check.confidence > LASTS_CHANCE_MAX:
        return None
    left, need = (amount_text(n, budget.unit) for n in (check.remaining_usd, check.projected_usd))
    used_up = now_ms + round(
        (scope.end_ms - now_ms) * max(check.remaining_usd, 0) / check.projected_usd
    )
    why = (
        f"budget {plain(budget.name, 80)} will not last until its window ends at "
        f"{minute(rfc3339(scope.end_ms))}: {left} left, and about {need} to come at the last day's "
        f"rate of calls ({percent(check.confidence)} that it fits); used up about "
        f"{minute(rfc3339(used_up))}"
    )
    return _of_pace(f"{PACE}:{budget.name}:{scope.start_ms}", why, now_ms)


def budget_over(subject: str, told: int, now_ms: int) -> Notice:
    """The end of a notice of a budget, for who was told."""
    kind, _, rest = subject.partition(":")
    if kind == PACE:
        why = "it lasts, or its window has ended"
        return _of_pace(subject, why, now_ms, told=told, over=True)
    why = (
        "it is spent no more"
        if kind == SPENT
        else "its calls go elsewhere, or no target costs less"
    )
    name = rest.rpartition(":")[0]  # without the start of its window
    return notice_of("budget", subject, name, why, now_ms, told=told, over=True)


def _of_pace(subject: str, why: str, now_ms: int, *, told: int = 0, over: bool = False) -> Notice:
    """Apart from what is said of shares: a page of its own."""
    name = subject.partition(":")[2].rpartition(":")[0]
    page = f"gonogo/{name}/pace"
    return notice_of("budget", subject, name, why, now_ms, told=told, over=over, page=page)


def _notice_of(
    budget: BudgetSettings, scope: Scope, spent: int, passed: list[float], now_ms: int
) -> Notice:
    limit = budget.limit_micro_usd
    share, size = percent(spent / limit) if limit else "all", UNIT_SIZE[budget.unit]
    amounts = (
        f"{amount_text(spent / size, budget.unit)} of {amount_text(limit / size, budget.unit)}"
    )
    verb = UNIT_WORDS[budget.unit].spent
    why = f"budget {plain(budget.name, 80)}: {share} of its limit is {verb}, {amounts}"
    subject = f"{SPENT}:{budget.name}:{_window_of(budget, scope)}"
    notice = notice_of("budget", subject, budget.name, why, now_ms)
    events = [Event(now_ms, f"{percent(each)} of its limit is passed", ME) for each in passed]
    events[-1] = Event(now_ms, f"used up: {why}" if passed[-1] == 1 else why, ME)
    return replace(notice, events=tuple(events))


def _window_of(budget: BudgetSettings, scope: Scope) -> str:
    """The window that somebody is told about once."""
    return "rolling" if budget.window == "rolling" else str(scope.start_ms)
