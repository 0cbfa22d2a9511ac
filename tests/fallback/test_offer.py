"""The number of calls that a failed check offers is one that passes when it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gonogo.app import Gonogo
from gonogo.records import MICRO, Observation
from gonogo.settings import BudgetSettings, Settings

pytestmark = pytest.mark.anyio
NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize("spread", [0.2, 1.0])
async def test_what_is_offered_passes(tmp_path: Path, spread: float) -> None:
    """Twelve budgets of all sizes over one history: the offer passes, half as much again does not."""
    rng = np.random.default_rng(11)
    budgets = {
        f"b{i}": BudgetSettings(f"b{i}", round(0.01 * MICRO * 1.9**i), required_confidence=0.95)
        for i in range(12)
    }
    settings = Settings(store=str(tmp_path / "s.db"), budgets=budgets)
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        costs = rng.lognormal(np.log(2000), spread, 300)
        calls = [
            Observation("m", NOW_MS - 60_000 * (300 - i), cost_micro_usd=int(cost))
            for i, cost in enumerate(costs)
        ]
        await (await app.stores()).telemetry.record(calls, NOW_MS)
        offered = passed = 0
        for name in budgets:
            check = await app.check_budget_with_confidence(name, "m", planned_calls=100_000)
            assert check.passed is False
            offer = check.calls_that_would_pass
            if not offer:
                continue
            again = await app.check_budget_with_confidence(name, "m", planned_calls=offer)
            more = await app.check_budget_with_confidence(
                name, "m", planned_calls=round(1.5 * offer) + 1
            )
            offered += 1
            passed += bool(again.passed) and not more.passed
    assert offered >= 8
    assert passed == offered
