"""The newest costs and durations of calls that are played, after those of history, as the store would read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gonogo.records import Costs

if TYPE_CHECKING:
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.drill.replayed_hours import ReplayedHours

# As many as the store reads.
DURATIONS_MAX = 2000


def newest_costs(past: HealthyHistory, shown: ReplayedHours, *, limit: int) -> Costs:
    """The newest calls that have a cost or tokens, oldest first. All tokens stand as those of the input."""
    cost, tokens = shown.played.booked_micro_usd, shown.calls.tokens[shown.played.source]
    row = shown.row[~np.isnan(cost[shown.row]) | ~np.isnan(tokens[shown.row])][-limit:]
    old = past.costs
    before = slice(max(0, len(old.ts_ms) + len(row) - limit), None)
    now = np.nan_to_num(tokens[row], nan=-1.0).astype(np.int64)
    version = shown.calls.version[shown.played.source[row]] + len(old.versions)
    return Costs(
        np.concatenate((old.ts_ms[before], shown.played.ts_ms[row])),
        np.concatenate((old.cost_micro_usd[before], np.nan_to_num(cost[row], nan=-1.0))),
        np.concatenate((old.input_tokens[before], now)),
        np.concatenate((old.output_tokens[before], np.full(len(row), -1))),
        np.concatenate((old.version[before], version)),
        (*old.versions, *shown.calls.versions),
    )


def newest_durations(past: HealthyHistory, shown: ReplayedHours) -> Costs:
    """The newest calls whose duration is known, oldest first: microseconds in place of costs."""
    calls, played = past.calls, shown.played
    known = np.flatnonzero(~np.isnan(calls.latency_us))
    row = shown.row[~np.isnan(played.latency_us[shown.row])][-DURATIONS_MAX:]
    known = known[max(0, len(known) + len(row) - DURATIONS_MAX) :]
    ts_ms = np.concatenate((calls.ts_ms[known], played.ts_ms[row]))
    latency_us = np.concatenate((calls.latency_us[known], played.latency_us[row]))
    source = np.concatenate((known, played.source[row]))
    none = np.full(len(ts_ms), -1)
    return Costs(ts_ms, latency_us, none, none, calls.version[source], calls.versions)
