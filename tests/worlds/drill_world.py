"""The demo's healthy morning as a store to rehearse on."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from gonogo.app import Gonogo
from gonogo.demo.stage import HEALTHY_DAYS, MODEL, PREVIOUS, World
from gonogo.ingest.batches import Reading
from gonogo.ingest.mapping import ColumnMap
from gonogo.settings import BudgetSettings, DependencySettings, Policy, Settings

NOW_MS = 20_717 * 86_400_000  # a UTC midnight, so that every day is whole


def settings_of(store: str, policy: Policy = "allow") -> Settings:
    """The demo's model, with a ladder that ends with rules."""
    own = DependencySettings(
        MODEL,
        kind="model",
        latency_slo_ms=1000,
        fallback=(PREVIOUS, "rules:keyword-list"),
        fallback_policy=policy,
        recovery_share=0.05,
    )
    weekly = BudgetSettings("weekly", 12_000_000, "rolling", 604_800, (MODEL,))
    return Settings(
        store=store,
        dependencies=MappingProxyType({MODEL: own}),
        budgets=MappingProxyType({"weekly": weekly}),
    )


def with_policy(settings: Settings, policy: Policy) -> Settings:
    """The same with another fallback policy of the model."""
    own = replace(settings.dependency(MODEL), fallback_policy=policy)
    return replace(settings, dependencies=MappingProxyType({MODEL: own}))


async def recorded(folder: Path, *, days: int = HEALTHY_DAYS, store: str | None = None) -> Settings:
    """A store with the demo's first days, through the real ingest; they end now."""
    data, settings = folder / "calls.jsonl", settings_of(store or str(folder / "gonogo.db"))
    World().write(data, days, now_ms=NOW_MS)
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        await app.ingest(
            [str(data)],
            ColumnMap(),
            reading=Reading(),
            stdin=io.BytesIO(),
            progress=lambda _: None,
        )
    return settings
