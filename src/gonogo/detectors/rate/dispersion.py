"""The spread between days: learned from a baseline, or from few days while the level may be moving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, check_counts

# Days' worth of "days do not differ" that a short baseline starts from.
PRIOR_DAYS = 3.0
# Standard errors by which what so few days tell is raised, and what a baseline of days tells.
CAUTION_SE = 1.5
DAILY_CAUTION_SE = 0.25
# From so many steps on, the second largest is left out as well: a fall in the middle of a day
# makes two.
STEPS_TWO = 5

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Dispersion:
    """The variance of daily rates over that of independent labels.

    Attributes:
        observed: The best estimate; about 1 for independent labels.
        used: The cautious value to put into a rule: 1 or more.
        days: Days with labels.
    """

    observed: float
    used: float
    days: int


def daily_dispersion(n: ArrayLike, bad: ArrayLike) -> Dispersion:
    """Learn from the baseline's days how many labels carry one independent label's information.

    The observed dispersion is raised by a quarter of a standard error of its own estimate, sqrt(2 /
    (days - 1)) of it, so that a short baseline is not trusted to have shown all of it. Without
    that, days that differ by .02 raise false alarms in .15 of 40 days; a half finds a slow slide
    later (benchmarks/detection_product.py).

    Args:
        n: Labels of each day, shape (days,).
        bad: Bad outcomes of each day, shape (days,); may be fractional.

    Raises:
        DataError: The counts are malformed.
    """
    labels, failures = check_counts(n, bad)
    labels, failures = labels[labels > 0], failures[labels > 0]
    days = len(labels)
    rate = float(failures.sum() / labels.sum()) if days else 0.0
    if days < 2 or not 0 < rate < 1:  # noqa: PLR2004 - variance needs two
        return Dispersion(observed=1.0, used=1.0, days=days)
    pearson = float(((failures - labels * rate) ** 2 / (labels * rate * (1 - rate))).sum())
    observed = pearson / (days - 1)
    raised = observed * (1 + DAILY_CAUTION_SE * math.sqrt(2 / (days - 1)))
    return Dispersion(observed, max(1.0, raised), days)


def early_dispersion(n: ArrayLike, bad: ArrayLike) -> Dispersion:
    """Learn from successive days how many labels carry one independent label's information.

    A day is compared with the day before it, so that a slow slide hardly counts, and the largest
    step is left out, for the fall that is looked for is one: days may reach beyond the baseline.
    What is left is set against its expectation where days do not differ. The estimate is shrunk
    towards 1, for a few days tell little, and raised by `CAUTION_SE` standard errors.

    Args:
        n: Labels of each day, shape (days,).
        bad: Bad outcomes of each day, shape (days,); may be fractional.

    Raises:
        DataError: The counts are malformed.

    Source: von Neumann (1941), the mean square successive difference; Blom (1958), the expected
    order statistics by which it is trimmed.
    """
    labels, failures = check_counts(n, bad)
    labels, failures = labels[labels > 0], failures[labels > 0]
    days = len(labels)
    rate = float(failures.sum() / labels.sum()) if days else 0.0
    if days < 2 or not 0 < rate < 1:  # noqa: PLR2004 - a difference needs two
        return Dispersion(observed=1.0, used=1.0, days=days)
    steps = np.diff(failures / labels)
    chance = rate * (1 - rate) * (1 / labels[1:] + 1 / labels[:-1])
    return trimmed_dispersion(steps**2 / chance, days=days)


def trimmed_dispersion(ratios: Floats, *, days: int) -> Dispersion:
    """Learn it from squared steps between days over what chance makes of them, the largest left out.

    Args:
        ratios: Shape (steps,), each 1 on average where days do not differ.
        days: That the steps are between.
    """
    ranked = np.sort(ratios)
    kept = len(ranked) - (2 if len(ranked) >= STEPS_TWO else 1)
    if kept < 1:
        return Dispersion(observed=1.0, used=1.0, days=days)
    observed = float(ranked[:kept].sum()) / _expected(len(ranked), kept)
    weight = kept + PRIOR_DAYS
    shrunk = (observed * kept + PRIOR_DAYS) / weight
    return Dispersion(observed, max(1.0, shrunk * (1 + CAUTION_SE * math.sqrt(2 / weight))), days)


def _expected(steps: int, kept: int) -> float:
    """The sum of the `kept` smallest of so many squared standard normals, on average."""
    places = [(rank - 0.375) / (steps + 0.25) for rank in range(1, steps + 1)]
    squares = [_NORMAL.inv_cdf((1 + place) / 2) ** 2 for place in places]
    return steps * sum(squares[:kept]) / sum(squares)


def score_dispersion(n: Floats, total: Floats, squares: Floats, *, by_steps: bool) -> float:
    """The spread of days over that of their values, raised by its own error. Shapes (days,)."""
    n, total, squares = n[n > 0], total[n > 0], squares[n > 0]
    free = len(n) - 1
    if free < 1:
        return 1.0
    if by_steps:
        return _step_dispersion(n, total, squares)
    mean = float(total.sum() / n.sum())
    variance = float(squares.sum() / n.sum()) - mean**2
    chance = float(((total - n * mean) ** 2 / n).sum()) / free
    return max(1.0, chance / variance * (1 + math.sqrt(2 / free))) if variance > 0 else 1.0


def _step_dispersion(n: Floats, total: Floats, squares: Floats) -> float:
    """The spread between successive days over that of their values."""
    ratios = score_step_ratios(n, total, squares)
    weight = len(ratios) + PRIOR_DAYS
    shrunk = (float(ratios.sum()) + PRIOR_DAYS) / weight
    return max(1.0, shrunk * (1 + math.sqrt(2 / weight)))


def score_step_ratios(n: Floats, total: Floats, squares: Floats) -> Floats:
    """Squared steps between days over what their values make of them; shapes (days,), (days - 1,)."""
    n, total, squares = n[n > 0], total[n > 0], squares[n > 0]
    within = float((squares - total**2 / n).sum() / n.sum()) if len(n) else 0.0
    if within <= 0:
        return np.ones(max(len(n) - 1, 0))
    ratios: Floats = np.diff(total / n) ** 2 / (1 / n[1:] + 1 / n[:-1]) / within
    return ratios
