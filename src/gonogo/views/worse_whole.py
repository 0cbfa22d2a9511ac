"""A question about a part of a dependency is answered beside what the whole of it is, where that is worse.

A slice that fell with all the others, a metric that holds, a period that is over: each may be well
while the dependency is not, and who asked about the part alone would take its answer for the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import NextAction, WholeVerdict, rfc3339
from gonogo.errors import plain
from gonogo.records import worst_verdict
from gonogo.text.forms import minute

if TYPE_CHECKING:
    from gonogo.answers import DriftReport
    from gonogo.ports.standing_verdicts import CurrentVerdict


def beside_worse_whole(report: DriftReport, now: CurrentVerdict) -> DriftReport:
    """The answer about a part, with the standing verdict of the whole where that is worse.

    Of a whole that was never asked about nothing is said. The verdict of the answer stays that of
    the part. What the whole is comes first among the next actions; not where it is unknown, since
    what is asked of old data leads to their parts.
    """
    worst = worst_verdict([report.verdict, now.verdict])
    if now.as_of_ms is None or worst == report.verdict:
        return report
    whole = WholeVerdict(
        verdict=now.verdict, drift=now.drift, trust=now.trust, as_of=rfc3339(now.as_of_ms)
    )
    actions = report.next_actions
    if now.verdict != "unknown":
        actions = [_look(report.dependency, now), *actions][:3]
    return report.model_copy(
        update={
            "summary": f"{report.summary} {_words(report.dependency, whole)}",
            "whole": whole,
            "next_actions": actions,
        }
    )


def _words(dependency: str, whole: WholeVerdict) -> str:
    name = plain(dependency, 200)
    asked = (("drift", whole.drift), ("trust", whole.trust))
    parts = ", ".join(f"{part} {verdict}" for part, verdict in asked if verdict is not None)
    return f"As a whole, {name} is {whole.verdict} ({parts}; {minute(whole.as_of)})."


def _look(dependency: str, now: CurrentVerdict) -> NextAction:
    """The question whose answer is what the whole stands at."""
    by_trust = now.trust == now.verdict and now.drift != now.verdict
    return NextAction(
        tool="get_trust_score_health" if by_trust else "check_model_drift",
        arguments={"dependency": dependency},
        reason=f"as a whole it is {now.verdict}",
    )
