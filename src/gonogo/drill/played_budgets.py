"""The budgets that count a rehearsed dependency's calls: what is booked to them, and what they refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gonogo.money.scopes import matched
from gonogo.ports.booked_costs import BookedCost, Usage
from gonogo.records import HOUR_MS, NANO_A_MICRO, QUARTER_MS
from gonogo.settings import PER_DEPENDENCY
from gonogo.store.books.ledger_books import book_costs

if TYPE_CHECKING:
    from gonogo.answers import BudgetCheck
    from gonogo.app import Gonogo
    from gonogo.detectors.arrays import Floats, Ints
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.drill.replayed_calls import ReplayedCalls
    from gonogo.settings import BudgetSettings, Settings
    from gonogo.store.reads.call_columns import CallColumns


def covering(settings: Settings, dependency: str, calls: CallColumns | None = None) -> list[str]:
    """The budgets that count a dependency's calls, in whatever unit.

    Of a limit for each value of a key, that of the value which most of its calls have; without `calls` none.
    """
    own = [name for name, one in settings.budgets.items() if _counts(one, dependency)]
    for name, one in settings.keyed_budgets.items():
        value = dependency if one.per == PER_DEPENDENCY else _commonest(one.per, calls)
        limit = one.of_value(value) if value else None
        if limit is not None and (not limit.dependencies or _counts(limit, dependency)):
            own.append(f"{name}/{value}")
    return own


def covers_cost(settings: Settings, dependency: str) -> bool:
    """Whether a budget in dollars counts what a dependency's calls cost."""
    every = (*settings.budgets.values(), *settings.keyed_budgets.values())
    return any(
        one.unit == "usd" and (_counts(one, dependency) or one.per == PER_DEPENDENCY)
        for one in every
    )


def _counts(budget: BudgetSettings, dependency: str) -> bool:
    return dependency in matched(budget.dependencies, (dependency,))


def _commonest(key: str | None, calls: CallColumns | None) -> str | None:
    """The value of a segment key that most calls have; None where none has one."""
    if calls is None or not len(calls.ts_ms):
        return None
    found: Counter[str] = Counter()
    for declared, times in zip(
        calls.segment_sets,
        np.bincount(calls.segments, minlength=len(calls.segment_sets)),
        strict=True,
    ):
        for pair in declared:
            name, _, value = pair.partition("=")
            if name == key:
                found[value] += int(times)
    return found.most_common(1)[0][0] if found else None


@dataclass(slots=True)
class PlayedBudgets:
    """The budgets of a rehearsal, and until when what was called is in their books.

    `refused`: the first that refused the work to come, and what share of its limit was spent by then. `largest`: the
    largest share of a limit that was ever spent.
    """

    names: list[str]
    dependency: str
    booked_ms: int = 0
    refused: tuple[str, float] | None = None
    largest: float = 0.0

    async def refuse(
        self, app: Gonogo, played: ReplayedCalls, calls: CallColumns, *, now_ms: int
    ) -> bool:
        """Whether one of them would refuse the work of an hour to come, at the pace of the hour before.

        Of a limit for each value, the work for that value; `calls` is the history that is played again.
        """
        recent = played.source[(played.ts_ms >= now_ms - HOUR_MS) & (played.ts_ms < now_ms)]
        for name in self.names:
            budget = app.settings.budget(name)
            segment = None if budget is None else budget.segment
            own = np.array([segment is None or segment in each for each in calls.segment_sets])
            planned = int(own[calls.segments[recent]].sum())
            check = await app.check_budget_with_confidence(
                name, dependency=self.dependency, planned_calls=max(planned, 1)
            )
            spent = _share_spent(check)
            self.largest = max(self.largest, spent)
            if check.verdict == "no_go":
                self.refused = name, spent
                return True
        return False

    async def book(
        self,
        app: Gonogo,
        pasts: Mapping[str, HealthyHistory],
        played: Mapping[str, ReplayedCalls],
        *,
        now_ms: int,
    ) -> None:
        """Book what was called since the last time, history first."""
        keys = [one.per for one in app.settings.keyed_budgets.values()]
        kept = frozenset(key for key in keys if key and key != PER_DEPENDENCY)
        span = self.booked_ms, now_ms
        costs = [
            cost
            for name, calls in played.items()
            for own in [pasts[name].calls]
            for part in (
                _Amounts.of_history(own),
                _Amounts.of_played(calls, own),
            )
            for cost in part.quarters(name, own, kept, span)
        ]
        stores = await app.stores()
        await stores.db.write(partial(book_costs, costs=costs, now_ms=now_ms))
        self.booked_ms = now_ms


def _share_spent(check: BudgetCheck) -> float:
    return check.spent_usd / check.limit_usd if check.limit_usd else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Amounts:
    """Calls as budgets count them; shapes (n,). What was not recorded is NaN."""

    ts_ms: Ints
    micro_usd: Floats
    tokens: Floats
    latency_us: Floats
    segments: Ints

    @classmethod
    def of_history(cls, calls: CallColumns) -> _Amounts:
        return cls(
            calls.ts_ms, calls.booked_micro_usd, calls.tokens, calls.latency_us, calls.segments
        )

    @classmethod
    def of_played(cls, played: ReplayedCalls, calls: CallColumns) -> _Amounts:
        source = played.source
        return cls(
            played.ts_ms,
            played.booked_micro_usd,
            calls.tokens[source],
            played.latency_us,
            calls.segments[source],
        )

    def quarters(
        self, name: str, calls: CallColumns, keys: frozenset[str], span: tuple[int, int]
    ) -> Iterator[BookedCost]:
        """Sum the calls by quarter hour, and by the segments whose keys sums are kept of."""
        kept = (self.ts_ms >= span[0]) & (self.ts_ms < span[1])
        if not kept.any():
            return
        told = [
            tuple(sorted(pair for pair in declared if pair.partition("=")[0] in keys))
            for declared in calls.segment_sets
        ]
        groups = {text: at for at, text in enumerate(dict.fromkeys(told))}
        group = np.array([groups[text] for text in told])[self.segments[kept]]
        cell = self.ts_ms[kept] // QUARTER_MS * len(groups) + group
        cells, at = np.unique(cell, return_inverse=True)
        nano, tokens, latency_us = (
            np.bincount(at, np.nan_to_num(amount[kept]), minlength=len(cells)).round().astype(int)
            for amount in (self.micro_usd * NANO_A_MICRO, self.tokens, self.latency_us)
        )
        texts, count = list(groups), np.bincount(at, minlength=len(cells))
        for i, each in enumerate(cells.tolist()):
            yield BookedCost(
                name,
                None,
                None,
                each // len(groups) * QUARTER_MS,
                *divmod(int(nano[i]), NANO_A_MICRO),
                Usage(int(count[i]), int(tokens[i]), int(latency_us[i])),
                texts[each % len(groups)],
            )
