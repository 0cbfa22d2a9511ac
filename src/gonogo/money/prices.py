"""The price of calls today: overrides, the price list of `genai-prices`, or the recorded cost."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from gonogo.ports.booked_costs import UNLISTED_TIER
from gonogo.records import MICRO, NANO_A_MICRO

if TYPE_CHECKING:
    from decimal import Decimal

    from gonogo.records import Costs, Floats, Observation
    from gonogo.settings import PriceSettings, Settings

# Half the price is what OpenAI, Anthropic and Google ask for work that may wait. Any other tier has a price
# only where one is configured, as "MODEL:TIER".
_TIER_SHARES = {"batch": 0.5, "flex": 0.5}
_ORDINARY_TIERS = {"", "auto", "default", "standard"}


def is_ordinary(tier: str | None) -> bool:
    """Whether calls of a service tier, however it is capitalised, cost what their model does."""
    return (tier or "").casefold() in _ORDINARY_TIERS


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


def model_names(dependency: str, version: str | None) -> tuple[str, ...]:
    """The names that a price may be listed under, the most exact first."""
    if version is None:
        return (dependency,)
    # A colon is how Ollama writes it: `llama3:8b`.
    return (*(f"{dependency}{joint}{version}" for joint in "@:-"), dependency)


class TokenUsage(NamedTuple):
    """The tokens of one call as price tables count them: parts are within `input` and `output`."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    input_audio: int = 0
    output_audio: int = 0
    tier: str | None = None

    @classmethod
    def of(cls, o: Observation) -> TokenUsage:
        """The token usage of an observation; parts that exceed the whole were counted beside it, and are added."""
        read, write = o.cache_read_tokens or 0, o.cache_write_tokens or 0
        sent, got, thought = o.input_tokens or 0, o.output_tokens or 0, o.reasoning_tokens or 0
        sent = sent + read + write if read + write > sent else sent
        got = got + thought if thought > got else got
        return cls(
            sent,
            got,
            read,
            write,
            min(o.input_audio_tokens or 0, sent - read - write),
            min(o.output_audio_tokens or 0, got),
            o.tier,
        )


def call_nano_usd(
    dependency: str, version: str | None, usage: TokenUsage, *, ts_ms: int, settings: Settings
) -> int | None:
    """The cost of a call's tokens at the prices of its day, in 1e-9 USD; None if unlisted.

    For an observation that comes with tokens and without a cost.
    """
    price = _usage_micro_usd(dependency, version, usage, ts_ms, settings)
    return None if price is None else round(price * NANO_A_MICRO)


def _usage_micro_usd(
    dependency: str, version: str | None, usage: TokenUsage, ts_ms: int, settings: Settings
) -> float | None:
    """At an override, one of the tier before the model's own; else at the list's price."""
    tier = None if usage.tier is None or is_ordinary(usage.tier) else usage.tier.casefold()
    if tier is not None and (of_tier := _override(dependency, version, settings, tier)):
        return _of_override(usage, of_tier)
    share = 1.0 if tier is None else _TIER_SHARES.get(tier)
    if share is None:
        return None
    override = _override(dependency, version, settings)
    if override is not None:
        return share * _of_override(usage, override)
    listed = _listed(dependency, version, usage, ts_ms, settings)
    return None if listed is None else share * listed


def _of_override(usage: TokenUsage, price: PriceSettings) -> float:
    """USD per million tokens is micro-dollars per token."""
    parts = usage.cache_read, usage.cache_write, usage.input_audio
    sent = usage.input - sum(parts), *parts
    got = usage.output - usage.output_audio, usage.output_audio
    used = zip((*sent, *got), (*_inputs(price), *_outputs(price)), strict=True)
    return sum(tokens * each for tokens, each in used)


def _inputs(price: PriceSettings) -> list[float]:
    """The prices of input: plain, read from a cache, written to one, audio."""
    own = (
        price.cached_input_usd_per_mtok,
        price.cache_write_usd_per_mtok,
        price.input_audio_usd_per_mtok,
    )
    plain = price.input_usd_per_mtok
    return [plain, *(plain if each is None else each for each in own)]


def _outputs(price: PriceSettings) -> tuple[float, float]:
    """The prices of output: plain, audio."""
    plain, audio = price.output_usd_per_mtok, price.output_audio_usd_per_mtok
    return plain, plain if audio is None else audio


def price_calls(
    costs: Costs,
    dependency: str,
    settings: Settings,
    *,
    now_ms: int,
    others: Collection[str] = (),
) -> Floats:
    """Price a dependency's calls as they would be priced today, in micro-dollars.

    `others`: names of dependencies that are known beside those configured. The price of one, as of `llama3:8b`
    beside `llama3`, is not taken for a tier's.

    With an override in `[settings.prices]` tokens are priced by it. A recorded cost that lies
    between all tokens at the cheapest of those prices and all at the dearest, or of those of a tier, stands: caching,
    audio or the tier made it of them. Without one, a recorded cost is scaled by what the price list has changed
    since, and tokens without a cost take the list's price. Neither cost nor price: NaN, never 0.
    """
    import numpy as np

    priced = np.where(costs.cost_micro_usd >= 0, costs.cost_micro_usd, np.nan).astype(float)
    counted = (costs.input_tokens >= 0) | (costs.output_tokens >= 0)
    counted &= costs.cost_micro_usd != UNLISTED_TIER
    for index, version in enumerate(costs.versions):
        mine = counted & (costs.version == index)
        if not mine.any():
            continue
        override = _override(dependency, version, settings)
        if override is not None:
            tiers = _tier_overrides(dependency, version, costs.versions, settings, others)
            priced[mine] = _at_override(costs, mine, override, tiers)
        else:
            _at_list_price(costs, mine, priced, (dependency, version), settings, now_ms)
    return priced


