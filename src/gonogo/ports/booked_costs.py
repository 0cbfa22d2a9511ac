"""Costs of calls on their way from rows to the ledger, and counts of calls that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gonogo.records import NANO_A_MICRO


class VersionCalls(NamedTuple):
    """Calls of a version in a window: how many have no usage, tokens but no cost, and those tokens."""

    version: str | None
    calls: int
    silent: int
    counted: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BookedCost:
    """What stored observations of one quarter hour cost, as the ledger books it with them.

    `rest_nano_usd` is what there is beyond whole micro-dollars, 0 to 999.
    """

    dependency: str
    budget: str | None
    reservation: str | None
    ts_ms: int
    cost_micro_usd: int
    rest_nano_usd: int = 0

    @property
    def nano_usd(self) -> int:
        """The whole amount in 1e-9 USD."""
        return self.cost_micro_usd * NANO_A_MICRO + self.rest_nano_usd
