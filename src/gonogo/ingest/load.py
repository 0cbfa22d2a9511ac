"""The one loop that writes: files in, batches of checked observations out to the store."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from anyio import to_thread

from gonogo.errors import plain
from gonogo.ingest.csv_rows import read_csv
from gonogo.ingest.identities import AnotherRun, Identities, run_id
from gonogo.ingest.jsonl import read_jsonl
from gonogo.ingest.mapping import FieldMap
from gonogo.ingest.numbered_lines import (
    STDIN,
    Format,
    Row,
    Source,
    numbered_lines,
    open_source,
)
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.times import localized
from gonogo.records import Observation, Rejection, Stored

__all__ = ["Loaded", "ObservationSink", "Progress", "Reading", "RefusedLine", "load"]

BATCH_ROWS = 5_000
BATCH_BYTES = 8 * 1024 * 1024
BATCH_MS_MAX = 1_000
ROW_BYTES = 512  # what a row costs in memory beside its own bytes
REFUSED_KEPT_MAX = 1_000


class ObservationSink(Protocol):
    """What writing needs of a store."""

    async def record(self, observations: Sequence[Observation], now_ms: int) -> Stored:
        """Store a batch in one transaction; returns after the commit."""
        ...

    async def dependencies_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The dependency of each observation with one of these ids, where it is stored."""
        ...


class RefusedLine(NamedTuple):
    """One line that was not taken."""

    path: str
    line: int
    field: str
    problem: str


@dataclass(slots=True)
class Loaded:
    """What became of the lines. `refused` keeps the first 1,000; `refused_count` counts all.

    `notes`: what a person should know of what was taken.
    """

    accepted: int = 0
    duplicates: int = 0
    updated: int = 0
    refused_count: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, path: str, rejection: Rejection) -> None:
        """Count a refused line, and keep it while there is room."""
        self.refused_count += 1
        if len(self.refused) < REFUSED_KEPT_MAX:
            self.refused.append(
                RefusedLine(path, rejection.position, rejection.field, rejection.problem)
            )


