"""The base of every answer: its first fields, rounding and times."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gonogo.errors import StoreError
from gonogo.records import MICRO, Verdict, in_millionths

NOISE = 1e-15


def _digits(digits: int) -> AfterValidator:
    def rounded(value: float) -> float:
        if not math.isfinite(value):
            msg = "must be finite"
            raise ValueError(msg)
        return round(value, digits) + 0.0  # no negative zero

    return AfterValidator(rounded)


def rounded(value: float) -> float:
    """A number as answers show it: four significant digits.

    Raises:
        ValueError: It is not finite.
    """
    if not math.isfinite(value):
        msg = "must be finite"
        raise ValueError(msg)
    # What is left of a difference that is nothing: 1 - 0.9 - 0.1 is -2.8e-17.
    return 0.0 if abs(value) < NOISE else float(f"{value:.4g}") + 0.0


def _certain_alone_is_1(value: float) -> float:
    """Show a chance of .99997 as .9999: only certainty is shown as 1."""
    return min(value, 0.9999) if value < 1 else value


def _points(value: float) -> float:
    """Tenths of a point, or hundredths where tenths would read as 0 or 100 and it is neither."""
    told = round(value, 1) + 0.0
    if told in (0.0, 100.0) and 0 < value < 100:  # noqa: PLR2004
        told = min(max(round(value, 2), 0.01), 99.99)
    return told


Fraction = Annotated[float, AfterValidator(_certain_alone_is_1), _digits(4)]
Usd = Annotated[float, _digits(6)]
Points = Annotated[float, _digits(4), AfterValidator(_points)]
Number = Annotated[float, AfterValidator(rounded)]
Time = str


def in_points(chance: float) -> float:
    """A chance in points of a hundred as every answer shows it, from the millionths it is kept in."""
    return _points(in_millionths(chance) / (MICRO // 100))


def rfc3339(ts_ms: int) -> Time:
    """A stored time as the surface shows it: UTC, milliseconds only where there are any."""
    try:
        when = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):  # none that comes in is: see ingest/times.py
        raise StoreError(
            f"The store holds {ts_ms} as a time, which is none: it was changed by hand or is damaged. "
            "gonogo doctor names all that is; gonogo doctor --repair makes anew what can be derived."
        ) from None
    return when.isoformat(timespec="milliseconds" if ts_ms % 1000 else "seconds").replace(
        "+00:00", "Z"
    )


class Part(BaseModel):
    """A piece of an answer: frozen, unknown fields refused. Its checks are built at first use."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Ahead(Part):
    """Observations stamped ahead of the clock: they are not judged until their time comes."""

    n: int | None = Field(default=None, description="absent: not counted")
    latest: Time


class RefusalCount(Part):
    """Rows refused on the way in, which no figure here knows: how many, and why most were."""

    n: int
    since: Time
    field: str
    problem: str


class RefusedName(Part):
    """Rows refused on the way in, by what they were calls of; without a name, they did not say."""

    dependency: str | None = None
    n: int
    since: Time
    field: str
    problem: str


class NextAction(Part):
    """A call that is ready to make."""

    tool: str
    arguments: dict[str, object]
    reason: str


class LabelCoverage(Part):
    """The share of calls that have an outcome; left out where it is a fifth or more and tells of good and bad ones."""

    share: Fraction
    labels: int
    calls: int
    bad: int | None = Field(
        default=None,
        description="where outcomes are taken for complaints or praise: the bad ones of all",
    )
    warning: str


class Answer(Part):
    """The fields that every answer begins with."""

    verdict: Verdict
    summary: str
    as_of: Time
    data_age_s: int | None = Field(
        default=None, description="age of the newest observation used, seconds"
    )
    decision_id: str | None = None
    configuration: str | None = Field(
        default=None, description="why gonogo.toml as it is now is not used"
    )
    next_actions: list[NextAction] = Field(default_factory=list, max_length=3)

    def as_object(self) -> dict[str, Any]:
        """This answer as every surface gives it: contract names in their order, nothing that is null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def as_json(self) -> str:
        """This answer as one line of JSON, with the fields of `as_object`."""
        return self.model_dump_json(by_alias=True, exclude_none=True)
