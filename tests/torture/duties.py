"""What the processes do that are killed: each tells a line for whatever it was told is done."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio

from fallback_world import DAY, world
from gonogo.answers import FallbackResult
from gonogo.app import Gonogo
from gonogo.errors import ActionRefused, UnknownTarget
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.observations import retention
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.sqlite.database import Database

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
STORE = "store.db"
BUDGET = BudgetSettings("nightly", 10**12)
ENDLESS = 1 << 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process works, by which clock, and what is its own name and how long it goes on."""

    folder: Path
    name: str
    tell: Callable[[str], None]
    now_ms: int = NOON_MS
    turns: int = ENDLESS

    @property
    def settings(self) -> Settings:
        """One budget that is never spent."""
        return Settings(store=str(self.folder / STORE), budgets={"nightly": BUDGET})

    def call(self, turn: int) -> Observation:
        """A call of its own, in one of three days, with a cost."""
        return Observation(
            dependency="model",
            ts_ms=self.now_ms - turn % 3 * DAY_MS + turn,
            id=f"{self.name}-{turn}",
            outcome=float(turn % 4 > 0),
            outcome_ts_ms=self.now_ms,
            latency_ms=float(turn),
            cost_micro_usd=turn,
            budget="nightly",
            item="q" if turn % 3 == 0 else None,
            segments={"tier": "ab"[turn % 2]},
        )


@asynccontextmanager
async def _telemetry(place: Place) -> AsyncIterator[StoredTelemetry]:
    database = await Database.open(place.folder / STORE)
    try:
        yield StoredTelemetry(database, place.settings)
    finally:
        await database.close()


async def record(place: Place) -> None:
    """One call at a time, three at once, so that they share transactions."""
    async with _telemetry(place) as telemetry, anyio.create_task_group() as tasks:

        async def some(first: int) -> None:
            for turn in range(first, place.turns, 3):
                call = place.call(turn)
                assert (await telemetry.record([call], place.now_ms)).accepted == 1
                place.tell(f"call {call.id}")

        for first in range(3):
            tasks.start_soon(some, first)


async def ingest(place: Place) -> None:
    """A hundred calls at a time."""
    async with _telemetry(place) as telemetry:
        for turn in range(place.turns):
            calls = [place.call(turn * 100 + i) for i in range(100)]
            assert (await telemetry.record(calls, place.now_ms)).accepted == 100
            place.tell("\n".join(f"call {call.id}" for call in calls))


async def reserve(place: Place) -> None:
    """Hold money under a key."""
    async with Gonogo(place.settings, clock=lambda: place.now_ms) as app:
        for turn in range(place.turns):
            key = f"{place.name}-{turn}"
            place.tell(f"held {await _held(app, key)}")


async def _held(app: Gonogo, key: str) -> str:
    answer = await app.check_budget_with_confidence(
        "nightly", planned_cost_usd=0.01, reserve=True, idempotency_key=key
    )
    assert answer.reservation is not None
    return answer.reservation.id


async def settle(place: Place) -> None:
    """Hold money, spend some of it by a call, and settle at another amount."""
    async with Gonogo(place.settings, clock=lambda: place.now_ms) as app:
        for turn in range(place.turns):
            held = await _held(app, f"{place.name}-{turn}")
            spent = {"dependency": "model", "cost_usd": 0.004, "reservation": held}
            await app.record_observations([spent])
            await app.settle_reservation(held, 0.006)
            place.tell(f"settled {held}")


async def apply(place: Place) -> None:
    """Fall back and take it back."""
    async with world(place.folder) as w:
        for _ in range(place.turns):
            newest = await w.routes.route("m")
            w.now_ms = (newest.changed_ms if newest else w.now_ms) + 2 * DAY
            await w.reconciled()
            # The other process was faster, or swept the plan: its clock may be days ahead.
            with suppress(ActionRefused, UnknownTarget):
                route = await w.routes.route("m")
                if route is None or route.is_primary:
                    result = await w.apply((await w.plan()).plan_id)
                else:
                    assert route.audit_id is not None
                    result = await w.undo(route.audit_id)
                assert isinstance(result, FallbackResult)
                place.tell(f"acted {result.audit_id}")


async def ask(place: Place) -> None:
    """Record a call an hour, and ask for drift each time: its state is kept on the way."""
    start_ms = place.now_ms + int(place.name.split("-")[0]) * 10 * DAY_MS
    now_ms = start_ms
    async with Gonogo(place.settings, clock=lambda: now_ms) as app:
        for turn in range(place.turns):
            now_ms = start_ms + turn * HOUR_MS
            name = f"{place.name}-{turn}"
            call = {"dependency": "model", "id": name, "outcome": turn % 4 > 0}
            assert (await app.record_observations([call])).accepted == 1
            place.tell(f"call {name}")
            await app.check_model_drift("model")


async def drift_of(folder: Path) -> list[str]:
    """What is said of drift: with the states that were kept, and twice without."""
    said = []
    for forget in (False, True, True):
        if forget:
            with closing(sqlite3.connect(folder / STORE)) as connection, connection:
                connection.execute("DELETE FROM state_cache")
        place = Place(folder, "", print)
        async with Gonogo(place.settings, clock=lambda: NOON_MS + 2000 * DAY_MS) as app:
            report = await app.check_model_drift("model", detail="full")
            said.append(report.model_dump_json(exclude={"decision_id"}))
    return said


async def compact(place: Place) -> None:
    """Record in a day of its own, and let all but the last days go, seven rows at a time."""
    retention.ROWS_A_STEP = 7
    database = await Database.open(place.folder / STORE)
    telemetry = StoredTelemetry(database, place.settings)
    for turn in range(place.turns):
        # Its clock goes on by a day a round: what came before gets old.
        now_ms = place.now_ms + int(place.name.split("-")[0]) * DAY_MS
        calls = [
            Observation(
                dependency="model", ts_ms=now_ms - i * DAY_MS, id=f"{place.name}-{turn}-{i}"
            )
            for i in range(4)
        ]
        await telemetry.record(calls, now_ms)
        place.tell(f"call {calls[0].id}")
        if turn % 5 == 4:
            await retention.let_go(database, days=2, now_ms=now_ms)
    await database.close()


async def everything(place: Place) -> None:
    """All of it in turn, opening the store anew each time: `turns` rounds."""
    for turn in range(place.turns):
        for duty in (record, ingest, reserve, settle, apply):
            few = 2 if duty is ingest else 6
            name = f"{place.name}-{duty.__name__}-{turn}"
            await duty(Place(place.folder, name, place.tell, place.now_ms, few))


DUTIES: dict[str, Callable[[Place], Awaitable[None]]] = {
    duty.__name__: duty
    for duty in (record, ingest, reserve, settle, apply, ask, compact, everything)
}


def teller(descriptor: int) -> Callable[[str], None]:
    """Tells lines through a descriptor, each whole: a pipe takes 4096 bytes at once."""

    def tell(line: str) -> None:
        os.write(descriptor, f"{line}\n".encode())

    return tell
