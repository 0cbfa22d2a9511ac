"""Six weeks of a small shop's history, for an agent that has to decide about it."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.settings import BudgetSettings, DependencySettings, Settings, WorkloadSettings

NOW_MS = 1_780_315_200_000  # 2026-06-01T12:00:00Z
DAY_MS = 86_400_000
DAYS = 42
BATCH = 1_000

Row = dict[str, object]
_MADE: list[TemporaryDirectory[str]] = []


def settings(folder: Path) -> Settings:
    """A ladder, three budgets and four workloads."""
    return Settings(
        store=str(folder / "gonogo.db"),
        dependencies={
            "sentiment-v3": DependencySettings(
                "sentiment-v3", kind="model", fallback=("sentiment-v2", "rules:keywords")
            ),
            "vision-api": DependencySettings("vision-api", kind="api", fallback=("refuse",)),
        },
        budgets={
            "nightly": BudgetSettings("nightly", 60_000_000, dependencies=("ticket-search",)),
            "tight": BudgetSettings("tight", 50_000, dependencies=("sentiment-v3",)),
            "unused": BudgetSettings("unused", 10_000_000),
        },
        workloads={
            "triage": WorkloadSettings("triage", {"sentiment-v3": 400, "ticket-search": 400}),
            "search": WorkloadSettings("search", {"ticket-search": 200}, budget="nightly"),
            "images": WorkloadSettings("images", {"vision-api": 50}),
            "trial": WorkloadSettings("trial", {"new-model": 10}),
        },
    )


def calls(
    name: str, a_day: int, rate: Callable[[float], float], *, ended_days_ago: float = 0.0
) -> Iterator[Row]:
    """Calls of one dependency; `rate` is the chance of a good outcome so many days ago."""
    dice = random.Random(name)  # noqa: S311 - a simulation
    for i in range(DAYS * a_day):
        days_ago = DAYS - i / a_day
        if days_ago < ended_days_ago:
            return
        when = rfc3339(NOW_MS - math.ceil(days_ago * DAY_MS))
        good = dice.random() < rate(days_ago)
        yield {
            "dependency": name,
            "id": f"{name}-{i}",
            "ts": when,
            "outcome": good,
            "outcome_ts": when,
            "latency_ms": round(400 * dice.lognormvariate(0, 0.3)),
            "cost_usd": round(0.002 * dice.lognormvariate(0, 0.4), 6),
            "version": "1",
        }


def failing(name: str, a_day: int, *, since_days: float) -> Iterator[Row]:
    """Calls that came back, until half of them no longer do."""
    dice = random.Random(name)  # noqa: S311 - a simulation
    for row in calls(name, a_day, lambda _: 1.0):
        late = str(row["ts"]) >= rfc3339(NOW_MS - int(since_days * DAY_MS))
        broken = {"error": "http_503", "outcome": None} if late and dice.random() < 0.5 else {}
        yield row | broken


async def lived_in(folder: Path) -> Gonogo:
    """An agent's application with that history, at noon of the last day; others recorded it.

    A process makes the history once, and each test has a copy.
    """
    if not _MADE:
        _MADE.append(TemporaryDirectory(prefix="gonogo-shop-"))
        await _record(Path(_MADE[0].name))
    shutil.copytree(_MADE[0].name, folder, dirs_exist_ok=True)
    return Gonogo(settings(folder), clock=lambda: NOW_MS)


async def _record(folder: Path) -> None:
    rows = [
        *calls("sentiment-v3", 60, lambda ago: 0.94 if ago > 20 else 0.94 - 0.2 * (1 - ago / 20)),
        *calls("sentiment-v2", 40, lambda _: 0.93),
        *calls("ticket-search", 60, lambda _: 0.98),
        *calls("summariser", 30, lambda _: 0.95, ended_days_ago=20),
        *failing("vision-api", 40, since_days=3),
        *list(calls("new-model", 1, lambda _: 1.0))[-4:],
    ]
    async with Gonogo(settings(folder), clock=lambda: NOW_MS, actor="recorder") as traffic:
        for start in range(0, len(rows), BATCH):
            batch: list[Mapping[str, object]] = list(rows[start : start + BATCH])
            stored = await traffic.record_observations(batch)
            assert stored.accepted == len(batch)
