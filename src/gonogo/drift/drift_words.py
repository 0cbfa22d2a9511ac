"""The step from a drift finding to the verdict, given whose word is doubtful, and the next call to make."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.answers import DriftReport, DriftStatus, NextAction, TrustReport
from gonogo.drift.finding import DriftQuestion, Finding
from gonogo.drift.ladder import DROP_EXCLUDED
from gonogo.hours.rate_hours import RATE_METRICS
from gonogo.ports.trust_reads import Doubts
from gonogo.records import HourCounts, Verdict
from gonogo.settings import DependencySettings
from gonogo.text.drift_summary import things
from gonogo.text.forms import counted
from gonogo.text.trust_summary import doubts_text

if TYPE_CHECKING:
    from gonogo.text.row_notes import Report

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


def given_refused(report: Report, *, taken: int | None = None, min_effect: float) -> Report:
    """The report; a `go` is a caution where the rows that were refused could hide twice what matters.

    A row is refused for reading otherwise than the rest, as those of failed calls do. What `go` excludes
    of the labels it has, it cannot exclude of those that were lost. They are held against the calls since
    the baseline, of those that came in the same days where these are counted (`taken`): a loss of late is one
    of few, however much came before.
    """
    refused, calls = (
        report.refused,
        float(report.n or 0) if isinstance(report, TrustReport) else 0.0,
    )
    beside = counted(round(calls), "call")
    if isinstance(report, DriftReport) and report.current is not None:
        # Of few calls that have a label, a refused row had one no more often than the rest.
        few = report.label_coverage if report.metric == "outcome" else None
        labelled = 1.0 if few is None else few.share
        calls = report.current.n / max(labelled, 1e-6)
        beside = things(report.current.n, report.metric)
    if report.verdict != "go" or refused is None or not calls:
        return report
    lost = refused.n / (refused.n + (calls if taken is None else min(calls, taken)))
    if lost <= DROP_EXCLUDED * min_effect:
        return report
    told = f"Beside {beside} that is too many to say go: they may be the bad ones."
    return report.model_copy(update={"verdict": "caution", "summary": f"{report.summary} {told}"})


def is_open_to_doubt(question: DriftQuestion, golden: HourCounts) -> bool:
    """Whether a golden set can say other than somebody's calls: of slices and values nothing is told by writer."""
    is_rate = question.metric in (None, *RATE_METRICS)
    return question.is_about_now and is_rate and golden.n.size > 0


async def given_doubts(
    report: DriftReport,
    doubts: Doubts,
    *,
    without: Callable[[Sequence[str]], Awaitable[DriftReport]],
    suggested: Callable[[], DriftReport],
) -> DriftReport:
    """The report whose verdict holds, of that by all calls and that without the doubtful writers'.

    Args:
        report: By all calls.
        doubts: Whose word is doubtful.
        without: Judges again without some writers.
        suggested: The report by all calls, as no more than a caution.
    """
    if not doubts.aside:
        return report
    rest = await without(doubts.aside)
    if doubts.verdict(report.verdict, rest.verdict) == report.verdict:
        return report
    said = doubts_text({report.dependency: ", ".join(doubts.aside)})
    if report.verdict == "no_go":
        report = suggested()
        said += f" It is a caution, since without that it is {rest.verdict}."
    else:
        said += f" It is judged without that; with it: {report.verdict}."
        report = rest
    return report.model_copy(update={"summary": report.summary + said})


def suggestive(finding: Finding) -> Finding:
    """A fall as no more than a caution."""
    evidence = finding.evidence and finding.evidence.model_copy(update={"level": "suggestive"})
    return replace(finding, evidence=evidence)


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
