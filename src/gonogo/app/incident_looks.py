"""The step from a verdict to incidents: each is opened, followed or closed by what was found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from gonogo.answers import DriftReport, TrustReport
from gonogo.errors import StoreError
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.plan import told_targets
from gonogo.fallback.traffic import is_left
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.ports.promotions import SHADOW
from gonogo.settings import Settings
from gonogo.store.reads.telemetry_store import StoredTelemetry


async def look_for_incident(
    ports: FallbackPorts,
    telemetry: StoredTelemetry,
    settings: Settings,
    report: DriftReport | TrustReport,
    *,
    new_id: Callable[[], str],
    dependency: str,
    signal: str,
    now_ms: int,
) -> None:
    """Let a verdict about now open, follow or close an incident.

    Not of a shadow: nobody sees its answers, and what is bad there its promotion takes back.
    """
    if dependency.endswith(SHADOW):
        shadowed = await ports.routes.route(dependency.removesuffix(SHADOW))
        if shadowed and shadowed.promotion and shadowed.promotion.shadow_name == dependency:
            return
    route = await ports.routes.route(dependency)
    drift = report if isinstance(report, DriftReport) else None
    evidence = drift.evidence if drift else None
    is_bad = report.verdict == "no_go"
    outage = await ports.health.outage(dependency, now_ms=now_ms) if is_bad else None
    known = await telemetry.dependency(dependency) if is_bad else None
    own = settings.dependency(dependency)
    look = VerdictReading(
        dependency=dependency,
        verdict=report.verdict,
        # In an outage what failed is the news, not what it did to a score.
        why=report.summary if outage is None else f"outage: {outage}",
        kind="decline" if outage is None else "outage",
        provider=own.provider or (known.provider if known else None),
        ts_ms=now_ms,
        decision_id=report.decision_id,
        e_value=evidence.e_value if evidence else None,
        needed=evidence.needed if evidence else None,
        onset_ms=_epoch_ms(drift.onset.ts) if drift and drift.onset else None,
        on_primary=route is None or route.is_primary,
        goes_to=told_targets(route.targets) if route is not None and is_left(route) else None,
        signal=signal,
    )
    with suppress(StoreError):  # the next look writes what this one could not
        await note_verdict(
            ports.incidents,
            look,
            new_id=new_id,
            suspect=lambda: _suspected(
                ports, telemetry, settings, report, dependency, now_ms=now_ms
            ),
        )


async def _suspected(
    ports: FallbackPorts,
    telemetry: StoredTelemetry,
    settings: Settings,
    report: DriftReport | TrustReport,
    dependency: str,
    *,
    now_ms: int,
) -> str | None:
    """List possible causes of a degradation for the incident that is about to be opened."""
    from gonogo.incidents.suspects import suspected_cause
    from gonogo.trust.trust_check import check_trust

    drift = report if isinstance(report, DriftReport) else None
    trust = (
        await check_trust(
            telemetry,
            ports.decisions,
            settings,
            dependency=dependency,
            now_ms=now_ms,
        )
        if drift
        else report
    )
    known = await telemetry.dependency(dependency)
    return suspected_cause(drift, trust if isinstance(trust, TrustReport) else None, known)


def _epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
