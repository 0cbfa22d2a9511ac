"""How much days differ, learned from few of them and while the level may already be moving."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.checks import check_counts
from gonogo.detectors.predictive import Dispersion

# Days' worth of "days do not differ" that a short baseline starts from.
PRIOR_DAYS = 3.0


def early_dispersion(n: ArrayLike, bad: ArrayLike) -> Dispersion:
    """Learn from successive days how many labels carry one independent label's information.

    A day is compared with the day before it, so that one step counts once and a slow slide hardly
    at all: the days may reach beyond the baseline. The estimate is shrunk towards 1, for a few
    days tell little, and raised by one standard error of what it then rests on.

    Args:
        n: Labels of each day, shape (days,).
        bad: Bad outcomes of each day, shape (days,); may be fractional.

    Raises:
        DataError: The counts are malformed.

    Source: von Neumann (1941), the mean square successive difference.
    """
    labels, failures = check_counts(n, bad)
    labels, failures = labels[labels > 0], failures[labels > 0]
    days = len(labels)
    rate = float(failures.sum() / labels.sum()) if days else 0.0
    if days < 2 or not 0 < rate < 1:  # noqa: PLR2004 - a difference needs two
        return Dispersion(observed=1.0, used=1.0, days=days)
    steps = np.diff(failures / labels)
    chance = rate * (1 - rate) * (1 / labels[1:] + 1 / labels[:-1])
    total = float((steps**2 / chance).sum())
    observed = total / (days - 1)
    weight = days - 1 + PRIOR_DAYS
    shrunk = (total + PRIOR_DAYS) / weight
    return Dispersion(observed, max(1.0, shrunk * (1 + math.sqrt(2 / weight))), days)
