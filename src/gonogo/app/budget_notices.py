"""Notices of budgets: at half, at four fifths and at all of a limit, each once in a window."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.app.shift_notices import ME, notice_of
from gonogo.errors import plain
from gonogo.money.scopes import scopes_at
from gonogo.money.step_down import LOW_SHARE, cheaper_target
from gonogo.ports.incidents import Event
from gonogo.records import UNIT_SIZE
from gonogo.text.forms import amount_text, percent
from gonogo.text.unit_words import UNIT_WORDS

if TYPE_CHECKING:
    from gonogo.app.parts import Stores
    from gonogo.ports.money import Scope
    from gonogo.ports.notices import Notice
    from gonogo.settings import BudgetSettings

__all__ = ["budget_notices"]

SHARES_TOLD = (0.5, LOW_SHARE, 1.0)


async def budget_notices(stores: Stores, *, now_ms: int) -> list[Notice]:
    """A notice of each budget of which half is spent or more, with an event for each share passed.

    Whoever was told of a share hears of it no more until the window ends; a window that rolls has no
    end, and begins anew where less than half is spent.
    """
    budgets = list(stores.settings.budgets.values())
    if not budgets:
        return []
    traffic = await stores.traffic()
    scopes = await scopes_at(stores.ledger, stores.settings, budgets, traffic, now_ms=now_ms)
    balances = await stores.ledger.balances(scopes, now_ms=now_ms, holds_max=0)
    found = []
    for budget, scope, balance in zip(budgets, scopes, balances, strict=True):
        spent = balance.spent_micro_usd
        passed = [share for share in SHARES_TOLD if spent >= share * budget.limit_micro_usd]
        if not passed or not spent:
            continue
        notice = _notice_of(budget, scope, spent, passed, now_ms)
        if budget.on_low == "step_down" and passed[-1] >= LOW_SHARE:
            cheaper = await cheaper_target(
                stores.telemetry, stores.settings, budget.name, traffic, now_ms=now_ms
            )
            if cheaper is not None:
                asked = (cheaper.dependency, "--to", cheaper.target)
                why = ("--reason", f"budget {budget.name} is low")
                command = shlex.join(("gonogo", "fallback", *asked, *why))
                notice = replace(notice, command=command)
        found.append(notice)
    return found


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
    window = "rolling" if budget.window == "rolling" else scope.start_ms
    notice = notice_of("budget", f"budget:{budget.name}:{window}", budget.name, why, now_ms)
    events = [Event(now_ms, f"{percent(each)} of its limit is passed", ME) for each in passed]
    events[-1] = Event(now_ms, f"used up: {why}" if passed[-1] == 1 else why, ME)
    return replace(notice, events=tuple(events))
