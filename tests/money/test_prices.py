"""Prices: overrides, the optional price list, and what is said where there is neither."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from gonogo.money.prices import TokenUsage, call_nano_usd, model_names, price_calls
from gonogo.records import Costs
from gonogo.settings import PriceSettings, Settings

NOW_MS = 1_790_000_000_000


def _costs(*rows: tuple[int, int, int], version: str | None = None) -> Costs:
    """Rows of (recorded micro-dollars or -1, input tokens, output tokens)."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    n = len(rows)
    times = np.full(n, NOW_MS, dtype=np.int64)
    recorded, tokens_in, tokens_out = table.T
    return Costs(
        times,
        recorded.astype(float),
        tokens_in,
        tokens_out,
        np.zeros(n, dtype=np.int64),
        (version,),
    )


def _settings(*prices: PriceSettings) -> Settings:
    return Settings(store="unused", prices=MappingProxyType({p.model: p for p in prices}))


def test_an_override_prices_tokens_and_the_most_exact_name_wins() -> None:
    """USD per million tokens is micro-dollars per token."""
    settings = _settings(PriceSettings("m", 3, 15), PriceSettings("m@2", 1, 2))
    calls = _costs((-1, 1000, 100), (99, 2000, 0))
    assert price_calls(calls, "m", settings, now_ms=NOW_MS).tolist() == [4500, 6000]
    second = _costs((-1, 1000, 100), version="2")
    assert price_calls(second, "m", settings, now_ms=NOW_MS).tolist() == [1200]
    assert model_names("m", "2")[0] == "m@2"


def test_a_recorded_cost_that_caching_explains_stands() -> None:
    """Between all input cached and none; outside it, today's price is taken."""
    settings = _settings(PriceSettings("m", 3, 15, cached_input_usd_per_mtok=0.3))
    calls = _costs((2000, 1000, 100), (1799, 1000, 100), (1000, 1000, 100), (9000, 1000, 100))
    priced = price_calls(calls, "m", settings, now_ms=NOW_MS)
    assert priced.tolist() == [2000, 1799, 4500, 4500]


def test_a_cost_without_tokens_stands_and_tokens_without_a_price_are_counted() -> None:
    """Never 0 for want of a price."""
    priced = price_calls(
        _costs((7, -1, -1), (-1, 10, 10)), "unheard-of", _settings(), now_ms=NOW_MS
    )
    assert priced[0] == 7
    assert np.isnan(priced[1])


def test_a_call_is_priced_as_of_its_day() -> None:
    """What an observation with tokens and without a cost is booked at."""
    settings = _settings(PriceSettings("m", 3, 15))
    usage = TokenUsage(1000, 100)
    assert call_nano_usd("m", None, usage, settings=settings, ts_ms=NOW_MS) == 4_500_000
    assert call_nano_usd("unheard-of", None, usage, settings=settings, ts_ms=NOW_MS) is None


def test_the_price_list_knows_models_tiers_and_days() -> None:
    """With the extra `prices`: a listed model, a long prompt's tier, an unknown model."""
    pytest.importorskip("genai_prices", reason="install gonogo[prices]")
    calls = _costs((-1, 1_000_000, 0), (-1, 0, 1_000_000))
    priced = price_calls(calls, "gpt-4", _settings(), now_ms=NOW_MS)
    assert priced.tolist() == [30e6, 60e6]
    short, long = (
        price_calls(_costs((-1, n, 0)), "gemini-2.5-pro", _settings(), now_ms=NOW_MS)[0] / n
        for n in (100_000, 300_000)
    )
    assert long > short
    recorded = price_calls(_costs((5, 1000, 0)), "gpt-4", _settings(), now_ms=NOW_MS)
    assert recorded.tolist() == [5]
    unknown = price_calls(calls, "sentiment-v3", _settings(), now_ms=NOW_MS)
    assert np.isnan(unknown).tolist() == [True, True]


@pytest.mark.parametrize(
    ("name", "version", "like"),
    [
        ("openai/gpt-5", None, "gpt-5"),
        ("azure/gpt-5", None, "gpt-5"),
        ("anthropic/claude-sonnet-4-5", "20250929", "claude-sonnet-4-5"),
        ("openrouter/openai/gpt-4o", None, "gpt-4o"),
    ],
)
def test_a_provider_before_the_model_is_that_model_s(
    name: str, version: str | None, like: str
) -> None:
    """As LiteLLM and OpenRouter name them; somebody's own name before one is no provider."""
    pytest.importorskip("genai_prices", reason="install gonogo[prices]")

    def price(model: str) -> int | None:
        usage = TokenUsage(100_000, 1000)
        return call_nano_usd(model, version, usage, ts_ms=NOW_MS, settings=_settings())

    assert price(name) == price(like)
    assert price(name) is not None
    assert price(f"my-team/{like}") is None
