"""Reads of what a rehearsal does not play; they are always empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gonogo.ports.signal_reads import Categories, CategoryField, DailyAnswers, Grades, OutputSample
from gonogo.ports.trust_reads import JudgedLabels, KeptScore, WriterCounts
from gonogo.records import HourCounts

_NONE = np.zeros(0, dtype=np.int64)


class UnplayedReads:
    """Kept scores, categories, judges, repeated answers and outputs: none of them is played."""

    async def cached_state(self, dependency: str, key: str) -> tuple[int, bytes] | None:
        """Nothing is remembered, which the contract allows."""
        del dependency, key
        return None

    async def cache_state(
        self, dependency: str, key: str, hour: int, state: bytes, *, rev: int | None = None
    ) -> None:
        """Nothing is remembered, which the contract allows."""

    async def keep_score(self, score: KeptScore) -> None:
        """Scores are not kept, which the contract allows."""

    async def kept_scores(self, *, limit: int | None = None) -> list[KeptScore]:
        """None are kept."""
        del limit
        return []

    async def categories(
        self, dependency: str, field: CategoryField, *, end_day: int, slices_max: int
    ) -> Categories:
        """Categories are not played."""
        del dependency, field, end_day, slices_max
        return Categories((), (), *[_NONE] * 4)

    async def grades(self, dependency: str) -> dict[str, Grades]:
        """No grades: who graded is not played, and outcomes count as people's."""
        del dependency
        return {}

    async def judged_labels(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, JudgedLabels]:
        """No judge's labels: a rehearsal plays outcomes as people's."""
        del dependencies, start_hour
        return {}

    async def writers(self, dependency: str, *, since_ms: int) -> list[WriterCounts]:
        """Nobody recorded what is played, so that nobody is held against the golden set."""
        del dependency, since_ms
        return []

    async def late_writers(self, dependency: str, *, since_ms: int) -> list[str]:
        """Nobody dated anything back."""
        del dependency, since_ms
        return []

    async def recorded_by(
        self, dependency: str, writers: Sequence[str], *, since_ms: int, golden: bool = False
    ) -> HourCounts:
        """Nobody recorded what is played."""
        del dependency, writers, since_ms, golden
        return HourCounts(_NONE, _NONE, (), *[_NONE] * 10)

    async def daily_answers(self, dependency: str, *, end_day: int) -> DailyAnswers:
        """Answers to repeated inputs are not played."""
        del dependency, end_day
        return DailyAnswers(*[_NONE] * 5)

    async def outputs(
        self, dependency: str, *, start_day: int, end_day: int, limit: int, embedded: bool
    ) -> OutputSample:
        """Outputs are not played."""
        del dependency, start_day, end_day, limit, embedded
        return OutputSample(_NONE, _NONE, np.zeros((0, 0)))

    async def not_rolled_up(self, dependency: str) -> list[str]:
        """Nothing that is played is left out."""
        del dependency
        return []
