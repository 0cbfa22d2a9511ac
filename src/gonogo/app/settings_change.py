"""An open store under an edited configuration."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.app.parts import fallback_ports
from gonogo.errors import StoreError
from gonogo.money.planned_spend import Forecasts
from gonogo.records import Decision
from gonogo.text.config_changes import config_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from gonogo.app.parts import Stores
    from gonogo.settings import Settings

__all__ = ["log_change", "reconfigured"]

KIND = "edit_configuration"


def reconfigured(stores: Stores, settings: Settings, *, clock: Callable[[], int]) -> Stores:
    """The open store, configured anew; questions that are under way go on with it as it was."""
    telemetry = stores.telemetry.under(settings)
    ledger = stores.ledger.under(settings)
    books = stores.routes, stores.decisions, stores.incidents
    return replace(
        stores,
        telemetry=telemetry,
        ledger=ledger,
        fallback=fallback_ports(telemetry, ledger, books, settings, clock=clock),
        settings=settings,
        forecasts=Forecasts(),
    )


async def log_change(stores: Stores, before: Settings, *, now_ms: int) -> None:
    """Write what an edit changed to the log, once for all processes that follow it."""
    settings = stores.settings
    if not stores.log_is_writable or settings.read_only:
        return
    with suppress(StoreError):  # the question that follows says it
        newest = await stores.decisions.decisions(dependency=None, kind=KIND, limit=1)
        if newest and newest[0].settings_digest == settings.digest:
            return
        asked = json.dumps({"before": before.digest, "after": settings.digest})
        entry = Decision(
            id=stores.new_id(now_ms),
            ts_ms=now_ms,
            kind=KIND,
            verdict=None,
            summary=f"gonogo.toml was edited: {config_changes(before, settings)}.",
            inputs=asked,
            answer=asked,
            action=True,
            dependency=None,
            actor=stores.actor,
            settings_digest=settings.digest,
            last_ts_ms=now_ms,
        )
        await stores.decisions.append(entry)
