"""What a power cut may leave of a folder, from the log that `power_cut.c` kept of it.

Of the bytes written to a file since its last sync any part may be lost, 512 at a time and in any
order. Changes of names are lost from some point on, back to the last sync of the folder. That is
more than a journalling file system loses, and all that a careful program may rely on.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


def compiled(folder: Path) -> Path:
    """The shim to preload, made with the C compiler of this machine."""
    shim = folder / "power_cut.so"
    source = Path(__file__).with_name("power_cut.c")
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *options, "-o", shim, source, "-ldl", "-lpthread"], check=True)
    return shim


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log."""

    kind: str
    offset: int
    path: str
    path_after: str
    data: bytes


def records(log: Path) -> list[Record]:
    """The log, in order; a last record that was cut off is left out."""
    return list(_parsed(log.read_bytes()))


def _parsed(raw: bytes) -> Iterator[Record]:
    at = 0
    while (end := raw.find(b"\n", at)) >= 0:
        kind, offset, length, *paths = raw[at:end].decode().split(" ")
        at = end + 1 + int(length)
        if at > len(raw):
            return
        data = raw[end + 1 : at]
        yield Record(kind, int(offset), paths[0], paths[-1] if paths[1:] else "", data)


@dataclass(slots=True, eq=False)
class _File:
    """`synced` is on the disk; `pending` may be, in part."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.synced = self.content(lost=0.0, dice=random.Random(0))  # noqa: S311 - loses nothing
        self.pending.clear()

    def content(self, *, lost: float, dice: random.Random) -> bytearray:
        """What is found after the cut, where each sector not synced is lost with chance `lost`."""
        found = bytearray(self.synced)
        for offset, data in self.pending:
            if data is None:
                if dice.random() >= lost:
                    del found[offset:]
                continue
            for start in range(0, len(data), SECTOR):
                if dice.random() >= lost:
                    part = data[start : start + SECTOR]
                    place = offset + start
                    if len(found) < place:
                        found.extend(bytes(place - len(found)))
                    found[place : place + len(part)] = part
        return found


class Disk:
    """A folder as it is written: `take` what happened, then `cut` the power."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._names: dict[str, _File] = {}
        self._synced_names: dict[str, _File] = {}
        self._pending_names: list[dict[str, _File]] = []

    def take(self, record: Record) -> None:
        """Go on by one record."""
        if record.path == self._folder:
            self._synced_names = dict(self._names)
            self._pending_names.clear()
            return
        file = self._names.get(record.path)
        if record.kind in "RU":
            self._names.pop(record.path, None)
            if record.kind == "R" and file is not None:
                self._names[record.path_after] = file
            self._pending_names.append(dict(self._names))
            return
        if file is None:
            file = self._names[record.path] = _File()
            self._pending_names.append(dict(self._names))
        if record.kind == "S":
            file.sync()
        else:
            file.pending.append((record.offset, record.data if record.kind == "W" else None))

    def cut(self, into: Path, dice: random.Random) -> None:
        """Write what is found after a power cut now into an empty folder."""
        names = dice.choice([self._synced_names, *self._pending_names])
        lost = dice.choice([0.0, 0.1, 0.5, 1.0])
        for path, file in names.items():
            (into / Path(path).name).write_bytes(file.content(lost=lost, dice=dice))
