"""The table of hour cells, version 1: its columns, and the checks of a row.

A row counts the calls of one dependency, version, golden item and set of segments in one UTC hour. All
numbers are integers, so two rows of the same key merge by adding them up, in any order. docs/cells.md
describes every column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from gonogo.detectors.bins import LOGIT_ONE, LOGIT_ZERO, SIGNED_LOG, Layout, layout_of
from gonogo.errors import plain
from gonogo.ingest import field_checks as checked
from gonogo.ingest.error_codes import error_code
from gonogo.ingest.field_checks import RefusedError, got
from gonogo.ingest.observation import named
from gonogo.ports.hour_cells import (
    CELL_METRICS,
    CELL_VERSION,
    CellContent,
    CountedHistogram,
    HourCell,
)
from gonogo.records import DAY_MS, HOUR_MS, MICRO, Rejection

__all__ = ["COLUMNS", "parse_cell"]

HISTOGRAMS: Mapping[str, Layout] = {metric: layout_of(metric) for metric in CELL_METRICS}
COUNTED = ("errors", "slo_met", "good", "ok", "ok_labels", "ok_good")
_KEYS = ("cell_version", "dependency", "kind", "provider", "version", "item", "segments", "hour")
_REST = ("error_counts", "prediction_counts", "spent_nano_usd", "latency_slo_ms", "quality_bar")
COLUMNS = (
    *_KEYS,
    *("first_ts", "newest_ts", "n", *COUNTED),
    *(f"{metric}_{part}" for metric in HISTOGRAMS for part in ("sum", "bins")),
    *("metrics", *_REST, "source", "revision"),
)
COUNT_MAX = 10**12
# Of a sum: calls of an hour, each of at most 1e9 units in millionths, wrap around beyond.
SUM_MAX = 1 << 62
_NANO_MAX = 10**18
# Bins of log layouts; a double has none beyond.
_LOG_BINS_MAX = 34_000
METRICS_MAX = 200
VALUES_MAX = 10_000


class _Metric(NamedTuple):
    name: str
    layout: Layout


def parse_cell(
    raw: object, *, now_ms: int, position: int = 0, run: str | None = None
) -> HourCell | Rejection:
    """Check a row of the table; a column that is null or empty is absent.

    Args:
        raw: A mapping of column names to values; in CSV numbers and objects are text.
        now_ms: The time of arrival, epoch milliseconds.
        position: The line that a Rejection names.
        run: The run of an import that it comes with.

    Returns:
        The cell, or the first problem that was found. Never raises.
    """
    if not isinstance(raw, Mapping):
        return Rejection(position, "cell", f"must be an object, got {got(raw)}")
    row = _Row({str(k): v for k, v in raw.items() if v is not None and v != ""})
    try:
        return _cell(row, now_ms, run)
    except RefusedError as refused:
        problem = plain(str(refused), 300)
    except Exception as error:  # noqa: BLE001 - whatever a foreign value raises
        problem = f"cannot be read ({type(error).__name__})"
    return Rejection(position, plain(row.at, 80), problem, named(raw))


class _Row:
    """The values of a row, and the column that is being looked at."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self.at = "cell_version"

    def __contains__(self, column: str) -> bool:
        return column in self._values

    @property
    def columns(self) -> list[str]:
        return list(self._values)

    def checked(self, column: str, check: Callable[[object], object]) -> object:
        """A column's value by a check of the observations' own; None where it is absent."""
        self.at = column
        return None if column not in self._values else check(self._values[column])

    def text(self, column: str, check: Callable[[object], str | None]) -> str | None:
        self.at = column
        return check(self._values[column]) if column in self._values else None

    def whole(self, column: str, low: int, high: int) -> int:
        """A whole number, 0 where it is absent."""
        self.at = column
        return _whole(self._values.get(column, 0), low, high)

    def tally(self, column: str) -> dict[str, object]:
        """An object, as such or as its JSON text."""
        self.at = column
        value = self._values.get(column)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise RefusedError("is no JSON object") from None
        if value is None or value == []:
            return {}
        if not isinstance(value, Mapping):
            raise RefusedError(f"must be an object, got {got(value)}")
        return {str(key): entry for key, entry in value.items()}


def _whole(value: object, low: int, high: int) -> int:
    if type(value) is int and low <= value <= high:
        return value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            raise RefusedError("must be a whole number") from None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(f"must be a whole number, got {got(value)}")
    elif isinstance(value, float) and not value.is_integer():
        raise RefusedError(f"must be a whole number, got {value:.6g}")
    else:
        number = int(value)
    if not low <= number <= high:
        raise RefusedError(f"must be between {low} and {high}, got {number}"[:200])
    return number


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise RefusedError("must be a number") from None
    return value


