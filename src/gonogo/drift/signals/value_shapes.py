"""The shape of a metric's distribution: day by day, against its past, and against the golden set's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.answers import Baseline, Current, Effect
from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.bins import centres, layout_named
from gonogo.detectors.shares.categories import CategoryWatch, category_dispersion, watch_categories
from gonogo.detectors.values.shapes import ShapeChange, group_edges, grouped, shape_change
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_start
from gonogo.drift.signals.budget_shares import (
    DISTRIBUTIONS,
    HELD,
    WEEK,
    FollowedShares,
    SignalQuestion,
    exchangeable,
    follow_shares,
    is_weekend,
)
from gonogo.hours.time_slices import DAY_TYPES
from gonogo.records import DAY_MS, Histograms
from gonogo.text.forms import counted, number

VALUES_MIN = 50.0
_SLICES_MAX = 30
# A slice stands out where it is at least so far from the golden set, in the golden set's sd, and
# all other traffic is at most half as far: then it is not the golden set that is unlike traffic.
_HELD_SD_MIN = 0.2
_REST_SHARE_MAX = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class DailyShape:
    """A metric's histogram by day, dense: `table` has shape (days, bins)."""

    layout: str
    day: Ints
    bins: Ints
    table: Floats

    @property
    def centre(self) -> Floats:
        """The value that stands for each bin."""
        return centres(layout_named(self.layout), self.bins)

    @classmethod
    def of(cls, found: Histograms, end_day: int) -> DailyShape | None:
        """All versions added up, days before `end_day`; None where there is nothing."""
        kept = found.bucket[found.row] < end_day
        if not kept.any():
            return None
        day, row = np.unique(found.bucket[found.row][kept], return_inverse=True)
        bins, place = np.unique(found.bins[kept], return_inverse=True)
        counted = np.bincount(
            row * len(bins) + place, found.counts[kept], minlength=len(day) * len(bins)
        )
        table = counted.astype(np.float64).reshape(len(day), len(bins))
        return cls(found.layout, day, bins, table)

    def on(self, days: NDArray[np.bool_]) -> DailyShape:
        """The days that are picked."""
        return DailyShape(self.layout, self.day[days], self.bins, self.table[days])

    def over(self, bins: Ints) -> DailyShape:
        """The histogram over a larger set of bins, ascending."""
        table = np.zeros((len(self.day), len(bins)))
        table[:, np.searchsorted(bins, self.bins)] = self.table
        return DailyShape(self.layout, self.day, bins, table)

    def cells(self) -> dict[str | None, DailyShape]:
        """The whole, and what is left of it in the week and at weekends (UTC days)."""
        weekend = is_weekend(self.day)
        parts = zip(DAY_TYPES, (~weekend, weekend), strict=True)
        return {None: self} | {f"day_type={name}": self.on(inside) for name, inside in parts}


async def read_shape(
    asked: SignalQuestion, metric: str, *, golden: bool = False, segment: str | None = None
) -> DailyShape | None:
    """A metric's days, of a slice or of the golden set; None where it has none."""
    found = await asked.telemetry.histograms(
        asked.dependency,
        metric,
        golden=golden,
        segment=segment,
        end_hour=asked.end_day * 24,
        daily=True,
    )
    return DailyShape.of(found, asked.end_day)


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
    found = [
        _golden_finding(metric, name, cell, shape, golden, needed) for name, cell in cells.items()
    ]
    return [one for one in found if one is not None]


def _golden_finding(
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
    # Once it has drifted, values from before say what was, not what is.
    after = followed.began if followed.drifted else hours.end_hour // 24
    newest, current = _newest_week(cell, after=after)
    change = shape_change(cell.bins, cell.centre, before, newest, dispersion=followed.dispersion)
    mean = float(before @ cell.centre / before.sum())
    baseline = followed.baseline(mean).model_copy(update={"n": round(before.sum())})
    return _finding(metric, segment, baseline, current, change, followed, needed)


def _newest_week(cell: DailyShape, *, after: int) -> tuple[Floats, Current]:
    """The newest seven days from one on that have values: their counts, and their mean."""
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
