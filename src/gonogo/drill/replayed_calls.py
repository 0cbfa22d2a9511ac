"""The user's own calls, played again: drawn by weekday and hour, then made worse as a scenario says.

Each hour to come takes as many calls as the same hour of one of the user's own days had, a day of
the same weekday drawn at random, and draws them from that hour's own calls with replacement. So
volume, season and segments stay as they were, and a call keeps its confidence, latency, cost and
delay of outcome. What is lost is how days hang together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gonogo.ports.booked_costs import BookedCost
from gonogo.records import DAY_MS, HOUR_MS, MICRO, QUARTER_MS
from gonogo.store.books.ledger_books import book_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gonogo.app.parts import Stores
    from gonogo.detectors.arrays import Floats, Ints
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.settings import Settings
    from gonogo.store.reads.call_columns import CallColumns

    Mask = NDArray[np.bool_]

HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedCalls:
    """Calls to come, oldest first; shapes (n,). `source` is the row of the user's own that each is.

    `hurt` marks the calls that a scenario made worse, `candidate` those that a new version answers. `u` in [0, 1) is a call's place among the
    keys: the primary serves it while its share is above. What is absent is NaN.
    """

    ts_ms: Ints
    source: Ints
    outcome_e6: Floats
    seen_ms: Floats  # when the outcome comes
    failed: Mask
    confidence_e6: Floats
    latency_us: Floats
    cost_micro_usd: Floats
    u: Floats
    hurt: Mask
    candidate: Mask

    def worse(self, chosen: Mask) -> ReplayedCalls:
        """These calls with the chosen ones answered wrong, where they had an outcome."""
        chosen = chosen & (self.outcome_e6 > 0)
        outcome = np.where(chosen, 0.0, self.outcome_e6)
        return replace(self, outcome_e6=outcome, hurt=self.hurt | chosen)

    def failing(self, chosen: Mask) -> ReplayedCalls:
        """These calls with the chosen ones failing outright, with nothing to judge."""
        return replace(
            self,
            failed=self.failed | chosen,
            outcome_e6=np.where(chosen, np.nan, self.outcome_e6),
            confidence_e6=np.where(chosen, np.nan, self.confidence_e6),
            hurt=self.hurt | chosen,
        )

    def answered_by_candidate(
        self, share: float, *, since_ms: int, worse: float, before: ReplayedCalls
    ) -> ReplayedCalls:
        """These calls where a new version answers a share of those to come, and turns some of them wrong.

        `worse`: the chance of a good one; calls without outcomes fail. `before`: as they are by now.
        """
        gets = np.where(self.ts_ms >= since_ms, self.u >= 1 - share, before.candidate)
        # The finer digits of a key's place: a chance of its own, whatever the share is.
        spoilt = gets & (self.u * 1e6 % 1 < worse)
        is_judged = not np.isnan(self.outcome_e6).all()
        made = self.worse(spoilt) if is_judged else self.failing(spoilt)
        return replace(made, candidate=gets)

    def without(self, gone: Mask) -> ReplayedCalls:
        """These calls without some of them."""
        kept = ~gone
        return ReplayedCalls(*(getattr(self, name)[kept] for name in self.__slots__))


def play_again(
    calls: CallColumns, *, first_day: int, days: int, rng: np.random.Generator
) -> ReplayedCalls:
    """Draw the calls of days to come from whole UTC days of history.

    Args:
        calls: Of at least one day of every weekday; a weekday without one borrows from all days.
        first_day: Days since 1970.
        days: How many.
        rng: The dice; the same ones give the same calls.
    """
    own_days = np.unique(calls.ts_ms // DAY_MS)
    days = days if len(own_days) else 0
    drawn = []
    for day in range(first_day, first_day + days):
        alike = own_days[own_days % 7 == day % 7]
        drawn.append(rng.choice(alike if len(alike) else own_days))
    hours = np.arange(HOURS_A_DAY)
    source_day = np.array(drawn, dtype=np.int64)
    source_hour = (source_day[:, None] * HOURS_A_DAY + hours).ravel()
    first = np.searchsorted(calls.ts_ms, source_hour * HOUR_MS)
    count = np.searchsorted(calls.ts_ms, (source_hour + 1) * HOUR_MS) - first
    shift = np.repeat(
        (np.arange(first_day, first_day + days) - source_day).repeat(HOURS_A_DAY), count
    )
    begin, size = np.repeat(first, count), np.repeat(count, count)
    place = begin + np.arange(len(begin)) - np.repeat(np.cumsum(count) - count, count)
    source = begin + np.floor(rng.random(len(begin)) * size).astype(np.int64)
    ts_ms = calls.ts_ms[place] + shift * DAY_MS
    return ReplayedCalls(
        ts_ms=ts_ms,
        source=source,
        outcome_e6=calls.outcome_e6[source],
        seen_ms=ts_ms + np.nan_to_num(calls.outcome_lag_ms[source]),
        failed=calls.failed[source] > 0,
        confidence_e6=calls.confidence_e6[source],
        latency_us=calls.latency_us[source],
        cost_micro_usd=calls.cost_micro_usd[source],
        u=rng.random(len(source)),
        hurt=np.zeros(len(source), dtype=bool),
        candidate=np.zeros(len(source), dtype=bool),
    )


def good_rate(calls: CallColumns) -> float:
    """The mean outcome of the calls that have one; 1 where none has."""
    known = calls.outcome_e6[~np.isnan(calls.outcome_e6)]
    return float(known.mean()) / MICRO if len(known) else 1.0


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
