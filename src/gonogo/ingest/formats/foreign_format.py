"""Another tool's format: how it is recognised, and how its records become fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gonogo.border.foreign import number
from gonogo.ingest.field_checks import bounded_id
from gonogo.ingest.numbered_lines import Row
from gonogo.ingest.times import epoch_ms
from gonogo.records import Rejection

Record = Mapping[str, object]
# Of one observation, under the names of its fields. `alias`: another id by which scores may name it.
# Without `dependency` it is an outcome or a score of the call with this id.
Fields = dict[str, object]
# Fields that no observation has: another id of a call, and that the id is that of a stored call.
ALIAS, ALIAS_OF = "alias", "of a stored call"
_QUANTITIES = ("latency_ms", "cost_usd", "input_tokens", "output_tokens")


@dataclass(slots=True)
class File:
    """The file that records come from, and what a format remembers from one record to the next.

    `lost`: which of `left_out` tells something of calls, so that later answers know less than the file.
    """

    path: str
    memory: dict[str, object] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The file's name without folders and packing."""
        return Path(self.path).name.removesuffix(".gz")

    @property
    def folder(self) -> str:
        """The name of the folder that it lies in; "" where none is named."""
        return Path(self.path).parent.name

    def leave_out(self, what: str, *, is_lost: bool = False) -> None:
        """Count a record of which nothing was made; `is_lost` where it tells something of a call."""
        self.left_out[what] = self.left_out.get(what, 0) + 1
        if is_lost:
            self.lost.add(what)


@dataclass(frozen=True, slots=True)
class ForeignFormat:
    """Files as one tool writes them.

    Attributes:
        name: As `--format` names it.
        title: As its makers write it, with what of theirs it is.
        recognises: Whether a record is of this format; the first of a file is asked.
        observations: The observations of one record: a line, a row, an entry of a list, or the document.
        understood: What became the dependency, the outcome, the time.
        finish: What is left when the file has ended.
        needs: Columns that every file of it has; named where one that was said to be of it lacks some.
    """

    name: str
    title: str
    recognises: Callable[[Record], bool]
    observations: Callable[[Record, File], Iterable[Fields]]
    understood: str
    finish: Callable[[File], Iterable[Fields]] = lambda _: ()
    needs: tuple[str, ...] = ()


def foreign_rows(
    rows: Iterable[Row | Rejection], found: ForeignFormat, file: File
) -> Iterator[Row | Rejection]:
    """The observations of a file's records, each with the place of its record."""
    for row in rows:
        if isinstance(row, Rejection):
            yield row
        elif isinstance(row[1], Mapping):
            for fields in found.observations(row[1], file):
                yield _told(row[0], fields)
        else:
            yield Rejection(row[0], "record", f"is no object, and {found.title} are")
    for fields in found.finish(file):
        yield _told(0, fields)


def _told(place: int, given: Fields) -> Row:
    """Fields as they are checked: without what is nothing, or what other tools write for unknown."""
    fields = {name: value for name, value in given.items() if value not in (None, "", {})}
    for name in _QUANTITIES:
        stated = fields.get(name)
        if isinstance(stated, int | float) and stated < 0:
            del fields[name]
    content = json.dumps(fields, sort_keys=True, default=str).encode(errors="surrogatepass")
    if "dependency" not in fields:
        fields[ALIAS_OF] = True
    return place, fields, content


def at(record: object, path: str) -> object:
    """The value at a path such as `response.body.model`; None where it leads nowhere."""
    here = record
    for part in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(part)
    return here


def first(record: object, *paths: str) -> object:
    """The first value that is there: neither null nor an empty text."""
    for path in paths:
        direct = record.get(path) if isinstance(record, Mapping) else None
        value = at(record, path) if direct is None else direct
        if value is not None and value != "":
            return value
    return None


def unix_s(value: object) -> float | None:
    """A time in Unix seconds: of text, which is UTC where it states no zone, or of any unit of epoch."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, str):
        try:
            read = epoch_ms(value, UTC)
        except ValueError:
            return None
        if read is not None:
            return read / 1000
    stated = number(value)
    if stated is None or stated <= 0:
        return None
    for scale in (1e18, 1e15, 1e12):  # nanoseconds, microseconds, milliseconds
        if stated >= scale / 10:
            return stated / (scale / 1e9)
    return float(stated)


def elapsed_ms(start: object, end: object) -> float | None:
    """Milliseconds between two times; None where one is not known, or the end comes first."""
    begun, ended = unix_s(start), unix_s(end)
    if begun is None or ended is None or ended < begun:
        return None
    return round((ended - begun) * 1000, 3)


def json_object(value: object) -> Mapping[str, object]:
    """An object, also one that stands in a cell as its JSON; {} for all else."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def short_id(*parts: object) -> str:
    """An id of parts; a long one as its hash, since other tools' ids know no bound."""
    whole = "/".join(str(part) for part in parts)
    if whole.isprintable():
        return bounded_id(whole)
    return hashlib.blake2b(whole.encode(errors="surrogatepass"), digest_size=16).hexdigest()