def _cell(row: _Row, now_ms: int, run: str | None) -> HourCell:
    _refuse_unknown(row)
    if row.whole("cell_version", 0, 1 << 31) != CELL_VERSION:
        raise RefusedError(f"must be {CELL_VERSION}, the one that this gonogo reads")
    dependency = row.text("dependency", checked.checked_name)
    if dependency is None:
        raise RefusedError("is required")
    hour_ms = _time(row, "hour", now_ms)
    if hour_ms % HOUR_MS:
        raise RefusedError("must be a whole hour, UTC")
    n = row.whole("n", 0, COUNT_MAX)
    first_ms = newest_ms = hour_ms
    if n:
        first_ms = _time(row, "first_ts", now_ms)
        newest_ms = _time(row, "newest_ts", now_ms)
        if not hour_ms <= first_ms <= newest_ms < hour_ms + HOUR_MS:
            raise RefusedError("and first_ts must lie in the hour, first_ts first")
    slo_ms = row.checked("latency_slo_ms", lambda value: checked.latency(_number(value)))
    bar = row.checked("quality_bar", lambda value: checked.fraction(_number(value)))
    content = _content(row, n)
    return HourCell(
        dependency=dependency,
        hour=hour_ms // HOUR_MS,
        first_ts_ms=first_ms,
        newest_ts_ms=newest_ms,
        content=content,
        version=row.text("version", checked.identifier),
        item=row.text("item", checked.identifier),
        segments=_segments(row),
        slo_us=None if not isinstance(slo_ms, float) else round(slo_ms * 1000),
        bar_e6=round((bar if isinstance(bar, float) else 0.5) * MICRO),
        nano_usd=_spent(row, content),
        source=row.text("source", checked.optional_name) or "",
        revision=row.whole("revision", 0, (1 << 62)),
        kind=row.text("kind", checked.kind),
        provider=row.text("provider", checked.optional_name),
        run=run,
    )


def _refuse_unknown(row: _Row) -> None:
    for column in row.columns:
        if column not in _COLUMNS:
            row.at = column
            raise RefusedError("is no column of this table; docs/cells.md lists them")


_COLUMNS = frozenset(COLUMNS)


def _time(row: _Row, column: str, now_ms: int) -> int:
    ts_ms = row.checked(column, lambda value: checked.time_ms(_as_time(value)))
    if not isinstance(ts_ms, int):
        raise RefusedError("is required")
    if ts_ms > now_ms + DAY_MS:
        raise RefusedError("is more than a day ahead; seconds, and UTC?")
    return ts_ms


def _as_time(value: object) -> object:
    """A time of a CSV file may be a number in text."""
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return float(value)
    return value


def _segments(row: _Row) -> dict[str, str]:
    told = checked.segments(row.tally("segments"))
    return {key: str(value) for key, value in sorted(told.items())}


def _spent(row: _Row, content: CellContent) -> int | None:
    """What the calls cost in 1e-9 USD: stated, else the sum of their costs in micro-dollars."""
    stated = "spent_nano_usd" in row
    amount = row.whole("spent_nano_usd", 0, _NANO_MAX)
    if stated:
        return amount
    costs = content.histograms.get("cost_usd")
    return None if costs is None else min(costs.total * 1000, _NANO_MAX)


def _content(row: _Row, n: int) -> CellContent:
    if not n:
        return CellContent((0,) * 10, {})
    histograms = {}
    for known, total_in, bins_in in _IN_COLUMNS:
        if bins_in in row or total_in in row:
            total, bins = row.whole(total_in, -SUM_MAX, SUM_MAX), row.tally(bins_in)
            found = _histogram(row, known, total=total, bins=bins)
            if found is not None:
                histograms[known.name] = found
    histograms |= _metrics(row)
    for metric, one in histograms.items():
        if sum(one.bins.values()) > n:
            row.at = f"{metric}_bins" if metric in HISTOGRAMS else metric
            raise RefusedError(f"counts {sum(one.bins.values())} values of {n} calls")
    timed, labels = (_n(histograms.get(metric)) for metric in ("latency_ms", "outcome"))
    errors = row.whole("errors", 0, n)
    slo_met, good = row.whole("slo_met", 0, timed), row.whole("good", 0, labels)
    ok = row.whole("ok", 0, n - errors)
    ok_labels = row.whole("ok_labels", 0, min(ok, labels))
    ok_good = row.whole("ok_good", 0, min(ok_labels, good))
    outcome = histograms.get("outcome")
    total = 0 if outcome is None else outcome.total
    _check_confidences(row, histograms, labels, good)
    return CellContent(
        (n, errors, timed, slo_met, labels, total, good, ok, ok_labels, ok_good),
        histograms,
        _counted(row, "error_counts", errors, error_code),
        _counted(row, "prediction_counts", n, checked.answer),
    )


