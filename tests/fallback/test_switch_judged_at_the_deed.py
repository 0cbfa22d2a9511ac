"""A switch is judged by what is so when it is carried out, through the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import pytest

from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.app import Gonogo
from gonogo.errors import ActionRefused, UnknownTarget
from gonogo.settings import BudgetSettings, DependencySettings, Policy, Settings
from reconfigured_app import configure

pytestmark = pytest.mark.anyio

START = 1_790_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass
class Night:
    """Three chat models on two providers, ten good days behind them, and a clock.

    `traffic` records what is called: what the agent that asks recorded itself speaks for no target.
    """

    app: Gonogo
    traffic: Gonogo
    clock: list[int] = field(default_factory=lambda: [START])

    async def calls(
        self, name: str, n: int, *, error: str | None = None, outcome: float = 1.0
    ) -> None:
        """The newest calls of a dependency: one each second up to now."""
        made = [
            {"dependency": name, "ts": self.clock[0] / 1000 - n + i + 1}
            | ({"error": error} if error else {"outcome": outcome})
            for i in range(n)
        ]
        assert not (await self.traffic.record_observations(made)).rejected

    async def plan(self, name: str = "chat-a", **wanted: object) -> FallbackPlan:
        """Plan a fallback."""
        plan = await self.app.trigger_fallback(name, reason="it is ill", **wanted)  # type: ignore[arg-type]
        assert isinstance(plan, FallbackPlan)
        return plan

    async def switched(self, name: str = "chat-a", **wanted: object) -> FallbackResult:
        """Plan, and carry out as an agent may."""
        plan = await self.plan(name, **wanted)
        return await self.carried_out(plan.plan_id, name)

    async def carried_out(self, plan_id: str, name: str = "chat-a") -> FallbackResult:
        """Carry a plan out as an agent may."""
        done = await self.app.trigger_fallback(name, plan_id=plan_id)
        assert isinstance(done, FallbackResult), done.summary
        return done

    async def undone(self, result: FallbackResult, name: str = "chat-a") -> FallbackResult:
        """Take an action back."""
        assert result.undo is not None
        done = await self.app.trigger_fallback(name, undo=result.audit_id)
        assert isinstance(done, FallbackResult), done.summary
        return done

    async def target(self, name: str = "chat-a") -> str:
        """Where most calls go."""
        return (await self.app.get_route(name)).target

    async def standing(self) -> dict[str, str]:
        """The standing verdict of each dependency, as the list shows it."""
        listed = await self.app.list_dependencies()
        return {row.dependency: row.verdict for row in listed.dependencies}

    def configure(self, name: str, policy: Policy = "allow", **wanted: object) -> None:
        """Configure a dependency anew, as a restart would."""
        own = replace(self.app.settings.dependency(name), fallback_policy=policy, **wanted)  # type: ignore[arg-type]
        known = {**self.app.settings.dependencies, name: own}
        configure(self.app, replace(self.app.settings, dependencies=MappingProxyType(known)))


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    """chat-a falls back to chat-b, then to chat-c; chat-b to chat-a; a and b are of one provider."""
    own = {
        "chat-a": DependencySettings(
            "chat-a", provider="acme", fallback=("chat-b", "chat-c"), fallback_policy="allow",
            recovery_share=0.0,
        ),
        "chat-b": DependencySettings(
            "chat-b", provider="acme", fallback=("chat-a",), fallback_policy="allow",
            recovery_share=0.0,
        ),
        "chat-c": DependencySettings("chat-c", provider="zeta"),
    }  # fmt: skip
    budgets = {
        "small": BudgetSettings(
            "small", limit_micro_usd=1_000_000, dependencies=("chat-c",), hard=True
        )
    }
    settings = Settings(
        store=str(tmp_path / "gonogo.db"),
        dependencies=MappingProxyType(own),
        budgets=MappingProxyType(budgets),
    )
    clock = [START]
    async with (
        Gonogo(settings, clock=lambda: clock[0]) as app,
        Gonogo(settings, clock=lambda: clock[0], actor="otlp") as traffic,
    ):
        for name in own:
            history = [
                {
                    "dependency": name,
                    "ts": (START - day * DAY - i * 20 * MINUTE) / 1000,
                    "outcome": (i + day) % 20 != 0,
                }
                for day in range(11)
                for i in range(1, 40)
            ]
            assert not (await traffic.record_observations(history)).rejected
        yield Night(app, traffic, clock)


async def _checks(plan: FallbackPlan) -> dict[str, str]:
    return {check.check: check.why for check in plan.checks if not check.passed}


async def test_a_target_whose_newest_calls_failed_does_not_answer(night: Night) -> None:
    """A good day before it does not hide the last thirty calls, nor five in a row."""
    await night.calls("chat-a", 40, error="timeout")
    for n in (30, 5):
        night.clock[0] += HOUR
        await night.calls("chat-a", 40, error="timeout")
        await night.calls("chat-b", 60)
        night.clock[0] += MINUTE
        await night.calls("chat-b", n, error="http_503")
        plan = await night.plan(to="chat-b")
        assert plan.verdict == "no_go"
        assert (await night.standing())["chat-b"] == "no_go"
        assert f"{n} of its newest 30 calls failed" in (await _checks(plan))["target_health"]
        with pytest.raises(ActionRefused, match="blocked by target_health: chat-b"):
            await night.carried_out(plan.plan_id)
    assert await night.target() == "chat-a"


async def test_an_outage_is_called_one(night: Night) -> None:
    """And no matter of quality: in the list of incidents as in what is written of it."""
    await night.calls("chat-a", 40, error="timeout")
    await night.app.check_model_drift("chat-a")
    [found] = (await night.app.get_incidents()).incidents
    assert found.cause == "outage: 30 of its newest 30 calls failed (timeout 30)"
    written = await night.app.post_mortem(found.id)
    assert written.startswith("# chat-a: outage, incident")


async def test_a_target_that_answers_again_is_taken(night: Night) -> None:
    """What failed an hour ago and answers now is a way out of an outage."""
    await night.calls("chat-b", 60, error="http_503")
    night.clock[0] += HOUR
    await night.calls("chat-b", 40)
    await night.calls("chat-a", 40, error="timeout")
    plan = await night.plan(to="chat-b")
    assert "target_health" not in await _checks(plan)


async def test_the_target_dies_between_plan_and_deed(night: Night) -> None:
    """The plan was go; the deed is refused, also to a person who gives no reason."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    plan = await night.plan(to="chat-b")
    night.clock[0] += MINUTE
    await night.calls("chat-b", 30, error="timeout")
    with pytest.raises(ActionRefused, match=r"30 of its newest 30 calls failed.*--reason"):
        await night.carried_out(plan.plan_id)
    with pytest.raises(ActionRefused, match="--reason"):
        await night.app.approve(plan.plan_id)
    done = await night.app.approve(plan.plan_id, "the status page says that it is back")
    assert done.applied
    entry = (await night.app.actions(limit=5))[-1]
    assert '"overruled": "target_' in entry.inputs
    assert "status page" in entry.inputs