def _override(
    dependency: str, version: str | None, settings: Settings, tier: str | None = None
) -> PriceSettings | None:
    """The table of a model, or that of its tier, which is told in small letters."""
    names, prices = model_names(dependency, version), settings.prices
    if tier is None:
        return next((prices[name] for name in names if name in prices), None)
    of_tiers = {
        (model, of.casefold()): price
        for name, price in prices.items()
        for model, _, of in [name.rpartition(":")]
    }
    return next((of_tiers[name, tier] for name in names if (name, tier) in of_tiers), None)


def _tier_overrides(
    dependency: str,
    version: str | None,
    versions: Collection[str | None],
    settings: Settings,
    others: Collection[str],
) -> tuple[PriceSettings, ...]:
    """The tables `MODEL:TIER` of a version, without those of other models and versions by such names."""
    starts = tuple(f"{name}:" for name in model_names(dependency, version))
    models = {*others, *settings.dependencies}
    models |= {name for each in versions for name in model_names(dependency, each)}
    return tuple(
        price
        for name, price in settings.prices.items()
        if name.startswith(starts) and name not in models
    )


def _at_override(
    costs: Costs, rows: Floats, price: PriceSettings, tiers: tuple[PriceSettings, ...]
) -> Floats:
    """At one price, but for recorded costs that it or a tier explains: rows do not keep their tier."""
    import numpy as np

    recorded = costs.cost_micro_usd[rows]
    repriced, *_ = _bounds(costs, rows, price)
    # Not at half of the price, as a batch costs: that may as well be a price that has doubled since, and a
    # forecast that is too dear is found before the money is gone. `MODEL:batch` with a price tells them apart.
    bounds = [_bounds(costs, rows, each) for each in (price, *tiers)]
    stands = np.zeros(recorded.shape, dtype=bool)
    for _, most, least in bounds:
        # A micro-dollar of leeway on both sides, for costs that were rounded.
        stands |= (recorded >= least - 1) & (recorded <= most + 1)
    return np.asarray(np.where(stands & (recorded >= 0), recorded, repriced), dtype=np.float64)


def _bounds(costs: Costs, rows: Floats, price: PriceSettings) -> tuple[Floats, Floats, Floats]:
    """The cost of tokens at the plain prices, at the dearest and at the cheapest: rows do not keep their parts."""
    import numpy as np

    # USD per million tokens is micro-dollars per token.
    sent, got = (np.maximum(each[rows], 0) for each in (costs.input_tokens, costs.output_tokens))
    plain, most, least = (
        sent * into + got * out
        for into, out in (
            (price.input_usd_per_mtok, price.output_usd_per_mtok),
            (max(_inputs(price)), max(_outputs(price))),
            (min(_inputs(price)), min(_outputs(price))),
        )
    )
    return plain, most, least


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
    probe = TokenUsage(1_000_000, 1_000_000)
    today = _listed(*model, probe, now_ms, settings)
    if today is None:
        return
    oldest = _listed(*model, probe, int(costs.ts_ms[at[0]]), settings)
    for i in at:
        tokens = TokenUsage(max(int(costs.input_tokens[i]), 0), max(int(costs.output_tokens[i]), 0))
        if costs.cost_micro_usd[i] < 0:
            price = _listed(*model, tokens, now_ms, settings)
            priced[i] = np.nan if price is None else price
        elif oldest != today:
            then = _listed(*model, tokens, int(costs.ts_ms[i]), settings)
            price = _listed(*model, tokens, now_ms, settings)
            if then and price is not None:
                priced[i] *= price / then


def _price_list() -> _PriceList | None:
    try:
        return cast("_PriceList", importlib.import_module("genai_prices"))
    except ImportError:
        return None


def _listed(
    dependency: str, version: str | None, tokens: TokenUsage, ts_ms: int, settings: Settings
) -> float | None:
    listed = _price_list()
    if listed is None:
        return None
    parts = {
        "cache_read_tokens": tokens.cache_read,
        "cache_write_tokens": tokens.cache_write,
        "input_audio_tokens": tokens.input_audio,
        "output_audio_tokens": tokens.output_audio,
    }
    usage = listed.Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        **{name: n for name, n in parts.items() if n},
    )
    when = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    provider = settings.dependency(dependency).provider
    for name in model_names(dependency, version):
        # As LiteLLM and OpenRouter name models: `anthropic/claude-sonnet-4-5`.
        of, slash, model = name.partition("/")
        stated, split = [(provider, name)] if provider else [], [(of, model)] if slash else []
        for provider_id, ref in (*stated, (None, name), *split):
            try:
                found = listed.calc_price(
                    usage, ref, provider_id=provider_id, genai_request_timestamp=when
                )
            except (LookupError, ValueError):
                continue
            return float(found.total_price) * MICRO
    return None
