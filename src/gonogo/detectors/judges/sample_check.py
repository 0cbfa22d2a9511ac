"""Do people see a random sample of the calls? By the judge's grades of what they see.

Of N calls, K judged bad, people see m: the judged-bad ones among them are hypergeometric where the
sample is random. Candidates start with each label and tilt that law by fixed odds.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["SampleCheck"]

_ODDS = np.log(np.array([1 / 3, 1 / 2, 0.7, 1.4, 2.0, 3.0]))


class SampleCheck:
    """The sum over candidates of how much better a chosen sample explains what people saw."""

    def __init__(self) -> None:
        self.mass = np.zeros(_ODDS.size)

    def add(self, n: float, judged_bad: float, seen: float, seen_bad: float) -> float:
        """Take one hour of whole numbers, and return the evidence."""
        self.mass += seen / _ODDS.size
        if 0 < seen < n and 0 < judged_bad < n:
            low, high = max(0, seen - (n - judged_bad)), min(seen, judged_bad)
            x = np.arange(low, high + 1)
            law = np.array(
                [_log_choose(judged_bad, k) + _log_choose(n - judged_bad, seen - k) for k in x]
            )
            law = np.exp(law - law.max())
            mean = (law / law.sum()) @ np.exp(np.outer(x, _ODDS))
            self.mass *= np.exp(np.minimum(seen_bad * _ODDS - np.log(mean), 300.0))
        return float(self.mass.sum())


def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
