"""The ledger and the route as machines: whatever is done in whatever order, they agree with a model."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fallback_world import DAY, MINUTE, World, world
from gonogo.answers import FallbackResult
from gonogo.errors import ActionRefused, ParameterError, UnknownTarget
from gonogo.ports.routes import Weight
from gonogo.store.repair import unbalanced
from money_fakes import Bench, opened, replayed, usd_budget

T = TypeVar("T")

LIMIT = 10_000_000
EXPIRES_S = 900
MICRO = st.integers(0, 4_000_000)


class Machine(RuleBasedStateMachine):
    """A machine on a store in a folder of its own, in an event loop of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gonogo-model-"))
        self.runner = asyncio.Runner()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out one step."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Let everything go."""
        self.runner.close()
        shutil.rmtree(self.folder)


@dataclass
class Hold:
    """What the model knows of a reservation."""

    held: int
    expires_ms: int
    observed: int = 0
    declared: int | None = None
    is_open: bool = True

    @property
    def spent(self) -> int:
        """Declared, else what was observed."""
        return self.observed if self.declared is None else self.declared

    def holds(self, now_ms: int) -> int:
        """What it keeps from others now."""
        return max(self.held - self.observed, 0) if self.is_open and now_ms < self.expires_ms else 0


class LedgerMachine(Machine):
    """Two budgets, one below the other; a hold never goes beyond what is left in either."""

    bench: Bench

    @initialize()
    def begin(self) -> None:
        """An empty ledger."""
        org = usd_budget("org", LIMIT / 1e6, hard=True)
        task = usd_budget("task", LIMIT / 1e6, hard=True, parent="org", hold_expires_s=EXPIRES_S)
        self.bench = self.do(opened(self.folder, org, task))
        self.holds: dict[str, Hold] = {}
        self.free = 0

    @property
    def left(self) -> int:
        """What the model says is left."""
        now_ms = self.bench.now_ms
        taken = sum(hold.spent + hold.holds(now_ms) for hold in self.holds.values())
        return LIMIT - self.free - taken

    def some(self, which: int) -> tuple[str, Hold]:
        """One of the reservations."""
        return list(self.holds.items())[which % len(self.holds)]

    # Nothing is no declared cost.
    @rule(micro=st.integers(1, 4_000_000))
    def hold(self, micro: int) -> None:
        """Granted exactly where it fits."""
        left = self.left
        answer = self.do(self.bench.check("task", planned_cost_usd=micro / 1e6, reserve=True))
        assert (answer.reservation is not None) == (micro <= left)
        if answer.reservation is not None:
            expires_ms = self.bench.now_ms + EXPIRES_S * 1000
            self.holds[answer.reservation.id] = Hold(micro, expires_ms)

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 20), micro=MICRO)
    def cost(self, which: int, micro: int) -> None:
        """A call of the reserved work; once declared it changes nothing."""
        name, hold = self.some(which)
        self.do(self.bench.spend(self.bench.cost(micro / 1e6, reservation=name)))
        if hold.declared is None:
            hold.observed += micro

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 20), micro=st.none() | MICRO)
    def settle(self, which: int, micro: int | None) -> None:
        """At a declared cost, which is final, or at what was observed; again changes nothing."""
        name, hold = self.some(which)
        usd = None if micro is None else micro / 1e6
        if hold.declared is not None and micro not in (None, hold.declared):
            with pytest.raises(ParameterError, match="settled at"):
                self.do(self.bench.settle(name, usd))
            return
        self.do(self.bench.settle(name, usd))
        hold.declared = micro if micro is not None else hold.declared
        hold.is_open = False

    @rule(micro=MICRO)
    def spend(self, micro: int) -> None:
        """A call that was not reserved."""
        self.do(self.bench.spend(self.bench.cost(micro / 1e6, budget="task")))
        self.free += micro

    @rule(s=st.integers(1, EXPIRES_S))
    def wait(self, s: int) -> None:
        """Time passes; holds expire."""
        self.bench.now_ms += s * 1000

    @invariant()
    def agrees(self) -> None:
        """Spent and held are the model's, in the budget and above it; the entries add up."""
        if not hasattr(self, "bench"):
            return
        held = sum(hold.holds(self.bench.now_ms) for hold in self.holds.values())
        spent = self.free + sum(hold.spent for hold in self.holds.values())
        for budget in ("task", "org"):
            answer = self.do(self.bench.check(budget, planned_cost_usd=0))
            assert round(answer.spent_usd * 1e6) == spent
            assert round(answer.held_usd * 1e6) == held
        self.do(self.bench.database.read(replayed))
        assert self.do(self.bench.database.read(unbalanced)) == []

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "bench"):
            self.do(self.bench.database.close())
        super().teardown()


