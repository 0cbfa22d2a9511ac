"""`trigger_fallback` over a real store and a real route file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fallback_world import DAY, HOUR, MINUTE, World, world
from gonogo.answers import Approver, FallbackPlan, FallbackResult, rfc3339
from gonogo.errors import ActionRefused, ParameterError, UnknownTarget
from gonogo.fallback.ask import plan_to_approve
from gonogo.fallback.route import get_route
from gonogo.routing import route

pytestmark = pytest.mark.anyio


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A dependency `m` with the ladder v2, rules:basic, and the policy `ask`."""
    async with world(tmp_path) as made:
        yield made


async def test_a_plan_changes_nothing_and_says_everything(w: World) -> None:
    """Diff, health, cost in numbers, effects, checks, expiry, and who has to say yes."""
    plan = await w.plan()
    assert await w.routes.route("m") is None
    assert not (w.folder / "routes.json").exists()
    assert [(t.target, t.share) for t in plan.from_] == [("m", 1.0)]
    assert [(t.target, t.share) for t in plan.to] == [("v2", 1.0)]
    assert plan.target_health is not None
    assert (plan.target_health.verdict, plan.target_health.p_better) == ("go", 0.97)
    assert plan.cost_change is not None
    assert "1,000 calls cost $4.00 on v2 and $12.00 on m: $8.00 less (-67%)" in plan.cost_change
    assert [effect.split(":")[0] for effect in plan.effects] == ["store", "routes"]
    assert all(check.passed for check in plan.checks)
    assert {check.check for check in plan.checks} == {
        *("ladder", "target_health", "target_better", "not_held"),
        *("rate_limit", "flap_damping", "state_version"),
    }
    assert (plan.approval, plan.state_version, plan.verdict) == ("ask", 0, "go")
    assert plan.next_actions[0].arguments == {"dependency": "m", "plan_id": plan.plan_id}


async def test_a_plan_is_carried_out_once_and_replayed_after(w: World) -> None:
    """The route, the file, the log and the answer agree; the second call changes nothing."""
    plan = await w.plan()
    result = await w.apply(plan.plan_id)
    assert isinstance(result, FallbackResult)
    assert (result.applied, result.route_epoch, result.verdict) == (True, 1, "go")
    assert [(a.name, a.status) for a in result.actuators] == [("store", "done"), ("routes", "done")]
    assert route("m", "someone", path=w.folder / "routes.json") == "v2"
    stored = await w.decisions.decision(result.decision_id or "")
    assert stored is not None
    assert json.loads(stored.answer)["audit_id"] == result.audit_id
    again = await w.apply(plan.plan_id)
    assert isinstance(again, FallbackResult)
    assert again == result.model_copy(update={"replayed": True})
    assert len(await w.actions()) == 2
    assert (await w.decisions.verify()).broken_at is None


async def test_what_was_known_is_in_the_audit_before_anything_moves(w: World) -> None:
    """Kept with the plan, though it changed since; chained with the first entry of the switch."""
    known = '{"drift": {"status": "degraded"}}'

    async def evidence_of(dependency: str, _: int) -> str:
        assert dependency == "m"
        return known

    w.ports = replace(w.ports, evidence_of=evidence_of)
    plan = await w.plan()
    known = "{}"
    await w.apply(plan.plan_id)
    entries = {entry.summary.split(":")[0]: json.loads(entry.answer) for entry in await w.actions()}
    assert entries["Begun"]["evidence"] == {"drift": {"status": "degraded"}}
    assert "evidence" not in entries["Switched"]
    assert (await w.decisions.verify()).problem is None


async def test_going_back_takes_one_call_and_is_never_blocked_by_health(w: World) -> None:
    """The primary is bad, which is said, and a person still gets it back; the file follows."""
    result = await w.switched()
    w.health.verdicts["m"] = "no_go"
    waiting = await w.undo(result.audit_id, None)
    assert (waiting.verdict, getattr(waiting, "checks_passed", 0)) == ("caution", 3)
    back = await w.undo(result.audit_id)
    assert isinstance(back, FallbackResult)
    assert (back.verdict, back.target_health and back.target_health.verdict) == ("caution", "no_go")
    assert [(t.target, t.share) for t in back.to] == [("m", 1.0)]
    assert back.route_epoch == 2
    assert route("m", "someone", path=w.folder / "routes.json") == "m"
    again = await w.undo(result.audit_id)
    assert isinstance(again, FallbackResult)
    assert (again.replayed, again.audit_id) == (True, back.audit_id)


