"""Power: the change that this much data would have shown."""

from __future__ import annotations

import math

from gonogo.detectors.arrays import check_fractions
from gonogo.detectors.rate.rule import RateRule
from gonogo.errors import ParameterError

# What the candidates around the true start add to its evidence, less the cost of sharing it over
# effects; measured, as is the share found that it leads to (tests/simulation).
NEIGHBOURS_NATS = 3.0
# Standard normal quantile of nine in ten.
FOUND_SD = 1.28
# To a millionth of a rate point.
BISECTIONS = 20


def detectable_now(
    *, before: float, since: float, rate: float, rule: RateRule, rises: bool = True
) -> float | None:
    """The smallest change that this much data would have shown nine times in ten.

    Args:
        before: Labels before the period that is asked about.
        since: Labels in it; the change is thought to have begun with it.
        rate: Bad rate before it, fraction.
        rule: The rule that watches.
        rises: Whether to ask for a rise of the bad rate, or a fall.

    Returns:
        Rate points, above 0; None where not even the largest change possible would have shown.

    Raises:
        ParameterError: A count is negative or `rate` is not a fraction.
    """
    check_fractions(rate=rate)
    if not (before >= 0 and since >= 0):
        raise ParameterError(f"{before!r} and {since!r} labels; both must be 0 or more.")
    room = (1 - rate if rises else rate) * (1 - 1e-9)
    if not _shown(room, before, since, rate, rule, rises=rises):
        return None
    low, high = 0.0, room
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _shown(middle, before, since, rate, rule, rises=rises):
            high = middle
        else:
            low = middle
    return high


def _shown(
    change: float, before: float, since: float, rate: float, rule: RateRule, *, rises: bool
) -> bool:
    old, new = before / rule.dispersion, since / rule.dispersion
    after = rate + change if rises else rate - change
    pooled = rate if rule.declared is not None else (old * rate + new * after) / (old + new)
    nats = new * _divergence(after, pooled)
    if rule.declared is None:
        nats += old * _divergence(rate, pooled)
    slope = math.log(after / (1 - after)) - math.log(pooled / (1 - pooled))
    error = math.sqrt(new * after * (1 - after)) * abs(slope)
    weight = rule.side_weights[0 if rises else 1]
    if weight == 0:
        return False
    return nats - FOUND_SD * error >= rule.needed_nats - math.log(weight) - NEIGHBOURS_NATS


def _divergence(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
