"""A person accepts a new normal: the baseline that outlives versions and recoveries."""

from __future__ import annotations

import json

from gonogo.drift.baseline import BASELINE_DECISION
from gonogo.drift.drift_check import check_drift
from gonogo.drift.finding import DriftQuestion
from gonogo.errors import NotEnoughData
from gonogo.hours.periods import hours_between, moment
from gonogo.ports.signal_reads import SignalTelemetry
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import Decision
from gonogo.settings import Settings
from gonogo.text.forms import actor_name, number


async def acceptance(
    telemetry: SignalTelemetry,
    log: DecisionLog,
    settings: Settings,
    dependency: str,
    *,
    start: str | None,
    end: str | None,
    entry_id: str,
    actor: str,
    now_ms: int,
) -> Decision:
    """The log entry by which a person accepts a new normal.

    Without bounds it begins where the current period does, as the drift check sees it, and is
    closed like a learned one.

    Raises:
        UnknownTarget: nothing was recorded of the dependency.
        NotEnoughData: there is no current period to accept.
        ParameterError: a bound is no time.
    """
    report = await check_drift(
        telemetry, log, settings, DriftQuestion(dependency=dependency), now_ms=now_ms
    )
    mean = None  # of the period that is accepted, where that is the current one
    if start is not None:
        if end is not None:
            hours_between(start, end, zone=settings.timezone)
        moment(start, name="start", zone=settings.timezone)
    elif report.current is not None and report.current.start is not None:
        start, mean = report.current.start, report.current.mean
    else:
        raise NotEnoughData(f"{dependency} has no current period to accept; give --from and --to.")
    inputs = {"dependency": dependency, "start": start} | ({"end": end} if end else {})
    told = f"from {start}" + (f" to {end}" if end else "")
    level = f", current mean {number(mean)}" if mean is not None else ""
    return Decision(
        id=entry_id,
        ts_ms=now_ms,
        kind=BASELINE_DECISION,
        verdict=None,
        summary=f"{actor_name(actor)} accepted a new normal of {dependency} {told}{level}.",
        inputs=json.dumps(inputs, sort_keys=True),
        answer=json.dumps(inputs, sort_keys=True),
        action=True,
        dependency=dependency,
        actor=actor,
        settings_digest=settings.digest,
        last_ts_ms=now_ms,
    )
