"""How many lives the model of the way back was put through, and in how many states it was seen."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counted:
    """Lives, and the states that they were in."""

    lives: int = 0
    states: set[str] = field(default_factory=set)

    def note(self, *state: object) -> None:
        """Note a state."""
        self.states.add(repr(state))

    def summary(self) -> dict[str, object]:
        """What passes between processes."""
        return {"lives": self.lives, "states": sorted(self.states)}

    def add(self, lives: int, states: list[str]) -> None:
        """Add the counts of another process."""
        self.lives += lives
        self.states.update(states)


COUNTED = Counted()
