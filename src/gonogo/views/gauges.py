"""Gauges for a monitoring system: a few small reads, and a bounded number of new scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gonogo.money.scopes import Traffic, budget_fills
from gonogo.ports.incidents import Incidents
from gonogo.ports.money import Ledger
from gonogo.ports.routes import Routes, shadow_names
from gonogo.ports.standing_verdicts import CurrentVerdict, verdicts_now
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import KeptScore, TrustTelemetry
from gonogo.records import Unit
from gonogo.settings import Settings
from gonogo.trust.fleet_scores import look_at_fleet

# How long a scrape goes on scoring what came since the last one.
SCRAPE_S = 0.5


@dataclass(frozen=True, slots=True)
class BudgetGauge:
    """One budget in its window, in its unit."""

    unit: Unit
    limit: float
    spent: float
    held: float

    @property
    def remaining(self) -> float:
        """The amount that could still be spent."""
        return self.limit - self.spent - self.held


@dataclass(frozen=True, slots=True)
class Gauges:
    """The values of one scrape.

    Attributes:
        verdicts: Standing verdicts by dependency; without those never asked about.
        scores: Trust scores by dependency.
        budgets: By name.
        incidents: Incidents that are not resolved, by dependency and status.
    """

    verdicts: Mapping[str, CurrentVerdict]
    scores: Mapping[str, KeptScore]
    budgets: Mapping[str, BudgetGauge]
    incidents: Mapping[tuple[str, str], int]


async def read_gauges(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    incidents: Incidents,
    ledger: Ledger,
    settings: Settings,
    *,
    traffic: Traffic,
    may_write: bool,
    has_time: Callable[[], bool],
    routes: Routes,
    now_ms: int,
) -> Gauges:
    """Read every gauge; where `may_write`, scores are made new while `has_time` says so.

    Shadows have none: an alert on any no_go would wake people for what nobody is answered with.
    """
    shadows = await shadow_names(routes)
    if may_write:
        await look_at_fleet(
            telemetry, log, settings, now_ms=now_ms, has_time=has_time, shadows=shadows
        )
    scores = await telemetry.kept_scores()
    fills = await budget_fills(ledger, settings, traffic, now_ms=now_ms)
    counted = await incidents.counts()
    verdicts = await verdicts_now(log, settings, now_ms=now_ms)
    return Gauges(
        verdicts={name: one for name, one in verdicts.items() if name not in shadows},
        scores={one.dependency: one for one in scores if one.dependency not in shadows},
        budgets={
            fill.budget.name: BudgetGauge(fill.budget.unit, *fill.amounts[:3]) for fill in fills
        },
        incidents={key: n for key, n in counted.items() if key[1] != "resolved"},
    )