class RouteMachine(Machine):
    """Plans, applications, taking back, holding, lost files: the route moves only as it was told."""

    w: World

    @initialize()
    def begin(self) -> None:
        """A dependency on its primary."""
        self.inside: AbstractAsyncContextManager[World] = world(self.folder)
        self.w = self.do(self.inside.__aenter__())
        self.targets: tuple[Weight, ...] = (Weight("m", 10_000),)
        self.epoch = self.actions = 0
        self.plans: list[tuple[str, tuple[Weight, ...]]] = []
        self.results: dict[str, FallbackResult] = {}
        self.before: dict[str, tuple[Weight, ...]] = {}
        self.held = False

    @rule(to=st.sampled_from(["v2", "rules:basic"]), share=st.sampled_from([None, 0.5, 1.0]))
    def plan(self, to: str, share: float | None) -> None:
        """A plan changes nothing."""
        try:
            plan = self.do(self.w.plan(to=to, share=share))
        except (ActionRefused, UnknownTarget):
            return
        stored = self.do(self.w.routes.plan(plan.plan_id))
        assert stored is not None
        self.plans.append((plan.plan_id, stored.after))

    @precondition(lambda self: self.plans)
    @rule(which=st.integers(0, 5))
    def apply(self, which: int) -> None:
        """Once; again it says what it did; a stale, late or refused plan changes nothing."""
        plan_id, after = self.plans[which % len(self.plans)]
        try:
            result = self.do(self.w.apply(plan_id))
        except (ActionRefused, UnknownTarget):
            return
        if not isinstance(result, FallbackResult):
            return
        if plan_id in self.results:
            assert result.replayed
            assert result.audit_id == self.results[plan_id].audit_id
            return
        assert not self.held
        assert not result.replayed
        self.results[plan_id] = result
        self.moved(result, after)

    @precondition(lambda self: self.results)
    @rule(which=st.integers(0, 5))
    def undo(self, which: int) -> None:
        """Takes back the newest action alone."""
        result = list(self.results.values())[which % len(self.results)]
        try:
            back = self.do(self.w.undo(result.audit_id))
        except (ActionRefused, UnknownTarget):
            return
        if isinstance(back, FallbackResult) and not back.replayed:
            assert not self.held
            assert result.route_epoch == self.epoch
            self.moved(back, self.before[result.audit_id])

    def moved(self, result: FallbackResult, targets: tuple[Weight, ...]) -> None:
        """The model follows."""
        self.before[result.audit_id] = self.targets
        self.targets, self.epoch = targets, self.epoch + 1
        self.actions += 1
        assert result.route_epoch == self.epoch

    @rule()
    def hold(self) -> None:
        """A person holds the route, or lets it go."""
        self.do(self.w.held(None if self.held else "looked at"))
        self.held = not self.held
        self.actions += 1

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
        """The stored route and the file are the model's; every action is in an unbroken chain."""
        if not hasattr(self, "w"):
            return
        route = self.do(self.w.routes.route("m"))
        if route is not None:
            assert (route.targets, route.epoch) == (self.targets, self.epoch)
            assert (route.held is not None) == self.held
        else:
            assert self.epoch == 0
        if self.epoch:
            seen = self.do(self.w.ports.actuators["routes"].read("m"))
            assert (seen.targets, seen.epoch) == (self.targets, self.epoch)
        chain = self.do(self.w.decisions.verify())
        assert (chain.broken_at, chain.entries >= self.actions) == (None, True)
        assert len(self.do(self.w.routes.switches("m", since_ms=0))) == self.epoch

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "w"):
            self.do(self.inside.__aexit__(None, None, None))
        super().teardown()


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
TestRoute = RouteMachine.TestCase
TestRoute.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
