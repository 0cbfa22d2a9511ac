"""Budgets of calls, tokens and minutes: counted, held, settled and told as money is, and never as money."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import engines
from gonogo.answers import BudgetCheck
from gonogo.config import load_settings
from gonogo.errors import ConfigError, ParameterError
from gonogo.records import UNIT_SIZE, Unit
from gonogo.store.repair import compare
from money_world import NOW_MS, calls, opened_app, record

pytestmark = pytest.mark.anyio

UNITS: list[Unit] = [unit for unit in UNIT_SIZE if unit != "usd"]
# What each of the calls below is in each unit, and in words how much forty of them are.
A_CALL: dict[Unit, float] = {"calls": 1, "tokens": 1000, "minutes": 0.05}
FORTY: dict[Unit, str] = {"calls": "40 calls", "tokens": "40,000 tokens", "minutes": "2 minutes"}
FIELDS = {"input_tokens": 900, "output_tokens": 100, "latency_ms": 3000.0}


def toml(unit: Unit, limit: float, more: str = "") -> str:
    """A budget of a unit over `dear`, and whatever else."""
    return f"""
[budgets.cap]
limit_usd = {limit:g}
unit = "{unit}"
dependencies = ["dear"]
{more}
"""


@pytest.mark.parametrize("unit", UNITS)
async def test_calls_are_counted_held_and_settled_in_the_budget_s_unit(
    tmp_path: Path, unit: Unit
) -> None:
    """Sixty calls before, forty planned and held, thirty of them made: the sums are exact."""
    each = A_CALL[unit]
    async with opened_app(tmp_path, toml(unit, 200 * each)) as app:
        await record(app, calls("dear", 60, 0.5, **FIELDS))
        held = await app.check_budget_with_confidence(
            "cap", dependency="dear", planned_calls=40, reserve=True
        )
        assert (held.verdict, held.unit) == ("go", unit)
        assert held.spent_usd == pytest.approx(60 * each)
        assert held.projected_usd == pytest.approx(40 * each, rel=0.05)
        assert FORTY[unit] in held.summary
        assert held.reservation is not None
        name = held.reservation.id
        await record(app, calls("dear", 30, 0.5, reservation=name, since_h=0.5, **FIELDS))
        during = await app.check_budget_with_confidence("cap")
        assert during.spent_usd == pytest.approx(90 * each)
        assert during.held_usd == pytest.approx(held.reservation.held_usd - 30 * each)
        settled = await app.settle_reservation(name)
        assert settled.unit == unit
        assert settled.actual_usd == pytest.approx(30 * each)
        after = await app.check_budget_with_confidence("cap")
        assert after.spent_usd == pytest.approx(90 * each)
        assert after.held_usd == 0
        assert after.remaining_usd == pytest.approx(110 * each)
        for answer in (held, during, after, settled):
            assert "$" not in answer.summary
        stores = await app.stores()
        found = await compare(stores.db, has_time=lambda: True, now_ms=NOW_MS)
        assert [figure.amiss for figure in found.figures if figure.amiss] == []


@pytest.mark.parametrize("unit", UNITS)
async def test_more_work_is_never_likelier_to_fit(tmp_path: Path, unit: Unit) -> None:
    """As the plan grows its chance falls; as many calls as would pass do, and one more does not."""
    async with opened_app(tmp_path, toml(unit, 100 * A_CALL[unit])) as app:
        await record(app, calls("dear", 30, **FIELDS))
        answers: list[BudgetCheck] = [
            await app.check_budget_with_confidence("cap", dependency="dear", planned_calls=n)
            for n in (1, 20, 69, 71, 500)
        ]
        chances = [answer.confidence or 0 for answer in answers]
        assert chances == sorted(chances, reverse=True)
        assert (answers[0].passed, answers[-1].passed) == (True, False)
        most = answers[-1].calls_that_would_pass
        assert most is not None
        fits = await app.check_budget_with_confidence("cap", dependency="dear", planned_calls=most)
        assert fits.passed
    if unit == "calls":
        assert most == 70


@pytest.mark.parametrize(
    ("unit", "said"), [("tokens", "no known tokens"), ("minutes", "no known duration")]
)
async def test_what_cannot_be_counted_is_not_nothing(tmp_path: Path, unit: Unit, said: str) -> None:
    """Calls without tokens, or without a duration, make the answer unknown from one in twenty on."""
    async with opened_app(tmp_path, toml(unit, 1000 * A_CALL[unit])) as app:
        await record(app, calls("dear", 60, 0.1, **FIELDS) + calls("dear", 30, 0.1, since_h=2))
        found = await app.check_budget_with_confidence("cap", dependency="dear", planned_calls=5)
        assert found.verdict == "unknown"
        assert found.unpriced is not None
        assert found.unpriced.calls == 30
        assert said in found.unpriced.why
        assert "cost" not in found.unpriced.why


async def test_a_declared_amount_is_in_the_unit_and_whole(tmp_path: Path) -> None:
    """50,000 is tokens where tokens are counted; half a token is refused, and so is another amount later."""
    async with opened_app(tmp_path, toml("tokens", 100_000)) as app:
        held = await app.check_budget_with_confidence("cap", planned_cost_usd=50_000, reserve=True)
        assert held.reservation is not None
        assert held.reservation.held_usd == 50_000
        assert "50,000 tokens held" in held.summary
        with pytest.raises(ParameterError, match=r"whole number of tokens, not 1\.5"):
            await app.check_budget_with_confidence("cap", planned_cost_usd=1.5)
        done = await app.settle_reservation(held.reservation.id, actual_usd=61_000)
        assert "at 61,000 tokens of 50,000 tokens held, an overrun of 11,000 tokens" in done.summary
        with pytest.raises(ParameterError, match="settled at 61,000 tokens before"):
            await app.settle_reservation(held.reservation.id, actual_usd=2)
        after = await app.check_budget_with_confidence("cap")
        assert (after.spent_usd, after.remaining_usd) == (61_000, 39_000)


async def test_money_of_a_reservation_of_tokens_still_counts_as_money(tmp_path: Path) -> None:
    """A cap in USD over a model sees its calls' cost, whatever their reservation counts."""
    more = '[budgets.money]\nlimit_usd = 10\ndependencies = ["dear"]'
    async with opened_app(tmp_path, toml("tokens", 100_000, more)) as app:
        held = await app.check_budget_with_confidence("cap", planned_cost_usd=9000, reserve=True)
        assert held.reservation is not None
        await record(app, calls("dear", 20, 0.02, reservation=held.reservation.id, **FIELDS))
        await app.settle_reservation(held.reservation.id, actual_usd=19_000)
        await record(
            app, calls("dear", 5, 0.02, reservation=held.reservation.id, since_h=1, **FIELDS)
        )
        money = await app.check_budget_with_confidence("money")
        tokens = await app.check_budget_with_confidence("cap")
        stores = await app.stores()
        found = await compare(stores.db, has_time=lambda: True, now_ms=NOW_MS)
    assert money.unit is None
    assert money.spent_usd == pytest.approx(0.5)
    assert tokens.spent_usd == 19_000  # declared, and final
    assert [figure.amiss for figure in found.figures if figure.amiss] == []


