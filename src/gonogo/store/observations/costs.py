"""What newly stored observations cost, as the ledger books it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.records import QUARTER_MS, BookedCost

if TYPE_CHECKING:
    from gonogo.records import Observation
    from gonogo.settings import Settings
    from gonogo.store.observations.arrivals import Arrivals

__all__ = ["costs_of"]


def costs_of(dependency: str, arrivals: Arrivals, settings: Settings) -> list[BookedCost]:
    """The costs of new observations, added up as finely as the ledger books them.

    A call that came with tokens and no cost is booked at the price of its day, where there is one;
    its row keeps the tokens alone, so that a forecast prices it anew.
    """
    sums: dict[tuple[str | None, str | None, int], int] = {}
    unlisted: set[str | None] = set()
    for o, _ in arrivals.fresh:
        cost = o.cost_micro_usd
        if cost is None and o.version not in unlisted:
            cost = _priced(dependency, o, settings)
            if cost is None and (o.input_tokens or o.output_tokens):
                unlisted.add(o.version)
        if cost is not None:
            key = o.budget, o.reservation, o.ts_ms // QUARTER_MS
            sums[key] = sums.get(key, 0) + cost
    return [
        BookedCost(dependency, budget, reservation, quarter * QUARTER_MS, amount)
        for (budget, reservation, quarter), amount in sums.items()
    ]


def _priced(dependency: str, o: Observation, settings: Settings) -> int | None:
    if o.input_tokens is None and o.output_tokens is None:
        return None
    from gonogo.money.prices import call_micro_usd

    return call_micro_usd(
        dependency,
        o.version,
        input_tokens=o.input_tokens or 0,
        output_tokens=o.output_tokens or 0,
        ts_ms=o.ts_ms,
        settings=settings,
    )
