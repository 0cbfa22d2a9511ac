"""Reads of what a rehearsal does not play; they are always empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from gonogo.ports.signal_reads import Categories, DailyAnswers, OutputSample
from gonogo.records import HourCounts

_NONE = np.zeros(0, dtype=np.int64)


def _always(made: Callable[[], object]) -> Callable[..., Awaitable[Any]]:
    """A read that gives the same, whatever is asked."""

    async def read(*_: object, **__: object) -> object:
        return made()

    return read


class UnplayedReads:
    """Kept scores, categories, judges, repeated answers and outputs: none of them is played."""

    # Nothing is remembered, which the contract allows.
    cached_state = _always(lambda: None)
    cache_state = _always(lambda: None)
    keep_score = _always(lambda: None)
    kept_scores = _always(list)
    categories = _always(lambda: Categories((), (), *[_NONE] * 4))
    daily_answers = _always(lambda: DailyAnswers(*[_NONE] * 5))
    outputs = _always(lambda: OutputSample(_NONE, _NONE, np.zeros((0, 0))))
    not_rolled_up = _always(list)
    # Who graded is not played: outcomes count as people's.
    grades = _always(dict)
    judged_labels = _always(dict)
    # Nobody recorded what is played, or dated it back, so that nobody is held against the golden set.
    writers = _always(list)
    late_writers = _always(list)
    recorded_by = _always(lambda: HourCounts(_NONE, _NONE, (), *[_NONE] * 10))
    # Calls without a cost are not played, so they hide no spending here.
    calls_without_cost = _always(tuple)
    book_late = _always(lambda: 0)
