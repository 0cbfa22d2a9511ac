"""The costs of newly stored observations, as the ledger books them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from gonogo.ports.booked_costs import UNLISTED_TIER, BookedCost, Usage, weighed
from gonogo.records import NANO_A_MICRO, QUARTER_MS, Observation
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import Catalogue, CatalogueOf, CommittedIds
from gonogo.store.observations.rows import COLUMNS, Row

# A call was booked at the price of its day, which was not kept: so did stores until schema 17.
NOT_KEPT = -1
_NANO_MAX = 10**18
_PRICED = tuple(
    Row._fields.index(name)
    for name in (
        *("ts_ms", "version_id", "cost_micro_usd", "input_tokens", "output_tokens"),
        *("budget_id", "reservation", "booked_nano_usd"),
    )
)
# What the books are made of.
_BOOKED = (*_PRICED, *map(Row._fields.index, ("latency_us", "segments", "weight_e6")))
# What a price is made of besides tokens, which rows do not keep.
_PARTS = (
    *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("input_audio_tokens", "output_audio_tokens", "tier"),
)

_WAITING = f"""
SELECT {COLUMNS} FROM observation
WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) AND ts_ms >= ?
  AND cost_micro_usd IS NULL AND booked_nano_usd IS NULL
  AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL)
"""  # noqa: S608 - constant names
_BOOK = """
UPDATE observation SET booked_nano_usd = ? WHERE dependency_id = ? AND ts_ms = ? AND seq = ?
"""


class Pricing:
    """The prices that calls of one dependency are booked at, where they state no cost in whole micro-dollars.

    A call that comes with tokens and no cost is booked at the price of its day, where there is one.
    """

    def __init__(self, dependency: str, settings: Settings) -> None:
        self._dependency = dependency
        self._settings = settings
        self._unlisted: set[tuple[str | None, str | None]] = set()

    def __call__(self, o: Observation) -> int | None:
        """The price in 1e-9 USD; None where the cost is stated, or nothing is. `UNLISTED_TIER` stands for itself."""
        if o.cost_micro_usd is not None:
            return o.cost_nano_usd
        if o.input_tokens is None and o.output_tokens is None:
            return None
        from gonogo.money.prices import TokenUsage, call_nano_usd, is_ordinary

        lacking = None if is_ordinary(o.tier) else UNLISTED_TIER
        if (o.version, o.tier) in self._unlisted:
            return lacking

        usage = TokenUsage.of(o)
        price = call_nano_usd(
            self._dependency, o.version, usage, ts_ms=o.ts_ms, settings=self._settings
        )
        if price is None and (usage.input or usage.output):
            self._unlisted.add((o.version, o.tier))
        return lacking if price is None else min(price, _NANO_MAX)

    def refilled(self, first: Row, after: Row, late: Observation, catalogue: Catalogue) -> Row:
        """A row that was filled in, with what it is booked at now: at the cost that was stated last."""
        if late.cost_micro_usd is not None:
            return after._replace(
                cost_micro_usd=late.cost_micro_usd, booked_nano_usd=late.cost_nano_usd
            )
        if after.cost_micro_usd is not None:
            return after._replace(booked_nano_usd=first.booked_nano_usd)
        # Rows do not keep their tier: of one that had no price, who tells of the call again says it once more.
        is_tier = after.booked_nano_usd == UNLISTED_TIER and late.tier is not None
        if not is_tier and all(first[at] == after[at] for at in _PRICED):
            return after
        parts = {name: getattr(late, name) for name in _PARTS}
        priced = self(replace(as_priced(self._dependency, after, catalogue), **parts))
        return after._replace(booked_nano_usd=priced)


def costs_of(
    dependency: str,
    rows: Iterable[Row],
    filled: Iterable[tuple[Row, Row]],
    catalogue: Catalogue,
    settings: Settings,
) -> list[BookedCost]:
    """The costs that a batch brings: of new rows, and of others before and after they were filled in."""
    sums = Costs(dependency, catalogue, settings)
    for row in rows:
        sums.add(row, 1)
    for before, after in filled:
        if any(before[at] != after[at] for at in _BOOKED):
            sums.add(before, -1)
            sums.add(after, 1)
    return sums.booked()


def as_priced(dependency: str, row: Row, catalogue: Catalogue) -> Observation:
    """The fields of a stored row that its price is computed from."""
    return Observation(
        dependency=dependency,
        ts_ms=row.ts_ms,
        version=catalogue.name_text(row.version_id) if row.version_id else None,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )


_SumKey = tuple[int | None, str | None, int, tuple[str, ...], tuple[int, ...] | None]


class Costs:
    """The cost and use of one dependency's calls, added up as finely as the ledger books them.

    `keys`: the segment keys whose values are told apart; without it those that the store keeps sums by.
    """

    def __init__(
        self,
        dependency: str,
        catalogue: Catalogue,
        settings: Settings,
        *,
        keys: frozenset[str] | None = None,
    ) -> None:
        self._dependency = dependency
        self._catalogue = catalogue
        self._price = Pricing(dependency, settings)
        self._keys = keys
        self._segments: dict[str, tuple[str, ...]] = {}
        # By budget, reservation, quarter hour, segments and, in a reservation, call: 1e-9 USD, calls, tokens,
        # microseconds.
        self._sums: dict[_SumKey, list[int]] = {}

    def add(self, row: Row, sign: int) -> None:
        """Add what a call was booked at; with sign -1 take it back."""
        nano = row.booked_nano_usd
        if nano == NOT_KEPT:
            nano = self._price(as_priced(self._dependency, row, self._catalogue))
        elif nano is None and row.cost_micro_usd is not None:
            nano = row.cost_micro_usd * NANO_A_MICRO
        nano = None if nano == UNLISTED_TIER else nano
        segments = () if row.segments is None else self._kept_of(row.segments)
        # One by one where a run may be told by them; a row and what it becomes are one.
        call = None if row.reservation is None else row[1:3]
        key = row.budget_id, row.reservation, row.ts_ms // QUARTER_MS, segments, call
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = [0, 0, 0, 0]
        tokens = (row.input_tokens or 0) + (row.output_tokens or 0)
        added: tuple[int, ...] = (nano or 0, 1, tokens, row.latency_us or 0)
        if row.weight_e6 is not None:
            added = weighed(added, row.weight_e6)
        for at, amount in enumerate(added):
            sums[at] += sign * amount

    def _kept_of(self, stored: str) -> tuple[str, ...]:
        """The segments of a row whose keys have sums."""
        keys = self._catalogue.kept_keys() if self._keys is None else self._keys
        if not keys:
            return ()
        found = self._segments.get(stored)
        if found is None:
            name = self._catalogue.name_text
            texts = [each if isinstance(each, str) else name(each) for each in json.loads(stored)]
            found = tuple(text for text in texts if text.partition("=")[0] in keys)
            self._segments[stored] = found
        return found

    def booked(self) -> list[BookedCost]:
        """The sums by budget, reservation and quarter hour."""
        name = self._catalogue.name_text
        return [
            BookedCost(
                self._dependency,
                None if budget is None else name(budget),
                reservation,
                quarter * QUARTER_MS,
                *divmod(nano, NANO_A_MICRO),
                Usage(*used),
                segments,
            )
            for (budget, reservation, quarter, segments, _), (nano, *used) in self._sums.items()
        ]


def book_late(
    connection: Connection,
    *,
    name: str,
    since_ms: int,
    now_ms: int,
    settings: Settings,
    catalogue_of: CatalogueOf,
) -> int:
    """Book them at the price of their day, in a write transaction; how many they were."""
    catalogue = catalogue_of(connection, CommittedIds())
    pricing, costs = Pricing(name, settings), Costs(name, catalogue, settings)
    booked = []
    for values in connection.execute(_WAITING, (name, since_ms)).fetchall():
        row = Row(*values)
        nano = pricing(as_priced(name, row, catalogue))
        if nano is not None:
            booked.append((nano, *row[:3]))
            costs.add(row, -1)
            costs.add(row._replace(booked_nano_usd=nano), 1)
    if booked:
        connection.executemany(_BOOK, booked)
        catalogue.book(costs.booked(), now_ms=now_ms, settings=settings)
    return len(booked)
