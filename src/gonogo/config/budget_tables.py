"""The `[budgets.NAME]` tables: limits, their units and windows, and how budgets go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import Field, PlainValidator

from gonogo.config.durations import duration_s
from gonogo.config.tables import Table
from gonogo.config.values import Name, Names, Refusal, Seconds, number
from gonogo.records import AMOUNT_MAX, QUARTER_MS, UNIT_SIZE, Unit
from gonogo.settings import BudgetSettings, Settings, WindowKind

HARD_CONFIDENCE = 0.95
WINDOWS: tuple[WindowKind, ...] = get_args(WindowKind)


def _window(value: object) -> tuple[WindowKind, int | None]:
    """Parse a window: its kind, and the seconds of a rolling one or of a session."""
    text = value if isinstance(value, str) else ""
    word, _, length = text.partition(":")
    window_s = duration_s(length) if length else None
    for kind in WINDOWS:
        has_length = kind in ("rolling", "session")
        if word == kind and has_length == (window_s is not None) == (":" in text):
            if kind == "session" and window_s is not None and window_s * 1000 % QUARTER_MS:
                raise Refusal('must last whole quarter hours, as in "session:5h"')
            return kind, window_s
    told = 'or with a length, "rolling:7d" or "session:5h" (from its first call on)'
    raise Refusal(f"must be hour, day, week, month, total, {told}")


class BudgetTable(Table):
    """`[budgets.NAME]`."""

    limit_usd: Annotated[float, number(-AMOUNT_MAX, AMOUNT_MAX)]
    unit: Unit | None = None
    window: Annotated[tuple[WindowKind, int | None], PlainValidator(_window)] | None = None
    dependencies: Names | None = None
    hard: bool = False
    required_confidence: Annotated[float, number(0.01, 0.999999)] | None = None
    hold_expires_s: Seconds | None = Field(None, alias="hold_expires")
    parent: Name | None = None
    formerly: Names | None = None
    on_low: Literal["tell", "step_down"] | None = None
    per: Name | None = None

    def settings(self, name: str, default: BudgetSettings | None = None) -> BudgetSettings:
        """The budget as it is kept; what the table does not state is as `default` has it.

        Raises:
            Refusal: A value does not go with the budget's unit, or with `hard`.
        """
        base = default or BudgetSettings(name, 0)
        given = self.given()
        unit = self.unit or base.unit
        most = AMOUNT_MAX / UNIT_SIZE[unit]
        if not 0 <= self.limit_usd <= most:
            raise Refusal(f"must be a number from 0 to {most:g}", "budgets", name, "limit_usd")
        if unit in ("calls", "tokens") and not self.limit_usd.is_integer():
            raise Refusal(f"must be a whole number of {unit}", "budgets", name, "limit_usd")
        given["limit_micro_usd"] = round(given.pop("limit_usd") * UNIT_SIZE[unit])
        given["formerly"] = (*given.get("formerly", ()), *base.formerly)
        if self.window is not None:
            given["window"], given["window_s"] = self.window
        if self.hard:
            given.setdefault("required_confidence", max(HARD_CONFIDENCE, base.required_confidence))
        found = replace(base, **given)
        if found.hard and found.required_confidence < HARD_CONFIDENCE:
            told = f"is at least {HARD_CONFIDENCE} where hard = true"
            raise Refusal(told, "budgets", name, "required_confidence")
        return found


def budgets_of(
    tables: Mapping[str, BudgetTable],
) -> tuple[Mapping[str, BudgetSettings], Mapping[str, BudgetSettings]]:
    """Budgets, and those that are a limit for each value of a key, each by name.

    A table whose name is that of one value, NAME/VALUE, is the limit of that one; what it does not state is as
    NAME has it.
    """
    keyed = {name: table.settings(name) for name, table in tables.items() if table.per is not None}
    single = {}
    for name, table in tables.items():
        if name in keyed:
            continue
        owner = max((o for o in keyed if name.startswith(f"{o}/")), key=len, default=None)
        default = None if owner is None else keyed[owner].of_value(name[len(owner) + 1 :])
        single[name] = table.settings(name, default)
    return MappingProxyType(single), MappingProxyType(keyed)


def check_budgets(settings: Settings) -> None:
    """Refuse budgets whose amounts could not be added up, or would count twice."""
    every = {**settings.keyed_budgets, **settings.budgets}
    _check_units(settings, every)
    _check_former_names(every)
    for budget in settings.keyed_budgets.values():
        if budget.parent is not None and not budget.dependencies:
            told = "is needed where it has a parent, which counts the calls of all values by them"
            raise Refusal(told, "budgets", budget.name, "dependencies")


def _check_units(settings: Settings, every: Mapping[str, BudgetSettings]) -> None:
    """Refuse what could not be added up: a part in another unit than its whole."""
    for probe in settings.probes.values():
        paid_by = None if probe.budget is None else settings.budget(probe.budget)
        unit = "usd" if paid_by is None else paid_by.unit
        if unit != "usd":
            told = f"names {probe.budget}, which counts {unit}; max_cost_usd is in USD"
            raise Refusal(told, "probes", probe.name, "budget")
    for child in every.values():
        above = (child if child.parent is None else settings.budget(child.parent)) or child
        if child.unit != above.unit:
            told = (
                f"names {above.name}, which counts {above.unit}; {child.name} counts {child.unit}"
            )
            raise Refusal(told, "budgets", child.name, "parent")


def _check_former_names(budgets: Mapping[str, BudgetSettings]) -> None:
    """Refuse a former name whose money would count twice."""
    taken: dict[str, str] = {}
    for name, budget in budgets.items():
        for former in budget.formerly:
            if former in budgets or former in taken:
                where = "is configured" if former in budgets else f"is one of {taken[former]}'s too"
                told = f"names {former}, which {where}: money counts once"
                raise Refusal(told, "budgets", name, "formerly")
            taken[former] = name
