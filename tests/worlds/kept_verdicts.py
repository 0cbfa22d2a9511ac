"""Standing verdicts in memory, for a trust check without a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gonogo.records import PartVerdict, StandingVerdict


@dataclass
class Verdicts:
    """The only part of a decision log that the fleet reads."""

    last: dict[str, StandingVerdict] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)

    async def first_scored(self, names: Sequence[str]) -> dict[str, int]:
        """What was set of these."""
        return {name: self.first[name] for name in names if name in self.first}

    def say(self, verdicts: Mapping[str, PartVerdict]) -> None:
        """Kept at once."""
        for name, said in verdicts.items():
            self.last[name] = self.last.get(name, StandingVerdict()).with_newer(said, said.ts_ms)

    @property
    def heard_of(self) -> list[str]:
        """All that was set or said."""
        return list(self.last)

    def heard(self, stored: Mapping[str, StandingVerdict]) -> dict[str, StandingVerdict]:
        """What was set or said of these."""
        return {name: self.last[name] for name in stored if name in self.last}

    async def standing(self, names: Sequence[str] | None = None) -> dict[str, StandingVerdict]:
        """What was set or said."""
        return {n: v for n, v in self.last.items() if names is None or n in names}