@pytest.mark.parametrize("unit", UNITS)
async def test_a_run_is_told_in_its_unit(tmp_path: Path, unit: Unit) -> None:
    """Past runs of a budget of any unit project this one, in that unit."""
    each = A_CALL[unit]
    async with opened_app(tmp_path, toml(unit, 10_000 * each)) as app:
        for i in range(4):
            run = await app.check_budget_with_confidence(
                "cap", planned_cost_usd=100 * each, reserve=True, run=f"past {i}"
            )
            assert run.reservation is not None
            for step in range(5):
                some = calls(
                    "dear", 1, reservation=run.reservation.id, since_h=i + step / 9, **FIELDS
                )
                await record(app, some)
            await app.settle_reservation(run.reservation.id)
        now = await app.check_budget_with_confidence(
            "cap", planned_cost_usd=100 * each, reserve=True, run="now"
        )
        assert now.run is not None
        assert now.run.past_runs == 4
        assert now.run.projected_total_usd == pytest.approx(5 * each, rel=0.3)
        assert "$" not in now.summary


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (toml("calls", 10.5), "budgets.cap.limit_usd = 10.5: must be a whole number of calls"),
        (toml("tokens", 1e16), "must be a number from"),
        (
            toml("tokens", 9, 'parent = "org"\n[budgets.org]\nlimit_usd = 5'),
            "names org, which counts usd; cap counts tokens",
        ),
    ],
)
def test_what_cannot_be_added_up_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Parts of calls and parents of another unit."""
    (tmp_path / "gonogo.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_settings(config=str(tmp_path / "gonogo.toml"), store=None, environ={})


@pytest.mark.sqlite
async def test_what_was_recorded_before_counts_too(tmp_path: Path) -> None:
    """A store of an earlier schema is counted when it is brought up to date, and once only."""
    async with opened_app(tmp_path, toml("tokens", 100_000)) as app:
        await record(app, calls("dear", 20, 0.1, **FIELDS))
        await record(app, calls("other", 5, budget="cap", **FIELDS))
        held = await app.check_budget_with_confidence("cap", planned_cost_usd=9000, reserve=True)
        assert held.reservation is not None
        await record(app, calls("other", 3, reservation=held.reservation.id, since_h=1, **FIELDS))
        before = await app.check_budget_with_confidence("cap")
    for undo in ("DROP TABLE used", "SELECT 1"):
        with closing(sqlite3.connect(engines.store_of(tmp_path), isolation_level=None)) as store:
            store.execute(undo)
            store.execute("PRAGMA user_version = 21")
        async with opened_app(tmp_path, toml("tokens", 100_000)) as app:
            after = await app.check_budget_with_confidence("cap")
            stores = await app.stores()
            found = await compare(stores.db, has_time=lambda: True, now_ms=NOW_MS)
        assert (after.spent_usd, after.held_usd) == (before.spent_usd, before.held_usd)
        assert after.spent_usd == 28_000
        assert [figure.amiss for figure in found.figures if figure.amiss] == []
