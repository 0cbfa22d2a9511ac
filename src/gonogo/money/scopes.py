"""The scope of a budget: its window, its descendants, its dependencies and their stand-ins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from gonogo.errors import UnknownTarget
from gonogo.money.stead import stead_of
from gonogo.money.windows import WindowSpan, window_at
from gonogo.ports.money import Scope
from gonogo.records import QUARTER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gonogo.ports.money import Ledger
    from gonogo.ports.routes import Route
    from gonogo.settings import BudgetSettings, Settings

_WILD = "*?["


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where calls go now, and every dependency that anything was recorded of.

    `names` are needed only where a budget lists dependencies.
    """

    routes: Mapping[str, Route] = field(default_factory=lambda: MappingProxyType({}))
    names: tuple[str, ...] = ()


NO_TRAFFIC = Traffic()


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
    found = []
    for budget in budgets:
        scope = _scope_at(settings, budget, now_ms, traffic)
        if scope.session_ms is not None:
            start_ms = await ledger.session_start(scope, now_ms=now_ms)
            if start_ms is None:
                start_ms = now_ms // QUARTER_MS * QUARTER_MS
            scope = replace(scope, start_ms=start_ms, end_ms=start_ms + scope.session_ms)
        found.append(scope)
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
    members = _members(settings, budget.name)
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
    )


def dependencies_of(
    settings: Settings, budget: BudgetSettings, traffic: Traffic
) -> tuple[str, ...]:
    """The dependencies of a budget and of those below it, without what is called in their stead."""
    names: set[str] = set()
    for member in _members(settings, budget.name) & settings.budgets.keys():
        names |= set(matched(settings.budgets[member].dependencies, traffic.names))
    return tuple(sorted(names))


def _members(settings: Settings, name: str) -> set[str]:
    members = {name}
    while True:
        children = {b.name for b in settings.budgets.values() if b.parent in members} - members
        if not children:
            return members.union(*(settings.budgets[each].formerly for each in members))
        members |= children
