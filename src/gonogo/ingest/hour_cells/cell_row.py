"""One row of the table of hour cells: the checks of its values, and the first problem that is found."""

from __future__ import annotations

import json
from collections.abc import Callable, KeysView, Mapping
from typing import NamedTuple

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
    is_plain_bins,
    whole_number,
)
from gonogo.ports.hour_cells import (
    CELL_METRICS,
    CELL_VERSION,
    CellContent,
    CountedHistogram,
    HourCell,
)
from gonogo.records import DAY_MS, HOUR_MS, MICRO

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
KNOWN_COLUMNS = frozenset(COLUMNS)
# Of a sum: calls of an hour, each of at most 1e9 units in millionths, wrap around beyond.
SUM_MAX = 1 << 62
REVISION_MAX = 1 << 62
NANO_MAX = 10**18
METRICS_MAX = 200
VALUES_MAX = 10_000


class CellHead(NamedTuple):
    """Whose calls a row counts, and by which rule: its texts, latency objective and quality bar."""

    dependency: str
    version: str | None
    item: str | None
    segments: dict[str, str]
    slo_us: int | None
    bar_e6: int
    source: str
    kind: str | None
    provider: str | None


class CellNumbers(NamedTuple):
    """The whole numbers of a row, and its times; of one without calls the counts are 0."""

    n: int = 0
    errors: int = 0
    slo_met: int = 0
    good: int = 0
    ok: int = 0
    ok_labels: int = 0
    ok_good: int = 0
    revision: int = 0
    spent_nano_usd: int = 0
    hour_ms: int = 0
    first_ms: int = 0
    newest_ms: int = 0


_NOTHING = CellNumbers()


class CellRow:
    """The values of a row, and the column that is being looked at."""

    def __init__(self, raw: Mapping[object, object]) -> None:
        self.values = {str(k): v for k, v in raw.items() if v is not None and v != ""}
        self.at = "cell_version"

    def has(self, column: str) -> bool:
        """Whether a column is there."""
        return column in self.values

    @property
    def columns(self) -> KeysView[str]:
        """The names of the columns that have a value."""
        return self.values.keys()

    def checked(self, column: str, check: Callable[[object], object]) -> object:
        """A column's value by a check of the observations' own; None where it is absent."""
        self.at = column
        return None if column not in self.values else check(self.values[column])

    def text(self, column: str, check: Callable[[object], str | None]) -> str | None:
        """A column's text by such a check; None where it is absent."""
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


def cell_of_row(
    row: CellRow, told: Mapping[str, Counted], now_ms: int, run: str | None
) -> HourCell:
    """The cell of a row.

    Args:
        row: Its values; `at` is left at the column that is wrong.
        told: Its histograms, counted.
        now_ms: The time of arrival, epoch milliseconds.
        run: The run of an import that it comes with.

    Raises:
        RefusedError: the first problem.
    """
    for column in row.columns - KNOWN_COLUMNS:
        row.at = column
        raise RefusedError("is no column of this table; docs/cells.md lists them")
    if row.whole("cell_version", 0, 1 << 31) != CELL_VERSION:
        raise RefusedError(f"must be {CELL_VERSION}, the one that this gonogo reads")
    head = head_of(row)
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
    histograms = _read(told, row) if n else {}
    counts = _counts(row, n, histograms) if n else _NOTHING
    numbers = counts._replace(
        revision=row.whole("revision", 0, REVISION_MAX),
        spent_nano_usd=row.whole("spent_nano_usd", 0, NANO_MAX),
        hour_ms=hour_ms,
        first_ms=first_ms,
        newest_ms=newest_ms,
    )
    return cell_of(row, head, numbers, histograms, run)


