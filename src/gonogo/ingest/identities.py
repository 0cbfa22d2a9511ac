"""Which call a line without an id is: ids made of what the line says, and whether it is known."""

from __future__ import annotations

import hashlib
import struct
from array import array

from gonogo.ingest.field_checks import bounded_id

SKETCH_SLOTS = 1 << 22


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
