"""The rule for scores, and what their detector remembers between two looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gonogo.detectors.arrays import check_positive
from gonogo.detectors.rate.rule import OWN_SHARE
from gonogo.errors import ParameterError

CELL = 0.05
MASS_NATS_MIN = math.log(1e-9)
# What a batch's own mean must gain, over the null and over the nearest effect: less would add nothing
# to what the effects say, and cost time.
OWN_LEAD_NATS = 6.0
# Cells that the mean of a batch may lie in: scores end at 3.5 standard deviations.
_OWN_CELLS = 2 * round(3.5 / CELL)


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """The changes looked for in scores. `deltas` are in standard deviations of the baseline.

    `needed`, `weight_up` and `dispersion` mean what they mean in `rate.rule.RateRule`.
    """

    needed: float
    deltas: tuple[float, ...] = (0.15, 0.3, 0.7)
    weight_up: float = 0.5
    dispersion: float = 1.0

    def __post_init__(self) -> None:
        check_positive(needed=self.needed, dispersion=self.dispersion)
        if self.needed < 1 or self.dispersion < 1 or not 0 <= self.weight_up <= 1:
            raise ParameterError(
                f"needed={self.needed} and dispersion={self.dispersion} need to be 1 or more, "
                f"weight_up={self.weight_up} in [0, 1]."
            )
        if not self.deltas or min(self.deltas) <= 0:
            raise ParameterError(f"deltas={self.deltas} need to be above 0.")


@dataclass(frozen=True, slots=True)
class ScoreState:
    """All that later evidence depends on. `n`, `total`, `squares`: what the null has learned.

    A bet is (anchor in steps of `CELL`, index of its effect, log mass); with an index after all effects
    the cell is the mean that it bets on, above and below. During an episode `before`
    and `after` are the means that it was bet to have moved between.
    """

    n: float
    total: float = 0.0
    squares: float = 0.0
    batches: int = 0
    bets: tuple[tuple[int, int, float], ...] = ()
    latched: bool = False
    before: float = 0.0
    after: float = 0.0
    recovery_nats: float = -math.inf

    @classmethod
    def of_baseline(cls, size: float, rule: ScoreRule) -> ScoreState:
        """After a baseline of `size` values, which its own scores describe exactly.

        Raises:
            ParameterError: the baseline is empty.
        """
        check_positive(size=size)
        worth = size / rule.dispersion
        return cls(n=worth, squares=worth)


def rows_of(rule: ScoreRule) -> range:
    """The effects that a rule bets on: its deltas upwards, then downwards; see `rate.rule`."""
    count = len(rule.deltas)
    return range(0 if rule.weight_up > 0 else count, 2 * count if rule.weight_up < 1 else count)


def own_nats(rule: ScoreRule) -> float:
    """Log mass that a candidate's bet on its first batch's own mean has, in bets on effects."""
    return math.log(OWN_SHARE * len(rule.deltas) / _OWN_CELLS)