async def test_the_target_leaves_the_ladder_between_plan_and_deed(night: Night) -> None:
    """The ladder of the deed counts."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    plan = await night.plan(to="chat-b")
    night.configure("chat-a", fallback=("chat-c",))
    with pytest.raises(ActionRefused, match="'chat-b' is not on the ladder: chat-c"):
        await night.carried_out(plan.plan_id)


async def test_a_budget_that_is_gone_stops_agents(night: Night) -> None:
    """The target's calls would be paid from a budget with nothing left."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    await night.traffic.record_observations(
        [
            {"dependency": "chat-c", "ts": night.clock[0] / 1000 - i, "outcome": 1, "cost_usd": 0.1}
            for i in range(12)
        ]
    )
    plan = await night.plan(to="chat-c")
    assert "small" in (await _checks(plan))["budget"]
    with pytest.raises(ActionRefused, match="blocked by budget"):
        await night.carried_out(plan.plan_id)


async def test_an_undo_of_an_undo_is_a_switch(night: Night) -> None:
    """It is judged, counted and damped: a mindless agent ends on the primary, and soon."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    newest, refused = await night.switched(to="chat-b"), []
    for _ in range(41):
        try:
            newest = await night.undone(newest)
        except ActionRefused as error:
            refused.append(str(error))
    assert len(refused) >= 38
    assert "_limit" in refused[0] or "damping" in refused[0]
    assert await night.target() == "chat-a"


async def test_an_undo_onto_a_dead_target_is_refused(night: Night) -> None:
    """Back to the primary is free; forth again is not, but by a person, with the command it names."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    back = await night.undone(await night.switched(to="chat-b"))
    night.clock[0] += MINUTE
    await night.calls("chat-b", 30, error="timeout")
    with pytest.raises(ActionRefused, match="blocked by target_health") as refused:
        await night.undone(back)
    listed = await night.app.get_incidents()
    [waiting] = listed.waiting_plans or []
    assert waiting.approve_command == f'gonogo approve {waiting.plan_id} --reason "…"'
    assert waiting.approve_command in str(refused.value)
    assert waiting.approve_command in listed.summary
    assert (await night.app.approve(waiting.plan_id, "b is back at 04:00")).applied
    assert not (await night.app.get_incidents()).waiting_plans


