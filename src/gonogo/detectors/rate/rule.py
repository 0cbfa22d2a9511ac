"""The rate detector's rule: what to look for, how strongly, and what a label is worth.

The construction is a predictive mixture Shiryaev-Roberts procedure. The null is "labels are
exchangeable, with one unknown rate"; its Beta(1/2, 1/2) predictive is learned from every label so
far. At each label a candidate change starts, whose alternative is the rate estimated there plus a
few effect sizes, and which does not follow the stream afterwards. Evidence is the sum of the
candidates' likelihood ratios. Shiryaev (1963); Roberts (1966); Shin, Ramdas & Rinaldo (2023),
arXiv:2203.03532 for sums of e-processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gonogo.detectors.arrays import (
    check_fractions,
    check_positive,
)
from gonogo.errors import ParameterError

# In units of the smallest effect that matters: from under half of it to beyond it, and five times it.
# The large one is for a short past: the null learns a fall from .20 to .50 bad faster than a bet of .12
# can win. After 100 labels such a fall is found in 1.00 of streams with it and in .42 without, and after
# 2,000 a fall of .05 is found 3 % later (benchmarks/short_past.py).
EFFECT_SPREAD = (0.4, 0.6, 0.9, 1.6, 5.0)
# Without a large one, for evidence whose episodes end halfway back from the bet that won.
NEAR_SPREAD = (0.4, 0.6, 0.9, 1.4, 2.4)
DEFAULT_EFFECT = 0.05
DAYS_A_YEAR = 365.25
DELTAS_MAX = 8
# Where an effect ends that would leave the room that rates have.
DELTA_MAX = 0.9


def deltas_for(min_effect: float, spread: tuple[float, ...] = EFFECT_SPREAD) -> tuple[float, ...]:
    """Effect sizes to bet on, rate points: around the smallest change that matters to the user."""
    check_fractions(min_effect=min_effect)
    return tuple(min(times * min_effect, DELTA_MAX) for times in spread)


def needed_for(*, labels_per_day: float, false_alarms_per_year: float) -> float:
    """Evidence at which to alarm: the labels between two false alarms at that volume.

    Raises:
        ParameterError: A value is not finite and positive.
    """
    check_positive(labels_per_day=labels_per_day, false_alarms_per_year=false_alarms_per_year)
    return max(labels_per_day * DAYS_A_YEAR / false_alarms_per_year, 1.0)


@dataclass(frozen=True, slots=True)
class RateRule:
    """What to look for in a rate of bad outcomes, and when to call it found.

    Attributes:
        needed: Evidence at which to alarm. Over exchangeable labels the expected number of false
            alarms in n labels is at most n / needed, however often it is looked at.
        deltas: Changes to bet on, rate points above zero, ascending.
        weight_up: Weight of "the bad rate rose"; "it fell" has the rest. 1 looks one way only.
            Most of it goes to what harms: at even weights a rise takes about a tenth longer.
        dispersion: Labels that carry one independent label's information; 1 or more.
        declared: Known rate that is held against the stream; None learns it. Only a rate worse
            (higher) than declared is then a change.

    Raises:
        ParameterError: A value is out of its range.
    """

    needed: float
    deltas: tuple[float, ...] = deltas_for(DEFAULT_EFFECT)
    weight_up: float = 0.9
    dispersion: float = 1.0
    declared: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.needed) and self.needed >= 1):
            raise ParameterError(f"needed = {self.needed!r} is not a finite number of 1 or more.")
        if not 0 < len(self.deltas) <= DELTAS_MAX:
            raise ParameterError(f"{len(self.deltas)} deltas; give 1 to {DELTAS_MAX}.")
        for delta in self.deltas:
            check_fractions(delta=delta)
        if not 0 <= self.weight_up <= 1:
            raise ParameterError(f"weight_up = {self.weight_up!r} is not a fraction in [0, 1].")
        if not (math.isfinite(self.dispersion) and self.dispersion >= 1):
            raise ParameterError(f"dispersion = {self.dispersion!r} is not 1 or more.")
        if self.declared is not None:
            check_fractions(declared=self.declared)

    @property
    def needed_nats(self) -> float:
        """The logarithm of `needed`."""
        return math.log(self.needed)

    @property
    def effect(self) -> float:
        """The smallest change that matters, rate points: what the deltas lie around."""
        middle = len(self.deltas) // 2
        return self.deltas[middle] / EFFECT_SPREAD[len(EFFECT_SPREAD) // 2]

    @property
    def side_weights(self) -> tuple[float, float]:
        """Weights of "the bad rate rose" and "the bad rate fell"; they sum to 1."""
        if self.declared is not None:
            return 1.0, 0.0
        return self.weight_up, 1 - self.weight_up
