"""All that a fallback needs from outside, as configured, in one value that the application builds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo.ports.actuators import Actuator
    from gonogo.ports.incidents import Incidents
    from gonogo.ports.money import Ledger
    from gonogo.ports.routes import Routes
    from gonogo.ports.target_health import Health
    from gonogo.ports.telemetry import DecisionLog, Telemetry
    from gonogo.settings import Settings

# What is known of a dependency at a time (epoch ms), whole, as a JSON object.
EvidenceOf = Callable[[str, int], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class FallbackPorts:
    """All that a fallback needs from outside. `new_id` makes an id that was never used.

    `evidence_of` is what a plan keeps, so that it is in the audit chain before anything moves.
    """

    routes: Routes
    telemetry: Telemetry
    decisions: DecisionLog
    incidents: Incidents
    health: Health
    actuators: Mapping[str, Actuator]
    settings: Settings
    new_id: Callable[[], str]
    evidence_of: EvidenceOf | None = None
    ledger: Ledger | None = None
