"""Whether a whole that fell did so given its mix: else other shares of traffic explain it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import MixShift
from gonogo.detectors.rate.strata import risen_given_mix
from gonogo.detectors.shares.mix import split_mix
from gonogo.errors import NotEnoughData

if TYPE_CHECKING:
    from gonogo.detectors.rate.rate_watch import RateWatch
    from gonogo.drift.follow import FollowedRate
    from gonogo.hours.rate_hours import RateStream
    from gonogo.records import Floats

# Twice the evidence of an alarm. Strata gather it faster than the whole, which has alarmed by then
# (1.4 against 1.7 days for five points in every stratum), so that it halves what is falsely called
# degraded at no price.
STRICTER_NATS = math.log(2)


def explained_by_mix(
    followed: FollowedRate, watch: RateWatch, declared: dict[str, RateStream]
) -> MixShift | None:
    """The declared key whose moved mix explains an alarm of the whole; None where no key does.

    The whole is worse only if it is worse under every key, each stratum held against itself. Where
    several keys explain it, the one that explains most is told.
    """
    whole = followed.stream
    onset = int(whole.hour.searchsorted(watch.episodes[-1].onset))
    known = len(followed.baseline.hour)
    found = []
    for key in sorted({name.partition("=")[0] for name in declared if "," not in name}):
        own = [s for name, s in declared.items() if _is_of(name, key)]
        n, bad = _strata(whole, own)
        if (n.sum(axis=0) > 0).sum() < 2:  # noqa: PLR2004 - one value alone has no mix
            continue
        evidence = risen_given_mix(n, bad, followed.rule)
        if float(evidence[onset:].max()) < followed.rule.needed_nats + STRICTER_NATS:
            found.append(MixShift(key=key, explains=_explained(n, bad, known, onset)))
    return max(found, key=lambda moved: moved.explains, default=None)


def moved_mix(
    followed: FollowedRate, since: RateStream, declared: dict[str, RateStream], min_effect: float
) -> MixShift | None:
    """The declared key within whose values the rate rose by less than `min_effect` since the baseline.

    For a rise that raised no alarm; None where it rose within the values of every key.
    """
    known, whole, found = len(followed.baseline.hour), followed.stream, []
    if not len(since.hour):
        return None
    for key in sorted({name.partition("=")[0] for name in declared if "," not in name}):
        n, bad = _strata(whole, [s for name, s in declared.items() if _is_of(name, key)])
        sums = [
            x[part].sum(axis=0) for part in (slice(known), slice(known, None)) for x in (n, bad)
        ]
        try:
            split = split_mix(*sums)
        except NotEnoughData:
            continue
        if split.within < min_effect and split.total > 0:
            explains = min(max(split.mix / split.total, 0.0), 1.0)
            found.append(MixShift(key=key, explains=explains))
    return max(found, key=lambda moved: moved.explains, default=None)


def _is_of(segment: str, key: str) -> bool:
    return "," not in segment and segment.partition("=")[0] == key


def _strata(whole: RateStream, cells: list[RateStream]) -> tuple[Floats, Floats]:
    """Labels and bad labels of each hour in each value of a key, the last: those without it."""
    n, bad = (np.zeros((len(whole.hour), len(cells) + 1)) for _ in range(2))
    for column, cell in enumerate(cells):
        at = np.minimum(whole.hour.searchsorted(cell.hour), len(whole.hour) - 1)
        same = whole.hour[at] == cell.hour
        n[at[same], column] = cell.n[same]
        bad[at[same], column] = cell.bad[same]
    n[:, -1] = np.maximum(whole.n - n.sum(axis=1), 0.0)
    bad[:, -1] = np.clip(whole.bad - bad.sum(axis=1), 0.0, n[:, -1])
    return n, bad


def _explained(n: Floats, bad: Floats, known: int, onset: int) -> float:
    """The share of the change since the onset that other shares of traffic make, in [0, 1]."""
    before = slice(0, max(known, 1))
    try:
        split = split_mix(
            n[before].sum(axis=0),
            bad[before].sum(axis=0),
            n[onset:].sum(axis=0),
            bad[onset:].sum(axis=0),
        )
    except NotEnoughData:
        return 0.0
    return min(max(split.mix / split.total, 0.0), 1.0) if split.total else 0.0
