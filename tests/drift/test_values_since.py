"""A value that moves after months of health: the answer is of what it is now, and since when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, calls, hour_of, open_world
from gonogo.records import DAY_MS, HOUR_MS, Observation

pytestmark = pytest.mark.anyio

HEALTHY = 50
Metric = Callable[[Observation, np.random.Generator, float], Observation]


def _latency(call: Observation, rng: np.random.Generator, times: float) -> Observation:
    return replace(call, latency_ms=float(300 * times * rng.lognormal(0, 0.5)))


def _price(call: Observation, _: np.random.Generator, times: float) -> Observation:
    return replace(call, cost_micro_usd=round(400 * times))


def _repaired(call: Observation, rng: np.random.Generator, times: float) -> Observation:
    return replace(call, metrics={"repairs": float(rng.poisson(0.8 * times))})


def _mostly_none(call: Observation, rng: np.random.Generator, times: float) -> Observation:
    paid = float(rng.random() < 0.2 * times)
    return replace(call, metrics={"refund": paid * float(rng.lognormal(2, 0.3))})


@pytest.mark.parametrize(
    ("name", "metric", "usual"),
    [
        ("latency_ms", _latency, 300 * np.exp(0.125)),
        ("cost_usd", _price, 0.0004),
        ("metrics.repairs", _repaired, 0.8),
        ("metrics.refund", _mostly_none, 0.2 * np.exp(2 + 0.045)),
    ],
)
async def test_a_value_that_doubles_is_told_as_it_is_now(
    tmp_path: Path, name: str, metric: Metric, usual: float
) -> None:
    """Not as the mean of two good months and ten bad days; the interval holds the truth."""

    def recorded(days: int, times: float, *, first_day: int, seed: int) -> list[Observation]:
        rng = np.random.default_rng(seed)
        plain = calls("m", days, 0.05, first_day=first_day, a_day=96, seed=seed)
        return [metric(call, rng, times) for call in plain]

    async with open_world(tmp_path) as world:
        await world.record(recorded(HEALTHY, 1, first_day=0, seed=1))
        before = await world.app.check_model_drift("m", metric=name)
        await world.record(recorded(10, 2, first_day=HEALTHY, seed=2))
        report = await world.app.check_model_drift("m", metric=name)
    assert (before.status, before.onset, report.status) == ("stable", None, "shifted")
    assert report.onset is not None
    changed = (START_MS + HEALTHY * DAY_MS) // HOUR_MS
    assert hour_of(report.onset.earliest) <= changed <= hour_of(report.onset.latest)
    assert abs(hour_of(report.onset.ts) - changed) <= 12
    now, change = report.current, report.change
    assert now is not None
    assert now.mean is not None
    assert now.interval95 is not None
    assert now.since == "onset"
    assert now.mean == pytest.approx(2 * usual, rel=0.25)
    assert now.interval95[0] <= 2 * usual * 1.0001
    assert now.interval95[1] >= 2 * usual * 0.9999
    assert change is not None
    assert change.interval95 is not None
    assert change.interval95[0] <= usual * 1.0001
    assert change.interval95[1] >= usual * 0.9999
    assert "since about" in report.summary


async def test_a_spread_that_bins_do_not_tell_is_in_the_interval(tmp_path: Path) -> None:
    """Whole milliseconds, 100 to 102, lie in one bin: of twelve that do not change, nearly all intervals hold 0."""
    rng = np.random.default_rng(11)
    async with open_world(tmp_path) as world:
        names = [f"m{i}" for i in range(12)]
        for name in names:
            seen = calls(name, 14, 0.05, a_day=96, seed=3)
            times = rng.integers(100, 103, len(seen)).tolist()
            await world.record(replace(o, latency_ms=ms) for o, ms in zip(seen, times, strict=True))
        found = [await world.app.check_model_drift(name, metric="latency_ms") for name in names]
    intervals = [c.interval95 for each in found if (c := each.change) and c.interval95]
    assert len(intervals) == len(names)
    assert all(high - low > 0.1 for low, high in intervals)  # its standard error is .05
    assert sum(low <= 0 <= high for low, high in intervals) >= 10
