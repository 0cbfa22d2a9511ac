"""Calls that come with tokens and no cost: what they spend, and what a new price changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gonogo.app import Gonogo
from gonogo.records import MICRO, Observation
from gonogo.settings import BudgetSettings, PriceSettings, Settings
from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio
NOW_MS = 1_790_000_000_000


def priced(store: Path, usd_per_mtok: float) -> Settings:
    """A budget over `m`, whose tokens cost so much in and out."""
    return Settings(
        store=str(store),
        budgets={"work": BudgetSettings("work", 100 * MICRO, dependencies=("m",))},
        prices={"m": PriceSettings("m", usd_per_mtok, usd_per_mtok)},
    )


async def test_tokens_are_spent_at_their_days_price_and_forecast_at_todays(tmp_path: Path) -> None:
    """Twenty calls of 1,000 tokens at $2 a million spent $0.04; at $4 the next 20 are twice that."""
    settings = priced(tmp_path / "s.db", 2.0)
    calls = [
        Observation("m", NOW_MS - 60_000 * i, input_tokens=600, output_tokens=400)
        for i in range(20)
    ]
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        await (await app.stores()).telemetry.record(calls, NOW_MS)
        before = await app.check_budget_with_confidence("work", "m", planned_calls=20)
    dearer = replace(settings, prices=priced(tmp_path, 4.0).prices, digest="dearer")
    async with Gonogo(dearer, clock=lambda: NOW_MS) as app:
        after = await app.check_budget_with_confidence("work", "m", planned_calls=20)
    assert before.spent_usd == after.spent_usd == pytest.approx(0.04)
    assert before.projected_usd == pytest.approx(0.04, rel=0.05)
    assert after.projected_usd == pytest.approx(0.08, rel=0.05)


async def test_tokens_without_a_price_are_said_and_never_free(tmp_path: Path) -> None:
    """No price anywhere: unknown, and the answer names how many calls have none."""
    settings = replace(priced(tmp_path / "s.db", 2.0), prices={})
    calls = [Observation("m", NOW_MS - 60_000 * i, input_tokens=600) for i in range(20)]
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        await (await app.stores()).telemetry.record(calls, NOW_MS)
        check = await app.check_budget_with_confidence("work", "m", planned_calls=20)
    assert check.verdict == "unknown"
    assert check.unpriced is not None
    assert "20 of 20" in check.unpriced.why


async def test_each_part_of_the_tokens_is_spent_and_forecast_at_its_own_price(
    tmp_path: Path,
) -> None:
    """Cache reads and writes, audio in and out; what has no price of its own costs what plain tokens do."""
    toml = """
[settings.prices.m]
input_usd_per_mtok = 4
output_usd_per_mtok = 20
{own}
[budgets.work]
limit_usd = 100
dependencies = ["m"]
"""
    own = {"cached_input": 0.4, "cache_write": 5, "input_audio": 40, "output_audio": 80}
    call = {
        "input_tokens": 1000,
        "output_tokens": 300,
        "cache_read_tokens": 200,
        "cache_write_tokens": 500,
        "input_audio_tokens": 100,
        "output_audio_tokens": 100,
    }
    told = {}
    for given in ({}, {"cache_write": 5}, own):
        folder = tmp_path / str(len(given))
        folder.mkdir()
        lines = "\n".join(f"{name}_usd_per_mtok = {usd}" for name, usd in given.items())
        async with opened_app(folder, toml.format(own=lines)) as app:
            await record(app, calls("m", 20, **call))
            check = await app.check_budget_with_confidence("work", "m", planned_calls=20)
        assert check.projected_usd == pytest.approx(check.spent_usd, rel=0.05)
        told[len(given)] = check.spent_usd * 1e6 / 20
    plain = 1000 * 4 + 300 * 20
    assert told[0] == pytest.approx(plain)
    assert told[1] == pytest.approx(plain + 500 * (5 - 4))
    assert told[4] == pytest.approx(200 * 4 + 200 * 0.4 + 500 * 5 + 100 * 40 + 200 * 20 + 100 * 80)
