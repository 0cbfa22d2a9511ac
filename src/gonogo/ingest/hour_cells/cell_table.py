"""The table of hour cells, version 1: its columns, and the checks of a row.

A row counts the calls of one dependency, version, golden item and set of segments in one UTC hour. All
numbers are integers, so two rows of the same key merge by adding them up, in any order. docs/cells.md
describes every column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, KeysView, Mapping, Sequence

from gonogo.border.foreign import number
from gonogo.detectors.bins import SIGNED_LOG, Layout, layout_of
from gonogo.errors import plain
from gonogo.ingest import field_checks as checked
from gonogo.ingest.error_codes import error_code
from gonogo.ingest.field_checks import RefusedError, got
from gonogo.ingest.hour_cells.counted_histograms import (
    COUNT_MAX,
    Counted,
    ToldHistogram,
    Unread,
    count_histograms,
    is_plain_bins,
    whole_number,
)
from gonogo.ingest.observation import named
from gonogo.ports.booked_costs import weighed
from gonogo.ports.hour_cells import (
    CELL_METRICS,
    CELL_VERSION,
    CellContent,
    HourCell,
)
from gonogo.records import DAY_MS, HOUR_MS, MICRO, Rejection

HISTOGRAMS: Mapping[str, Layout] = {metric: layout_of(metric) for metric in CELL_METRICS}
COUNTED = ("errors", "slo_met", "good", "ok", "ok_labels", "ok_good")
_KEYS = ("cell_version", "dependency", "kind", "provider", "version", "item", "segments", "hour")
_REST = (
    *("error_counts", "prediction_counts", "spent_nano_usd", "latency_slo_ms", "quality_bar"),
    "weight",
)
COLUMNS = (
    *_KEYS,
    *("first_ts", "newest_ts", "n", *COUNTED),
    *(f"{metric}_{part}" for metric in HISTOGRAMS for part in ("sum", "bins")),
    *("metrics", *_REST, "source", "revision"),
)
# Of a sum: calls of an hour, each of at most 1e9 units in millionths, wrap around beyond.
SUM_MAX = 1 << 62
_NANO_MAX = 10**18
METRICS_MAX = 200
VALUES_MAX = 10_000


def parse_cell(
    raw: object, *, now_ms: int, position: int = 0, run: str | None = None
) -> HourCell | Rejection:
    """`parse_cells` of one row."""
    return parse_cells([(position, raw)], now_ms=now_ms, run=run)[0]


def parse_cells(
    rows: Sequence[tuple[int, object]], *, now_ms: int, run: str | None = None
) -> list[HourCell | Rejection]:
    """Check rows of the table; a column that is null or empty is absent.

    Args:
        rows: Each the line that a Rejection names, and a mapping of column names to values; in CSV numbers
            and objects are text.
        now_ms: The time of arrival, epoch milliseconds.
        run: The run of an import that they come with.

    Returns:
        Of each row its cell, or the first problem that was found. Never raises.
    """
    read = [_Row(raw) if isinstance(raw, Mapping) else None for _, raw in rows]
    told = [{} if row is None else _told_histograms(row) for row in read]
    asked = [one for own in told for one in own.values() if isinstance(one, ToldHistogram)]
    counted = iter(count_histograms(asked))
    found: list[HourCell | Rejection] = []
    for (position, raw), row, own in zip(rows, read, told, strict=True):
        histograms = {
            metric: next(counted) if isinstance(one, ToldHistogram) else one
            for metric, one in own.items()
        }
        if row is None:
            found.append(Rejection(position, "cell", f"must be an object, got {got(raw)}"))
        else:
            found.append(_cell_or_problem(row, histograms, position, now_ms, run))
    return found


def _cell_or_problem(
    row: _Row, told: Mapping[str, Counted], position: int, now_ms: int, run: str | None
) -> HourCell | Rejection:
    try:
        return _cell(row, told, now_ms, run)
    except RefusedError as refused:
        problem = plain(str(refused), 300)
    except Exception as error:  # noqa: BLE001 - whatever a foreign value raises
        problem = f"cannot be read ({type(error).__name__})"
    return Rejection(position, plain(row.at, 80), problem, named(row.values))


class _Row:
    """The values of a row, and the column that is being looked at."""

    def __init__(self, raw: Mapping[object, object]) -> None:
        self.values = {str(k): v for k, v in raw.items() if v is not None and v != ""}
        self.at = "cell_version"

    def has(self, column: str) -> bool:
        """Whether a column is there."""
        return column in self.values

    @property
    def columns(self) -> KeysView[str]:
        return self.values.keys()

    def checked(self, column: str, check: Callable[[object], object]) -> object:
        """A column's value by a check of the observations' own; None where it is absent."""
        self.at = column
        return None if column not in self.values else check(self.values[column])

    def text(self, column: str, check: Callable[[object], str | None]) -> str | None:
        self.at = column
        return check(self.values[column]) if column in self.values else None

    def whole(self, column: str, low: int, high: int) -> int:
        """A whole number, 0 where it is absent."""
        self.at = column
        return whole_number(self.values.get(column, 0), low, high)

    def bins(self, column: str) -> Mapping[str, object] | str:
        """The bins of a histogram: an object, or its JSON text where that is plain."""
        value = self.values.get(column)
        return value if isinstance(value, str) and is_plain_bins(value) else self.tally(column)

    def tally(self, column: str) -> Mapping[str, object]:
        """An object, as such or as its JSON text."""
        self.at = column
        value = self.values.get(column)
        if value is None:
            return {}
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise RefusedError("is no JSON object") from None
        if value == []:
            return {}
        if not isinstance(value, Mapping):
            raise RefusedError(f"must be an object, got {got(value)}")
        return value


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise RefusedError("must be a number") from None
    return value


def _cell(row: _Row, told: Mapping[str, Counted], now_ms: int, run: str | None) -> HourCell:
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
    content = _content(row, n, told)
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
    for column in row.columns - _COLUMNS:
        row.at = column
        raise RefusedError("is no column of this table; docs/cells.md lists them")


_COLUMNS = frozenset(COLUMNS)


def _time(row: _Row, column: str, now_ms: int) -> int:
    ts_ms = row.checked(column, lambda value: checked.time_ms(_as_time(value)))
    if not isinstance(ts_ms, int):
        raise RefusedError("is required")
    if ts_ms > now_ms + DAY_MS:
        raise RefusedError("is more than a day ahead of the clock; is it seconds, and in UTC?")
    return ts_ms


def _as_time(value: object) -> object:
    """A time of a CSV file may be a number in text."""
    found = number(value) if isinstance(value, str) else None
    return value if found is None else found


def _segments(row: _Row) -> dict[str, str]:
    told = checked.segments(row.tally("segments")) if row.has("segments") else {}
    return {key: str(value) for key, value in sorted(told.items())}


def _spent(row: _Row, content: CellContent) -> int | None:
    """The cost of the calls in 1e-9 USD: stated, else the sum of their costs in micro-dollars."""
    stated = row.has("spent_nano_usd")
    amount = row.whole("spent_nano_usd", 0, _NANO_MAX)
    if stated:
        return amount
    costs = content.histograms.get("cost_usd")
    if costs is None:
        return None
    (amount,) = weighed((costs.total * 1000,), content.weight_e6)
    return min(amount, _NANO_MAX)


def _content(row: _Row, n: int, told: Mapping[str, Counted]) -> CellContent:
    if not n:
        return CellContent((0,) * 10, {})
    histograms = {}
    for metric, one in told.items():
        if isinstance(one, Unread):
            row.at = one.column
            raise RefusedError(one.problem)
        if one is not None:
            histograms[metric] = one
    sizes = {metric: one.n for metric, one in histograms.items()}
    for metric, size in sizes.items():
        if size > n:
            row.at = f"{metric}_bins" if metric in HISTOGRAMS else metric
            raise RefusedError(f"counts {size} values of {n} calls")
    timed, labels = sizes.get("latency_ms", 0), sizes.get("outcome", 0)
    errors = row.whole("errors", 0, n)
    slo_met, good = row.whole("slo_met", 0, timed), row.whole("good", 0, labels)
    ok = row.whole("ok", 0, n - errors)
    ok_labels = row.whole("ok_labels", 0, min(ok, labels))
    ok_good = row.whole("ok_good", 0, min(ok_labels, good))
    outcome = histograms.get("outcome")
    total = 0 if outcome is None else outcome.total
    _check_confidences(row, sizes, labels, good)
    weight = row.checked("weight", lambda value: checked.weight(_number(value)))
    return CellContent(
        (n, errors, timed, slo_met, labels, total, good, ok, ok_labels, ok_good),
        histograms,
        _counted(row, "error_counts", errors, error_code),
        _counted(row, "prediction_counts", n, checked.answer),
        round(weight * MICRO) if isinstance(weight, float) else MICRO,
    )


_IN_COLUMNS = [
    (metric, layout, f"{metric}_sum", f"{metric}_bins") for metric, layout in HISTOGRAMS.items()
]


def _check_confidences(row: _Row, sizes: Mapping[str, int], labels: int, good: int) -> None:
    """Confidences with an outcome are some of all, and those with a good one some of these."""
    n, labelled, of_good = (
        sizes.get(metric, 0) for metric in ("confidence", "confidence_labelled", "confidence_good")
    )
    row.at = "confidence_labelled_bins"
    if labelled > min(n, labels):
        raise RefusedError(f"counts {labelled} values; {min(n, labels)} have one and an outcome")
    row.at = "confidence_good_bins"
    if of_good > min(labelled, good):
        raise RefusedError(f"counts {of_good} values; {min(labelled, good)} have one and are good")


def _told_histograms(row: _Row) -> dict[str, ToldHistogram | Unread]:
    """The histograms of a row by metric, or what is wrong before their bins are looked at."""
    found: dict[str, ToldHistogram | Unread] = {}
    try:
        for metric, layout, total_in, bins_in in _IN_COLUMNS:
            if bins_in in row.values or total_in in row.values:
                total, bins = row.whole(total_in, -SUM_MAX, SUM_MAX), row.bins(bins_in)
                found[metric] = ToldHistogram(bins_in, total_in, layout, total, bins)
        if row.has("metrics"):
            found |= _metrics(row)
    except RefusedError as refused:
        found[row.at] = Unread(row.at, str(refused))
    return found


def _metrics(row: _Row) -> dict[str, ToldHistogram]:
    """The users' own: an object of names, each with its sum and bins."""
    found = {}
    told = row.tally("metrics")
    if len(told) > METRICS_MAX:
        raise RefusedError(f"has {len(told)} entries; at most {METRICS_MAX}")
    for name, value in told.items():
        checked.checked_name(name)
        if not isinstance(value, Mapping):
            raise RefusedError(f"{plain(name, 60)} must be an object of sum and bins")
        total, bins = whole_number(value.get("sum", 0), -SUM_MAX, SUM_MAX), value.get("bins")
        metric, own = f"metrics.{name}", bins if isinstance(bins, Mapping) else {}
        found[metric] = ToldHistogram("metrics", f"{metric}_sum", SIGNED_LOG, total, own)
    return found


def _counted(
    row: _Row, column: str, most: int, check: Callable[[object], str | None]
) -> dict[str, int]:
    found: dict[str, int] = {}
    told = row.tally(column)
    if not told:
        return found
    if len(told) > VALUES_MAX:
        raise RefusedError(f"has {len(told)} entries; at most {VALUES_MAX}")
    for key, count in told.items():
        text = check(key)
        if text is None:
            raise RefusedError(f"names no value: '{plain(key, 60)}'")
        found[text] = found.get(text, 0) + whole_number(count, 0, COUNT_MAX)
    if sum(found.values()) > most:
        raise RefusedError(f"counts {sum(found.values())} of {most} calls")
    return {text: count for text, count in sorted(found.items()) if count}
