"""A question about a part of a dependency is answered beside what the whole of it is, where that is worse.

A slice that fell with all the others, a metric that holds, a period that is over: each may be well
while the dependency is not, and who asked about the part alone would take its answer for the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import DependencyLine, DriftReport, NextAction, WholeVerdict, rfc3339
from gonogo.errors import plain
from gonogo.records import worst_verdict
from gonogo.text.forms import minute

if TYPE_CHECKING:
    from gonogo.drift.finding import DriftQuestion
    from gonogo.ports.standing_verdicts import CurrentVerdict


def beside_worse_whole(
    report: DriftReport, now: CurrentVerdict, question: DriftQuestion
) -> DriftReport:
    """The answer about a part, with the standing verdict of the whole where that is worse.

    A whole that was never asked about is unknown, and that is said. The verdict of the answer stays
    that of the part. What the whole is comes first among the next actions; not where it is unknown
    and leads to such a question itself, as that about old data leads to versions and to a last day.
    """
    worst = worst_verdict([report.verdict, now.verdict])
    if worst == report.verdict:
        return report
    asked_ms = now.as_of_ms
    whole = WholeVerdict(
        verdict=now.verdict,
        drift=now.drift,
        trust=now.trust,
        as_of=None if asked_ms is None else rfc3339(asked_ms),
    )
    actions = report.next_actions
    from_whole = asked_ms is not None or question.compares or question.until is not None
    if now.verdict != "unknown" or not from_whole:
        state = "was not asked about yet" if asked_ms is None else f"is {now.verdict}"
        actions = [look_at_whole(report.dependency, now, f"as a whole it {state}"), *actions][:3]
    return report.model_copy(
        update={
            "summary": f"{report.summary} {_words(report.dependency, whole)}",
            "whole": whole,
            "next_actions": actions,
        }
    )


def _words(dependency: str, whole: WholeVerdict) -> str:
    name = plain(dependency, 200)
    if whole.as_of is None:
        return f"As a whole, {name} is {whole.verdict} (not asked about yet)."
    asked = (("drift", whole.drift), ("trust", whole.trust))
    parts = ", ".join(f"{part} {verdict}" for part, verdict in asked if verdict is not None)
    return f"As a whole, {name} is {whole.verdict} ({parts}; {minute(whole.as_of)})."


def look_at_whole(dependency: str, now: CurrentVerdict | DependencyLine, why: str) -> NextAction:
    """The question whose answer is what the whole stands at: the worse of its two parts."""
    by_trust = now.trust == now.verdict and now.drift != now.verdict
    return NextAction(
        tool="get_trust_score_health" if by_trust else "check_model_drift",
        arguments={"dependency": dependency},
        reason=why,
    )
