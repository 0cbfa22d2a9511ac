"""A batch that is stored in parts: where one fails, exactly what was stored is known.

A value that the engine does not hold (a rule of a column, another encoding) fails its transaction; the
part is halved until that value stands alone, and its row alone is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from gonogo.errors import GonogoError, ValueRefused, plain
from gonogo.ports.hour_cells import HourCell
from gonogo.records import BatchReport, Observation, Rejection

Told = TypeVar("Told", bound="Observation | HourCell")

PROBLEM_CHARS_MAX = 300


async def stored_in_parts(
    parts: Iterable[Sequence[tuple[int, Told]]],
    store: Callable[[Sequence[Told]], Awaitable[BatchReport]],
) -> BatchReport:
    """Store parts one after the other, each in a transaction of its own.

    Args:
        parts: Observations, or hour cells, with their indexes in the batch.
        store: Stores some in one transaction; returns after its commit.

    Raises:
        StoreError: The store failed, and nothing was stored.
    """
    done, rejected = BatchReport(), list[Rejection]()
    waiting, has_stored = deque(parts), False
    while waiting:
        part = waiting.popleft()
        try:
            stored = await store([one for _, one in part])
        # An engine's driver, and the store's own code, may raise anything at one row's value.
        except Exception as error:
            if isinstance(error, GonogoError | OSError) and not isinstance(error, ValueRefused):
                if not has_stored:
                    raise
                left = sorted(at for one in (part, *waiting) for at, _ in one)
                done = replace(done, left=tuple(left), problem=str(error))
                break
            half = len(part) // 2
            if half:
                waiting.extendleft((part[half:], part[:half]))
            else:
                rejected.append(_refused(*part[0], error))
            continue
        has_stored = True
        rejected += [replace(one, position=part[one.position][0]) for one in stored.rejected]
        done = added(done, stored)
    rejected.sort(key=lambda one: one.position)
    return replace(done, rejected=tuple(rejected))


def added(one: BatchReport, other: BatchReport) -> BatchReport:
    """The counts of both reports, and the rest of the first."""
    return replace(
        one,
        accepted=one.accepted + other.accepted,
        duplicates=one.duplicates + other.duplicates,
        updated=one.updated + other.updated,
        corrected=one.corrected + other.corrected,
        corrected_nano_usd=one.corrected_nano_usd + other.corrected_nano_usd,
        contradicted=one.contradicted + other.contradicted,
    )


def _refused(at: int, one: Observation | HourCell, error: Exception) -> Rejection:
    said = plain(f"cannot be stored: {error}", PROBLEM_CHARS_MAX)
    return Rejection(at, "observation", said, one.dependency)
