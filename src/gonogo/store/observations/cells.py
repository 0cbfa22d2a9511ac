"""An observation's part in the rollups of its hour."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from gonogo.detectors.bins import LOG, LOGIT, SIGNED_LOG, bin_of_one
from gonogo.records import HOUR_MS, MICRO

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gonogo.store.observations.rows import Row, Rule, SeriesKey

# Columns of `rollup`, in the order of `Cell.counts`.
COUNTS = (
    "n",
    "errors",
    "timed",
    "slo_met",
    "labels",
    "outcome_sum",
    "good",
    "ok",
    "ok_labels",
    "ok_good",
)
_SUM_VALUE_MAX = 1e9
# All confidences; those with an outcome; those whose outcome reached the quality bar.
_CONFIDENCES = ("confidence", "confidence_labelled", "confidence_good")


class Histogram:
    """Signed changes of one histogram. `total` is in 1e-6 of the metric's unit.

    `parts`: whole histograms beside the single `bins`, each a sign and what is packed of it; they stay packed
    until they are written, and one that is alone is written as it came.
    """

    __slots__ = ("bins", "n", "parts", "total")

    def __init__(self) -> None:
        self.n = 0
        self.total = 0
        self.bins: dict[int, int] = {}
        self.parts: list[tuple[int, int, bytes]] = []

    def add(self, place: int, fixed: int, sign: int) -> None:
        """Add one value, or with sign -1 take it back."""
        self.n += sign
        self.total += sign * fixed
        self.bins[place] = self.bins.get(place, 0) + sign

    def merge(self, other: Histogram) -> None:
        """Add the changes of another."""
        self.n += other.n
        self.total += other.total
        bins = self.bins
        for place, count in other.bins.items():
            bins[place] = bins.get(place, 0) + count
        for sign, lowest, packed in other.parts:
            if sign < 0 and (1, lowest, packed) in self.parts:
                self.parts.remove((1, lowest, packed))
            else:
                self.parts.append((sign, lowest, packed))

    @property
    def changes(self) -> bool:
        """Whether anything is left of it: a correction takes back most of what it adds."""
        return self.n != 0 or self.total != 0 or bool(self.parts) or any(self.bins.values())


class Cell:
    """Signed changes to the rollups of one series and bucket."""

    __slots__ = ("categories", "counts", "histograms")

    def __init__(self) -> None:
        self.counts = [0] * len(COUNTS)
        self.histograms: dict[str, Histogram] = {}
        self.categories: dict[tuple[str, int], int] = {}

    @property
    def takes_back(self) -> bool:
        """Whether it takes something away, so that nothing may be left of a part."""
        return (
            self.counts[0] < 0
            or any(histogram.n < 0 for histogram in self.histograms.values())
            or any(count < 0 for count in self.categories.values())
        )

    def histogram(self, metric: str) -> Histogram:
        """The changes of one metric, to be added to."""
        found = self.histograms.get(metric)
        if found is None:
            found = self.histograms[metric] = Histogram()
        return found

    def merge(self, other: Cell) -> None:
        """Add the changes of another."""
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]
        for metric, histogram in other.histograms.items():
            self.histogram(metric).merge(histogram)
        for value, count in other.categories.items():
            self.categories[value] = self.categories.get(value, 0) + count


# By series and hour since 1970.
Cells = dict[tuple["SeriesKey", int], Cell]


class Features(NamedTuple):
    """The amounts that one observation adds to each of its slices."""

    counts: tuple[int, ...]
    values: list[tuple[str, int, int]]  # metric, bin, value in 1e-6 of its unit
    categories: list[tuple[str, int]]  # field, value id


def fixed_point(value: float) -> int:
    """A value in 1e-6 of its unit; beyond +-1e9 it saturates (its bin does not)."""
    return round(max(-_SUM_VALUE_MAX, min(value, _SUM_VALUE_MAX)) * MICRO)


def effective_outcome_e6(row: Row) -> int | None:
    """The outcome that counts: a golden item that ended in an error was answered wrong."""
    if row.outcome_e6 is None and row.item_id is not None and row.error_id is not None:
        return 0
    return row.outcome_e6


def features_of(row: Row, rule: Rule, stopped: Collection[str]) -> Features:
    """The amounts that a row adds under a rule; fields in `stopped` are not rolled up."""
    outcome = effective_outcome_e6(row)
    labelled = outcome is not None
    good = outcome is not None and outcome >= rule.bar_e6
    error = row.error_id is not None
    timed = row.latency_us is not None
    met = row.latency_us is not None and (rule.slo_us is None or row.latency_us <= rule.slo_us)
    ok = not error and (met or not timed)
    counts = (
        1,
        int(error),
        int(timed),
        int(met),
        int(labelled),
        outcome or 0,
        int(good),
        int(ok),
        int(ok and labelled),
        int(ok and good),
    )
    return Features(counts, _values(row, outcome, rule, stopped), _categories(row, stopped))


def _values(
    row: Row, outcome: int | None, rule: Rule, stopped: Collection[str]
) -> list[tuple[str, int, int]]:
    values: list[tuple[str, int, int]] = []
    add = values.append
    if (us := row.latency_us) is not None:
        add(("latency_ms", bin_of_one(LOG, us / 1000), us * 1000))
    if (cost := row.cost_micro_usd) is not None:
        add(("cost_usd", bin_of_one(LOG, cost / MICRO), cost))
    for metric, tokens in (
        ("input_tokens", row.input_tokens),
        ("output_tokens", row.output_tokens),
    ):
        if tokens is not None:
            add((metric, bin_of_one(LOG, tokens), fixed_point(tokens)))
    if outcome is not None:
        add(("outcome", bin_of_one(LOGIT, outcome / MICRO), outcome))
    if row.outcome_lag_ms is not None:
        lag_ms = max(0, row.outcome_lag_ms)
        add(("outcome_lag_s", bin_of_one(LOG, lag_ms / 1000), lag_ms * 1000))
    if (confidence := row.confidence_e6) is not None:
        place = bin_of_one(LOGIT, confidence / MICRO)
        kept = 1 if outcome is None else 3 if outcome >= rule.bar_e6 else 2
        values += [(metric, place, confidence) for metric in _CONFIDENCES[:kept]]
    if row.metrics is not None and "metrics" not in stopped:
        for name, value in json.loads(row.metrics).items():
            add((f"metrics.{name}", bin_of_one(SIGNED_LOG, value), fixed_point(value)))
    return values


def _categories(row: Row, stopped: Collection[str]) -> list[tuple[str, int]]:
    categories = []
    if row.error_id is not None and "error" not in stopped:
        categories.append(("error", row.error_id))
    if row.prediction_id is not None and "prediction" not in stopped:
        categories.append(("prediction", row.prediction_id))
    return categories


def add_features(
    cells: Cells, row: Row, features: Features, segments: Iterable[int], sign: int
) -> None:
    """Add what a row brings to the cells of its slices; with sign -1 take it back.

    Args:
        cells: Changed in place.
        row: Says the hour, the version and whether it is golden.
        features: What it adds.
        segments: Ids of its slices besides the whole.
        sign: 1 or -1.
    """
    golden = int(row.item_id is not None)
    hour = row.ts_ms // HOUR_MS
    for segment in (0, *segments):
        key = (row.dependency_id, golden, segment, row.version_id), hour
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = Cell()
        counts = cell.counts
        for i, count in enumerate(features.counts):
            counts[i] += sign * count
        for metric, place, fixed in features.values:
            cell.histogram(metric).add(place, fixed, sign)
        for value in features.categories:
            cell.categories[value] = cell.categories.get(value, 0) + sign


def daily(cells: Cells) -> Cells:
    """Changes to hourly cells added up by day since 1970; a cell alone in its day is shared."""
    days: Cells = {}
    own: set[tuple[SeriesKey, int]] = set()
    for (series, hour), cell in cells.items():
        key = series, hour // 24
        if key not in days:
            days[key] = cell
            continue
        if key not in own:
            own.add(key)
            first, days[key] = days[key], Cell()
            days[key].merge(first)
        days[key].merge(cell)
    return days
