"""A run's budget: one hold that many share and renew, and what the run will cost in the end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gonogo.answers import BudgetCheck, rfc3339
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
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


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


async def test_a_run_asked_for_again_holds_what_its_calls_have_left(tmp_path: Path) -> None:
    """Of $5, $2 is spent: the second subagent is told $3, in words and numbers, and the sum is the limit."""
    async with opened_app(tmp_path, TOML) as app:
        check = app.check_budget_with_confidence
        ask = partial(check, "day", planned_cost_usd=5, reserve=True, run="trip-8")
        first = await ask()
        assert first.reservation is not None
        for i in range(4):
            await _call(app, first.reservation.id, i, 0.5)
        again = await ask()
    assert again.reservation is not None
    assert (again.replayed, again.reservation.id) == (True, first.reservation.id)
    assert (again.reservation.held_usd, again.spent_usd) == (3, 2)
    assert again.spent_usd + again.held_usd + again.remaining_usd == again.limit_usd
    assert "$3.00 held until" in again.summary


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


async def test_a_run_of_another_budget_is_named_with_it(tmp_path: Path) -> None:
    """Who names a run knows nothing of keys."""
    async with opened_app(tmp_path, TOML + "[budgets.other]\nlimit_usd = 9\n") as app:
        await app.check_budget_with_confidence("day", planned_cost_usd=5, reserve=True, run="trip")
        with pytest.raises(ParameterError, match="Run 'trip' holds money of budget 'day'"):
            await app.check_budget_with_confidence(
                "other", planned_cost_usd=5, reserve=True, run="trip"
            )
        # Nor can a key stand for a run that is yet to come: its name would be taken.
        for name in ("trip", "nightly"):
            with pytest.raises(
                ParameterError, match=f"idempotency_key 'run:{name}' stands for a run"
            ):
                await app.check_budget_with_confidence(
                    "day", planned_cost_usd=5, reserve=True, idempotency_key=f"run:{name}"
                )


async def _held(app: Gonogo, usd: float = 2, budget: str = "day") -> BudgetCheck:
    return await app.check_budget_with_confidence(
        budget, planned_cost_usd=usd, reserve=True, run="trip-7"
    )


def _hold(answer: BudgetCheck) -> str:
    assert answer.reservation is not None
    return answer.reservation.id


async def test_a_run_that_is_held_anew_has_spent_what_it_spent_before(tmp_path: Path) -> None:
    """After its hold expired, was settled by its calls or at an amount, or released; in any process."""
    told, now_ms = [], NOW_MS
    for i, end in enumerate(("expires", None, 0.7, None)):
        async with opened_app(tmp_path, TOML, now_ms=now_ms) as app:
            answer = await _held(app)
            told.append(answer)
            if i < 3:
                await _call(app, _hold(answer), 0, 0.5)
            if not isinstance(end, str):
                await app.settle_reservation(_hold(answer), end)
        now_ms += 2 * HOUR_MS if isinstance(end, str) else 10 * MINUTE_MS
    async with opened_app(tmp_path, TOML, now_ms=now_ms) as app:
        told.append(await _held(app))
        async with opened_app(tmp_path, TOML, now_ms=now_ms) as other:
            shared = await _held(other)
            await _call(other, _hold(shared), 0, 0.1)
        renewed = await app.settle_reservation(_hold(told[-1]), renew=True)
    assert len({_hold(answer) for answer in told}) == 5
    assert [answer.run and answer.run.spent_usd for answer in told] == pytest.approx(
        [0, 0.5, 1.0, 1.7, 1.7]
    )
    assert "This run: $1.70 after 3 recorded costs" in told[-1].summary
    assert _hold(shared) == _hold(told[-1])
    assert renewed.run is not None
    assert renewed.run.spent_usd == pytest.approx(1.8)
    assert renewed.actual_usd == pytest.approx(0.1)
    assert (renewed.run.calls, renewed.held_usd) == (4, 2)


async def test_a_run_that_is_refused_more_is_not_forgotten(tmp_path: Path) -> None:
    """Asked for too much in between: what it spent still counts with its next hold."""
    async with opened_app(tmp_path, TOML) as app:
        await _call(app, _hold(await _held(app)), 0, 0.5)
    async with opened_app(tmp_path, TOML, now_ms=NOW_MS + HOUR_MS) as app:
        refused, anew = await _held(app, 500), await _held(app)
    assert (refused.verdict, refused.reservation) == ("no_go", None)
    assert anew.run is not None
    assert anew.run.spent_usd == pytest.approx(0.5)


async def test_a_job_of_every_night_begins_a_run_each_night(tmp_path: Path) -> None:
    """So does one of every hour that settles, and one of the same name on another budget."""
    toml = f"{TOML}\n[budgets.other]\nlimit_usd = 9\n"
    spent = []
    for now_ms, budget in (
        (NOW_MS, "day"),
        (NOW_MS + HOUR_MS, "day"),
        (NOW_MS + HOUR_MS + MINUTE_MS, "other"),
        (NOW_MS + 24 * HOUR_MS, "other"),
    ):
        async with opened_app(tmp_path, toml, now_ms=now_ms) as app:
            answer = await _held(app, budget=budget)
            assert answer.run is not None
            spent.append(answer.run.spent_usd)
            await _call(app, _hold(answer), 0, 0.5)
            if budget == "day":
                await app.settle_reservation(_hold(answer))
    assert spent == [0, 0, 0, 0]


async def test_a_run_of_several_holds_is_forecast_and_counted_as_one(tmp_path: Path) -> None:
    """Held and settled in two halves, four runs are four past runs, and the fifth is told its whole."""
    async with opened_app(tmp_path, TOML) as app:
        for name in "abcde":
            for half in range(2):
                held = await app.check_budget_with_confidence(
                    "day", planned_cost_usd=2, reserve=True, run=name
                )
                for i in range(4 if half == 0 or name != "e" else 0):
                    await _call(app, _hold(held), i, 0.1)
                if half == 0 or name != "e":
                    await app.settle_reservation(_hold(held))
    assert held.run is not None
    assert (held.run.past_runs, held.run.calls) == (4, 4)
    assert held.run.spent_usd == pytest.approx(0.4)
    assert held.run.projected_total_usd == pytest.approx(0.8, abs=0.1)
    assert held.run.advice == "go on"


@pytest.mark.parametrize("listed", ['dependencies = ["dear"]', ""])
async def test_after_a_few_runs_the_end_of_the_next_is_told(tmp_path: Path, listed: str) -> None:
    """Spent, projected, an interval, and advice: on, down to the cheaper target, also where the budget lists none."""
    async with opened_app(tmp_path, TOML.replace('dependencies = ["dear"]', listed)) as app:
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
            for usd in (50, 0.56)
        ]
        told = []
        for answer, n in ((roomy, 4), (tight, 4)):
            assert answer.reservation is not None
            for i in range(n):
                await _call(app, answer.reservation.id, i, 0.1)
            told.append(await app.settle_reservation(answer.reservation.id, renew=True))
        again = await app.check_budget_with_confidence(
            "day", planned_cost_usd=0.56, reserve=True, run="of 0.56"
        )
    assert again.run == told[1].run
    assert [each.verdict for each in (*told, again)] == ["go", "caution", "caution"]
    for settled in told:
        assert settled.run is not None
        assert settled.run.spent_usd == pytest.approx(0.4)
        assert settled.run.past_runs == 6
        assert settled.run.interval90_usd is not None
        low, high = settled.run.interval90_usd
        assert low <= (settled.run.projected_total_usd or 0) <= high
        assert settled.run.projected_total_usd == pytest.approx(0.8, abs=0.2)
    advised = [(each.run.advice, each.run.step_down_to) for each in told if each.run]
    assert advised == [("go on", None), ("step down", "cheap")]


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
