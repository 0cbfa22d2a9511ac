"""The evidence before a switch: kept with its plan, and in the audit trail."""

from __future__ import annotations

import json
from functools import partial
from typing import Protocol

from gonogo.answers import Answer
from gonogo.ports.signal_reads import SignalTelemetry
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import TrustTelemetry
from gonogo.settings import Settings


class Evidence(SignalTelemetry, TrustTelemetry, Protocol):
    """The reads that drift and trust reports are made from."""


async def evidence_of(
    telemetry: Evidence, log: DecisionLog, settings: Settings, dependency: str, *, now_ms: int
) -> str:
    """The whole drift and trust reports as a JSON object; an empty one where nothing is recorded.

    A switch changes what is observed afterwards, and late outcomes what was observed before: this
    is what could be known when it was decided.
    """
    from gonogo.drift.drift_check import check_drift
    from gonogo.drift.finding import DriftQuestion
    from gonogo.trust.trust_check import check_trust
    from gonogo.trust.writers import doubts_about

    if await telemetry.dependency(dependency) is None:
        return "{}"
    question = DriftQuestion(dependency=dependency, detail="full")
    drift = await check_drift(
        telemetry,
        log,
        settings,
        question,
        now_ms=now_ms,
        doubts=partial(doubts_about, telemetry, settings, dependency, now_ms=now_ms),
    )
    trust = await check_trust(
        telemetry, log, settings, dependency=dependency, now_ms=now_ms, detail="full"
    )
    return json.dumps({"drift": _object(drift), "trust": _object(trust)})


def _object(answer: Answer) -> object:
    return answer.model_dump(by_alias=True, exclude_none=True, mode="json")
