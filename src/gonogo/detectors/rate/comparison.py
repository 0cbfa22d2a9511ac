"""Two known periods or versions side by side, looked at once; `comparison_stream` has the evidence."""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.beta_tail import log_beta
from gonogo.detectors.rate.comparison_stream import RateComparison, compare_as_they_come
from gonogo.detectors.rate.rule import RateRule

__all__ = [
    "COMPARISON_NEEDED",
    "COMPARISON_SUGGESTS",
    "RateComparison",
    "compare_rates",
    "fisher_worse",
]

# Evidence at which two named sides are called different, and at which one is warned of.
COMPARISON_NEEDED = 100.0
COMPARISON_SUGGESTS = 20.0


def compare_rates(
    n_before: float, bad_before: float, n_after: float, bad_after: float, rule: RateRule
) -> RateComparison:
    """Weigh two samples against each other: `compare_as_they_come` of one batch.

    One more bad outcome on the second side, in place of a good one, is always more evidence of worse.

    Raises:
        DataError: The counts are malformed.
    """
    return compare_as_they_come([n_before], [bad_before], [n_after], [bad_after], rule)


def fisher_worse(n_before: float, bad_before: float, n_after: float, bad_after: float) -> float:
    """The exact one-sided p-value that the second side's bad rate is higher, for one look.

    Graded outcomes are rounded to whole ones.

    Source: Fisher (1935), the conditional law of a 2 x 2 table.
    """
    n0, n1 = round(n_before), round(n_after)
    b0, b1 = min(round(bad_before), n0), min(round(bad_after), n1)
    total = b0 + b1
    values = np.arange(max(0, total - n0), min(total, n1) + 1, dtype=np.float64)
    nats = _log_choose(n1, values) + _log_choose(n0, total - values)
    chance = np.exp(nats - nats.max())
    return float(chance[values >= b1].sum() / chance.sum())


def _log_choose(n: int, k: Floats) -> Floats:
    """The logarithm of n over k."""
    nats: Floats = -log_beta(n - k + 1, k + 1) - math.log(n + 1)
    return nats
