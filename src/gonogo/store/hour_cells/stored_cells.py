"""Hour cells as they are kept, beside observations: what rollups are made of again.

Two tables, one thought: a cell stands for many observations, and whatever is made anew of observations is
made of these as well.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from gonogo.detectors.packed_bins import pack
from gonogo.ports.booked_costs import BookedCost, Usage, weighed
from gonogo.ports.hour_cells import CellContent, CountedHistogram, HourCell
from gonogo.records import HOUR_MS, MICRO, NANO_A_MICRO
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import Catalogue
from gonogo.store.observations.cells import COUNTS, Cell, Cells
from gonogo.store.observations.rows import hash16
from gonogo.store.observations.samples import GoldenKey
from gonogo.store.observations.slices import Slices

CELLS_A_STEP = 2000
HOUR_AS_MS = f"(hour * {HOUR_MS})"
_LABELS, _OUTCOME_SUM = COUNTS.index("labels"), COUNTS.index("outcome_sum")
_NOTHING = CellContent((0,) * len(COUNTS), {})


class StoredCell(NamedTuple):
    """A row of `hour_cell`, in the order of its columns; without content it was taken back."""

    dependency_id: int
    hour: int
    cell: bytes
    version_id: int
    item_id: int | None
    segments: str | None
    n: int
    first_ts_ms: int
    newest_ts_ms: int
    revision: int
    nano_usd: int | None
    run_id: int | None
    writer_id: int | None
    content: str


CELL_COLUMNS = ", ".join(StoredCell._fields)
_AFTER = (
    f"SELECT {CELL_COLUMNS} FROM hour_cell WHERE dependency_id = ? AND (hour, cell) > (?, ?) "  # noqa: S608 - constant names
    "ORDER BY hour, cell LIMIT ?"
)


def cell_key(cell: HourCell) -> bytes:
    """The key that tells a cell from others of its dependency and hour."""
    return _key_of(cell.source, cell.version, cell.item, tuple(sorted(cell.segments.items())))


@lru_cache(maxsize=10_000)
def _key_of(
    source: str, version: str | None, item: str | None, segments: tuple[tuple[str, str], ...]
) -> bytes:
    return hash16(json.dumps([source, version, item, segments]))


def packed(content: CellContent) -> str:
    """A cell's content as it is stored: equal contents have equal texts, JSON in the order of its keys."""
    if not content.n:
        return ""
    histograms = ",".join(
        [
            f'{_quoted(metric)}:[{one.n},{one.total},{one.lowest},"{_text(one.bins)}"]'
            for metric, one in sorted(content.histograms.items(), key=itemgetter(0))
        ]
    )
    counts = ",".join(map(str, content.counts))
    tallies = f"{_tally(content.errors)},{_tally(content.predictions)}"
    weight = "" if content.weight_e6 == MICRO else f",{content.weight_e6}"
    return f"[[{counts}],{{{histograms}}},{tallies}{weight}]"


def _text(bins: bytes) -> str:
    return b2a_base64(bins, newline=False).decode()


# A few names stand in every cell: JSON of their own once, and not of every cell again.
_quoted = lru_cache(maxsize=4096)(json.dumps)


def _tally(tally: Mapping[str, int]) -> str:
    if not tally:
        return "{}"
    return f"{{{','.join([f'{_quoted(text)}:{n}' for text, n in sorted(tally.items())])}}}"


def unpacked(text: str) -> CellContent:
    """The content that `packed` wrote."""
    if not text:
        return _NOTHING
    counts, histograms, errors, predictions, *weight = json.loads(text)
    return CellContent(
        tuple(counts),
        {metric: _histogram(listed) for metric, listed in histograms.items()},
        errors,
        predictions,
        *weight,
    )


def _histogram(listed: list[Any]) -> CountedHistogram:
    if isinstance(listed[-1], str):
        n, total, lowest, bins = listed
        return CountedHistogram(n, total, lowest, a2b_base64(bins, strict_mode=True))
    # Stores of before hold the sum, then bins and counts in turn.
    bins = dict(zip(listed[1::2], listed[2::2], strict=True))
    return CountedHistogram(sum(bins.values()), listed[0], *pack(bins))


