"""Metrics that have moved: people are told of each once, on one page, and of its end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.records import DAY_MS, HOUR_MS
from receivers import ROUTING_KEY, pagerduty, receiver

pytestmark = pytest.mark.anyio

NAME = "llama3:8b; rm -rf x"
START = 20_700 * DAY_MS


async def record(app: Gonogo, start_ms: int, days: int, factor: float) -> None:
    """Calls every quarter of an hour: as good as ever, and so much slower."""
    dice = np.random.default_rng([5, days])
    calls = [
        {
            "dependency": NAME,
            "ts": (start_ms + minute * 60_000) / 1000,
            "outcome": minute % 16 != 0,
            "latency_ms": 800 * dice.lognormal(0, 0.3) * factor,
        }
        for minute in range(0, days * 1440, 15)
    ]
    for at in range(0, len(calls), 1000):
        await app.record_observations(calls[at : at + 1000])


async def test_who_is_told_of_incidents_is_told_what_creeps_and_when_it_is_over(
    tmp_path: Path,
) -> None:
    """Latency doubles while quality stays: nothing was told of it, as no incident comes of it."""
    config = tmp_path / "gonogo.toml"
    now_ms = START
    with receiver(pagerduty) as ops:
        config.write_text(
            f'settings.notify.ops = {{ kind = "pagerduty", url = "{ops.url}", '
            'routing_key_env = "S" }\n'
        )
        here = load_settings(str(config), str(tmp_path / "gonogo.db"), {"S": ROUTING_KEY})
        async with Gonogo(here, clock=lambda: now_ms) as app:

            async def live(days: int, factor: float) -> None:
                nonlocal now_ms
                now_ms += days * DAY_MS
                await record(app, now_ms - days * DAY_MS, days, factor)

            async def heard() -> list[dict[str, Any]]:
                ops.taken.clear()
                await app.check_model_drift(NAME)
                await app.tell("ops")
                return list(ops.taken)

            await live(8, 1.0)
            assert await heard() == []
            await live(6, 2.0)
            # A question about one metric stands in the log, and changes nothing of what is told.
            await app.check_model_drift(NAME, metric="latency_ms", since="2026-09-08")
            [told] = await heard()
            said = told["payload"]
            assert (told["event_action"], said["severity"], said["class"]) == (
                "trigger",
                "info",
                "shift",
            )
            assert "latency_ms" in said["summary"]
            assert shlex.split(said["custom_details"]["next"]) == [
                *("gonogo", "check", "drift", NAME),
                *("--metric", "latency_ms"),
            ]
            assert await heard() == []  # once
            now_ms += HOUR_MS
            await app.accept_baseline(NAME, start="2026-09-13")  # it is the new normal
            [over] = await heard()
            assert (over["event_action"], over["dedup_key"]) == ("resolve", told["dedup_key"])
            assert await heard() == []
