"""The checks that every actuator makes before it changes anything."""

from __future__ import annotations

from gonogo.ports.actuators import ActuatorReading, Step
from gonogo.ports.routes import Route


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
