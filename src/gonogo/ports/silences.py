"""Times in which nobody is woken for a dependency: evidence, incidents and answers go on."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


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
