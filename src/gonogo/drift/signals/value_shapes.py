"""Whether the shape of a metric's distribution moved: in the whole, at weekends, in the week."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current, Effect
from gonogo.detectors.values.shapes import ShapeChange, group_edges, grouped, shape_change
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_start
from gonogo.drift.signals.budget_shares import DISTRIBUTIONS, WEEK, exchangeable, follow_shares
from gonogo.drift.signals.daily_histogram import VALUES_MIN, DailyShape, read_shape
from gonogo.drift.signals.golden_gap import held_against_golden, is_score
from gonogo.records import DAY_MS
from gonogo.text.forms import counted, number

if TYPE_CHECKING:
    from gonogo.drift.signals.budget_shares import FollowedShares, SignalQuestion
    from gonogo.records import Floats


async def value_shapes(asked: SignalQuestion) -> list[Finding]:
    """The shape of every metric that is followed as values, on fixed shares of the budget."""
    found: list[Finding] = []
    for metric in asked.metrics:
        shape = await read_shape(asked, metric)
        if shape is None:
            continue
        # Half for the whole, half for the two slices of time, which split the same values.
        weight = DISTRIBUTIONS / len(asked.metrics) / 2
        for segment, cell in shape.cells().items():
            one = _followed(asked, metric, segment, cell, weight)
            if one is not None:
                found.append(one)
        if is_score(metric):
            found += await held_against_golden(asked, metric, shape)
    return found


def _followed(
    asked: SignalQuestion, metric: str, segment: str | None, cell: DailyShape, weight: float
) -> Finding | None:
    n = cell.table.sum(axis=1)
    hours = asked.baseline_of(cell.day, n)
    if hours is None:
        return None
    inside = (cell.day * 24 >= hours.start_hour) & (cell.day * 24 < hours.end_hour)
    before = cell.table[inside].sum(axis=0)
    if before.sum() < VALUES_MIN:
        return None
    edges = group_edges(cell.bins, before)
    rows = np.arange(len(cell.day)).repeat(len(cell.bins))
    table = grouped(edges, rows, np.tile(cell.bins, len(n)), cell.table.ravel(), len(n))
    needed = asked.needed(float(n[inside].sum()) / max(int(inside.sum()), 1), weight)
    names = [f"group {k + 1}" for k in range(table.shape[1])]
    followed = follow_shares(cell.day, table, names, hours, needed=needed)
    if followed is None:
        return None
    newest, current = _newest_week(cell, after=hours.end_hour // 24)
    change = shape_change(cell.bins, cell.centre, before, newest, dispersion=followed.dispersion)
    mean = float(before @ cell.centre / before.sum())
    baseline = followed.baseline(mean).model_copy(update={"n": round(before.sum())})
    return _finding(metric, segment, baseline, current, change, followed, needed)


def _newest_week(cell: DailyShape, *, after: int) -> tuple[Floats, Current]:
    """The newest seven days since the baseline that have values: their counts, and their mean."""
    within = (cell.day >= after) & (cell.table.sum(axis=1) > 0)
    days, counts = cell.day[within][-WEEK:], cell.table[within][-WEEK:].sum(axis=0)
    return counts, Current(
        mean=float(counts @ cell.centre / counts.sum()),
        n=round(counts.sum()),
        start=hour_start(int(days[0]) * 24),
        end=hour_start((int(days[-1]) + 1) * 24),
    )


def _finding(
    metric: str,
    segment: str | None,
    baseline: Baseline,
    current: Current,
    change: ShapeChange,
    followed: FollowedShares,
    needed: float,
) -> Finding:
    old, new = baseline.mean or 0.0, current.mean or 0.0
    return Finding(
        metric=metric,
        kind="distribution",
        segment=segment,
        status="shifted" if followed.drifted else "stable",
        baseline=baseline,
        current=current,
        change=change_of(old, new, interval95=None),
        evidence=evidence_of(
            followed.evidence_nats / math.log(10),
            needed=needed,
            guarantee=exchangeable(needed),
        ),
        effect=Effect(
            psi=change.psi,
            w1_sd=change.w1_sd,
            p_value=change.p_value,
            since=followed.began_on,
        ),
        told=_told(metric, segment, baseline, current, change) + followed.since,
        newest_ts_ms=(followed.last + 1) * DAY_MS,
    )


def _told(
    metric: str,
    segment: str | None,
    baseline: Baseline,
    current: Current,
    change: ShapeChange,
) -> str:
    where = "" if segment is None else f" at {segment}"
    return (
        f"distribution of {metric}{where}, mean {number(baseline.mean or 0.0)} → {number(current.mean or 0.0)}, PSI {number(change.psi)}, "
        f"distance {number(change.w1_sd)} baseline sd, on {counted(current.n, 'value')} "
        f"against {number(baseline.n or 0)}"
    )
