"""A run over batches in pieces, so that pieces which were run before need not be run again.

Where a run is cut depends on nothing but the number of batches, and each piece goes on from the
state of the one before. A piece is known by a digest of all that it depends on: the rule, the
state at the beginning and every batch up to its end. So what is kept can never be wrong, only
missing, and a run has the same bits whether its pieces were kept or not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import numpy as np

from gonogo.detectors.arrays import Floats, Ints

# Few batches at first, while anchors still wander and cohorts come and go; long pieces later, which
# cost the least a batch. Past the last long one a run is cut finer, so that a new batch costs little more
# than itself; not below 64, since a piece costs a process that runs it for the first time a millisecond.
FIRST = (64, 256, 1024)
LENGTHS = (2048, 256, 64)
# A batch takes 50 bytes, a state about as much as 64 batches: 25 MB.
BATCHES_MAX = 500_000
STATE_BATCHES = 64

State = TypeVar("State")
Ran = TypeVar("Ran")


class PieceCache(Generic[Ran]):
    """The pieces used last, of up to 500,000 batches."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[bytes, tuple[Ran, int]] = OrderedDict()
        self._batches = 0

    def get(self, key: bytes) -> Ran | None:
        """The piece, which is not changed; None where it is not kept."""
        found = self._pieces.get(key)
        if found is None:
            return None
        self._pieces.move_to_end(key)
        return found[0]

    def put(self, key: bytes, piece: Ran, *, batches: int) -> None:
        """Keep a piece of so many batches; those longest unused give way."""
        self._pieces[key] = piece, batches + STATE_BATCHES
        self._batches += batches + STATE_BATCHES
        while self._batches > BATCHES_MAX:
            _, (_, gone) = self._pieces.popitem(last=False)
            self._batches -= gone


@dataclass(slots=True, eq=False)
class _Beginning(Generic[Ran]):
    """The pieces whose batches are settled: where each ends, what it depends on, all of them run."""

    ends: list[tuple[int, blake2b]] = field(default_factory=list)
    joined: Ran | None = None

    def agree(self, cuts: Sequence[int]) -> int:
        """Count how many of these pieces a run that is cut there begins with; the others are dropped."""
        same = 0
        while same < min(len(self.ends), len(cuts)) and self.ends[same][0] == cuts[same]:
            same += 1
        if same < len(self.ends):
            del self.ends[same:]
            self.joined = None
        return same


Beginnings = dict[Hashable, _Beginning[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class SettledPrefix:
    """Says of one stream that its first `batches` are the same in every run that is handed this.

    So they are digested and joined once. Whoever hands it in answers for it.
    """

    batches: int
    beginnings: Beginnings = field(default_factory=dict)


def in_pieces(
    run: Callable[[slice, State], Ran],
    batches: Sequence[Floats | Ints],
    state: State,
    *,
    seen: int,
    rule: object,
    state_of: Callable[[Ran], State],
    joined: Callable[[Sequence[Ran]], Ran],
    kept: PieceCache[Ran] | None,
    settled: SettledPrefix | None = None,
) -> Ran:
    """Run over all batches, piece by piece.

    Args:
        run: Runs over some of the batches, from a state.
        batches: What the run reads, arrays of one length of 64-bit numbers.
        state: Where it begins.
        seen: Batches that the state has seen.
        rule: What else the run depends on; its `repr` tells all of it.
        state_of: Where a piece ended.
        joined: Successive pieces, at least one, as one run over all of them.
        kept: Pieces of earlier runs; new ones are put there.
        settled: Batches that need not be looked at again.
    """
    cuts, low, ran = _cuts(seen, len(batches[0])), 0, list[Ran]()
    if kept is None:
        for high in cuts:
            ran.append(run(slice(low, high), state))
            state, low = state_of(ran[-1]), high
        return joined(ran)
    begun = _Beginning[Ran]()
    if settled is not None:
        begun = settled.beginnings.setdefault((rule, state, len(batches)), begun)
    same = begun.agree(cuts)
    keys = _keys(cuts, batches, (rule, state), begun.ends)
    if begun.joined is not None:
        ran.append(begun.joined)
        state, low = state_of(begun.joined), cuts[same - 1]
    for at in range(same if ran else 0, len(cuts)):
        key, high = keys[at].digest(), cuts[at]
        piece = kept.get(key)
        if piece is None:
            piece = run(slice(low, high), state)
            kept.put(key, piece, batches=high - low)
        ran.append(piece)
        state, low = state_of(piece), high
        if settled is not None and high <= settled.batches:
            begun.ends[at:] = [(high, keys[at])]
            begun.joined = joined(ran)
            ran = [begun.joined]
    return joined(ran)


def _keys(
    cuts: Sequence[int],
    batches: Sequence[Floats | Ints],
    start: tuple[object, object],
    known: Sequence[tuple[int, blake2b]],
) -> list[blake2b]:
    """The inputs that each piece depends on: its start, every batch up to its end, all cuts so far."""
    keys, size = [digest for _, digest in known], len(batches)
    first, digest = (
        known[-1] if known else (0, blake2b(repr((start, size)).encode(), digest_size=16))
    )
    table = np.empty((len(batches[0]) - first, size), dtype=np.int64)
    for at, values in enumerate(batches):
        table[:, at] = values[first:].view(np.int64)
    raw, width, low = table.tobytes(), table.itemsize * size, first
    for high in cuts[len(known) :]:
        digest = digest.copy()
        digest.update(b"%d:" % high)
        digest.update(raw[(low - first) * width : (high - first) * width])
        keys.append(digest)
        low = high
    return keys


@lru_cache(maxsize=1 << 10)
def _cuts(seen: int, count: int) -> tuple[int, ...]:
    """The ends of the pieces, counted from the first of `count` batches after `seen` others."""
    end, cuts = seen + count, [cut for cut in FIRST if seen < cut <= seen + count]
    last = max([0, *(cut for cut in FIRST if cut <= end)])
    for length in LENGTHS:
        first = max(last, seen) // length * length + length
        cuts += range(first, end + 1, length)
        last = max(last, end // length * length)
    return (*(cut - seen for cut in cuts if cut < end), count)
