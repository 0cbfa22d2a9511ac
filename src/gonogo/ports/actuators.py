"""The contract of every actuator, what it reports of its work, and the checks that each makes before it changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gonogo.ports.routes import Route, Weight

Outcome = Literal["done", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class ActuatorReading:
    """The state that an actuator read. `version` is the one that `apply` expects to find again."""

    status: Literal["known", "absent", "unknown"]
    targets: tuple[Weight, ...] = ()
    epoch: int = 0
    version: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of one request to an actuator or a receiver; success is never assumed.

    `retry_after_s`: how long it wants to be left alone, where it says so.
    """

    status: Outcome
    detail: str
    retry_after_s: float | None = None


class Actuator(Protocol):
    """Makes a route real. Going back is applying the earlier targets under a newer epoch.

    Nothing is raised for what can go wrong outside: a file, a peer. That is a `Step`.
    """

    @property
    def name(self) -> str:
        """The name under which it is configured."""
        ...

    async def read(self, dependency: str) -> ActuatorReading:
        """Read the present state."""
        ...

    def effect(self, route: Route) -> str:
        """Describe in one line what applying this route would do."""
        ...

    def lacks(self, route: Route) -> str:
        """Name the configuration that is missing to make this route real; "" where nothing is."""
        ...

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Bring it about, raising a target before lowering another, with no moment without one.

        Refused where something else is there than `expected_version`, or a newer epoch. Applying
        what is there already changes nothing.
        """
        ...

    async def verify(self, route: Route) -> Step:
        """Read back whether the route is in place."""
        ...


def settled(
    seen: ActuatorReading, route: Route, *, expected_version: str, is_there: bool, what: str
) -> Step | None:
    """The step that ends an `apply` before it began: fenced off, or there already; else None.

    Args:
        seen: What is there now.
        route: What is wanted.
        expected_version: What whoever applies has seen.
        is_there: Whether what is there is what is wanted.
        what: How the failure calls the thing, as "the file".
    """
    if seen.epoch > route.epoch:
        return Step("failed", f"{what} is at the newer epoch {seen.epoch}")
    if seen.version != expected_version:
        return Step("failed", f"something else wrote {what} meanwhile")
    return Step("done", "already there") if is_there else None
