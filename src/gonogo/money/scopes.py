"""Budgets as the ledger counts them: their parents, windows and members, and what is called in whose stead."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from gonogo.errors import GonogoError, ParameterError, UnknownTarget, plain
from gonogo.money.windows import WindowSpan, window_at
from gonogo.ports.booked_costs import KeyedCalls
from gonogo.ports.money import Balance, Ledger, Scope
from gonogo.ports.routes import WHOLE, Route, Routes, is_called, split_version
from gonogo.records import QUARTER_MS, UNIT_SIZE
from gonogo.settings import PER_DEPENDENCY, BudgetSettings, Settings

if TYPE_CHECKING:
    from gonogo.ports.telemetry import Telemetry

_WILD = "*?["
# Of one key; each is a sum of its own wherever all budgets are told of.
VALUES_MAX = 500
# PostgreSQL reads the balances of so many in one statement.
SCOPES_A_LOOK = 50


@dataclass(frozen=True, slots=True)
class CallGroup:
    """Calls that are forecast together: of one dependency, or of several as mixed lately."""

    names: tuple[str, ...]
    calls: int
    version: str | None = None
    instead_of: str | None = None


def stead_of(
    settings: Settings, names: Iterable[str], routes: Mapping[str, Route]
) -> dict[str, str]:
    """Dependencies that can be called instead of others, and those others.

    Their ladders and their routes' targets, and those of these in turn. A target `name@version`
    stands for `name`, and for a dependency that is called so.
    """
    found: dict[str, str] = {}
    asked = list(names)
    waiting = list(asked)
    while waiting:
        name = waiting.pop(0)
        route = routes.get(name)
        targets = list(settings.dependency(name).fallback)
        targets += [weight.target for weight in route.targets] if route else []
        for target in targets:
            if not is_called(target):
                continue
            for known in dict.fromkeys((target, split_version(target)[0])):
                if known not in found and known not in asked:
                    found[known] = name
                    waiting.append(known)
    return found


def routed_groups(
    work: Mapping[str, int], routes: Mapping[str, Route], known: Iterable[str]
) -> list[CallGroup]:
    """Planned calls by where they go now; calls of rules, refusals and people cost nothing."""
    there = set(known)
    groups: dict[tuple[str, str | None], CallGroup] = {}
    for name, calls in work.items():
        route = routes.get(name)
        shares = [(name, WHOLE)] if route is None else [(w.target, w.share) for w in route.targets]
        for target, share in shares:
            if not is_called(target):
                continue
            exact = target == name or target in there
            called, version = (target, None) if exact else split_version(target)
            key = called, version
            before = groups[key].calls if key in groups else 0
            groups[key] = CallGroup(
                (called,),
                before + -(-calls * share // WHOLE),
                version,
                None if called == name else name,
            )
    return list(groups.values())


def spread_calls(calls: int, counts: Mapping[str, int]) -> dict[str, int]:
    """Planned calls by dependency, as the newest calls were mixed."""
    total = sum(counts.values())
    return {name: -(-calls * n // total) for name, n in counts.items() if n}


def is_routed(names: Sequence[str], routes: Mapping[str, Route]) -> bool:
    """Whether calls of any of these go elsewhere now."""
    return any(name in routes and not routes[name].is_primary for name in names)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The present routes, and every dependency with anything recorded.

    `names` are needed only where a budget lists dependencies.
    """

    routes: Mapping[str, Route] = field(default_factory=lambda: MappingProxyType({}))
    names: tuple[str, ...] = ()


NO_TRAFFIC = Traffic()


async def traffic_now(settings: Settings, telemetry: Telemetry, routes: Routes) -> Traffic:
    """Read the present routes; the names are read only where a budget lists some."""
    if not settings.budgets_list_names:
        return Traffic({each.dependency: each for each in await routes.routes()})
    names, found = await asyncio.gather(telemetry.names(), routes.routes())  # in one trip
    return Traffic({each.dependency: each for each in found}, tuple(names))


def is_pattern(name: str) -> bool:
    """Whether a dependency of a budget stands for many names, as `gpt-4o*` does."""
    return any(character in name for character in _WILD)


