"""A store with simulated history, and the application over it at a moment of our choosing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import engines
from gonogo.app import Gonogo
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import DependencySettings, Settings
from telemetry_worlds import unlabelled

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
START_MS = round(START.timestamp() * 1000)


@dataclass
class World:
    """An application whose clock stands where a test puts it."""

    app: Gonogo
    now_ms: int = START_MS
    seen: list[Observation] = field(default_factory=list)

    async def record(self, observations: Iterable[Observation]) -> None:
        """Store observations, and let the clock follow the newest of them."""
        batch = list(observations)
        stores = await self.app.stores()
        await stores.telemetry.record(batch, batch[-1].ts_ms)
        self.seen += batch
        self.now_ms = max(self.now_ms, *(o.ts_ms for o in batch))


@asynccontextmanager
async def open_world(folder: Path, **own: DependencySettings) -> AsyncIterator[World]:
    """An application over a new store; keyword arguments configure dependencies."""
    settings = Settings(store=engines.store_of(folder), dependencies=own)
    app = Gonogo(settings, clock=lambda: world.now_ms)
    world = World(app)
    async with app:
        yield world


def labelled_where(made: Iterable[Observation], kept: Iterable[bool]) -> list[Observation]:
    """The same calls, with an outcome where it is kept."""
    pairs = zip(made, kept, strict=True)
    return [call if keep else unlabelled(call) for call, keep in pairs]


def calls(
    name: str,
    days: int,
    bad_rate: float | np.ndarray,
    *,
    first_day: int = 0,
    a_day: int = 240,
    seed: int = 1,
    segments: dict[str, str] | None = None,
    version: str | None = None,
) -> list[Observation]:
    """Simulated calls, evenly spread over each day, wrong at a rate (one, or one a day)."""
    rng = np.random.default_rng(seed)
    rates = np.broadcast_to(np.asarray(bad_rate, dtype=float), (days,))
    wrong = rng.random((days, a_day)) < rates[:, None]
    step = DAY_MS // a_day
    return [
        Observation(
            dependency=name,
            ts_ms=(ts_ms := START_MS + (first_day + day) * DAY_MS + call * step),
            outcome=0.0 if wrong[day, call] else 1.0,
            outcome_ts_ms=ts_ms,
            segments=segments or {},
            version=version,
        )
        for day in range(days)
        for call in range(a_day)
    ]


def hour_of(text: str) -> int:
    """An answer's time as hours since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000) // HOUR_MS
