"""Rows of files as batches of checked observations, each with an id where one can be made."""

from __future__ import annotations

import hashlib
import math
import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from pathlib import Path
from shlex import quote

from gonogo.errors import DataError, plain
from gonogo.ingest.field_checks import WHICH_IS_GOOD, bounded_id
from gonogo.ingest.formats.foreign_format import ALIAS, ALIAS_OF
from gonogo.ingest.mapping import ColumnMap, typed_texts
from gonogo.ingest.numbered_lines import Row, Source
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.times import localized
from gonogo.records import Observation, Rejection

BATCH_ROWS = 5_000
BATCH_BYTES = 8 * 1024 * 1024
BATCH_MS_MAX = 1_000
# Of a batch's outcomes: fewer that cannot be read are slips of the pen, and told line by line.
UNREAD_MIN, UNREAD_SHARE = 3, 0.05
ROW_BYTES = 512  # what a row costs in memory beside its own bytes
SKETCH_SLOTS = 1 << 22


@dataclass(frozen=True, slots=True)
class Reading:
    """The options for reading files.

    Args:
        stated: Their format; None: told by each file.
        run: What tells these calls from others that are written alike; "": nothing.
        zone: Of times that state none; None: such times are refused.
        hours_only: Whether the hours of Parquet files are counted, and none of their calls kept.
    """

    stated: str | None = None
    run: str = ""
    zone: tzinfo | None = None
    hours_only: bool = False


AS_TOLD = Reading()


@dataclass(slots=True)
class Batch:
    """Rows that are written together, and the refusals among them."""

    observations: list[Observation] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    # Outcomes of calls that they name by an id alone, each with its line.
    unnamed: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    is_last: bool = False


class BatchReader:
    """Checks rows until a batch is full in rows or bytes, or the file is at its end; `is_live`: or a second is over.

    A file has no such hurry: what is told by all rows of a batch must not hang on how busy the machine is.
    """

    def __init__(
        self,
        rows: Iterator[Row | Rejection],
        mapping: ColumnMap,
        clock: Callable[[], int],
        reading: Reading,
        *,
        is_file: bool = True,
        is_live: bool = False,
        tells_made: bool = False,
        is_foreign: bool = False,
        advice: str = "",
    ) -> None:
        self._advice = advice
        self._rows, self._mapping, self._reading = rows, mapping, reading
        # In another zone the same line is another time: an import in a wrong one can be corrected.
        mapped = f"{mapping.identity}{reading.zone or ''}"
        self._identities = Identities(mapped, reading.run, is_file=is_file)
        self._is_mapped = not mapping.is_empty or bool(reading.run) or reading.zone is not None
        self._is_foreign = is_foreign
        self._clock, self._is_live = clock, is_live
        self._made: list[tuple[str, bytes]] | None = [] if tells_made else None

    def take_made(self) -> list[tuple[str, bytes]]:
        """The ids that were made of untimed lines since it was asked, each with its line."""
        made, self._made = self._made or [], []
        return made

    def next_batch(self, rows_max: int = BATCH_ROWS) -> Batch:
        """The next batch; the last one says so and may be empty."""
        batch, clock, is_mapped = Batch(), self._clock, self._is_mapped
        until_ms = clock() + BATCH_MS_MAX if self._is_live else math.inf
        is_foreign = self._is_foreign
        run = self._reading.run or None
        read = partial(parse_observation, from_file=True, run=run, advice=self._advice)
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
                alias = None
                if is_foreign and isinstance(values, dict):
                    alias = values.pop(ALIAS, None)
                    if values.pop(ALIAS_OF, None) is not None:
                        batch.unnamed.append((line, values))
                        continue
                found = read(values, now_ms=now_ms, position=line, alias=alias)
                if isinstance(found, Rejection) and isinstance(values, dict):
                    # Only of what is refused: the common row pays nothing for it.
                    typed = typed_texts(values)
                    found = read(typed, now_ms=now_ms, position=line, alias=alias)
                if isinstance(found, Rejection):
                    rejected.append(found)
                else:
                    observations.append(found)
                    lines.append(line)
            if size > BATCH_BYTES or len(lines) == rows_max or now_ms > until_ms:
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


