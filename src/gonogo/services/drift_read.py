"""Everything that one drift question is answered from, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.records import HOUR_MS
from gonogo.services.drift_data import Maturity, RateMetric, RateStream, maturity, rate_stream
from gonogo.services.periods import moment
from gonogo.services.time_slices import Slice, parse_segment

if TYPE_CHECKING:
    from gonogo.records import Dependency, GoldenAnswers, HourCounts
    from gonogo.services.drift_finding import DriftQuestion
    from gonogo.services.ports import Telemetry
    from gonogo.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class DriftData:
    """Everything that was read for one question, up to the moment that is asked about."""

    known: Dependency
    slice_: Slice
    counts: HourCounts
    golden_counts: HourCounts
    golden: GoldenAnswers
    maturity: Maturity
    mature_until: int  # hours, exclusive
    until: int  # hours, exclusive

    def stream(self, metric: RateMetric, version: str | None = None) -> RateStream:
        """A rate up to now; golden answers stand in where there is nothing else."""
        end = self.mature_until if metric == "outcome" else self.until
        own = rate_stream(self.counts, metric, golden=False, version=version)
        if not own.labels:
            own = rate_stream(self.golden_counts, metric, golden=True, version=version)
        return own.between(None, end)


async def read_drift(
    telemetry: Telemetry,
    known: Dependency,
    settings: Settings,
    question: DriftQuestion,
    *,
    now_ms: int,
) -> DriftData:
    """Read the slice that is asked about, up to the moment that is asked about.

    Raises:
        UnknownTarget: the segment is not known.
        ParameterError: a time or the segment is malformed.
    """
    until_ms = now_ms
    if question.until is not None:
        named = moment(question.until, name="until", zone=settings.timezone)
        until_ms = min(max(named.end_ms - 1, named.start_ms), now_ms)
    until = until_ms // HOUR_MS + 1
    slice_ = parse_segment(
        question.segment,
        await telemetry.segments(known.name) if question.segment else [],
        dependency=known.name,
    )
    counts, golden_counts = [
        slice_.of(
            await telemetry.hours(
                known.name, golden=golden, segment=slice_.declared, end_hour=until
            ),
            zone=settings.timezone,
        )
        for golden in (False, True)
    ]
    lag = await maturity(telemetry, known.name, as_of_ms=now_ms)
    return DriftData(
        known=known,
        slice_=slice_,
        counts=counts,
        golden_counts=golden_counts,
        golden=await telemetry.golden_answers(known.name),
        maturity=lag,
        mature_until=min(until, lag.end_hour(now_ms)),
        until=until,
    )
