"""Two versions side by side while outcomes still arrive: evidence that may be asked for at any time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.checks import Floats, check_counts
from gonogo.detectors.comparison import RateComparison
from gonogo.detectors.predictive import RateRule, log_gamma
from gonogo.detectors.predictive_bets import ROOM_SHARE
from gonogo.errors import DataError


def compare_as_they_come(
    n_before: ArrayLike,
    bad_before: ArrayLike,
    n_after: ArrayLike,
    bad_after: ArrayLike,
    rule: RateRule,
) -> RateComparison:
    """Weigh whether the second of two streams has another rate of bad outcomes than the first.

    Labels are taken in order, in each batch the first stream's before the second's. The null is
    "all of them are exchangeable"; its Beta(1/2, 1/2) predictive learns from both streams. The
    alternative bets, on the second stream's labels only, on the first stream's rate as estimated
    so far, shifted by each delta. So evidence is a martingale under the null: it ever reaches 100
    with probability at most 1 %, however often it is looked at, averaged over the common rate.

    Args:
        n_before: Labels of the first stream in each batch, oldest first, shape (batches,).
        bad_before: Bad outcomes among them.
        n_after: Labels of the second stream in the same batches.
        bad_after: Bad outcomes among them.
        rule: Deltas, weights of the sides and dispersion are used.

    Raises:
        DataError: The counts are malformed, or of different lengths.

    Source: `predictive`, with one known start; predictive likelihood ratios, Dawid (1984).
    """
    labels, failures = check_counts(n_before, bad_before)
    new_labels, new_failures = check_counts(n_after, bad_after)
    if labels.shape != new_labels.shape:
        raise DataError(f"{len(labels)} batches before and {len(new_labels)} after: need as many.")
    bad, good = failures / rule.dispersion, (labels - failures) / rule.dispersion
    new_bad = new_failures / rule.dispersion
    new_good = (new_labels - new_failures) / rule.dispersion
    seen_bad, seen_good = np.cumsum(bad), np.cumsum(good)
    null_bad = seen_bad + np.cumsum(new_bad) - new_bad + 0.5
    null_good = seen_good + np.cumsum(new_good) - new_good + 0.5
    null = _log_beta(null_bad + new_bad, null_good + new_good) - _log_beta(null_bad, null_good)
    anchor = (seen_bad + 0.5) / (seen_bad + seen_good + 1)
    deltas = np.array(rule.deltas)[:, None]
    rises = np.minimum(anchor + deltas, anchor + ROOM_SHARE * (1 - anchor))
    falls = np.maximum(anchor - deltas, (1 - ROOM_SHARE) * anchor)
    up, down = (
        _mean_nats((new_bad * np.log(rate) + new_good * np.log1p(-rate) - null).sum(axis=1))
        for rate in (rises, falls)
    )
    with np.errstate(divide="ignore"):
        both = np.logaddexp.reduce(np.log(rule.side_weights) + np.array((up, down)))
    return RateComparison(up, down, float(both))


def _log_beta(a: Floats, b: Floats) -> Floats:
    nats: Floats = log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    return nats


def _mean_nats(nats: Floats) -> float:
    return float(np.logaddexp.reduce(nats)) - math.log(len(nats))