def check_outcomes(source: Source, batch: Batch, mapping: ColumnMap) -> None:
    """Refuse a file of which a batch's outcomes can be read in part alone.

    Raises:
        DataError: too many of a batch's outcomes are none.
    """
    if source.name is None:
        return  # of a stream what came before is stored; later answers say what was refused
    unread = [one for one in batch.rejected if one.field == "outcome"]
    n = len(unread) + sum(one.outcome is not None for one in batch.observations)
    if unread:
        where = f", as in line {unread[0].position}"
        refuse_half_read(source.path, mapping, len(unread), n, f"{where}: {unread[0].problem}")


def refuse_half_read(path: str, mapping: ColumnMap, unread: int, n: int, said: str) -> None:
    """Refuse outcomes that can be read in part: those that cannot are seldom both good and bad.

    Args:
        path: The file.
        mapping: Which column they are in.
        unread: How many cannot be read.
        n: Of how many.
        said: Where the first of them is, and what is wrong with it.

    Raises:
        DataError: they are too many.
    """
    if unread < max(UNREAD_MIN, UNREAD_SHARE * n):
        return
    column = next(iter(mapping.columns_of("outcome")), "outcome")[:60]
    told = f"say which value is good: --good-when {quote(column)}=VALUE"
    if said == (said := said.removesuffix(WHICH_IS_GOOD)):
        told += (
            f", scale it (--map {quote(f'outcome={column}*0.2')}), or keep it as a measure (--map "
        )
        told += f"{quote(f'metrics.{column}={column}')})"
    raise DataError(
        f"'{plain(Path(path).name, 40)}': {unread:,} of {n:,} outcomes cannot be read{said}. The others alone would "
        f"be of one kind, so nothing is taken: {told}."
    )


class Identities:
    """Ids of lines without one: of the line, how it is mapped, and its ordinal among equal lines.

    Not of the file's name: the same history in another file is the same history. What tells two
    calls that are written alike is their time; a file without times is one run, told from others by
    `run`.

    Ordinals come from a count-min sketch with conservative update, so memory does not grow with
    the file. A sketch never counts too low, and a line's own count grows with each occurrence:
    equal lines always get different ids, and the same file always gets the same ids. (Cormode &
    Muthukrishnan 2005; Estan & Varghese 2002 for the update.)

    Standard input may be a program that tells of one call at a time: two equal lines piped in at two
    times are two calls, unless they carry their own time.

    Args:
        mapping: What the mapping adds to a line: its constants and the columns that name the call.
        run: The run that the lines are of; "" where none is named.
        is_file: Whether reading the same again means the same calls.
    """

    def __init__(self, mapping: str, run: str, *, is_file: bool) -> None:
        self._key = hashlib.blake2b(repr((mapping, run)).encode(errors="surrogatepass")).digest()
        self._is_file = is_file or bool(run)
        self._counts = array("I")

    def identify(self, content: bytes, *, timed: bool) -> str | None:
        """The id of the next line, 32 characters and its ordinal where that is not 0."""
        if not (self._is_file or timed):
            return None
        if not self._counts:
            self._counts = array("I", bytes(4 * SKETCH_SLOTS))
        digest = hashlib.blake2b(content, key=self._key, digest_size=16)
        counts, slots = self._counts, struct.unpack("<4I", digest.digest())[:3]
        places = [slot % SKETCH_SLOTS for slot in slots]
        ordinal = min([counts[place] for place in places])
        for place in places:
            if counts[place] == ordinal:
                counts[place] = ordinal + 1
        name = digest.hexdigest()
        return f"{name}-{ordinal}" if ordinal else name


def run_id(run: str, stated: str) -> str:
    """An id that a file states, in one of several runs of the same file."""
    return bounded_id(f"{run}/{stated}")


class AnotherRun:
    """Whether a file without times and ids is a further run of one that is stored.

    Lines that are known, and new ones after them: the file has grown. New lines among those that are
    known: the work was done again, and lines that came out alike are answers too. To keep only
    those that changed would be a sample chosen by its outcome.
    """

    def __init__(self) -> None:
        self.known = self.new = 0
        self._is_mixed = False
        self._content = hashlib.blake2b(digest_size=4)

    def note(self, content: bytes, *, is_known: bool) -> None:
        """Take in the next line of the file."""
        self._content.update(content + b"\n")
        if is_known:
            self._is_mixed |= self.new > 0
            self.known += 1
        else:
            self.new += 1

    @property
    def name(self) -> str | None:
        """The name of the further run, by its content; None where it is none."""
        return f"content-{self._content.hexdigest()}" if self._is_mixed else None
