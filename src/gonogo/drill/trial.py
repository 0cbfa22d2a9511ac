"""The ground that every replicate of a drill stands on, and what came of one: calls that were hurt, money, where the traffic went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from gonogo.drill.golden_runs import GoldenRuns, golden_rate
from gonogo.drill.replayed_calls import ReplayedCalls, good_rate
from gonogo.drill.scenarios import SEEN, Scenario
from gonogo.fallback.health import DOWN_CALLS_MIN
from gonogo.records import HOUR_MS, MICRO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.drill.scenarios import MixMove
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


@dataclass(frozen=True, slots=True, eq=False)
class FinalState:
    """The end of a replicate: all that was played, which calls the dependency served itself, and when it ended."""

    played: Mapping[str, ReplayedCalls]
    runs: Mapping[str, GoldenRuns]
    served: NDArray[np.bool_]
    now_ms: int


def sum_up(trial: Trial, scenario: Scenario, ground: TrialInputs, end: FinalState) -> None:
    """Write down what it cost until it was dealt with, and where the traffic went."""
    played, served = end.played[ground.dependency], end.served
    by_then = trial.noticed_ms if scenario.wanted in SEEN else trial.fired_ms
    before = played.ts_ms < (end.now_ms if by_then is None else by_then)
    trial.hurt = int((played.hurt & served & before).sum())
    trial.extra_micro_usd = _extra(trial, scenario, ground, end, before)
    trial.moved = _moved(trial, scenario, ground, end)
    # Where only the golden set shows it, no target can be better by the traffic.
    if scenario.wanted != "golden" and trial.target is not None and trial.target in end.played:
        known = None if nobody_could_know(trial, end.played) else trial.target != trial.dead
        theirs, own = (
            _rate_since(each, trial, scenario, ground, end)
            for each in (trial.target, ground.dependency)
        )
        trial.target_ok = known and theirs > own


def nobody_could_know(trial: Trial, played: Mapping[str, ReplayedCalls]) -> bool:
    """Whether the traffic went to what had died, since too few of its calls had failed by then."""
    if trial.target is None or trial.target != trial.dead or trial.dead not in played:
        return False
    calls, fired_ms = played[trial.dead], trial.fired_ms or 0
    by_then = (calls.ts_ms >= fired_ms - HOUR_MS) & (calls.ts_ms < fired_ms)
    return int(by_then.sum()) < DOWN_CALLS_MIN


def _extra(
    trial: Trial,
    scenario: Scenario,
    ground: TrialInputs,
    end: FinalState,
    before: NDArray[np.bool_],
) -> int | None:
    """The spend that the trouble, or the fallback, added; None where that is not known."""
    name, played = ground.dependency, end.played[ground.dependency]
    if scenario.metric == "cost_usd":
        original = ground.pasts[name].calls.booked_micro_usd[played.source]
        return int(np.nansum((played.booked_micro_usd - original)[before]))
    if trial.target is None or trial.target not in ground.pasts:
        return None
    taken = ~end.served & (played.ts_ms < end.now_ms)
    here, there = (_mean_cost(ground.pasts[each]) for each in (name, trial.target))
    return None if here is None or there is None else round(int(taken.sum()) * (there - here))


def _mean_cost(past: HealthyHistory) -> float | None:
    cost = past.calls.booked_micro_usd
    return None if np.isnan(cost).all() else float(np.nanmean(cost))


def _moved(trial: Trial, scenario: Scenario, ground: TrialInputs, end: FinalState) -> float | None:
    """By how much what the scenario moves became better: golden answers, or the outcomes of a whole whose mix moved."""
    past = ground.pasts[ground.dependency]
    if scenario.wanted == "golden":
        before = golden_rate(past)
        after = end.runs[ground.dependency].rate_since(trial.start_ms, end.now_ms)
        return None if before is None or after is None else after - before
    if scenario.wanted == "blameless":
        rate = _rate_since(ground.dependency, trial, scenario, ground, end)
        return rate - good_rate(past.calls)
    return None


def _rate_since(
    name: str, trial: Trial, scenario: Scenario, ground: TrialInputs, end: FinalState
) -> float:
    """The share of good calls since it began, were all calls served."""
    played = end.played[name]
    during = played.ts_ms >= trial.start_ms
    if scenario.lasts_ms is not None and name == ground.dependency:
        during &= played.ts_ms < trial.start_ms + scenario.lasts_ms
    outcome, failed = played.outcome_e6[during], played.failed[during]
    known = ~np.isnan(outcome) | failed
    return float(np.nansum(outcome)) / MICRO / max(int(known.sum()), 1)
