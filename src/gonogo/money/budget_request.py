"""A question about a budget, checked: what is planned, and whether to hold the money for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gonogo.errors import ParameterError, plain
from gonogo.money.budget_plan import PLANNED_CALLS_MAX
from gonogo.ports.money import micro_usd
from gonogo.records import Unit

_NAME_CHARS_MAX = 200
# Begins the keys of runs; no caller's key has it, so that nobody's hold stands for a run's.
RUN_KEY = "run:"


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """A question about a budget.

    Attributes:
        budget: Its name.
        dependency: What will be called; without it, what the budget is spent on, as mixed lately.
        planned_calls: How many calls, retries included; without a plan, one.
        planned_cost_usd: What the work is expected to cost in total, in the budget's unit.
        work: Planned calls by dependency, in place of `dependency` and `planned_calls`.
        reserve: Hold the money if the check passes.
        idempotency_key: Names this reservation, so that asking again holds nothing twice.
        run: Names a run whose hold is its budget; whoever names it again, in any process, shares it.
        lease_s: How long the hold lasts unless it is renewed; at most as long as its budget lets one.
        detail: How many other holds are listed: 5 or 50.
    """

    budget: str
    dependency: str | None = None
    planned_calls: int | None = None
    planned_cost_usd: float | None = None
    work: Mapping[str, int] | None = None
    reserve: bool = False
    idempotency_key: str | None = None
    run: str | None = None
    lease_s: int | None = None
    detail: Literal["brief", "full"] = "brief"

    @property
    def is_mixed(self) -> bool:
        """Whether calls of several dependencies are stated, which the tool's arguments cannot say."""
        return self.work is not None and len(self.work) > 1

    @property
    def called(self) -> str | None:
        """The one dependency that will be called, where there is one."""
        if self.work is not None and len(self.work) == 1:
            return next(iter(self.work))
        return self.dependency

    @property
    def not_held(self) -> tuple[str, ...]:
        """The calls to come, by name; what money is held for counts by its reservation."""
        stated = () if self.dependency is None else (self.dependency,)
        return () if self.reserve else tuple(self.work or stated)

    @property
    def declared_usd(self) -> float | None:
        """The declared cost. Nothing costs nothing: a zero says that it is not known."""
        return self.planned_cost_usd or None

    def plan(self, unit: Unit) -> tuple[int | None, int | None]:
        """Planned calls, and the declared cost in whole numbers of the budget's unit.

        Raises:
            ParameterError: One is out of range.
        """
        calls = sum(self.work.values()) if self.work is not None else self.planned_calls
        if calls is not None and not 1 <= calls <= PLANNED_CALLS_MAX:
            raise ParameterError(
                f"planned_calls must be from 1 to {PLANNED_CALLS_MAX}, not {calls}."
            )
        cost = self.declared_usd
        declared = None if cost is None else micro_usd(cost, name="planned_cost_usd", unit=unit)
        return (1 if calls is None and declared is None else calls), declared

    def key(self) -> str | None:
        """The idempotency key, where something is to be held.

        Raises:
            ParameterError: It is empty, too long, or one that a run has.
        """
        key = self.idempotency_key if self.reserve else None
        if self.run is not None:
            if not self.reserve or self.idempotency_key is not None:
                raise ParameterError("run needs reserve=true, and stands in for idempotency_key.")
            key = f"{RUN_KEY}{self.run}"
        elif key is not None and key.startswith(RUN_KEY):
            raise ParameterError(
                f"idempotency_key '{plain(key, 60)}' stands for a run: pass run, or another key."
            )
        if key is not None and not 1 <= len(key) <= _NAME_CHARS_MAX:
            raise ParameterError(f"idempotency_key must have 1 to {_NAME_CHARS_MAX} characters.")
        return key

    def arguments(self) -> dict[str, object]:
        """The question as the tool's arguments; without holding."""
        calls = sum(self.work.values()) if self.work is not None else self.planned_calls
        given = {
            "budget": self.budget,
            "run": self.run,
            "dependency": self.called,
            "planned_calls": calls,
            "planned_cost_usd": self.declared_usd,
        }
        return {name: value for name, value in given.items() if value is not None}

    def text(self) -> str:
        """The request as one text: two requests are the same where their texts are."""
        # Whoever shares a run need not know what was planned for it.
        asked = {"run": self.run, "budget": self.budget} if self.run else self.arguments()
        return json.dumps(asked, sort_keys=True)
