"""The decision log as callers meet it: its ids, the entry that an answer becomes, and the evidence that a plan keeps there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from gonogo.answers import Answer, BudgetCheck, DriftReport, PreflightReport, TrustReport
from gonogo.errors import UnknownTarget
from gonogo.ports.signal_reads import ReportTelemetry
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import Decision
from gonogo.settings import Settings

# Crockford's base 32: in ASCII order, so that ids sort as their times do; no I, L, O, U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_CHARS = 9
_ENTROPY_CHARS = 7
ENTROPY_BITS = 5 * _ENTROPY_CHARS
Answered = TypeVar("Answered", bound=Answer)


def id_of(number: int, *, prefix: str = "") -> str:
    """The id that a number of `clock.OrderedIds` is written as: in the order of the numbers."""
    chars = []
    for _ in range(_TIME_CHARS + _ENTROPY_CHARS):
        number, digit = divmod(number, 32)
        chars.append(_ALPHABET[digit])
    return prefix + "".join(reversed(chars))


async def find_decision(log: DecisionLog, decision_id: str) -> Decision:
    """One entry of the log, whole.

    Raises:
        UnknownTarget: No entry has this id.
    """
    found = await log.decision(decision_id.strip())
    if found is None:
        newest = [entry.id for entry in await log.decisions(limit=50)]
        raise UnknownTarget("decision", decision_id, newest, "List them with `gonogo decisions`.")
    return found


def entry_of(
    tool: str,
    asked: Mapping[str, object],
    answer: Answer,
    *,
    entry_id: str,
    now_ms: int,
    actor: str,
    digest: str,
    action: bool = False,
) -> Decision:
    """The log entry of an answer: inputs, evidence, confidence, versions, the whole object."""
    versions: tuple[str, ...] = ()
    e_value = confidence = None
    if isinstance(answer, DriftReport):
        versions = tuple(v.version for v in answer.versions or () if v.version)
        e_value = answer.evidence.e_value if answer.evidence else None
    elif isinstance(answer, BudgetCheck):
        confidence = answer.confidence
    elif isinstance(answer, TrustReport):
        confidence = None if answer.score is None else answer.score / 100
    elif isinstance(answer, PreflightReport):
        confidence = answer.p_success
    dependency, budget = asked.get("dependency"), asked.get("budget")
    return Decision(
        id=entry_id,
        ts_ms=now_ms,
        kind=tool,
        verdict=answer.verdict,
        summary=answer.summary,
        inputs=json.dumps(asked, sort_keys=True),
        answer=answer.as_json(),
        action=action,
        dependency=str(dependency) if dependency is not None else None,
        budget=str(budget) if budget is not None else None,
        confidence=confidence,
        e_value=e_value,
        versions=versions,
        actor=actor,
        settings_digest=digest,
        last_ts_ms=now_ms,
    )


def with_id(answer: Answered, entry_id: str) -> Answered:
    """The answer, naming the log entry that holds it."""
    return answer.model_copy(update={"decision_id": entry_id})


async def evidence_of(
    telemetry: ReportTelemetry,
    log: DecisionLog,
    settings: Settings,
    dependency: str,
    *,
    now_ms: int,
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
    return json.dumps({"drift": drift.as_object(), "trust": trust.as_object()})
