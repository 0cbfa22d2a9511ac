"""A run's budget: one hold that many share and renew, and what the run will cost in the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.detectors.arrays import Floats
from gonogo.detectors.cost.run_total import advise, fit_runs, run_forecast
from gonogo.errors import ParameterError
from money_world import NOW_MS, calls, opened_app, record

pytestmark = pytest.mark.anyio

TOML = """
[dependencies.dear]
fallback = ["cheap"]

[budgets.day]
limit_usd = 100
dependencies = ["dear"]
hold_expires = "10m"
"""
MINUTE_MS = 60_000


async def _call(app: Gonogo, reservation: str, i: int, usd: float) -> None:
    await record(
        app,
        [
            {
                "dependency": "dear",
                "id": f"{reservation}-{i}",
                "ts": rfc3339(NOW_MS),
                "cost_usd": usd,
                "reservation": reservation,
            }
        ],
    )


async def test_a_run_is_shared_by_name_and_lives_while_it_is_renewed(tmp_path: Path) -> None:
    """Subagents in other processes get the same hold; it ends soon after nobody renews it."""
    async with opened_app(tmp_path, TOML) as app:
        first = await app.check_budget_with_confidence(
            "day", planned_cost_usd=5, reserve=True, run="trip-7"
        )
    later = NOW_MS + 8 * MINUTE_MS
    async with opened_app(tmp_path, TOML, now_ms=later) as app:
        second = await app.check_budget_with_confidence(
            "day", planned_cost_usd=1, reserve=True, run="trip-7"
        )
        assert first.reservation is not None
        assert second.reservation is not None
        assert second.replayed
        assert second.reservation.id == first.reservation.id
        assert second.reservation.held_usd == 5
        renewed = await app.settle_reservation(first.reservation.id, renew=True)
        assert (renewed.status, renewed.expires_at) == ("renewed", rfc3339(later + 600_000))
        assert renewed.run is not None
        assert renewed.run.projected_total_usd is None
        assert "not known from 0 past runs" in renewed.summary
    async with opened_app(tmp_path, TOML, now_ms=later + 11 * MINUTE_MS) as app:
        with pytest.raises(ParameterError, match="has expired and cannot be renewed"):
            await app.settle_reservation(first.reservation.id, renew=True)
        dead = await app.check_budget_with_confidence("day", planned_cost_usd=1)
        anew = await app.check_budget_with_confidence(
            "day", planned_cost_usd=1, reserve=True, run="trip-7"
        )
    assert (dead.held_usd, dead.remaining_usd) == (0, 100)
    assert anew.reservation is not None
    assert anew.reservation.id != first.reservation.id


async def test_after_a_few_runs_the_end_of_the_next_is_told(tmp_path: Path) -> None:
    """Spent, projected, an interval, and advice: on, down to the cheaper target, stop."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("cheap", 20, 0.01) + calls("dear", 20, 0.1))
        for n in (6, 8, 10, 7, 9, 8):
            held = await app.check_budget_with_confidence("day", planned_cost_usd=2, reserve=True)
            assert held.reservation is not None
            for i in range(n):
                await _call(app, held.reservation.id, i, 0.1)
            await app.settle_reservation(held.reservation.id)
        roomy, tight = [
            await app.check_budget_with_confidence(
                "day", planned_cost_usd=usd, reserve=True, run=f"of {usd}"
            )
            for usd in (50, 0.45)
        ]
        told = []
        for answer, n in ((roomy, 4), (tight, 4)):
            assert answer.reservation is not None
            for i in range(n):
                await _call(app, answer.reservation.id, i, 0.1)
            told.append(await app.settle_reservation(answer.reservation.id, renew=True))
    for settled in told:
        assert settled.run is not None
        assert settled.run.spent_usd == pytest.approx(0.4)
        assert settled.run.past_runs == 6
        assert settled.run.interval90_usd is not None
        low, high = settled.run.interval90_usd
        assert low <= (settled.run.projected_total_usd or 0) <= high
        assert settled.run.projected_total_usd == pytest.approx(0.8, abs=0.2)
    on, off = (settled.run.advice for settled in told if settled.run)
    assert on == "go on"
    assert off in ("step down", "stop")


def test_the_interval_holds_at_every_call_of_runs_of_a_kind() -> None:
    """Twenty histories of eight runs whose calls grow: nine in ten new runs stay within, always."""
    rng = np.random.default_rng(3)

    def run() -> Floats:
        n = 1 + rng.poisson(9)
        level = np.exp(0.3 * rng.standard_normal())
        return np.asarray(level * (1 + 0.1 * np.arange(n)) * rng.lognormal(0, 0.4, n))

    held = []
    for _ in range(20):
        model = fit_runs([run() for _ in range(8)])
        for new in (run() for _ in range(10)):
            total = new.sum() * (1 - 1e-9)
            tops = [run_forecast(model, new[:t]).high for t in range(new.size + 1)]
            held.append(min(tops) >= total)
    assert np.mean(held) >= 0.84


def test_a_run_that_cannot_pay_its_next_call_stops() -> None:
    """Whatever else; and where all is roomy it goes on."""
    model = fit_runs([np.full(n, 1.0) for n in (5, 6, 7, 8)])
    assert advise(model, np.full(3, 1.0), limit=3.5) == "stop"
    assert advise(model, np.full(3, 1.0), limit=500.0) == "go on"
    assert advise(model, np.full(3, 1.0), limit=5.0, cheaper=0.2) == "step down"
