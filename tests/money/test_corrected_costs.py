"""A call that is recorded again at another cost: the books follow, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio
TOML = """
[budgets.day]
limit_usd = 10
dependencies = ["m"]
[budgets.context]
unit = "tokens"
limit_usd = 1_000_000
dependencies = ["m"]
[budgets.job]
limit_usd = 5
[settings.prices.m]
input_usd_per_mtok = 10
output_usd_per_mtok = 10
"""


@pytest.mark.parametrize("way", ["later", "one batch"])
@pytest.mark.parametrize(
    ("first", "again", "usd", "tokens", "note"),
    [
        ({"cost_usd": 0.5}, {"cost_usd": 0.7}, 0.7, 0, "$0.20 more"),
        ({"cost_usd": 0.5}, {"cost_usd": 0}, 0, 0, "$0.50 less"),
        ({"cost_usd": 4e-7}, {"cost_usd": 9e-7}, 9e-7, 0, "$0.0000005 more"),
        ({"cost_usd": 0.5}, {"cost_usd": 0.5}, 0.5, 0, None),
        ({"cost_usd": 0.5}, {"outcome": 1}, 0.5, 0, None),
        ({"input_tokens": 900}, {"input_tokens": 1900}, 0.019, 1900, "$0.01 more"),
        ({"input_tokens": 900}, {"output_tokens": 100}, 0.01, 1000, None),
        ({"input_tokens": 900}, {"cost_usd": 0.2}, 0.2, 900, None),
        ({"input_tokens": 900, "cost_usd": 0.2}, {"input_tokens": 800}, 0.2, 800, None),
    ],
)
async def test_the_cost_that_was_told_last_is_spent(
    tmp_path: Path,
    way: str,
    first: dict[str, object],
    again: dict[str, object],
    usd: float,
    tokens: int,
    note: str | None,
) -> None:
    """A correction, a refund, a final count of tokens; what fills a gap, or says the same, is none."""
    [call] = calls("m", 1)
    told = [{**call, **first}, {"dependency": "m", "id": call["id"], **again}]
    async with opened_app(tmp_path, TOML) as app:
        if way == "later":
            await app.record_observations(told[:1])
            answer = await app.record_observations(told[1:])
            same = first == again
            assert (answer.accepted, answer.updated, answer.duplicates) == (0, not same, same)
        else:
            answer = await app.record_observations(told)
            # Nothing was booked at the tokens that came first.
            note = note if "cost_usd" in first else None
        notes = " ".join(answer.notes or ())
        assert (note in notes) if note else "corrected" not in notes, notes
        day = await app.check_budget_with_confidence("day", planned_cost_usd=0.01)
        context = await app.check_budget_with_confidence("context", planned_cost_usd=1)
        assert (day.spent_usd, context.spent_usd) == pytest.approx((usd, tokens), abs=1e-6)
        await app.record_observations(told[1:])
        assert [figure.said for figure in (await app.compare(60)).figures if figure.amiss] == []
        newest = await (await app.stores()).telemetry.newest_costs("m")
        assert newest.cost_micro_usd.sum() == pytest.approx(round(usd * 1e6), abs=1) or tokens


@pytest.mark.parametrize("closed", ["open", "by its calls", "at an amount"])
async def test_a_correction_reaches_the_reservation_that_paid(tmp_path: Path, closed: str) -> None:
    """What is left of an open hold grows; a closed one is corrected; an amount that was declared stands."""
    async with opened_app(tmp_path, TOML) as app:
        held = await app.check_budget_with_confidence(
            "job", planned_cost_usd=3, reserve=True, run="trip"
        )
        assert held.reservation is not None
        name = held.reservation.id
        sent = calls("m", 3, 0.5, reservation=name)
        await record(app, sent)
        if closed != "open":
            declared = 1.4 if closed == "at an amount" else None
            await app.settle_reservation(name, actual_usd=declared)
        await app.record_observations([{**sent[0], "cost_usd": 0.9}])
        await app.record_observations([{**sent[0], "cost_usd": 0.2}])
        job = await app.check_budget_with_confidence("job", planned_cost_usd=0.01)
        spent = 1.4 if closed == "at an amount" else 1.2
        assert (job.spent_usd, job.held_usd) == pytest.approx(
            (spent, 1.8 if closed == "open" else 0)
        )
        if closed == "open":
            renewed = await app.settle_reservation(name, renew=True)
            assert renewed.run is not None
            assert (renewed.actual_usd, renewed.run.spent_usd, renewed.run.calls) == (1.2, 1.2, 3)
        day = await app.check_budget_with_confidence("day", planned_cost_usd=0.01)
        assert day.spent_usd == pytest.approx(
            1.2
        )  # a cap counts the calls, whatever was declared for them
        assert [figure.said for figure in (await app.compare(60)).figures if figure.amiss] == []


@pytest.mark.parametrize("batches", [1, 2])
async def test_a_correction_is_told_of_all_calls_that_one_stands_for(
    tmp_path: Path, batches: int
) -> None:
    """One recorded in ten that is refunded takes ten times its cost back, in the note as in the budget."""
    call = {"dependency": "dear", "id": "a", "weight": 10, "cost_usd": 0.5}
    refund = {"dependency": "dear", "id": "a", "cost_usd": 0}
    toml = '[budgets.day]\nlimit_usd = 9\ndependencies = ["dear"]\n'
    async with opened_app(tmp_path, toml) as app:
        told = [call, refund] if batches == 1 else [call]
        answer = await app.record_observations(told)
        if batches > 1:
            answer = await app.record_observations([refund])
        day = await app.check_budget_with_confidence("day", planned_cost_usd=1)
    assert day.spent_usd == 0
    assert "$5.00 less in all" in " ".join(answer.notes or ())
