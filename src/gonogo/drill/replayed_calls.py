"""The user's own calls, played again: drawn by weekday and hour, then made worse as a scenario says.

Each hour to come takes as many calls as the same hour of one of the user's own days had, a day of
the same weekday drawn at random, and draws them with replacement from the calls of that hour on all
days of the weekday. So volume, season and segments stay as they were, and a call keeps its confidence,
latency, cost and delay of outcome. What is lost is how days, and hours, hang together.

An hour's own calls alone would be too few to draw from: of ten, one that failed would be drawn again and
again, and hours in which nearly all fail, which no user ever had, would come up by the week.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.records import DAY_MS, HOUR_MS, MICRO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gonogo.detectors.arrays import Floats, Ints
    from gonogo.store.reads.call_columns import CallColumns

    Mask = NDArray[np.bool_]

HOURS_A_DAY = 24
# From fewer calls of an hour of the week the hour is drawn from all working days, or from both of the weekend.
POOL_MIN = 100
WORKING_DAYS, WEEKEND = (4, 5, 6, 0, 1), (2, 3)  # of days since 1970, by 7: that one was a Thursday


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
    booked_micro_usd: Floats
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
        return self._at(np.flatnonzero(~gone))

    def repeated(self, chosen: Mask, times: int) -> ReplayedCalls:
        """These calls with each of the chosen ones made so many times, one right after the other."""
        return self._at(np.repeat(np.arange(len(chosen)), np.where(chosen, times, 1)))

    def asked_otherwise(self, chosen: Mask, source: Ints, calls: CallColumns) -> ReplayedCalls:
        """These calls with the chosen ones in place of which others of the history are made again.

        `source`: the row of `calls` that each of them becomes, shape (n,); `worse` and `failing` come after.
        """
        lag_ms = np.nan_to_num(calls.outcome_lag_ms)
        now = {
            "source": source,
            "outcome_e6": calls.outcome_e6[source],
            "seen_ms": self.ts_ms + lag_ms[source],
            "failed": calls.failed[source] > 0,
            "confidence_e6": calls.confidence_e6[source],
            "latency_us": calls.latency_us[source],
            "cost_micro_usd": calls.cost_micro_usd[source],
            "booked_micro_usd": calls.booked_micro_usd[source],
        }
        return replace(
            self,
            **{name: np.where(chosen, found, getattr(self, name)) for name, found in now.items()},
        )

    def _at(self, rows: Ints) -> ReplayedCalls:
        return ReplayedCalls(*(getattr(self, name)[rows] for name in self.__slots__))


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
    begin = np.repeat(first, count)
    place = begin + np.arange(len(begin)) - np.repeat(np.cumsum(count) - count, count)
    ts_ms = calls.ts_ms[place] + shift * DAY_MS
    source = _drawn(calls.ts_ms, ts_ms, rng)
    return ReplayedCalls(
        ts_ms=ts_ms,
        source=source,
        outcome_e6=calls.outcome_e6[source],
        seen_ms=ts_ms + np.nan_to_num(calls.outcome_lag_ms[source]),
        failed=calls.failed[source] > 0,
        confidence_e6=calls.confidence_e6[source],
        latency_us=calls.latency_us[source],
        cost_micro_usd=calls.cost_micro_usd[source],
        booked_micro_usd=calls.booked_micro_usd[source],
        u=rng.random(len(source)),
        hurt=np.zeros(len(source), dtype=bool),
        candidate=np.zeros(len(source), dtype=bool),
    )


def _drawn(own_ms: Ints, ts_ms: Ints, rng: np.random.Generator) -> Ints:
    """Draw one of the user's own calls of the same hour of the week for each call to come; shape as `ts_ms`."""
    own_cell, cell = (_hour_of_week(each) for each in (own_ms, ts_ms))
    chance, source = rng.random(len(ts_ms)), np.zeros(len(ts_ms), dtype=np.int64)
    for each in np.unique(cell).tolist():
        pool = np.flatnonzero(own_cell == each)
        if len(pool) < POOL_MIN:
            weekday, hour = divmod(each, HOURS_A_DAY)
            alike = WEEKEND if weekday in WEEKEND else WORKING_DAYS
            pool = np.flatnonzero(np.isin(own_cell, [day * HOURS_A_DAY + hour for day in alike]))
        here = cell == each
        source[here] = pool[np.floor(chance[here] * len(pool)).astype(np.int64)]
    return source


def _hour_of_week(ts_ms: Ints) -> Ints:
    cell: Ints = ts_ms // HOUR_MS % (7 * HOURS_A_DAY)
    return cell


def good_rate(calls: CallColumns) -> float:
    """The mean outcome of the calls that have one; 1 where none has."""
    known = calls.outcome_e6[~np.isnan(calls.outcome_e6)]
    return float(known.mean()) / MICRO if len(known) else 1.0