async def test_only_the_newest_action_can_be_taken_back(w: World) -> None:
    """An undo of something that was overtaken names what to undo instead."""
    first = await w.switched(share=0.1)
    second = await w.switched(share=0.5)
    with pytest.raises(ActionRefused, match=f"moved on.*undo the newest action, {second.audit_id}"):
        await w.undo(first.audit_id)


async def test_without_a_yes_the_plan_comes_back(w: World) -> None:
    """`ask`: neither a bare call nor confirm=true is a person; the command approves and applies."""
    plan = await w.plan()
    for confirmed_by in (None, "confirm"):
        pending = await w.apply(plan.plan_id, confirmed_by)
        assert isinstance(pending, FallbackPlan)
        assert (pending.applied, pending.pending_approval) == (False, True)
        assert pending.approve_command == f"gonogo approve {plan.plan_id}"
    assert await w.routes.route("m") is None
    result = await w.approved(plan.plan_id)
    assert {entry.actor for entry in await w.actions()} == {"person:kim"}
    assert result.approved_by == Approver(how="approved", who="person:kim")
    assert {json.loads(e.inputs)["approved_by"]["how"] for e in await w.actions()} == {"approved"}
    pending = await w.undo(result.audit_id, None)
    assert isinstance(pending, FallbackPlan)
    assert (await w.undo(result.audit_id, None)).plan_id == pending.plan_id  # type: ignore[union-attr]
    assert (await w.approved(pending.plan_id)).to[0].target == "m"


async def test_allow_and_confirm_need_what_they_say(w: World) -> None:
    """`allow` needs nothing, `confirm` needs confirm=true."""
    w.with_policy("confirm")
    plan = await w.plan()
    assert plan.next_actions[0].arguments["confirm"] is True
    assert isinstance(await w.apply(plan.plan_id, None), FallbackPlan)
    assert isinstance(await w.apply(plan.plan_id, "confirm"), FallbackResult)
    w.with_policy("allow")
    plan = await w.plan(to="rules:basic")
    assert isinstance(await w.apply(plan.plan_id, None), FallbackResult)


async def test_deny_and_read_only_still_plan(w: World) -> None:
    """Nobody carries it out, not even an approval; the policy of now counts, not the plan's."""
    plan = await w.plan()
    w.with_policy("deny")
    assert (await w.plan()).approval == "deny"
    for carried_out in (w.apply(plan.plan_id), w.approved(plan.plan_id)):
        with pytest.raises(ActionRefused, match="is deny"):
            await carried_out
    w.with_policy("allow")
    w.settings = replace(w.settings, read_only=True)
    plan = await w.plan()
    with pytest.raises(ActionRefused, match="read-only"):
        await w.apply(plan.plan_id)
    assert await w.routes.route("m") is None


async def test_a_plan_whose_state_moved_or_that_is_old_is_refused(w: World) -> None:
    """One line says what moved and what to do."""
    first, second = await w.plan(), await w.plan(to="rules:basic")
    await w.apply(second.plan_id)
    with pytest.raises(ActionRefused, match=r"version 0 of the route of 'm', which is now at 1"):
        await w.apply(first.plan_id)
    late = await w.plan(to="v2")
    w.now_ms += 8 * HOUR  # it waits for a person; one for agents stands a quarter of an hour
    with pytest.raises(ActionRefused, match=r"expired at .*: plan again"):
        await w.apply(late.plan_id)
    w.with_policy("allow")
    w.settings = replace(w.settings, plan_expires_s=60)
    late = await w.plan(to="v2")
    w.now_ms += MINUTE
    with pytest.raises(ActionRefused, match=r"expired at .*: plan again"):
        await w.apply(late.plan_id)


async def test_the_default_target_is_the_first_healthy_rung(w: World) -> None:
    """A bad rung is passed over; an unknown one only taken where nothing better is known."""
    w.health.verdicts = {"v2": "no_go"}
    assert (await w.plan()).to[0].target == "rules:basic"
    w.health.verdicts = {"v2": "unknown", "rules:basic": "unknown"}
    plan = await w.plan()
    assert (plan.to[0].target, plan.verdict) == ("v2", "unknown")


