"""The facts and tables of each answer, in order of weight."""

from __future__ import annotations

from functools import singledispatch

from gonogo.answers import (
    Answer,
    Baseline,
    BudgetCheck,
    Current,
    DependencyList,
    DriftReport,
    FallbackPlan,
    FallbackResult,
    IncidentList,
    PreflightReport,
    ProbeReport,
    RecordAnswer,
    RouteAnswer,
    Settlement,
    TrustReport,
)
from gonogo.answers.drill import DrillReport
from gonogo.text.drill import drill_parts
from gonogo.text.forms import Table, interval, money, number, shares, table

Parts = tuple[list[tuple[str, str]], list[Table]]


@singledispatch
def parts_of(answer: Answer) -> Parts:  # noqa: ARG001 - the envelope alone has none
    """The facts as (label, text), and the tables; empty tables are left to the caller."""
    return [], []


@parts_of.register
def _drift(answer: DriftReport) -> Parts:
    facts = [("status", f"{answer.status}, metric {answer.metric}")]
    if answer.baseline and answer.current:
        moved = f"{_state(answer.baseline)} → {_state(answer.current)}"
        if answer.change:
            moved += f", {answer.change.absolute:+.4g}{interval(answer.change.interval95, '95%')}"
            sd = answer.change.in_baseline_sd
            moved += f", {number(sd)} baseline sd" if sd is not None else ""
        facts.append(("change", moved))
    if answer.evidence:
        held = f"e-value {number(answer.evidence.e_value)}, {number(answer.evidence.needed)} needed"
        facts.append(("evidence", f"{held}. {answer.evidence.guarantee}"))
    if answer.onset:
        onset = f"{answer.onset.ts}, between {answer.onset.earliest} and {answer.onset.latest}"
        facts.append(("onset", onset))
    if answer.trend:
        trend = f"{answer.trend.per_day:+.4g} a day{interval(answer.trend.interval95, '95%')}"
        facts.append(("trend", trend))
    facts += _golden(answer)
    if answer.estimate:
        guess = answer.estimate
        said = f"{number(guess.mean)}{interval(guess.interval95, '95%')} of {guess.n} calls good"
        facts.append(("no labels", f"{said}, {guess.labels} labels: {guess.method}"))
    if answer.immature:
        facts.append(
            (
                "immature",
                f"{answer.immature.n} calls of {answer.immature.hours} h wait for outcomes",
            )
        )
    if answer.detectable_now is not None and answer.status in ("stable", "insufficient_data"):
        facts.append(("detectable", f"a drop of {number(answer.detectable_now)} would have shown"))
    if answer.missing:
        facts.append(("missing", answer.missing))
    return facts, _drift_tables(answer)


def _state(part: Baseline | Current) -> str:
    said = [f"version {part.version}"] if part.version else []
    if isinstance(part, Baseline):
        said.append(part.source if part.source != "version" else "")
    if part.n is not None:
        said.append(f"n={part.n}")
    mean = "?" if part.mean is None else number(part.mean)
    listed = ", ".join(s for s in said if s)
    return f"{mean} ({listed})" if listed else mean


def _golden(answer: DriftReport) -> list[tuple[str, str]]:
    pairs = answer.golden
    if pairs is None:
        return []
    said = f"{pairs.items} items: {pairs.worse} worse, {pairs.better} better, {pairs.same} same"
    said += f", e-value {number(pairs.e_value)}"
    return [("golden set", f"{said}. {pairs.warning}" if pairs.warning else said)]


def _drift_tables(answer: DriftReport) -> list[Table]:
    segments = [
        (s.segment, s.n, s.mean, s.baseline_mean, f"{s.change:+.4g}", s.e_value, s.drifted)
        for s in answer.segments or ()
    ]
    signals = [
        (
            f"{s.metric} at {s.segment}" if s.segment else s.metric,
            s.kind,
            s.status,
            s.change,
            s.e_value,
            s.psi,
            s.w1_sd,
            s.note,
        )
        for s in answer.signals or ()
    ]
    versions = [(v.version, v.n, v.mean) for v in answer.versions or ()]
    return [
        table("segments", "segment n mean baseline change e_value drifted", segments),
        table("signals", "metric kind status change e_value psi w1_sd note", signals),
        table("versions", "version n mean", versions),
    ]


@parts_of.register
def _trust(answer: TrustReport) -> Parts:
    facts: list[tuple[str, str]] = []
    if answer.score is not None:
        score = f"{number(answer.score)} of 100{interval(answer.interval90, '90%')}"
        facts.append(("score", f"{score}, n={answer.n}" if answer.n is not None else score))
    if answer.good_means:
        facts.append(("good means", answer.good_means))
    if answer.provider_suspected:
        suspect = answer.provider_suspected
        listed = ", ".join(suspect.dependencies)
        facts.append(("provider", f"{suspect.provider} suspected since {suspect.since}: {listed}"))
    if answer.upstream:
        facts.append(("upstream", "; ".join(answer.upstream)))
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
        (s.segment, s.labels, f"{s.residual:+.4g}", s.biased)
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
    state = f"{money(answer.remaining_usd)} remain of {money(answer.limit_usd)}"
    state += f" ({money(answer.spent_usd)} spent, {money(answer.held_usd)} held)"
    facts = [("budget", f"{answer.budget}: {state}, window {answer.window.kind}")]
    if answer.confidence is not None:
        needed = f"{answer.required_confidence:.0%} required"
        facts.append(("confidence", f"{answer.confidence:.0%}, {needed}"))
    if answer.projected_usd is not None:
        said = f"{money(answer.projected_usd)} projected"
        if answer.projected_interval80_usd:
            low, high = answer.projected_interval80_usd
            said += f" (80% {money(low)} to {money(high)})"
        said += f" for {answer.planned_calls} calls" if answer.planned_calls is not None else ""
        facts.append(("spend", f"{said}, from {answer.n} observations, {answer.method}"))
    if answer.calls_that_would_pass is not None:
        facts.append(("would pass", f"{answer.calls_that_would_pass} calls"))
    if answer.binding:
        remaining = money(answer.binding.remaining_usd)
        facts.append(("decided by", f"{answer.binding.budget}, {remaining} remain"))
    if answer.reservation:
        hold = answer.reservation
        capped = ", capped at what remains" if answer.hold_capped else ""
        facts.append(
            ("held", f"{money(hold.held_usd)} as {hold.id} until {hold.expires_at}{capped}")
        )
    if answer.unpriced:
        facts.append(("unpriced", answer.unpriced))
    others = [(h.id, money(h.held_usd), h.expires_at) for h in answer.others_hold or ()]
    return facts, [table("holds", "id held expires_at", others)]


