"""The costs of newly stored observations, as the ledger books them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.records import QUARTER_MS, BookedCost, Observation
from gonogo.store.observations.rows import Row

if TYPE_CHECKING:
    from gonogo.settings import Settings
    from gonogo.store.observations.arrivals import Arrivals
    from gonogo.store.observations.catalogue import Catalogue

__all__ = ["Costs", "as_priced", "costs_of"]


def costs_of(
    dependency: str, arrivals: Arrivals, catalogue: Catalogue, settings: Settings
) -> list[BookedCost]:
    """The costs that a batch brings: of new observations, and of what others were filled in with."""
    sums = Costs(dependency, settings)
    for o, _ in arrivals.fresh:
        sums.add(o, 1)
    for one in arrivals.filled.values():
        if any(one.before[at] != one.after[at] for at in _PRICED):
            sums.add(as_priced(dependency, one.before, catalogue), -1)
            sums.add(as_priced(dependency, one.after, catalogue), 1)
    return sums.booked()


_PRICED = tuple(
    Row._fields.index(name)
    for name in (
        *("ts_ms", "version_id", "cost_micro_usd", "input_tokens", "output_tokens"),
        *("budget_id", "reservation"),
    )
)


def as_priced(dependency: str, row: Row, catalogue: Catalogue) -> Observation:
    """What the price of a stored row is made of."""
    return Observation(
        dependency=dependency,
        ts_ms=row.ts_ms,
        version=catalogue.name_text(row.version_id) if row.version_id else None,
        cost_micro_usd=row.cost_micro_usd,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        budget=None if row.budget_id is None else catalogue.name_text(row.budget_id),
        reservation=row.reservation,
    )


class Costs:
    """Costs of one dependency's calls, added up as finely as the ledger books them.

    A call that came with tokens and no cost is booked at the price of its day, where there is one;
    its row keeps the tokens alone, so that a forecast prices it anew.
    """

    def __init__(self, dependency: str, settings: Settings) -> None:
        self._dependency = dependency
        self._settings = settings
        self._sums: dict[tuple[str | None, str | None, int], int] = {}
        self._unlisted: set[str | None] = set()

    def add(self, o: Observation, sign: int) -> None:
        """Add what a call cost; with sign -1 take it back."""
        cost = o.cost_micro_usd
        if cost is None and o.version not in self._unlisted:
            cost = _priced(self._dependency, o, self._settings)
            if cost is None and (o.input_tokens or o.output_tokens):
                self._unlisted.add(o.version)
        # What names a budget and has no cost books nothing, so that the budget knows who called.
        if cost is not None or o.budget or o.reservation:
            key = o.budget, o.reservation, o.ts_ms // QUARTER_MS
            self._sums[key] = self._sums.get(key, 0) + sign * (cost or 0)

    def booked(self) -> list[BookedCost]:
        """The sums by budget, reservation and quarter hour."""
        return [
            BookedCost(self._dependency, budget, reservation, quarter * QUARTER_MS, amount)
            for (budget, reservation, quarter), amount in self._sums.items()
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
