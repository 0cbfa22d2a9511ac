"""The one loop that writes: files in, batches of checked observations out to the store."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from anyio import to_thread

from gonogo.answers import rfc3339
from gonogo.errors import plain
from gonogo.ingest.batches import (
    AS_TOLD,
    BATCH_ROWS,
    AnotherRun,
    Batch,
    BatchReader,
    Reading,
    check_outcomes,
)
from gonogo.ingest.hour_cells.cell_load import CellUnderstanding, cell_batches
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.numbered_lines import STDIN, Format, Source, open_source
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.opened_rows import OpenedRows, opened_rows
from gonogo.ingest.refused_lines import Refusals
from gonogo.ports.hour_cells import HourCell
from gonogo.records import BatchReport, Observation, Rejection
from gonogo.text.forms import counted
from gonogo.text.row_notes import (
    NO_SHARED_IDS,
    SKEW_MS,
    SharedIds,
    ahead_text,
    contradictions_text,
    corrections_text,
)

REFUSED_KEPT_MAX = 1_000
# Most files carry ids or times, or are new: few lines tell.
FIRST_LOOK_ROWS = 100


class ObservationSink(Protocol):
    """The part of a store that loading files needs."""

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch in one transaction; returns after the commit."""
        ...

    async def dependencies_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The dependency of each observation with one of these ids, where it is stored."""
        ...

    async def record_cells(self, cells: Sequence[HourCell], now_ms: int) -> BatchReport:
        """Store a batch of hour cells; returns after the commit."""
        ...

    async def refused_before(self, file: str) -> int:
        """Count the rows of a file that its newest reading refused."""
        ...

    def refuse(self, rejections: Sequence[Rejection], now_ms: int) -> None:
        """Count what was refused of a stream, for later answers."""
        ...

    def refuse_of(self, file: str, refusals: Refusals, now_ms: int) -> None:
        """Count what this reading of a file refused, and no earlier one."""
        ...


class RefusedLine(NamedTuple):
    """A line that was refused, with the reason."""

    path: str
    line: int
    field: str
    problem: str


@dataclass(slots=True)
class LoadReport:
    """The fate of the lines. `refused` keeps the first 1,000; `refused_count` counts all.

    `alike`: how many of a file were refused for one reason, by the first of them, of the first 1,000 reasons.
    `notes`: what a person should know of what was taken. `understood`: of each file, what it was
    understood as, in three lines. `ahead_n`, `ahead_ms`: how many lie ahead of the clock, and the last.
    `corrected`, `contradicted`: as of `BatchReport`. `shared`: records that bear the id of another call.
    `versions`: those that were read of each dependency, in the order of their files; of hour cells none.
    """

    accepted: int = 0
    duplicates: int = 0
    updated: int = 0
    refused_count: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    alike: Counter[RefusedLine] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)
    ahead_n: int = 0
    ahead_ms: int = 0
    corrected: int = 0
    corrected_nano_usd: int = 0
    contradicted: int = 0
    shared: SharedIds = NO_SHARED_IDS
    versions: dict[str, dict[str, None]] = field(default_factory=dict)
    _first: dict[tuple[str, str, str], RefusedLine] = field(default_factory=dict, repr=False)

    def refuse(self, path: str, rejection: Rejection, n: int = 1) -> None:
        """Count refused lines of one kind, and keep the first while there is room."""
        self.refused_count += n
        line = RefusedLine(path, rejection.position, rejection.field, rejection.problem)
        if len(self.refused) < REFUSED_KEPT_MAX:
            self.refused.append(line)
        # What was got differs from line to line, and the reason is one.
        reason = (path, rejection.field, rejection.problem.partition(", got ")[0])
        if reason in self._first or len(self._first) < REFUSED_KEPT_MAX:
            self.alike[self._first.setdefault(reason, line)] += n


class Progress(NamedTuple):
    """Told after every batch. Bytes are those of the packed file; None for a stream."""

    path: str
    bytes_read: int | None
    bytes_total: int | None
    loaded: LoadReport


async def load(
    paths: Sequence[str],
    sink: ObservationSink,
    mapping: ColumnMap,
    *,
    clock: Callable[[], int],
    stdin: BinaryIO,
    reading: Reading = AS_TOLD,
    progress: Callable[[Progress], None] = lambda _: None,
) -> LoadReport:
    """Read files one after the other and record them; memory is bounded whatever their size.

    Batches that were recorded stay recorded: after an interruption the same call goes on, since
    every line of a file has an id.

    Raises:
        NoInput: a file cannot be read; all are opened once before the first is loaded.
        DataError: a CSV file's header does not fit; files before it are loaded.
        StoreError: the store refused a batch; those before it are kept.
    """
    await to_thread.run_sync(_check_inputs, paths, stdin)
    loading = _Loading(sink, mapping, clock, progress)
    for path in paths:
        own = await loading.own_run(path, reading)
        source = await _opened(path, stdin, own)
        try:
            await loading.take(source, own)
        finally:
            source.close()
    loaded = loading.loaded
    if loaded.ahead_n:
        loaded.notes.append(ahead_text(loaded.ahead_n, rfc3339(loaded.ahead_ms)))
    if loaded.corrected:
        loaded.notes.append(corrections_text(loaded.corrected, loaded.corrected_nano_usd))
    if loaded.contradicted:
        loaded.notes.append(contradictions_text(loaded.contradicted))
    loaded.notes += loaded.shared.words()
    return loaded


async def _opened(path: str, stdin: BinaryIO, reading: Reading) -> Source:
    stated: Format | None = "csv" if reading.stated == "csv" else None
    stated = "jsonl" if reading.stated == "jsonl" else stated
    return await to_thread.run_sync(open_source, path, stdin, stated, abandon_on_cancel=True)


@dataclass(slots=True)
class _Loading:
    """Several files on their way into one store, and what became of their lines so far.

    What reads is run in a thread: standard input may let it wait for long.
    """

    sink: ObservationSink
    mapping: ColumnMap
    clock: Callable[[], int]
    progress: Callable[[Progress], None]
    loaded: LoadReport = field(default_factory=LoadReport)

    async def own_run(self, path: str, reading: Reading) -> Reading:
        """The reading of one file, with its own run where it repeats the work of a stored one."""
        if reading.run or path == STDIN or await to_thread.run_sync(Path(path).is_fifo):
            return reading
        source = await _opened(path, io.BytesIO(), reading)
        try:
            opened = await self._rows(source, reading)
            if opened.is_cells:
                return reading  # a cell is known by what it counts
            seen = await self._compared(opened, reading)
        finally:
            source.close()
        if seen.name is not None and seen.new == await self.sink.refused_before(same_file(path)):
            return reading  # what is new is what its last reading refused, mended or not
        if seen.known and seen.new:
            self.loaded.notes.append(_partly_known(path, seen))
        return reading if seen.name is None else replace(reading, run=seen.name)

    async def _compared(self, opened: OpenedRows, reading: Reading) -> AnotherRun:
        """Which lines without an id and a time are stored; those of a new file, read once, are not looked at further."""
        reader = BatchReader(
            opened.rows,
            opened.mapping,
            self.clock,
            reading,
            tells_made=True,
            is_foreign=opened.is_foreign,
        )
        seen, most = AnotherRun(), FIRST_LOOK_ROWS
        while True:
            batch = await to_thread.run_sync(reader.next_batch, most, abandon_on_cancel=True)
            most = BATCH_ROWS
            made = reader.take_made()
            if not made and (batch.observations or batch.is_last):
                return seen  # the file names its calls, or their times
            known = await self.sink.dependencies_of([identity for identity, _ in made])
            for identity, content in made:
                seen.note(content, is_known=identity in known)
            # Nothing of the first batch is known: a new file.
            if batch.is_last or not seen.known:
                return seen

    async def _rows(self, source: Source, reading: Reading) -> OpenedRows:
        form = reading.stated, reading.zone
        return await to_thread.run_sync(
            opened_rows, source, self.mapping, *form, abandon_on_cancel=True
        )

    async def take(self, source: Source, reading: Reading) -> None:
        """Store what a source holds: observations, or hour cells."""
        opened = await self._rows(source, reading)
        refusals = Refusals()
        if opened.is_cells:
            await self._take_cells(source, opened, refusals, reading)
        else:
            await self._take_observations(source, opened, refusals, reading)
        if source.name is None:
            refusals = Refusals()  # of a pipe they were counted as they came
        if opened.understanding is not None:
            opened.understanding.note_left_out(refusals)
        self.sink.refuse_of(same_file(source.path), refusals, self.clock())

    async def _take_observations(
        self, source: Source, opened: OpenedRows, refusals: Refusals, reading: Reading
    ) -> None:
        names = set[str]()
        reader = BatchReader(
            opened.rows,
            opened.mapping,
            self.clock,
            reading,
            is_file=source.name is not None,
            is_live=source.total_bytes is None,
            is_foreign=opened.is_foreign,
            advice=opened.advice,
        )
        is_last = False
        while not is_last:
            batch = await to_thread.run_sync(reader.next_batch, abandon_on_cancel=True)
            is_last = batch.is_last
            check_outcomes(source, batch, opened.mapping)
            if batch.unnamed:
                await self._name_calls(batch)
            if opened.understanding is not None:
                opened.understanding.note(batch.observations)
            names.update({one.dependency for one in batch.observations})
            self._told(source, await self._recorded(batch), refusals)
        if source.name is not None and len(names) == 1:
            refusals.name_rest(*names)
        if opened.understanding is not None:
            self.loaded.understood += opened.understanding.lines(self.clock(), self.loaded.versions)

    async def _take_cells(
        self, source: Source, opened: OpenedRows, refusals: Refusals, reading: Reading
    ) -> None:
        told = CellUnderstanding(plain(Path(source.path).name, 80))
        next_batch = cell_batches(opened.rows, clock=self.clock, run=reading.run or None)
        replaced = 0
        while batch := await to_thread.run_sync(next_batch, abandon_on_cancel=True):
            refused = list(batch.rejected)
            if batch.cells:
                told.note(batch.cells)
                self.loaded.versions |= {cell.dependency: {} for cell in batch.cells}
                stored = await self.sink.record_cells(batch.cells, self.clock())
                replaced += stored.updated
                refused += _counted(stored, batch.lines, self.loaded)
            self._told(source, refused, refusals)
        self.loaded.understood += told.lines()
        if replaced:
            self.loaded.notes.append(
                f"{counted(replaced, 'cell')} took the place of {'one' if replaced == 1 else 'others'} "
                "counted before."
            )

    async def _recorded(self, batch: Batch) -> list[Rejection]:
        """Store a batch and count it; what was refused of it, by lines."""
        refused, now_ms = list(batch.rejected), self.clock()
        if batch.observations:
            ahead = [one.ts_ms for one in batch.observations if one.ts_ms > now_ms + SKEW_MS]
            self.loaded.ahead_n += len(ahead)
            self.loaded.ahead_ms = max(ahead, default=self.loaded.ahead_ms)
            stored = await self.sink.record(batch.observations, now_ms)
            self.loaded.shared = self.loaded.shared.and_of(batch.observations, stored)
            refused += _counted(stored, batch.lines, self.loaded)
        return refused

    def _told(self, source: Source, refused: Sequence[Rejection], refusals: Refusals) -> None:
        """Count what was refused, and say how far it is."""
        for rejection in refused:
            self.loaded.refuse(source.path, rejection)
            refusals.count(rejection)
        if source.name is None:
            self.sink.refuse(refused, self.clock())
        at = source.bytes_read(), source.total_bytes
        self.progress(Progress(source.path, *at, self.loaded))

    async def _name_calls(self, batch: Batch) -> None:
        """Give outcomes that only name a call by its id to the dependency that it is stored under."""
        ids = [str(values.get("id")) for _, values in batch.unnamed]
        known = await self.sink.dependencies_of(ids)
        for (line, values), identity in zip(batch.unnamed, ids, strict=True):
            if identity not in known:
                problem = "no call with this id is stored; bring the calls first"
                batch.rejected.append(Rejection(line, "id", problem))
                continue
            named = {**values, "dependency": known[identity]}
            found = parse_observation(named, now_ms=self.clock(), from_file=True, position=line)
            if isinstance(found, Rejection):
                batch.rejected.append(found)
            else:
                batch.observations.append(found)
                batch.lines.append(line)


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


def _counted(stored: BatchReport, lines: Sequence[int], loaded: LoadReport) -> list[Rejection]:
    """Count what became of a batch; what was refused of it, by lines."""
    loaded.accepted += stored.accepted
    loaded.duplicates += stored.duplicates
    loaded.updated += stored.updated
    loaded.corrected += stored.corrected
    loaded.corrected_nano_usd += stored.corrected_nano_usd
    loaded.contradicted += stored.contradicted
    stored.refuse_left()
    return [replace(each, position=lines[each.position]) for each in stored.rejected]


def same_file(path: str) -> str:
    """A digest that tells a file from others of its name, by its path, which is nobody else's business."""
    where = str(Path(path).absolute()).encode(errors="surrogateescape")
    return f"file {plain(Path(path).name, 80)} {blake2b(where, digest_size=6).hexdigest()}"
