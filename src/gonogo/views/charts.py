"""The history behind an answer, for whoever draws it: points of drift, of a fleet, of a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gonogo.answers import Answer, BudgetCheck, DriftReport, PreflightReport, TrustReport, rfc3339
from gonogo.answers.chart_points import BudgetHistory, FleetHistory, History
from gonogo.money.scopes import Traffic
from gonogo.ports.money import Ledger
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import TrustTelemetry
from gonogo.records import DAY_MS, HOUR_MS, MICRO, UNIT_SIZE, HourCounts
from gonogo.settings import Settings

FLEET_DAYS = 21
FLEET_LINES_MAX = 50
BUDGET_POINTS = 40
# A window without a beginning is drawn from so far back.
UNBOUNDED_MS = 30 * DAY_MS
HOURS_A_DAY = 24


async def history_of(
    answer: Answer,
    asked: Mapping[str, object],
    *,
    telemetry: TrustTelemetry,
    ledger: Ledger,
    traffic: Traffic,
    log: DecisionLog,
    settings: Settings,
    now_ms: int,
    days: float | None = None,
) -> History | None:
    """Chart the figures behind an answer over time; None where there is nothing to draw.

    Args:
        answer: What was answered.
        asked: The tool's arguments that it answers.
        telemetry: The rollups.
        ledger: What was spent.
        traffic: Where calls go now.
        log: The decision log.
        settings: The configuration.
        now_ms: Epoch milliseconds.
        days: How far back a drift chart goes; None: as far as shows best what happened.
    """
    match answer:
        case DriftReport():
            from gonogo.drift.drift_chart import drift_history
            from gonogo.drift.finding import DriftQuestion

            known = DriftQuestion.__dataclass_fields__
            question = DriftQuestion(**{k: v for k, v in asked.items() if k in known})  # type: ignore[arg-type] # checked when it was answered
            return await drift_history(
                telemetry, log, settings, question, report=answer, now_ms=now_ms, days=days
            )
        case TrustReport(fleet=lines) if lines:
            names = [line.dependency for line in lines[:FLEET_LINES_MAX]]
            return await fleet_history(telemetry, names, now_ms=now_ms)
        case BudgetCheck(budget=budget) | PreflightReport(budget=BudgetCheck(budget=budget)):
            return await budget_history(ledger, settings, budget, traffic, now_ms=now_ms)
        case _:
            return None


async def fleet_history(
    telemetry: TrustTelemetry, names: Sequence[str], *, now_ms: int
) -> FleetHistory:
    """The last three weeks of each dependency, a point a UTC day; None on days without calls."""
    first_day = now_ms // DAY_MS - FLEET_DAYS + 1
    counts = await telemetry.recent_hours(names, start_hour=first_day * HOURS_A_DAY)
    lines = {name: _by_day(found, first_day) for name, found in counts.items()}
    return FleetHistory(start=rfc3339(first_day * DAY_MS), lines=lines)


def _by_day(counts: HourCounts, first_day: int) -> list[float | None]:
    import numpy as np

    day = counts.hour // HOURS_A_DAY - first_day
    inside = (day >= 0) & (day < FLEET_DAYS)
    labels, good, n, errors = (
        np.bincount(day[inside], column[inside], minlength=FLEET_DAYS)
        for column in (counts.labels, counts.outcome_sum, counts.n, counts.errors)
    )
    of, share = (labels, good / MICRO) if labels.any() else (n, n - errors)
    return [
        part / whole if whole else None
        for part, whole in zip(share.tolist(), of.tolist(), strict=True)
    ]


async def budget_history(
    ledger: Ledger, settings: Settings, budget: str, traffic: Traffic, *, now_ms: int
) -> BudgetHistory:
    """The cumulated spend at each of 40 moments since the window began."""
    from gonogo.money.scopes import budget_chain, scopes_at

    asked = budget_chain(settings, budget)[:1]
    [scope] = await scopes_at(ledger, settings, asked, traffic, now_ms=now_ms)
    start_ms = scope.start_ms if scope.start_ms is not None else now_ms - UNBOUNDED_MS
    step = max((now_ms - start_ms) // BUDGET_POINTS, HOUR_MS // 4)
    moments = [*range(start_ms + step, now_ms, step), now_ms]
    # Money is stored by the quarter hour, so the last point includes the one that is not over.
    ends = [*moments[:-1], now_ms + HOUR_MS // 4]
    balances = await ledger.balances(
        [replace(scope, end_ms=end) for end in ends], now_ms=now_ms, holds_max=0
    )
    return BudgetHistory(
        start=rfc3339(start_ms),
        at_s=[(moment - start_ms) // 1000 for moment in moments],
        spent_usd=[balance.spent_micro_usd / UNIT_SIZE[scope.unit] for balance in balances],
    )
