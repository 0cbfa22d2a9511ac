"""The way back and the way forward as one machine: agents in two processes, a person, a watch, and a judge who knows the truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

import engines
from gonogo.answers import Answer, FallbackPlan, FallbackResult, rfc3339
from gonogo.app import Gonogo
from gonogo.errors import ActionRefused, ParameterError, UnknownTarget
from gonogo.ports.routes import WHOLE
from gonogo.records import HOUR_MS, Decision
from gonogo.settings import DependencySettings, Policy, Settings
from lives_counted import COUNTED
from machine import Machine
from reconfigured_app import configure
from way_judge import Traffic, circle

MONDAY = 1_780_272_000_000
REFUSED = (ActionRefused, ParameterError, UnknownTarget)
YES = st.sampled_from([None, "confirm", "confirm", "elicited"])
DEPENDENCIES = st.sampled_from(["m", "m", "x"])
TURNS = st.sampled_from(["n", "x", "m", "m", "x", "undo"])
# What calls are recorded of: the dependency and its version. `n` is the rung that both `m` and `x` have.
ENDS = {"m": ("m", "v1"), "m@v2": ("m", "v2"), "n": ("n", None), "x": ("x", None)}
CALLS_AN_HOUR = 12
HOURS_A_BATCH = 6
# Of some four seconds each; `make torture` lives a hundred, of its own choice.
LIVES = int(os.environ.get("GONOGO_TORTURE_ROUNDS", "5"))


class WayMachine(Machine):
    """Whoever acts in whatever order: no agent leads to something worse, in circles, or beyond the limits."""

    @initialize()
    def begin(self) -> None:
        """Thirty hours in which all is well; three processes: two agents', and one that serves, watches and is a person's."""
        own = {
            "m": DependencySettings(
                "m", fallback=("n", "x", "rules:basic"), provider="acme", recovery_share=0.05
            ),
            "x": DependencySettings(
                "x", fallback=("n", "m", "rules:basic"), provider="acme", recovery_share=0.05
            ),
            "n": DependencySettings("n", provider="other"),
        }
        self.now = MONDAY
        configured = Settings(store=engines.store_of(self.folder), dependencies=own)
        self.inside = AsyncExitStack()
        self.serving, *self.agents = [
            self.do(
                self.inside.enter_async_context(
                    Gonogo(configured, clock=lambda: self.now, actor=actor)
                )
            )
            for actor in ("person:kim", "agent:one", "agent:two")
        ]
        self.agent = self.agents[0]
        self.traffic = {name: Traffic(name, own[name].fallback) for name in ("m", "x")}
        for name in self.traffic:
            self.traffic[name].shares = {name: 1.0}
            self.configure(name, "confirm")
        self.health = dict.fromkeys(ENDS, "well")
        self.dead = set[str]()
        self.plans: list[tuple[str, str]] = []
        self.done: list[tuple[str, str]] = []
        self.heard: set[str] = set()
        self.made = 0
        self.live(30)
        COUNTED.lives += 1

    # What happens.

    def live(self, hours: int) -> None:
        """Hours with calls of each end, as its health is; those of the candidate where it is on trial."""
        ends = [end for end in ENDS if end != "m@v2" or end in self.traffic["m"].shares]
        ends = ends if self.made else [*ends, "m@v2"]  # a smoke test of the candidate
        for first in range(0, hours, HOURS_A_BATCH):
            rows = []
            for _ in range(min(HOURS_A_BATCH, hours - first)):
                rows += [self._call(end, at) for end in ends for at in range(CALLS_AN_HOUR)]
                self.now += HOUR_MS
            assert not self.do(self.serving.record_observations(rows)).rejected
        called = {end for end in ends if self.health[end] == "dead"}
        self.dead = called | (self.dead - set(ends))

    def _call(self, end: str, at: int) -> dict[str, object]:
        self.made += 1
        dependency, version = ENDS[end]
        ts = rfc3339(self.now + at * HOUR_MS // CALLS_AN_HOUR)
        every = {"well": 40, "ill": 2, "dead": 1}[self.health[end]]
        row: dict[str, object] = {
            "id": f"o{self.made}",
            "dependency": dependency,
            "ts": ts,
            "outcome": 0.0 if self.made % every == 0 else 1.0,
            "outcome_ts": ts,
            "latency_ms": 400.0 + 400.0 * (self.made * 0.618034 % 1),
        }
        row |= {} if version is None else {"version": version}
        return row | ({"error": "timeout"} if self.health[end] == "dead" else {})

    @rule(end=st.sampled_from(["m", *ENDS]), how=st.sampled_from(["well", "ill", "dead"]))
    def fall_or_rise(self, end: str, how: str) -> None:
        """One end turns ill, dies or is well again; an hour shows it."""
        self.health[end] = how
        self.live(1)

    @rule(hours=st.sampled_from([1, 6, 24]))
    def wait(self, hours: int) -> None:
        """Life goes on."""
        self.live(hours)

    @rule(
        name=DEPENDENCIES,
        policy=st.sampled_from([*("allow", "confirm") * 3, "ask", "person", "deny"]),
    )
    def configure(self, name: str, policy: Policy) -> None:
        """Somebody edits gonogo.toml; every process has read it."""
        self.traffic[name].policy = policy
        for app in (self.serving, *self.agents):
            own = dict(app.settings.dependencies)
            own[name] = replace(own[name], fallback_policy=policy)
            configure(app, replace(app.settings, dependencies=own))

    # What agents do.

    @rule()
    def take_turns(self) -> None:
        """The other agent acts."""
        self.agent = self.agents[self.agent is self.agents[0]]

    @rule(
        name=DEPENDENCIES,
        to=st.sampled_from([None, None, "n", "x", "m", "rules:basic", "human", "y"]),
        share=st.sampled_from([None, None, 0.5, 1.0]),
        key=st.sampled_from([None, "again", "recover/1/500", "promote/1/500", "\nrecover/1/500"]),
        yes=YES,
    )
    def switch(
        self, name: str, to: str | None, share: float | None, key: str | None, yes: str | None
    ) -> None:
        """An agent plans, under a key that may be another plan's or a step's own, and carries it out."""
        with suppress(*REFUSED):
            plan = self.do(self.agent.trigger_fallback(name, "ill", to, share, None, key))
            self._planned(name, plan, yes)

    @rule(split=st.sampled_from([None, None, 0.5]), yes=YES)
    def promote(self, split: float | None, yes: str | None) -> None:
        """An agent begins a promotion, or asks how it does."""
        with suppress(*REFUSED):
            plan = self.do(self.agent.promote("m", "v2", share=split, at_once=split is not None))
            self._planned("m", plan, yes)

    def _planned(self, name: str, plan: Answer, yes: str | None) -> None:
        if isinstance(plan, FallbackPlan):
            self.plans.append((name, plan.plan_id))
            if yes:
                self.apply(0, yes)

    @precondition(lambda self: self.plans)
    @rule(which=st.integers(0, 3), yes=YES)
    def apply(self, which: int, yes: str | None) -> None:
        """An agent carries out one of the newest plans, whoever made it."""
        name, plan_id = self.plans[max(0, len(self.plans) - 1 - which)]
        with suppress(*REFUSED):
            result = self.do(
                self.agent.trigger_fallback(
                    name,
                    plan_id=plan_id,
                    confirm=yes is not None,
                    confirmed_by="elicited" if yes == "elicited" else None,
                )
            )
            if isinstance(result, FallbackResult):
                self.done.append((name, result.audit_id))

    @precondition(lambda self: self.done)
    @rule(which=st.integers(0, 3))
    def undo(self, which: int) -> None:
        """An agent takes an action back, and maybe that again."""
        name, audit_id = self.done[max(0, len(self.done) - 1 - which)]
        with suppress(*REFUSED):
            result = self.do(self.agent.trigger_fallback(name, undo=audit_id, confirm=True))
            if isinstance(result, FallbackResult):
                self.done.append((name, result.audit_id))

    @rule(name=st.sampled_from([*ENDS]))
    def ask(self, name: str) -> None:
        """An agent asks everything about one; each answer is heard by the oracle."""
        dependency = ENDS[name][0]
        self.do(self.agent.check_model_drift(dependency))
        self.do(self.agent.get_trust_score_health(dependency))
        self.do(self.agent.preflight(dependencies=[dependency]))
        self.do(self.agent.get_incidents())
        self.do(self.agent.list_dependencies())

    # What a person and the watch do.

    @rule(overrules=st.booleans())
    def approve(self, overrules: bool) -> None:  # noqa: FBT001 - drawn
        """A person says yes to what waits, with a reason or without."""
        for waiting in (self.do(self.serving.get_incidents()).waiting_plans or [])[-1:]:
            with suppress(*REFUSED):
                reason = "it has to be" if overrules else None
                self.do(self.serving.approve(waiting.plan_id, reason, how="terminal"))

    @rule(name=DEPENDENCIES, hours=st.sampled_from([0, 3]))
    def hold(self, name: str, hours: int) -> None:
        """A person holds a route for some hours, or lets it go."""
        until_ms = self.now + hours * HOUR_MS
        reason, until = ("looked at", rfc3339(until_ms)) if hours else (None, None)
        self.do(self.serving.hold_route(name, reason=reason, until=until))
        self.traffic[name].held_until_ms = until_ms

    @rule()
    def watch(self) -> None:
        """What `gonogo watch` does each minute, in whichever process has the turn."""
        for app in (self.serving, self.agent):
            self.do(app.reconcile())
            self.do(app.recover())
            self.do(app.carry_promotions_on())
        made = self._candidate_on_trial()
        kept = self.traffic["m"]
        is_free = self.now >= kept.held_until_ms and kept.policy != "deny"
        if made and is_free and "m@v2" in self.dead and "m" not in self.dead:
            raise AssertionError("a dead candidate is left in place")

    def _candidate_on_trial(self) -> bool:
        self._follow()
        kept = self.traffic["m"]
        return kept.promoted is None and "m@v2" in kept.shares

    @rule(quarters=st.integers(2, 14))
    def days_go_by(self, quarters: int) -> None:
        """Quarters of days that the watch looks at: a trial or a way back gets on."""
        for _ in range(quarters):
            self.live(6)
            self.watch()

    # What goes further than a step at random gets.

    @rule(name=DEPENDENCIES, quarters=st.integers(1, 6), again=st.booleans())
    def outage(self, name: str, quarters: int, again: bool) -> None:  # noqa: FBT001 - drawn
        """It dies, an agent leaves it, it is well and comes back stage by stage; and it dies on the way."""
        self.configure(name, "allow")
        self.fall_or_rise(name, "dead")
        self.switch(name, None, None, None, "confirm")
        self.judge()
        self.fall_or_rise(name, "well")
        self.days_go_by(quarters)
        if again:
            self.fall_or_rise(name, "dead")
            self.days_go_by(1)

    @rule(quarters=st.integers(1, 14), then=st.sampled_from(["well", "ill", "dead"]))
    def trial(self, quarters: int, then: str) -> None:
        """A candidate gets on, and turns ill or dies on the way."""
        self.configure("m", "confirm")
        self.promote(None, "confirm")
        self.days_go_by(quarters)
        self.fall_or_rise("m@v2", then)
        self.days_go_by(2)

    @rule(steps=st.lists(st.tuples(st.sampled_from(["m", "x"]), TURNS), min_size=3, max_size=6))
    def loop(self, steps: list[tuple[str, str]]) -> None:
        """An agent that may do anything goes round and round, and round two that are rungs of each other."""
        for name in self.traffic:
            self.configure(name, "allow")
        for name, to in steps:
            if to != "undo":
                self.switch(name, to, None, None, "elicited")
            elif self.done:
                self.undo(0)
            self.judge()

    # What must hold.

    @invariant()
    def judge(self) -> None:
        """Each new action is one that may be, is told once, and leaves nothing in a circle."""
        if not hasattr(self, "heard"):
            return
        for name in self.traffic:
            for app in (self.agent, self.serving):
                self.do(app.get_route(name))  # a question about a route is an occasion for a step
        self._follow()
        routes = self.do(self.do(self.agent.stores()).routes.routes())
        for route in routes:
            kept = self.traffic[route.dependency]
            told = {weight.target: weight.share / WHOLE for weight in route.targets}
            assert (told, route.epoch) == (kept.shares, kept.epochs)
            is_held = self.now < kept.held_until_ms
            assert (route.holder(self.now) is not None) == is_held
            COUNTED.note(route.dependency, told, kept.policy, is_held, route.home)

    def _follow(self) -> None:
        for entry in self._new_entries():
            if entry.summary.startswith("Begun"):
                self.traffic[entry.dependency or ""].takes(entry, self.dead)
        assert circle(self.traffic) is None

    def _new_entries(self) -> Sequence[Decision]:
        entries = self.do(self.serving.decisions(limit=200))
        new = [e for e in reversed(entries) if e.action and e.id not in self.heard]
        self.heard.update(entry.id for entry in new)
        return new

    def teardown(self) -> None:
        """Each switch was seen once and is finished, and the chain is whole."""
        if hasattr(self, "heard"):
            stores = self.do(self.serving.stores())
            assert self.do(stores.decisions.verify()).broken_at is None
            for name, kept in self.traffic.items():
                assert len(self.do(stores.routes.switches(name, since_ms=0))) == kept.epochs
                assert self.do(stores.routes.begun(name)) == []
            self.do(self.inside.aclose())
        super().teardown()


TestWay = WayMachine.TestCase
TestWay.settings = settings(
    max_examples=LIVES,
    stateful_step_count=30,
    deadline=None,
    # To find a shorter life, thousands of stores would be filled.
    phases=(Phase.reuse, Phase.generate),
)
