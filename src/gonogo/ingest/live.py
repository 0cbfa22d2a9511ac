"""Observations that a caller hands over as objects: checked one by one, stored together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Protocol

from gonogo.answers import RecordAnswer, RejectedItem, rfc3339
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.times import localized
from gonogo.records import Observation, Rejection
from gonogo.text.ahead_of_clock import SKEW_MS, ahead_text
from gonogo.text.forms import counted, number

if TYPE_CHECKING:
    from gonogo.records import BatchReport


class NotingSink(Protocol):
    """Where observations go, and what is to be said of them."""

    def refuse(self, rejections: Sequence[Rejection], now_ms: int) -> None:
        """Count what was refused, for later answers."""
        ...

    @property
    def notes(self) -> list[str]:
        """What a person should know of what was stored."""
        ...

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch in one transaction; returns after the commit."""
        ...


async def record_batch(
    sink: NotingSink, raw: Sequence[object], *, now_ms: int, zone: tzinfo | None = None
) -> RecordAnswer:
    """Store the well-formed ones in one transaction; name every one that is not, by its index.

    `zone`: of times that state none; None: such times are refused.
    """
    good: list[Observation] = []
    position: list[int] = []
    refused: list[Rejection] = []
    for index, given in enumerate(raw):
        item = localized(given, zone) if isinstance(given, dict) else given
        parsed = parse_observation(item, now_ms=now_ms, from_file=False, position=index)
        if isinstance(parsed, Rejection):
            refused.append(parsed)
        else:
            good.append(parsed)
            position.append(index)
    accepted = duplicates = updated = 0
    if good:
        stored = await sink.record(good, now_ms)
        accepted, duplicates, updated = stored.accepted, stored.duplicates, stored.updated
        refused += [replace(r, position=position[r.position]) for r in stored.rejected]
        again = f"was not stored; send it again: {stored.problem}"
        refused += [
            Rejection(position[at], "observation", again, is_lost=False) for at in stored.left
        ]
    sink.refuse(refused, now_ms)
    rejected = [
        RejectedItem(index=r.position, field=r.field, problem=r.problem)
        for r in sorted(refused, key=lambda r: r.position)
    ]
    return RecordAnswer(
        verdict="caution" if rejected else "go",
        summary=_summary(accepted, duplicates, updated, rejected),
        as_of=rfc3339(now_ms),
        accepted=accepted,
        duplicates=duplicates,
        updated=updated,
        rejected=rejected,
        notes=[*_notes(good, now_ms), *sink.notes] or None,
    )


def _notes(stored: Sequence[Observation], now_ms: int) -> list[str]:
    """What is odd about what was taken, though nothing was refused for it."""
    ahead = [one.ts_ms for one in stored if one.ts_ms > now_ms + SKEW_MS]
    return [f"{ahead_text(len(ahead), rfc3339(max(ahead)))}"] if ahead else []


def _summary(accepted: int, duplicates: int, updated: int, rejected: list[RejectedItem]) -> str:
    told = f"{number(accepted)} recorded"
    told += f", {counted(updated, 'late outcome')} filled in" if updated else ""
    told += f", {number(duplicates)} already known" if duplicates else ""
    told += f", {number(len(rejected))} refused" if rejected else ""
    return told + "."