async def test_a_replay_says_what_is_now(night: Night) -> None:
    """A used plan and a used key, after the undo: then and now are told apart."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    plan = await night.plan(to="chat-b", idempotency_key="k")
    first = await night.carried_out(plan.plan_id)
    await night.undone(first)
    keyed = await night.app.trigger_fallback(
        "chat-a", reason="it is ill", to="chat-b", idempotency_key="k"
    )
    for again in (await night.carried_out(plan.plan_id), keyed):
        assert isinstance(again, FallbackResult)
        assert again.replayed
        assert "now goes to chat-b" not in again.summary
        assert "it goes to chat-a 100% now" in again.summary
        assert [(t.target, t.share) for t in again.traffic or []] == [("chat-a", 1.0)]
        assert (again.undo, again.expires_at) == (None, None)
    with pytest.raises(UnknownTarget, match=r"Unknown action 'nope'\. Known: "):
        await night.app.trigger_fallback("chat-a", undo="nope")


async def test_circles_are_refused_to_everybody(night: Night) -> None:
    """First a → b, then b → a: nobody would be left to answer."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    before = await night.plan("chat-b", to="chat-a", share=0.5)
    await night.switched(to="chat-b")
    plan = await night.plan("chat-b", to="chat-a")
    assert "a circle, chat-b → chat-a → chat-b" in (await _checks(plan))["target_route"]
    assert "Approval: none would help while that is so" in plan.summary
    waiting = (await night.app.get_incidents("chat-b")).waiting_plans or []
    assert plan.plan_id not in [each.plan_id for each in waiting]
    for plan_id in (plan.plan_id, before.plan_id):
        with pytest.raises(ActionRefused, match="circle"):
            await night.app.approve(plan_id, "I want it")
    assert await night.target("chat-b") == "chat-b"


async def test_an_ill_target_is_named_and_passed_over(night: Night) -> None:
    """Its own route, its incident and its provider speak against it, and another rung is taken."""
    await night.calls("chat-a", 60, error="timeout")
    await night.calls("chat-b", 20)
    night.configure("chat-b", fallback=("chat-c",))
    await night.calls("chat-c", 20)
    await night.switched("chat-b", to="chat-c", share=0.5)
    plan = await night.plan(to="chat-b")
    assert "chat-b itself is routed away, to chat-c" in (await _checks(plan))["target_route"]
    assert (await night.plan()).to[0].target == "chat-c"


async def test_a_rung_of_the_suspected_provider_comes_last(night: Night) -> None:
    """Several dependencies of acme fail together: a cold rung there is no shelter."""
    now = night.clock[0]
    for other in ("embed", "rerank"):
        await night.traffic.record_observations(
            [
                {
                    "dependency": other,
                    "provider": "acme",
                    "ts": (now - h * HOUR - i * MINUTE) / 1000,
                    "outcome": 1,
                }
                for h in range(1, 25)
                for i in range(30)
            ]
        )
    night.clock[0] += 2 * DAY
    for failing in ("chat-a", "embed", "rerank"):
        await night.calls(failing, 60, error="http_503")
    await night.calls("chat-c", 40)
    plan = await night.plan()
    assert plan.to[0].target == "chat-c"
    cold = await night.plan(to="chat-b")
    assert "its provider acme is suspected" in (await _checks(cold))["target_provider"]
    with pytest.raises(ActionRefused, match="target_"):
        await night.carried_out(cold.plan_id)


async def test_a_person_goes_back_to_an_ill_primary_with_a_reason(night: Night) -> None:
    """An agent may not choose it; who is on duty may."""
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    await night.calls("chat-c", 40)
    await night.switched(to="chat-b")
    await night.app.approve((await night.plan(to="chat-c")).plan_id, "b is expensive")
    back = await night.plan(to="chat-a", share=1.0)
    assert back.verdict == "no_go"
    with pytest.raises(ActionRefused, match="target_health"):
        await night.carried_out(back.plan_id)
    assert (await night.app.approve(back.plan_id, "the fix is out")).to[0].target == "chat-a"


async def test_a_primary_that_nobody_calls_is_not_waited_for_in_silence(night: Night) -> None:
    """Of few sticky keys a hundredth is nobody: the route says so, and the command that it names works."""
    night.configure("chat-a", recovery_share=0.01)
    await night.calls("chat-a", 40, error="timeout")
    await night.calls("chat-b", 40)
    await night.switched(to="chat-b")
    night.clock[0] += HOUR // 2
    assert "no call of chat-a" not in (await night.app.get_route("chat-a")).summary
    night.clock[0] += HOUR
    said = await night.app.get_route("chat-a")
    assert "no call of chat-a came since" in said.summary
    assert said.why.endswith("gonogo fallback chat-a --to chat-b --share 0.95")
    [looked] = await night.app.recover()
    assert (looked.move, "few sticky keys" in looked.why) == ("wait", True)
    plan = await night.plan(to="chat-b", share=0.95)
    more = await night.app.approve(plan.plan_id, "30 users, and none of them is the 1%")
    assert [(t.target, t.share) for t in more.to] == [("chat-a", 0.05), ("chat-b", 0.95)]
    night.clock[0] += 2 * HOUR
    await night.calls("chat-a", 1)
    assert "no call of chat-a" not in (await night.app.get_route("chat-a")).summary
