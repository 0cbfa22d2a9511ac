"""The step from a drift finding to the verdict and the next call to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import DriftStatus, NextAction

if TYPE_CHECKING:
    from gonogo.drift.finding import DriftQuestion, Finding
    from gonogo.records import Verdict
    from gonogo.settings import DependencySettings

VERDICT_OF: dict[DriftStatus, Verdict] = {
    "stable": "go",
    "improved": "go",
    "recovering": "caution",
    "shifted": "caution",
    "degraded": "no_go",
    "insufficient_data": "unknown",
}


def verdict_of(finding: Finding) -> Verdict:
    """The verdict that a finding leads to; one that only suggests a fall is a caution."""
    suggests = finding.evidence is not None and finding.evidence.level is not None
    if finding.status == "degraded" and suggests:
        return "caution"
    return VERDICT_OF[finding.status]


def next_actions(
    question: DriftQuestion, finding: Finding, settings: DependencySettings
) -> list[NextAction]:
    """The calls that follow from a finding, ready to make.

    Each leads on and none back, so that following the first of each answer comes to an end. Nothing
    is switched for what was asked of the past or of a slice, and no evidence is made up: what to
    record is said in words.
    """
    actions = []
    if finding.status == "degraded" and settings.fallback and question.is_about_now:
        actions.append(
            NextAction(
                tool="trigger_fallback",
                arguments={
                    "dependency": question.dependency,
                    "reason": f"{finding.metric} degraded",
                },
                reason="plan the way back; changes nothing yet",
            )
        )
    if finding.status in ("degraded", "shifted") and question.detail != "full":
        full = question.arguments() | {"detail": "full"}
        reason = (
            "where it degraded" if finding.status == "degraded" else "what else moved, and where"
        )
        actions.append(NextAction(tool="check_model_drift", arguments=full, reason=reason))
    return actions
