"""Daily runs of a golden set, and what is found of them."""

from __future__ import annotations

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.golden.golden_falls import GoldenWatch
from gonogo.detectors.pieces import PieceCache
from gonogo.drift.drift_golden import golden_finding
from gonogo.drift.finding import Finding
from gonogo.records import MICRO, GoldenAnswers
from gonogo.settings import DependencySettings

DAY = 20_000


def found_of_days(right: Floats, *, kept: PieceCache[GoldenWatch] | None = None) -> Finding:
    """What is found of daily runs; `right` has shape (runs, items), 1 is a right answer."""
    runs, items = right.shape
    answers = GoldenAnswers(
        items=tuple(map(str, range(items))),
        versions=(None,),
        item=np.tile(np.arange(items), runs),
        version=np.zeros(runs * items, dtype=np.int64),
        day=np.repeat(DAY + np.arange(runs), items),
        n=np.ones(runs * items, dtype=np.int64),
        outcome_sum=(right.ravel() * MICRO).astype(np.int64),
    )
    end_hour = (DAY + runs) * 24
    return golden_finding(
        answers, DependencySettings("m"), weight=0.2, end_hour=end_hour, kept=kept
    )