def cell_of(
    row: CellRow,
    head: CellHead,
    numbers: CellNumbers,
    histograms: Mapping[str, CountedHistogram],
    run: str | None,
) -> HourCell:
    """The cell of a row whose numbers have been checked.

    Raises:
        RefusedError: what it counts by error or by prediction cannot be.
    """
    n, errors, slo_met, good, ok, ok_labels, ok_good, revision, spent, *times = numbers
    hour_ms, first_ms, newest_ms = times
    latency, outcome = histograms.get("latency_ms"), histograms.get("outcome")
    timed = 0 if latency is None else latency.n
    labels, total = (0, 0) if outcome is None else (outcome.n, outcome.total)
    content = CellContent(
        (n, errors, timed, slo_met, labels, total, good, ok, ok_labels, ok_good),
        histograms,
        _tally(row, "error_counts", errors, error_code) if n and row.has("error_counts") else {},
        _tally(row, "prediction_counts", n, checked.answer)
        if n and row.has("prediction_counts")
        else {},
    )
    costs = histograms.get("cost_usd")
    if row.has("spent_nano_usd"):
        nano_usd: int | None = spent
    else:
        # Where it is not stated, it is the sum of the calls' costs in micro-dollars.
        nano_usd = None if costs is None else min(costs.total * 1000, NANO_MAX)
    return HourCell(
        dependency=head.dependency,
        hour=hour_ms // HOUR_MS,
        first_ts_ms=first_ms,
        newest_ts_ms=newest_ms,
        content=content,
        version=head.version,
        item=head.item,
        segments=head.segments,
        slo_us=head.slo_us,
        bar_e6=head.bar_e6,
        nano_usd=nano_usd,
        source=head.source,
        revision=revision,
        kind=head.kind,
        provider=head.provider,
        run=run,
    )


def head_of(row: CellRow) -> CellHead:
    """The head of a row: its texts, and the rule that it was counted with.

    Raises:
        RefusedError: one of its texts, or the rule that it was counted with, cannot be.
    """
    dependency = row.text("dependency", checked.checked_name)
    if dependency is None:
        raise RefusedError("is required")
    slo_ms = row.checked("latency_slo_ms", lambda value: checked.latency(_number(value)))
    bar = row.checked("quality_bar", lambda value: checked.fraction(_number(value)))
    return CellHead(
        dependency,
        version=row.text("version", checked.identifier),
        item=row.text("item", checked.identifier),
        segments=_segments(row),
        slo_us=None if not isinstance(slo_ms, float) else round(slo_ms * 1000),
        bar_e6=round((bar if isinstance(bar, float) else 0.5) * MICRO),
        source=row.text("source", checked.optional_name) or "",
        kind=row.text("kind", checked.kind),
        provider=row.text("provider", checked.optional_name),
    )


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise RefusedError("must be a number") from None
    return value


def _time(row: CellRow, column: str, now_ms: int) -> int:
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


def _segments(row: CellRow) -> dict[str, str]:
    told = checked.segments(row.tally("segments")) if row.has("segments") else {}
    return {key: str(value) for key, value in sorted(told.items())}


def _read(told: Mapping[str, Counted], row: CellRow) -> dict[str, CountedHistogram]:
    """The histograms that have values.

    Raises:
        RefusedError: one of them cannot be.
    """
    histograms = {}
    for metric, one in told.items():
        if isinstance(one, Unread):
            row.at = one.column
            raise RefusedError(one.problem)
        if one is not None:
            histograms[metric] = one
    return histograms


def _counts(row: CellRow, n: int, histograms: Mapping[str, CountedHistogram]) -> CellNumbers:
    """The counts of a row with calls; times and the rest are filled in later."""
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
    _check_confidences(row, sizes, labels, good)
    return CellNumbers(n, errors, slo_met, good, ok, ok_labels, ok_good)


def _check_confidences(row: CellRow, sizes: Mapping[str, int], labels: int, good: int) -> None:
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


_IN_COLUMNS = [
    (metric, layout, f"{metric}_sum", f"{metric}_bins") for metric, layout in HISTOGRAMS.items()
]


def told_histograms(row: CellRow) -> dict[str, ToldHistogram | Unread]:
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


def _metrics(row: CellRow) -> dict[str, ToldHistogram]:
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


def _tally(
    row: CellRow, column: str, most: int, check: Callable[[object], str | None]
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