def cells_after(
    connection: Connection, dependency_id: int, *, from_ms: int | None = None
) -> Iterator[list[StoredCell]]:
    """The cells of a dependency from a time on, a few thousand at a time."""
    after = (-1 if from_ms is None else from_ms // HOUR_MS - 1, b"\xff" * 17)
    while True:
        rows = connection.execute(_AFTER, (dependency_id, *after, CELLS_A_STEP)).fetchall()
        if not rows:
            return
        step = [StoredCell(*row)._replace(cell=bytes(row[2])) for row in rows]
        after = step[-1].hour, step[-1].cell
        yield step


def see_values(catalogue: Catalogue, dependency_id: int, content: CellContent) -> None:
    """Count the values of the fields that are rolled up by value."""
    for field, tally in (("error", content.errors), ("prediction", content.predictions)):
        for text in tally:
            catalogue.see_value(dependency_id, field, catalogue.name_id(text))
    for metric in content.histograms:
        if metric.startswith("metrics."):
            catalogue.see_value(dependency_id, "metrics", catalogue.name_id(metric))


def contribute(
    cells: Cells,
    row: StoredCell,
    content: CellContent,
    *,
    catalogue: Catalogue,
    slices: Slices,
    sign: int,
) -> None:
    """Add a cell to those of its slices, once every value has been seen; with sign -1 take it back."""
    if not content.n:
        return
    part = _as_cell(content, catalogue, catalogue.stopped(row.dependency_id), sign)
    golden = int(row.item_id is not None)
    for segment in (0, *slices.rolled_up(row.segments)):
        key = (row.dependency_id, golden, segment, row.version_id), row.hour
        found = cells.get(key)
        if found is None:
            cells[key] = part  # shared with other slices, and never changed
        else:
            cells[key] = Cell()
            cells[key].merge(found)
            cells[key].merge(part)


def _as_cell(content: CellContent, catalogue: Catalogue, stopped: set[str], sign: int) -> Cell:
    cell = Cell()
    cell.counts = [sign * count for count in content.counts]
    for metric, one in content.histograms.items():
        if "metrics" in stopped and metric.startswith("metrics."):
            continue
        histogram = cell.histogram(metric)
        histogram.n, histogram.total = sign * one.n, sign * one.total
        histogram.parts = [(sign, one.lowest, one.bins)]
    categories: tuple[tuple[str, Mapping[str, int]], ...] = (
        ("error", content.errors),
        ("prediction", content.predictions),
    )
    for field, tally in categories:
        if field not in stopped:
            for text, count in tally.items():
                cell.categories[field, catalogue.name_id(text)] = sign * count
    return cell


def golden_of(
    row: StoredCell, content: CellContent, sign: int
) -> tuple[GoldenKey, int, int] | None:
    """The answers that a cell adds to its golden item: key, answers, outcome sum."""
    labels = content.counts[_LABELS]
    if row.item_id is None or not labels:
        return None
    key = row.dependency_id, row.item_id, row.version_id, row.hour // 24
    return key, sign * labels, sign * content.counts[_OUTCOME_SUM]


def booked_of(name: str, row: StoredCell, content: CellContent, sign: int) -> BookedCost:
    """The cost and use of a cell's calls, booked at the start of its hour."""
    amount = divmod(sign * (row.nano_usd or 0), NANO_A_MICRO)
    used = used_by(content)
    if sign < 0:
        used = Usage(*(-each for each in used))
    return BookedCost(name, None, None, row.hour * HOUR_MS, *amount, used)


def used_by(content: CellContent) -> Usage:
    """The use of a cell's calls, and of those for which they stand: its histograms have sums in 1e-6 of their unit."""
    input_, output, latency = (
        0 if found is None else found.total for found in map(content.histograms.get, _USED)
    )
    used = content.n, (input_ + output) // MICRO, latency * 1000 // MICRO
    return Usage(*weighed(used, content.weight_e6))


_USED = ("input_tokens", "output_tokens", "latency_ms")
