"""Fallbacks: how soon they take effect, whom they move, and what races and kills leave behind.

Prints each figure beside what is asked of it. `--quick` makes a hundredth of the races and kills.
That no request sees an empty pool is shown on a real HAProxy: `make peers` (test_haproxy.py).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from functools import partial
from pathlib import Path

import anyio

TESTS = Path(__file__).resolve().parent.parent / "tests" / "worlds"
sys.path.insert(0, str(TESTS))

from fallback_world import DAY, world  # noqa: E402 - lies beside the tests that share it
from flap_world import NAIVE_BAR, Flapping, sixty_days  # noqa: E402 - the same
from gonogo.ports.routes import WHOLE, Route, Weight  # noqa: E402 - the same
from gonogo.routes.flag_file import with_route  # noqa: E402 - the same
from gonogo.routes.split import key_place, pick  # noqa: E402 - the same
from gonogo.routing import route  # noqa: E402 - the same

KEYS = [f"user-{number}" for number in range(10_000)]
SHARES = (0.01, 0.05, 0.25, 0.5, 1.0)
SWITCHES = 200
# Where evidence for "as before" and for "still ill" balance: nothing is harder not to flap at.
BALANCE = 0.917


def renamed_ns(file: Path) -> int:
    """When the file took its place: a rename sets ctime, to the kernel's tick of 4 ms or less."""
    return file.stat().st_ctime_ns


async def effect_ms(folder: Path) -> list[float]:
    """From the call that applies to the new file in its place."""
    file, seen = folder / "routes.json", []
    async with world(folder) as w:
        for number in range(SWITCHES):
            w.now_ms += 2 * DAY
            plan = await w.plan(to=("v2", "rules:basic")[number % 2])
            started = time.time_ns()
            await w.apply(plan.plan_id)
            seen.append((renamed_ns(file) - started) / 1e6)
    return seen


def fsync_ms(folder: Path) -> float:
    """The floor: one write, fsync and rename of the same size on this disk."""
    times = []
    for _ in range(SWITCHES):
        started = time.perf_counter()
        with (folder / "floor.tmp").open("wb") as out:
            out.write(b"x" * 900)
            out.flush()
            os.fsync(out.fileno())
        (folder / "floor.tmp").replace(folder / "floor")
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def split() -> tuple[float, int]:
    """The worst error of a share in points, and how many keys moved back while it grew."""
    worst, moved_back = 0.0, 0
    away: set[str] = set()
    for share in SHARES:
        part = round(share * WHOLE)
        targets = (Weight("m", WHOLE - part), Weight("v2", part))
        now = {key for key in KEYS if pick(targets, key_place("m/1/", key)).target == "v2"}
        worst = max(worst, abs(100 * len(now) / len(KEYS) - 100 * share))
        moved_back += len(away - now)
        away = now
    return worst, moved_back


def processes(what: str, n: int) -> dict[str, int]:
    """Real processes, in a program that forks before it starts a thread."""
    with tempfile.TemporaryDirectory() as folder:
        program = TESTS / "fallback_processes.py"
        done = subprocess.run(
            [sys.executable, program, what, folder, str(n)],
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, int] = json.loads(done.stdout)
    return found


def flapping(accuracy: float, calls_a_day: int, seeds: int) -> list[Flapping]:
    """Sixty days at one accuracy, the whole product, a seed each."""
    found = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = partial(sixty_days, Path(folder), accuracy=accuracy, calls_a_day=calls_a_day)
            found.append(anyio.run(partial(run, seed=seed)))
    return found


def lookup_us(folder: Path) -> tuple[float, float]:
    """CPU time of one `gonogo.route(name, key)`, and of the stat that it cannot do without."""
    file = folder / "looked-up.json"
    wanted = Route("m", (Weight("m", 100), Weight("v2", 9_900)), epoch=1, salt="m/1/")
    file.write_text(json.dumps(with_route({}, wanted)))
    os.environ["GONOGO_ROUTES"] = str(file)
    timers = [
        timeit.Timer(lambda: route("m", "user-12345"), timer=time.process_time),
        timeit.Timer(lambda: os.stat(file), timer=time.process_time),  # noqa: PTH116 - as it does
    ]
    rounds = [[timer.timeit(2_000) / 2_000 * 1e6 for timer in timers] for _ in range(15)]
    return min(own for own, _ in rounds), min(floor for _, floor in rounds)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    n = 100 if quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        effects = sorted(anyio.run(effect_ms, folder))
        floor = fsync_ms(folder)
        own_us, stat_us = lookup_us(folder)
    print(
        f"apply to effect in the route file: p50 {statistics.median(effects):.1f} ms, "
        f"p99 {effects[int(0.99 * len(effects))]:.1f} ms (asked: 50; one fsync here: {floor:.1f})"
    )
    print(f"gonogo.route(name, key): {own_us:.1f} us (asked: some; one stat here: {stat_us:.1f})")
    worst, moved_back = split()
    print(
        f"share over {len(KEYS):,} keys: at most {worst:.2f} points off (asked: 2); "
        f"{moved_back} moved back while it grew (asked: 0)"
    )
    raced = processes("races", 1_000 // n)
    print(
        f"{raced['races']:,} two-process races: {raced['double']} double applies, "
        f"{raced['lost']} lost updates, {raced['unaudited']} unaudited (asked: 0, 0, 0)"
    )
    killed = processes("kills", max(200 // n, 2))
    print(
        f"{killed['kills']} kills between two steps of apply ({killed['points']} places): "
        f"{killed['reached']} reached the route afterwards, {killed['whole']} audits whole "
        f"(asked: all)"
    )

    for what, accuracy in (("bar", NAIVE_BAR), ("point between well and ill", BALANCE)):
        for calls_a_day in (48, 204, 1_008):
            runs = flapping(accuracy, calls_a_day, 1 if quick else 5)
            print(
                f"60 days with accuracy at the {what} ({accuracy}), {calls_a_day} calls a day: at most "
                f"{max(run.switches for run in runs)} switches (asked: 2), a daily bar at {NAIVE_BAR} "
                f"makes {statistics.mean(run.naive for run in runs):.0f}"
            )


if __name__ == "__main__":
    main()
