"""Names that a budget's `dependencies` were meant for and do not reach: slips, and dated names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from gonogo.money.scopes import (
    Traffic,
    budget_chain,
    dependencies_of,
    is_pattern,
    matched,
    stead_of,
)
from gonogo.ports.booked_costs import KeyedCalls
from gonogo.ports.money import Balance, BudgetRecord, Ledger, LeftHold, Scope
from gonogo.ports.routes import split_version
from gonogo.settings import BudgetSettings, Settings

if TYPE_CHECKING:
    from gonogo.money.budget_request import BudgetRequest

SHOWN_MAX = 10
_ALIKE = 0.75
_NUMBERS = re.compile(r"\d+")
# As vendors date their models: -2024-08-06, -20241022, @20240620, -0613, -001, -latest.
_DATED = re.compile(r"[-@:_](\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{3,4}|latest)")


class UncountedCalls(NamedTuple):
    """A listed name, and a recorded one near it that the budget does not count.

    `recorded` is None where nothing that was recorded is called like it, `listed` where calls of
    what is recorded are planned and the budget lists nothing like it.
    """

    listed: str | None
    recorded: str | None


def uncounted_names(
    settings: Settings, chain: Sequence[BudgetSettings], traffic: Traffic
) -> tuple[UncountedCalls, ...]:
    """Listed names of a budget and its parents that no call has, and dated names beside listed ones."""
    names = traffic.names
    if not names:
        return ()
    below = dependencies_of(settings, chain[0], traffic)
    listed = dict.fromkeys([*(n for each in chain for n in each.dependencies), *below])
    counted = set(matched(listed, names))
    counted |= stead_of(settings, counted, traffic.routes).keys()
    free = [name for name in names if name not in counted]
    found = []
    for name in listed:
        if is_pattern(name):
            if not matched([name], names):
                found.append(UncountedCalls(name, None))
            continue
        dated = [other for other in free if _is_dated(name, other)]
        found += [UncountedCalls(name, other) for other in dated]
        if not dated and name not in names:
            found.append(UncountedCalls(name, nearest(name, free)))
    return tuple(found[:SHOWN_MAX])


async def all_uncounted(
    ledger: Ledger,
    settings: Settings,
    request: BudgetRequest,
    scope: Scope,
    traffic: Traffic,
    record: BudgetRecord,
) -> tuple[UncountedCalls, ...]:
    """Find what a budget and its parents do not count: planned calls, unused key values, misspelled names."""
    chain = budget_chain(settings, request.budget)
    listed = dependencies_of(settings, chain[0], traffic)
    # One that lists nothing counts what names it: where nobody ever did, perhaps nobody means to.
    is_whole = scope.segment is None and (listed or not record.dependencies)
    planned = request.not_held if is_whole else ()
    return (
        *_uncounted_work(settings, listed, record.dependencies, traffic, planned),
        *await _unseen_value(ledger, scope),
        *uncounted_names(settings, chain, traffic),
    )


async def left_money(
    ledger: Ledger,
    scope: Scope,
    record: BudgetRecord,
    balance: Balance,
    *,
    now_ms: int,
) -> tuple[LeftHold, ...]:
    """Find holds and spend of budgets that are not configured any more, where this one may be their new name.

    That is one that no call has named, and in which nothing was spent or nothing else counts.
    """
    if record.dependencies or (balance.spent_micro_usd and scope.dependencies):
        return record.left
    gone = record.gone[:SHOWN_MAX]
    scopes = [replace(scope, members=(name,), dependencies=(), segment=None) for name in gone]
    balances = await ledger.balances(scopes, now_ms=now_ms, holds_max=0) if scopes else ()
    found = {each.budget: each for each in record.left}
    for name, own in zip(gone, balances, strict=True):
        if own.spent_micro_usd:
            left = found.get(name) or LeftHold(name, 0, None, scope.unit)
            found[name] = replace(left, spent_micro_usd=own.spent_micro_usd)
    return tuple(found.values())


def _uncounted_work(
    settings: Settings,
    listed: Collection[str],
    named: Collection[str],
    traffic: Traffic,
    planned: Iterable[str],
) -> tuple[UncountedCalls, ...]:
    """Planned calls of what a budget does not list, and that nobody has recorded in its name.

    Of one that lists some, those of what was recorded: another name may be a slip, and is told elsewhere.
    """
    counted = {*listed, *stead_of(settings, listed, traffic.routes), *named}

    def goes(name: str) -> set[str]:
        route = traffic.routes.get(name)
        targets = [weight.target for weight in route.targets] if route else []
        return {name, *targets, *(split_version(target)[0] for target in targets)}

    free = [n for n in planned if (n in traffic.names or not listed) and not counted & goes(n)]
    return tuple(UncountedCalls(None, name) for name in free[:SHOWN_MAX])


async def _unseen_value(ledger: Ledger, scope: Scope) -> tuple[UncountedCalls, ...]:
    """The segment of a limit of one value, where no call is in it: it may be misspelt."""
    if scope.segment is None or scope.dependencies:
        return ()
    key, _, value = scope.segment.partition("=")
    if await ledger.keyed_names(key, value):
        return ()  # calls of dependencies that it does not count
    segments = {KeyedCalls.parse(name).segment for name in await ledger.keyed_names(key)}
    near = nearest(value, [each.partition("=")[2] for each in segments])
    return (UncountedCalls(scope.segment, None if near is None else f"{key}={near}"),)


def nearest(name: str, names: Collection[str]) -> str | None:
    """The name that a slip was meant for; other numbers are another thing."""
    folded = _folded(name)
    numbers = _NUMBERS.findall(folded)
    near = {_folded(other): other for other in names if _NUMBERS.findall(_folded(other)) == numbers}
    return next((near[each] for each in _alike(folded, near)), None)


def _alike(name: str, names: Iterable[str]) -> list[str]:
    """The closest of some names; of a short one, letters that changed places count as close."""
    found = difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
    return found or [other for other in names if sorted(other) == sorted(name)]


def _folded(name: str) -> str:
    """A name without its provider's path, its date and its case."""
    last = name.rpartition("/")[2].casefold()
    return _DATED.sub("", last) or last


def _is_dated(name: str, other: str) -> bool:
    """Whether a name is another one with a date."""
    return other.startswith(name) and _DATED.fullmatch(other[len(name) :]) is not None
