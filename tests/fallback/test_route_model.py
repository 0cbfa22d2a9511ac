"""The route as a machine: whatever is done in whatever order, by whichever process, it agrees with a model."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from fallback_world import DAY, MINUTE, World, world
from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.errors import ActionRefused, ParameterError, UnknownTarget
from gonogo.fallback.ask import FallbackRequest, plan_fallback
from gonogo.fallback.conditions import ConfirmedBy
from gonogo.ports.actuators import Actuator, ActuatorReading, Step
from gonogo.ports.routes import Route, Weight, grown
from gonogo.settings import DependencySettings, Policy
from machine import Machine


class Killed(BaseException):
    """The process ends between the route in the store and the file."""


class Mortal:
    """A route file whose writer dies when it is told to."""

    def __init__(self, file: Actuator) -> None:
        self._file = file
        self.name = file.name
        self.dies = False

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Write it, or die."""
        if self.dies:
            self.dies = False
            raise Killed
        return await self._file.apply(route, expected_version=expected_version)

    def effect(self, route: Route) -> str:
        """As the file."""
        return self._file.effect(route)

    def lacks(self, route: Route) -> str:
        """As the file."""
        return self._file.lacks(route)

    async def read(self, dependency: str) -> ActuatorReading:
        """As the file."""
        return await self._file.read(dependency)

    async def verify(self, route: Route) -> Step:
        """As the file."""
        return await self._file.verify(route)


PRIMARY = (Weight("m", 10_000),)


