"""A drift finding in words: one or two sentences with the numbers, and the next call to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import DriftStatus, NextAction

if TYPE_CHECKING:
    from gonogo.records import Verdict
    from gonogo.services.drift_finding import DriftQuestion, Finding
    from gonogo.settings import DependencySettings

VERDICT_OF: dict[DriftStatus, Verdict] = {
    "stable": "go",
    "improved": "go",
    "shifted": "caution",
    "degraded": "no_go",
    "insufficient_data": "unknown",
}


def summary(dependency: str, finding: Finding) -> str:
    """What was found, with n and uncertainty, for a person or an agent."""
    if finding.status == "insufficient_data" or finding.current is None:
        return f"Cannot tell whether {dependency} has drifted. {finding.missing or ''}".rstrip()
    lead = {
        "degraded": f"{dependency} has degraded: ",
        "improved": f"{dependency} has improved: ",
        "stable": f"{dependency} is stable: ",
        "shifted": f"{dependency} has shifted: ",
    }[finding.status]
    notes = f" ({'; '.join(finding.notes)})" if finding.notes else ""
    return f"{lead}{_change(finding)}{notes}{_since(finding)}. {_evidence(finding)}"


def _change(finding: Finding) -> str:
    if finding.told is not None:
        return finding.told
    current, baseline, change = finding.current, finding.baseline, finding.change
    if current is None or current.mean is None:
        return finding.metric
    name = finding.metric if finding.segment is None else f"{finding.metric} at {finding.segment}"
    if baseline is None or baseline.mean is None:
        return f"{name} {current.mean:.3f} ({current.n:,} labels)"
    pairs = finding.golden
    counted = (
        f"{pairs.items:,} paired items"
        if pairs is not None and pairs.items >= current.n
        else f"{current.n:,} labels against {baseline.n or 0:,}"
    )
    told = f"{name} {baseline.mean:.3f} → {current.mean:.3f} on {counted}"
    if change is not None and change.interval95 is not None:
        low, high = change.interval95
        told += f" (change {change.absolute:+.3f}, 95% interval {low:+.3f} to {high:+.3f})"
    return told


def _since(finding: Finding) -> str:
    if finding.onset is None:
        return ""
    onset = finding.onset
    return f", since about {onset.ts[:16]}Z ({onset.earliest[:16]}Z to {onset.latest[:16]}Z)"


def _evidence(finding: Finding) -> str:
    evidence = finding.evidence
    if evidence is None:
        return ""
    told = f"Evidence {power_of_ten(evidence.log10_e)}, alarm at {evidence.needed:,.0f}."
    if finding.status == "stable" and finding.detectable_now is not None:
        told += f" A lasting change of {finding.detectable_now:.3f} or more would have shown."
    return told


def power_of_ten(log10_value: float) -> str:
    """An e-value in a few characters: 0.03, 41, 2,300, 4e+21."""
    if log10_value >= 6:  # noqa: PLR2004 - from a million on, the exponent is what matters
        return f"1e{log10_value:.0f}"
    value = 10.0**log10_value
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004


def next_actions(
    question: DriftQuestion,
    finding: Finding,
    settings: DependencySettings,
    *,
    version: str | None = None,
) -> list[NextAction]:
    """The calls that follow from a finding, ready to make.

    `version`: the one whose outcomes are missing, where it is one version's.
    """
    name = question.dependency
    if finding.status == "degraded":
        actions = []
        if settings.fallback:
            actions.append(
                NextAction(
                    tool="trigger_fallback",
                    arguments={"dependency": name, "reason": f"{finding.metric} degraded"},
                    reason="plan the way back; changes nothing yet",
                )
            )
        full = question.arguments() | {"detail": "full"}
        actions.append(
            NextAction(tool="check_model_drift", arguments=full, reason="where it degraded")
        )
        return actions
    if finding.status == "insufficient_data":
        example: dict[str, object] = {"dependency": name}
        if finding.metric == "error":
            reason = "calls are what a verdict needs"
        else:
            example |= ({} if version is None else {"version": version}) | {"outcome": 1}
            reason = "outcomes are what a verdict needs"
        return [
            NextAction(
                tool="record_observations",
                arguments={"observations": [example]},
                reason=reason,
            )
        ]
    if finding.status == "shifted":
        return [
            NextAction(
                tool="get_trust_score_health",
                arguments={"dependency": name},
                reason="see whether calls still succeed",
            )
        ]
    return []
