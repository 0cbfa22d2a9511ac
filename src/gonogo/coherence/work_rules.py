"""Rules of preflight, of what was recorded, of what is known and what is being handled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gonogo.answers import (
    DependencyList,
    IncidentList,
    PreflightReport,
    RecordAnswer,
)
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.rules import of_answer
from gonogo.records import VERDICTS_BY_SEVERITY, worst_verdict

FRACTION = 1e-4


@of_answer(PreflightReport)
def a_preflight_is_as_bad_as_its_worst_part(said: Exchange[PreflightReport]) -> Iterator[str]:
    """The verdict is the worst of the parts and of the budget; unknown only where policy lets it be."""
    answer = said.answer
    parts = [check.verdict for check in answer.checks]
    parts += [answer.budget.verdict] if answer.budget is not None else []
    worst = worst_verdict(parts)
    severity = VERDICTS_BY_SEVERITY.index
    if severity(answer.verdict) < severity(worst) and worst != "unknown":
        yield f"{answer.verdict} over {dict(Counter(parts))}"
    if worst == "go" and answer.verdict == "no_go":
        yield "no_go over parts that are all go"


@of_answer(PreflightReport)
def a_blocker_is_a_part(said: Exchange[PreflightReport]) -> Iterator[str]:
    """Who blocks is no_go or unknown among the checks, and every no_go is a blocker."""
    answer = said.answer
    named = " ".join(answer.blockers)
    yield from (
        f"{check.dependency} is no_go and no blocker"
        for check in answer.checks
        if check.verdict == "no_go" and check.dependency not in named
    )
    if answer.blockers and answer.verdict == "go":
        yield f"go, blocked by {answer.blockers}"


@of_answer(PreflightReport)
def all_together_is_no_likelier_than_one(said: Exchange[PreflightReport]) -> Iterator[str]:
    """The chance that all parts succeed is at most that of the weakest part."""
    answer = said.answer
    scores = [check.score / 100 for check in answer.checks if check.score is not None]
    if answer.p_success is None or not scores:
        return
    if answer.p_success > min(scores) + 0.0005 + FRACTION:
        yield f"{answer.p_success} for all, {min(scores)} for one"


@of_answer(PreflightReport)
def an_incident_is_of_a_part(said: Exchange[PreflightReport]) -> Iterator[str]:
    """Incidents that are told are of what the work needs, or of where its calls go; none of them is resolved."""
    names = {check.dependency for check in said.answer.checks}
    for target in (check.route_target or "" for check in said.answer.checks):
        names |= {target, target.rpartition("@")[0]}
    for incident in said.answer.incidents:
        if incident.status == "resolved":
            yield f"{incident.id} is resolved"
        if incident.dependency not in names:
            yield f"{incident.id} is of {incident.dependency}"


@of_answer(RecordAnswer)
def every_item_is_accounted_for(said: Exchange[RecordAnswer]) -> Iterator[str]:
    """Accepted, duplicates, updated and refused items are all that were sent, each refused once."""
    answer, sent = said.answer, said.asked.get("observations")
    refused = {r.line if r.index is None else r.index for r in answer.rejected}
    if isinstance(sent, Sequence) and not isinstance(sent, str):
        told = answer.accepted + answer.duplicates + answer.updated + len(refused)
        if told != len(sent):
            yield f"{told} of {len(sent)} are accounted for"


@of_answer(DependencyList)
def a_list_is_as_bad_as_its_worst(said: Exchange[DependencyList]) -> Iterator[str]:
    """The list's verdict is the worst of its lines, but for shadows; each dependency stands in it once."""
    lines = said.answer.dependencies
    counted = [line.verdict for line in lines if line.shadow_of is None]
    verdicts = counted or [line.verdict for line in lines]
    if said.answer.verdict != worst_verdict(verdicts):
        yield f"{said.answer.verdict} over {dict(Counter(verdicts))}"
    names = Counter(line.dependency for line in lines)
    yield from (f"{name} is listed {n} times" for name, n in names.items() if n > 1)


@of_answer(IncidentList)
def incidents_are_those_asked_for(said: Exchange[IncidentList]) -> Iterator[str]:
    """A list of one dependency, one status or one incident holds nothing else."""
    for incident in said.answer.incidents:
        status, name = said.asked.get("status"), said.asked.get("dependency")
        if status not in (None, "", "all") and incident.status != status:
            yield f"{incident.id} is {incident.status}, asked for {status}"
        if name and incident.dependency != name:
            yield f"{incident.id} is of {incident.dependency}, asked for {name}"


@of_answer(IncidentList)
def a_timeline_runs_forwards(said: Exchange[IncidentList]) -> Iterator[str]:
    """Events stand in the order in which they happened, none ahead of now."""
    for incident in said.answer.incidents:
        times = [event.ts for event in incident.timeline]
        if times != sorted(times):
            yield f"{incident.id}: {times}"
        if times and times[-1] > said.answer.as_of:
            yield f"{incident.id}: {times[-1]} is ahead of {said.answer.as_of}"
