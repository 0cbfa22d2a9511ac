"""The ladder of claims about a change over known answers: the rungs from no_go to unknown.

Two named sides and golden sets are judged alike. Evidence decides, and the interval that stands
beside the verdict never says otherwise:

- degraded (no_go): evidence of worse reached `needed`; `small` (caution) where the whole interval
  lies within half of `min_effect`;
- degraded, suggestive (caution): evidence of worse reached `suggests`, or one exact test at .05, or
  the interval lies below 0;
- cannot tell (unknown): the interval holds a drop of twice `min_effect`;
- improved, or stable (go): everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gonogo.detectors.intervals import difference_interval95

if TYPE_CHECKING:
    from gonogo.answers import DriftStatus

__all__ = ["DROP_EXCLUDED", "P_MAX", "GainEvidence", "Rung", "agreeing", "answers_needed", "rung"]

# `go` excludes a drop of so many times `min_effect`.
DROP_EXCLUDED = 2.0
# One side of an exact test at .05.
P_MAX = 0.025
_ANSWERS_MAX = 1e7


@dataclass(frozen=True, slots=True)
class GainEvidence:
    """What one source says of a share of good answers.

    Attributes:
        worse_log10: Evidence that it fell, log10 of an e-value.
        better_log10: Evidence that it rose.
        interval95: Of the share now less the share before.
        p_worse: One-sided p-value of one look; None where none was worked out.
        p_better: The same for better.
    """

    worse_log10: float
    better_log10: float
    interval95: tuple[float, float]
    p_worse: float | None = None
    p_better: float | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """A status, and why a degraded one is only a caution."""

    status: DriftStatus
    level: Literal["suggestive", "small"] | None = None


def rung(found: GainEvidence, *, min_effect: float, needed: float, suggests: float) -> Rung:
    """Where on the ladder a source stands.

    Args:
        found: What the source says.
        min_effect: The smallest change that matters to the user, rate points.
        needed: Evidence at which a change is called found.
        suggests: Evidence at which one is warned of.
    """
    low, high = found.interval95
    if found.worse_log10 >= math.log10(needed):
        return Rung("degraded", "small" if low > -min_effect / 2 else None)
    if _suggested(found.worse_log10, found.p_worse, suggests) or high < 0:
        return Rung("degraded", "suggestive")
    if low < -DROP_EXCLUDED * min_effect:
        return Rung("insufficient_data")
    if found.better_log10 >= math.log10(needed):
        return Rung("improved")
    if _suggested(found.better_log10, found.p_better, suggests) or low > 0:
        return Rung("improved", "suggestive")
    return Rung("stable")


def agreeing(
    interval95: tuple[float, float], p_worse: float, p_better: float
) -> tuple[float, float]:
    """An interval that holds 0 where the exact test at .05 does not refuse it.

    Score intervals are a little narrower than the exact test; two answers beside each other that
    disagree would leave the reader to choose. It only ever widens.
    """
    low, high = interval95
    return low if p_better <= P_MAX else min(low, 0.0), high if p_worse <= P_MAX else max(high, 0.0)


def _suggested(log10_e: float, p_value: float | None, suggests: float) -> bool:
    return log10_e >= math.log10(suggests) or (p_value is not None and p_value <= P_MAX)


def answers_needed(rate: float, n_before: float, *, min_effect: float) -> int | None:
    """Answers of the second side with which no change would read as go; None where none are enough.

    Args:
        rate: Of good answers on both sides, a fraction.
        n_before: Answers of the first side.
        min_effect: The smallest change that matters to the user, rate points.
    """
    n = 10.0
    while n < _ANSWERS_MAX:
        low, _ = difference_interval95(rate, n_before, rate, n)
        if low >= -DROP_EXCLUDED * min_effect:
            return math.ceil(n)
        n *= 1.05
    return None
