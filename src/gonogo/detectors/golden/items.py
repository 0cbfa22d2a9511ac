"""Which items broke: a golden set's items one by one, each against its own past.

The total of a run hides what its items say: of items that each fail one time in sixteen, a dozen that
fail twice in a row are hardly chance, though the total moved by three standard deviations only.
"""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.log_space import log_gamma
from gonogo.errors import DataError, ParameterError

__all__ = ["item_evidence"]

# What the items' chances to fail may look like: a Beta law by its mean and its strength in answers,
# from "some always, others never" to "all alike".
# The means lie close: of two hundred items all alike, a mean that is a quarter off would look broken.
_MEANS = 1 / (1 + np.exp(-np.linspace(-6, 0, 61)))
_STRENGTHS = np.array([0.3, 2.0, 15.0, 1000.0])
_LAWS = np.array([(m * s, (1 - m) * s) for m in _MEANS for s in _STRENGTHS])
# Shares of items that a change breaks, and how an item fails that is broken. Without the last, evidence
# fell by up to seven decades from half of the items broken to all.
_SHARES = np.array([0.02, 0.08, 0.5])
_WELL_NATS, _SHARE_NATS = np.log1p(-_SHARES)[:, None, None], np.log(_SHARES)[:, None, None]
_BROKEN = 0.9
# Older starts are left to the totals; dropping them only lowers the evidence.
_STARTS_MAX = 12


def item_evidence(outcome: Floats, *, warm_up: int, newest: int | None = None) -> Floats:
    """Weigh, run by run, whether a share of the items began to fail.

    The null: each item fails by a chance of its own, drawn from one Beta law of which mean and
    strength are unknown (uniform on a grid, learned from all answers so far). The alternative of a
    start: from there on a share of the items fails nine times in ten or, where they had failed as often,
    halfway from their own chance to always; the others go on as before under the law that was likeliest
    at the start. Evidence is the sum over starts. While items keep
    chances drawn from such a law, it has mean at most r after r runs, at any look.

    Args:
        outcome: Shape (runs, items), in [0, 1]; NaN where an item was not asked.
        warm_up: Runs before the first start, 1 or more.
        newest: Weigh so many runs at the end alone; None is all.

    Returns:
        Evidence after each run, nats, shape (runs,); -inf where it was not weighed.

    Raises:
        ParameterError: `warm_up` is below 1.
        DataError: an outcome is neither NaN nor in [0, 1], or the shape is another.

    Source: empirical Bayes for many small counts, Robbins (1956); `rate.rule` for the sum.
    """
    if warm_up < 1:
        raise ParameterError(f"warm_up={warm_up}: the null needs a run or more to learn from.")
    asked = ~np.isnan(outcome)
    if outcome.ndim != 2 or not ((outcome[asked] >= 0) & (outcome[asked] <= 1)).all():  # noqa: PLR2004
        raise DataError(f"Outcomes of shape {outcome.shape} need to lie in [0, 1], or be NaN.")
    first = max(warm_up, 0 if newest is None else len(outcome) - newest)
    learned = max(first - _STARTS_MAX, 0)
    fails = np.cumsum(np.where(asked, 1 - outcome, 0), axis=0)
    passes = np.cumsum(asked, axis=0) - fails
    law_nats = np.zeros((len(outcome), len(_LAWS)))
    for run in range(learned, len(outcome)):
        law_nats[run] = _law_nats(fails[run], passes[run])
    evidence = np.full(len(outcome), -math.inf)
    null = np.logaddexp.reduce(law_nats, axis=1)
    for run in range(first, len(outcome)):
        before = np.arange(max(warm_up, run + 1 - _STARTS_MAX), run + 1) - 1
        law = _LAWS[law_nats[before].argmax(axis=1)]
        f, p = fails[run] - fails[before], passes[run] - passes[before]
        a, b = law[:, :1] + fails[before], law[:, 1:] + passes[before]
        well = _log_beta(a + f, b + p) - _log_beta(a, b)
        # Broken is worse than before also for an item that nearly always failed: else one that
        # was right once would count as broken.
        failing = np.maximum(_BROKEN, (1 + a / (a + b)) / 2)
        broken = f * np.log(failing) + p * np.log1p(-failing)
        mixed = np.logaddexp(_WELL_NATS + well, _SHARE_NATS + broken).sum(axis=-1)
        nats = np.logaddexp.reduce(mixed, axis=0) - math.log(len(_SHARES))
        evidence[run] = np.logaddexp.reduce(nats - (null[run] - null[before]))
    return evidence


def _law_nats(fails: Floats, passes: Floats) -> Floats:
    """Log likelihood of all answers so far under each law, shape (laws,)."""
    # Items with the same answers are counted once.
    pairs, times = np.unique(fails + 1j * passes, return_counts=True)
    a, b = _LAWS[:, :1], _LAWS[:, 1:]
    each = _log_beta(a + pairs.real, b + pairs.imag) - _log_beta(a, b)
    nats: Floats = each @ times
    return nats


def _log_beta(a: Floats, b: Floats) -> Floats:
    nats: Floats = log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    return nats