class RouteMachine(Machine):
    """Two processes plan, carry out, take back, overrule, die; health and configuration change between.

    The route moves only as it was told, once a plan; what agents carry out was right when they did;
    the newest step is taken back at once, and each is in the chain.
    """

    @initialize()
    def begin(self) -> None:
        """A dependency on its primary, two processes."""
        self.inside: list[AbstractAsyncContextManager[World]] = []
        self.worlds: list[World] = []
        for _ in range(2):
            self.inside.append(world(self.folder))
            self.worlds.append(self.do(self.inside[-1].__aenter__()))
        self.w = self.worlds[0]
        self.file = Mortal(self.w.ports.actuators["routes"])
        for each in self.worlds:
            each.ports = replace(each.ports, actuators={"routes": self.file})
            each.health = self.w.health
            each.ports = replace(each.ports, health=self.w.health)
        self.targets: tuple[Weight, ...] = PRIMARY
        self.epoch = self.holds = 0
        self.plans: list[str] = []
        self.results: dict[str, FallbackResult] = {}
        self.before: dict[str, tuple[Weight, ...]] = {}
        self.held = False

    @property
    def own(self) -> DependencySettings:
        """How the dependency is configured now."""
        return self.w.settings.dependency("m")

    @rule(
        to=st.sampled_from([None, "v2", "rules:basic", "m"]),
        share=st.sampled_from([None, 0.5, 1.0]),
        key=st.sampled_from([None, "again"]),
    )
    def plan(self, to: str | None, share: float | None, key: str | None) -> None:
        """A plan changes nothing."""
        wanted = FallbackRequest("m", "it fell", to, share, idempotency_key=key)
        with suppress(ActionRefused, ParameterError):
            plan = self.do(plan_fallback(self.w.configured, wanted, now_ms=self.w.now_ms))
            if isinstance(plan, FallbackPlan):
                self.plans.append(plan.plan_id)
            else:  # the key was used, and carried out
                assert plan.replayed

    @precondition(lambda self: self.plans)
    @rule(
        which=st.integers(0, 9),
        yes=st.sampled_from([None, "confirm", "elicited"]),
        dies=st.booleans(),
    )
    def apply(self, which: int, yes: ConfirmedBy | None, dies: bool) -> None:  # noqa: FBT001 - drawn
        """Once, by whichever process; again it says what it did; one that died is finished by the next."""
        plan_id = self.plans[which % len(self.plans)]
        self.file.dies = dies
        try:
            result = self.do(self.w.apply(plan_id, yes))
        except (ActionRefused, UnknownTarget):
            return
        except Killed:
            self.take_turns()
            result = self.do(self.w.apply(plan_id, yes))
            assert isinstance(result, FallbackResult)
            assert result.replayed
            self.moved(result.model_copy(update={"replayed": None}), plan_id)
        else:
            self.moved(result, plan_id)
        finally:
            self.file.dies = False

    @rule(
        to=st.sampled_from(["v2", "rules:basic"]),
        what=st.sampled_from(["dies", "leaves", "denied"]),
    )
    def too_late(self, to: str, what: str) -> None:
        """What was right when it was planned is not when it is carried out."""
        self.w.health.down -= {to}
        self.configure("allow", ("v2", "rules:basic"))
        self.plan(to, None, None)
        if what == "dies":
            self.w.health.down |= {to}
        elif what == "leaves":
            self.configure("allow", ("rules:basic",) if to == "v2" else ("v2",))
        else:
            self.configure("deny", ("v2", "rules:basic"))
        if self.plans:
            self.apply(len(self.plans) - 1, "elicited", dies=False)

    @rule(overrules=st.booleans())
    def approve(self, overrules: bool) -> None:  # noqa: FBT001 - drawn
        """What waits for a person is carried out by their yes with a reason."""
        waiting = self.do(self.w.routes.waiting(now_ms=self.w.now_ms))
        for plan in waiting[-1:]:
            try:
                result = self.do(self.w.approved(plan.id, "it has to be" if overrules else None))
            except ActionRefused:
                assert not overrules or self.held or self.own.fallback_policy == "deny"
            else:
                self.moved(result, plan.id, by_person=True)

    @precondition(lambda self: self.results)
    @rule(which=st.integers(0, 9))
    def undo(self, which: int) -> None:
        """Takes back the newest action alone; back to the primary nothing but a hold stops it."""
        done = list(self.results.values())[which % len(self.results)]
        is_free = done.route_epoch == self.epoch and self.before[done.audit_id] == PRIMARY
        try:
            back = self.do(self.w.undo(done.audit_id))
        except (ActionRefused, UnknownTarget):
            assert not is_free or self.held or self.own.fallback_policy == "deny"
            return
        assert isinstance(back, FallbackResult)
        if not back.replayed:
            assert done.route_epoch == self.epoch
            undone = self.do(self.w.routes.plan_with(undoes=done.audit_id))
            assert undone is not None
            assert undone.after == self.before[done.audit_id]
            self.moved(back, undone.id)

    def moved(
        self, result: FallbackResult | FallbackPlan, plan_id: str, *, by_person: bool = False
    ) -> None:
        """The model follows, where this was the first time."""
        if not isinstance(result, FallbackResult):
            return
        if plan_id in self.results:
            assert result.replayed
            assert result.audit_id == self.results[plan_id].audit_id
            return
        assert not result.replayed
        assert not self.held
        assert self.own.fallback_policy != "deny"
        plan = self.do(self.w.routes.plan(plan_id))
        assert plan is not None
        more = grown(self.targets, plan.after)
        if not by_person and more != ["m"]:
            assert not self.w.health.down.intersection(more)
            assert {*more} <= {"m", *self.own.fallback}
        self.results[plan_id] = result
        self.before[result.audit_id] = self.targets
        self.targets, self.epoch = plan.after, self.epoch + 1
        assert result.route_epoch == self.epoch

    @rule()
    def take_turns(self) -> None:
        """The other process acts."""
        other = self.worlds[self.w is self.worlds[0]]
        other.now_ms, other.settings = self.w.now_ms, self.w.settings
        self.w = other

    @rule(
        policy=st.sampled_from(["allow", "allow", "confirm", "ask", "deny"]),
        ladder=st.sampled_from([("v2", "rules:basic"), ("rules:basic",)]),
    )
    def configure(self, policy: Policy, ladder: tuple[str, ...]) -> None:
        """Somebody edits gonogo.toml."""
        self.w.with_policy(policy, fallback=ladder)

    @rule(who=st.sampled_from(["m", "v2", "rules:basic"]))
    def die_or_rise(self, who: str) -> None:
        """Its newest calls fail, or come back."""
        self.w.health.down ^= {who}

    @rule()
    def hold(self) -> None:
        """A person holds the route, or lets it go."""
        self.do(self.w.held(None if self.held else "looked at"))
        self.held = not self.held
        self.holds += 1

    @rule(days=st.sampled_from([0.001, 0.1, 2, 40]))
    def wait(self, days: float) -> None:
        """Plans go stale, damping ends."""
        self.w.now_ms += int(days * DAY)

    @rule(how=st.sampled_from(["gone", "garbage"]))
    def lose(self, how: str) -> None:
        """Somebody removes the route file or breaks it; whoever comes next writes it again."""
        file = self.folder / "routes.json"
        if how == "gone":
            file.unlink(missing_ok=True)
        else:
            file.write_text("{", encoding="utf-8")
        self.w.now_ms += MINUTE
        self.do(self.w.reconciled())

    @invariant()
    def agrees(self) -> None:
        """One route, as the model and the file have it; nothing is left half done."""
        if not hasattr(self, "w"):
            return
        routes = self.do(self.w.routes.routes())
        assert len(routes) <= 1
        for route in routes:
            assert (route.targets, route.epoch) == (self.targets, self.epoch)
            assert (route.held is not None) == self.held
        assert routes or self.epoch == 0
        if self.epoch:
            seen = self.do(self.file.read("m"))
            assert (seen.targets, seen.epoch) == (self.targets, self.epoch)
        assert self.do(self.w.routes.begun()) == []
        assert len(self.do(self.w.routes.switches("m", since_ms=0))) == self.epoch

    def teardown(self) -> None:
        """Each switch is in an unbroken chain twice, begun and done, and belongs to an incident."""
        if hasattr(self, "w"):
            chain = self.do(self.w.decisions.verify())
            assert chain.broken_at is None
            assert chain.entries >= 2 * self.epoch + self.holds
            actions = {entry.id for entry in self.do(self.w.actions())}
            incidents = {i.id for i, _ in self.do(self.w.incidents.incidents(limit=1_000))}
            for result in self.results.values():
                assert {result.audit_id, result.decision_id} <= actions
                assert result.incident_id in incidents
            for each in reversed(self.inside):
                self.do(each.__aexit__(None, None, None))
        super().teardown()


TestRoute = RouteMachine.TestCase
TestRoute.settings = settings(
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    # Thousands of stores would be opened to find a shorter life than one of 25 steps.
    phases=(Phase.reuse, Phase.generate),
)
