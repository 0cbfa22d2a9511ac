"""A slice's scores held against the golden set's: no label is needed, and no healthy past.

A slice that was scored wrong from the first day has no better baseline than what is known to be
good.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current, Effect
from gonogo.detectors.shares.categories import CategoryWatch, category_dispersion, watch_categories
from gonogo.detectors.values.shapes import group_edges, grouped, shape_change
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_start
from gonogo.drift.signals.budget_shares import HELD, WEEK, exchangeable
from gonogo.drift.signals.daily_histogram import VALUES_MIN, read_shape
from gonogo.records import DAY_MS
from gonogo.text.forms import number

if TYPE_CHECKING:
    from gonogo.drift.signals.budget_shares import SignalQuestion
    from gonogo.drift.signals.daily_histogram import DailyShape
    from gonogo.records import Floats

_SLICES_MAX = 30
# A slice stands out where it is at least so far from the golden set, in the golden set's sd, and
# all other traffic is at most half as far: then it is not the golden set that is unlike traffic.
_HELD_SD_MIN = 0.2
_REST_SHARE_MAX = 0.5


def is_score(metric: str) -> bool:
    """Whether a metric may be a score: the model's confidence, or one of the user's own."""
    return metric == "confidence" or metric.startswith("metrics.")


async def held_against_golden(
    asked: SignalQuestion, metric: str, shape: DailyShape
) -> list[Finding]:
    """Slices whose scores are unlike the golden set's while those of all other traffic are not."""
    golden = await read_shape(asked, metric, golden=True)
    if golden is None or golden.table.sum() < VALUES_MIN:
        return []
    cells = {name: cell for name, cell in shape.cells().items() if name is not None}
    declared = (await asked.telemetry.segments(asked.dependency))[:_SLICES_MAX]
    for segment in declared:
        cell = await read_shape(asked, metric, segment=segment)
        if cell is not None:
            cells[segment] = cell
    # Every declared slice stands for a key of its own here, which only raises the bar.
    weight = HELD / sum(map(is_score, asked.metrics)) / (1 + len(declared))
    needed = asked.needed(float(shape.table.sum()) / max(len(shape.day), 1), weight)
    found = [_finding(metric, name, cell, shape, golden, needed) for name, cell in cells.items()]
    return [one for one in found if one is not None]


def _finding(
    metric: str,
    segment: str,
    cell: DailyShape,
    whole: DailyShape,
    golden: DailyShape,
    needed: float,
) -> Finding | None:
    bins = np.union1d(np.union1d(golden.bins, whole.bins), cell.bins)
    rows, everything = cell.over(bins), whole.over(bins)
    # A golden set that is asked again and again is one set: it counts as one run.
    known = golden.over(bins).table.sum(axis=0) / len(golden.day)
    if known.sum() < VALUES_MIN or rows.table.sum() < VALUES_MIN:
        return None
    watch = _watch(known, rows, needed)
    newest = rows.table[-WEEK:].sum(axis=0)
    rest = np.maximum(everything.table.sum(axis=0) - rows.table.sum(axis=0), 0)
    change = shape_change(bins, rows.centre, known, newest)
    apart = shape_change(bins, rows.centre, known, rest).w1_sd if rest.sum() else math.inf
    alone = change.w1_sd >= _HELD_SD_MIN and apart <= _REST_SHARE_MAX * change.w1_sd
    old, new = (float(counts @ rows.centre / counts.sum()) for counts in (known, newest))
    start, end = hour_start(int(cell.day[-WEEK:][0]) * 24), hour_start((int(cell.day[-1]) + 1) * 24)
    return Finding(
        metric=metric,
        kind="distribution",
        segment=segment,
        status="shifted" if watch.drifted and alone else "stable",
        baseline=Baseline(source="golden", mean=old, n=round(known.sum())),
        current=Current(mean=new, n=round(newest.sum()), start=start, end=end),
        change=change_of(old, new, interval95=None),
        evidence=evidence_of(
            float(watch.evidence_nats[-1]) / math.log(10) if alone else -math.inf,
            needed=needed,
            guarantee=exchangeable(needed).replace("the baseline", "the golden set"),
        ),
        effect=Effect(
            psi=change.psi, w1_sd=change.w1_sd, other_w1_sd=apart if rest.sum() else None
        ),
        told=(
            f"{metric} at {segment} is unlike the golden set's: mean {number(new)} against "
            f"{number(old)}, distance {number(change.w1_sd)} sd, while other traffic is "
            f"{number(apart)} sd from it"
        ),
        notes=("held against the golden set",),
        newest_ts_ms=(int(cell.day[-1]) + 1) * DAY_MS,
    )


def _watch(known: Floats, rows: DailyShape, needed: float) -> CategoryWatch:
    """The slice's days against the golden set as their baseline."""
    bins, days = rows.bins, len(rows.day) + 1
    groups = grouped(
        group_edges(bins, known),
        np.arange(days).repeat(len(bins)),
        np.tile(bins, days),
        np.vstack((known, rows.table)).ravel(),
        days,
    )
    return watch_categories(
        groups,
        [f"group {k + 1}" for k in range(groups.shape[1])],
        baseline=1,
        needed=needed,
        dispersion=category_dispersion(groups[1:], trimmed=True),
    )
