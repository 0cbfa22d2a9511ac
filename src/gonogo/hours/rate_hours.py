"""A rate as a drift check reads it: hourly batches, their mature part, the baseline.

A rate is counted by its bad side, so that up is worse for every one of them: 1 - outcome, or an
error. Hours without a label carry nothing and are left out. Of complaints, the bad outcomes that are
all that is recorded, every call counts, with or without one; of praise, the good ones that are all,
calls without it are the bad side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.hours.stream_cache import CachedStream
from gonogo.records import HOUR_MS, MICRO, Histograms, HourCounts
from gonogo.text.forms import counted, number

RateMetric = Literal["outcome", "complaint", "praise", "error"]
RATE_METRICS: tuple[RateMetric, ...] = ("outcome", "complaint", "praise", "error")
# Told as their users know them, by the good side: less of them is worse.
GOOD_SHARES: frozenset[str] = frozenset({"outcome", "praise"})

HOURS_A_DAY = 24
LAG_METRIC = "outcome_lag_s"
# Rolled up for other purposes: outcomes are followed as a rate.
NOT_FOLLOWED = frozenset({"outcome", LAG_METRIC, "confidence_labelled", "confidence_good"})

BASELINE_LABELS_MIN = 100
BASELINE_HOURS_MIN = 72
# Outcomes that come within a minute need no waiting: an hour is then mature as it fills.
PROMPT_LAG_S = 60.0
MATURE_SHARE = 0.95
# An audit of last month's calls fills in outcomes that nobody can wait for: a few so late leave the
# other hours as mature as they are. Where they are more, outcomes are just slow, and waited for.
WAITED_FOR_S = 7 * 86_400.0
BEYOND_SHARE_MAX = 0.2


def groups_of(ascending: Ints) -> tuple[Ints, Ints]:
    """The distinct among ascending numbers, and each number's index among them."""
    begins = np.ones(len(ascending), dtype=np.bool_)
    np.greater(ascending[1:], ascending[:-1], out=begins[1:])
    return ascending[begins], begins.cumsum() - 1


