"""Incidents as actions need them of a store; and the values that pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gonogo.records import Decision, Verdict

Status = Literal["open", "acknowledged", "mitigated", "recovering", "resolved"]
# What people are told of, the most urgent first.
Kind = Literal["outage", "decline", "budget", "plan", "shift", "promotion", "test"]


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """A degradation that is being handled: one cause, any number of signals that say no_go.

    `page` is the key under which it is told together with others of its `provider`; None: its own.
    """

    id: str
    dependency: str
    cause: str
    status: Status
    opened_ms: int
    changed_ms: int
    why: str
    verdict: Verdict
    onset_ms: int | None = None
    false_alarm: bool = False
    bad_signals: tuple[str, ...] = ()
    well_since_ms: int | None = None
    suspected: str | None = None
    kind: Kind = "decline"
    provider: str | None = None
    page: str | None = None
    owner: str | None = None

    @property
    def what(self) -> str:
        """The fault in one word: an outage is no matter of quality."""
        return self.kind if self.kind == "outage" else self.cause

    @property
    def key(self) -> str:
        """The key that groups messages about it; a new incident of the same cause has the same key."""
        return self.page or f"gonogo/{self.dependency}/{self.cause}"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an incident's timeline."""

    ts_ms: int
    event: str
    actor: str
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """A change to write: the incident (None: as it is), and since when one is suspected.

    `entry`: of a person's action, for the log; it is kept together with what it did.
    """

    incident: IncidentRecord | None = None
    events: tuple[Event, ...] = ()
    suspected_ms: int | None = None
    entry: Decision | None = None


TurnOf = Callable[[IncidentRecord | None, int | None], IncidentChange]


class Incidents(Protocol):
    """Incidents, one unresolved for each dependency and cause."""

    async def standing(
        self, dependency: str, cause: str, signal: str
    ) -> tuple[IncidentRecord | None, int | None]:
        """The unresolved incident, and since when this signal suspects one (epoch ms)."""
        ...

    async def change(
        self, dependency: str, cause: str, signal: str, turn: TurnOf
    ) -> IncidentRecord | None:
        """Show `turn` the unresolved incident and the suspicion, and write what it decides.

        One exclusive transaction. Returns the incident as it stands afterwards.
        """
        ...

    async def note(
        self, dependency: str, cause: str, signal: str, turn: TurnOf
    ) -> IncidentRecord | None:
        """Make a change as `change` does, for an answer that only looks; None where another process holds the store."""
        ...

    async def amend(self, incident_id: str, turn: TurnOf) -> IncidentRecord | None:
        """Change one incident by its id, resolved or not, as `change` does; None if absent."""
        ...

    async def incidents(
        self,
        *,
        dependency: str | None = None,
        status: Status | None = None,
        incident_id: str | None = None,
        limit: int = 50,
    ) -> list[tuple[IncidentRecord, list[Event]]]:
        """Incidents with their timelines: unresolved first, then the newest."""
        ...

    async def counts(
        self, *, dependency: str | None = None, status: Status | None = None
    ) -> dict[tuple[str, Status], int]:
        """Count incidents by dependency and status; dependencies without any are left out."""
        ...

    async def unresolved(self, dependencies: Sequence[str]) -> list[IncidentRecord]:
        """Every incident of these that is not resolved, the newest first, without timelines."""
        ...

    async def together(self, named: str) -> list[IncidentRecord]:
        """The incidents told on the page of one id, or of a page's key; the oldest first."""
        ...

    async def open_page(self, provider: str, kind: Kind, *, since_ms: int) -> str | None:
        """The key of the page that unresolved incidents of a provider since then are told under."""
        ...

    async def changed(self, *, limit: int) -> list[IncidentRecord]:
        """Incidents without their timelines, those that changed last first."""
        ...