async def test_an_unknown_target_leaves_the_decision_to_a_person(w: World) -> None:
    """Not knowing is never a yes: `allow` becomes `ask`."""
    w.with_policy("allow")
    w.health.verdicts = {"v2": "unknown"}
    plan = await w.plan(to="v2")
    assert plan.approval == "ask"
    assert [c.blocks for c in plan.checks if not c.passed] == ["never"]
    assert isinstance(await w.apply(plan.plan_id, None), FallbackPlan)
    assert (await w.approved(plan.plan_id)).applied


async def test_a_bad_target_is_refused_but_in_an_outage_it_only_has_to_answer(w: World) -> None:
    """Waiting for statistics makes an outage longer."""
    w.health.verdicts = {"v2": "no_go"}
    plan = await w.plan(to="v2")
    assert plan.verdict == "no_go"
    with pytest.raises(ActionRefused, match="blocked by target_health: v2"):
        await w.approved(plan.plan_id)
    w.health.down = {"m"}
    plan = await w.plan(to="v2")
    assert all(check.passed for check in plan.checks)
    w.health.down = {"m", "v2"}
    plan = await w.plan(to="v2")
    assert not all(check.passed for check in plan.checks)


async def test_a_target_off_the_ladder_is_refused_and_a_typo_named(w: World) -> None:
    """The ladder is a person's choice."""
    plan = await w.plan(to="m@1")
    with pytest.raises(ActionRefused, match=r"not on the ladder: v2, rules:basic"):
        await w.approved(plan.plan_id)
    assert (await w.approved(plan.plan_id, overrule="the only one that is left")).applied
    assert isinstance(await w.undo((await w.routes.route("m")).audit_id or ""), FallbackResult)  # type: ignore[union-attr]
    with pytest.raises(UnknownTarget, match=r"Unknown fallback target 'v2typo'.*v2"):
        await w.plan(to="v2typo")
    w.with_policy("allow", fallback=())
    assert (await w.plan(to="v2")).approval == "ask"
    with pytest.raises(ActionRefused, match="no fallback rung"):
        await w.plan()


async def test_a_third_switch_in_a_day_needs_a_person(w: World) -> None:
    """The limit holds for agents, however they confirm, and a person says why; back is free."""
    w.with_policy("allow")
    await w.switched(share=0.1)
    second = await w.switched(share=0.2)
    plan = await w.plan(share=0.3)
    assert (plan.verdict, plan.approval) == ("no_go", "ask")
    with pytest.raises(ActionRefused, match=r"rate_limit: 2 of 2.*gonogo approve plan-"):
        await w.apply(plan.plan_id, "elicited")
    with pytest.raises(ActionRefused, match=r"--reason"):
        await w.approved(plan.plan_id)
    assert (await w.approved(plan.plan_id, overrule="traffic has to move")).route_epoch == 3
    w.now_ms += HOUR
    newest = await w.routes.route("m")
    assert newest is not None
    assert second.audit_id != newest.audit_id
    assert isinstance(await w.undo(newest.audit_id or ""), FallbackResult)
    w.now_ms += DAY
    await w.switched(share=0.4)


async def test_a_route_that_went_back_and_forth_rests(w: World) -> None:
    """Within the daily limit and still flapping: damped until the penalty has decayed."""
    for _ in range(2):
        result = await w.switched()
        w.now_ms += 6 * HOUR
        await w.undo(result.audit_id)
        w.now_ms += 6 * HOUR
    w.now_ms += HOUR
    plan = await w.plan()
    assert [c.check for c in plan.checks if not c.passed] == []
    await w.apply(plan.plan_id)
    w.now_ms += MINUTE
    plan = await w.plan(to="rules:basic")
    assert [c.check for c in plan.checks if not c.passed] == ["rate_limit", "flap_damping"]
    w.now_ms += 2 * DAY
    assert all(check.passed for check in (await w.plan(to="rules:basic")).checks)


async def test_a_held_route_stays(w: World) -> None:
    """A hold stops plans, also ones made before it, and the way back; it ends when it says."""
    result = await w.switched(share=0.5)
    before = await w.plan(share=0.6)
    await w.held("migration")
    with pytest.raises(ActionRefused, match="version"):
        await w.apply(before.plan_id)
    held = await w.plan(share=0.7)
    with pytest.raises(ActionRefused, match="held: migration; a person lets it go with"):
        await w.approved(held.plan_id)
    with pytest.raises(ActionRefused, match="held: migration"):
        await w.undo(result.audit_id)
    assert (await w.held(None)).holder(w.now_ms) is None
    await w.held("night shift", until=rfc3339(w.now_ms + HOUR))
    with pytest.raises(ActionRefused, match="held: night shift"):
        await w.undo(result.audit_id)
    w.now_ms += HOUR
    assert isinstance(await w.undo(result.audit_id), FallbackResult)
    assert [e.kind for e in await w.actions()].count("hold") == 3
    assert (await w.decisions.verify()).broken_at is None


