"""Hour cells checked by column: the rows of a table whose values are in the form in which engines write them.

The checks are those of `cell_row`, made of all rows at once. A row that fails one, or has a value in another form, is
left to `cell_row`, which reads it alone and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from gonogo.ingest.field_checks import SECONDS_MAX, TS_MS_MIN
from gonogo.ingest.hour_cells.cell_row import (
    KNOWN_COLUMNS,
    NANO_MAX,
    REVISION_MAX,
    CellHead,
    CellNumbers,
    CellRow,
    cell_of,
    head_of,
)
from gonogo.ingest.hour_cells.counted_histograms import COUNT_MAX, Counted
from gonogo.ports.hour_cells import CELL_VERSION, CountedHistogram, HourCell
from gonogo.records import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gonogo.records import Floats, Ints

    Mask = NDArray[np.bool_]

_TEXTS = ("dependency", "version", "item", "source", "kind", "provider")
_RULE = ("latency_slo_ms", "quality_bar")
_WHOLE = CellNumbers._fields[:9]
_TIMES = ("hour", "first_ts", "newest_ts")
_SIZED = ("latency_ms", "outcome", "confidence", "confidence_labelled", "confidence_good")
# Beyond, a double does not tell whole numbers apart.
_EXACT_MAX = 1 << 53
# Python takes 1 for True and finds one by the other; the checks of a value do not.
_TEXT_TYPES = frozenset({str, type(None)})
_RULE_TYPES = frozenset({int, float, type(None)})


class _OtherFormError(Exception):
    """A column has values that are no numbers."""


def plain_cells(
    rows: Sequence[CellRow],
    counted: Sequence[Mapping[str, Counted]],
    *,
    now_ms: int,
    run: str | None,
) -> list[HourCell | None]:
    """The cell of each row that passes every check in the usual form; None for the others.

    Args:
        rows: Some rows of a table.
        counted: The histograms of each.
        now_ms: The time of arrival, epoch milliseconds.
        run: The run of an import that they come with.
    """
    read = [_read(own) for own in counted]
    try:
        columns = [_whole(rows, name) for name in _WHOLE]
        times = [_times_ms(rows, name) for name in _TIMES]
        is_version = _whole(rows, "cell_version") == CELL_VERSION
    except _OtherFormError:
        return [None] * len(rows)
    fits = is_version & _counts_fit(columns, read) & _times_fit(times, now_ms)
    numbers = zip(*(column.tolist() for column in (*columns, *times)), strict=True)
    heads: dict[tuple[object, ...], CellHead | None] = {}
    return [
        _cell(row, CellNumbers(*own), histograms, heads, run) if fit else None
        for row, fit, own, histograms in zip(rows, fits.tolist(), numbers, read, strict=True)
    ]


def _cell(
    row: CellRow,
    numbers: CellNumbers,
    histograms: dict[str, CountedHistogram] | None,
    heads: dict[tuple[object, ...], CellHead | None],
    run: str | None,
) -> HourCell | None:
    if histograms is None or not row.columns <= KNOWN_COLUMNS:
        return None
    get = row.values.get
    texts, rule, segments = tuple(map(get, _TEXTS)), tuple(map(get, _RULE)), get("segments")
    texts += tuple(chain.from_iterable(segments.items())) if type(segments) is dict else (segments,)
    if not (_TEXT_TYPES.issuperset(map(type, texts)) and _RULE_TYPES.issuperset(map(type, rule))):
        return None
    try:
        head = heads.get(rule + texts)
        if head is None:
            head = heads[rule + texts] = head_of(row)
        return cell_of(row, head, numbers, histograms, run)
    except Exception:  # noqa: BLE001 - `cell_row` meets it again, and says what it is
        return None


def _read(counted: Mapping[str, Counted]) -> dict[str, CountedHistogram] | None:
    """The histograms that have values; None where one of them is refused."""
    found: dict[str, CountedHistogram] = {}
    for metric, one in counted.items():
        if type(one) is CountedHistogram:
            found[metric] = one
        elif one is not None:
            return None
    return found


def _numbers(rows: Sequence[CellRow], name: str) -> Ints | Floats:
    """A column; what is absent is 0."""
    import numpy as np

    values = [row.values.get(name, 0) for row in rows]
    types = set(map(type, values))
    if not types <= {int, float}:
        raise _OtherFormError
    try:
        if float in types:
            return np.array(values, dtype=np.float64)
        return np.array(values, dtype=np.int64)
    except OverflowError:
        raise _OtherFormError from None


def _whole(rows: Sequence[CellRow], name: str) -> Ints:
    import numpy as np

    found = _numbers(rows, name)
    if found.dtype != np.int64 and not (abs(found) < _EXACT_MAX).all():
        raise _OtherFormError
    whole = found.astype(np.int64)
    if (whole != found).any():
        raise _OtherFormError
    return whole


def _times_ms(rows: Sequence[CellRow], name: str) -> Ints:
    """Unix seconds as milliseconds, rounded half to even as Python does."""
    import numpy as np

    found = _numbers(rows, name)
    if not (abs(found) < SECONDS_MAX).all():
        raise _OtherFormError
    return np.rint(found * 1000).astype(np.int64)


def _counts_fit(
    columns: Sequence[Ints], read: Sequence[Mapping[str, CountedHistogram] | None]
) -> Mask:
    """Which rows count calls, and of each kind no more than there can be."""
    import numpy as np

    n, errors, slo_met, good, ok, ok_labels, ok_good, revision, spent = columns
    timed, labels, scored, labelled, of_good = (_sizes(read, metric) for metric in _SIZED)
    most = np.array([max([one.n for one in own.values()], default=0) if own else 0 for own in read])
    fits = (n > 0) & (n <= COUNT_MAX) & (most <= n)
    for part, whole in (
        (errors, n),
        (slo_met, timed),
        (good, labels),
        (ok, n - errors),
        (ok_labels, np.minimum(ok, labels)),
        (ok_good, np.minimum(ok_labels, good)),
        (labelled, np.minimum(scored, labels)),
        (of_good, np.minimum(labelled, good)),
        (revision, REVISION_MAX),
        (spent, NANO_MAX),
    ):
        fits &= (part >= 0) & (part <= whole)
    return fits


def _sizes(read: Sequence[Mapping[str, CountedHistogram] | None], metric: str) -> Ints:
    import numpy as np

    found = [own.get(metric) if own else None for own in read]
    return np.array([0 if one is None else one.n for one in found], dtype=np.int64)


def _times_fit(times_ms: Sequence[Ints], now_ms: int) -> Mask:
    """Which rows are of a whole hour, with both times in it, that lies in bounds."""
    import numpy as np

    hour, first, newest = times_ms
    fits: Mask = (hour % HOUR_MS == 0) & (hour >= TS_MS_MIN) & (newest <= now_ms + DAY_MS)
    in_order: Mask = (hour <= first) & (first <= newest) & (newest < hour + HOUR_MS)
    return np.logical_and(fits, in_order)
