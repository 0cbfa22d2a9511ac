"""Consistency: how often the same input is answered differently, day by day."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints
from gonogo.errors import DataError

# An input's earlier answers are remembered for so many days: what has changed for good is then
# consistent again.
MEMORY_DAYS = 28


@dataclass(frozen=True, slots=True, eq=False)
class DailyDisagreement:
    """Shapes (days,), days ascending: inputs asked again, and how many were answered differently.

    An input counts once a day, by the share of its pairs of answers that differ: of two of that
    day, or of one of that day with an earlier one.
    """

    day: Ints
    compared: Floats
    differing: Floats


def daily_disagreement(
    version: ArrayLike, day: ArrayLike, asked: ArrayLike, answer: ArrayLike, n: ArrayLike
) -> DailyDisagreement:
    """Compare each day's answers with each other and with the version's earlier ones.

    Args:
        version: Who answered, shape (rows,), integers; answers of different versions may differ.
        day: Shape (rows,), integers.
        asked: The input's hash, shape (rows,).
        answer: The output's hash, shape (rows,).
        n: How often, shape (rows,), 1 or more.

    Raises:
        DataError: shapes differ or a count is below 1.
    """
    columns = [np.asarray(column, dtype=np.int64) for column in (version, day, asked, answer, n)]
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        raise DataError("Versions, days, inputs, answers and counts need one shape.")
    if len(columns[4]) and columns[4].min() < 1:
        raise DataError("An answer was given once or more.")
    found: dict[int, tuple[float, float]] = {}
    table = zip(*(column.tolist() for column in columns), strict=True)
    memories: dict[tuple[int, int], _Memory] = {}
    for when, who, given, answers in _by_day(table):
        memory = memories.setdefault((who, given), _Memory())
        pairs, alike = memory.compared(when, answers)
        if pairs:
            compared, differing = found.get(when, (0.0, 0.0))
            found[when] = compared + 1, differing + 1 - alike / pairs
    days = sorted(found)
    return DailyDisagreement(
        np.array(days, dtype=np.int64),
        np.array([found[one][0] for one in days]),
        np.array([found[one][1] for one in days]),
    )


def _by_day(
    table: Iterable[tuple[int, ...]],
) -> list[tuple[int, int, int, dict[int, int]]]:
    """Day, version, input and the counts of its answers, in order of the days."""
    cells: dict[tuple[int, int, int], dict[int, int]] = {}
    for who, when, given, got, times in table:
        counts = cells.setdefault((when, who, given), {})
        counts[got] = counts.get(got, 0) + times
    return [(*key, cells[key]) for key in sorted(cells)]


class _Memory:
    """The answers of one version to one input in the last days, day by day and together."""

    def __init__(self) -> None:
        self._days: deque[tuple[int, dict[int, int]]] = deque()
        self._pooled: Counter[int] = Counter()
        self._size = 0

    def compared(self, day: int, answers: dict[int, int]) -> tuple[int, int]:
        """Pairs of a later day's answers that can be compared, and those alike; remembers them."""
        while self._days and self._days[0][0] < day - MEMORY_DAYS:
            _, old = self._days.popleft()
            self._pooled.subtract(old)
            self._size -= sum(old.values())
        size = sum(answers.values())
        pairs = size * (size - 1) // 2 + size * self._size
        alike = sum(
            count * (count - 1) // 2 + count * self._pooled[got] for got, count in answers.items()
        )
        self._days.append((day, answers))
        self._pooled.update(answers)
        self._size += size
        return pairs, alike