async def test_a_hold_that_says_nothing_is_refused(w: World) -> None:
    """Others read why the route is stuck, and until when."""
    for reason, until, problem in (
        (" ", None, "needs a reason"),
        ("x", "2020-01-01", "has passed"),
        ("x", "soon", "is not a time"),
    ):
        with pytest.raises(ParameterError, match=problem):
            await w.held(reason, until)
    version = (await w.held("x")).version
    assert (await w.held("x")).version == version  # said again: nothing to write


async def test_what_the_person_is_asked_is_found_without_changing_anything(w: World) -> None:
    """The resolver may run many times: it reads, and asks only where a yes would help."""

    async def asked(**wanted: str) -> FallbackPlan | None:
        return await plan_to_approve(w.configured, dependency="m", now_ms=w.now_ms, **wanted)

    plan = await w.plan()
    assert [(await asked(plan_id=plan.plan_id)) is not None for _ in range(3)] == [True] * 3
    assert len(await w.routes.plan_ids(limit=10)) == 1
    assert await asked(plan_id="plan-nobody-made") is None
    result = await w.switched()
    assert await asked(plan_id=plan.plan_id) is None  # the route has moved; the call says so
    back = await asked(undo=result.audit_id)
    assert back is not None
    assert back.to[0].target == "m"
    assert len(await w.routes.plan_ids(limit=10)) == 2
    w.with_policy("allow")
    assert await asked(undo=result.audit_id) is None


async def test_wrong_arguments_are_one_line(w: World) -> None:
    """What is wrong, the value, what to do."""
    for wanted, problem in (
        ({"reason": " "}, "needs a reason"),
        ({"share": 0.0}, r"share 0 is outside \(0, 1\]"),
        ({"share": float("nan")}, "share nan is outside"),
        ({"plan_id": "p", "undo": "a"}, "exclude each other"),
    ):
        with pytest.raises(ParameterError, match=problem):
            await w.plan(**wanted)
    with pytest.raises(UnknownTarget, match="Unknown plan 'nope'"):
        await w.apply("nope")
    with pytest.raises(UnknownTarget, match="Unknown dependency 'n'"):
        await w.plan(dependency="n")
    await w.switched()
    with pytest.raises(ActionRefused, match="already goes to v2 100%"):
        await w.plan(to="v2")


async def test_the_file_that_cannot_be_written_is_not_called_done(w: World) -> None:
    """The store has switched, the file has not: the answer says so, and later it is put right."""
    plan = await w.plan()
    (w.folder / "routes.json").mkdir()
    result = await w.apply(plan.plan_id)
    assert isinstance(result, FallbackResult)
    assert [(a.name, a.status) for a in result.actuators] == [
        ("store", "done"),
        ("routes", "failed"),
    ]
    assert result.verdict == "no_go"
    assert "routes failed" in result.summary
    (w.folder / "routes.json").rmdir()
    assert [step.status for done in await w.reconciled() for _, step in done.steps] == ["done"]
    assert route("m", path=w.folder / "routes.json") == "v2"
    assert await w.reconciled() == []


async def test_an_actuator_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    """A name without an actuator behind it is never success."""
    async with world(tmp_path, actuators={}) as w:
        result = await w.switched()
        assert [(a.name, a.status) for a in result.actuators][1] == ("routes", "unknown")
        assert result.verdict == "unknown"


async def test_undone_undos_do_not_nest_their_reasons(w: World) -> None:
    """However often it goes to and fro, a reason is one sentence."""
    newest = (await w.switched()).audit_id
    for _ in range(3):
        back = await w.undo(newest)
        assert isinstance(back, FallbackResult)
        assert back.summary.count("undo of") == 1
        newest = back.audit_id


async def test_a_call_that_goes_to_the_primary_names_it_once(w: World) -> None:
    """The name twice in "Call m for m" says nothing."""
    told = await get_route(w.configured, dependency="m", now_ms=w.now_ms)
    assert told.summary.startswith("Call m (100% of its traffic)")
    await w.switched()
    told = await get_route(w.configured, dependency="m", now_ms=w.now_ms)
    assert told.summary.startswith("Call v2 for m (100% of its traffic)")
