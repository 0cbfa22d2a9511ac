"""Sixty simulated days at a threshold: the whole product, an agent that looks daily, and the watch.

Used by a test and by `benchmarks/fallback.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gonogo.answers import FallbackPlan
from gonogo.app import Gonogo
from gonogo.settings import BaselineSettings, DependencySettings, Settings

START = 1_790_000_000_000
HOUR = 3_600_000
BASELINE_DAYS, DAYS = 10, 60
GOOD, NAIVE_BAR = 0.94, 0.90
TURN_HOURS = 4


@dataclass
class Flapping:
    """How often the traffic changed sides, and with what steps between."""

    switches: int = 0
    stages: int = 0
    naive: int = 0


async def sixty_days(folder: Path, *, accuracy: float, calls_a_day: int, seed: int) -> Flapping:
    """Run the product on calls of a primary whose accuracy stays where it is.

    Args:
        folder: Where the store goes.
        accuracy: The primary's true accuracy over the sixty days; before them it is 0.94.
        calls_a_day: Labelled calls, split as the route says.
        seed: Of the outcomes.
    """
    rng, now = np.random.default_rng(seed), START
    own = DependencySettings(
        "m",
        fallback=("v2",),
        fallback_policy="allow",
        baseline=BaselineSettings(outcome=GOOD),
        recovery_share=0.05,
    )
    settings = Settings(store=str(folder / "gonogo.db"), dependencies=MappingProxyType({"m": own}))
    found, on_primary, naive_primary = Flapping(), True, True
    async with Gonogo(settings, clock=lambda: now) as app:
        for turn in range((BASELINE_DAYS + DAYS) * 24 // TURN_HOURS):
            begun = turn * TURN_HOURS >= BASELINE_DAYS * 24
            p, calls = (accuracy if begun else GOOD), calls_a_day * TURN_HOURS // 24
            stores = await app.stores()
            route = await stores.routes.route("m")
            share = route.primary_share / 10_000 if route else 1.0
            here = int(rng.binomial(calls, share))
            batch = [
                {
                    "dependency": name,
                    "ts": (now + int(at * TURN_HOURS * HOUR)) / 1000,
                    "outcome": bool(good),
                }
                for name, n, rate in (
                    ("m", here, p),
                    ("v2", calls - here + calls // 10, GOOD - 0.01),  # it is probed as well
                )
                for at, good in zip(rng.random(n), rng.random(n) < rate, strict=True)
            ]
            now += TURN_HOURS * HOUR
            await app.record_observations(batch)
            found.stages += sum(seen.move == "advance" for seen in await app.recover())
            if (turn + 1) * TURN_HOURS % 24 == 0 and begun:
                await _look(app)
                naive = rng.binomial(calls_a_day, p) / calls_a_day >= NAIVE_BAR
                found.naive += naive != naive_primary
                naive_primary = naive
            route = await stores.routes.route("m")
            now_primary = route is None or route.primary_share >= 5_000
            found.switches += now_primary != on_primary
            on_primary = now_primary
    return found


async def _look(app: Gonogo) -> None:
    """An agent that falls back whenever the verdict is no_go and the route is the primary."""
    route = await (await app.stores()).routes.route("m")
    if route is not None and not route.is_primary:
        return
    report = await app.check_model_drift("m")
    if report.verdict != "no_go":
        return
    plan = await app.trigger_fallback("m", reason=report.summary)
    if isinstance(plan, FallbackPlan) and plan.verdict in ("go", "caution"):
        await app.trigger_fallback("m", plan_id=plan.plan_id)
