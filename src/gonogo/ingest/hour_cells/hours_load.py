"""`gonogo ingest`: the calls of files, or the hours of Parquet files and none of their calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from anyio import to_thread

from gonogo.errors import NoInput, plain
from gonogo.ingest.batches import Reading, refuse_half_read
from gonogo.ingest.hour_cells.parquet_hours import HoursFile, count_hours
from gonogo.ingest.load import LoadReport, ObservationSink, Progress, load, same_file
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.refused_lines import Refusals
from gonogo.ingest.understanding import columns_named
from gonogo.records import Rejection
from gonogo.settings import Settings


async def load_files(
    paths: Sequence[str],
    sink: ObservationSink,
    mapping: ColumnMap,
    settings: Settings,
    clock: Callable[[], int],
    stdin: BinaryIO,
    reading: Reading,
    progress: Callable[[Progress], None],
) -> LoadReport:
    """Store the calls of files, or with `hours_only` the hours of each.

    A file of hours is known by where it lies, or by the name of its run: brought in again, its hours take the
    place of those before.

    Raises:
        NoInput: a file is not there.
        DataError: the extra is missing, or a file cannot be read or counted; files before it are loaded.
        StoreError: the store refused a batch; those before it are kept.
    """
    read = partial(load, clock=clock, stdin=stdin, progress=progress)
    if not reading.hours_only:
        return await read(paths, sink, mapping, reading=reading)
    loaded = LoadReport()
    for path in paths:
        if not await to_thread.run_sync(Path(path).is_file):
            raise NoInput(f"'{plain(path, 200)}' is no file; --hours-only counts Parquet files.")
        with TemporaryDirectory() as folder:
            cells = Path(folder) / Path(path).name
            file = await to_thread.run_sync(
                _counted, path, mapping, settings, clock(), reading, cells
            )
            told = await read(
                [str(cells)], sink, ColumnMap(), reading=replace(reading, stated="cells")
            )
        _add(loaded, told)
        refusals = Refusals()
        for one in file.refused:
            rejection = Rejection(0, one.field, one.problem, one.dependency)
            loaded.refuse(path, rejection, one.n)
            refusals.count(rejection, one.n)
        if file.left_out:
            what, name = columns_named(file.left_out), plain(Path(path).name, 80)
            loaded.notes.append(f"{name}: left out: {what}.")
            refusals.leave_out(told.versions, f"{what} of {name}")
        sink.refuse_of(same_file(path), refusals, clock())
    return loaded


def _counted(
    path: str, mapping: ColumnMap, settings: Settings, now_ms: int, reading: Reading, out: Path
) -> HoursFile:
    """The hours of one file.

    Raises:
        DataError: as of `count_hours`, or too many of its outcomes cannot be read.
    """
    counted_by = reading.run or same_file(path)
    file = count_hours(
        path, mapping, settings, zone=reading.zone, counted_by=counted_by, now_ms=now_ms, out=out
    )
    unread = [one for one in file.refused if one.field == "outcome"]
    if unread:
        n = sum(one.n for one in unread)
        refuse_half_read(path, mapping, n, n + file.outcomes, f": {unread[0].problem}")
    return file


def _add(loaded: LoadReport, told: LoadReport) -> None:
    for name in ("accepted", "duplicates", "updated", "refused_count"):
        setattr(loaded, name, getattr(loaded, name) + getattr(told, name))
    loaded.refused += told.refused
    loaded.alike += told.alike
    loaded.notes += told.notes
    loaded.understood += told.understood
