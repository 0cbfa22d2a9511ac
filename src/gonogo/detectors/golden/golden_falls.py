"""Daily golden runs with a memory: a fall lasts until runs are as before it, and is then left out of what is normal.

Evidence alone forgets and cannot forgive: of an item that broke and stays broken it sinks again, as the null
learns it; of a set that failed for three days and is well again it stays high for weeks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.golden.paired import WARM_UP_RUNS, GoldenRuns, run_dispersion, run_evidence

# Odds that runs are as before a fall, at which it is called recovering, or over.
RECOVERED = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class GoldenWatch:
    """Where daily runs stand after the newest.

    Attributes:
        status: `better` where evidence says so now; `worse` and `recovering` while a fall lasts.
        value: Evidence for a change, its peak while a fall lasts.
        first: The run at which the fall that lasts began, or since which it recovers; None where none lasts.
        kept: The runs that are in no fall that is over, ascending.
    """

    status: Literal["quiet", "better", "worse", "recovering"]
    value: float
    first: int | None
    kept: Ints


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a fall: the first run that is well again, and the one that settled it, where one did."""

    good_from: int
    settled: int | None = None


def follow_runs(runs: GoldenRuns, *, needed: float) -> GoldenWatch:
    """Follow daily runs from the warm-up on, through falls and their ends.

    Args:
        runs: Daily runs, more than the warm-up.
        needed: Evidence at which a change is called found.
    """
    kept, at = np.arange(len(runs.day)), WARM_UP_RUNS
    while True:
        part = replace(runs, day=runs.day[kept], outcome=runs.outcome[kept])
        found = run_evidence(part, newest=len(kept) - at)
        worse = (found.value >= needed) & (found.worse >= found.better)
        worse[:at] = False
        if not worse.any():
            value = float(found.value[-1])
            return GoldenWatch("better" if value >= needed else "quiet", value, None, kept)
        alarm = int(worse.argmax())
        asked, failed = _counts(part)
        first = _fell_at(asked, failed, alarm)
        end = _end(asked, failed, first, alarm)
        if end is None or end.settled is None:
            peak = float(found.value[alarm:].max())
            if end is None:
                return GoldenWatch("worse", peak, int(kept[first]), kept)
            return GoldenWatch("recovering", peak, int(kept[end.good_from]), kept)
        kept = np.delete(kept, np.arange(first, end.good_from))
        at = min(end.settled + 1 - (end.good_from - first), len(kept) - 1)


def _counts(runs: GoldenRuns) -> tuple[Floats, Floats]:
    """Answers of each run, and how many of them were wrong, both in independent ones."""
    asked: Floats = runs.items / run_dispersion(runs, WARM_UP_RUNS)
    return asked, asked * (1 - runs.rate)


def _fell_at(asked: Floats, failed: Floats, alarm: int) -> int:
    """The run at which the totals up to an alarm are likeliest to have fallen."""
    bad, good = np.cumsum(failed[: alarm + 1]), np.cumsum((asked - failed)[: alarm + 1])
    nats = []
    for last in range(alarm):
        before = bad[last] + 0.5, good[last] + 0.5
        after = bad[-1] - bad[last] + 0.5, good[-1] - good[last] + 0.5
        rose = after[0] / sum(after) > before[0] / sum(before)
        nats.append(_log_beta(*before) + _log_beta(*after) if rose else -math.inf)
    return 1 + int(np.argmax(nats))


def _end(asked: Floats, failed: Floats, first: int, alarm: int) -> _End | None:
    """Weigh the runs after an alarm: as before the fall, against as since, and against halfway between.

    Each run may be the first good one, with a weight of which the sum is 1: so that of a fall that lasts at the
    rate that it had, the odds ever reach 20 with probability 1 in 20 (Ville 1939).
    """
    before = (failed[:first].sum() + 0.5) / (asked[:first].sum() + 1)
    fell = slice(first, alarm + 1)
    after = max((failed[fell].sum() + 0.5) / (asked[fell].sum() + 1), before)
    nats = np.zeros((2, len(asked)))
    for row, rate in enumerate((after, (before + after) / 2)):
        nats[row] = failed * math.log(before / rate)
        nats[row] += (asked - failed) * (math.log1p(-before) - math.log1p(-rate))
    odds = np.zeros(2)
    for run in range(alarm + 1, len(asked)):
        since = run - alarm
        odds = (odds + 1 / (since * (since + 1))) * np.exp(np.clip(nats[:, run], -300, 300))
        if odds.min() >= RECOVERED:
            return _End(_good_from(nats[1], alarm, run), run)
    if odds[0] < RECOVERED:
        return None
    return _End(_good_from(nats[0], alarm, len(asked) - 1))


def _good_from(nats: Floats, alarm: int, run: int) -> int:
    """The run since which the sum up to now says the most."""
    back = np.cumsum(nats[alarm + 1 : run + 1][::-1])
    return run - int(back.argmax())


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
