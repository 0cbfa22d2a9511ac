"""Times in which nobody is woken for a dependency: evidence, incidents and answers go on."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Silence:
    """From when until when nobody is woken for a dependency, or for all that a pattern names."""

    id: str
    dependency: str
    reason: str
    actor: str
    start_ms: int
    until_ms: int

    def covers(self, dependency: str, now_ms: int) -> bool:
        """Whether it holds for a dependency now."""
        return self.start_ms <= now_ms < self.until_ms and (
            self.dependency == dependency or fnmatchcase(dependency, self.dependency)
        )


class Silences(Protocol):
    """The silences that people have said."""

    async def add(self, silence: Silence) -> None:
        """Keep one."""
        ...

    async def end(self, dependency: str, *, now_ms: int) -> int:
        """End those of this name that hold now; how many."""
        ...

    async def standing(self, *, now_ms: int) -> list[Silence]:
        """The silences that are not over, the first to end first."""
        ...
