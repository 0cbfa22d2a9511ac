"""A dependency with two versions and a clock: calls by the hour, and the promotion of the second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import engines
from gonogo.answers import FallbackPlan, FallbackResult, PromotionReport, rfc3339
from gonogo.app import Gonogo
from gonogo.fallback.promotion.ramp import PromotionOutcome
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import Route
from gonogo.settings import ActuatorSettings, DependencySettings, NotifierSettings, Policy, Settings
from reconfigured_app import configure

HOUR = 3_600_000
NOTHING: Mapping[str, object] = {}
NO_RECEIVERS: Mapping[str, NotifierSettings] = {}
NO_ACTUATORS: Mapping[str, ActuatorSettings] = {}
MONDAY = 1_780_272_000_000


@dataclass
class Lives:
    """The dependency `m`: v1 serves, v2 (or as it is called) is the candidate. Every fortieth call is bad."""

    app: Gonogo
    now: list[int]
    candidate: str = "v2"
    made: int = 0
    unseen: int = 0

    async def route(self) -> Route:
        """The route as it stands."""
        found = await (await self.app.stores()).routes.route("m")
        assert found is not None
        return found

    async def promotion(self) -> Promotion:
        """The promotion as the route carries it."""
        found = (await self.route()).promotion
        assert found is not None
        return found

    async def live(
        self,
        hours: int,
        *,
        v1: int = 12,
        v2: int = 0,
        bad_every: int = 40,
        new: Mapping[str, object] = NOTHING,
        beside: bool = False,
    ) -> None:
        """Hours with so many calls of each; `new`: what v2's calls have otherwise.

        `beside`: v2 answers the inputs of v1's calls too, in a shadow.
        """
        rows: list[dict[str, object]] = []
        for _ in range(hours):
            rows += [self._call("v1", 40, at / v1) for at in range(v1)]
            rows += [{**self._call(self.candidate, bad_every, at / v2), **new} for at in range(v2)]
            if beside:
                rows += [{**self._beside(bad_every, at / v1), **new} for at in range(v1)]
            self.now[0] += HOUR
        for at in range(0, len(rows), 1000):
            answer = await self.app.record_observations(rows[at : at + 1000])
            assert not answer.rejected

    def _beside(self, bad_every: int, part: float) -> dict[str, object]:
        """A call of v2 that nobody sees; it is bad in turn with its own kind."""
        self.unseen += 1
        good = {"outcome": 0.0 if self.unseen % bad_every == 0 else 1.0}
        return {**self._call(self.candidate, 1, part), "dependency": "m-shadow", **good}

    def _call(self, version: str, bad_every: int, part: float) -> dict[str, object]:
        self.made += 1
        ts = rfc3339(self.now[0] + int(part * HOUR))
        return {
            "id": f"o{self.made}",
            "dependency": "m",
            "version": version,
            "ts": ts,
            "outcome_ts": ts,
            "outcome": 0.0 if self.made % bad_every == 0 else 1.0,
            # Spread over 400 to 800 ms, in each hour in the same way for both (the golden ratio).
            "latency_ms": 400.0 + 400.0 * (self.made * 0.618034 % 1),
        }

    async def smoke(self, *, version: str | None = None, outcome: bool = True) -> None:
        """One call of the candidate, with an outcome or without."""
        self.made += 1
        version = version or self.candidate
        row: dict[str, object] = {"dependency": "m", "version": version, "id": f"o{self.made}"}
        row |= {"ts": rfc3339(self.now[0] - 1000), "latency_ms": 500.0}
        await self.app.record_observations([row | ({"outcome": 1.0} if outcome else {})])

    async def planned(self, version: str | None = None, **wanted: object) -> FallbackPlan:
        """A plan to promote."""
        plan = await self.app.promote("m", version or self.candidate, **wanted)  # type: ignore[arg-type]
        assert isinstance(plan, FallbackPlan), plan.summary
        return plan

    async def begun(self, **wanted: object) -> FallbackResult:
        """The promotion of v2, planned and carried out."""
        plan = await self.planned(**wanted)  # type: ignore[arg-type]
        result = await self.app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
        assert isinstance(result, FallbackResult), result.summary
        return result

    async def looked(self) -> PromotionOutcome:
        """What the watch does each minute."""
        [seen] = await self.app.carry_promotions_on()
        return seen

    async def report(self) -> PromotionReport:
        """How it stands."""
        answer = await self.app.promote("m")
        assert isinstance(answer, PromotionReport)
        return answer

    def with_policy(self, policy: Policy) -> None:
        """Configure the dependency anew."""
        own = replace(self.app.settings.dependency("m"), fallback_policy=policy)
        configure(self.app, replace(self.app.settings, dependencies={"m": own}))


def settings_of(folder: Path, policy: Policy = "confirm") -> Settings:
    """The dependency's settings, with the store in a folder."""
    own = DependencySettings("m", fallback=("n",), fallback_policy=policy)
    return Settings(store=engines.store_of(folder), dependencies={"m": own})


@asynccontextmanager
async def lives(
    folder: Path,
    *,
    policy: Policy = "confirm",
    hours: int = 30,
    notify: Mapping[str, NotifierSettings] = NO_RECEIVERS,
    actuators: Mapping[str, ActuatorSettings] = NO_ACTUATORS,
    now: list[int] | None = None,
    candidate: str = "v2",
) -> AsyncIterator[Lives]:
    """Some hours of v1 alone, and a smoke test of v2."""
    settings = replace(settings_of(folder, policy), notify=notify, actuators=actuators)
    own = replace(settings.dependency("m"), actuators=tuple(actuators))
    settings = replace(settings, dependencies={"m": own})
    now = [MONDAY] if now is None else now
    async with Gonogo(settings, clock=lambda: now[0], actor="person:kim") as app:
        found = Lives(app, now, candidate)
        await found.live(hours)
        await found.smoke()
        yield found