def days_of(hour: Ints) -> tuple[Ints, Ints]:
    """The days since 1970 of hours, ascending, and each hour's index among them."""
    return groups_of(hour // 24)


@dataclass(frozen=True, slots=True, eq=False)
class RateStream:
    """Hourly batches of one rate, hours ascending, each with at least one label; shapes (n,).

    `remembered`: what was made of its older hours.
    """

    metric: RateMetric
    golden: bool
    hour: Ints
    n: Floats
    bad: Floats
    remembered: CachedStream | None = None

    def between(self, start_hour: int | None, end_hour: int | None) -> RateStream:
        """The batches with `start_hour <= hour < end_hour`."""
        low = 0 if start_hour is None else int(self.hour.searchsorted(start_hour))
        high = len(self.hour) if end_hour is None else int(self.hour.searchsorted(end_hour))
        remembered = self.remembered
        if remembered is not None and end_hour is not None:
            remembered = remembered.until(end_hour)
        return self.part(low, max(low, high), remembered)

    def part(self, low: int, high: int, remembered: CachedStream | None = None) -> RateStream:
        """The batches `low <= index < high`."""
        kept = slice(low, high)
        hour, n, bad = self.hour[kept], self.n[kept], self.bad[kept]
        return RateStream(self.metric, self.golden, hour, n, bad, remembered)

    def then(self, later: RateStream) -> RateStream:
        """This stream followed by the batches of later hours."""
        return replace(
            self,
            hour=np.concatenate((self.hour, later.hour)),
            n=np.concatenate((self.n, later.n)),
            bad=np.concatenate((self.bad, later.bad)),
        )

    @property
    def labels(self) -> int:
        """Labels in all batches."""
        return int(self.n.sum())

    @property
    def bad_rate(self) -> float:
        """Share of bad labels; 0 where there are none."""
        return float(self.bad.sum() / self.n.sum()) if len(self.n) else 0.0

    @property
    def mean(self) -> float:
        """The metric as its user knows it: the mean outcome, or the error rate."""
        return self.told(self.bad_rate)

    def told(self, bad_rate: float) -> float:
        """A share of bad ones as the metric is told."""
        return 1 - bad_rate if self.metric in GOOD_SHARES else bad_rate

    def told_between(self, low: float, high: float) -> tuple[float, float]:
        """The interval of a share of bad ones as the metric is told."""
        first, last = sorted((self.told(low), self.told(high)))
        return first, last

    def told_of(self, n: Floats, bad: Floats) -> Floats:
        """The number that is told, of labels and bad ones; shapes alike."""
        return n - bad if self.metric in GOOD_SHARES else bad

    @property
    def sign(self) -> int:
        """The sign of a rise of the bad side in the metric as it is told."""
        return -1 if self.metric in GOOD_SHARES else 1

    def by_day(self) -> tuple[Ints, Floats, Floats]:
        """Days since 1970 with their labels and bad labels, ascending."""
        days, at = days_of(self.hour)
        n = np.bincount(at, self.n, minlength=len(days)).astype(np.float64)
        bad = np.bincount(at, self.bad, minlength=len(days)).astype(np.float64)
        return days, n, bad


def rate_stream(
    counts: HourCounts, metric: RateMetric, *, golden: bool, version: str | None = None
) -> RateStream:
    """One rate from hourly counts, over all versions or one."""
    labels = counts.labels if metric == "outcome" else counts.n
    graded = counts.n if metric == "praise" else counts.labels
    bad = counts.errors if metric == "error" else graded - counts.outcome_sum / MICRO
    wanted = labels > 0
    if version is not None:
        wanted &= counts.version == (
            counts.versions.index(version) if version in counts.versions else -1
        )
    hours, at = groups_of(counts.hour[wanted])
    return RateStream(
        metric=metric,
        golden=golden,
        hour=hours,
        n=np.bincount(at, labels[wanted], minlength=len(hours)).astype(np.float64),
        # Fixed-point sums make fractions like 1e-17; a count of bad labels is never negative.
        bad=np.maximum(np.bincount(at, bad[wanted], minlength=len(hours)), 0.0).astype(np.float64),
    )


@dataclass(frozen=True, slots=True)
class Maturity:
    """The time that outcomes take: after `lag_s`, 95 % of them have come."""

    lag_s: float

    @property
    def prompt(self) -> bool:
        """Whether outcomes come with their calls, so that every hour is mature at once."""
        return self.lag_s <= PROMPT_LAG_S

    def end_hour(self, as_of_ms: int) -> int:
        """The first hour that is not yet mature at a moment."""
        if self.prompt:
            return as_of_ms // HOUR_MS + 1
        return math.floor((as_of_ms / 1000 - self.lag_s) / (HOUR_MS / 1000))


def maturity(lags: Histograms | None, *, as_of_ms: int) -> Maturity:
    """Learn from the outcomes that came how long one must wait for the rest.

    The newest hours hold only their prompt outcomes, so they are left out of the learning: it is
    repeated on hours older than three times the answer until the answer stands.
    """
    from gonogo.detectors.bins import bin_of_one, layout_named, quantiles

    if lags is None or not len(lags.bucket):
        return Maturity(0.0)
    layout, row_hour = layout_named(lags.layout), lags.bucket[lags.row]
    waited = lags.bins <= bin_of_one(layout, WAITED_FOR_S)
    if lags.counts[~waited].sum() > BEYOND_SHARE_MAX * lags.counts.sum():
        waited[:] = True
    lag_s, newest = 0.0, as_of_ms // HOUR_MS
    for _ in range(4):
        old = waited & (row_hour <= newest - math.ceil(3 * lag_s / 3600))
        if not old.any():
            break
        bins, at = np.unique(lags.bins[old], return_inverse=True)
        totals = np.bincount(at, lags.counts[old]).astype(np.int64)
        learned = float(quantiles(layout, bins, totals, [MATURE_SHARE])[0])
        if learned <= lag_s:
            break
        lag_s = learned
    return Maturity(lag_s)


@dataclass(frozen=True, slots=True)
class BaselineHours:
    """The hours that are the baseline (half-open), and the source of that choice."""

    source: Literal["version", "period", "golden", "declared", "learned"]
    start_hour: int
    end_hour: int
    version: str | None = None
    declared_bad: float | None = None


def learned_baseline(stream: RateStream) -> BaselineHours | None:
    """The first 100 labels or 3 days, whichever is later; None until both are there."""
    if not len(stream.hour):
        return None
    start = int(stream.hour[0])
    enough = np.flatnonzero(np.cumsum(stream.n) >= BASELINE_LABELS_MIN)
    if not len(enough):
        return None
    end = max(int(stream.hour[enough[0]]) + 1, start + BASELINE_HOURS_MIN)
    if int(stream.hour[-1]) + 1 < end:
        return None
    return BaselineHours("learned", start, end)


class Gap(NamedTuple):
    """A reason why nothing can be said (a clause without its full stop), and the remedy."""

    why: str
    missing: str


def missing_for_baseline(stream: RateStream, *, young: int = 0) -> Gap:
    """The data that a learned baseline still needs, in words; `young`: labels that came, of hours that still bring some."""
    wanted = "outcome" if stream.metric == "outcome" else "call"
    labels = max(0, BASELINE_LABELS_MIN - stream.labels - young)
    so_far = f" (and {young:,} of hours that still bring some)" if young else ""
    hours = int(stream.hour[-1] - stream.hour[0]) + 1 if len(stream.hour) else 0
    parts = []
    if labels:
        parts.append(counted(labels, f"more {wanted}"))
    if hours < BASELINE_HOURS_MIN:
        parts.append(
            f"{number(round((BASELINE_HOURS_MIN - hours) / HOURS_A_DAY, 1))} more days of them"
        )
    return Gap(
        f"there {'is' if stream.labels == 1 else 'are'} {counted(stream.labels, wanted)}{so_far}, and for a "
        f"baseline {BASELINE_LABELS_MIN} are needed over {BASELINE_HOURS_MIN // HOURS_A_DAY} days",
        f"Record {' and '.join(parts) or 'more'}, or compare two versions by name.",
    )
