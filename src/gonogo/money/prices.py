"""The price of calls today: overrides, the price list of `genai-prices`, or the recorded cost."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from gonogo.records import MICRO

if TYPE_CHECKING:
    from decimal import Decimal

    from gonogo.records import Costs, Floats
    from gonogo.settings import PriceSettings, Settings


class _Calculation(Protocol):
    total_price: Decimal


class _PriceList(Protocol):
    """The part of the package `genai_prices` that is used."""

    def Usage(self, **tokens: int) -> object: ...  # noqa: N802 - the package's name

    def calc_price(
        self,
        usage: object,
        model_ref: str,
        *,
        provider_id: str | None = None,
        genai_request_timestamp: datetime | None = None,
    ) -> _Calculation: ...


@dataclass(frozen=True, slots=True, eq=False)
class PricedCalls:
    """Costs of calls at today's prices, in micro-dollars, shape (n,); NaN where none is known."""

    micro_usd: Floats
    unpriced: int


def model_names(dependency: str, version: str | None) -> tuple[str, ...]:
    """The names that a price may be listed under, the most exact first."""
    if version is None:
        return (dependency,)
    return (f"{dependency}@{version}", f"{dependency}-{version}", dependency)


def call_micro_usd(
    dependency: str,
    version: str | None,
    *,
    input_tokens: int,
    output_tokens: int,
    ts_ms: int,
    settings: Settings,
) -> int | None:
    """What a call's tokens cost at the prices of its day, in micro-dollars; None if unlisted.

    For an observation that comes with tokens and without a cost.
    """
    override = _override(dependency, version, settings)
    if override is not None:
        return round(
            input_tokens * override.input_usd_per_mtok
            + output_tokens * override.output_usd_per_mtok
        )
    listed = _listed(dependency, version, input_tokens, output_tokens, ts_ms, settings)
    return None if listed is None else round(listed)


def price_calls(costs: Costs, dependency: str, settings: Settings, *, now_ms: int) -> PricedCalls:
    """Price a dependency's calls as they would be priced today.

    With an override in `[settings.prices]` tokens are priced by it. A recorded cost that lies
    between all input cached and none at those prices stands: it is what caching made of them.
    Without one, a recorded cost is scaled by what the price list has changed since, and tokens
    without a cost take the list's price. Neither cost nor price: NaN, never 0.
    """
    import numpy as np

    priced = np.where(costs.cost_micro_usd >= 0, costs.cost_micro_usd, np.nan).astype(float)
    counted = (costs.input_tokens >= 0) | (costs.output_tokens >= 0)
    for index, version in enumerate(costs.versions):
        mine = counted & (costs.version == index)
        if not mine.any():
            continue
        override = _override(dependency, version, settings)
        if override is not None:
            priced[mine] = _at_override(costs, mine, override)
        else:
            _at_list_price(costs, mine, priced, (dependency, version), settings, now_ms)
    return PricedCalls(priced, int(np.isnan(priced).sum()))


def _override(dependency: str, version: str | None, settings: Settings) -> PriceSettings | None:
    names = model_names(dependency, version)
    return next((settings.prices[name] for name in names if name in settings.prices), None)


def _at_override(costs: Costs, rows: Floats, price: PriceSettings) -> Floats:
    import numpy as np

    # USD per million tokens is micro-dollars per token.
    tokens_in = np.maximum(costs.input_tokens[rows], 0)
    out = np.maximum(costs.output_tokens[rows], 0) * price.output_usd_per_mtok
    uncached = tokens_in * price.input_usd_per_mtok + out
    if price.cached_input_usd_per_mtok is None:
        return np.asarray(uncached, dtype=np.float64)
    cached = tokens_in * price.cached_input_usd_per_mtok + out
    recorded = costs.cost_micro_usd[rows]
    # A micro-dollar of leeway on both sides, for costs that were rounded.
    explained = (recorded >= cached - 1) & (recorded <= uncached + 1)
    return np.asarray(np.where(explained, recorded, uncached), dtype=np.float64)


def _at_list_price(
    costs: Costs,
    rows: Floats,
    priced: Floats,
    model: tuple[str, str | None],
    settings: Settings,
    now_ms: int,
) -> None:
    import numpy as np

    at = np.flatnonzero(rows)
    if _price_list() is None:
        return
    probe = (1_000_000, 1_000_000)
    today = _listed(*model, *probe, now_ms, settings)
    if today is None:
        return
    oldest = _listed(*model, *probe, int(costs.ts_ms[at[0]]), settings)
    for i in at:
        tokens = (max(int(costs.input_tokens[i]), 0), max(int(costs.output_tokens[i]), 0))
        if costs.cost_micro_usd[i] < 0:
            price = _listed(*model, *tokens, now_ms, settings)
            priced[i] = np.nan if price is None else price
        elif oldest != today:
            then = _listed(*model, *tokens, int(costs.ts_ms[i]), settings)
            price = _listed(*model, *tokens, now_ms, settings)
            if then and price is not None:
                priced[i] *= price / then


def _price_list() -> _PriceList | None:
    try:
        return cast("_PriceList", importlib.import_module("genai_prices"))
    except ImportError:
        return None


def _listed(
    dependency: str,
    version: str | None,
    input_tokens: int,
    output_tokens: int,
    ts_ms: int,
    settings: Settings,
) -> float | None:
    listed = _price_list()
    if listed is None:
        return None
    usage = listed.Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    when = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    provider = settings.dependency(dependency).provider
    for name in model_names(dependency, version):
        for provider_id in (provider, None) if provider else (None,):
            try:
                found = listed.calc_price(
                    usage, name, provider_id=provider_id, genai_request_timestamp=when
                )
            except (LookupError, ValueError):
                continue
            return float(found.total_price) * MICRO
    return None
