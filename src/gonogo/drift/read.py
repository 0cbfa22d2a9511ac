"""Everything that one drift question is answered from, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gonogo.answers import Ahead
from gonogo.drift.drift_memory import DriftMemory, Runs
from gonogo.drift.finding import DriftQuestion
from gonogo.hours.counts import histograms_where, hours_less, hours_where
from gonogo.hours.history import HistorySnapshot, snapshot_of
from gonogo.hours.measured import rates_of
from gonogo.hours.periods import moment
from gonogo.hours.rate_hours import (
    LAG_METRIC,
    NOT_FOLLOWED,
    Maturity,
    RateMetric,
    RateStream,
    maturity,
    rate_stream,
)
from gonogo.hours.time_slices import Slice, parse_segment
from gonogo.ports.telemetry import Telemetry
from gonogo.records import DAY_MS, HOUR_MS, Dependency, GoldenAnswers, HourCounts
from gonogo.settings import Settings
from gonogo.text.row_notes import ahead_of, newest_until

NOT_READ = NOT_FOLLOWED - {LAG_METRIC}


@dataclass(frozen=True, slots=True, eq=False)
class DriftData:
    """Everything that was read for one question, up to the moment that is asked about."""

    known: Dependency
    read: HistorySnapshot
    slice_: Slice
    counts: HourCounts
    golden_counts: HourCounts
    rates: tuple[
        RateMetric, ...
    ]  # that it is followed by, in the whole as in a slice; quality's measure first
    golden: GoldenAnswers
    maturity: Maturity
    mature_until: int  # hours, exclusive
    until: int  # hours, exclusive
    full_days: int  # days since 1970 that have ended, exclusive
    newest_ts_ms: int | None  # up to the moment that is asked about
    ahead: Ahead | None
    runs: Runs
    is_part: bool  # what some recorded is left out: of calls and their slices, and of what is judged by day

    @property
    def by_errors(self) -> bool:
        """Whether errors alone decide: no outcome was ever recorded, and none is needed."""
        return self.rates == ("error",)

    @property
    def quality(self) -> RateMetric:
        """The rate that measures whether answers are right."""
        return "outcome" if self.by_errors else self.rates[0]

    @property
    def young_labels(self) -> int:
        """Labels of hours whose outcomes are still coming in."""
        return int(self.counts.labels[self.counts.hour >= self.mature_until].sum())

    def stream(self, metric: RateMetric, version: str | None = None) -> RateStream:
        """A rate up to now; golden answers stand in where there is nothing else."""
        end = self.until if metric == "error" else self.mature_until
        own = self._stream(metric, version, golden=False)
        if not own.labels:
            own = self._stream(metric, version, golden=True)
        return own.between(None, end)

    def _stream(self, metric: RateMetric, version: str | None, *, golden: bool) -> RateStream:
        if version is None and self.slice_ == Slice():
            whole = self.read.stream(metric, golden=golden)
            if whole is not None:
                return whole.between(None, self.until)
        counts = self.golden_counts if golden else self.counts
        return rate_stream(counts, metric, golden=golden, version=version)


async def read_drift(
    telemetry: Telemetry,
    settings: Settings,
    question: DriftQuestion,
    memory: DriftMemory,
    *,
    without: Sequence[str] = (),
    now_ms: int,
) -> DriftData | None:
    """Read the slice that is asked about, up to the moment that is asked about.

    `without`: writers of whom nothing of the last day is read.

    Returns:
        None where nothing was ever recorded of the dependency.

    Raises:
        UnknownTarget: the segment is not known.
        ParameterError: a time or the segment is malformed.
    """
    until_ms = now_ms
    if question.until is not None:
        named = moment(question.until, name="until", zone=settings.timezone)
        until_ms = min(max(named.end_ms - 1, named.start_ms), now_ms)
    until = until_ms // HOUR_MS + 1
    read = await memory.past.read(telemetry, question.dependency, without=NOT_READ)
    if read is None:
        return None
    if without:
        read = await _left(telemetry, read, without, since_ms=now_ms - DAY_MS)
    known = read.news.known
    slice_ = parse_segment(question.segment, read.news.segments, dependency=known.name)
    counts, golden_counts = [
        slice_.of(hours_where(found, found.hour < until), zone=settings.timezone)
        for golden in (False, True)
        for found in [await _hours(telemetry, read, slice_, golden=golden)]
    ]
    live, asked = (read.hours(golden=golden) for golden in (False, True))
    every = [whole for whole in (live, asked) if whole is not None]
    own = settings.dependency(known.name)
    lag = maturity(read.histograms(LAG_METRIC), as_of_ms=now_ms)
    return DriftData(
        known=known,
        read=read,
        slice_=slice_,
        counts=counts,
        golden_counts=golden_counts,
        rates=rates_of(known, counts if live is None else live, own),
        golden=read.news.golden,
        maturity=lag,
        mature_until=min(until, lag.end_hour(now_ms)),
        until=until,
        full_days=(until_ms + 1) // DAY_MS,
        newest_ts_ms=newest_until(every, known.newest_ts_ms, until_ms + 1),
        ahead=None if question.until else ahead_of(every, known.newest_ts_ms, now_ms),
        runs=memory.runs,
        is_part=bool(without),
    )


async def _left(
    telemetry: Telemetry, read: HistorySnapshot, writers: Sequence[str], *, since_ms: int
) -> HistorySnapshot:
    """All calls without what some recorded since a time; slices and golden items are not told by writer."""
    name, golden = read.news.known.name, read.news.golden
    hours: dict[tuple[bool, str | None], HourCounts] = {}
    lags = read.histograms(LAG_METRIC)
    for is_golden in (False, True):
        whole = read.hours(golden=is_golden)
        if whole is None:
            continue
        theirs = await telemetry.recorded_by(name, writers, since_ms=since_ms, golden=is_golden)
        hours[is_golden, None] = hours_less(whole, theirs)
        if lags is not None and not is_golden:
            # Nor how late outcomes come is told by writer: hours with theirs do not say it.
            lags = histograms_where(lags, ~np.isin(lags.bucket, theirs.hour))
        if is_golden and theirs.n.size:
            none = np.zeros(0, dtype=np.int64)
            golden = replace(golden, item=none, version=none, day=none, n=none, outcome_sum=none)
    return snapshot_of(
        replace(
            read.news,
            first_hour=0,
            segments=(),
            hours=hours,
            histograms={} if lags is None else {LAG_METRIC: lags},
            golden=golden,
        )
    )


async def _hours(
    telemetry: Telemetry, read: HistorySnapshot, slice_: Slice, *, golden: bool
) -> HourCounts:
    found, whole = read.hours(golden=golden, segment=slice_.declared), read.hours(golden=False)
    if found is None and slice_.declared is None and whole is not None:
        return hours_where(
            whole, np.zeros(len(whole.hour), dtype=np.bool_)
        )  # there is no such call
    if found is None:
        # It may be a slice beyond those that are read for every check.
        name = read.news.known.name
        found = await telemetry.hours(name, golden=golden, segment=slice_.declared)
    return found
