"""The slice of calls that a rehearsal lets grow until the whole is answered worse, with no fault of the model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.records import MICRO

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Ints
    from gonogo.store.reads.call_columns import CallColumns

# Outcomes of the slice, and of all others, below which their difference is chance.
OUTCOMES_MIN = 100
# Of the other calls at most so many give way.
CHANCE_MAX = 0.9
# By so many times the smallest effect that matters the whole is meant to fall.
FALLS_BY = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class MixMove:
    """A slice that grows.

    Attributes:
        segment: As `tier=free`.
        calls: The history.
        rows: Its calls of the slice.
        chance: With which any other call gives way to one of them.
    """

    segment: str
    calls: CallColumns
    rows: Ints
    chance: float


def mix_move(calls: CallColumns, segments: Collection[str], *, min_effect: float) -> MixMove | None:
    """The declared slice that would pull the whole down most if it grew; None where none would matter.

    Args:
        calls: The history.
        segments: Those that are rolled up.
        min_effect: The smallest change that matters to the user, rate points.
    """
    known = ~np.isnan(calls.outcome_e6)
    found: list[tuple[float, MixMove]] = []
    for segment in segments:
        declared = np.array([segment in each for each in calls.segment_sets], dtype=bool)
        inside = declared[calls.segments]
        own, others = (calls.outcome_e6[side & known] for side in (inside, ~inside))
        if min(len(own), len(others)) < OUTCOMES_MIN:
            continue
        # What the whole loses where all others give way.
        loss = float((~inside).mean()) * float(others.mean() - own.mean()) / MICRO
        if CHANCE_MAX * loss >= min_effect:
            chance = min(CHANCE_MAX, FALLS_BY * min_effect / loss)
            found.append((loss, MixMove(segment, calls, np.flatnonzero(inside), chance)))
    return max(found, key=lambda each: each[0])[1] if found else None
