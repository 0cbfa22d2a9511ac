"""Repeated inputs: the chance that a call is not one that was answered otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.ports.trust_reads import Repeats

if TYPE_CHECKING:
    from gonogo.records import Floats

REPEATS_MIN = 10


def with_repeats(points: Floats, repeats: Repeats) -> tuple[Floats, float]:
    """Points of a good call that is no repeat answered otherwise, and the chance of that."""
    from gonogo.detectors.trust.mixture import product_points

    if repeats.repeats < REPEATS_MIN:
        return points, 1.0
    consistent = consistent_points(repeats)
    return product_points(points, consistent), float(consistent.mean())


def consistent_points(repeats: Repeats) -> Floats:
    """Points of the chance that a call is not a repeat that was answered otherwise."""
    share = repeats.repeats / repeats.answers
    points: Floats = 1 - share * (1 - consistency_points(repeats))
    return points


def consistency_points(repeats: Repeats) -> Floats:
    """The chance that a repeated input is answered as before, from a uniform prior."""
    import numpy as np

    from gonogo.detectors.trust.mixture import BetaMixture, equal_points

    agreeing = repeats.repeats - repeats.disagreeing
    one = np.ones(1)
    return equal_points(BetaMixture(one, one + agreeing, one + repeats.disagreeing))
