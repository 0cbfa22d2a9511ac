"""Everything that planned work needs, in one answer: the worst of its parts, with why.

Source of the chance: one call of each part is good with its trust score's probability. Parts are
multiplied as if independent; how far that can be wrong is said, since parts that fail together
succeed together more often than the product says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.answers import (
    Ahead,
    BudgetCheck,
    DriftReport,
    IncidentBrief,
    NextAction,
    PreflightCheck,
    PreflightReport,
    TrustReport,
    in_points,
    rfc3339,
)
from gonogo.ports.target_health import Assessment
from gonogo.records import RefusedRows, Verdict, worst_verdict
from gonogo.text.forms import counted, named, percent
from gonogo.text.row_notes import (
    ahead_names_note,
    all_refused_text,
    left_out_of,
    refusal_count,
    refused_text,
)


@dataclass(frozen=True, slots=True)
class PartReport:
    """The findings about one dependency.

    `target` is where its calls go now, `measured` the dependency that this is a version of. `version`: how that
    version's own calls do, where they go to one; else `trust` is of all.
    """

    dependency: str
    target: str
    measured: str | None = None
    drift: DriftReport | None = None
    trust: TrustReport | None = None
    version: Assessment | None = None
    problem: str | None = None
    plan_tested: str | None = None
    refused: RefusedRows | None = None

    @property
    def routed_away(self) -> bool:
        """Whether a fallback is active."""
        return self.target != self.dependency

    @property
    def verdict(self) -> Verdict:
        """The worse of drift and trust; a part that could not be asked is unknown."""
        found: list[Verdict] = [verdict for verdict, _ in self._found]
        if self.problem is not None:
            found.append("unknown")
        if self.routed_away and not found:
            found.append("caution")  # rules, refuse or human: works, but is not the dependency
        return worst_verdict(found)

    @property
    def why(self) -> str:
        """The reason in the words of the part that decided."""
        routed = f"Routed to {self.target}. " if self.routed_away else ""
        if self.problem is not None:
            lost = f" {refused_text(self.refused)}." if self.refused and self.refused.n else ""
            return routed + self.problem + lost
        if not self._found:
            return routed + "Nothing is measured there."
        return routed + next(why for verdict, why in self._found if verdict == self.verdict)

    @property
    def score(self) -> float | None:
        """The trust score of where its calls go, in points of 100."""
        if self.version is not None:
            return None if self.version.score is None else in_points(self.version.score)
        return None if self.trust is None else self.trust.score

    @property
    def ahead(self) -> Ahead | None:
        """The dependency's observations dated ahead of the clock."""
        return next((r.ahead for r in (self.drift, self.trust) if r and r.ahead), None)

    @property
    def _found(self) -> list[tuple[Verdict, str]]:
        found = [(r.verdict, r.summary) for r in (self.drift, self.trust) if r is not None]
        if self.version is not None:
            found.append((self.version.verdict, f"{self.version.target}: {self.version.why}."))
        return found


def compose_preflight(
    parts: Sequence[PartReport],
    *,
    workload: str | None,
    calls: int | None,
    budget: BudgetCheck | None,
    incidents: Sequence[IncidentBrief],
    allow_unknown: bool,
    now_ms: int,
) -> PreflightReport:
    """Put the parts together: verdict, blockers, the chance that one call of each is good."""
    verdicts = [part.verdict for part in parts] + ([budget.verdict] if budget else [])
    if allow_unknown:
        verdicts = ["caution" if v == "unknown" else v for v in verdicts]
    verdict = worst_verdict(verdicts)
    blocking: tuple[Verdict, ...] = ("no_go",) if allow_unknown else ("no_go", "unknown")
    blockers = [part.dependency for part in parts if part.verdict in blocking]
    if budget is not None and budget.verdict in blocking:
        blockers.append(f"budget {budget.budget}")
    chance, chance_note = _chance(parts)
    ages = [
        report.data_age_s
        for part in parts
        for report in (part.drift, part.trust)
        if report is not None and report.data_age_s is not None
    ]
    return PreflightReport(
        verdict=verdict,
        summary=_summary(verdict, parts, budget, blockers, calls=calls)
        + _not_measured(parts)
        + _not_counted(budget)
        + ahead_names_note({p.dependency: p.ahead for p in parts if p.ahead is not None})
        + all_refused_text([part.refused for part in parts if part.refused is not None]),
        as_of=rfc3339(now_ms),
        data_age_s=max(ages, default=None),
        next_actions=_next_actions(parts, budget),
        workload=workload,
        checks=[_check(part) for part in parts],
        budget=budget,
        incidents=list(incidents),
        p_success=chance,
        p_success_note=chance_note,
        blockers=blockers,
    )


