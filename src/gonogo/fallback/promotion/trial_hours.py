"""The calls of two versions, hour by hour, as a trial weighs them: one pair of rates a metric; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.promotion.candidate_trial import PairedHours
from gonogo.ports.promotions import Promotion
from gonogo.records import HOUR_MS, MICRO, Histograms, HourCounts

MetricName = Literal["outcome", "error", "latency_p95", "latency_median", "cost_p95", "cost_median"]

HOURS_A_WEEK = 7 * 24
BEFORE_LABELS = 1000.0
# Below so many labels a day four hours are weighed as one: n_a : n_b sets the bet, and an hour with
# one call of the candidate bets on little.
FEW_LABELS_A_DAY, LONG_BLOCK = 200.0, 4
# Calls a tenth above what is usual are no harm: two bins, of sixteen an octave. Else a version whose
# calls all cost alike is worse as soon as one costs a cent more.
MARGIN_BINS = 2
VALUES_MIN = 20


@dataclass(frozen=True, slots=True, eq=False)
class TrialMetricHours:
    """One metric of both versions: its hours, and the current one's newest labels ahead of the trial.

    `served` and `beside`: the candidate's calls among them that served, and those of its shadow. They end before
    `end_hour`, in blocks of so many hours.
    """

    metric: MetricName
    hours: PairedHours
    before: tuple[float, float]
    served: float
    beside: float
    end_hour: int
    block: int


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """One rate, a row for each hour and version."""

    hour: Ints
    version: Ints
    versions: tuple[str | None, ...]
    n: Floats
    bad: Floats

    @classmethod
    def of_counts(cls, counts: HourCounts, metric: Literal["outcome", "error"]) -> _Rows:
        """Wrong outcomes of labels, or errors of calls."""
        labels = counts.labels if metric == "outcome" else counts.n
        bad = labels - counts.outcome_sum / MICRO if metric == "outcome" else counts.errors
        return cls(
            counts.hour,
            counts.version,
            counts.versions,
            labels.astype(np.float64),
            np.maximum(bad.astype(np.float64), 0.0),
        )

    def of(self, version: str | None) -> _Rows:
        """One version's rows."""
        at = self.versions.index(version) if version in self.versions else -1
        mine = self.version == at
        return replace(
            self,
            hour=self.hour[mine],
            version=self.version[mine],
            n=self.n[mine],
            bad=self.bad[mine],
        )


def labels_a_day(
    counts: HourCounts, metric: Literal["outcome", "error"], *, end_hour: int
) -> float:
    """Labels, or calls, of a day in the week before an hour."""
    n = counts.labels if metric == "outcome" else counts.n
    week = (counts.hour >= end_hour - HOURS_A_WEEK) & (counts.hour < end_hour) & (n > 0)
    if not week.any():
        return 0.0
    hours = min(HOURS_A_WEEK, end_hour - int(counts.hour[week].min()))
    return float(n[week].sum()) * 24 / max(hours, 24)


def block_hours(a_day: float) -> int:
    """Hours that are weighed as one."""
    return LONG_BLOCK if a_day < FEW_LABELS_A_DAY else 1


def rate_hours(
    counts: HourCounts,
    metric: Literal["outcome", "error"],
    made: Promotion,
    *,
    beside: HourCounts | None = None,
    end_hour: int,
    block: int,
) -> TrialMetricHours:
    """Wrong outcomes or errors of both versions since the trial began, up to an hour.

    `beside`: the candidate's calls in a shadow, which count as its own.
    """
    shadow = None if beside is None else _Rows.of_counts(beside, metric)
    rows = _Rows.of_counts(counts, metric)
    return _paired(metric, rows, made, shadow, end_hour=end_hour, block=block)


def counts_of(hours: PairedHours) -> Floats:
    """Calls and bad ones of the current version and of the candidate, shape (4, hours)."""
    return np.stack([hours.n_current, hours.bad_current, hours.n_candidate, hours.bad_candidate])


def keyed_hours(counts: HourCounts, made: Promotion, main: TrialMetricHours) -> Floats:
    """Calls and bad ones of both versions that have one sticky key, in the hours of the main rate; shape (4, hours)."""
    metric: Literal["outcome", "error"] = "outcome" if main.metric == "outcome" else "error"
    own = rate_hours(counts, metric, made, end_hour=main.end_hour, block=main.block)
    return counts_of(own.hours)