def matched(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that a budget's dependencies stand for: themselves, and what a pattern matches."""
    known = list(names)
    found: dict[str, None] = {}
    for pattern in patterns:
        found[pattern] = None
        if is_pattern(pattern):
            found |= dict.fromkeys(name for name in known if fnmatchcase(name, pattern))
    return [name for name in found if not is_pattern(name) or name in known]


def budget_chain(settings: Settings, name: str) -> tuple[BudgetSettings, ...]:
    """A budget and its ancestors, nearest first. A cycle ends where it closes.

    Raises:
        UnknownTarget: There is no such budget.
        ParameterError: It is a limit for each value of a key, and says nothing of all of them.
    """
    chain: dict[str, BudgetSettings] = {}
    at: str | None = name
    while at is not None and at not in chain:
        found = settings.budget(at)
        if found is None:
            raise _unknown(settings, at)
        chain[at] = found
        at = found.parent
    return tuple(chain.values())


def _unknown(settings: Settings, name: str) -> GonogoError:
    keyed = settings.keyed_budgets.get(name)
    if keyed is not None:
        said = plain(name, 80)
        return ParameterError(
            f"'{said}' is a limit for each {plain(keyed.per or '', 80)}, not for all of them: ask "
            f"about one, '{said}/VALUE'."
        )
    known = {*settings.budgets, *(f"{each}/VALUE" for each in settings.keyed_budgets)}
    advice = "Add [budgets.NAME] to gonogo.toml, or check the name."
    return UnknownTarget("budget", name, known, advice)


async def seen_budgets(
    ledger: Ledger, settings: Settings, traffic: Traffic
) -> list[BudgetSettings]:
    """The configured budgets, and the limits of those values of a key that were seen.

    Of a key `VALUES_MAX`: those that were named or held by, and those that were called last; who passes a limit was.
    """
    found = dict(settings.budgets)
    for owner in settings.keyed_budgets.values():
        named = [name[len(owner.name) + 1 :] for name in await ledger.budgets_below(owner.name)]
        called = (
            traffic.names
            if owner.per == PER_DEPENDENCY
            else await ledger.newest_values(owner.per or "", most=VALUES_MAX)
        )
        limits = (
            settings.budget(f"{owner.name}/{value}") for value in dict.fromkeys((*named, *called))
        )
        seen = [limit for limit in limits if limit is not None and limit.name not in found]
        found |= {limit.name: limit for limit in seen[:VALUES_MAX]}
    return list(found.values())


@dataclass(frozen=True, slots=True)
class BudgetFill:
    """A budget in its window, and what of it is spent and held."""

    budget: BudgetSettings
    scope: Scope
    balance: Balance
    window: WindowSpan

    @property
    def share(self) -> float:
        """The part of its limit that is spent; of a limit of nothing all."""
        limit = self.budget.limit_micro_usd
        return self.balance.spent_micro_usd / limit if limit else 1.0

    @property
    def used(self) -> float:
        """The part of its limit that is spent or held; of a limit of nothing all."""
        limit, _, _, left = self.amounts
        return 1 - left / limit if limit else 1.0

    @property
    def amounts(self) -> tuple[float, float, float, float]:
        """The limit, what is spent, held, and left of it, in the budget's unit."""
        limit, own = self.budget.limit_micro_usd, self.balance
        left = limit - own.spent_micro_usd - own.held_micro_usd
        size = UNIT_SIZE[self.budget.unit]
        return (
            limit / size,
            own.spent_micro_usd / size,
            own.held_micro_usd / size,
            left / size,
        )


async def budget_fills(
    ledger: Ledger, settings: Settings, traffic: Traffic, *, now_ms: int
) -> list[BudgetFill]:
    """Every budget that was seen, as configured; then the limits of values, the fullest first."""
    budgets = await seen_budgets(ledger, settings, traffic)
    scopes = await scopes_at(ledger, settings, budgets, traffic, now_ms=now_ms)
    balances = await balances_of(ledger, scopes, now_ms=now_ms)
    windows = (window_of(settings, *each, now_ms) for each in zip(budgets, scopes, strict=True))
    found = [BudgetFill(*each) for each in zip(budgets, scopes, balances, windows, strict=True)]
    return sorted(
        found, key=lambda one: -one.share if one.budget.name not in settings.budgets else -math.inf
    )


async def scopes_at(
    ledger: Ledger,
    settings: Settings,
    budgets: Iterable[BudgetSettings],
    traffic: Traffic,
    *,
    now_ms: int,
) -> tuple[Scope, ...]:
    """Budgets as the ledger counts them at a time, each in the window that is open then.

    Of a budget whose windows begin with their first call and of which none is open it is the one that
    a call would begin now, in which nothing was spent.
    """
    found, every = [], list(budgets)
    sums = await _sums_of_keys(ledger, every)
    for budget in every:
        scope = _scope_at(settings, budget, now_ms, traffic)
        scope = await _of_keys(ledger, settings, budget, scope, sums)
        if scope.session_ms is not None:
            start_ms = await ledger.session_start(scope, now_ms=now_ms)
            if start_ms is None:
                start_ms = now_ms // QUARTER_MS * QUARTER_MS
            scope = replace(scope, start_ms=start_ms, end_ms=start_ms + scope.session_ms)
        found.append(scope)
    return tuple(found)


async def balances_of(
    ledger: Ledger, scopes: Sequence[Scope], *, now_ms: int
) -> tuple[Balance, ...]:
    """The balances of any number of scopes, each part of them in one snapshot."""
    found: list[Balance] = []
    for start in range(0, len(scopes), SCOPES_A_LOOK):
        part = scopes[start : start + SCOPES_A_LOOK]
        found += await ledger.balances(part, now_ms=now_ms, holds_max=0)
    return tuple(found)


def window_of(settings: Settings, budget: BudgetSettings, scope: Scope, now_ms: int) -> WindowSpan:
    """The window that a scope was counted in, with its kind."""
    window = window_at(budget, settings.timezone, now_ms)
    return replace(window, start_ms=scope.start_ms, end_ms=scope.end_ms)


def _scope_at(settings: Settings, budget: BudgetSettings, now_ms: int, traffic: Traffic) -> Scope:
    """A budget as the ledger counts it at a time.

    A budget of a dependency counts what was called in its stead too: else money would escape by a
    fallback.
    """
    members = _members(settings, budget)
    listed = dependencies_of(settings, budget, traffic)
    instead = stead_of(settings, listed, traffic.routes)
    window = window_at(budget, settings.timezone, now_ms)
    return Scope(
        budget.name,
        tuple(sorted(members)),
        tuple(sorted({*listed, *instead})),
        window.start_ms,
        window.end_ms,
        budget.unit,
        (budget.window_s or 0) * 1000 if budget.window == "session" else None,
        budget.segment,
    )


async def _sums_of_keys(
    ledger: Ledger, budgets: Sequence[BudgetSettings]
) -> Mapping[str, list[KeyedCalls]]:
    """The sums of calls in the segments of budgets, by segment; of many values of a key read at once."""
    values: dict[str, list[str]] = {}
    for budget in budgets:
        if budget.segment is not None:
            values.setdefault(budget.per or "", []).append(budget.value or "")
    found: dict[str, list[KeyedCalls]] = {}
    for key, wanted in values.items():
        for name in await ledger.keyed_names(key, wanted[0] if len(wanted) == 1 else None):
            calls = KeyedCalls.parse(name)
            found.setdefault(calls.segment, []).append(calls)
    return found


async def _of_keys(
    ledger: Ledger,
    settings: Settings,
    budget: BudgetSettings,
    scope: Scope,
    sums: Mapping[str, list[KeyedCalls]],
) -> Scope:
    """The scope with what only the store knows: the values of keys that were seen.

    That of one value counts the sums of its calls, of its dependencies where it lists some, but for those that
    name it or its reservations anyway; that of a parent counts what is held for each value.
    """
    below: list[str] = []
    for owner in settings.keyed_budgets.keys() & set(scope.members):
        below += await ledger.budgets_below(owner)
    if below:
        scope = replace(scope, members=tuple(sorted({*scope.members, *below})))
    if scope.segment is None:
        return scope
    owners = {name.removesuffix(f"/{budget.value}") for name in scope.members}
    names = (
        each.name
        for each in sums.get(scope.segment, ())
        if each.paid_by not in owners
        and (not budget.dependencies or each.dependency in scope.dependencies)
    )
    return replace(scope, dependencies=tuple(names))


async def spent_on(
    ledger: Ledger, settings: Settings, budget: BudgetSettings, scope: Scope, traffic: Traffic
) -> tuple[str, ...]:
    """The dependencies that a budget lists, else those called in its name."""
    listed = dependencies_of(settings, budget, traffic)
    if listed:
        return listed
    return tuple(sorted({*await ledger.named_by(scope.members), *called_in(scope)}))


def called_in(scope: Scope) -> tuple[str, ...]:
    """The dependencies that a scope counts by their names."""
    if scope.segment is None:
        return scope.dependencies
    return tuple(sorted({KeyedCalls.parse(name).dependency for name in scope.dependencies}))


def dependencies_of(
    settings: Settings, budget: BudgetSettings, traffic: Traffic
) -> tuple[str, ...]:
    """The dependencies of a budget and of those below it, without what is called in their stead."""
    names: set[str] = set()
    every = {**settings.keyed_budgets, **settings.budgets, budget.name: budget}
    for member in _members(settings, budget) & every.keys():
        names |= set(matched(every[member].dependencies, traffic.names))
    return tuple(sorted(names))


def _members(settings: Settings, budget: BudgetSettings) -> set[str]:
    """A budget, those below it, and what they were called before."""
    every = {**settings.keyed_budgets, **settings.budgets, budget.name: budget}
    members = {budget.name}
    while True:
        children = {b.name for b in every.values() if b.parent in members} - members
        if not children:
            return members.union(*(every[each].formerly for each in members))
        members |= children
