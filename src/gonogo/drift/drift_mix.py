"""Whether a whole that fell did so given its mix: else other shares of traffic explain it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import MixShift
from gonogo.detectors.intervals import rate_interval95
from gonogo.detectors.rate.strata import risen_given_mix
from gonogo.detectors.shares.mix import MixSplit, split_mix
from gonogo.errors import NotEnoughData, plain

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
    followed: FollowedRate,
    watch: RateWatch,
    declared: dict[str, RateStream],
    since_hour: int,
    *,
    min_effect: float,
) -> GivenMix | None:
    """The declared key whose moved mix explains an alarm of the whole; None where no key does.

    The whole is worse only if it is worse under every key, each stratum held against itself: a key
    whose mix moved too little to explain it shows nothing yet, and explains nothing. Where several
    keys explain it, the one that explains most is told.

    Evidence that was reached and has gone again was a run of luck, if by now the values of the key lost
    less than half of what matters: the answer gives both parts of the change, and they would say so.

    Args:
        followed: The whole.
        watch: The detector's run over it.
        declared: Its declared slices.
        since_hour: The onset that is told of the change.
        min_effect: The smallest change that matters to the user, rate points.
    """
    alarmed_since = int(followed.stream.hour.searchsorted(watch.episodes[-1].onset))
    worth = followed.volume.worth(followed.stream.n)[:, None]
    found = []
    for key, cells in _keys(declared):
        periods = _periods(followed, cells, since_hour)
        split, shift = periods.split, _shift(key, periods)
        if split is None or shift is None or shift.explains < EXPLAINS_MIN:
            continue
        if periods.tell_how_calls_ended:
            continue
        n, bad = _hours_of(followed.stream, cells)
        evidence = risen_given_mix(n * worth, bad * worth, followed.rule)
        needed = followed.rule.needed_nats
        has_gone = float(evidence[-1]) < needed and split.within < min_effect / 2
        if has_gone or float(evidence[alarmed_since:].max()) < needed + STRICTER_NATS:
            found.append(GivenMix(shift, float(evidence[-1])))
    return max(found, key=lambda given: given.moved.explains, default=None)


def moved_mix(
    followed: FollowedRate, declared: dict[str, RateStream], min_effect: float
) -> MixShift | None:
    """The declared key within whose values the rate rose by less than `min_effect` since the baseline.

    For a rise that raised no alarm; None where it rose within the values of every key.
    """
    found = []
    for key, cells in _keys(declared):
        periods = _periods(followed, cells, followed.hours.end_hour)
        split, shift = periods.split, _shift(key, periods)
        if split is None or shift is None or periods.tell_how_calls_ended:
            continue
        if split.within < min_effect and split.total > 0 and shift.explains >= EXPLAINS_MIN:
            found.append(shift)
    return max(found, key=lambda moved: moved.explains, default=None)


def mix_parts(
    followed: FollowedRate, declared: dict[str, RateStream], since_hour: int | None, key: str | None
) -> dict[str, float] | None:
    """The two parts of the whole's change, in the metric's unit: by a key, else by the one whose mix moved it most.

    Args:
        followed: The whole.
        declared: Its declared slices.
        since_hour: The onset that is told of the change; None where it is told since the baseline.
        key: The key that is told to explain it, where one is.
    """
    since = followed.hours.end_hour if since_hour is None else since_hour
    splits = {name: _periods(followed, cells, since).split for name, cells in _keys(declared)}
    known = [split for name, split in splits.items() if split and key in (None, name)]
    if not known:
        return None
    split = max(known, key=lambda split: abs(split.mix))
    sign = followed.stream.sign
    return {"mix": sign * split.mix, "within": sign * split.within}


def shifted(finding: Finding, moved: MixShift) -> Finding:
    """The finding of a whole whose moved mix explains it."""
    note = f"the mix of {plain(moved.key, 80)} changed"
    return replace(finding, status="shifted", mix=moved, notes=(note,))


def _keys(declared: dict[str, RateStream]) -> Iterator[tuple[str, list[RateStream]]]:
    """Each declared key with its values' streams."""
    single = {name: cell for name, cell in declared.items() if "," not in name}
    for key in sorted({name.partition("=")[0] for name in single}):
        yield key, [cell for name, cell in single.items() if name.partition("=")[0] == key]


@dataclass(frozen=True, slots=True, eq=False)
class _Periods:
    """Labels and bad labels of a key's values, the last: those without it; shapes (3, values).

    Rows: the baseline, what came between, and since the change.
    """

    n: Floats
    bad: Floats

    @property
    def split(self) -> MixSplit | None:
        """Split the change of the whole by the mix; None where a period has no labels, or one value has them all."""
        if (self.n.sum(axis=0) > 0).sum() < 2:  # noqa: PLR2004 - one value alone has no mix
            return None
        (n0, n_between, n1), (bad0, bad_between, bad1) = self.n, self.bad
        try:
            return split_mix(n0, bad0, n1, bad1, n_between=n_between, sum_between=bad_between)
        except NotEnoughData:
            return None

    @property
    def tell_how_calls_ended(self) -> bool:
        """Whether values of which nearly every call failed, as `http_status=500`, make part of the change.

        Such a key is made of what happened to a call, not of what was asked, so that more of these calls
        are the fall itself. Traffic that fails this surely is not fit for the work under any mix. A customer
        whose few calls have always failed says nothing of the others' mix.
        """
        failing = [
            calls > 0 and rate_interval95(float(failed / calls), float(calls))[0] > FAILED_MIN
            for calls, failed in zip(self.n.sum(axis=0), self.bad.sum(axis=0), strict=True)
        ]
        before, _, after = self.bad / np.maximum(self.n.sum(axis=1, keepdims=True), 1.0)
        rise = after - before
        return bool(np.any(failing) and rise[failing].sum() >= EXPLAINS_MIN * rise.sum())


def _periods(followed: FollowedRate, cells: list[RateStream], since_hour: int) -> _Periods:
    hours = followed.hours
    bounds = (
        (hours.start_hour, hours.end_hour),
        (hours.end_hour, max(hours.end_hour, since_hour)),
        (since_hour, None),
    )
    parts = [[stream.between(*span) for stream in (*cells, followed.stream)] for span in bounds]
    n = np.array([[float(part.n.sum()) for part in row] for row in parts])
    bad = np.array([[float(part.bad.sum()) for part in row] for row in parts])
    # What other hours of the week make is no change within a value.
    bad[0] = [
        known.labels * followed.expected_bad(known, now)
        for known, now in zip(parts[0], parts[2], strict=True)
    ]
    n[:, -1] = np.maximum(n[:, -1] - n[:, :-1].sum(axis=1), 0.0)
    bad[:, -1] = np.clip(bad[:, -1] - bad[:, :-1].sum(axis=1), 0.0, n[:, -1])
    return _Periods(n, bad)


def _shift(key: str, periods: _Periods) -> MixShift | None:
    split = periods.split
    return None if split is None else MixShift(key=key, explains=split.explains)


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
