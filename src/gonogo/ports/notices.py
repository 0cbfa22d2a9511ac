"""The contract of telling people: who was told what, and the ways to tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gonogo.ports.actuators import Step
    from gonogo.ports.incidents import Event, IncidentRecord, Kind, Status

Severity = Literal["critical", "error", "warning", "info"]
SEVERITIES: Mapping[Kind, Severity] = {
    "outage": "critical",
    "decline": "error",
    "budget": "warning",
    "plan": "warning",
    "shift": "info",
    "promotion": "info",
    "test": "info",
}
# A page is in the state of the part that needs people most.
URGENCY: tuple[Status, ...] = ("open", "acknowledged", "mitigated", "recovering", "resolved")
INCIDENT_KINDS = ("outage", "decline")
NAMED = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """An incident or other matter as it stands, for a reader who has seen its timeline up to `told`.

    An incident; or a plan that waits or a budget that runs out, in the same form. `events` is the
    whole timeline; the lines after the first `told` are news. `command`: what to run next, where
    the incident alone does not say. `link`: where a person answers it in a browser.
    """

    incident: IncidentRecord
    events: tuple[Event, ...]
    told: int = 0
    command: str | None = None
    link: str | None = None

    @property
    def news(self) -> tuple[Event, ...]:
        """The events that its reader has not seen."""
        return self.events[self.told :]


@dataclass(frozen=True, slots=True)
class Pace:
    """A forecast whether a budget lasts: its time, its words, the settings and the window it was made for."""

    asked: tuple[str, int | None]
    at_ms: int
    notice: Notice | None


@dataclass(frozen=True, slots=True)
class Page:
    """All that is told under one key: one thing, or all that befell one provider within an hour.

    `parts` are at least one, the oldest first; `url` is where the dashboard is; `laddered` are the
    dependencies that have somewhere to fall back to.
    """

    parts: tuple[Notice, ...]
    url: str | None = None
    laddered: frozenset[str] = frozenset()

    @property
    def first(self) -> IncidentRecord:
        """The part to show first: the oldest of the most urgent ones."""
        return min(self.parts, key=lambda part: URGENCY.index(part.incident.status)).incident

    @property
    def key(self) -> str:
        """The key that groups messages about it; a new incident of the same cause has the same key."""
        return self.first.key

    @property
    def kind(self) -> Kind:
        """The kind of its most urgent part."""
        return min((p.incident.kind for p in self.parts), key=list(SEVERITIES).index)

    @property
    def severity(self) -> Severity:
        """The urgency: an outage before a slow decline, and that before money or a plan."""
        return SEVERITIES[self.kind]

    @property
    def status(self) -> Status:
        """The state of the part that needs people most."""
        return self.first.status

    @property
    def is_new(self) -> bool:
        """Whether its reader was told nothing of any part yet."""
        return not any(part.told for part in self.parts)

    @property
    def group(self) -> str | None:
        """The provider that its parts share, if any."""
        return self.first.provider

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The dependencies that the page is about, each once."""
        return tuple(dict.fromkeys(part.incident.dependency for part in self.parts))

    @property
    def headline(self) -> str:
        """The headline: the matter, its state, and its suspect with the time."""
        first, names = self.first, self.dependencies
        who = first.dependency
        if len(names) > 1:
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            who = (
                f"{first.provider}: {len(names):,} dependencies ({', '.join(names[:NAMED])}{more})"
            )
        # A plan, a budget or a test is in no state worth a word until it is over.
        state = f" {self.status}" if self.kind in INCIDENT_KINDS or self.status != "open" else ""
        told = f"{who}{state}: {first.why}"
        end = "" if told.endswith(".") else "."
        return f"{told}{end} Suspected: {first.suspected}." if first.suspected else told

    @property
    def events(self) -> tuple[Event, ...]:
        """The timelines of all parts, in order; each line says whose it is where that is a question."""
        return self._lines([(part, part.events) for part in self.parts])

    @property
    def news(self) -> tuple[Event, ...]:
        """The events that its reader has not seen, in the order of `events`."""
        return self._lines([(part, part.news) for part in self.parts])

    def _lines(self, timelines: Sequence[tuple[Notice, tuple[Event, ...]]]) -> tuple[Event, ...]:
        lines = [(part.incident.dependency, event) for part, seen in timelines for event in seen]
        lines.sort(key=lambda line: line[1].ts_ms)
        if len(self.dependencies) == 1:
            return tuple(event for _, event in lines)
        return tuple(replace(event, event=f"{who}: {event.event}") for who, event in lines)

    @property
    def command(self) -> str:
        """The command to run next."""
        first = self.first
        stated = next((part.command for part in self.parts if part.command), None)
        if stated is not None:
            return stated
        name = shlex.quote(first.dependency)  # it is pasted into a shell
        commands: dict[Kind, str] = {
            "plan": "gonogo plans" if first.status == "resolved" else f"gonogo approve {first.id}",
            "budget": f"gonogo check budget {name}",
            "shift": f"gonogo check drift {name}",
            "promotion": f"gonogo promote {name}",
            "test": "gonogo doctor",
        }
        return commands.get(self.kind) or self._way_back or f"gonogo incidents --id {first.id}"

    @property
    def _way_back(self) -> str | None:
        """Plans a fallback of what is open and has a ladder."""
        for incident in (part.incident for part in self.parts):
            if incident.status in ("open", "acknowledged") and incident.dependency in self.laddered:
                name = shlex.quote(incident.dependency)
                return f"gonogo fallback {name} --reason {self.kind}"
        return None

    @property
    def link(self) -> str | None:
        """The address to open it in a browser, or to answer it, where that is configured."""
        stated = next((part.link for part in self.parts if part.link), None)
        if stated is not None:
            return stated
        return None if self.url is None else f"{self.url.rstrip('/')}/#view=incidents"


class Notifier(Protocol):
    """A way to tell people. What can go wrong outside is a `Step`, never raised."""

    @property
    def name(self) -> str:
        """The name under which it is configured."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether what is not over has to be told again and again, since it is forgotten."""
        ...

    async def tell(self, page: Page, *, now_ms: int) -> Step:
        """Tell people of a page once; told twice, it must not look like two incidents."""
        ...


class Notices(Protocol):
    """The record of who was told of which incident."""

    async def due(self, notifier: str) -> list[Notice]:
        """Incidents that are not over, and those that a notifier was told of and has to hear more."""
        ...

    async def mark_told(self, notifier: str, incident_id: str, seq: int) -> None:
        """Note that a notifier has told the first `seq` lines of an incident's timeline."""
        ...

    async def messages(self, notifier: str) -> dict[str, int]:
        """Count the messages sent to a notifier about matters other than incidents, by subject."""
        ...

    async def mark_message(self, notifier: str, subject: str, seq: int) -> None:
        """Note how many events of a subject a notifier has told; 0 forgets the subject."""
        ...


@dataclass(frozen=True, slots=True)
class Silence:
    """A period in which nobody is paged for a dependency, or for all that a pattern names."""

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
