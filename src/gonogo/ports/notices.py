"""What telling people needs from outside: who was told what, and the ways to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gonogo.ports.actuators import Step
    from gonogo.ports.routes import Event, Handled


@dataclass(frozen=True, slots=True)
class Notice:
    """An incident as it stands, for somebody who has seen its timeline up to `told`.

    `events` is the whole timeline; the lines after the first `told` are news.
    """

    incident: Handled
    events: tuple[Event, ...]
    told: int = 0

    @property
    def news(self) -> tuple[Event, ...]:
        """What its reader has not seen."""
        return self.events[self.told :]

    @property
    def key(self) -> str:
        """What messages about one cause have in common; a new incident of it has the same."""
        return f"gonogo/{self.incident.dependency}/{self.incident.cause}"

    @property
    def headline(self) -> str:
        """One line: what, in which state, since when suspected of what."""
        incident = self.incident
        told = f"{incident.dependency} {incident.status}: {incident.why}"
        return f"{told} Suspected: {incident.suspected}." if incident.suspected else told


class Notifier(Protocol):
    """A way to tell people. What can go wrong outside is a `Step`, never raised."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether what is not over has to be told again and again, since it is forgotten."""
        ...

    async def tell(self, notice: Notice, *, now_ms: int) -> Step:
        """Tell it once. Telling it twice must not look like two incidents."""
        ...


class Notices(Protocol):
    """Who was told what."""

    async def due(self, notifier: str) -> list[Notice]:
        """Incidents that are not over, and those that a notifier was told of and has to hear more."""
        ...

    async def mark_told(self, notifier: str, incident_id: str, seq: int) -> None:
        """Remember that a notifier has seen the first `seq` lines of a timeline."""
        ...
