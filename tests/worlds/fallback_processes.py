"""Processes that race for one plan, or are killed in the middle of one; prints what became of it.

Run as a program, so that it forks before any thread is started:
`fallback_processes.py races|kills FOLDER N`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import anyio

from fallback_world import DAY, MINUTE, World, world
from forks import exit_of, forked
from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.ports.actuators import Actuator
from gonogo.ports.incidents import Incidents
from gonogo.ports.routes import Routes


class KilledAt:
    """Stands before a port and kills its own process ahead of the n-th call through any of them."""

    def __init__(self, inner: object, calls_left: list[int]) -> None:
        self._inner = inner
        self._calls_left = calls_left

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if not callable(found) or name in ("effect", "new_id"):
            return found
        call = cast("Callable[..., Awaitable[object]]", found)

        async def counted(*args: object, **kwargs: object) -> object:
            self._count()
            answer = await call(*args, **kwargs)
            self._count()
            return answer

        return counted

    def _count(self) -> None:
        self._calls_left[0] -= 1
        if self._calls_left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _mortal(w: World, calls: int) -> list[int]:
    left = [calls]
    actuators = {
        name: cast("Actuator", KilledAt(actuator, left))
        for name, actuator in w.ports.actuators.items()
    }
    w.ports = replace(
        w.ports,
        routes=cast("Routes", KilledAt(w.ports.routes, left)),
        incidents=cast("Incidents", KilledAt(w.ports.incidents, left)),
        actuators=actuators,
    )
    return left


async def _planned(folder: Path) -> None:
    async with world(folder) as w:
        plan = await w.plan()
        look = VerdictReading("m", "no_go", "bad", w.now_ms, e_value=500.0, needed=100.0)
        await note_verdict(w.incidents, look, new_id=w.ports.new_id)
        (folder / "plan").write_text(plan.plan_id)


async def _race(folder: Path, number: int, rounds: int, pipes: tuple[int, int]) -> None:
    """One of two racers: they plan in turn, carry out the same plan at once, and take it back.

    They speak by the line: one that runs ahead may say its next word before the last is read.
    """
    results = []
    async with world(folder) as w:
        with os.fdopen(pipes[0]) as told, os.fdopen(pipes[1], "w", buffering=1) as tell:
            for turn in range(rounds):
                w.now_ms += 2 * DAY
                if turn % 2 == number:
                    assert told.readline() == "ready\n"
                    plan_id = (await w.plan(to=("v2", "rules:basic")[turn % 2])).plan_id
                    tell.write(f"{plan_id}\n")
                else:
                    tell.write("ready\n")
                    plan_id = told.readline().strip()
                result = await w.apply(plan_id)
                assert isinstance(result, FallbackResult)
                back = await w.undo(result.audit_id)
                assert isinstance(back, FallbackResult)
                results += [[r.audit_id, r.route_epoch, bool(r.replayed)] for r in (result, back)]
    (folder / f"results-{number}").write_text(json.dumps(results))


def races(folder: Path, n: int) -> dict[str, int]:
    """Two processes carry out one action at the same moment, n times (n even) over one store."""
    there, back = os.pipe(), os.pipe()
    children = [
        forked(lambda: _race(folder, 0, n // 2, (there[0], back[1]))),
        forked(lambda: _race(folder, 1, n // 2, (back[0], there[1]))),
    ]
    assert [exit_of(child) for child in children] == [0, 0]
    first, second = (json.loads((folder / f"results-{p}").read_text()) for p in (0, 1))
    assert exit_of(forked(lambda: _report(folder, folder / "report"))) == 0
    seen = json.loads((folder / "report").read_text())
    pairs = list(zip(first, second, strict=True))
    return {
        "races": n,
        "double": sum(a[2] + b[2] != 1 for a, b in pairs) + abs(seen["switches"] - n),
        "lost": sum(a[:2] != b[:2] for a, b in pairs) + abs(seen["file_epoch"] - n),
        "unaudited": abs(seen["actions"] - 2 * n) + (seen["broken_at"] is not None),
        "first_won": sum(b[2] for b in second),
    }


async def _report(folder: Path, report: Path) -> None:
    async with world(folder) as w:
        route = await w.routes.route("m")
        observed = await w.ports.actuators["routes"].read("m")
        chain = await w.decisions.verify()
        listed = await w.incidents.incidents()
        seen = {
            "epoch": route.epoch if route else 0,
            "switches": len(await w.routes.switches("m", since_ms=0)),
            "actions": len([e for e in await w.actions() if e.kind == "trigger_fallback"]),
            "file_epoch": observed.epoch,
            "begun": len(await w.routes.begun()),
            "broken_at": chain.broken_at,
            "incident": listed[0][0].status if listed else None,
        }
        await anyio.Path(report).write_text(json.dumps(seen))


async def _doomed(folder: Path, calls: int) -> None:
    async with world(folder) as w:
        left = _mortal(w, calls)
        result = await w.apply((folder / "plan").read_text())
        assert isinstance(result, FallbackResult)
        (folder / "survived").write_text(str(left[0]))


async def _repaired(folder: Path) -> None:
    async with world(folder) as w:
        w.now_ms += MINUTE  # the dead process is no longer waited for
        await w.reconciled()
        result = await w.apply((folder / "plan").read_text())
        assert not isinstance(result, FallbackPlan)


def kills(folder: Path, n: int) -> dict[str, int]:
    """Kill the applying process ahead of and behind each of its calls in turn, n times in all."""
    found = {"kills": 0, "whole": 0, "reached": 0, "points": 0}
    calls, number = 1, 0
    while found["kills"] < n:
        own = folder / f"kill-{number}"
        own.mkdir()
        assert exit_of(forked(partial(_planned, own))) == 0
        code = exit_of(forked(partial(_doomed, own, calls)))
        if code == 0:  # it had fewer calls than that: begin again with the first
            found["points"] = max(found["points"], calls - 1)
            calls, number = 1, number + 1
            continue
        assert code == -signal.SIGKILL
        found["kills"] += 1
        assert exit_of(forked(partial(_repaired, own))) == 0
        assert exit_of(forked(partial(_report, own, own / "report"))) == 0
        seen = json.loads((own / "report").read_text())
        found["whole"] += seen["broken_at"] is None and seen["actions"] == 2
        found["reached"] += (
            (seen["epoch"], seen["file_epoch"], seen["switches"], seen["begun"]) == (1, 1, 1, 0)
        ) and seen["incident"] == "mitigated"
        calls, number = calls + 1, number + 1
    return found


if __name__ == "__main__":
    WHAT = {"races": races, "kills": kills}[sys.argv[1]]
    print(json.dumps(WHAT(Path(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201 - its output
