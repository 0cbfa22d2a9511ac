"""Outcomes that come a day late, failures first, asked daily through a real store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gonogo.app import Gonogo
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import DependencySettings, Settings

pytestmark = pytest.mark.anyio

START_MS, A_DAY, DAYS, ASKED_FROM = 1_767_225_600_000, 100, 48, 20
# One false alarm of the outcomes' share of the budget in 200 days, as in benchmarks/.
OWN = DependencySettings("m", false_alarms_per_year=365.25 / 200 / 0.3)


def day_of_calls(rng: np.random.Generator, day: int) -> list[Observation]:
    """Calls with the outcomes they will have, and when."""
    wrong = rng.random(A_DAY) < 0.06
    return [
        Observation(
            dependency="m",
            id=f"{day}-{at}",
            ts_ms=(ts_ms := START_MS + day * DAY_MS + at * DAY_MS // A_DAY),
            outcome=float(not wrong[at]),
            outcome_ts_ms=ts_ms if wrong[at] else ts_ms + DAY_MS - HOUR_MS,
        )
        for at in range(A_DAY)
    ]


async def test_failures_that_come_first_are_no_alarm(tmp_path: Path) -> None:
    """Twenty-eight daily answers of two healthy stores; read at once, every one would alarm."""
    alarms = 0
    for stream in range(2):
        rng, now_ms = np.random.default_rng((51, stream)), START_MS
        settings = Settings(store=str(tmp_path / f"{stream}.db"), dependencies={"m": OWN})
        async with Gonogo(settings, clock=lambda: now_ms) as app:  # noqa: B023 - asked in this turn
            telemetry, verdicts = (await app.stores()).telemetry, set()
            late: list[Observation] = []
            for day in range(DAYS):
                calls, now_ms = day_of_calls(rng, day), START_MS + (day + 1) * DAY_MS - 1
                waiting = [call for call in calls if call.outcome]
                known = [replace(call, outcome=None, outcome_ts_ms=None) for call in waiting]
                failed = [call for call in calls if not call.outcome]
                await telemetry.record([*known, *failed, *late], now_ms)
                late = waiting
                if day >= ASKED_FROM:
                    report = await app.check_model_drift("m", metric="outcome")
                    assert report.immature is not None
                    verdicts.add(report.status)
            alarms += bool(verdicts & {"degraded", "improved"})
    assert alarms <= 1  # .20 of 2 and two standard errors
