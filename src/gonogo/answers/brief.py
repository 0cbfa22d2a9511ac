"""The brief form of an answer: fields are left out so that a model reads at most 400 tokens.

What decides stays: verdict, summary, evidence, guarantee, what moved. What did not move goes first,
a step at a time, and only until the answer is short enough; `detail="full"` has everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from gonogo.answers.base import Answer
from gonogo.answers.drift_report import DriftReport
from gonogo.answers.fallback_report import FallbackPlan
from gonogo.answers.trust_report import TrustReport
from gonogo.answers.work_report import Incident, IncidentList, PreflightReport, listed_of
from gonogo.errors import plain

CHARS_MAX = 1_600  # four characters a token
CAUSE_CHARS = 100
INCIDENTS = 4  # listed; the summary counts all

Answered = TypeVar("Answered", bound=Answer)


def briefly(answer: Answered) -> Answered:
    """The answer, without what did not move where it would be too long; a short one as it is."""
    shorter: Answer = answer
    chars = _chars(answer)
    for step in _STEPS:
        if chars <= CHARS_MAX:
            break
        less = step(shorter)
        if less is not shorter:
            shorter, chars = less, _chars(less)
    return cast("Answered", shorter)  # each step keeps the type


def _chars(answer: Answer) -> int:
    return len(answer.as_json())


def _unbiased_segments(answer: Answer) -> Answer:
    if not isinstance(answer, TrustReport) or answer.score_health is None:
        return answer
    biased = [s for s in answer.score_health.segments or () if s.biased is True] or None
    if biased == answer.score_health.segments:
        return answer
    health = answer.score_health.model_copy(update={"segments": biased})
    return answer.model_copy(update={"score_health": health})


def _drift(keep: Callable[[DriftReport], dict[str, object]]) -> Callable[[Answer], Answer]:
    def step(answer: Answer) -> Answer:
        if not isinstance(answer, DriftReport):
            return answer
        kept = keep(answer)
        changes = any(getattr(answer, name) != value for name, value in kept.items())
        return answer.model_copy(update=kept) if changes else answer

    return step


def _incidents(less: Callable[[Incident], dict[str, object]]) -> Callable[[Answer], Answer]:
    def step(answer: Answer) -> Answer:
        if not isinstance(answer, IncidentList):
            return answer
        kept = [incident.model_copy(update=less(incident)) for incident in answer.incidents]
        return answer.model_copy(update={"incidents": kept})

    return step


def _first_incidents(answer: Answer) -> Answer:
    if not isinstance(answer, IncidentList) or len(answer.incidents) <= INCIDENTS:
        return answer
    told = answer.summary.removesuffix(listed_of(len(answer.incidents))) + listed_of(INCIDENTS)
    return answer.model_copy(update={"summary": told, "incidents": answer.incidents[:INCIDENTS]})


def _what_is_missing(answer: Answer) -> Answer:
    """The next actions of a preflight say what is to be done; `missing` says it at length."""
    if not isinstance(answer, PreflightReport) or not answer.next_actions:
        return answer
    checks = [check.model_copy(update={"missing": None}) for check in answer.checks]
    return answer.model_copy(update={"checks": checks})


def _reasons_for_go(answer: Answer) -> Answer:
    """Leave out the reasons of parts that are well where they usually run: a hundred take 9,000 tokens."""
    if not isinstance(answer, PreflightReport):
        return answer
    checks = [
        check.model_copy(update={"why": None})
        if check.verdict == "go" and check.route_target in (None, check.dependency)
        else check
        for check in answer.checks
    ]
    return answer.model_copy(update={"checks": checks})


def _budget_of_preflight(answer: Answer) -> Answer:
    """Since when costs are as they are is told by the budget itself."""
    if not isinstance(answer, PreflightReport) or answer.budget is None:
        return answer
    budget = answer.budget.model_copy(update={"regime_start": None, "days": None})
    return answer.model_copy(update={"budget": budget})


def _checks_of_plan(answer: Answer) -> Answer:
    """Keep the checks that failed, and those on the target and the last drill: the rest has passed."""
    if not isinstance(answer, FallbackPlan):
        return answer
    stays = ("target", "rehearsed")
    kept = [c for c in answer.checks if not c.passed or c.check.startswith(stays)]
    return answer.model_copy(update={"checks": kept})


_STEPS: tuple[Callable[[Answer], Answer], ...] = (
    _unbiased_segments,
    # One version is the current one, and what a drop would have had to be is told by one that came.
    _drift(lambda r: {"versions": r.versions if len(r.versions or ()) > 1 else None}),
    _drift(lambda r: {"detectable_now": None} if r.status == "degraded" else {}),
    # A distribution that did not move says what its mean says.
    _drift(
        lambda r: {
            "signals": [
                s
                for s in r.signals or ()
                if s.status != "stable" or s.kind not in ("distribution", "semantic")
            ]
            or None
        }
    ),
    _drift(lambda r: {"segments": [s for s in r.segments or () if s.drifted] or None}),
    _drift(lambda r: {"segments": (r.segments or [])[:3] or None}),
    _drift(lambda r: {"signals": [s for s in r.signals or () if s.status != "stable"] or None}),
    _drift(lambda r: {"segments": (r.segments or [])[:1] or None}),
    _drift(lambda r: {"trend": None} if r.onset is not None else {}),
    _drift(lambda r: {"change": r.change and r.change.model_copy(update={"shrunk": None})}),
    # One incident, asked for by its id, has all of them.
    _incidents(lambda i: {"timeline": i.timeline[-1:]}),
    _incidents(lambda i: {"cause": i.cause and plain(i.cause, CAUSE_CHARS)}),
    _first_incidents,
    _what_is_missing,
    _budget_of_preflight,
    _reasons_for_go,
    _checks_of_plan,
    _incidents(lambda _: {"timeline": []}),
)
