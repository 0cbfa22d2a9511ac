"""An action and its entry in the log are one transaction: never one without the other."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import engines
from gonogo.app import Gonogo
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.engine import Connection

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000
CALLS = 60
# Reserves and settles until it is killed.
ENDLESS = """
import sys, anyio
from gonogo.app import Gonogo
from gonogo.settings import BudgetSettings, Settings

async def main():
    budget = {"nightly": BudgetSettings("nightly", 10**12)}
    settings = Settings(store=sys.argv[1], budgets=budget)
    async with Gonogo(settings, clock=lambda: 1_767_268_800_000, actor="agent") as app:
        while True:
            held = await app.check_budget_with_confidence(
                "nightly", planned_cost_usd=0.01, reserve=True
            )
            print("held", flush=True)
            await app.settle_reservation(held.reservation.id, 0.02)

anyio.run(main)
"""


def settings_of(folder: Path) -> Settings:
    """A store with one budget that is never spent."""
    budget = {"nightly": BudgetSettings("nightly", 10**12)}
    return Settings(store=engines.store_of(folder), budgets=budget)


def killed(store: str, held: int) -> None:
    """Let a process reserve and settle, and kill it some time after it has held so often."""
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, store], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(held):
        assert process.stdout.readline() == b"held\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()


async def logged(app: Gonogo) -> tuple[Counter[str], Counter[str], set[str], set[str]]:
    """Reservations that entries say were held and closed; those that are, open or not, and closed."""

    def work(connection: Connection) -> tuple[Counter[str], Counter[str], set[str], set[str]]:
        held, closed = Counter[str](), Counter[str]()
        for kind, answer in connection.execute(
            "SELECT kind, answer FROM decision WHERE action = 1"
        ):
            said = json.loads(answer)
            if kind == "settle_reservation":
                closed[said["reservation_id"]] += 1
            elif said.get("reservation"):
                held[said["reservation"]["id"]] += 1
        rows = connection.execute("SELECT id, state FROM reservation").fetchall()
        return held, closed, {row[0] for row in rows}, {row[0] for row in rows if row[1] != "open"}

    return await (await app.stores()).db.read(work)


async def assert_one_entry_each(app: Gonogo) -> int:
    """Each hold and each settlement has one entry, each entry its money; how many holds there are."""
    held, closed, made, ended = await logged(app)
    assert held == Counter(made)
    assert closed == Counter(ended)
    assert (await app.verify_audit()).problem is None
    return len(made)


async def test_calls_that_are_cancelled_leave_both_or_neither(tmp_path: Path) -> None:
    """An agent that gives up in the middle of a reservation or of a settlement."""
    dice = random.Random(1)  # noqa: S311 - a fixed order
    async with Gonogo(settings_of(tmp_path), clock=lambda: NOW_MS, actor="agent") as app:
        await app.stores()

        async def spend() -> None:
            with anyio.move_on_after(dice.choice([0.0, 0.001, 0.003, 0.01, 5])):
                held = await app.check_budget_with_confidence(
                    "nightly", planned_cost_usd=0.01, reserve=True
                )
                assert held.reservation is not None
                await app.settle_reservation(held.reservation.id)

        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(spend)
    async with Gonogo(settings_of(tmp_path), clock=lambda: NOW_MS, actor="agent") as app:
        assert await assert_one_entry_each(app) > CALLS // 6


@pytest.mark.parametrize("seed", range(2))
async def test_a_killed_process_leaves_both_or_neither(tmp_path: Path, seed: int) -> None:
    """SIGKILL at a moment that nobody chose, under a process that reserves and settles."""
    dice = random.Random(seed)  # noqa: S311 - a fixed moment
    settings = settings_of(tmp_path)
    await anyio.to_thread.run_sync(partial(killed, settings.store, dice.randrange(1, 40)))
    async with Gonogo(settings, clock=lambda: NOW_MS, actor="agent") as app:
        assert await assert_one_entry_each(app) >= 1


async def test_asking_again_holds_settles_and_logs_nothing_again(tmp_path: Path) -> None:
    """The same key gets the same hold, marked as a replay, which names the entry written then."""
    async with Gonogo(settings_of(tmp_path), clock=lambda: NOW_MS, actor="agent") as app:
        asked = {"planned_cost_usd": 0.01, "reserve": True, "idempotency_key": "k"}
        first = await app.check_budget_with_confidence("nightly", **asked)  # type: ignore[arg-type]  # by name
        again = await app.check_budget_with_confidence("nightly", **asked)  # type: ignore[arg-type]  # by name
        assert again.replayed
        assert (again.reservation, again.decision_id) == (first.reservation, first.decision_id)
        assert first.reservation is not None
        assert first.decision_id is not None
        entry = await app.decision(first.decision_id)
        assert (entry.action, entry.budget) == (True, "nightly")
        settled = await app.settle_reservation(first.reservation.id, 0.02)
        assert (await app.decision(settled.decision_id or "")).budget == "nightly"
        twice = await app.settle_reservation(first.reservation.id, 0.02)
        assert twice.decision_id not in (None, settled.decision_id)
        assert not (await app.decision(twice.decision_id or "")).action
        assert await assert_one_entry_each(app) == 1


async def test_costs_beyond_the_largest_sum_leave_the_books_balanced(tmp_path: Path) -> None:
    """Ten calls of the most that one may cost, on one reservation."""
    async with Gonogo(settings_of(tmp_path), clock=lambda: NOW_MS, actor="agent") as app:
        held = await app.check_budget_with_confidence("nightly", planned_cost_usd=1, reserve=True)
        assert held.reservation is not None
        most = {"dependency": "m", "cost_usd": 1e9, "reservation": held.reservation.id}
        for _ in range(10):
            assert (await app.record_observations([most])).accepted == 1
        found = await app.compare(60)
        assert [figure.said for figure in found.figures if figure.amiss] == []
        settled = await app.settle_reservation(held.reservation.id)
        assert settled.actual_usd == 9e9  # the largest sum that is kept
        found = await app.compare(60)
        assert [figure.said for figure in found.figures if figure.amiss] == []
