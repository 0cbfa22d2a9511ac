"""The one loop that writes: files in, batches of checked observations out to the store."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from anyio import to_thread

from gonogo.ingest.csv_rows import read_csv
from gonogo.ingest.jsonl import read_jsonl
from gonogo.ingest.mapping import FieldMap
from gonogo.ingest.numbered_lines import Format, Row, Source, numbered_lines, open_source
from gonogo.ingest.observation import parse_observation
from gonogo.records import Observation, Rejection, Stored

__all__ = ["Loaded", "ObservationSink", "Progress", "RefusedLine", "load"]

BATCH_ROWS = 5_000
BATCH_BYTES = 8 * 1024 * 1024
BATCH_MS_MAX = 1_000
ROW_BYTES = 512  # what a row costs in memory beside its own bytes
REFUSED_KEPT_MAX = 1_000
SKETCH_SLOTS = 1 << 22


class ObservationSink(Protocol):
    """What writing needs of a store."""

    async def record(self, observations: Sequence[Observation], now_ms: int) -> Stored:
        """Store a batch in one transaction; returns after the commit."""
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


async def load(
    paths: Sequence[str],
    sink: ObservationSink,
    mapping: FieldMap,
    *,
    clock: Callable[[], int],
    stdin: BinaryIO,
    stated: Format | None = None,
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
        source = await to_thread.run_sync(open_source, path, stdin, stated, abandon_on_cancel=True)
        try:
            await _load_source(source, sink, mapping, clock, loaded, progress)
        finally:
            source.close()
    return loaded


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
) -> None:
    rows, mapping = _rows(source, mapping)
    reader = _BatchReader(rows, mapping, _Identities(source.name), clock)
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
    header, rows = read_csv(lines, source.path)
    return rows, mapping.with_header(header, source.path) if header else mapping


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
        identities: _Identities,
        clock: Callable[[], int],
    ) -> None:
        self._rows, self._mapping, self._identities = rows, mapping, identities
        self._is_mapped = not mapping.is_empty
        self._clock = clock

    def next_batch(self) -> _Batch:
        """The next batch; the last one says so and may be empty."""
        batch, clock, is_mapped = _Batch(), self._clock, self._is_mapped
        until_ms = clock() + BATCH_MS_MAX
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
                found = parse_observation(values, now_ms=now_ms, from_file=True, position=line)
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
        if self._is_mapped:
            values = self._mapping.apply(values)
        if values.get("id") is None:
            identity = self._identities.identify(content, timed="ts" in values)
            if identity is not None:
                values["id"] = identity
        return values


class _Identities:
    """Ids for lines without one: of the file's name, the line, and its ordinal among equal lines.

    Ordinals come from a count-min sketch with conservative update, so memory does not grow with
    the file. A sketch never counts too low, and a line's own count grows with each occurrence:
    equal lines always get different ids, and the same file always gets the same ids. (Cormode &
    Muthukrishnan 2005; Estan & Varghese 2002 for the update.)

    Standard input has no name: two equal lines piped in at two times are two calls, unless they
    carry their own time.
    """

    def __init__(self, name: str | None) -> None:
        self._key = hashlib.blake2b((name or "-").encode("utf-8", "surrogateescape")).digest()
        self._is_file = name is not None
        self._counts = array("I", bytes(4 * SKETCH_SLOTS))

    def identify(self, content: bytes, *, timed: bool) -> str | None:
        """The id of the next line, 32 characters and its ordinal where that is not 0."""
        if not (self._is_file or timed):
            return None
        digest = hashlib.blake2b(content, key=self._key, digest_size=16)
        counts, slots = self._counts, struct.unpack("<4I", digest.digest())[:3]
        places = [slot % SKETCH_SLOTS for slot in slots]
        ordinal = min([counts[place] for place in places])
        for place in places:
            if counts[place] == ordinal:
                counts[place] = ordinal + 1
        name = digest.hexdigest()
        return f"{name}-{ordinal}" if ordinal else name
