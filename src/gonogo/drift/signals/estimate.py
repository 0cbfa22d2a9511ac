"""An estimate of the worth of calls without an outcome, from their confidence; it is no verdict."""

from __future__ import annotations

import numpy as np

from gonogo.answers import Estimate
from gonogo.detectors.trust.unlabelled import estimate_from_confidence
from gonogo.drift.signals.budget_shares import WEEK, SignalQuestion
from gonogo.drift.signals.value_shapes import VALUES_MIN, DailyShape, read_shape
from gonogo.errors import NotEnoughData

# With fewer calls of the newest week unlabelled than this, the labels say more.
_UNLABELLED_SHARE_MIN = 0.5
METHOD = (
    "estimate from stated confidence (CBPE): isotonic calibration on the labels there are, golden "
    "ones included; blind to a change of what confidence means, and never a verdict"
)


async def performance_estimate(asked: SignalQuestion) -> Estimate | None:
    """The expected share of good calls in the newest week; None where labels say it better."""
    stated = await read_shape(asked, "confidence")
    if stated is None:
        return None
    labelled = [
        (await read_shape(asked, "confidence_labelled", golden=golden), kind)
        for golden, kind in ((False, "own"), (True, "golden"))
    ]
    good = [await read_shape(asked, "confidence_good", golden=golden) for golden in (False, True)]
    parts = [part for part in (stated, *(one for one, _ in labelled), *good) if part is not None]
    bins = np.unique(np.concatenate([part.bins for part in parts]))

    def total(
        part: DailyShape | None, since: int = 0
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if part is None:
            return np.zeros(len(bins))
        wide = part.over(bins)
        summed: np.ndarray[tuple[int], np.dtype[np.float64]] = wide.table[wide.day >= since].sum(
            axis=0
        )
        return summed

    since = asked.end_day - WEEK
    everything = total(stated, since)
    unlabelled = everything - total(labelled[0][0], since)
    if unlabelled.sum() < max(VALUES_MIN, _UNLABELLED_SHARE_MIN * everything.sum()):
        return None
    try:
        found = estimate_from_confidence(
            sum(total(one) for one, _ in labelled), sum(total(one) for one in good), unlabelled
        )
    except NotEnoughData:
        return None
    return Estimate(
        mean=found.mean,
        interval95=found.interval95,
        n=found.n,
        labels=found.labels,
        method=METHOD,
    )
