"""The demo's course: a healthy morning, the morning on which it fell, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anyio

from gonogo.answers import (
    BudgetCheck,
    DriftReport,
    FallbackPlan,
    FallbackResult,
    IncidentList,
    PreflightReport,
    RouteAnswer,
)
from gonogo.demo.paper import Decline, Paper, decline_chart
from gonogo.demo.stage import (
    BUDGET,
    DAYS,
    HEALTHY_DAYS,
    MODEL,
    SKILL,
    WORKLOAD,
    Agent,
    Stage,
    World,
    agent_of,
    set_up,
)
from gonogo.errors import ProbeError
from gonogo.records import QUARTER_MS

FIRST_DAY_ASKED = 8


@dataclass(frozen=True, slots=True)
class StoryEnd:
    """The time of the last morning, and the preflight after the fallback."""

    stage: Stage
    last: PreflightReport


async def play(paper: Paper, folder: Path, *, now_ms: int) -> StoryEnd:
    """Play the demo in a folder, in three mornings' questions.

    The weeks end at the quarter hour before now, since a rolling budget begins at one: so the same
    dollars are spent at every minute of the hour.

    Raises:
        GonogoError: a part of the product failed; one line.
    """
    paper.title(
        "gonogo demo: three simulated weeks",
        "The data are simulated and seeded. Store, ingest, server, client and statistics are real.",
    )
    with paper.working("simulating three weeks"):
        world = World()
    before, during = await _mornings(paper, world, folder, now_ms // QUARTER_MS * QUARTER_MS)
    paper.part(f"Before: the morning of day {before.day}")
    async with agent_of(before.environ) as agent:
        await _preflight(paper, agent, workload=WORKLOAD)
    paper.part(f"During: the morning of day {during.day}")
    async with agent_of(during.environ) as agent:
        await _preflight(paper, agent, workload=WORKLOAD)
        report = await _look(paper, agent)
        await _draw(paper, agent, during, world, report)
        await _slices(paper, agent)
        await _fall_back(paper, agent, report)
        await _incidents(paper, agent, during)
        paper.part("After: the part of the work that fits")
        last = await _smaller_preflight(paper, agent)
    return StoryEnd(during, last)


async def _mornings(paper: Paper, world: World, folder: Path, now_ms: int) -> tuple[Stage, Stage]:
    stages: dict[int, Stage] = {}

    async def fill(day: int) -> None:
        stages[day] = await set_up(world, folder, day=day, now_ms=now_ms)

    days = (HEALTHY_DAYS, DAYS)
    with paper.working("recording two mornings through gonogo ingest"):
        try:
            async with anyio.create_task_group() as group:
                for day in days:
                    group.start_soon(fill, day)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
    for day in days:
        stage = stages[day]
        told = f"{stage.accepted:,} observations in {stage.took_s:.1f} s"
        paper.command(f"gonogo ingest {stage.data.name}", told)
    return stages[days[0]], stages[days[1]]


async def _preflight(paper: Paper, agent: Agent, **arguments: object) -> PreflightReport:
    paper.question("preflight", **arguments)
    report = await agent.ask(PreflightReport, "preflight", **arguments)
    paper.preflight(report)
    return report


async def _smaller_preflight(paper: Paper, agent: Agent) -> PreflightReport:
    """Leave out the skill, and plan as many calls as would pass."""
    asked = {"budget": BUDGET, "dependency": MODEL, "planned_calls": 800}
    paper.question("check_budget_with_confidence", **asked)
    check = await agent.ask(BudgetCheck, "check_budget_with_confidence", **asked)
    paper.answer(check)
    calls = max(1, check.calls_that_would_pass or 0)
    fitting = {"planned_calls": calls, "budget": BUDGET}
    return await _preflight(paper, agent, dependencies=[MODEL], **fitting)


async def _look(paper: Paper, agent: Agent) -> DriftReport:
    paper.question("check_model_drift", dependency=MODEL)
    report = await agent.ask(DriftReport, "check_model_drift", dependency=MODEL)
    paper.answer(report, report.evidence.guarantee if report.evidence else "")
    return report


async def _draw(
    paper: Paper, agent: Agent, stage: Stage, world: World, report: DriftReport
) -> None:
    """Ask day by day as of that day; the first that says degraded is the alarm."""
    alarm: float | None = None
    with paper.working("asking as of each day"):
        for day in range(FIRST_DAY_ASKED, DAYS + 1):
            asked = {"dependency": MODEL, "until": stage.time(day)}
            then = await agent.ask(DriftReport, "check_model_drift", **asked)
            if then.status == "degraded":
                alarm = float(day)
                break
    if report.baseline is None or report.baseline.mean is None:
        raise ProbeError("check_model_drift named no baseline in the demo.")
    onset = report.onset
    paper.drawing(
        decline_chart(
            Decline(
                accuracy=world.accuracy(),
                baseline=report.baseline.mean,
                onset=stage.day_of(onset.ts) if onset else None,
                earliest=stage.day_of(onset.earliest) if onset else None,
                latest=stage.day_of(onset.latest) if onset else None,
                alarm=alarm,
            )
        )
    )
    paper.note(
        f"As simulated, the decline begins on day {HEALTHY_DAYS}; latency and the model's own "
        "confidence do not change."
    )


async def _slices(paper: Paper, agent: Agent) -> None:
    for segment in ("published=weekend", "published=weekday"):
        asked = {"dependency": SKILL, "segment": segment}
        paper.question("check_model_drift", **asked)
        paper.answer(await agent.ask(DriftReport, "check_model_drift", **asked))


async def _fall_back(paper: Paper, agent: Agent, report: DriftReport) -> None:
    paper.part("The way back")
    if report.baseline is None or report.current is None:
        raise ProbeError("check_model_drift compared nothing in the demo.")
    reason = f"outcome fell from {report.baseline.mean} to {report.current.mean}"
    paper.question("trigger_fallback", dependency=MODEL, reason=reason)
    plan = await agent.fall_back(dependency=MODEL, reason=reason)
    if not isinstance(plan, FallbackPlan):
        raise ProbeError("trigger_fallback carried out what was only to be planned.")
    paper.answer(plan, *(f"{c.check}: {c.why}" for c in plan.checks), *plan.effects)
    paper.question("trigger_fallback", dependency=MODEL, plan_id=plan.plan_id, confirm=True)
    done = await agent.fall_back(dependency=MODEL, plan_id=plan.plan_id, confirm=True)
    if not isinstance(done, FallbackResult) or not done.applied:
        raise ProbeError(f"The demo's fallback was not applied: {done.summary}")
    paper.answer(done)
    paper.question("get_route", dependency=MODEL, key="user-1")
    paper.answer(await agent.ask(RouteAnswer, "get_route", dependency=MODEL, key="user-1"))


async def _incidents(paper: Paper, agent: Agent, stage: Stage) -> None:
    """Show the incident that opened by itself, its suspect, and the post-mortem so far."""
    paper.part("What is being handled")
    paper.question("get_incidents")
    listed = await agent.ask(IncidentList, "get_incidents")
    suspected = (
        f"{i.dependency}: suspected {i.suspected}" for i in listed.incidents if i.suspected
    )
    paper.answer(listed, *suspected)
    if not listed.incidents:
        raise ProbeError("get_incidents named no incident in the demo.")
    report = await stage.told("incident", "report", listed.incidents[0].id)
    claims = report.count("[`")
    told = f"a post-mortem of {len(report.splitlines())} lines; {claims} claims name their decision"
    paper.command(f"gonogo incident report {listed.incidents[0].id}", told)
    paper.note(
        "While gonogo watch runs, sentiment-v3 gets its traffic back in stages, each on evidence; "
        "gonogo drill rehearses such a night on your own history, before you need it."
    )
