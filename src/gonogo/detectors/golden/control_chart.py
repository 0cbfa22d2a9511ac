"""Control charts of a golden set's pass rate: a page, and the two-sd warning beside it.

Neither is anytime-valid: a false alarm comes with some chance at every run. The warning's is stated with the answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.golden.paired import WARM_UP_RUNS, GoldenRuns
from gonogo.detectors.golden.pairs import student_tail
from gonogo.errors import NotEnoughData

WARN_SD = 2.0
PAGE_SD = 2.75
SMOOTHING = 0.25


@dataclass(frozen=True, slots=True)
class PassChart:
    """The newest run held against the baseline runs.

    `deviation_sd` is the newest run's, in standard deviations of baseline runs; `smoothed_sd` the
    exponentially weighted mean's, in its own. `warn_every` is the mean runs between two false warnings
    where nothing changed, the error of the baseline's own mean and standard deviation included.
    """

    runs: int
    baseline_runs: int
    baseline_mean: float
    newest: float
    deviation_sd: float
    warned: bool
    warn_every: float
    smoothed_sd: float
    page: bool


def pass_chart(runs: GoldenRuns, *, warm_up: int = WARM_UP_RUNS) -> PassChart:
    """Chart the runs after the baseline, which is the reference run and the next `warm_up`.

    The page is an EWMA with weight .25 beyond 2.75 of its standard deviations, the warning a run
    beyond two. The baseline's standard deviation is the largest of what the run totals show, what
    the items' own changes of answer would give, and one item: a quiet week must not make a chart
    that pages at anything.

    Raises:
        NotEnoughData: there is no run after the baseline.

    Source: Roberts (1959); Lucas & Saccucci (1990).
    """
    if len(runs.day) <= warm_up:
        raise NotEnoughData(
            f"{len(runs.day) + 1} golden runs; a chart needs {warm_up + 1} for its baseline and one more."
        )
    first = np.vstack([runs.reference, runs.outcome[:warm_up]])
    count = np.isfinite(first).sum(axis=0)
    rates = np.r_[runs.reference.mean(), runs.rate]
    base = rates[: warm_up + 1]
    mean = float(base.mean())
    item_mean = np.nansum(first, axis=0) / count
    spread = np.nansum((first - item_mean) ** 2, axis=0) / np.maximum(count - 1, 1)
    items = float(count.size)
    sd = max(float(base.std(ddof=1)), math.sqrt(float(spread.sum())) / items, 1 / items)
    smoothed = mean
    for rate in rates[warm_up + 1 :]:
        smoothed += SMOOTHING * (float(rate) - smoothed)
    smoothed_sd = (smoothed - mean) / (sd * math.sqrt(SMOOTHING / (2 - SMOOTHING)))
    deviation = (float(rates[-1]) - mean) / sd
    return PassChart(
        runs=len(runs.day),
        baseline_runs=warm_up + 1,
        baseline_mean=mean,
        newest=float(rates[-1]),
        deviation_sd=deviation,
        warned=abs(deviation) > WARN_SD,
        warn_every=warn_every_runs(warm_up + 1),
        smoothed_sd=smoothed_sd,
        page=abs(smoothed_sd) > PAGE_SD,
    )


def warn_every_runs(baseline_runs: int) -> float:
    """Mean runs between false two-sd warnings, for normal runs and an estimated baseline."""
    bound = WARN_SD / math.sqrt(1 + 1 / baseline_runs)
    return 1 / (2 * student_tail(bound, baseline_runs - 1))
