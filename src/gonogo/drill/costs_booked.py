"""The costs of replayed calls, booked in the sandbox's ledger as recording would book them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gonogo.ports.booked_costs import BookedCost
from gonogo.records import QUARTER_MS
from gonogo.store.books.ledger_books import book_costs

if TYPE_CHECKING:
    from gonogo.app.parts import Stores
    from gonogo.detectors.arrays import Floats, Ints
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.drill.replayed_calls import ReplayedCalls
    from gonogo.settings import Settings


def covering(settings: Settings, dependency: str) -> list[str]:
    """The budgets that count a dependency's cost. Those of other units are not rehearsed."""
    return [
        name
        for name, one in settings.budgets.items()
        if dependency in one.dependencies and one.unit == "usd"
    ]


async def book_played(
    stores: Stores,
    pasts: Mapping[str, HealthyHistory],
    played: Mapping[str, ReplayedCalls],
    *,
    since_ms: int,
    now_ms: int,
) -> int:
    """Book what came since, history first; until when it is booked."""
    costs = [
        cost
        for name, calls in played.items()
        for ts_ms, micro_usd in (
            (pasts[name].calls.ts_ms, pasts[name].calls.cost_micro_usd),
            (calls.ts_ms, calls.cost_micro_usd),
        )
        for cost in _quarters(name, ts_ms, micro_usd, since_ms=since_ms, now_ms=now_ms)
    ]
    await stores.db.write(partial(book_costs, costs=costs, now_ms=now_ms))
    return now_ms


def _quarters(
    name: str, ts_ms: Ints, micro_usd: Floats, *, since_ms: int, now_ms: int
) -> list[BookedCost]:
    kept = (ts_ms >= since_ms) & (ts_ms < now_ms) & ~np.isnan(micro_usd)
    quarter, at = np.unique(ts_ms[kept] // QUARTER_MS, return_inverse=True)
    sums = np.bincount(at, micro_usd[kept], minlength=len(quarter))
    return [
        BookedCost(name, None, None, int(q) * QUARTER_MS, int(s))
        for q, s in zip(quarter.tolist(), sums.tolist(), strict=True)
    ]
