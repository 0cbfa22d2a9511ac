"""A run over batches in pieces, so that pieces which were run before need not be run again.

Where a run is cut depends on nothing but the number of batches, and each piece goes on from the
state of the one before. A piece is known by a digest of all that it depends on: the rule, the
state at the beginning and every batch up to its end. So what is kept can never be wrong, only
missing, and a run has the same bits whether its pieces were kept or not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from gonogo.detectors.checks import Floats, Ints

__all__ = ["Kept", "in_pieces"]

# Few batches at first, while anchors still wander and cohorts come and go; long pieces later, which
# cost the least a batch. Past the last long one a run is cut ever finer, so that a new batch costs
# the batches since the last fine cut.
FIRST = (64, 256, 1024)
LENGTHS = (2048, 256, 32)
# A batch takes 50 bytes, a state about as much as 64 batches: 25 MB.
BATCHES_MAX = 500_000
STATE_BATCHES = 64

State = TypeVar("State")
Ran = TypeVar("Ran")


class Kept(Generic[Ran]):
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


def in_pieces(
    run: Callable[[slice, State], Ran],
    batches: Sequence[Floats | Ints],
    state: State,
    *,
    seen: int,
    rule: object,
    state_of: Callable[[Ran], State],
    kept: Kept[Ran] | None,
) -> list[Ran]:
    """Run over all batches, piece by piece; at least one piece.

    Args:
        run: Runs over some of the batches, from a state.
        batches: What the run reads, arrays of one length of 64-bit numbers.
        state: Where it begins.
        seen: Batches that the state has seen.
        rule: What else the run depends on; its `repr` tells all of it.
        state_of: Where a piece ended.
        kept: Pieces of earlier runs; new ones are put there.
    """
    ran: list[Ran] = []
    cuts, low = _cuts(seen, len(batches[0])), 0
    keys = [b""] * len(cuts) if kept is None else _keys(cuts, batches, (rule, state))
    for key, high in zip(keys, cuts, strict=True):
        piece = None if kept is None else kept.get(key)
        if piece is None:
            piece = run(slice(low, high), state)
            if kept is not None:
                kept.put(key, piece, batches=high - low)
        ran.append(piece)
        state, low = state_of(piece), high
    return ran


def _keys(cuts: Sequence[int], batches: Sequence[Floats | Ints], start: object) -> list[bytes]:
    """What each piece depends on: where it starts, every batch up to its end, all cuts so far."""
    size = len(batches)
    table = np.empty((len(batches[0]), size), dtype=np.int64)
    for at, values in enumerate(batches):
        table[:, at] = values.view(np.int64)
    raw, width = table.tobytes(), table.itemsize * size
    digest = blake2b(repr((start, size)).encode(), digest_size=16)
    keys, low = [], 0
    for high in cuts:
        digest.update(b"%d:" % high)
        digest.update(raw[low * width : high * width])
        keys.append(digest.digest())
        low = high
    return keys


def _cuts(seen: int, count: int) -> list[int]:
    """Where the pieces end, counted from the first of `count` batches after `seen` others."""
    end, cuts = seen + count, [cut for cut in FIRST if seen < cut <= seen + count]
    last = max([0, *(cut for cut in FIRST if cut <= end)])
    for length in LENGTHS:
        first = max(last, seen) // length * length + length
        cuts += range(first, end + 1, length)
        last = max(last, end // length * length)
    return [cut - seen for cut in cuts if cut < end] + [count]
