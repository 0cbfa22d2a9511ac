"""What a drill costs: every scenario that its calls have evidence for, with 20 replicates each on 100,000 observations.

`python benchmarks/drill.py [--quick]` prints the table; `--quick` plays two replicates of each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import anyio
import numpy as np

from gonogo.app import Gonogo
from gonogo.cli.drill_command import progress as progress_of
from gonogo.drill.drill_run import DrillRequest, play, playable, prepare
from gonogo.drill.measures import report
from gonogo.drill.scenarios import SCENARIOS
from gonogo.drill.trial import Trial
from gonogo.records import DAY_MS, Observation
from gonogo.settings import DependencySettings, Settings
from gonogo.text.answer_text import as_text

OBSERVATIONS, DAYS = 100_000, 120
PRIMARY_SHARE = 0.85
FIRST_MS = 20_500 * DAY_MS
SECONDS_ASKED = 120.0
BATCH = 5_000


def calls(name: str, n: int, right: float, seed: int) -> list[Observation]:
    """Simulated calls of a steady dependency over the whole time."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.random(n)) * DAYS * DAY_MS + FIRST_MS
    tokens = rng.lognormal(3.7, 0.3, n)
    return [
        Observation(
            name,
            int(at[i]),
            kind="model",
            outcome=float(rng.random() < right),
            outcome_ts_ms=int(at[i]),
            confidence=float(rng.beta(18, 1.3)),
            latency_ms=float(rng.lognormal(5.2, 0.25)),
            cost_micro_usd=int(35 * tokens[i]),
            segments={"channel": ("web", "app", "mail")[int(rng.integers(3))]},
        )
        for i in range(n)
    ]


async def main(replicates: int) -> int:
    """Record the world, drill, print the report and the figure."""
    now_ms = FIRST_MS + DAYS * DAY_MS
    with tempfile.TemporaryDirectory() as folder:
        own = DependencySettings(
            "model",
            fallback=("previous", "rules:basic"),
            fallback_policy="allow",
            recovery_share=0.05,
        )
        settings = Settings(
            store=str(Path(folder) / "gonogo.db"), dependencies=MappingProxyType({"model": own})
        )
        async with Gonogo(settings, clock=lambda: now_ms) as app:
            telemetry = (await app.stores()).telemetry
            primary = round(OBSERVATIONS * PRIMARY_SHARE)
            for name, n, right in (
                ("model", primary, 0.94),
                ("previous", OBSERVATIONS - primary, 0.93),
            ):
                made = calls(name, n, right, seed=n)
                for low in range(0, n, BATCH):
                    await telemetry.record(made[low : low + BATCH], now_ms)
        asked = DrillRequest("model", tuple(SCENARIOS), replicates, seed=1, days=28)
        began, used, workers_s = time.perf_counter(), time.process_time(), 0.0
        ground = await prepare(settings, asked, clock=lambda: now_ms)
        names = playable(ground, asked)
        with progress_of(len(names), replicates) as advance:

            def progress(trial: Trial) -> None:
                nonlocal workers_s
                workers_s = _workers_s()  # they are there until the last trial has come
                advance(trial.scenario)

            trials = await play(ground, asked, progress=progress)
        took_s = time.perf_counter() - began
        used_s = time.process_time() - used + workers_s
    sys.stdout.write(as_text(report(ground, asked, trials, now_ms=now_ms)) + "\n\n")
    scale = 20 / replicates
    cores = min(os.cpu_count() or 1, 8)
    sys.stdout.write(
        f"{len(trials)} replicates on {OBSERVATIONS:,} observations: {took_s:.1f} s on {cores} cores, "
        f"{used_s:.1f} s of processor time\n"
        f"{len(names)} scenarios x 20 replicates: {scale * took_s:.0f} s, asked {SECONDS_ASKED:.0f} s "
        f"({scale * used_s / cores:.0f} s where the cores are free)\n"
    )
    return 0


def _workers_s() -> float:
    """Processor time of the processes that this one started; 0 where /proc does not tell."""
    ticks, mine = 0, str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[1] == mine:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    sys.exit(anyio.run(main, 2 if parser.parse_args().quick else 20))
