"""How often the whole product cries wolf: lives of healthy dependencies, asked once a day.

    python benchmarks/whole.py [--dependencies N] [--days D] [--life NAME]... [--processes P] [--why]

Each dependency lives in a SQLite store of its own, and its calls are recorded as they come, on a
clock that the benchmark turns. Once a day, at an hour that is drawn anew each day, drift and trust
are asked through `Gonogo` as a user asks. A day is blocked where either answers `no_go`, a caution
day where the worse of the two is `caution`; `unknown` days begin with those in which a baseline is
learned. "covers": share of days on which trust's 90 % interval holds the true chance that a call
of that hour is good, from the tenth day on. Figures that miss what is asked are marked with `*`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import anyio
import numpy as np
from lives import LIVES, NAME, START_MS, Life, Lived

from gonogo.answers import DriftReport, TrustReport
from gonogo.app import Gonogo
from gonogo.records import DAY_MS, HOUR_MS, Verdict, worst_verdict
from gonogo.settings import Settings

SETTLED_DAY = 10
BATCH_MAX = 1000


@dataclass
class Days:
    """What one dependency was told, day by day."""

    drift: list[Verdict] = field(default_factory=list)
    trust: list[Verdict] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)

    def worst(self) -> list[Verdict]:
        """The worse of the two on each day."""
        return [worst_verdict([d, t]) for d, t in zip(self.drift, self.trust, strict=True)]

    def told(self, day: int, chance: float, drift: DriftReport, trust: TrustReport) -> None:
        """Add one day's answers."""
        self.drift.append(drift.verdict)
        self.trust.append(trust.verdict)
        if drift.verdict != "go":
            slice_ = "".join(f" at {s}" for s in [_slice_of(drift)] if s)
            self.why[f"drift {drift.verdict}: {drift.metric}{slice_} {drift.status}"] += 1
        if trust.verdict != "go":
            self.why[f"trust {trust.verdict}: {trust.summary.split(': ')[-1][:90]}"] += 1
        if day >= SETTLED_DAY and trust.interval90 is not None:
            low, high = trust.interval90
            self.covered.append(low <= 100 * chance <= high)


def _slice_of(report: DriftReport) -> str | None:
    """The slice that the summary is about, where it is about one."""
    found = [s.segment for s in report.segments or [] if f" at {s.segment} " in report.summary]
    return found[0] if found else None


async def _live(life: Life, one: Lived, asked_ms: list[int], store: Path) -> Days:
    now_ms, days, at = START_MS, Days(), 0
    settings = Settings(store=str(store), dependencies={NAME: life.own})
    async with Gonogo(settings, clock=lambda: now_ms) as app:
        telemetry = (await app.stores()).telemetry
        for day, ask_ms in enumerate(asked_ms):
            while at < len(one.arrivals) and one.arrivals[at][0] < ask_ms:
                batch = one.arrivals[at : at + BATCH_MAX]
                came = [call for came_ms, call in batch if came_ms < ask_ms]
                now_ms = batch[len(came) - 1][0]
                await telemetry.record(came, now_ms)
                at += len(came)
            if at == 0:
                continue
            now_ms = ask_ms
            drift = await app.check_model_drift(NAME)
            trust = await app.get_trust_score_health(NAME)
            days.told(day, float(one.chance[(ask_ms - START_MS) // HOUR_MS]), drift, trust)
    return days


def lived(task: tuple[int, int], days: int) -> Days:
    """One dependency of one life, from its seed."""
    life, seed = LIVES[task[0]], task[1]
    rng = np.random.default_rng((zlib.crc32(life.name.encode()), seed))
    one = life.make(rng, days)
    asked_ms = [START_MS + d * DAY_MS + int(rng.integers(24)) * HOUR_MS for d in range(days)]
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_live, life, one, asked_ms, Path(folder) / "gonogo.db")


HEADER = (
    f"{'':26}{'any no_go, share':>22}{'days a dependency':>34}\n"
    f"{'':26}{'drift':>7}{'trust':>7}{'either':>8}{'blocked':>11}{'caution':>11}{'unknown':>11}"
    f"{'covers':>9}   asked"
)


def line(life: Life, found: list[Days]) -> str:
    """A row of the table."""
    drift = float(np.mean(["no_go" in days.drift for days in found]))
    trust = float(np.mean(["no_go" in days.trust for days in found]))
    worst = [days.worst() for days in found]
    either = float(np.mean(["no_go" in days for days in worst]))
    blocked, caution, unknown = (
        float(np.mean([days.count(verdict) for days in worst]))
        for verdict in ("no_go", "caution", "unknown")
    )
    covered = [hit for days in found for hit in days.covered]
    covers = f"{np.mean(covered):.2f}" if covered else ""
    reached = {"no_go": either, "blocked": blocked, "caution": caution}
    mark = {name: "*" if reached[name] > most else " " for name, most in life.asked.items()}
    asked = ", ".join(f"{name} <= {most:g}" for name, most in life.asked.items())
    return (
        f"{life.name:26}{drift:7.2f}{trust:7.2f}{either:7.2f}{mark.get('no_go', ' ')}"
        f"{blocked:10.2f}{mark.get('blocked', ' ')}{caution:10.2f}{mark.get('caution', ' ')}"
        f"{unknown:11.2f}{covers:>9}   {asked}"
    )


def chosen(names: list[str]) -> list[int]:
    """The lives whose names contain one of these words; all of them where none is given."""
    found = [
        index
        for index, life in enumerate(LIVES)
        if not names or any(name.lower() in life.name.lower() for name in names)
    ]
    if not found:
        known = ", ".join(repr(life.name) for life in LIVES)
        sys.exit(f"No life is called {' or '.join(names)}. Known: {known}.")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dependencies", type=int, default=24, help="of each life")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--life", action="append", default=[], help="part of a life's name")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--why", action="store_true", help="what decided the days that are no go")
    given = parser.parse_args()
    lives, began = chosen(given.life), time.monotonic()
    print(f"{given.dependencies} dependencies a life, {given.days} days, asked daily\n{HEADER}")
    tasks = [(life, seed) for life in lives for seed in range(given.dependencies)]
    with ProcessPoolExecutor(given.processes) as pool:
        told = pool.map(partial(lived, days=given.days), tasks)
        for index, group in groupby(zip(tasks, told, strict=True), key=lambda pair: pair[0][0]):
            found = [days for _, days in group]
            print(line(LIVES[index], found), flush=True)
            if given.why:
                every = sum((days.why for days in found), Counter[str]())
                for why, times in every.most_common(8):
                    print(f"    {times / len(found):7.2f} days  {why}", flush=True)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
