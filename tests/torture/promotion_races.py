"""Two processes that look at the same due step of a promotion at the same moment; prints what came of it.

Run as a program, so that it forks before any thread is started: `promotion_races.py FOLDER N SEED`.
Each race is over a store of its own, a copy of one in which the step is due.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import partial
from pathlib import Path

import anyio

import engines
from forks import exit_of, forked
from gonogo.app import Gonogo
from promotion_world import lives, settings_of

# What comes due: a stage more, or the way back.
STEPS = ("advance", "back")


async def due(folder: Path, step: str) -> None:
    """A store in which a step is due."""
    async with lives(folder) as m:
        await m.begun()
        await m.live(7, v2=12, bad_every=40 if step == "advance" else 2)
        (folder / "now").write_text(str(m.now[0]))


def opened(folder: Path, actor: str) -> Gonogo:
    """One store, as a process of its own opens it."""
    now_ms = int((folder / "now").read_text())
    return Gonogo(settings_of(folder), clock=lambda: now_ms, actor=actor)


async def race(folders: list[Path], name: str, pipes: tuple[int, int]) -> None:
    """One of two racers: in every store both look as soon as both have opened it."""
    told, tell = pipes
    for folder in folders:
        async with opened(folder, name) as app:
            await app.stores()
            os.write(tell, b"+")
            assert os.read(told, 1) == b"+"  # the other one is ready
            seen = await app.carry_promotions_on()
            (folder / f"seen-{name}").write_text(seen[0].move if seen else "none")


async def count(folders: list[Path], report: Path) -> None:
    """What stands in the stores after both have looked, and looked again."""
    found = dict.fromkeys(("switched", "lost", "double", "broken", "met"), 0)
    for at, folder in enumerate(folders):
        step = STEPS[at % 2]
        async with opened(folder, "after") as app:
            stores = await app.stores()
            route = await stores.routes.route("m")
            assert route is not None
            assert route.promotion is not None
            stage = route.promotion.stage if route.promotion.is_running else None
            found["lost"] += stage != (1 if step == "advance" else None)
            switches = await stores.routes.switches("m", since_ms=0)
            found["switched"] += len(switches) == route.epoch == 2  # the beginning, and this step
            found["double"] += max(0, len(switches) - 2)
            entries = await app.decisions(kind="promote", limit=50)
            chain = await app.verify_audit()
            begun = await stores.routes.begun()
            whole = chain.broken_at is None and not begun and len(entries) == 4
            found["broken"] += not whole
            seen = [(folder / f"seen-{name}").read_text() for name in ("a", "b")]
            found["met"] += seen == [step, step]  # both saw it due
    await anyio.Path(report).write_text(json.dumps(found))


def races(folder: Path, n: int) -> dict[str, int]:
    """Let two processes look at n due steps."""
    for step in STEPS:
        (folder / step).mkdir()
    made = [forked(partial(due, folder / step, step)) for step in STEPS]
    assert [exit_of(child) for child in made] == [0, 0]
    folders = [folder / f"race-{at}" for at in range(n)]
    for at, copy in enumerate(folders):
        shutil.copytree(folder / STEPS[at % 2], copy)
    there, back = os.pipe(), os.pipe()
    children = [
        forked(partial(race, folders, "a", (there[0], back[1]))),
        forked(partial(race, folders, "b", (back[0], there[1]))),
    ]
    assert [exit_of(child) for child in children] == [0, 0]
    assert exit_of(forked(partial(count, folders, folder / "report"))) == 0
    found: dict[str, int] = json.loads((folder / "report").read_text())
    return {"races": n, **found}


if __name__ == "__main__":
    engines.ADDRESS = None  # what is copied is a file
    print(json.dumps(races(Path(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201 - its output
