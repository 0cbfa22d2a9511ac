"""Reads of the signals beside quality: categories, answers, outputs by day.

`StoredTelemetry` gives these with the queries in `store/reads/signal_store.py`. Everything is read
from rollups and bounded samples, and golden calls are left out of `categories`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from gonogo.ports.telemetry import Telemetry
from gonogo.ports.trust_reads import TrustTelemetry

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

CategoryField = Literal["prediction", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """Daily counts of one field's values, in the whole and in declared slices.

    Rows are sorted by segment, day and value; shapes (rows,). Versions are added up.
    """

    segments: tuple[str | None, ...]  # None: the whole; then `key=value`, sorted
    values: tuple[str, ...]  # sorted
    segment: Ints  # index into `segments`
    day: Ints  # days since 1970
    value: Ints  # index into `values`
    n: Ints


@dataclass(frozen=True, slots=True, eq=False)
class DailyAnswers:
    """Counts of each output to each input by version and day; sorted, shapes (rows,).

    Of each version and day the 64 inputs with the smallest hashes, of each input 8 outputs.
    """

    version: Ints  # numbers that stand for versions
    day: Ints  # days since 1970
    input: Ints  # 64-bit hashes
    output: Ints
    n: Ints


@dataclass(frozen=True, slots=True, eq=False)
class OutputSample:
    """Outputs as vectors: embeddings, or features of their text. By day and hash."""

    day: Ints  # shape (outputs,), days since 1970
    hash: Ints  # shape (outputs,)
    features: Floats  # shape (outputs, size)


class Grades(NamedTuple):
    """A judge's grades by hour, golden calls left out; sorted by hour, shapes (rows,)."""

    hour: Ints
    judge_grade: Ints  # 1: good, 2: bad
    person_grade: Ints  # of the same calls; 0: none, 1: good, 2: bad
    n: Ints


class SignalTelemetry(Telemetry, Protocol):
    """Telemetry with the reads that daily signals need."""

    async def grades(self, dependency: str) -> dict[str, Grades]:
        """Read grades by judge (`judge:NAME`); empty where no judge ever graded a call."""
        ...

    async def categories(
        self, dependency: str, field: CategoryField, *, end_day: int, slices_max: int
    ) -> Categories:
        """Counts of a field's values on days before `end_day`.

        In the whole, and in the first `slices_max` declared slices by name; empty where the field
        has too many values to be rolled up.
        """
        ...

    async def daily_answers(self, dependency: str, *, end_day: int) -> DailyAnswers:
        """The answers to sampled inputs on days before `end_day`."""
        ...

    async def outputs(
        self, dependency: str, *, start_day: int, end_day: int, limit: int, embedded: bool
    ) -> OutputSample:
        """Up to `limit` sampled outputs of `start_day <= day < end_day`, the smallest hashes.

        `embedded`: those that came with an embedding; else those with features of their text.
        """
        ...

    async def not_rolled_up(self, dependency: str) -> list[str]:
        """Fields with too many values to be rolled up, sorted: `prediction`, `segments.KEY`, …."""
        ...


class ReportTelemetry(SignalTelemetry, TrustTelemetry, Protocol):
    """Telemetry with the reads that reports of both drift and trust are made from."""
