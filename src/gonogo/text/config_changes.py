"""The words for an edit of gonogo.toml: its changes, money first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from gonogo.errors import plain
from gonogo.records import UNIT_SIZE
from gonogo.settings import BudgetSettings, Settings
from gonogo.text.forms import amount_text, duration

_MONEY = ("budgets", "keyed_budgets", "prices", "timezone")
# What names a reading of the file, and no part of what it says.
_READING = frozenset(("config_path", "digest", "stamp", "environ", "stated_timezone"))


def config_changes(before: Settings, after: Settings) -> str:
    """The changes between two readings of a file, joined by semicolons."""
    told = _budgets(
        {**before.budgets, **before.keyed_budgets}, {**after.budgets, **after.keyed_budgets}
    )
    told += [
        f"price of '{plain(name, 80)}'"
        for name in sorted({*before.prices, *after.prices})
        if before.prices.get(name) != after.prices.get(name)
    ]
    if before.timezone != after.timezone:
        told.append(f"timezone {before.timezone} to {after.timezone}")
    rest = [
        each.name
        for each in fields(after)
        if each.name not in _READING.union(_MONEY)
        and getattr(before, each.name) != getattr(after, each.name)
    ]
    if rest:
        told.append(f"changes in {', '.join(rest)}")
    return "; ".join(told) or "nothing that is used"


def _budgets(
    before: Mapping[str, BudgetSettings], after: Mapping[str, BudgetSettings]
) -> list[str]:
    told = []
    for name in sorted({*before, *after}):
        old, new, named = before.get(name), after.get(name), f"budget '{plain(name, 80)}'"
        if old is None:
            told.append(f"{named} is new")
        elif new is None:
            told.append(f"{named} is gone")
        elif old != new:
            told.append(f"{named}: {', '.join(_of_budget(old, new))}")
    return told


def _of_budget(old: BudgetSettings, new: BudgetSettings) -> list[str]:
    changed = [e.name for e in fields(new) if getattr(old, e.name) != getattr(new, e.name)]
    told = ((name.removesuffix("_micro_usd").removesuffix("_s"), name) for name in changed)
    return [f"{key} {_value(old, name)} to {_value(new, name)}" for key, name in told]


def _value(budget: BudgetSettings, name: str) -> str:
    value = getattr(budget, name)
    if name == "limit_micro_usd":
        return amount_text(value / UNIT_SIZE[budget.unit], budget.unit)
    if name.endswith("_s") and value is not None:
        return duration(value)
    if isinstance(value, tuple):
        return f"[{', '.join(plain(each, 80) for each in value)}]"
    return "none" if value is None else plain(str(value), 80)
