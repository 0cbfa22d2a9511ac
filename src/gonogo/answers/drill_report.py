"""The report of a rehearsed incident plan."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import Answer, Fraction, Number, Part, Time, Usd


class DrillScenario(Part):
    """One scenario over its replicates; hours are medians, and intervals hold 80% of replicates."""

    scenario: str
    told: str
    passed: bool
    why: str
    replicates: int
    early: int = Field(description="replicates in which it was raised before anything happened")
    noticed: int
    missed: int
    detect_hours: Number | None = None
    detect_interval80_hours: tuple[Number, Number] | None = None
    false_alarms: int | None = None
    false_alarms_per_year: Number | None = None
    false_alarms_interval95: tuple[Number, Number] | None = None
    moved: Number | None = Field(
        default=None, description="golden, mix: change of the share of good answers, mean"
    )
    bad_decisions: Number = Field(description="calls made worse before it was dealt with, median")
    fired: int
    target_healthy: int | None = None
    targets: list[str]
    extra_cost_usd: Usd | None = None
    recovered: int | None = None
    recover_hours: Number | None = None
    switches: Number = Field(description="how often the traffic changed sides, mean")


class DrillReport(Answer):
    """The result of an incident plan rehearsed on a dependency's own history."""

    dependency: str
    passed: bool | None = None
    policy: Literal["allow", "confirm", "ask", "person", "deny"]
    answers_after_min: Number | None = Field(
        default=None, description="a person approves so late; absent: nobody answers"
    )
    seed: int
    replicates: int
    days: int
    history: dict[str, Time] | None = None
    played: Fraction | None = Field(
        default=None, description="the part of the calls that was played"
    )
    scenarios: list[DrillScenario]
    missing_steps: list[str]
    not_rehearsed: list[str] | None = Field(
        default=None, description="scenarios for which the history has no evidence, and what lacks"
    )