def value_hours(
    found: Histograms,
    made: Promotion,
    *,
    beside: Histograms | None = None,
    end_hour: int,
    block: int,
) -> list[TrialMetricHours]:
    """Calls above the current version's 95th percentile and median of the week ahead of the trial.

    Nothing where that week has too few values of it. `beside`: as in `rate_hours`.
    """
    begun = made.stages[0][0] // HOUR_MS
    at = found.versions.index(made.current) if made.current in found.versions else -1
    week = (found.version == at) & (found.bucket < begun) & (found.bucket >= begun - HOURS_A_WEEK)
    inside = week[found.row]
    bins, counts = found.bins[inside], found.counts[inside]
    if counts.sum() < VALUES_MIN:
        return []
    order = np.argsort(bins, kind="stable")
    ranked = np.cumsum(counts[order]) / counts.sum()
    p95, median = (
        int(bins[order][min(int(np.searchsorted(ranked, q)), len(order) - 1)]) for q in (0.95, 0.5)
    )
    middle = median + MARGIN_BINS
    made_of: list[tuple[MetricName, int]] = (
        [("latency_p95", max(p95, middle)), ("latency_median", middle)]
        if found.metric == "latency_ms"
        else [("cost_p95", max(p95, middle)), ("cost_median", middle)]
    )
    return [
        _paired(
            name,
            _above(found, bin_),
            made,
            None if beside is None else _above(beside, bin_),
            end_hour=end_hour,
            block=block,
        )
        for name, bin_ in made_of
    ]


def _above(found: Histograms, bin_: int) -> _Rows:
    over = np.bincount(
        found.row, found.counts * (found.bins > bin_), minlength=len(found.bucket)
    ).astype(np.float64)
    total = np.bincount(found.row, found.counts, minlength=len(found.bucket)).astype(np.float64)
    return _Rows(found.bucket, found.version, found.versions, total, over)


def _paired(
    metric: MetricName,
    rows: _Rows,
    made: Promotion,
    shadow: _Rows | None,
    *,
    end_hour: int,
    block: int,
) -> TrialMetricHours:
    begun = made.stages[0][0] // HOUR_MS
    current, candidate = rows.of(made.current), rows.of(made.version)
    first, end = begun // block, end_hour // block  # the block that is not over yet does not count
    size = max(0, end - first)

    def summed(one: _Rows, values: Floats) -> Floats:
        at = one.hour // block - first
        mine = (at >= 0) & (at < size)
        return np.bincount(at[mine], values[mine], minlength=size).astype(np.float64)

    n, bad = summed(candidate, candidate.n), summed(candidate, candidate.bad)
    served, beside = float(n.sum()), 0.0
    if shadow is not None:
        own = shadow.of(made.version)
        extra = summed(own, own.n)
        n, bad, beside = n + extra, bad + summed(own, own.bad), float(extra.sum())
    hours = PairedHours(
        stage=_stages(made, (first + np.arange(size)) * block),
        n_current=summed(current, current.n),
        bad_current=summed(current, current.bad),
        n_candidate=n,
        bad_candidate=bad,
    )
    before = _before(current, first * block)
    return TrialMetricHours(metric, hours, before, served, beside, end_hour, block)


def _stages(made: Promotion, hour: Ints) -> Ints:
    """The stage in which the calls of each block were made: an hour in which one began is the last's."""
    since = np.array([-(-since_ms // HOUR_MS) for since_ms, _ in made.stages])
    number = np.array([stage for _, stage in made.stages])
    at = np.maximum(np.searchsorted(since, hour, side="right") - 1, 0)
    stages: Ints = number[at].astype(np.int64)
    return stages


def _before(current: _Rows, begun_hour: int) -> tuple[float, float]:
    """The current version's newest labels ahead of an hour, about a thousand, and bad ones."""
    earlier: NDArray[np.bool_] = current.hour < begun_hour
    order = np.argsort(current.hour[earlier], kind="stable")[::-1]
    n, bad = current.n[earlier][order], current.bad[earlier][order]
    enough = int(np.searchsorted(np.cumsum(n), BEFORE_LABELS)) + 1
    return float(n[:enough].sum()), float(bad[:enough].sum())
