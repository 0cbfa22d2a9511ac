"""The points behind a chart. The panel draws them; an answer is complete without them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import Fraction, Number, Part, Time, Usd

Bucket = Literal["hour", "day", "week", "month"]


class Reference(Part):
    start: Time
    end: Time
    mean: Number
    band95: tuple[Number, Number] | None = Field(
        default=None, description="holds 95% of points of median n while nothing changes"
    )


class ChangeMark(Part):
    """A change that somebody recorded: what, and the version or slice that it touches."""

    at: Time
    text: str


class DriftHistory(Part):
    """One metric over time. Point i covers bucket `at[i]`, which is `at[i] * bucket_s` after start."""

    kind: Literal["drift"] = "drift"
    metric: str
    bucket: Bucket
    bucket_s: int
    start: Time
    at: list[int]
    n: list[int]
    mean: list[Number]
    low: list[Number] | None = None
    high: list[Number] | None = None
    baseline: Reference | None = None
    alarm: Time | None = None
    changes: list[ChangeMark] | None = None


class FleetHistory(Part):
    """The share of good outcomes day by day (of calls without error where none was labelled)."""

    kind: Literal["fleet"] = "fleet"
    start: Time
    lines: dict[str, list[Fraction | None]]


class BudgetHistory(Part):
    """A budget's cumulated spend since its window began (or in the last 30 days)."""

    kind: Literal["budget"] = "budget"
    start: Time
    at_s: list[int]
    spent_usd: list[Usd]


History = DriftHistory | FleetHistory | BudgetHistory
