"""How a promotion ends through the application: store, clock, routes and the watch's look each hour.

    TMPDIR=/dev/shm python benchmarks/promotion_product.py [--runs N] [--seed S] [--only NAME]

500 labelled calls a day with a day's profile, 6 % bad outcomes that come 24 h late, .3 % errors,
lognormal latency and cost (log sd .6 and .5), as `benchmarks/promotion.py` has them for the detector alone.
Each call goes where the route file says, is recorded in its hour, and its outcome a day after it. In a
shadow half of the inputs are good or bad for both versions alike.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.routing import RouteReader
from gonogo.settings import DependencySettings, Settings

if TYPE_CHECKING:
    from gonogo.answers import FallbackPlan, PromotionReport

NAME = "m"
START_MS = 1_780_272_000_000
BEFORE_DAYS = 8
DAYS_MAX = 45
LATE_HOURS = 24
A_DAY = 500
BASE_BAD, ERRORS = 0.06, 0.003
LATENCY_SD, COST_SD = 0.6, 0.5
ALIKE = 0.5


@dataclass(frozen=True)
class World:
    """What the candidate does otherwise, and what is asked of its promotion."""

    name: str
    points: float = 0.0
    latency: float = 1.0
    cost: float = 1.0
    shadow: bool = False
    asked: str = ""


WORLDS = (
    World("equal", asked="promoted >= .95, median <= 9 days"),
    World("-20 points", 0.20, asked="25 % in <= .05; bad calls <= 12"),
    World("-10 points", 0.10, asked="100 % in <= .005"),
    World("equal, shadow", shadow=True, asked="promoted >= .95, median <= 3 days"),
    World("-20, shadow", 0.20, shadow=True, asked="25 % in <= .05"),
    World("latency x2", latency=2.0, asked="never promoted"),
    World("cost x1.5", cost=1.5, asked="never promoted"),
)


@dataclass
class Life:
    """One application with its clock, the calls that it makes, and outcomes still to come."""

    app: Gonogo
    now: list[int]
    world: World
    rng: np.random.Generator
    routes: RouteReader
    made: int = 0
    late: list[tuple[int, list[dict[str, object]]]] = field(default_factory=list)
    harm: float = 0.0

    async def hour(self) -> None:
        """Make an hour's calls, record them, and the outcomes of a day ago."""
        at = (self.now[0] - START_MS) // HOUR_MS % 24 + 0.5
        n = int(self.rng.poisson(A_DAY / 24 * (1 + 0.6 * math.sin(2 * math.pi * at / 24))))
        calls, outcomes = [], []
        for part in np.sort(self.rng.random(n)):
            ts_ms, luck = self.now[0] + int(part * HOUR_MS), self.rng.random()
            new = self.routes.target(NAME) != NAME
            self.harm += self.world.points if new else 0.0
            made = [self._call(ts_ms, luck, NAME, new=new)]
            beside = None if new else self.routes.shadow(NAME)
            if beside is not None:
                luck = luck if self.rng.random() < ALIKE else self.rng.random()
                made.append(self._call(ts_ms, luck, beside.record_as, new=True))
            calls += [call for call, _ in made]
            outcomes += [outcome for _, outcome in made]
        self.now[0] += HOUR_MS
        self.late.append((self.now[0] + (LATE_HOURS - 1) * HOUR_MS, outcomes))
        while self.late and self.late[0][0] <= self.now[0]:
            calls += self.late.pop(0)[1]
        await self.app.record_observations(calls)

    def _call(
        self, ts_ms: int, luck: float, name: str, *, new: bool
    ) -> tuple[dict[str, object], dict[str, object]]:
        self.made += 1
        world = self.world if new else WORLDS[0]
        mine = {"id": f"c{self.made}", "dependency": name, "version": "v2" if new else "v1"}
        call: dict[str, object] = {
            **mine,
            "ts": rfc3339(ts_ms),
            "latency_ms": 500 * world.latency * math.exp(LATENCY_SD * self.rng.normal()),
            "cost_usd": 0.01 * world.cost * math.exp(COST_SD * self.rng.normal()),
        }
        if self.rng.random() < ERRORS:
            call["error"] = "timeout"
        good = float(luck >= BASE_BAD + world.points)
        late = rfc3339(ts_ms + LATE_HOURS * HOUR_MS)
        return call, {**mine, "ts": call["ts"], "outcome": good, "outcome_ts": late}


def settings_of(folder: Path) -> Settings:
    """The dependency with the policy that asks nobody on the way."""
    own = DependencySettings(NAME, fallback_policy="confirm")
    return Settings(store=str(folder / "gonogo.db"), dependencies={NAME: own})


async def history(folder: Path) -> int:
    """A store with the days before, which every life of a seed starts from; how many calls it has."""
    now = [START_MS - BEFORE_DAYS * DAY_MS]
    async with Gonogo(settings_of(folder), clock=lambda: now[0]) as app:
        reader = RouteReader(folder / "none.json")
        life = Life(app, now, WORLDS[0], np.random.default_rng(1), reader)
        while now[0] < START_MS:
            await life.hour()
        smoke = {"dependency": NAME, "version": "v2", "id": "smoke", "outcome": 1.0}
        await app.record_observations([smoke | {"ts": rfc3339(now[0] - 1000)}])
        life.late.clear()
    return life.made


