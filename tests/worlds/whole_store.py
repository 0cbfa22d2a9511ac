"""A store with something in every table that a check, a budget and a fallback fill."""

from __future__ import annotations

from gonogo.answers import FallbackPlan
from gonogo.app import Gonogo
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.settings import BudgetSettings, DependencySettings, Settings

NOW_MS = 1_767_268_800_000


def settings_of(store: str) -> Settings:
    """Two dependencies, one the fallback of the other, and a budget."""
    return Settings(
        store=store,
        budgets={"work": BudgetSettings("work", 10**12)},
        dependencies={
            "m": DependencySettings("m", fallback=("n",), fallback_policy="confirm"),
            "n": DependencySettings("n"),
        },
    )


async def filled(app: Gonogo, traffic: Gonogo) -> None:
    """Calls, money, a check that says no, and a fallback because of it."""
    calls = [
        {
            "dependency": name,
            "id": f"{name}{i}",
            "ts": f"2026-01-01T{i % 12:02}:00:00Z",
            "outcome": name == "n" or i % 3 == 0,
            "version": "ab"[i % 2],
            "latency_ms": 3 + i % 7,
            "cost_usd": 0.01,
            "confidence": 0.8,
            "segments": {"tier": ("new", "old")[i % 4 // 2]},
            "prediction": "yes" if i % 2 else "no",
            "input_hash": i % 5,
            "output_hash": i % 5 if name == "n" else i % 3,
            **({"item": f"q{i % 3}"} if i % 10 == 0 else {}),
            **({"error": "timeout"} if i % 20 == 1 else {}),
            **({"budget": "work"} if i % 3 else {}),
        }
        for i in range(60)
        for name in "mn"
    ]
    recorded = await traffic.record_observations(calls)
    assert recorded.accepted == 120, recorded
    held = await app.check_budget_with_confidence("work", planned_cost_usd=0.1, reserve=True)
    assert held.reservation is not None
    spent = {"dependency": "m", "cost_usd": 0.03, "reservation": held.reservation.id}
    await app.record_observations([spent])
    await app.settle_reservation(held.reservation.id, 0.05)
    await app.check_budget_with_confidence("work", planned_cost_usd=0.2, reserve=True)
    await app.check_model_drift("m")
    await app.check_model_drift("m")
    for minute in (-11, 0):
        bad = VerdictReading(
            dependency="m", verdict="no_go", why="it fell", ts_ms=NOW_MS + minute * 60_000
        )
        await note_verdict((await app.stores()).incidents, bad, new_id=lambda: "inc-1")
    plan = await app.trigger_fallback("m", reason="it fell")
    assert isinstance(plan, FallbackPlan)
    await app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
