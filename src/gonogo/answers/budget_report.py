"""Budget checks and settlements."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import Answer, Fraction, Part, Time, Usd
from gonogo.records import Unit


class Window(Part):
    kind: str
    start: Time | None = None
    end: Time | None = None


class Binding(Part):
    budget: str
    remaining_usd: Usd


class Hold(Part):
    id: str
    held_usd: Usd
    expires_at: Time


class OtherHold(Part):
    """An amount held by another reservation; whose it is stays with its holder."""

    held_usd: Usd
    expires_at: Time


class UnconfiguredHold(Part):
    """Money held, or spent in the window, in the name of a budget that is no longer configured; it counts nowhere."""

    budget: str
    unit: Unit | None = None
    held_usd: Usd
    expires_at: Time | None = None
    spent_usd: Usd | None = None


class Substitute(Part):
    """A dependency that a budget counts because it can be called instead of one of its own."""

    dependency: str
    instead_of: str


class UnpricedShare(Part):
    """Calls without a cost and a known price, of a reservation or of those looked at in a window."""

    calls: int
    tokens: int
    why: str


class NotCounted(Part):
    """A listed name or a segment without any call, or a dated name; and the recorded name near it, if any."""

    listed: str | None = Field(default=None, description="absent: planned, and not listed")
    recorded: str | None = None


class Days(Part):
    """Days of the calls seen, and beyond today that the planned calls reach."""

    seen: int
    ahead: int


class RunReport(Part):
    """A run under its reservation: spent, and what it will come to in the end.

    The interval holds after every call at once, nine times in ten. Without two past runs of the
    budget it is left out: nothing is known.
    """

    spent_usd: Usd
    calls: int
    past_runs: int
    unpriced: UnpricedShare | None = None
    projected_total_usd: Usd | None = None
    interval90_usd: tuple[Usd, Usd] | None = None
    advice: Literal["go on", "step down", "stop"] | None = None
    step_down_to: str | None = None


class StepDown(Part):
    """The cheaper target of a ladder, and its mean cost a call as a share of the dependency's."""

    dependency: str
    to: str
    cost_share: Fraction


class Calibration(Part):
    checks: int
    ece: Fraction | None = None
    note: str | None = None


class BudgetCheck(Answer):
    """Will the work fit: the probability, what remains, what is projected."""

    budget: str
    unit: Unit | None = Field(
        default=None, description="what it counts, and fields ending in _usd are in; absent: usd"
    )
    passed: bool | None = None
    confidence: Fraction | None = None
    required_confidence: Fraction
    limit_usd: Usd
    spent_usd: Usd
    held_usd: Usd
    remaining_usd: Usd
    projected_usd: Usd | None = None
    projected_interval80_usd: tuple[Usd, Usd] | None = None
    worst_case_usd: Usd | None = Field(
        default=None, description="what a hard budget has to hold, where it does not fit"
    )
    dependency: str | None = None
    planned_calls: int | None = None
    planned_cost_usd: Usd | None = None
    calls_that_would_pass: int | None = None
    window: Window
    binding: Binding | None = None
    n: int = 0
    regime_start: Time | None = None
    method: str
    reservation: Hold | None = None
    hold_capped: bool | None = None
    replayed: bool | None = Field(
        default=None, description="the key was used before: nothing new is held"
    )
    others_hold: list[OtherHold] | None = None
    unconfigured: list[UnconfiguredHold] | None = Field(
        default=None, description="held for budgets that are no longer configured"
    )
    also_counts: list[Substitute] | None = Field(
        default=None, description="what is counted because it can be called instead"
    )
    not_counted: list[NotCounted] | None = Field(
        default=None, description="names that its dependencies do not reach"
    )
    unpriced: UnpricedShare | None = None
    days: Days | None = None
    calibration: Calibration | None = None
    step_down: StepDown | None = None
    run: RunReport | None = None


class Settlement(Answer):
    """The outcome of a reservation."""

    reservation_id: str
    status: Literal["settled", "released", "expired_settled", "renewed"]
    unit: Unit | None = Field(default=None, description="of fields ending in _usd; absent: usd")
    held_usd: Usd
    actual_usd: Usd
    overrun_usd: Usd
    calls: int | None = Field(default=None, description="recorded calls that name it")
    calls_usd: Usd | None = Field(
        default=None, description="what they cost, where another amount was declared"
    )
    replayed: bool | None = Field(
        default=None, description="it was closed before: nothing new is booked"
    )
    unpriced: UnpricedShare | None = None
    expires_at: Time | None = None
    run: RunReport | None = None
