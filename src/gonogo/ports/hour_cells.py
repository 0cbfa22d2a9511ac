"""An hour's calls that were counted elsewhere: a cell, as it comes in and as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from gonogo.records import MICRO

# Of the table in docs/cells.md; another number is another table.
CELL_VERSION = 1
# Those of which it has a histogram, beside the users' own.
CELL_METRICS = (
    *("latency_ms", "cost_usd", "input_tokens", "output_tokens", "outcome", "outcome_lag_s"),
    *("confidence", "confidence_labelled", "confidence_good"),
)


class CountedHistogram(NamedTuple):
    """The values of one metric: how many, their sum in 1e-6 of its unit, and their bins as `packed_bins` packs them."""

    n: int
    total: int
    lowest: int
    bins: bytes


@dataclass(frozen=True, slots=True)
class CellContent:
    """The sums that a cell adds to the rollups of its hour; two cells are merged by adding.

    `counts`: in the order of the store's rollups, the calls themselves first. `errors`, `predictions`:
    how many calls had each. `weight_e6`: for how many calls each of them stands, in budgets alone.
    """

    counts: tuple[int, ...]
    histograms: Mapping[str, CountedHistogram]
    errors: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    predictions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    weight_e6: int = MICRO

    @property
    def n(self) -> int:
        """The number of calls that it counts; 0 takes a cell back."""
        return self.counts[0]


@dataclass(frozen=True, slots=True)
class HourCell:
    """The calls of one dependency, version, golden item and set of segments in one UTC hour.

    `hour`: whole hours since 1970. `slo_us`, `bar_e6`: the latency objective and the quality bar that its
    counts were made with. `nano_usd`: what its calls cost, and those for which they stand, in 1e-9 USD. `source`: who counted; the cells
    of two sources add up, and a later `revision` of one takes the place of an earlier.
    """

    dependency: str
    hour: int
    first_ts_ms: int
    newest_ts_ms: int
    content: CellContent
    version: str | None = None
    item: str | None = None
    segments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    slo_us: int | None = None
    bar_e6: int = 500_000
    nano_usd: int | None = None
    source: str = ""
    revision: int = 0
    kind: str | None = None
    provider: str | None = None
    run: str | None = None
