"""Whether a whole that fell did so given its mix: else other shares of traffic explain it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import MixShift
from gonogo.detectors.intervals import rate_interval95
from gonogo.detectors.rate.rate_slices import PSEUDO_LABELS
from gonogo.detectors.rate.strata import risen_given_mix
from gonogo.errors import plain

if TYPE_CHECKING:
    from gonogo.detectors.rate.rate_watch import RateWatch
    from gonogo.drift.finding import Finding
    from gonogo.drift.follow import FollowedRate
    from gonogo.hours.rate_hours import RateStream
    from gonogo.records import Floats

# Twice the evidence of an alarm. Strata gather it faster than the whole, which has alarmed by then
# (1.4 against 1.7 days for five points in every stratum), so that it halves what is falsely called
# degraded at no price.
STRICTER_NATS = math.log(2)
# From this share of bad calls on, for sure, a value of a key says how calls ended.
FAILED_MIN = 0.8
# The least share of a change that a moved mix is told to explain. Where no share of traffic moved,
# chance makes up to a twentieth of it; where the mix alone did it, it is seven tenths and more.
EXPLAINS_MIN = 0.25


@dataclass(frozen=True, slots=True)
class GivenMix:
    """A key whose moved mix explains an alarm, and the evidence by now that the rate rose given it."""

    moved: MixShift
    nats: float


def explained_by_mix(
    followed: FollowedRate, watch: RateWatch, declared: dict[str, RateStream]
) -> GivenMix | None:
    """The declared key whose moved mix explains an alarm of the whole; None where no key does.

    The whole is worse only if it is worse under every key, each stratum held against itself: a key
    whose mix moved too little to explain it shows nothing yet, and explains nothing. Where several
    keys explain it, the one that explains most is told.
    """
    onset = int(followed.stream.hour.searchsorted(watch.episodes[-1].onset))
    known = len(followed.baseline.hour)
    worth = followed.volume.worth(followed.stream.n)[:, None]
    found = []
    for key, n, bad in _strata(followed.stream, declared):
        if (n.sum(axis=0) > 0).sum() < 2:  # noqa: PLR2004 - one value alone has no mix
            continue
        if _tells_how_calls_ended(n, bad, max(known, 1), onset):
            continue
        evidence = risen_given_mix(n * worth, bad * worth, followed.rule)
        if float(evidence[onset:].max()) < followed.rule.needed_nats + STRICTER_NATS:
            shift = _shift(key, _split(n, bad, max(known, 1), onset))
            if shift.explains >= EXPLAINS_MIN:
                found.append(GivenMix(shift, float(evidence[-1])))
    return max(found, key=lambda given: given.moved.explains, default=None)


def moved_mix(
    followed: FollowedRate, since: RateStream, declared: dict[str, RateStream], min_effect: float
) -> MixShift | None:
    """The declared key within whose values the rate rose by less than `min_effect` since the baseline.

    For a rise that raised no alarm; None where it rose within the values of every key.
    """
    known, found = len(followed.baseline.hour), []
    if not len(since.hour):
        return None
    for key, n, bad in _strata(followed.stream, declared):
        if _tells_how_calls_ended(n, bad, known, known):
            continue
        split = _split(n, bad, known, known)
        if split is not None and split.total - split.mix < min_effect and split.total > 0:
            found.append(_shift(key, split))
    enough = [moved for moved in found if moved.explains >= EXPLAINS_MIN]
    return max(enough, key=lambda moved: moved.explains, default=None)


def shifted(finding: Finding, moved: MixShift) -> Finding:
    """The finding of a whole whose moved mix explains it."""
    note = f"the mix of {plain(moved.key, 80)} changed"
    return replace(finding, status="shifted", mix=moved, notes=(note,))


def _strata(
    whole: RateStream, declared: dict[str, RateStream]
) -> Iterator[tuple[str, Floats, Floats]]:
    """Each declared key with the labels and bad labels of each hour in each of its values."""
    single = {name: cell for name, cell in declared.items() if "," not in name}
    for key in sorted({name.partition("=")[0] for name in single}):
        cells = [cell for name, cell in single.items() if name.partition("=")[0] == key]
        yield key, *_hours_of(whole, cells)


def _tells_how_calls_ended(n: Floats, bad: Floats, known: int, since: int) -> bool:
    """Whether values of which nearly every call failed, as `http_status=500`, make part of the change.

    Such a key is made of what happened to a call, not of what was asked, so that more of these calls
    are the fall itself. Traffic that fails this surely is not fit for the work under any mix. A customer
    whose few calls have always failed says nothing of the others' mix.
    """
    failing = [
        calls > 0 and rate_interval95(float(failed / calls), float(calls))[0] > FAILED_MIN
        for calls, failed in zip(n.sum(axis=0), bad.sum(axis=0), strict=True)
    ]
    rises = [
        bad[part].sum(axis=0) / max(float(n[part].sum()), 1.0)
        for part in (slice(known), slice(since, None))
    ]
    rise = rises[1] - rises[0]
    return bool(np.any(failing) and rise[failing].sum() >= EXPLAINS_MIN * rise.sum())


def _hours_of(whole: RateStream, cells: list[RateStream]) -> tuple[Floats, Floats]:
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


@dataclass(frozen=True, slots=True)
class _Split:
    """How a bad rate moved between two periods, and how much of that other shares of traffic make."""

    total: float
    mix: float


def _split(n: Floats, bad: Floats, known: int, since: int) -> _Split | None:
    """The move from the first `known` hours to those from `since` on; None where a period has none.

    A value's rates borrow labels of each other, so that one which has all but come or gone counts as
    never having changed: that it came or went is mix. Kitagawa (1955), JASA 50.
    """
    n0, bad0, n1, bad1 = (
        x[part].sum(axis=0) for part in (slice(known), slice(since, None)) for x in (n, bad)
    )
    seen = n0 + n1 > 0
    n0, bad0, n1, bad1 = (x[seen] for x in (n0, bad0, n1, bad1))
    if not (n0.any() and n1.any()):
        return None
    alike = PSEUDO_LABELS * (bad0 + bad1) / (n0 + n1)
    rate = ((bad0 + alike) / (n0 + PSEUDO_LABELS) + (bad1 + alike) / (n1 + PSEUDO_LABELS)) / 2
    mix = (n1 / n1.sum() - n0 / n0.sum()) @ rate
    return _Split(float(bad1.sum() / n1.sum() - bad0.sum() / n0.sum()), float(mix))


def _shift(key: str, split: _Split | None) -> MixShift:
    """A key with the share of the change that other shares of traffic make, in [0, 1]."""
    if split is None or not split.total:
        return MixShift(key=key, explains=0.0)
    return MixShift(key=key, explains=min(max(split.mix / split.total, 0.0), 1.0))
