"""The onset of a metric's change: the step or ramp of the stream that shows it most."""

from __future__ import annotations

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.rate.onset import OnsetFit, fit_onset
from gonogo.detectors.values.ranks import SCORE_MAX
from gonogo.detectors.values.scale import ValueSums
from gonogo.detectors.values.value_watch import ValuePart, ValueRule, ValueWatch
from gonogo.errors import NotEnoughData


def fit_value_onset(
    rule: ValueRule,
    sums: ValueSums,
    watch: ValueWatch,
    time: Ints,
    hour_of_week: Ints | None = None,
) -> tuple[int, OnsetFit] | None:
    """Fit the onset of the newest change in the part that has most evidence of it.

    Scores lie within `SCORE_MAX` of 0, so that they are fitted as a share of that range, whose
    values vary less than zeros and ones do by its square.

    Args:
        rule: By which it was watched.
        sums: Of successive batches, the baseline first.
        watch: Over them.
        time: Stamp of each batch, ascending.
        hour_of_week: As for `watch_value_sums`.

    Returns:
        The batch from which the fit counts, and the fit; None where nothing came before or after.
    """
    parts = [part for part in watch.parts if part.latched] or list(watch.parts)
    part = max(parts, key=_strength)
    if watch.suggests and watch.suggested is not None:
        part = watch.suggested
    n, bad, dispersion = _as_rate(rule, sums, part, hour_of_week)
    # What came before an earlier change, which is over, says nothing of this one.
    low = rule.baseline + part.quiet_from if part.quiet_from else 0
    first = 1 if low else rule.baseline
    try:
        fit = fit_onset(n[low:], bad[low:], first=first, time=time[low:], dispersion=dispersion)
    except NotEnoughData:
        return None
    return low, fit


def _strength(part: ValuePart) -> float:
    return part.told_nats if part.latched else float(part.evidence_nats[-1])


def _as_rate(
    rule: ValueRule, sums: ValueSums, part: ValuePart, hour_of_week: Ints | None
) -> tuple[Floats, Floats, float]:
    """A part as labels and bad ones, and how many labels carry one's information."""
    if part.atom is None:
        scores = sums.scores
        expected = None if rule.scores is None else rule.scores.expected
        if expected is not None and hour_of_week is not None:
            scores = scores.less(expected[hour_of_week])
        share = 0.5 + scores.total / np.maximum(scores.n, 1.0) / (2 * SCORE_MAX)
        return scores.n, scores.n * np.clip(share, 0, 1), part.dispersion / SCORE_MAX**2
    at = [one.atom for one in rule.atoms].index(part.atom)
    return sums.n, sums.atoms[at], part.dispersion
