"""The decision log as callers meet it: its ids, and the entry that an answer becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.errors import UnknownTarget
from gonogo.records import Decision

if TYPE_CHECKING:
    from gonogo.ports.telemetry import DecisionLog

# Crockford's base 32: in ASCII order, so that ids sort as their times do; no I, L, O, U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_CHARS = 9
_ENTROPY_CHARS = 7
ENTROPY_BITS = 5 * _ENTROPY_CHARS


def make_id(now_ms: int, entropy: int, *, prefix: str = "") -> str:
    """An id that any process can make on its own, 16 characters that sort by time.

    Args:
        now_ms: Epoch milliseconds, in [0, 2**45).
        entropy: A random number of `ENTROPY_BITS` bits: with 1,000 ids in one millisecond, two
            are equal with probability 1.5e-5.
        prefix: Set before it, as in `plan-`.
    """
    return id_of((now_ms << ENTROPY_BITS) | (entropy & ((1 << ENTROPY_BITS) - 1)), prefix=prefix)


def id_of(number: int, *, prefix: str = "") -> str:
    """The id that a number of `clock.OrderedIds` is written as: in the order of the numbers."""
    chars = []
    for _ in range(_TIME_CHARS + _ENTROPY_CHARS):
        number, digit = divmod(number, 32)
        chars.append(_ALPHABET[digit])
    return prefix + "".join(reversed(chars))


async def find_decision(log: DecisionLog, decision_id: str) -> Decision:
    """One entry of the log, whole.

    Raises:
        UnknownTarget: No entry has this id.
    """
    found = await log.decision(decision_id.strip())
    if found is None:
        newest = [entry.id for entry in await log.decisions(limit=50)]
        raise UnknownTarget("decision", decision_id, newest, "List them with `gonogo decisions`.")
    return found
