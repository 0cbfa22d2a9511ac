"""The product over a store of its own, for one rehearsal: only telemetry and actuators differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from gonogo.app import Gonogo
from gonogo.app.parts import Stores, open_stores
from gonogo.drift.drift_memory import DriftMemory, Runs
from gonogo.drill.replayed_telemetry import RehearsedTelemetry
from gonogo.fallback.health import TrustHealth
from gonogo.hours.stream_cache import AnswerCache
from gonogo.ports.actuators import ActuatorReading, Step
from gonogo.ports.notices import Page
from gonogo.ports.routes import LOCAL, WHOLE, Route
from gonogo.records import Decision
from gonogo.settings import Settings
from gonogo.store.reads.telemetry_store import StoredTelemetry

UNANSWERED = "no answer"

# Replicates of one process share the pieces of runs that they have in common: those of history.
# A piece is known by all that it depends on.
_RUNS = Runs()


def sandboxed(settings: Settings, store: Path) -> Settings:
    """The user's configuration over the rehearsal's store, with nothing that reaches outside."""
    return replace(
        settings,
        store=str(store),
        read_only=False,
        probes=MappingProxyType({}),
        notify=MappingProxyType({}),
        actuators=MappingProxyType({}),
        environ=MappingProxyType({}),
    )


class RecordedActuator:
    """Notes the route that it was given, and does nothing else; not while it `hangs`."""

    def __init__(self, name: str, *, hangs: bool = False) -> None:
        self.name = name
        self.hangs = hangs
        self._routes: dict[str, Route] = {}

    async def read(self, dependency: str) -> ActuatorReading:
        """The state that it was given last."""
        if self.hangs:
            return ActuatorReading("unknown", detail=UNANSWERED)
        route = self._routes.get(dependency)
        if route is None:
            return ActuatorReading("absent")
        return ActuatorReading("known", route.targets, route.epoch, version=str(route.epoch))

    def effect(self, route: Route) -> str:
        """The note that applying would make."""
        return f"{self.name}: would note epoch {route.epoch} of {route.dependency}"

    def lacks(self, route: Route) -> str:
        """An empty text: every target can be noted."""
        del route
        return ""

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Note the route; refused where another one is there than expected, or a newer one."""
        if self.hangs:
            return Step("unknown", UNANSWERED)
        known = self._routes.get(route.dependency)
        if known is not None and (
            expected_version != str(known.epoch) or known.epoch > route.epoch
        ):
            return Step("failed", f"epoch {known.epoch} is there")
        self._routes[route.dependency] = route
        return Step("done", "noted")

    async def verify(self, route: Route) -> Step:
        """Whether it is what was noted last."""
        if self.hangs:
            return Step("unknown", UNANSWERED)
        known = self._routes.get(route.dependency)
        same = known is not None and (known.targets, known.epoch) == (route.targets, route.epoch)
        return Step("done" if same else "failed", "read back" if same else "not what was noted")


class RecordedReceiver:
    """Notes whom it was told of, and tells nobody; while it `hangs`, its time runs out each time."""

    repeats = False

    def __init__(self, name: str, *, hangs: bool = False) -> None:
        self.name = name
        self.hangs = hangs
        self.told: set[str] = set()

    async def tell(self, page: Page, *, now_ms: int) -> Step:
        """Note which dependencies the page is about."""
        del now_ms
        if self.hangs:
            return Step("unknown", UNANSWERED)
        self.told.update(page.dependencies)
        return Step("done", "noted")


class Rehearsal(Gonogo):
    """The application of a rehearsal.

    Args:
        settings: From `sandboxed`.
        telemetry: What is played.
        actuators: What stands for those that are configured.
        accepted: Log entries by which a person accepted a new normal.
        clock: The virtual clock.
    """

    def __init__(
        self,
        settings: Settings,
        telemetry: RehearsedTelemetry,
        *,
        actuators: Sequence[RecordedActuator],
        accepted: Sequence[Decision],
        clock: Callable[[], int],
    ) -> None:
        super().__init__(settings, clock=clock, actor="drill")
        self._telemetry = telemetry
        self._memory = DriftMemory(runs=_RUNS), AnswerCache()
        self._actuators = tuple(actuators)
        self._accepted = tuple(accepted)

    async def _open(self) -> Stores:
        stores = await open_stores(self.settings, actor=self.actor, clock=self.clock)
        for entry in self._accepted:
            await stores.decisions.append(entry)
        # It answers every read of a store's telemetry; only recording is refused.
        telemetry = cast("StoredTelemetry", self._telemetry)
        fallback = replace(
            stores.fallback,
            telemetry=telemetry,
            health=TrustHealth(telemetry, stores.decisions, self.settings, self._remembered()[0]),
            # The snapshot that a plan keeps for later is costly, and nothing here reads it.
            evidence_of=None,
            actuators={each.name: each for each in (*self._actuators, RecordedActuator(LOCAL))},
        )
        return replace(stores, telemetry=telemetry, fallback=fallback)

    async def candidate_share(self, dependency: str) -> float:
        """The present share of a version on its way to all calls, a fraction; 0 where it was withdrawn."""
        route = await (await self.stores()).routes.route(dependency)
        made = None if route is None else route.promotion
        return made.share / WHOLE if made is not None and made.status != "back" else 0.0

    async def primary_share(self, dependency: str) -> float:
        """The dependency's own present share, a fraction."""
        route = await (await self.stores()).routes.route(dependency)
        return 1.0 if route is None else route.primary_share / WHOLE
