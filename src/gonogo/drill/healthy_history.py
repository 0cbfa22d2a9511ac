"""The healthy history that a rehearsal begins with, read once from the copy of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from gonogo.errors import NotEnoughData
from gonogo.hours.counts import golden_where
from gonogo.ports.trust_reads import Population, Repeats
from gonogo.records import DAY_MS, Costs, Dependency, GoldenAnswers, Histograms, HourCounts
from gonogo.store.reads.call_columns import CallColumns, read_calls
from gonogo.trust.trust_estimate import POPULATION_DAYS, POPULATION_LIMIT

if TYPE_CHECKING:
    from gonogo.app.parts import Stores

# One day of each weekday, so that a week can be played again.
DAYS_MIN = 7
SOURCE_DAYS_MAX = 56
CALLS_MIN = 200
# Beyond this a fraction of the calls is played, and that is said.
CALLS_MAX = 400_000

# Read by the hour: those that verdicts rest on, and the two that scenarios move.
HISTOGRAMS = (
    "outcome_lag_s",
    "confidence_labelled",
    "confidence_good",
    "confidence",
    "cost_usd",
)
BY_SEGMENT = ("confidence_labelled", "confidence_good")

CALL_FIELDS = (
    *("ts_ms", "version", "outcome_e6", "outcome_lag_ms", "failed", "confidence_e6"),
    *("latency_us", "cost_micro_usd", "booked_micro_usd", "tokens", "segments"),
)

SliceKey = tuple[bool, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class HealthyHistory:
    """One dependency up to the rehearsal's first moment, and the calls that are played again.

    `hours` by (golden, segment), `histograms` by (metric, golden, segment). `calls` are of whole
    UTC days, of which `first_day` is the first; one in `thinned` of them was kept.
    """

    known: Dependency
    segments: tuple[str, ...]
    hours: Mapping[SliceKey, HourCounts]
    histograms: Mapping[tuple[str, bool, str | None], Histograms]
    golden: GoldenAnswers
    costs: Costs
    repeats: Repeats
    population: Population
    calls: CallColumns
    newest_ts_ms: int
    first_day: int
    thinned: int = 1


async def read_past(
    stores: Stores, name: str, *, since_ms: int, until_ms: int
) -> HealthyHistory | None:
    """Read a dependency's history before `until_ms`; None where it has none.

    Args:
        stores: Over the copy.
        name: The dependency.
        since_ms: What is played again is newer than this, and than eight weeks.
        until_ms: A UTC midnight.
    """
    telemetry, end_hour = stores.telemetry, until_ms * 24 // DAY_MS
    known = await telemetry.dependency(name)
    if known is None:
        return None
    segments = tuple(await telemetry.segments(name))
    hours = {
        (golden, segment): await telemetry.hours(
            name, golden=golden, segment=segment, end_hour=end_hour
        )
        for golden in (False, True)
        for segment in (None, *segments)
    }
    histograms = {
        (metric, golden, segment): await telemetry.histograms(
            name, metric, golden=golden, segment=segment, end_hour=end_hour
        )
        for metric in HISTOGRAMS
        for golden in (False, True)
        for segment in (None, *(segments if metric in BY_SEGMENT and not golden else ()))
    }
    first_day = -(-max(since_ms, known.first_ts_ms) // DAY_MS)
    start_ms = max(first_day * DAY_MS, until_ms - SOURCE_DAYS_MAX * DAY_MS)
    read = partial(read_calls, dependency=name, start_ms=start_ms, end_ms=until_ms)
    calls = await stores.db.read(read)
    every = -(-len(calls.ts_ms) // CALLS_MAX) or 1
    thin = replace(
        calls,
        **{name: getattr(calls, name)[::every] for name in CALL_FIELDS},
    )
    return HealthyHistory(
        known=known,
        segments=segments,
        hours=hours,
        histograms=histograms,
        golden=_before(await telemetry.golden_answers(name), until_ms // DAY_MS),
        costs=await telemetry.newest_costs(name),
        repeats=await telemetry.repeats(name),
        population=await telemetry.population(
            known.kind, since_day=until_ms // DAY_MS - POPULATION_DAYS, limit=POPULATION_LIMIT
        ),
        calls=thin,
        newest_ts_ms=min(known.newest_ts_ms, until_ms - 1),
        first_day=start_ms // DAY_MS,
        thinned=every,
    )


def _before(answers: GoldenAnswers, end_day: int) -> GoldenAnswers:
    """The answers of days before another: what came since is not healthy, or not over."""
    return golden_where(answers, answers.day < end_day)


def refuse_thin(past: HealthyHistory | None, name: str) -> HealthyHistory:
    """The history, where there is enough of it to play again.

    Raises:
        NotEnoughData: it says what is there and what is needed.
    """
    if past is None:
        raise NotEnoughData(f"Nothing is recorded of '{name}': record observations first.")
    import numpy as np

    days = np.unique(past.calls.ts_ms // DAY_MS)
    weekdays = len(np.unique(days % 7))
    labelled = int((~np.isnan(past.calls.outcome_e6)).sum())
    if weekdays < DAYS_MIN or labelled < CALLS_MIN:
        raise NotEnoughData(
            f"'{name}' has {len(days)} healthy days with {labelled} outcomes to rehearse on: it "
            f"needs each weekday once and {CALLS_MIN} outcomes. Rehearse when more of them are "
            "recorded."
        )
    return past
