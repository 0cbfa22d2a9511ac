"""Calls that come with tokens and no cost: what they spend, and what a new price changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gonogo.app import Gonogo
from gonogo.records import MICRO, Observation
from gonogo.settings import BudgetSettings, PriceSettings, Settings

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
