"""The choice of a dependency's baseline hours: accepted, configured, or learned."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from gonogo.hours.periods import first_hour, hours_between, moment
from gonogo.hours.rate_hours import BaselineHours, RateStream, learned_baseline
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS, HourCounts
from gonogo.settings import DependencySettings

# The kind under which a person's acceptance of a new normal stands in the decision log.
BASELINE_DECISION = "baseline"


@dataclass(frozen=True, slots=True)
class AcceptedBaseline:
    """A new normal that a person accepted: it starts there, and ends there or is learned.

    `closed`: nobody accepted it; it is where the learned one began when older data came
    (`backdating`), `golden_start` where that of the golden set did.
    """

    start: str
    end: str | None = None
    closed: bool = False
    golden_start: str | None = None


async def accepted_baseline(log: DecisionLog, dependency: str) -> AcceptedBaseline | None:
    """The newest acceptance in the log, which outlives versions and recoveries."""
    entries = await log.decisions(dependency=dependency, kind=BASELINE_DECISION, limit=1)
    if not entries:
        return None
    taken_back = await log.decisions(dependency=dependency, kind="forget", limit=1)
    forgotten = bool(taken_back) and taken_back[0].id > entries[0].id
    if forgotten and json.loads(taken_back[0].answer).get("remaining") == 0:
        return None  # what was accepted is not there any more
    inputs = json.loads(entries[0].inputs)
    end = str(inputs["end"]) if "end" in inputs else None
    return AcceptedBaseline(
        start=str(inputs["start"]),
        end=end,
        closed=bool(inputs.get("closed")),
        golden_start=inputs.get("golden_start"),
    )


def golden_start_day(
    settings: DependencySettings, accepted: AcceptedBaseline | None, *, zone: str
) -> int | None:
    """The UTC day from which a golden set's runs count; None is the first.

    Raises:
        ParameterError: a configured or accepted bound is no time.
    """
    start = settings.baseline.start if settings.baseline is not None else None
    if accepted is not None:
        start = accepted.golden_start if accepted.closed else accepted.start
    return None if start is None else moment(start, name="start", zone=zone).start_ms // DAY_MS


def since_accepted(
    stream: RateStream, accepted: AcceptedBaseline | None, *, zone: str
) -> RateStream:
    """The labels that a learned baseline is learned from.

    A time by which a closed baseline was not there yet is judged by all that it has: older data that were
    brought later do not move the present, and may be asked about by themselves.
    """
    if accepted is None:
        return stream
    begin = first_hour(moment(accepted.start, name="start", zone=zone).start_ms)
    since = stream.between(begin, None)
    return since if learned_baseline(since) is not None or not accepted.closed else stream


def choose_baseline(
    stream: RateStream,
    counts: HourCounts,
    settings: DependencySettings,
    accepted: AcceptedBaseline | None,
    *,
    zone: str,
) -> BaselineHours | None:
    """The baseline of one rate, or None while a learned one is still open.

    An accepted one comes before the configured one, which comes before the first labels. A
    version as baseline ends where another version begins, or is learned from its start.

    Raises:
        ParameterError: a configured or accepted bound is no time.
    """
    declared = settings.baseline
    if accepted is not None and not accepted.closed:
        return _period(stream, accepted.start, accepted.end, zone=zone)
    stream = since_accepted(stream, accepted, zone=zone)
    if declared is None:
        return learned_baseline(stream)
    if declared.start is not None:
        return _period(stream, declared.start, declared.end, zone=zone)
    if declared.version is not None:
        return _of_version(stream, counts, declared.version)
    learned = learned_baseline(stream)
    if learned is None or declared.outcome is None or stream.metric != "outcome":
        return learned
    return replace(learned, source="declared", declared_bad=1 - declared.outcome)


def _period(stream: RateStream, start: str, end: str | None, *, zone: str) -> BaselineHours | None:
    if end is not None:
        start_hour, end_hour = hours_between(start, end, zone=zone)
        inside = stream.between(start_hour, end_hour)
        return BaselineHours("period", start_hour, end_hour) if inside.labels else None
    begin = first_hour(moment(start, name="start", zone=zone).start_ms)
    learned = learned_baseline(stream.between(begin, None))
    return replace(learned, source="period") if learned else None


def _of_version(stream: RateStream, counts: HourCounts, version: str) -> BaselineHours | None:
    if version not in counts.versions:
        return None
    index = counts.versions.index(version)
    own = counts.hour[counts.version == index]
    if not len(own):
        return None
    start = int(own[0])
    others = counts.hour[(counts.version != index) & (counts.hour > start)]
    if len(others) and stream.between(start, int(others[0])).labels:
        return BaselineHours("version", start, int(others[0]), version=version)
    learned = learned_baseline(stream.between(start, None))
    return replace(learned, source="version", version=version) if learned else None
