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

if TYPE_CHECKING:
    from gonogo.detectors.checks import Floats, Ints

__all__ = ["Kept", "in_pieces"]

# Few batches at first, while anchors still wander and cohorts come and go. Past the last coarse
# cut a run is cut finely, so that a new batch costs the batches since the last fine one.
FIRST = 64
COARSE = 256
FINE = 16
PIECES_MAX = 2000

State = TypeVar("State")
Ran = TypeVar("Ran")


class Kept(Generic[Ran]):
    """The pieces used last, up to 2,000 of them: of 256 batches or fewer each."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[bytes, Ran] = OrderedDict()

    def get(self, key: bytes) -> Ran | None:
        """The piece, which is not changed; None where it is not kept."""
        found = self._pieces.get(key)
        if found is not None:
            self._pieces.move_to_end(key)
        return found

    def put(self, key: bytes, piece: Ran) -> None:
        """Keep a piece; the one longest unused gives way."""
        self._pieces[key] = piece
        if len(self._pieces) > PIECES_MAX:
            self._pieces.popitem(last=False)


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
        batches: What the run reads, arrays of one length.
        state: Where it begins.
        seen: Batches that the state has seen.
        rule: What else the run depends on; its `repr` tells all of it.
        state_of: Where a piece ended.
        kept: Pieces of earlier runs; new ones are put there.
    """
    ran: list[Ran] = []
    digest = blake2b(repr((rule, state, len(batches))).encode(), digest_size=16)
    low = 0
    for high in _cuts(seen, len(batches[0])):
        span = slice(low, high)
        piece = None
        if kept is not None:
            digest.update(repr(span).encode())
            for values in batches:
                digest.update(values[span].tobytes())
            piece = kept.get(digest.digest())
        if piece is None:
            piece = run(span, state)
            if kept is not None:
                kept.put(digest.digest(), piece)
        ran.append(piece)
        state, low = state_of(piece), high
    return ran


def _cuts(seen: int, count: int) -> list[int]:
    """Where the pieces end, counted from the first of `count` batches after `seen` others."""
    end = seen + count
    coarse = [FIRST, *range(COARSE, end + 1, COARSE)]
    last = max((cut for cut in coarse if cut <= end), default=0)
    first_fine = max(last, seen) // FINE * FINE + FINE
    cuts = [cut for cut in coarse if seen < cut <= end]
    return [cut - seen for cut in (*cuts, *range(first_fine, end, FINE)) if cut < end] + [count]
