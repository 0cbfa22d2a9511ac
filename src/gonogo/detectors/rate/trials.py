"""Is a rate well again: trials of its own calls, one after another, each with two ways to end.

A trial ends well when the calls speak 20 times or more for "as before" against "still ill", and
badly when they speak 20 times for the contrary; after a bad end the next trial begins with the
next batch. Both bounds hold however often one looks, because each side's likelihood ratio is a
supermartingale for every rate beyond its own (Wald, 1945; Ville, 1939), for graded outcomes too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import check_counts, check_fractions
from gonogo.errors import ParameterError

# The chance that a rate that is still ill ever ends a trial well, over all trials together.
TRUST_ILL = 0.05
# The chance that one trial of a rate that is well ends badly.
DOUBT_WELL = 0.05


@dataclass(frozen=True, slots=True)
class TrialRun:
    """The state of a series of trials.

    Attributes:
        is_well: The newest trial ended well, and no calls since then would have failed one.
        failed: Trials that ended badly.
        nats: Evidence of the newest trial that the rate is well, against ill.
        needed_nats: What it needs to end well.
        n: Labels of the newest trial.
        bad: Bad ones among them.
    """

    is_well: bool
    failed: int
    nats: float
    needed_nats: float
    n: float
    bad: float


def needed_nats(tried: int) -> float:
    """The evidence that a trial needs after so many others: 1 / needed adds up to `TRUST_ILL` over all of them."""
    return math.log((tried + 1) * (tried + 2) / TRUST_ILL)


def run_trials(
    n: ArrayLike, bad: ArrayLike, *, well_rate: float, ill_rate: float, tried: int = 0
) -> TrialRun:
    """Run trials over batches of calls, oldest first.

    Args:
        n: Labels of each batch, shape (batches,).
        bad: Bad outcomes among them.
        well_rate: A rate up to this one is well, fraction.
        ill_rate: A rate from this one on is ill, fraction above `well_rate`.
        tried: Trials before these, which the promise over all of them has to cover.

    Raises:
        ParameterError: The rates are no fractions, or not in this order.
        DataError: The counts are malformed.
    """
    check_fractions(well_rate=well_rate, ill_rate=ill_rate)
    if not well_rate < ill_rate:
        raise ParameterError(f"ill_rate = {ill_rate!r} is not above well_rate = {well_rate!r}.")
    labels, failures = check_counts(n, bad)
    a_bad = math.log(well_rate / ill_rate)
    a_good = math.log((1 - well_rate) / (1 - ill_rate))
    steps = failures * a_bad + (labels - failures) * a_good
    doubt, first, failed = math.log(DOUBT_WELL), 0, 0
    while True:
        walk = np.cumsum(steps[first:])
        needed = needed_nats(tried + failed)
        ended = np.flatnonzero((walk >= needed) | (walk <= doubt))
        stop = first + int(ended[0]) + 1 if len(ended) else len(steps)
        nats = float(walk[stop - first - 1]) if stop > first else 0.0
        is_well = nats >= needed
        ill = np.flatnonzero(np.cumsum(steps[stop:]) <= doubt) if is_well else np.empty(0)
        if nats <= doubt or len(ill):
            first, failed = stop + (int(ill[0]) + 1 if len(ill) else 0), failed + 1
            continue
        own = slice(first, stop)
        total, wrong = float(labels[own].sum()), float(failures[own].sum())
        return TrialRun(is_well, failed, nats, needed, total, wrong)
