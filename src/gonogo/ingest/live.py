"""Observations that a caller hands over as objects: checked one by one, stored together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Protocol

from gonogo.answers import RecordAnswer, RejectedItem, rfc3339
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.times import localized
from gonogo.records import BatchReport, Observation, Rejection
from gonogo.text.forms import counted, number
from gonogo.text.row_notes import (
    NO_SHARED_IDS,
    SKEW_MS,
    ahead_text,
    contradictions_text,
    corrections_text,
)


class NotingSink(Protocol):
    """A sink for observations that also notes what is odd about them."""

    def refuse(self, rejections: Sequence[Rejection], now_ms: int) -> None:
        """Count what was refused, for later answers."""
        ...

    @property
    def notes(self) -> list[str]:
        """The notes on what was stored, for a person to read."""
        ...

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch in one transaction; returns after the commit."""
        ...


async def record_batch(
    sink: NotingSink, raw: Sequence[object], *, now_ms: int, zone: tzinfo | None = None
) -> RecordAnswer:
    """Store the well-formed observations in one transaction; name every malformed one by its index.

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
    stored = BatchReport()
    if good:
        stored = await sink.record(good, now_ms)
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
        summary=_summary(stored, rejected),
        as_of=rfc3339(now_ms),
        accepted=stored.accepted,
        duplicates=stored.duplicates,
        updated=stored.updated,
        rejected=rejected,
        notes=[*_notes(good, stored, now_ms), *sink.notes] or None,
    )


def _notes(taken: Sequence[Observation], stored: BatchReport, now_ms: int) -> list[str]:
    """Note what is odd about observations that were accepted."""
    ahead = [one.ts_ms for one in taken if one.ts_ms > now_ms + SKEW_MS]
    notes = [ahead_text(len(ahead), rfc3339(max(ahead)))] if ahead else []
    if stored.corrected:
        notes.append(corrections_text(stored.corrected, stored.corrected_nano_usd))
    if stored.contradicted:
        notes.append(contradictions_text(stored.contradicted))
    return notes + NO_SHARED_IDS.and_of(taken, stored).words()


def _summary(stored: BatchReport, rejected: list[RejectedItem]) -> str:
    told = f"{number(stored.accepted)} recorded"
    told += f", {counted(stored.updated, 'known call')} updated" if stored.updated else ""
    told += f", {number(stored.duplicates)} already known" if stored.duplicates else ""
    told += f", {number(len(rejected))} refused" if rejected else ""
    return told + "."
