"""The ground that every replicate of a drill stands on, and what came of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.drill.mix_move import MixMove
    from gonogo.records import Decision
    from gonogo.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class TrialInputs:
    """The shared input of all replicates. `begin_ms` is a UTC midnight, where history ends.

    `left_out`: scenarios for which this history has no evidence, and what is lacking. `mix`: the slice that grows.
    """

    dependency: str
    settings: Settings
    actuators: tuple[str, ...]
    receivers: tuple[str, ...]
    gaps: tuple[str, ...]
    pasts: Mapping[str, HealthyHistory]
    accepted: tuple[Decision, ...]
    begin_ms: int
    days: int
    seed: int
    answer_after_ms: int | None
    mix: MixMove | None = None
    left_out: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(slots=True)
class Trial:
    """The events of one replicate. Times are epoch milliseconds; None: it never happened.

    `early`: it was raised before anything happened. `alarms`: incidents that were opened.
    `hurt`: calls that the scenario made worse, before it was dealt with. `dead`: the target that
    died between plan and deed. `unheard`: receivers that were not told, or told too late. `reached`: the
    largest share that a candidate had. `moved`: by how much the golden set's answers, or the whole's outcomes, became
    better. `refused`: the first budget that refused, and what share of its limit was spent by then; `spent`: the
    largest share of a limit that was.
    """

    scenario: str
    replicate: int
    start_ms: int
    end_ms: int
    noticed_ms: int | None = None
    early: bool = False
    alarms: int = 0
    fired_ms: int | None = None
    target: str | None = None
    target_ok: bool | None = None
    dead: str | None = None
    unheard: tuple[str, ...] = ()
    hurt: int = 0
    extra_micro_usd: int | None = None
    recovered_ms: int | None = None
    switches: int = 0
    reached: float = 0.0
    moved: float | None = None
    refused: tuple[str, float] | None = None
    spent: float = 0.0
    problems: list[str] = field(default_factory=list)