class Progress(NamedTuple):
    """Told after every batch. Bytes are those of the packed file; None for a stream."""

    path: str
    bytes_read: int | None
    bytes_total: int | None
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Args:
        stated: Their format; None: told by each file.
        run: What tells these calls from others that are written alike; "": nothing.
        zone: Of times that state none; None: such times are refused.
    """

    stated: Format | None = None
    run: str = ""
    zone: tzinfo | None = None


async def load(
    paths: Sequence[str],
    sink: ObservationSink,
    mapping: FieldMap,
    *,
    clock: Callable[[], int],
    stdin: BinaryIO,
    reading: Reading = Reading(),
    progress: Callable[[Progress], None] = lambda _: None,
) -> Loaded:
    """Read files one after the other and record them; memory is bounded whatever their size.

    Batches that were recorded stay recorded: after an interruption the same call goes on, since
    every line of a file has an id.

    Raises:
        NoInput: a file cannot be read; all are opened once before the first is loaded.
        DataError: a CSV file's header does not fit; files before it are loaded.
        StoreError: the store refused a batch; those before it are kept.
    """
    await to_thread.run_sync(_check_inputs, paths, stdin)
    loaded = Loaded()
    for path in paths:
        own = await _own_run(path, sink, mapping, clock, reading, loaded)
        source = await _opened(path, stdin, own)
        try:
            await _load_source(source, sink, mapping, clock, loaded, progress, own)
        finally:
            source.close()
    return loaded


async def _opened(path: str, stdin: BinaryIO, reading: Reading) -> Source:
    return await to_thread.run_sync(
        open_source, path, stdin, reading.stated, abandon_on_cancel=True
    )


async def _own_run(
    path: str,
    sink: ObservationSink,
    mapping: FieldMap,
    clock: Callable[[], int],
    reading: Reading,
    loaded: Loaded,
) -> Reading:
    """The same, with a run of its own for a file that does the work of a stored one again."""
    if reading.run or path == STDIN or await to_thread.run_sync(Path(path).is_fifo):
        return reading
    source = await _opened(path, io.BytesIO(), reading)
    try:
        rows, mapped = _rows(source, mapping)
        reader = _BatchReader(rows, mapped, clock, reading, tells_made=True)
        seen = AnotherRun()
        while True:
            batch = await to_thread.run_sync(reader.next_batch, abandon_on_cancel=True)
            made = reader.take_made()
            if not made and (batch.observations or batch.is_last):
                break  # the file names its calls, or their times
            known = await sink.dependencies_of([identity for identity, _ in made])
            for identity, content in made:
                seen.note(content, is_known=identity in known)
            # Nothing of the first batch is known: a new file, read once.
            if batch.is_last or not seen.known:
                break
    finally:
        source.close()
    if seen.known and seen.new:
        loaded.notes.append(_partly_known(path, seen))
    return reading if seen.name is None else replace(reading, run=seen.name)


def _partly_known(path: str, seen: AnotherRun) -> str:
    name = plain(Path(path).name, 80)
    told = f"{name}: {seen.known:,} of {seen.known + seen.new:,} lines without a time are known"
    if seen.name is None:
        return (
            f"{told}, and new ones follow: taken as grown. If it is another run instead: gonogo "
            f"ingest --run NAME {name}"
        )
    return (
        f"{told}, among new ones: taken whole, as another run ({seen.name}). Say --run NAME, or map "
        "ts, to tell runs apart yourself."
    )


def _check_inputs(paths: Sequence[str], stdin: BinaryIO) -> None:
    for path in paths:
        # Looking into a pipe would take from it.
        if path != "-" and not Path(path).is_fifo():
            open_source(path, stdin).close()


async def _load_source(
    source: Source,
    sink: ObservationSink,
    mapping: FieldMap,
    clock: Callable[[], int],
    loaded: Loaded,
    progress: Callable[[Progress], None],
    reading: Reading,
) -> None:
    rows, mapping = _rows(source, mapping)
    is_file = source.name is not None
    reader = _BatchReader(rows, mapping, clock, reading, is_file=is_file)
    while True:
        # In a thread: standard input may let us wait for long.
        batch = await to_thread.run_sync(reader.next_batch, abandon_on_cancel=True)
        for rejection in batch.rejected:
            loaded.refuse(source.path, rejection)
        if batch.observations:
            stored = await sink.record(batch.observations, clock())
            loaded.accepted += stored.accepted
            loaded.duplicates += stored.duplicates
            loaded.updated += stored.updated
            for refused in stored.rejected:
                line = batch.lines[refused.position]
                loaded.refuse(source.path, Rejection(line, refused.field, refused.problem))
        progress(Progress(source.path, source.bytes_read(), source.total_bytes, loaded))
        if batch.is_last:
            return


def _rows(source: Source, mapping: FieldMap) -> tuple[Iterator[Row | Rejection], FieldMap]:
    lines = numbered_lines(source)
    if source.format == "jsonl":
        return read_jsonl(lines), mapping
    table = read_csv(lines, source.path)
    if not table.header:
        return table.rows, mapping
    return table.rows, mapping.with_header(
        table.header, source.path, decimal_comma=table.decimal_comma
    )


@dataclass(slots=True)
class _Batch:
    observations: list[Observation] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    is_last: bool = False


class _BatchReader:
    """Checks rows until a batch is full in rows, bytes or time, or the file is at its end."""

    def __init__(
        self,
        rows: Iterator[Row | Rejection],
        mapping: FieldMap,
        clock: Callable[[], int],
        reading: Reading,
        *,
        is_file: bool = True,
        tells_made: bool = False,
    ) -> None:
        self._rows, self._mapping, self._reading = rows, mapping, reading
        # In another zone the same line is another time: an import in a wrong one can be corrected.
        mapped = f"{mapping.identity}{reading.zone or ''}"
        self._identities = Identities(mapped, reading.run, is_file=is_file)
        self._is_mapped = not mapping.is_empty or bool(reading.run) or reading.zone is not None
        self._clock = clock
        self._made: list[tuple[str, bytes]] | None = [] if tells_made else None

    def take_made(self) -> list[tuple[str, bytes]]:
        """The ids that were made of untimed lines since it was asked, each with its line."""
        made, self._made = self._made or [], []
        return made

    def next_batch(self) -> _Batch:
        """The next batch; the last one says so and may be empty."""
        batch, clock, is_mapped = _Batch(), self._clock, self._is_mapped
        until_ms = clock() + BATCH_MS_MAX
        run = self._reading.run or None
        observations, lines, rejected, size = batch.observations, batch.lines, batch.rejected, 0
        for row in self._rows:
            now_ms = clock()
            size += ROW_BYTES
            if isinstance(row, Rejection):
                rejected.append(row)
            else:
                line, values, content = row
                size += len(content)
                if isinstance(values, dict) and (is_mapped or values.get("id") is None):
                    values = self._identified(values, content)
                found = parse_observation(
                    values, now_ms=now_ms, from_file=True, position=line, run=run
                )
                if isinstance(found, Rejection):
                    rejected.append(found)
                else:
                    observations.append(found)
                    lines.append(line)
            if size > BATCH_BYTES or len(lines) == BATCH_ROWS or now_ms > until_ms:
                return batch
        batch.is_last = True
        return batch

    def _identified(self, values: dict[str, object], content: bytes) -> dict[str, object]:
        """The values by the names of fields, with an id where one can be made."""
        run = self._reading.run
        if self._is_mapped:
            values = localized(self._mapping.apply(values), self._reading.zone)
        stated = values.get("id")
        if stated is None or stated == "":
            is_timed = values.get("ts") is not None
            identity = self._identities.identify(content, timed=is_timed)
            if identity is not None:
                values["id"] = identity
                if self._made is not None and not is_timed:
                    self._made.append((identity, content))
        elif run:
            values["id"] = run_id(run, str(stated))
        return values
