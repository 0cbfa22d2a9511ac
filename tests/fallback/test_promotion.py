"""A new version on its way to all calls: begun, carried on, taken back, and by whose word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gonogo.answers import FallbackPlan, FallbackResult, PromotionReport
from gonogo.app import Gonogo
from gonogo.errors import ActionRefused, ParameterError, UnknownTarget
from gonogo.fallback.promotion.promotion_report import promotion_news
from gonogo.ports.routes import Plan, Recovery, Weight
from gonogo.text.facts import parts_of
from promotion_world import Lives, lives

pytestmark = pytest.mark.anyio

DAY = 86_400_000
HOME = (Weight("m", 10_000),)


async def test_an_equal_version_gets_all_calls_stage_by_stage_and_all_of_it_is_logged(
    tmp_path: Path,
) -> None:
    """Nobody is asked on the way; each step is one action with its evidence; a restart changes nothing."""
    async with lives(tmp_path) as m:
        begun = await m.begun()
        assert begun.incident_id is None
        shares = [begun.promotion.share if begun.promotion else 0]
        for _ in range(12):
            await m.live(6, v2=12)
            if await _looked_at_by_two(m):
                shares.append((await m.report()).promotion.share)
            if (await m.promotion()).status == "done":
                break
            stands = await m.report()
            shown = all(one.passed is not False for one in stands.metrics or ())
            # What is shown waits for the stage's least time alone.
            assert ("if that still holds" in stands.summary) == shown, stands.summary
        assert shares == [0.02, 0.05, 0.25, 0.5, 1.0]
        report = await m.report()
        assert report.verdict == "go"
        ports = (await m.app.stores()).fallback
        [told] = await promotion_news(ports, now_ms=m.now[0])
        assert (told.status, f"{told.why}.") == ("done", report.summary)
        assert await m.app.carry_promotions_on() == []
        entries = await m.app.decisions(kind="promote", limit=50)
        assert len(entries) == 2 * len(shares)
        assert "not worse by 5 points is shown" in entries[0].summary
        route = await m.app.get_route("m")
        assert (route.target, route.version) == ("m@v2", "v2")
        settings, now = m.app.settings, m.now[0]
        # The version is where the calls belong now: a fallback leaves its part there, and the next
        # version is held against it.
        plan = await m.app.trigger_fallback("m", reason="outage", to="human", share=0.9)
        assert isinstance(plan, FallbackPlan)
        assert {to.target: to.share for to in plan.to} == {"m@v2": 0.1, "human": 0.9}
        await m.live(1, v1=0, v2=12)
        await m.smoke(version="v3")
        assert "held against v2" in (await m.planned("v3")).summary
        # What is undone is the promotion, whichever step is named; where it leads is never asked.
        audit = (await m.route()).audit_id
        async with Gonogo(settings, clock=lambda: now, actor="kim") as other:
            again = await other.promote("m", "v2")
            assert isinstance(again, PromotionReport)
            assert again.promotion == report.promotion
            undone = await other.trigger_fallback("m", undo=audit, confirm=True)
            assert isinstance(undone, FallbackResult)
        assert (await m.route()).targets == HOME


async def _looked_at_by_two(m: Lives) -> bool:
    """Two processes look at the same moment; whether a step was taken. One is: the log shows it."""
    before = (await m.route()).epoch
    now = m.now[0]
    async with (
        Gonogo(m.app.settings, clock=lambda: now, actor="other") as other,
        anyio.create_task_group() as both,
    ):
        both.start_soon(m.app.carry_promotions_on)
        both.start_soon(other.carry_promotions_on)
    return (await m.route()).epoch > before


async def test_a_worse_version_goes_back_at_once_and_no_agent_tries_it_again(
    tmp_path: Path,
) -> None:
    """Its outcomes are bad: all calls go home, with both rates said, and only a person overrules."""
    async with lives(tmp_path) as m:
        await m.begun()
        await m.live(4, v2=12, bad_every=2)
        seen = await m.looked()
        assert seen.move == "back"
        assert "v2 is worse: quality" in seen.why
        assert (await m.route()).targets == HOME
        report = await m.report()
        assert (report.verdict, report.promotion.status) == ("no_go", "back")
        plan = await m.planned()
        assert [c.check for c in plan.checks if not c.passed] == ["earlier_trial"]
        with pytest.raises(ActionRefused, match="earlier_trial"):
            await m.app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
        await m.app.approve(plan.plan_id, "the prompt was mended")
        assert (await m.promotion()).is_running


@pytest.mark.parametrize("harm", [{"error": "timeout", "outcome": 0.0}, {"latency_ms": 4_000.0}])
async def test_errors_and_latency_send_it_back_too(tmp_path: Path, harm: dict[str, object]) -> None:
    """A version that does not answer is taken back within the hour; a slow one on evidence."""
    async with lives(tmp_path) as m:
        await m.begun()
        for _ in range(12):
            await m.live(1, v2=6, new=harm)
            seen = await m.looked()
            if seen.move == "back":
                break
        assert seen.move == "back"
        assert ("does not answer" if "error" in harm else "latency") in seen.why


async def test_under_ask_each_stage_waits_for_a_person_and_is_judged_again(tmp_path: Path) -> None:
    """The plan waits like any other; what a person says yes to has to hold still."""
    async with lives(tmp_path, policy="ask") as m:
        plan = await m.planned()
        pending = await m.app.trigger_fallback("m", plan_id=plan.plan_id)
        assert isinstance(pending, FallbackPlan)
        assert pending.pending_approval
        await m.app.approve(plan.plan_id)
        await m.live(7, v2=12)
        assert (await m.looked()).move == "ask"
        assert (await m.looked()).move == "ask"  # the same plan
        report = await m.report()
        [waiting] = (await m.app.get_incidents()).waiting_plans or []
        assert report.waits_for == waiting.approve_command == f"gonogo approve {waiting.plan_id}"
        assert report.verdict == "caution"
        assert (await m.promotion()).stage == 0
        await m.app.approve(waiting.plan_id)
        assert (await m.promotion()).stage == 1
        # One that waits while the candidate turns worse is not carried out.
        await m.live(7, v2=12)
        assert (await m.looked()).move == "ask"
        [waiting] = (await m.app.get_incidents()).waiting_plans or []
        await m.live(3, v2=12, new={"outcome": 0.0})
        with pytest.raises(ActionRefused, match="evidence"):
            await m.app.approve(waiting.plan_id)


async def test_what_speaks_against_a_beginning(tmp_path: Path) -> None:
    """Unknown names, no outcomes, another promotion, a fallback in place, an incident, a wrong argument."""
    async with lives(tmp_path) as m:
        with pytest.raises(UnknownTarget, match="Record a call of it first"):
            await m.app.promote("m", "v9")
        with pytest.raises(UnknownTarget, match="'nobody'"):
            await m.app.promote("nobody", "v2")
        with pytest.raises(UnknownTarget, match="promotion of"):
            await m.app.promote("m")
        await m.smoke(version="v@2")
        with pytest.raises(ParameterError, match="holds an @"):
            await m.app.promote("m", "v@2")
        with pytest.raises(ParameterError, match="share"):
            await m.app.promote("m", "v2", share=1.5)
        with pytest.raises(ParameterError, match="policy 'always'"):
            await m.app.promote("m", "v2", policy="always")
        with pytest.raises(ActionRefused, match="it is in use"):
            await m.app.promote("m", "v1")
        await m.smoke(version="v3", outcome=False)
        plan = await m.planned("v3")
        assert [c.check for c in plan.checks if not c.passed] == ["candidate_outcomes"]
        await m.begun()
        with pytest.raises(ActionRefused, match="m@v2 is being promoted already"):
            await m.app.promote("m", "v3")
        await m.app.trigger_fallback("m", undo=(await m.route()).audit_id, confirm=True)
        switch = await m.app.trigger_fallback("m", reason="r", to="human")
        assert isinstance(switch, FallbackPlan)
        await m.app.approve(switch.plan_id, "a person answers")
        with pytest.raises(ActionRefused, match="goes to human"):
            await m.app.promote("m", "v2")


async def test_a_fallback_ends_a_trial_and_a_held_route_stays(tmp_path: Path) -> None:
    """An incident goes first; what a person holds nobody moves, and deny moves nothing."""
    async with lives(tmp_path) as m:
        await m.begun()
        await m.live(8, v2=12)
        await m.app.hold_route("m", reason="migration", until=None)
        assert await m.app.carry_promotions_on() == []
        assert "held" in (await m.report()).summary
        await m.app.hold_route("m", reason=None, until=None)
        m.with_policy("deny")
        assert await m.app.carry_promotions_on() == []
        m.with_policy("confirm")
        switch = await m.app.trigger_fallback("m", reason="r", to="human")
        assert isinstance(switch, FallbackPlan)
        await m.app.approve(switch.plan_id, "a person answers")
        assert (await m.promotion()).status == "back"
        assert (await m.route()).targets == (Weight("human", 10_000),)


@pytest.mark.parametrize("is_done", [False, True])
async def test_who_falls_back_from_a_candidate_has_an_incident_too(
    tmp_path: Path,
    is_done: bool,  # noqa: FBT001
) -> None:
    """Back to the version before, in the middle of a trial or after it: calls are home again, and somebody had a reason."""
    async with lives(tmp_path) as m:
        await m.begun()
        for _ in range(12 if is_done else 0):
            await m.live(6, v2=12)
            await m.app.carry_promotions_on()
        assert ((await m.promotion()).status == "done") == is_done
        plan = await m.app.trigger_fallback("m", reason="v2 is ill", to="m")
        assert isinstance(plan, FallbackPlan)
        result = await m.app.approve(plan.plan_id, "a person saw it")
        assert (await m.route()).targets == HOME
        [incident] = (await m.app.get_incidents(dependency="m")).incidents
        assert (incident.id, incident.status) == (result.incident_id, "recovering")
        assert (await m.route()).incident_id == incident.id


async def test_a_split_begins_at_its_share_and_says_the_difference_at_any_time(
    tmp_path: Path,
) -> None:
    """A person allows it; it says by how much one is better, how surely, and never a probability."""
    async with lives(tmp_path, policy="allow") as m:
        with pytest.raises(ParameterError, match="below 1"):
            await m.planned(at_once=True)
        plan = await m.planned(share=0.5, at_once=True)
        assert plan.approval == "ask"
        await m.app.approve(plan.plan_id)
        await m.live(60, v2=12)
        report = await m.report()
        assert report.promotion.share == 0.5
        assert "points from the current one (95%, asked as often as you like)" in report.summary
        assert "at all: level" in report.summary
        assert "probab" not in report.summary
        assert report.interval95 is not None
        assert report.interval95[0] < 0 < report.interval95[1]
        await m.live(12, v2=12, bad_every=2)
        assert (await m.looked()).move == "back"


async def test_a_candidate_that_gets_no_call_for_a_day_is_said_with_what_to_look_at(
    tmp_path: Path,
) -> None:
    """Its stages pass on calls alone: an application that does not follow the route is named."""
    async with lives(tmp_path) as m:
        await m.begun()
        await m.live(23)
        assert "no call of v2" not in (await m.report()).summary
        await m.live(1)
        report = await m.report()
        assert (
            "no call of v2 came since 2026-06-02T06:00Z, though others of m did" in report.summary
        )
        assert "call what gonogo route m answers" in report.summary
        [look] = report.next_actions
        assert (look.tool, look.reason) == ("get_route", "what the application has to call")
        # A metric that only sends back has nothing to pass, with calls and without.
        passed = {one.metric: one.passed for one in report.metrics}
        assert passed == {
            "outcome": False,
            "error": False,
            "latency_p95": False,
            "latency_median": None,
        }
        assert "only sends back" in str(parts_of(report))
        await m.live(1, v2=1)
        assert "no call of v2" not in (await m.report()).summary
        m.now[0] += 2 * DAY
        assert "no call of m came since" in (await m.report()).summary


async def test_a_ceiling_is_kept_and_one_key_means_one_promotion(tmp_path: Path) -> None:
    """It stops at its share, and goes back from there when it is worse."""
    async with lives(tmp_path) as m:
        first = await m.planned(share=0.05, idempotency_key="k")
        assert (await m.planned(share=0.05, idempotency_key="k")).plan_id == first.plan_id
        done = await m.app.trigger_fallback("m", plan_id=first.plan_id, confirm=True)
        again = await m.app.trigger_fallback("m", plan_id=first.plan_id, confirm=True)
        assert isinstance(done, FallbackResult)
        assert isinstance(again, FallbackResult)
        assert (again.audit_id, again.replayed) == (done.audit_id, True)
        await m.live(8, v2=12)
        assert (await m.looked()).move == "advance"
        await m.live(8, v2=12)
        assert (await m.looked()).move == "wait"
        report = await m.report()
        assert (report.promotion.share, report.verdict) == (0.05, "go")
        await m.live(3, v2=12, new={"outcome": 0.0})
        assert (await m.looked()).move == "back"


def test_the_last_step_back_to_a_promoted_version_is_a_switch_and_no_stage() -> None:
    """As the last step back to plain calls is; a part of the calls on the way is a stage."""
    away = (Weight("n", 10_000),)
    home, part = (Weight("m@v2", 10_000),), (Weight("m@v2", 500), Weight("n", 9_500))
    step = Plan(
        *("plan-1", "m", 0, 0, 1, away, home, "it is well", (), "allow", ""),
        returns=Recovery(away, 0, 0),
        home="m@v2",
    )
    assert not step.is_stage
    assert replace(step, after=part).is_stage
    assert not replace(step, home="", after=(Weight("m", 10_000),)).is_stage
