"""Rules over all that one store says at one moment: every surface, every count, every name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gonogo.answers import Answer, DriftReport, in_points
from gonogo.coherence.exchanges import leaves
from gonogo.coherence.moment import Moment
from gonogo.coherence.rules import of_moment
from gonogo.records import VERDICTS_BY_SEVERITY, Verdict, worst_verdict
from gonogo.trust.fleet_scores import SAME_HOUR_MAX

MICRO_USD = 1e-6
# What tells one asking from the next, and no more.
EACH_ASKING = frozenset({"decision_id"})


@of_moment
def one_standing_verdict_on_every_surface(moment: Moment) -> Iterator[str]:
    """List, fleet, resource, metrics and dashboard show the worst of drift and trust about the whole."""
    fleet = {line.dependency: line.verdict for line in (moment.fleet and moment.fleet.fleet) or ()}
    lists_all = moment.fleet is None or moment.fleet.total in (None, len(fleet))
    listed = {line.dependency: line.verdict for line in moment.lines}
    drawn = (
        {line.dependency: line.verdict for line in moment.dashboard.dependencies}
        if (moment.dashboard)
        else {}
    )
    for name, standing in _standing(moment).items():
        scraped = next(
            (v for v in VERDICTS_BY_SEVERITY if moment.gauges.get(("verdict", name, v)) == 1), None
        )
        told = {
            "list": listed.get(name),
            "fleet": fleet.get(name, standing if name in moment.shadows or not lists_all else None),
            "resource": moment.resources.get(name, {}).get("verdict"),
            "metrics": standing if name in moment.shadows else scraped,
            "dashboard": drawn.get(name, listed.get(name)),
        }
        other = {surface: verdict for surface, verdict in told.items() if verdict != standing}
        if other:
            yield f"{name} is {standing} by drift and trust, and {other}"


@of_moment
def a_route_carries_its_target_s_verdict(moment: Moment) -> Iterator[str]:
    """A route to a measured dependency has the standing verdict of that dependency."""
    standing = _standing(moment)
    for name, route in moment.routes.items():
        expected = standing.get(route.target)
        if expected is not None and route.verdict != expected:
            yield f"route of {name} to {route.target} is {route.verdict}, which is {expected}"


@of_moment
def a_part_is_no_better_than_it_stands(moment: Moment) -> Iterator[str]:
    """Preflight calls no dependency better than its standing verdict, in whatever work it is."""
    standing, severity = _standing(moment), VERDICTS_BY_SEVERITY.index
    for report in (*moment.parts.values(), *moment.work.values()):
        for check in report.checks:
            expected = standing.get(check.route_target or check.dependency)
            if expected is not None and severity(check.verdict) < severity(expected):
                yield f"{check.dependency} is {check.verdict} in preflight, and stands at {expected}"


@of_moment
def a_part_names_a_worse_whole(moment: Moment) -> Iterator[str]:
    """An answer about a slice, a metric, a version or a period says what the whole is, if worse."""
    standing, severity = _standing(moment), VERDICTS_BY_SEVERITY.index
    for said in moment.said:
        answer = said.answer
        if not isinstance(answer, DriftReport) or set(said.asked) <= {"dependency", "detail"}:
            continue
        expected = standing.get(answer.dependency)
        if expected is None or severity(expected) <= severity(answer.verdict):
            continue
        told = answer.whole and answer.whole.verdict
        if told != expected or f"is {expected} (" not in answer.summary:
            yield f"{dict(said.asked)} is {answer.verdict}, the whole {expected}: {answer.summary!r}"


@of_moment
def an_open_incident_has_its_dependency_s_verdict(moment: Moment) -> Iterator[str]:
    """An incident that is not resolved carries the standing verdict of what it is about."""
    standing = _standing(moment)
    for incident in moment.incidents.incidents if moment.incidents else ():
        expected = standing.get(incident.dependency)
        if incident.status != "resolved" and expected not in (None, incident.verdict):
            yield f"{incident.id} is {incident.verdict}, {incident.dependency} is {expected}"


@of_moment
def incidents_are_the_same_everywhere(moment: Moment) -> Iterator[str]:
    """Preflight and metrics tell the incidents that the list of incidents tells."""
    if moment.incidents is None:
        return
    handled = [i for i in moment.incidents.incidents if i.status != "resolved"]
    of_each = Counter((i.dependency, str(i.status)) for i in handled)
    scraped = {key[1:]: n for key, n in moment.gauges.items() if key[0] == "incidents"}
    if scraped != dict(of_each):
        yield f"listed {dict(of_each)}, in metrics {scraped}"
    for name, report in moment.parts.items():
        told = {i.id for i in report.incidents}
        listed = {i.id for i in handled if i.dependency == name}
        if told != listed:
            yield f"preflight of {name} tells {sorted(told)}, the list {sorted(listed)}"


@of_moment
def every_dependency_is_counted(moment: Moment) -> Iterator[str]:
    """List and fleet hold every dependency of the store, and no other."""
    stored = set(moment.rows)
    listed = {line.dependency for line in moment.lines}
    if listed != stored:
        yield f"the list lacks {sorted(stored - listed)[:5]} and adds {sorted(listed - stored)[:5]}"
    fleet = {line.dependency for line in (moment.fleet and moment.fleet.fleet) or ()}
    stored -= moment.shadows
    if (
        moment.fleet is not None
        and fleet != stored
        and f"{len(stored):,}" not in moment.fleet.summary.replace(",", "")
    ):
        yield f"the fleet has {len(fleet)} of {len(stored)}: {moment.fleet.summary!r}"


@of_moment
def every_verdict_is_counted(moment: Moment) -> Iterator[str]:
    """The fleet counts as many of each verdict as the list has lines of it, shown or not."""
    fleet = moment.fleet
    if fleet is None or fleet.verdicts is None or fleet.waiting:
        return
    listed = Counter(line.verdict for line in moment.lines if line.shadow_of is None)
    if dict(listed) != fleet.verdicts:
        yield f"the list has {dict(listed)}, the fleet {fleet.verdicts}"


@of_moment
def counts_are_the_store_s(moment: Moment) -> Iterator[str]:
    """`n` of a list is the number of stored rows; what retention removed is counted on."""
    for line in moment.lines:
        rows = moment.rows.get(line.dependency, 0)
        kept_all = moment.settings.retention_days is None
        if line.n < rows or (kept_all and line.n != rows):
            yield f"{line.dependency}: n={line.n}, {rows} rows are stored"


@of_moment
def a_score_is_the_same_everywhere(moment: Moment) -> Iterator[str]:
    """Trust, fleet, preflight and metrics tell one score of a dependency."""
    # Of a large fleet a score may be of an earlier hour.
    lines = (
        (moment.fleet and moment.fleet.fleet) or () if len(moment.lines) <= SAME_HOUR_MAX else ()
    )
    fleet = {line.dependency: line.score for line in lines}
    for name, report in moment.trust.items():
        scraped = moment.gauges.get(("trust_score", name))
        told = {
            "fleet": fleet.get(name),
            "metrics": None if scraped is None else in_points(scraped / 100),
        }
        part = next(iter(moment.parts[name].checks), None) if name in moment.parts else None
        if part is not None and part.route_target in (None, name):
            told["preflight"] = part.score
        # One that only looks makes no scores: where none is told, nothing disagrees.
        other = {p: score for p, score in told.items() if score not in (None, report.score)}
        if other:
            yield f"{name} has {report.score}, and {other}"


@of_moment
def a_budget_is_the_same_everywhere(moment: Moment) -> Iterator[str]:
    """Check, preflight and metrics tell one limit and one remainder of a budget."""
    for name, check in moment.budgets.items():
        for family, value in (
            (f"budget_limit_{check.unit or 'usd'}", check.limit_usd),
            (f"budget_remaining_{check.unit or 'usd'}", check.remaining_usd),
        ):
            scraped = moment.gauges.get((family, name))
            if scraped is None or abs(scraped - value) > MICRO_USD:
                yield f"{name}: {family} {value} in the check, {scraped} in metrics"
    for report in moment.work.values():
        inner = report.budget
        check_of = moment.budgets.get(inner.budget) if inner is not None else None
        if inner and check_of and abs(inner.remaining_usd - check_of.remaining_usd) > MICRO_USD:
            yield f"{inner.budget}: {check_of.remaining_usd}, in preflight {inner.remaining_usd}"


def _is_limit(moment: Moment, kind: str, name: str) -> bool:
    """Whether a name is of the limit of one value of a key, which has no table of its own."""
    return kind == "budget" and moment.settings.budget(name) is not None


@of_moment
def a_next_action_names_what_is_there(moment: Moment) -> Iterator[str]:
    """Dependencies, budgets, workloads and incidents that next actions name are known."""
    known: dict[str, set[str]] = {
        "dependency": {*moment.rows, *moment.settings.dependencies},
        "budget": set(moment.settings.budgets),
        "workload": set(moment.settings.workloads),
    }
    for said in moment.said:
        for action in said.answer.next_actions:
            for kind, names in known.items():
                name = action.arguments.get(kind)
                if (
                    isinstance(name, str)
                    and name not in names
                    and not _is_limit(moment, kind, name)
                ):
                    yield f"{said.tool}({dict(said.asked)}) offers {action.tool} of {kind} {name!r}"


@of_moment
def the_same_question_has_the_same_answer(moment: Moment) -> Iterator[str]:
    """While nothing is written, asking again changes nothing but the decision's id."""
    for said, again in zip(moment.said, moment.again, strict=True):
        first, second = _without_asking(said.answer), _without_asking(again)
        differing = {
            name: (first.get(name), second.get(name))
            for name in first.keys() | second.keys()
            if first.get(name) != second.get(name)
        }
        if differing:
            yield f"{said.tool}({dict(said.asked)}) differs when asked again: {differing}"


@of_moment
def a_decision_can_be_found(moment: Moment) -> Iterator[str]:
    """Every decision id that was told resolves."""
    yield from (f"decision {lost} cannot be found" for lost in moment.lost)


def _standing(moment: Moment) -> dict[str, Verdict]:
    """The worst of drift and trust about each whole, where both were answered."""
    return {
        name: worst_verdict([drift.verdict, moment.trust[name].verdict])
        for name, drift in moment.drift.items()
        if name in moment.trust
    }


def _without_asking(answer: Answer) -> dict[str, object]:
    """The object without what tells one asking from the next."""
    told = answer.as_object()
    return {path: v for path, v in leaves(told) if path.rpartition(".")[2] not in EACH_ASKING}