@parts_of.register
def _settlement(answer: Settlement) -> Parts:
    said = f"{answer.reservation_id} {answer.status}: held {money(answer.held_usd)}"
    said += f", actual {money(answer.actual_usd)}, overrun {money(answer.overrun_usd)}"
    return [("reservation", said)], []


@parts_of.register
def _plan(answer: FallbackPlan) -> Parts:
    facts = [
        ("plan", f"{answer.plan_id}, expires {answer.expires_at}; nothing has changed yet"),
        ("traffic", f"{shares(answer.from_)} → {shares(answer.to)}"),
    ]
    health = answer.target_health
    if health:
        better = f", P(better) {number(health.p_better)}" if health.p_better is not None else ""
        score = f", score {number(health.score)}" if health.score is not None else ""
        facts.append(("target", f"{health.verdict}{score}{better}"))
    if answer.cost_change:
        facts.append(("cost", answer.cost_change))
    facts += [("effect", effect) for effect in answer.effects]
    if answer.way_back:
        facts.append(("way back", answer.way_back))
    approval: str = answer.approval
    if answer.pending_approval and answer.approve_command:
        approval += f"; a person has to approve: {answer.approve_command}"
    facts.append(("approval", approval))
    checks = [
        (c.check, "passed" if c.passed else f"failed, blocks {c.blocks or 'it'}", c.why)
        for c in answer.checks
    ]
    return facts, [table("checks", "check result why", checks)]


@parts_of.register
def _result(answer: FallbackResult) -> Parts:
    done = "applied" if answer.applied else "not applied"
    done += ", as the first time (replayed)" if answer.replayed else ""
    facts = [
        ("result", f"{done}: {shares(answer.to)}, route epoch {answer.route_epoch}"),
        ("audit", answer.audit_id),
    ]
    if answer.incident_id:
        facts.append(("incident", answer.incident_id))
    if answer.expires_at:
        facts.append(("looked at again", answer.expires_at))
    done_by = [(a.name, a.status, a.detail) for a in answer.actuators]
    return facts, [table("actuators", "actuator status detail", done_by)]


@parts_of.register
def _route(answer: RouteAnswer) -> Parts:
    version = f" version {answer.version}" if answer.version else ""
    target = f"{answer.target}{version}, share {answer.share:.0%}, epoch {answer.route_epoch}"
    facts = [("call", target), ("why", answer.why)]
    if answer.expires_at:
        facts.append(("looked at again", answer.expires_at))
    return facts, []


@parts_of.register
def _preflight(answer: PreflightReport) -> Parts:
    facts = [("blocker", blocker) for blocker in answer.blockers]
    if answer.p_success is not None:
        note = f" ({answer.p_success_note})" if answer.p_success_note else ""
        facts.append(("chance of success", f"{answer.p_success:.2%}{note}"))
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
            "" if line.right is None else f"{line.right:.0%} of {line.checked}",
            "" if line.latency_ms is None else f"{number(line.latency_ms)} ms",
            money(line.cost_usd) if line.cost_usd is not None else "",
            line.why,
        )
        for line in answer.probes
    ]
    return [], [table("probes", "probe dependency verdict answered right latency cost why", rows)]


@parts_of.register
def _record(answer: RecordAnswer) -> Parts:
    stored = f"{answer.accepted} accepted, {answer.duplicates} duplicates"
    stored += f", {answer.updated} updated, {len(answer.rejected)} refused"
    refused = [
        (r.line if r.index is None else r.index, r.field, r.problem) for r in answer.rejected
    ]
    return [("stored", stored)], [table("refused", "index field problem", refused)]


@parts_of.register
def _dependencies(answer: DependencyList) -> Parts:
    facts = [("next page", f"cursor={answer.next_cursor}")] if answer.next_cursor else []
    rows = [
        (
            d.dependency,
            d.kind,
            d.verdict,
            d.n,
            d.newest_ts,
            " ".join(d.versions),
            " ".join(d.metrics),
        )
        for d in answer.dependencies
    ]
    return facts, [table("dependencies", "dependency kind verdict n newest versions metrics", rows)]


@parts_of.register
def _incidents(answer: IncidentList) -> Parts:
    rows = [
        (i.id, i.dependency, i.status, i.verdict, i.opened_at, i.onset, i.cause)
        for i in answer.incidents
    ]
    tables = [table("incidents", "id dependency status verdict opened onset cause", rows)]
    if len(answer.incidents) == 1:
        events = [(e.ts, e.event, e.actor) for e in answer.incidents[0].timeline]
        tables.append(table("timeline", "ts event actor", events))
    return [], tables


@parts_of.register
def _drill(answer: DrillReport) -> Parts:
    return drill_parts(answer)
