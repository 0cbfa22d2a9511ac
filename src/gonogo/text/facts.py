"""The facts and tables of each answer, in order of weight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from gonogo.answers import (
    Answer,
    Baseline,
    BudgetCheck,
    DependencyList,
    DriftReport,
    FallbackPlan,
    FallbackResult,
    IncidentList,
    PreflightReport,
    ProbeReport,
    PromotionLine,
    PromotionReport,
    RecordAnswer,
    RouteAnswer,
    SegmentDrift,
    Settlement,
    TrustReport,
)
from gonogo.answers.drill_report import DrillReport
from gonogo.records import Unit
from gonogo.text.budget_summary import not_counted_texts
from gonogo.text.drill_words import drill_parts
from gonogo.text.forms import (
    UNIT_WORDS,
    Table,
    amount_text,
    counted,
    day,
    e_value,
    interval,
    minute,
    money,
    named,
    number,
    percent,
    rate_text,
    shares,
    signed,
    table,
)

Parts = tuple[list[tuple[str, str]], list[Table]]

# Whom a failed check of a plan stops.
FAILED = {
    "never": "failed, a person decides",
    "agents": "failed, stops agents",
    "always": "failed, stops everybody",
}
# Of a trial's metric; one that only sends back has nothing to pass.
PASSED = {True: "yes", False: "not yet", None: "only sends back"}


@singledispatch
def parts_of(answer: Answer) -> Parts:  # noqa: ARG001 - the envelope alone has none
    """The facts as (label, text), and the tables; empty tables are left to the caller."""
    return [], []


@parts_of.register
def _drift(answer: DriftReport) -> Parts:
    """Facts beside the summary, which has the change, its onset and its evidence."""
    facts = [("status", f"{answer.status}, metric {answer.metric}")]
    if answer.baseline:
        facts.append(("baseline", _baseline(answer.baseline)))
    if answer.change and answer.change.in_baseline_sd is not None:
        sd = f"{signed(answer.change.in_baseline_sd)} standard deviations of the baseline's days"
        facts.append(("change", sd))
    if answer.evidence:
        facts.append(("guarantee", answer.evidence.guarantee))
    if answer.trend:
        slope = f"{signed(answer.trend.per_day)} a day{interval(answer.trend.interval95, '95%')}"
        facts.append(("trend", slope))
    facts += _golden(answer)
    if answer.estimate:
        guess = answer.estimate
        good = f"{number(guess.mean)}{interval(guess.interval95, '95%')} of {number(guess.n)} calls"
        facts.append(
            ("no labels", f"{good} good, {counted(guess.labels, 'label')}: {guess.method}")
        )
    if answer.immature:
        young = answer.immature
        waiting = f"{counted(young.n, 'label')} of {counted(young.hours, 'hour')}, still coming in"
        facts.append(("immature", waiting))
    if answer.missing:
        facts.append(("missing", answer.missing))
    return facts, _drift_tables(answer)


def _baseline(part: Baseline) -> str:
    said = [part.source if part.version is None else f"{part.source} {part.version}"]
    if part.start and part.end:
        said.append(f"{day(part.start)} to {day(part.end)}")
    if part.n is not None:
        said.append(f"n {number(part.n)}")
    return ", ".join(said)


def _golden(answer: DriftReport) -> list[tuple[str, str]]:
    pairs = answer.golden
    if pairs is None:
        return []
    said = f"{counted(pairs.items, 'item')}: {pairs.worse} worse, {pairs.better} better, "
    said += f"{pairs.same} same, e-value {e_value(pairs.e_value)}"
    return [("golden set", f"{said}. {pairs.warning}" if pairs.warning else said)]


def _slices(answer: DriftReport) -> list[SegmentDrift]:
    """The slices that are worth a line: those that drifted, by more than the whole where it did."""
    return [s for s in answer.segments or () if s.drifted]


def _drift_tables(answer: DriftReport) -> list[Table]:
    segments = [
        (s.segment, s.n, s.mean, s.baseline_mean, signed(s.change), s.e_value)
        for s in _slices(answer)
    ]
    signals = [
        (
            f"{s.metric} at {s.segment}" if s.segment else s.metric,
            s.kind,
            s.status,
            s.change,
            s.e_value,
            s.needed,
            s.psi,
            s.w1_sd,
            s.note,
        )
        for s in answer.signals or ()
    ]
    versions = [(v.version, v.n, v.mean) for v in answer.versions or ()]
    return [
        table("segments", "segment n mean baseline change e_value", segments),
        table("signals", "metric kind status change e_value needed psi w1_sd note", signals),
        table("versions", "version n mean", versions),
    ]


@parts_of.register
def _trust(answer: TrustReport) -> Parts:
    """Facts beside the summary, which has the score, the provider, and the basis of the score."""
    facts: list[tuple[str, str]] = []
    if answer.good_means:
        facts.append(("good means", answer.good_means))
    facts += [("stands on", bad) for bad in (answer.upstream or [])[1:]]
    health = answer.score_health
    if health:
        said = f"{health.status}. {health.note}" if health.note else str(health.status)
        said += f"; {health.golden_warning}" if health.golden_warning else ""
        facts.append(("score health", said))
    parts = [(name, p.rate, p.interval90, p.n) for name, p in (answer.parts or {}).items()]
    fleet = [
        (f.dependency, f.verdict, f.score, f.interval90, f.changed, f.upstream)
        for f in answer.fleet or ()
    ]
    segments = (health.segments if health else None) or []
    # Segments are told where one is biased; where none is, the object has them.
    biased = [
        (s.segment, s.labels, signed(s.residual), s.biased)
        for s in segments
        if any(one.biased is True for one in segments)
    ]
    return facts, [
        table("parts", "part rate interval90 n", parts),
        table("fleet", "dependency verdict score interval90 changed stands_on", fleet),
        table("segments", "segment labels residual biased", biased),
    ]


@parts_of.register
def _budget(answer: BudgetCheck) -> Parts:
    """Facts beside the summary, which has the chance, the remaining budget and the projection."""
    unit: Unit = answer.unit or "usd"
    spent = f"{amount_text(answer.spent_usd, unit)} {UNIT_WORDS[unit].spent} and "
    # What this answer holds itself stands in its summary.
    held = "held by others" if answer.reservation else "held"
    spent += f"{amount_text(answer.held_usd, unit)} {held} of {amount_text(answer.limit_usd, unit)}"
    spent += f", window {answer.window.kind}"
    facts = [("budget", f"{answer.budget}: {spent}")]
    if answer.passed:
        facts.append(("required", percent(answer.required_confidence)))
    if answer.projected_usd is not None:
        of = f"{counted(answer.n, 'observation')}, {answer.method}" if answer.n else answer.method
        facts.append(("forecast", of))
    if answer.passed and answer.calls_that_would_pass is not None:
        facts.append(("would pass", f"up to {counted(answer.calls_that_would_pass, 'call')}"))
    if answer.reservation:
        facts.append(("reservation", answer.reservation.id))
    if answer.unpriced:
        facts.append(("unpriced", answer.unpriced.why))
    facts += [("not counted", said) for said in not_counted_texts(answer)[1]]
    if answer.also_counts:
        stead = [f"{s.dependency} instead of {s.instead_of}" for s in answer.also_counts]
        facts.append(("also counts", named(stead)))
    others = [(amount_text(h.held_usd, unit), h.expires_at) for h in answer.others_hold or ()]
    return facts, [table("holds", "held expires_at", others)]


@parts_of.register
def _settlement(answer: Settlement) -> Parts:
    """The calls without a price; the summary has all else."""
    return [("unpriced", answer.unpriced.why)] if answer.unpriced else [], []


@parts_of.register
def _plan(answer: FallbackPlan) -> Parts:
    """Facts beside the summary, which has where traffic would go, and the approval."""
    facts = [
        ("plan", f"{answer.plan_id}, expires {minute(answer.expires_at)}"),
        ("traffic now", shares(answer.from_)),
    ]
    health = answer.target_health
    if health:
        better = ""
        if health.p_better is not None:
            better = f", {percent(health.p_better)} likely better than what it replaces"
        score = f", trust {number(health.score)}" if health.score is not None else ""
        facts.append(("target", f"{health.verdict}{score}{better}"))
    if answer.cost_change:
        facts.append(("cost", answer.cost_change))
    facts += [("effect", effect) for effect in answer.effects]
    if answer.way_back:
        facts.append(("way back", answer.way_back))
    command = answer.approve_command
    if answer.pending_approval and command and command not in answer.summary:
        facts.append(("a person approves", command))
    checks = [
        (c.check, "passed" if c.passed else FAILED[c.blocks or "always"], c.why)
        for c in answer.checks
    ]
    if answer.checks_passed is not None and answer.checks_made is not None:
        facts.append(("checks", f"{answer.checks_passed} of {answer.checks_made} passed"))
    return facts, [table("checks", "check result why", checks)]


@parts_of.register
def _result(answer: FallbackResult) -> Parts:
    """Facts beside the summary, which has where traffic goes now, and why."""
    facts = [("audit", answer.audit_id)]
    if answer.replayed:
        facts.insert(0, ("replayed", "this plan was carried out before; this is its first result"))
    if answer.incident_id:
        facts.append(("incident", answer.incident_id))
    if answer.expires_at:
        facts.append(("looked at again", answer.expires_at))
    done_by = [(a.name, a.status, a.detail) for a in answer.actuators]
    return facts, [table("actuators", "actuator status detail", done_by)]


def promotion_table(under_way: Sequence[PromotionLine]) -> Table:
    """Versions on their way to all calls."""
    rows = [
        (p.dependency, p.candidate, p.status, p.share, p.current or "", p.since, p.why or "")
        for p in under_way
    ]
    return table("promotions", "dependency candidate status share current since why", rows)


@parts_of.register
def _promotion(answer: PromotionReport) -> Parts:
    """Both sides of every metric; the summary has what is missing and what comes next."""
    facts = [("traffic now", shares(answer.traffic))]
    if answer.waits_for:
        facts.append(("a person approves", answer.waits_for))
    rows = [
        (
            one.metric,
            PASSED[one.passed],
            rate_text(one.bad_current),
            one.n_current,
            rate_text(one.bad_candidate),
            one.n_candidate,
            one.e_value,
        )
        for one in answer.metrics
    ]
    columns = "metric passed bad_current n_current bad_candidate n_candidate e_value"
    return facts, [table("metrics", columns, rows)]


@parts_of.register
def _route(answer: RouteAnswer) -> Parts:
    version = f" version {answer.version}" if answer.version else ""
    facts = [("call", f"{answer.target}{version}, epoch {number(answer.route_epoch)}")]
    if answer.expires_at:
        facts.append(("looked at again", answer.expires_at))
    return facts, []


@parts_of.register
def _preflight(answer: PreflightReport) -> Parts:
    facts = []
    if answer.p_success is not None:
        note = f" ({answer.p_success_note})" if answer.p_success_note else ""
        facts.append(("chance of success", f"{percent(answer.p_success)}{note}"))
    if answer.budget:
        facts.append(("budget", f"{answer.budget.verdict}: {answer.budget.summary}"))
    checks = [
        (c.dependency, c.verdict, c.score, c.drift_status, c.route_target, c.plan_tested, c.why)
        for c in answer.checks
    ]
    incidents = [(i.id, i.dependency, i.status) for i in answer.incidents]
    return facts, [
        table("checks", "dependency verdict score drift route plan_tested why", checks),
        table("incidents", "id dependency status", incidents),
    ]


@parts_of.register
def _probes(answer: ProbeReport) -> Parts:
    rows = [
        (
            line.probe,
            line.dependency,
            line.verdict,
            f"{line.answered}/{line.asked}",
            "" if line.right is None else f"{rate_text(line.right)} of {number(line.checked)}",
            "" if line.latency_ms is None else f"{number(line.latency_ms)} ms",
            money(line.cost_usd) if line.cost_usd is not None else "",
            line.why,
        )
        for line in answer.probes
    ]
    return [], [table("probes", "probe dependency verdict answered right latency cost why", rows)]


@parts_of.register
def _record(answer: RecordAnswer) -> Parts:
    """The summary has the counts."""
    places: dict[tuple[str, str], list[int | None]] = {}
    for r in answer.rejected:
        places.setdefault((r.field, r.problem), []).append(r.line if r.index is None else r.index)
    # A batch made by one program has one fault: it is said once.
    several = {why: f"{at[0]} to {at[-1]} ({len(at)})" for why, at in places.items() if at[1:]}
    refused = [(several.get(why, at[0]), *why) for why, at in places.items()]
    notes = [("note", note) for note in answer.notes or ()]
    return notes, [table("refused", "index field problem", refused)]


@parts_of.register
def _dependencies(answer: DependencyList) -> Parts:
    facts = [("next page", f"cursor={answer.next_cursor}")] if answer.next_cursor else []
    shadowed = any(d.shadow_of for d in answer.dependencies)
    rows = [
        (
            d.dependency,
            d.kind,
            d.verdict,
            d.n,
            d.newest_ts,
            " ".join(d.versions),
            " ".join(d.metrics),
            *((d.shadow_of,) if shadowed else ()),
        )
        for d in answer.dependencies
    ]
    columns = "dependency kind verdict n newest versions metrics"
    refused = [(r.dependency, r.n, r.since, r.field, r.problem) for r in answer.refused or ()]
    return facts, [
        table("dependencies", f"{columns} shadow_of" if shadowed else columns, rows),
        table("refused", "dependency n since field problem", refused),
    ]


@parts_of.register
def _incidents(answer: IncidentList) -> Parts:
    listed = answer.incidents
    # Two columns that most stores never fill.
    seldom = {
        "owner": [i.owner for i in listed],
        "silenced_until": [i.silenced_until for i in listed],
    }
    more = {name: cells for name, cells in seldom.items() if any(cells)}
    rows = [
        (
            *(i.id, i.dependency, i.status, *(cells[at] for cells in more.values())),
            *(i.verdict, i.onset, i.opened_at, i.cause),
        )
        for at, i in enumerate(listed)
    ]
    columns = " ".join(["id dependency status", *more, "verdict since noticed cause"])
    tables = [table("incidents", columns, rows), promotion_table(answer.promotions or [])]
    if len(answer.incidents) == 1:
        events = [(e.ts, e.event, e.actor) for e in answer.incidents[0].timeline]
        tables.append(table("timeline", "ts event actor", events))
    return [], tables


@parts_of.register
def _drill(answer: DrillReport) -> Parts:
    return drill_parts(answer)
