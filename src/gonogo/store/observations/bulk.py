"""The cells of many observations at once, by numpy; the same as `store/observations/cells.py` bit for bit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.bins import LOG, LOGIT, SIGNED_LOG, Layout, bin_of
from gonogo.detectors.packed_bins import BIN_BITS, BIN_ROOM
from gonogo.records import HOUR_MS, MICRO
from gonogo.store.observations.cells import COUNTS, Cell, Cells, fixed_point
from gonogo.store.observations.rows import Row, Rule, SeriesKey

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

    Mask = NDArray[np.bool_]

_AT = {name: position for position, name in enumerate(Row._fields)}


class _Members:
    """The cell of each row, sorted by cell: a row is in the whole and in each of its segments."""

    def __init__(
        self,
        dependency: int,
        columns: Sequence[Sequence[Any]],
        segments_of: Callable[[str | None], tuple[int, ...]],
    ) -> None:
        slices: dict[tuple[bool, int, str | None], tuple[int, ...]] = {}
        index: dict[SeriesKey, int] = {}
        per_row: list[tuple[int, ...]] = []
        own = (columns[_AT[name]] for name in ("item_id", "version_id", "segments"))
        for item, version, segments in zip(*own, strict=True):
            key = item is not None, version, segments
            found = slices.get(key)
            if found is None:
                found = slices[key] = tuple(
                    index.setdefault((dependency, int(key[0]), segment, version), len(index))
                    for segment in (0, *segments_of(segments))
                )
            per_row.append(found)
        sizes = np.fromiter(map(len, per_row), dtype=np.int64, count=len(per_row))
        series = np.fromiter(chain.from_iterable(per_row), dtype=np.int64, count=int(sizes.sum()))
        hours = np.array(columns[_AT["ts_ms"]], dtype=np.int64) // HOUR_MS
        row_of = np.repeat(np.arange(len(per_row)), sizes)
        cell_key = (series << 32) + hours[row_of]
        order = np.argsort(cell_key, kind="stable")
        self.row = row_of[order]
        distinct, self.cell = np.unique(cell_key[order], return_inverse=True)
        names = list(index)
        self.keys = [(names[key >> 32], key & 0xFFFFFFFF) for key in distinct.tolist()]


def add_many(
    cells: Cells,
    rows: Sequence[Row],
    rule: Rule,
    stopped: Collection[str],
    segments_of: Callable[[str | None], tuple[int, ...]],
) -> None:
    """Add rows of one dependency to the cells.

    Args:
        cells: Changed in place.
        rows: Of one dependency.
        rule: What they are rolled up with.
        stopped: Fields that are not rolled up.
        segments_of: The slice ids of a row's `segments`.
    """
    columns = list(zip(*rows, strict=True))
    members = _Members(rows[0].dependency_id, columns, segments_of)
    target = [cells.setdefault(key, Cell()) for key in members.keys]

    def column(name: str) -> Floats:
        # None becomes NaN; every stored quantity is below 2^53, so a float holds it exactly.
        return np.array(columns[_AT[name]], dtype=np.float64)

    outcome = column("outcome_e6")
    golden_error = ~np.isnan(column("item_id")) & ~np.isnan(column("error_id"))
    outcome[np.isnan(outcome) & golden_error] = 0
    latency = column("latency_us")
    _add_counts(target, members, _count_matrix(outcome, latency, column("error_id"), rule))
    metrics = list(_standard(column, outcome, latency, rule))
    if "metrics" not in stopped:
        metrics += _metrics(columns[_AT["metrics"]])
    _add_histograms(target, members, metrics)
    for field in ("error", "prediction"):
        if field not in stopped:
            _add_categories(target, members, field, columns[_AT[f"{field}_id"]])


def _count_matrix(outcome: Floats, latency: Floats, error: Floats, rule: Rule) -> Ints:
    labelled = ~np.isnan(outcome)
    filled = np.where(labelled, outcome, 0)
    good = labelled & (outcome >= rule.bar_e6)
    failed = ~np.isnan(error)
    timed = ~np.isnan(latency)
    met = timed & (latency <= (np.inf if rule.slo_us is None else rule.slo_us))
    ok = ~failed & (met | ~timed)
    ones = np.ones(len(outcome))
    return np.column_stack(
        [ones, failed, timed, met, labelled, filled, good, ok, ok & labelled, ok & good]
    ).astype(np.int64)


def _add_counts(target: list[Cell], members: _Members, counts: Ints) -> None:
    firsts = _firsts(members.cell)
    sums = np.add.reduceat(counts[members.row], firsts, axis=0)
    for cell, added in zip(target, sums.tolist(), strict=True):
        cell.counts = [cell.counts[i] + added[i] for i in range(len(COUNTS))]


class _Values(NamedTuple):
    """The values of one metric, and which rows have one."""

    metric: str
    layout: Layout
    there: Mask  # shape (rows,)
    values: Floats  # of those rows, in the metric's unit
    fixed: Ints  # the same in 1e-6 of it


def _standard(
    column: Callable[[str], Floats], outcome: Floats, latency: Floats, rule: Rule
) -> Iterator[_Values]:
    confidence = column("confidence_e6")
    labelled = np.where(np.isnan(outcome), np.nan, confidence)
    good = np.where(outcome >= rule.bar_e6, labelled, np.nan)
    lag = np.maximum(column("outcome_lag_ms"), 0)
    # Metric, layout, stored value, stored units a unit of the metric.
    for metric, layout, stored, units in (
        ("latency_ms", LOG, latency, 1000),
        ("cost_usd", LOG, column("cost_micro_usd"), MICRO),
        ("input_tokens", LOG, column("input_tokens"), 1),
        ("output_tokens", LOG, column("output_tokens"), 1),
        ("outcome", LOGIT, outcome, MICRO),
        ("outcome_lag_s", LOG, lag, 1000),
        ("confidence", LOGIT, confidence, MICRO),
        ("confidence_labelled", LOGIT, labelled, MICRO),
        ("confidence_good", LOGIT, good, MICRO),
    ):
        there = ~np.isnan(stored)
        if there.any():
            whole = stored[there].astype(np.int64)
            fixed = np.minimum(whole, 10**9) * MICRO if units == 1 else whole * (MICRO // units)
            yield _Values(metric, layout, there, stored[there] / units, fixed)


def _metrics(texts: Sequence[str | None]) -> Iterator[_Values]:
    found: dict[str, tuple[list[int], list[float]]] = {}
    for position, text in enumerate(texts):
        if text is not None:
            for name, value in json.loads(text).items():
                at, values = found.setdefault(name, ([], []))
                at.append(position)
                values.append(value)
    for name, (at, values) in found.items():
        there = np.zeros(len(texts), dtype=bool)
        there[at] = True
        fixed = np.array([fixed_point(value) for value in values], dtype=np.int64)
        yield _Values(f"metrics.{name}", SIGNED_LOG, there, np.array(values), fixed)


def _add_histograms(target: list[Cell], members: _Members, metrics: Sequence[_Values]) -> None:
    """Group the values of all metrics by metric, cell and bin."""
    groups, pairs, fixed = [], [], []
    for number, one in enumerate(metrics):
        kept = one.there[members.row]
        at = (one.there.cumsum() - 1)[members.row[kept]]
        group = members.cell[kept] + number * len(target)
        groups.append(group)
        pairs.append((group << BIN_BITS) + bin_of(one.layout, one.values)[at] + BIN_ROOM)
        fixed.append(one.fixed[at])
    if not groups:
        return
    group = np.concatenate(groups)
    firsts = _firsts(group)
    totals = np.add.reduceat(np.concatenate(fixed), firsts).tolist()
    sizes = np.diff(firsts, append=len(group)).tolist()
    pair, counts = np.unique(np.concatenate(pairs), return_counts=True)
    pair_group = pair >> BIN_BITS
    bins = ((pair & ((1 << BIN_BITS) - 1)) - BIN_ROOM).tolist()
    starts, tallies = _firsts(pair_group).tolist(), counts.tolist()
    ends = [*starts[1:], len(bins)]
    for i, which in enumerate(group[firsts].tolist()):
        number, cell = divmod(which, len(target))
        histogram = target[cell].histogram(metrics[number].metric)
        histogram.n += sizes[i]
        histogram.total += totals[i]
        span = slice(starts[i], ends[i])
        added = dict(zip(bins[span], tallies[span], strict=True))
        if histogram.bins:
            for place, count in histogram.bins.items():
                added[place] = added.get(place, 0) + count
        histogram.bins = added


def _add_categories(
    target: list[Cell], members: _Members, field: str, ids: Sequence[int | None]
) -> None:
    if any(ids):
        cells = members.cell.tolist()
        tally = Counter(
            (cells[i], ids[row])
            for i, row in enumerate(members.row.tolist())
            if ids[row] is not None
        )
        for (cell, value), count in tally.items():
            if value is not None:
                categories = target[cell].categories
                categories[field, value] = categories.get((field, value), 0) + count


def _firsts(groups: Ints) -> Ints:
    """The index at which each run of equal values begins; shape (runs,)."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else groups
