"""A small world for fallback tests: real store and route file, health and telemetry as declared."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np

import engines
from gonogo.actuators.route_file import RouteFile
from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.fallback.ask import FallbackRequest, approve, trigger_fallback
from gonogo.fallback.conditions import ConfirmedBy
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.reconcile import Reconciliation, reconcile
from gonogo.fallback.recover import RecoveryOutcome, recover
from gonogo.fallback.route import hold_route
from gonogo.ports.actuators import Actuator
from gonogo.ports.routes import Route, Weight
from gonogo.ports.target_health import Assessment, OwnRate
from gonogo.ports.telemetry import Telemetry
from gonogo.records import Costs, Decision, Dependency, Verdict
from gonogo.settings import ActuatorSettings, DependencySettings, Policy, Settings
from gonogo.store.books.decisions import StoredDecisions
from gonogo.store.books.incident_book import StoredIncidents
from gonogo.store.books.route_book import StoredRoutes
from gonogo.store.sqlite.lock import FileLock
from gonogo.views.decision_log import ENTROPY_BITS, id_of

NOW = 1_790_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def rate(n: float, bad: float, *, now: tuple[float, float] = (0, 0), fell: bool = True) -> OwnRate:
    """A primary's own error rate with one hour of calls: 1 % is well, 20 % is ill."""
    return OwnRate(
        "error", 0.01, 0.2, fell, np.array([n]), np.array([bad]), n_now=now[0], bad_now=now[1]
    )


WELL, ILL, FEW = [rate(100, 1)], [rate(100, 30)], [rate(3, 0)]