@dataclass(frozen=True)
class End:
    """How one promotion ended: its highest stage from 0, days, and bad calls that it caused."""

    promoted: bool
    back: bool
    stage: int
    days: float
    harm: float


async def lived(folder: Path, world: World, made: int, seed: int) -> End:
    """One promotion to its end."""
    now = [START_MS]
    async with Gonogo(settings_of(folder), clock=lambda: now[0]) as app:
        rng = np.random.default_rng((seed, len(world.name)))
        life = Life(app, now, world, rng, RouteReader(folder / "gonogo.db.routes.json"), made)
        plan = cast("FallbackPlan", await app.promote(NAME, "v2", shadow=world.shadow))
        await app.trigger_fallback(NAME, plan_id=plan.plan_id, confirm=True)
        stage, status = 0, "running"
        while status == "running" and now[0] < START_MS + DAYS_MAX * DAY_MS:
            await life.hour()
            for seen in await app.carry_promotions_on():
                if seen.move in ("advance", "back"):
                    report = cast("PromotionReport", await app.promote(NAME))
                    status = report.promotion.status
                    stage = max(stage, report.promotion.stage - 1)
        days = (now[0] - START_MS) / DAY_MS
        return End(status == "done", status == "back", stage, days, life.harm)


async def split(folder: Path, made: int, seed: int) -> tuple[bool, bool, float | None]:
    """An A/B of equal versions, asked each day for 16 days: ever missed, ever sent back, its width then.

    The width is beside that of an interval for a fixed time, at about 2,000 outcomes a side.
    """
    now = [START_MS]
    async with Gonogo(settings_of(folder), clock=lambda: now[0]) as app:
        routes = RouteReader(folder / "gonogo.db.routes.json")
        life = Life(app, now, WORLDS[0], np.random.default_rng((seed, 99)), routes, made)
        plan = cast("FallbackPlan", await app.promote(NAME, "v2", share=0.5, at_once=True))
        await app.approve(plan.plan_id, "an A/B split")
        missed, back, width = False, False, None
        for _day in range(16):
            for _hour in range(24):
                await life.hour()
                back |= any(seen.move == "back" for seen in await app.carry_promotions_on())
            report = cast("PromotionReport", await app.promote(NAME))
            if report.interval95 is None or back:
                continue
            low, high = report.interval95
            missed |= not low <= 0 <= high
            quality = report.metrics[0]
            if width is None and quality.n_candidate >= 2000:
                ends = (
                    (quality.bad_current, quality.n_current),
                    (
                        quality.bad_candidate,
                        quality.n_candidate,
                    ),
                )
                error = math.sqrt(sum(p * (1 - p) / n for p, n in ends))
                width = (high - low) / (2 * 1.96 * error)
        return missed, back, width


def main() -> None:
    """Print a row a world, beside what is asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=20)
    arguments.add_argument("--only", default=None, help="one world's name, or `split`")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        base = Path(place) / "base"
        base.mkdir()
        made = asyncio.run(history(base))
        print(f"{chosen.runs} runs a row, seed {chosen.seed}")
        print("candidate      promoted   back  days   25 %  100 %  bad calls (p95)  asked")

        def fresh() -> Path:
            folder = Path(tempfile.mkdtemp(dir=place))
            shutil.copytree(base, folder, dirs_exist_ok=True)
            return folder

        for world in WORLDS:
            if chosen.only not in (None, world.name):
                continue
            began, ends = time.monotonic(), []
            for run in range(chosen.runs):
                folder = fresh()
                ends.append(asyncio.run(lived(folder, world, made, chosen.seed * 10_000 + run)))
                shutil.rmtree(folder)
            harm = np.array([end.harm for end in ends])
            print(
                f"{world.name:14}{np.mean([e.promoted for e in ends]):9.4f}{np.mean([e.back for e in ends]):7.3f}"
                f"{np.median([e.days for e in ends]):6.1f}{np.mean([e.stage >= 2 for e in ends]):7.3f}"
                f"{np.mean([e.stage >= 4 for e in ends]):7.4f}{harm.mean():9.1f} "
                f"({np.quantile(harm, 0.95):.0f})   {world.asked}   [{time.monotonic() - began:.0f} s]",
                flush=True,
            )
        if chosen.only in (None, "split"):
            told = []
            for run in range(chosen.runs):
                folder = fresh()
                told.append(asyncio.run(split(folder, made, chosen.seed * 10_000 + run)))
                shutil.rmtree(folder)
            widths = [width for _, _, width in told if width is not None]
            print(
                f"A/B of equal versions: ever missed {np.mean([m for m, _, _ in told]):.3f} (asked <= .05), "
                f"ever sent back {np.mean([b for _, b, _ in told]):.3f}; width {np.median(widths):.2f} x that of a "
                "fixed time at 2,000 a side (asked <= 1.6)"
            )


if __name__ == "__main__":
    main()