_IN_COLUMNS = [
    (_Metric(metric, layout), f"{metric}_sum", f"{metric}_bins")
    for metric, layout in HISTOGRAMS.items()
]


def _n(one: CountedHistogram | None) -> int:
    return 0 if one is None else sum(one.bins.values())


def _check_confidences(
    row: _Row, histograms: Mapping[str, CountedHistogram], labels: int, good: int
) -> None:
    """Confidences with an outcome are some of all, and those with a good one some of these."""
    n, labelled, of_good = (
        _n(histograms.get(metric))
        for metric in ("confidence", "confidence_labelled", "confidence_good")
    )
    row.at = "confidence_labelled_bins"
    if labelled > min(n, labels):
        raise RefusedError(f"counts {labelled} values; {min(n, labels)} have one and an outcome")
    row.at = "confidence_good_bins"
    if of_good > min(labelled, good):
        raise RefusedError(f"counts {of_good} values; {min(labelled, good)} have one and are good")


def _histogram(
    row: _Row, metric: _Metric, *, total: int, bins: Mapping[str, object]
) -> CountedHistogram | None:
    """One histogram; its sum must lie where its bins do, else it is of another unit."""
    low, high = _bounds(metric.layout)
    read: dict[int, int] = {}
    for key, count in bins.items():
        number = _whole(count, 0, COUNT_MAX)
        if number:
            place = _whole(key, low, high)
            read[place] = read.get(place, 0) + number
    if not read:
        if total:
            row.at = f"{metric.name}_sum"
            raise RefusedError(f"is {total}, and no bin says of which values")
        return None
    _check_sum(row, metric, total, read)
    return CountedHistogram(total, read)


def _bounds(layout: Layout) -> tuple[int, int]:
    if layout.name == "logit":
        return LOGIT_ZERO, LOGIT_ONE
    return (0 if layout.name == "log" else -_LOG_BINS_MAX), _LOG_BINS_MAX


def _check_sum(row: _Row, metric: _Metric, total: int, bins: Mapping[int, int]) -> None:
    low, high, n = 0.0, 0.0, 0
    for place, count in bins.items():
        least, most = _millionths(metric.layout, place)
        low, high, n = low + count * least, high + count * most, n + count
    slack = n + 1e-9 * (abs(low) + abs(high))  # a value is rounded to a millionth
    if not low - slack <= total <= high + slack:
        row.at = f"{metric.name}_sum"
        raise RefusedError(
            f"is {total}; by its bins it lies between {low:.6g} and {high:.6g}, in 1e-6 of its unit"
        )


@lru_cache(maxsize=100_000)
def _millionths(layout: Layout, place: int) -> tuple[float, float]:
    """What values of a bin count for at least and at most: of its unit never over 1e9."""
    edges = float(layout.lower([place])[0]), float(layout.upper([place])[0])
    least, most = (min(max(edge, -1e9), 1e9) * MICRO for edge in edges)
    return least, most


def _metrics(row: _Row) -> dict[str, CountedHistogram]:
    """The users' own: an object of names, each with its sum and bins."""
    found = {}
    told = row.tally("metrics")
    if len(told) > METRICS_MAX:
        raise RefusedError(f"has {len(told)} entries; at most {METRICS_MAX}")
    for name, value in told.items():
        checked.checked_name(name)
        if not isinstance(value, Mapping):
            raise RefusedError(f"{plain(name, 60)} must be an object of sum and bins")
        bins = value.get("bins")
        one = _histogram(
            row,
            _Metric(f"metrics.{name}", SIGNED_LOG),
            total=_whole(value.get("sum", 0), -SUM_MAX, SUM_MAX),
            bins=bins if isinstance(bins, Mapping) else {},
        )
        if one is not None:
            found[f"metrics.{name}"] = one
    return found


def _counted(
    row: _Row, column: str, most: int, check: Callable[[object], str | None]
) -> dict[str, int]:
    found: dict[str, int] = {}
    told = row.tally(column)
    if len(told) > VALUES_MAX:
        raise RefusedError(f"has {len(told)} entries; at most {VALUES_MAX}")
    for key, count in told.items():
        text = check(key)
        if text is None:
            raise RefusedError(f"names no value: '{plain(key, 60)}'")
        found[text] = found.get(text, 0) + _whole(count, 0, COUNT_MAX)
    if sum(found.values()) > most:
        raise RefusedError(f"counts {sum(found.values())} of {most} calls")
    return {text: count for text, count in sorted(found.items()) if count}