@dataclass
class DeclaredHealth:
    """Health as a test declares it: a target that is not named is well and better."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    p_better: dict[str, float | None] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    rates: list[OwnRate] = field(default_factory=list)

    async def assess(
        self, target: str, *, primary: str, now_ms: int, asked_by: Sequence[str] = ()
    ) -> Assessment:
        """As declared."""
        del primary, now_ms, asked_by
        return Assessment(
            target,
            self.verdicts.get(target, "go"),
            "as declared",
            score=0.9,
            p_better=self.p_better.get(target, 0.97),
            answers=target not in self.down,
        )

    async def answers(self, target: str, *, now_ms: int) -> tuple[bool | None, str]:
        """As declared."""
        del now_ms
        return target not in self.down, "as declared"

    async def is_down(self, dependency: str, *, now_ms: int, asked_by: Sequence[str] = ()) -> bool:
        """As declared."""
        del now_ms, asked_by
        return dependency in self.down

    async def outage(self, dependency: str, *, now_ms: int) -> str | None:
        """As declared."""
        del now_ms
        return "its newest calls failed" if dependency in self.down else None

    async def own_rates(
        self,
        dependency: str,
        *,
        fallback: Sequence[Weight],
        fell_ms: int,
        since_ms: int,
        now_ms: int,
    ) -> list[OwnRate]:
        """As declared."""
        del dependency, fallback, fell_ms, since_ms, now_ms
        return self.rates

    async def is_known(self, dependency: str) -> bool:
        """Everything but what is called a typo."""
        return "typo" not in dependency


class DeclaredTelemetry:
    """Knows the dependencies it is given and what their calls cost, in micro-dollars."""

    def __init__(self, costs: Mapping[str, int]) -> None:
        self._costs = costs

    async def dependency(self, name: str) -> Dependency | None:
        """Those with a cost are known."""
        return Dependency(name, "model", None, 10, 0, NOW, 1) if name in self._costs else None

    async def dependencies(self, *, limit: int = 100) -> list[Dependency]:
        """All of them."""
        found = [await self.dependency(name) for name in list(self._costs)[:limit]]
        return [known for known in found if known]

    async def names(self) -> dict[str, int]:
        """All of them; nothing asks for their times."""
        return dict.fromkeys(sorted(self._costs), 0)

    async def newest_costs(self, dependency: str) -> Costs:
        """Ten calls at the same cost."""
        ten = np.arange(10)
        cost = np.full(10, self._costs[dependency])
        return Costs(ten, cost, ten, ten, ten * 0, (None,))


@dataclass
class World:
    """One process's view of a store, with a clock that the test moves."""

    folder: Path
    ports: FallbackPorts
    settings: Settings
    health: DeclaredHealth
    decisions: StoredDecisions
    routes: StoredRoutes
    incidents: StoredIncidents
    now_ms: int = NOW

    @property
    def configured(self) -> FallbackPorts:
        """The ports under the settings as the test has them by now."""
        return replace(self.ports, settings=self.settings)

    async def plan(self, **wanted: object) -> FallbackPlan:
        """Plan a fallback of the dependency `m`."""
        request = replace(FallbackRequest("m", reason="it got worse"), **wanted)  # type: ignore[arg-type]
        answer = await trigger_fallback(self.configured, request, now_ms=self.now_ms)
        assert isinstance(answer, FallbackPlan)
        return answer

    async def apply(
        self, plan_id: str, confirmed_by: ConfirmedBy | None = "elicited", **wanted: object
    ) -> FallbackResult | FallbackPlan:
        """Carry a plan out."""
        request = FallbackRequest("m", plan_id=plan_id, confirmed_by=confirmed_by)
        request = replace(request, **wanted)  # type: ignore[arg-type]
        return await trigger_fallback(self.configured, request, now_ms=self.now_ms)

    async def undo(
        self, audit_id: str, confirmed_by: ConfirmedBy | None = "elicited"
    ) -> FallbackResult | FallbackPlan:
        """Take an action back."""
        request = FallbackRequest("m", undo=audit_id, confirmed_by=confirmed_by)
        return await trigger_fallback(self.configured, request, now_ms=self.now_ms)

    async def switched(self, **wanted: object) -> FallbackResult:
        """Plan and carry out."""
        plan = await self.plan(**wanted)
        result = await self.apply(plan.plan_id)
        assert isinstance(result, FallbackResult)
        return result

    async def approved(self, plan_id: str, overrule: str | None = None) -> FallbackResult:
        """A person's yes at the terminal, with a reason past what stops agents."""
        return await approve(
            self.configured,
            plan_id,
            actor="person:kim",
            overrule=overrule,
            now_ms=self.now_ms,
        )

    async def reconciled(self) -> list[Reconciliation]:
        """Whoever comes next puts things right."""
        return await reconcile(self.configured, now_ms=self.now_ms)

    async def recovered(self) -> list[RecoveryOutcome]:
        """What the watch does each minute."""
        return await recover(self.configured, now_ms=self.now_ms)

    async def held(self, reason: str | None, until: str | None = None) -> Route:
        """A person holds the route, or lets it go."""
        return await hold_route(
            self.configured,
            "m",
            reason=reason,
            until=until,
            actor="person",
            now_ms=self.now_ms,
        )

    async def actions(self) -> list[Decision]:
        """The audited actions, newest first."""
        return [entry for entry in await self.decisions.decisions(limit=10_000) if entry.action]

    def with_policy(self, policy: Policy, **other: object) -> None:
        """Configure the dependency `m` anew."""
        own = replace(self.settings.dependency("m"), fallback_policy=policy, **other)  # type: ignore[arg-type]
        self.settings = replace(self.settings, dependencies={"m": own})


@asynccontextmanager
async def world(
    folder: Path,
    *,
    policy: Policy = "ask",
    actuators: Mapping[str, Actuator] | None = None,
    recovery_share: float = 0.0,
) -> AsyncIterator[World]:
    """A world around the store and route file in `folder`, made where they are not there."""
    own = DependencySettings(
        "m",
        fallback=("v2", "rules:basic"),
        fallback_policy=policy,
        actuators=("routes",),
        recovery_share=recovery_share,
    )
    settings = Settings(
        store=str(folder / "gonogo.db"),
        dependencies={"m": own},
        actuators={"routes": ActuatorSettings("routes", "route_file")},
    )
    path = folder / "routes.json"
    lock = FileLock(folder / "routes.json.lock")
    file = RouteFile("routes", path, lock.held)
    db = await engines.opened(folder)
    health = DeclaredHealth()
    decisions, routes, incidents = StoredDecisions(db), StoredRoutes(db), StoredIncidents(db)
    ports = FallbackPorts(
        routes=routes,
        telemetry=cast("Telemetry", DeclaredTelemetry({"m": 12_000, "v2": 4_000})),
        decisions=decisions,
        incidents=incidents,
        health=health,
        actuators=actuators if actuators is not None else {"routes": file},
        settings=settings,
        new_id=lambda: id_of(NOW << ENTROPY_BITS | secrets.randbits(ENTROPY_BITS)),
    )
    try:
        yield World(folder, ports, settings, health, decisions, routes, incidents)
    finally:
        await db.close()
        lock.close()