def for_unstated_calls(budget: BudgetCheck) -> BudgetCheck:
    """A check of one call, as part of work whose calls were not stated: it cannot tell a pass.

    One call that does not fit is no_go for any work.
    """
    if budget.verdict != "go":
        return budget
    return budget.model_copy(
        update={
            "verdict": "unknown",
            "passed": None,
            "confidence": None,
            "planned_calls": None,
            "projected_usd": None,
            "projected_interval80_usd": None,
            "decision_id": None,
            "next_actions": [],
            "summary": (
                f"Whether budget {budget.budget} carries the work is not known: no number of calls"
                " was given."
            ),
        }
    )


def _check(part: PartReport) -> PreflightCheck:
    return PreflightCheck(
        dependency=part.dependency,
        verdict=part.verdict,
        why=part.why,
        score=part.score,
        drift_status=part.drift.status if part.drift else None,
        missing=next((r.missing for r in (part.drift, part.trust) if r and r.missing), None),
        ahead=part.ahead,
        refused=refusal_count(part.refused),
        left_out=left_out_of(part.refused),
        route_target=part.target,
        plan_tested=part.plan_tested,
    )


def _chance(parts: Sequence[PartReport]) -> tuple[float | None, str | None]:
    scores = [part.score for part in parts if part.score is not None]
    if not scores or len(scores) < len(parts):
        return None, None
    product = math.prod(score / 100 for score in scores)
    if len(scores) == 1:
        return product, None
    return product, (
        "parts taken as independent; if they fail together it is up to "
        f"{percent(min(scores) / 100)}"
    )


def _summary(
    verdict: Verdict,
    parts: Sequence[PartReport],
    budget: BudgetCheck | None,
    blockers: Sequence[str],
    *,
    calls: int | None,
) -> str:
    checked = counted(len(parts), "dependency", "dependencies")
    checked += f" and budget {budget.budget}" if budget else ""
    if verdict == "go":
        work = "the work" if calls is None else counted(calls, "call")
        return f"{checked} checked, all fit for {work}."
    if blockers:
        lead = "do not start" if verdict == "no_go" else "not known to be fit"
        unstated = budget is not None and budget.verdict == "unknown" and calls is None
        why = " How many calls are planned was not stated: pass planned_calls." if unstated else ""
        return f"{checked} checked, {lead}: blocked by {named(blockers)}.{why}"
    wary = [p.dependency for p in parts if p.verdict != "go"]
    return f"{checked} checked: look at {named(wary) if wary else 'the budget'} first."


def _not_measured(parts: Sequence[PartReport]) -> str:
    """A sentence naming the parts that are judged without any outcome; empty where there are none."""
    names = [
        part.dependency
        for part in parts
        if part.trust is not None and part.trust.parts and "quality" not in part.trust.parts
    ]
    return f" Quality is not measured of {', '.join(names)}." if names else ""


def _not_counted(budget: BudgetCheck | None) -> str:
    """A sentence naming the work that the budget does not count; empty where it counts all."""
    every = () if budget is None else budget.not_counted or ()
    names = [each.recorded for each in every if each.listed is None and each.recorded]
    return f" Budget {budget.budget} does not count {named(names)}." if budget and names else ""


def _next_actions(parts: Sequence[PartReport], budget: BudgetCheck | None) -> list[NextAction]:
    """The calls that would remove a blocker, worst part first, each once."""
    actions: list[NextAction] = []
    for part in sorted(parts, key=lambda p: p.verdict != "no_go"):
        for report in (part.drift, part.trust):
            if report is not None and report.verdict in ("no_go", "unknown"):
                actions.extend(report.next_actions[:1])
    if budget is not None and budget.verdict != "go":
        actions.extend(budget.next_actions[:1])
    # Two parts of one dependency may ask for the same thing in other words.
    unique: dict[tuple[str, object], NextAction] = {}
    for action in actions:
        of = action.arguments.get("dependency") or action.arguments.get("budget")
        unique.setdefault((action.tool, of), action)
    return list(unique.values())[:3]
