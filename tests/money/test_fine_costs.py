"""Costs below a micro-dollar, cached tokens, and prices that come after the calls: all of it is booked."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import store_of
from gonogo.app import Gonogo
from gonogo.records import MICRO
from gonogo.settings import BudgetSettings, PriceSettings, Settings
from money_world import NOW_MS, calls, record

pytestmark = pytest.mark.anyio


def opened(folder: Path, **prices: PriceSettings) -> Gonogo:
    """A budget of $10 over `emb`, with prices of tokens."""
    settings = Settings(
        store=store_of(folder),
        budgets={"day": BudgetSettings("day", 10 * MICRO, dependencies=("emb",))},
        prices={price.model: price for price in prices.values()},
        digest=str(prices),
    )
    return Gonogo(settings, clock=lambda: NOW_MS)


async def spent(app: Gonogo) -> float:
    """What the budget has spent, in 1e-6 USD; the books agree with their rows."""
    found = await app.check_budget_with_confidence("day", planned_cost_usd=0.01)
    assert [figure.said for figure in (await app.compare(60)).figures if figure.amiss] == []
    return found.spent_usd * MICRO


@pytest.mark.parametrize("way", ["one by one", "a batch", "a reservation", "tokens"])
async def test_what_is_below_a_micro_dollar_adds_up(tmp_path: Path, way: str) -> None:
    """12 calls of 0.4 micro-dollars are 4.8, and 5 in whole ones; not 12 times 0."""
    async with opened(tmp_path, price=PriceSettings("emb", 0.04, 0)) as app:
        sent = calls("emb", 12, 4e-7)
        if way == "tokens":
            sent = calls("emb", 12, input_tokens=10)
        if way == "a reservation":
            held = await app.check_budget_with_confidence("day", planned_cost_usd=1, reserve=True)
            assert held.reservation is not None
            sent = calls("emb", 12, 4e-7, reservation=held.reservation.id)
        if way == "one by one":
            for one in sent:
                await record(app, [one])
        else:
            await record(app, sent)
        if way == "a reservation":
            assert (await app.settle_reservation(str(sent[0]["reservation"]))).status == "settled"
        assert await spent(app) == pytest.approx(5)
        forecast = await app.check_budget_with_confidence("day", "emb", planned_calls=400_000)
        assert forecast.projected_usd == pytest.approx(0.16, rel=0.05)


@pytest.mark.parametrize(
    ("parts", "micro"),
    [
        ({"cache_read_tokens": 95_000}, 5_000 * 1.25 + 95_000 * 0.125 + 100 * 10),
        ({"cache_read_tokens": 400_000}, 100_000 * 1.25 + 400_000 * 0.125 + 100 * 10),
        ({"reasoning_tokens": 80}, 126_000),
        ({"reasoning_tokens": 300}, 100_000 * 1.25 + 400 * 10),
        ({"tier": "batch"}, 63_000),
        ({"tier": "standard"}, 126_000),
        ({"tier": "priority"}, 252_000),
        ({"cost_usd": 0.5, "cache_read_tokens": 95_000}, 500_000),
    ],
)
async def test_parts_of_tokens_have_their_own_prices(
    tmp_path: Path, parts: dict[str, object], micro: float
) -> None:
    """Cached input is cheaper, in the input or beside it; thought is output; a stated cost wins."""
    prices = {
        "usual": PriceSettings("emb", 1.25, 10, 0.125),
        "priority": PriceSettings("emb:priority", 2.5, 20),
    }
    async with opened(tmp_path, **prices) as app:
        [one] = calls("emb", 1, input_tokens=100_000, output_tokens=100)
        await record(app, [{**one, **parts}])
        assert await spent(app) == pytest.approx(micro)


async def test_a_price_that_comes_later_books_what_had_none(tmp_path: Path) -> None:
    """Unknown until then; afterwards spent, and what is taken back is what was booked."""
    sent = calls("emb", 30, input_tokens=1000)
    async with opened(tmp_path) as app:
        await record(app, sent)
        before = await app.check_budget_with_confidence("day", planned_cost_usd=0.01)
        assert before.verdict == "unknown"
    async with opened(tmp_path, price=PriceSettings("emb", 2, 2)) as app:
        assert await spent(app) == pytest.approx(60_000)
        await record(app, [replace_cost(sent[0], 0.5)])
        assert await spent(app) == pytest.approx(558_000)
    async with opened(tmp_path, price=PriceSettings("emb", 9, 9)) as app:
        assert await spent(app) == pytest.approx(558_000)


@pytest.mark.parametrize("tier", ["batch", "priority"])
async def test_planned_calls_cost_what_their_tier_did(tmp_path: Path, tier: str) -> None:
    """Ten calls are forecast at what ten calls of the tier were booked at, not at the model's own price."""
    prices = {
        "usual": PriceSettings("emb", 1.25, 10, 0.125),
        "priority": PriceSettings("emb:priority", 5, 40, 0.5),
        "batch": PriceSettings("emb:batch", 0.625, 5),
    }
    async with opened(tmp_path, **prices) as app:
        await record(app, calls("emb", 30, input_tokens=100_000, output_tokens=100, tier=tier))
        booked = await spent(app)
        asked = await app.check_budget_with_confidence("day", "emb", planned_calls=10)
    assert asked.projected_usd == pytest.approx(booked / 3 / MICRO, rel=0.05)


async def test_a_tier_without_a_price_is_not_taken_for_its_model_s(tmp_path: Path) -> None:
    """Unknown at every check, in the window and ahead; a cost that is told later counts."""
    sent = calls("emb", 30, input_tokens=100_000, tier="priority")
    async with opened(tmp_path, usual=PriceSettings("emb", 1.25, 10)) as app:
        await record(app, sent)
        for _ in range(2):
            found = await app.check_budget_with_confidence("day", "emb", planned_calls=10)
            assert (found.verdict, found.spent_usd) == ("unknown", 0)
            assert found.unpriced is not None
            assert (found.unpriced.calls, found.unpriced.tokens) == (30, 3_000_000)
            assert (
                "a service tier without a price: add the table 'MODEL:TIER'" in found.unpriced.why
            )
        await record(app, [replace_cost(one, 0.25) for one in sent])
        assert await spent(app) == pytest.approx(30 * 250_000)


async def test_calls_of_a_tier_that_gets_its_price_later_are_booked_when_told_again(
    tmp_path: Path,
) -> None:
    """Rows do not keep their tier; whoever tells of them again does, once, and nothing is booked twice."""
    usual = PriceSettings("emb", 1.25, 10)
    sent = calls("emb", 30, input_tokens=100_000, tier="priority")
    async with opened(tmp_path, usual=usual) as app:
        await record(app, sent)
    async with opened(tmp_path, usual=usual, tier=PriceSettings("emb:priority", 2.5, 20)) as app:
        assert await spent(app) == 0
        without = [{key: value for key, value in one.items() if key != "tier"} for one in sent]
        for told, micro in ((without, 0), (sent, 30 * 250_000), (sent, 30 * 250_000)):
            await record(app, told)
            assert await spent(app) == pytest.approx(micro)


def replace_cost(one: dict[str, object], usd: float) -> dict[str, object]:
    """The same call, of which the cost has become known."""
    return {"dependency": one["dependency"], "id": one["id"], "cost_usd": usd}
