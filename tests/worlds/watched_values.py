"""A metric followed from its histograms in one go: its scale, its rule and the watch by it."""

from __future__ import annotations

from numpy.typing import ArrayLike

from gonogo.detectors.values.ranks import SparseRows
from gonogo.detectors.values.scale import value_scale
from gonogo.detectors.values.value_watch import ValueWatch, value_rule, watch_value_sums


def watch_values(
    histogram: SparseRows,
    *,
    baseline: int,
    needed: float,
    day: ArrayLike,
    hour_of_week: ArrayLike | None = None,
) -> ValueWatch:
    """Follow successive batches, the first `baseline` of which set the scale and the rule."""
    scale = value_scale(histogram.checked().cut(0, baseline))
    sums = scale.sums(histogram)
    rule = value_rule(
        scale, sums, baseline=baseline, needed=needed, day=day, hour_of_week=hour_of_week
    )
    return watch_value_sums(rule, sums, hour_of_week=hour_of_week)
