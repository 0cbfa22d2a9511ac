"""The words for what a budget counts: what calls of it lack, what to record, how it was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gonogo.records import Unit


@dataclass(frozen=True, slots=True)
class UnitWords:
    """How a unit is spoken of.

    `lacks`: what a call has that cannot be counted; `remedy`: what to do about it; `counted`: an
    observation that can be; `with_it`: what calls are recorded with; `free`: of a tool that never
    had any.
    """

    lacks: str
    remedy: str
    counted: str
    counted_many: str
    with_it: str
    free: str
    projected: str = "projected use"
    cost: str = "used"
    spent: str = "used"


UNIT_WORDS: Mapping[Unit, UnitWords] = {
    "usd": UnitWords(
        "no cost and no known price",
        "Record cost_usd, or add the model to [settings.prices] in gonogo.toml.",
        "priced observation",
        "priced observations",
        "their cost",
        "no call of it ever had a cost",
        "projected spend",
        "cost",
        "spent",
    ),
    # Every call counts as one: nothing lacks anything.
    "calls": UnitWords("", "", "observation", "observations", "their ids", "", "planned"),
    "tokens": UnitWords(
        "no known tokens",
        "Record input_tokens and output_tokens.",
        "observation with tokens",
        "observations with tokens",
        "their tokens",
        "no call of it ever had tokens",
    ),
    "minutes": UnitWords(
        "no known duration",
        "Record latency_ms.",
        "observation with latency_ms",
        "observations with latency_ms",
        "their latency_ms",
        "",
    ),
}
