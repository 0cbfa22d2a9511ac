"""The order in which slices are listed, and the selection of those that fell more than the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gonogo.detectors.intervals import difference_interval95
from gonogo.detectors.rate.rate_slices import CellFinding
from gonogo.drift.follow import FollowedRate
from gonogo.hours.rate_hours import RateStream

STANDS_APART = 2.0
# In half widths of a 95 % interval: 3.3 standard errors.
SURE_OF_MANY = 1.7
# A newcomer is held against the worst value of its key, past those that few of the baseline's labels were of.
FEW_LABELS = 0.05
NEWEST_HOURS = 24


def told_apart(
    ranked: Sequence[CellFinding], followed: FollowedRate, since_hour: int
) -> list[CellFinding]:
    """Where the whole has changed, only slices that changed by more than it, for sure, are named."""
    now = followed.stream.between(since_hour, None)
    fall = now.bad_rate - followed.expected_bad(followed.baseline, now)
    told = []
    for cell in ranked:
        low, _ = difference_interval95(
            cell.baseline_bad_rate, cell.baseline_n, cell.bad_rate, cell.n
        )
        told.append(replace(cell, drifted=cell.drifted and low > fall))
    return sorted(told, key=lambda cell: not cell.drifted)


def apart_from_mix(
    ranked: Sequence[CellFinding],
    key: str,
    sides: tuple[RateStream, RateStream],
    followed: FollowedRate,
) -> list[CellFinding]:
    """The slices that a moved mix of `key` does not explain.

    It moves a slice of any other key as it moves the whole. How it moved within one is not kept, so
    such a slice counts where it fell further than the rest of the whole: twice as far, and as surely as
    one slice in two thousand does by chance, for there may be many, looked at for weeks.

    Args:
        ranked: Slices with the rates of the two periods.
        key: The key whose mix explains the whole's change.
        sides: The whole's labels of the earlier period, and of the later.
        followed: The whole.
    """
    before, now = sides
    told, bad_before = [], followed.expected_bad(before, now)
    for cell in ranked:
        whole = replace(
            cell,
            n=now.labels,
            bad_rate=now.bad_rate,
            baseline_n=before.labels,
            baseline_bad_rate=bad_before,
        )
        keys = {part.partition("=")[0] for part in cell.segment.split(",")}
        told.append(
            cell
            if key in keys or _stands_apart(cell, whole, sure=SURE_OF_MANY)
            else replace(cell, drifted=False)
        )
    return told


def ranked_slices(findings: Sequence[CellFinding]) -> list[CellFinding]:
    """Drifted first, by how much worse they are for sure; the others by their evidence.

    A slice joined of two parts has fewer calls than either part, and so by chance now a greater
    fall, now a smaller one, by the day that is asked. It comes after a part that explains it.
    """
    drifted = {cell.segment: cell for cell in findings if cell.drifted}

    def rank(cell: CellFinding) -> tuple[bool, float, bool]:
        if not cell.drifted:
            return True, -cell.evidence_nats, False
        parts = [drifted[name] for name in cell.segment.split(",") if name in drifted]
        plainer = [_fall(p)[0] for p in parts if p is not cell and not _stands_apart(cell, p)]
        return False, -max(plainer, default=_fall(cell)[0]), bool(plainer)

    return sorted(findings, key=rank)


def _stands_apart(joined: CellFinding, part: CellFinding, *, sure: float = 1.0) -> bool:
    """Whether a slice fell further than the rest of a part of its: twice as far, and for sure.

    Less than twice is no other place to look: days on which it began, counted whole, make as much.
    `sure`: half widths of the 95 % interval of the difference that have to lie above 0.
    The difference of two falls, from the intervals of each: the MOVER of Zou & Donner (2008),
    Statistics in Medicine 27.
    """
    rest = replace(
        part,
        n=part.n - joined.n,
        bad_rate=_rest(part.n, part.bad_rate, joined.n, joined.bad_rate),
        baseline_n=part.baseline_n - joined.baseline_n,
        baseline_bad_rate=_rest(
            part.baseline_n, part.baseline_bad_rate, joined.baseline_n, joined.baseline_bad_rate
        ),
    )
    if rest.n < 1 or rest.baseline_n < 1:
        return False
    own, others = (c.bad_rate - c.baseline_bad_rate for c in (joined, rest))
    if own < STANDS_APART * others:
        return False
    return own - others > sure * math.hypot(own - _fall(joined)[0], _fall(rest)[1] - others)


def _rest(n: int, rate: float, n_inside: int, rate_inside: float) -> float:
    """The bad rate of a slice without what lies inside it."""
    bad = n * rate - n_inside * rate_inside
    return min(1.0, max(0.0, bad / max(n - n_inside, 1)))


def _fall(cell: CellFinding) -> tuple[float, float]:
    return difference_interval95(cell.baseline_bad_rate, cell.baseline_n, cell.bad_rate, cell.n)


def worst_newcomer(
    declared: Mapping[str, RateStream], followed: FollowedRate, min_effect: float
) -> str | None:
    """The value that came after the baseline and is worst; None where each is about what was known.

    It never fell, so nothing that follows a rate finds it. It counts where its labels, and those of its
    newest day, are worse than the worst value that its key had by twice `min_effect`; as surely as
    one in two thousand is by chance, for there may be many, looked at for weeks.
    """
    start, end = followed.hours.start_hour, followed.hours.end_hour
    found = []
    for key in {name.partition("=")[0] for name in declared}:
        own = [stream for name, stream in declared.items() if name.partition("=")[0] == key]
        known = _worst_known([stream.between(start, end) for stream in own], followed.baseline)
        for name, stream in declared.items():
            if name.partition("=")[0] != key or stream.between(None, end).labels:
                continue
            if _is_worse(stream, known, followed, 2 * min_effect):
                found.append((stream.bad_rate, name))
    return max(found, default=(0.0, None))[1]


def _worst_known(values: Sequence[RateStream], baseline: RateStream) -> RateStream:
    """The labels of a key's worst value in the baseline; all labels where few had the key."""
    passed = 0
    for value in sorted(values, key=lambda value: -value.bad_rate):
        passed += value.labels
        if passed >= max(FEW_LABELS * baseline.labels, 1):
            return max(value, baseline, key=lambda labels: labels.bad_rate)
    return baseline


def _is_worse(stream: RateStream, known: RateStream, followed: FollowedRate, least: float) -> bool:
    if not stream.labels:
        return False
    newest = stream.between(int(stream.hour[-1]) + 1 - NEWEST_HOURS, None)
    before = followed.expected_bad(known, stream)
    change = stream.bad_rate - before
    low, _ = difference_interval95(before, known.labels, stream.bad_rate, stream.labels)
    is_now = newest.bad_rate - followed.expected_bad(known, newest) > least
    return is_now and change - SURE_OF_MANY * (change - low) > least
