"""Hourly counts, histograms, and newest costs of calls that are played, as the store would read them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.bins import bin_of, layout_of
from gonogo.records import HOUR_MS, MICRO, Costs, Histograms, HourCounts

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats, Ints
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.drill.replayed_calls import ReplayedCalls
    from gonogo.store.observations.rows import Rule
    from gonogo.store.reads.call_columns import CallColumns

    Mask = NDArray[np.bool_]


HOURS_A_DAY = 24
# The version that a rehearsal promotes.
CANDIDATE = "rehearsed candidate"
BIN_ROOM = 1 << 17
_COUNTS = (
    *("n", "errors", "timed", "slo_met", "labels", "outcome_sum"),
    *("good", "ok", "ok_labels", "ok_good"),
)


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedHours:
    """The calls of one dependency that have happened by a moment; shapes (rows,).

    `row` are places in `played`; `outcome_e6` is NaN where it has not come yet.
    """

    calls: CallColumns
    played: ReplayedCalls
    row: Ints
    outcome_e6: Floats
    hour: Ints
    version: Ints  # index into `versions`
    versions: tuple[str | None, ...]

    @classmethod
    def of(
        cls, calls: CallColumns, played: ReplayedCalls, served: Mask, *, until_ms: int
    ) -> ReplayedHours:
        """The served calls before a moment, with the outcomes that have come before it."""
        end = int(np.searchsorted(played.ts_ms, until_ms))
        row = np.flatnonzero(served[:end])
        come = played.seen_ms[row] <= until_ms
        version, versions = calls.version[played.source[row]], calls.versions
        if played.candidate.any():
            version = np.where(played.candidate[row], len(versions), version)
            versions = (*versions, CANDIDATE)
        return cls(
            calls=calls,
            played=played,
            row=row,
            outcome_e6=np.where(come, played.outcome_e6[row], np.nan),
            hour=played.ts_ms[row] // HOUR_MS,
            version=version,
            versions=versions,
        )

    def inside(self, segment: str | None) -> Mask:
        """A mask of the calls in a declared slice; that of a combined slice joins its parts."""
        if segment is None:
            return np.ones(len(self.row), dtype=bool)
        holds = np.array([_holds(each, segment) for each in self.calls.segment_sets], dtype=bool)
        found: Mask = holds[self.calls.segments[self.played.source[self.row]]]
        return found


def _holds(declared: frozenset[str], segment: str) -> bool:
    if segment in declared:
        return True
    commas = [i for i, character in enumerate(segment) if character == ","]
    return any(segment[:i] in declared and segment[i + 1 :] in declared for i in commas)


def counts_of(shown: ReplayedHours, segment: str | None, rule: Rule) -> HourCounts:
    """Count the calls of a slice by hour and version."""
    kept, played = shown.inside(segment), shown.played
    row, outcome = shown.row[kept], shown.outcome_e6[kept]
    labelled = ~np.isnan(outcome)
    filled = np.where(labelled, outcome, 0.0)
    good = labelled & (filled >= rule.bar_e6)
    failed, latency = played.failed[row], played.latency_us[row]
    timed = ~np.isnan(latency)
    met = timed & (latency <= (np.inf if rule.slo_us is None else rule.slo_us))
    ok = ~failed & (met | ~timed)
    weights = (
        *(np.ones(len(row)), failed, timed, met, labelled, filled, good),
        *(ok, ok & labelled, ok & good),
    )
    hour, version, at, cells = _cells(shown, kept)
    sums = {
        name: np.bincount(at, weight, minlength=cells).astype(np.int64)
        for name, weight in zip(_COUNTS, weights, strict=True)
    }
    return HourCounts(hour=hour, version=version, versions=shown.versions, **sums)


def _cells(shown: ReplayedHours, kept: Mask) -> tuple[Ints, Ints, Ints, int]:
    """Hour and version of each cell, the cell of each row, and how many cells there are."""
    width = max(len(shown.versions), 1)
    keys, at = np.unique(shown.hour[kept] * width + shown.version[kept], return_inverse=True)
    return keys // width, keys % width, at, len(keys)


def histogram_of(
    shown: ReplayedHours, metric: str, bins: Ints, segment: str | None, rule: Rule
) -> Histograms:
    """Build the histograms of a metric in a slice, by hour and version.

    `bins` are those of all calls that are played.
    """
    there, fixed = _fixed(shown, metric, rule)
    kept = shown.inside(segment) & there
    hour, version, at, cells = _cells(shown, kept)
    pairs, counts = np.unique(
        at * (2 * BIN_ROOM) + bins[shown.row[kept]] + BIN_ROOM, return_counts=True
    )
    return Histograms(
        metric=metric,
        layout=layout_of(metric).name,
        bucket=hour,
        version=version,
        versions=shown.versions,
        n=np.bincount(at, minlength=cells),
        sum=np.bincount(at, fixed[kept], minlength=cells).astype(np.int64),
        row=pairs // (2 * BIN_ROOM),
        bins=pairs % (2 * BIN_ROOM) - BIN_ROOM,
        counts=counts,
    )


def no_histograms(metric: str) -> Histograms:
    """Histograms of a metric that has no value."""
    none = np.zeros(0, dtype=np.int64)
    rest = (none, none, (), none, none, none, none, none)
    return Histograms(metric, layout_of(metric).name, *rest)


def _fixed(shown: ReplayedHours, metric: str, rule: Rule) -> tuple[Mask, Floats]:
    """A mask of the calls that have a value, and the values in 1e-6 of the metric's unit."""
    labelled = ~np.isnan(shown.outcome_e6)
    if metric == "outcome_lag_s":
        return labelled, _stored(shown.played, metric)[shown.row] * (MICRO // 1000)
    stored = _stored(shown.played, metric)[shown.row]
    there = ~np.isnan(stored)
    if metric == "confidence_labelled":
        there &= labelled
    elif metric == "confidence_good":
        there &= labelled & (np.nan_to_num(shown.outcome_e6) >= rule.bar_e6)
    return there, np.nan_to_num(stored)


def _stored(played: ReplayedCalls, metric: str) -> Floats:
    if metric == "outcome_lag_s":
        return np.maximum(played.seen_ms - played.ts_ms, 0)
    return played.cost_micro_usd if metric == "cost_usd" else played.confidence_e6


def bins_of(played: ReplayedCalls, metric: str) -> Ints:
    """The bin of every call's value of a metric; that of 0 where it has none."""
    unit = 1000 if metric == "outcome_lag_s" else MICRO
    return bin_of(layout_of(metric), np.nan_to_num(_stored(played, metric)) / unit)


def earliest_change(played: ReplayedCalls, before_ms: int, until_ms: int) -> int:
    """The time of the oldest call that came, or whose outcome came, in between; epoch ms."""
    called = (played.ts_ms >= before_ms) & (played.ts_ms < until_ms)
    judged = (played.seen_ms > before_ms) & (played.seen_ms <= until_ms)
    return int(played.ts_ms[called | judged].min(initial=until_ms))


def by_day(found: Histograms) -> Histograms:
    """Hourly histograms as daily ones."""
    width = max(len(found.versions), 1)
    keys, at = np.unique(found.bucket // HOURS_A_DAY * width + found.version, return_inverse=True)
    pairs, inverse = np.unique(
        at[found.row] * (2 * BIN_ROOM) + found.bins + BIN_ROOM, return_inverse=True
    )
    return replace(
        found,
        bucket=keys // width,
        version=keys % width,
        n=np.bincount(at, found.n, minlength=len(keys)).astype(np.int64),
        sum=np.bincount(at, found.sum, minlength=len(keys)).astype(np.int64),
        row=pairs // (2 * BIN_ROOM),
        bins=pairs % (2 * BIN_ROOM) - BIN_ROOM,
        counts=np.bincount(inverse, found.counts, minlength=len(pairs)).astype(np.int64),
    )


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
