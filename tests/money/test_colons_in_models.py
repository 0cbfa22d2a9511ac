"""Models whose names carry a colon beside price tables named `MODEL:TIER`: each is priced by its own."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.money.prices import TokenUsage, call_nano_usd, price_calls
from gonogo.records import Costs
from gonogo.settings import PriceSettings, Settings
from money_world import NOW_MS, calls, opened_app, record

FAMILIES = (
    ("llama3", "llama3:8b", "llama3:70b"),
    ("deepseek/deepseek-r1", "deepseek/deepseek-r1:free", "deepseek/deepseek-r1:nitro"),
    ("ft:gpt-4o", "ft:gpt-4o:org::id", "ft:gpt-4o:org::other"),
    ("anthropic.claude-v1", "anthropic.claude-v1:0", "anthropic.claude-v1:1"),
)
TIERS = (None, "batch", "flex", "priority", "default")
COST_MILLION = st.floats(0.5, 90)


@given(st.sampled_from(FAMILIES), st.data())
def test_a_call_is_booked_and_forecast_by_its_own_tables_alone(
    family: tuple[str, ...], data: st.DataObject
) -> None:
    """Oracle: the same, where no other model of the family has a table."""
    mine = data.draw(st.sampled_from(family))
    own = {mine: data.draw(COST_MILLION), f"{mine}:priority": data.draw(COST_MILLION)}
    others = {name: data.draw(COST_MILLION) for name in family if name != mine}
    tier = data.draw(st.sampled_from(TIERS))
    recorded = data.draw(st.sampled_from(tuple({**own, **others}.values())))

    def told(tables: dict[str, float]) -> tuple[int | None, float]:
        prices = {name: PriceSettings(name, usd, usd) for name, usd in tables.items()}
        settings = Settings(store="unused", prices=MappingProxyType(prices))
        usage = TokenUsage(1000, 100, tier=tier)
        booked = call_nano_usd(mine, None, usage, ts_ms=NOW_MS, settings=settings)
        costs = Costs(
            np.array([NOW_MS]),
            np.array([recorded * 1100]),
            np.array([1000]),
            np.array([100]),
            np.array([0]),
            (None,),
        )
        priced = price_calls(costs, mine, settings, now_ms=NOW_MS, others=family)
        return booked, float(priced[0])

    assert told({**others, **own}) == told(own)


@pytest.mark.parametrize(("plain", "other"), [(each[0], each[2]) for each in FAMILIES])
@pytest.mark.anyio
async def test_a_price_that_doubled_is_not_excused_by_another_model(
    tmp_path: Path, plain: str, other: str
) -> None:
    """Ten calls are forecast at today's price, though theirs of yesterday is the other model's."""
    toml = (
        f'[budgets.day]\nlimit_usd = 10\ndependencies = ["{plain}"]\n'
        f'[settings.prices."{plain}"]\ninput_usd_per_mtok = 4\noutput_usd_per_mtok = 4\n'
        f'[settings.prices."{other}"]\ninput_usd_per_mtok = 2\noutput_usd_per_mtok = 2\n'
    )
    async with opened_app(tmp_path, toml) as app:
        sent = {"input_tokens": 100_000, "output_tokens": 0}
        await record(app, calls(plain, 30, 0.2, **sent) + calls(other, 1, **sent))
        asked = await app.check_budget_with_confidence("day", plain, planned_calls=10)
    assert asked.projected_usd == pytest.approx(4, rel=0.05)


@pytest.mark.anyio
async def test_a_version_is_priced_by_the_name_that_ollama_gives_it(tmp_path: Path) -> None:
    """`llama3` of version `8b` is the table `llama3:8b`, booked and forecast; another version is not."""
    toml = (
        '[budgets.day]\nlimit_usd = 10\ndependencies = ["llama3"]\n'
        '[settings.prices."llama3:8b"]\ninput_usd_per_mtok = 2\noutput_usd_per_mtok = 2\n'
        '[settings.prices."llama3"]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 1\n'
    )
    async with opened_app(tmp_path, toml) as app:
        sent = {"input_tokens": 100_000, "output_tokens": 0}
        await record(app, calls("llama3", 30, version="8b", **sent))
        asked = await app.check_budget_with_confidence("day", "llama3", planned_calls=10)
        assert (asked.spent_usd, asked.projected_usd) == pytest.approx((6, 2), rel=0.05)


@pytest.mark.parametrize(
    ("tier", "usd"), [("Fast", 7), ("FAST", 7), ("Batch", 0.5), ("Standard", 1), ("slow", None)]
)
def test_a_tier_is_known_however_it_is_capitalised(tier: str, usd: float | None) -> None:
    """By its table, its share of the model's price, or as no tier at all; another one stays without a price."""
    tables = {"m": 1, "m:fast": 7}
    prices = {name: PriceSettings(name, usd, usd) for name, usd in tables.items()}
    for named in (prices, {"m": prices["m"], "m:Fast": prices["m:fast"]}):
        settings = Settings(store="unused", prices=MappingProxyType(named))
        usage = TokenUsage(input=1_000_000, output=0, tier=tier)
        nano = call_nano_usd("m", None, usage, ts_ms=NOW_MS, settings=settings)
        assert nano == (None if usd is None else usd * 1_000_000_000)
