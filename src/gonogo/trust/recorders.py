"""Whose observations of a dependency count: `recorders` in its table, on every way in."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import BatchReport
    from gonogo.settings import Settings

__all__ = ["PROBE_WRITER", "kept_of", "may_record", "refused_of", "with_refused"]

# Who writes what a probe was answered, whoever started it.
PROBE_WRITER = "probe"


def may_record(settings: Settings, dependency: str, writer: str) -> bool:
    """Whether a writer's observations of a dependency count. A probe is asked by gonogo itself."""
    recorders = settings.dependency(dependency).recorders
    if not recorders or writer == PROBE_WRITER:
        return True
    return any(fnmatchcase(writer, pattern) for pattern in recorders)


def refused_of(names: Sequence[str], settings: Settings, writer: str) -> list[Rejection]:
    """What a writer may not say, of the dependencies of a batch; each by its index there."""
    barred = {name for name in set(names) if not may_record(settings, name, writer)}
    if not barred:
        return []
    return [
        Rejection(
            at,
            "dependency",
            f"is recorded by {plain(', '.join(settings.dependency(name).recorders), 80)} "
            f"(`recorders` in gonogo.toml), and this came by {plain(writer, 80)}",
            name,
            is_lost=False,
        )
        for at, name in enumerate(names)
        if name in barred
    ]


def kept_of(names: Sequence[str], refused: Sequence[Rejection]) -> list[int]:
    """The indexes of what was not refused."""
    barred = {each.position for each in refused}
    return [at for at in range(len(names)) if at not in barred]


def with_refused(
    stored: BatchReport, refused: Sequence[Rejection], kept: Sequence[int]
) -> BatchReport:
    """The report on a whole batch, of that on the part that was kept, by the indexes of which."""
    own = [replace(each, position=kept[each.position]) for each in stored.rejected]
    every = sorted([*own, *refused], key=lambda each: each.position)
    return replace(stored, rejected=tuple(every), left=tuple(kept[at] for at in stored.left))
