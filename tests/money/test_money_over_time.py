"""Money when time misbehaves, the configuration changes, or a process dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gonogo.errors import UnknownTarget
from gonogo.records import DAY_MS
from money_fakes import MINUTE_MS, NOON_MS, configured, opened, usd_budget

pytestmark = pytest.mark.anyio

WORLDS = Path(__file__).parents[1] / "worlds"


async def test_a_hold_outlives_the_window_that_it_was_made_in(tmp_path: Path) -> None:
    """It counts in the new window until it is settled, and its cost is booked where it was spent."""
    nightly = usd_budget("nightly", 10, window="day", hold_expires_s=7200)
    bench = await opened(tmp_path, nightly)
    bench.now_ms = NOON_MS + 12 * 60 * MINUTE_MS - 10 * MINUTE_MS  # ten to midnight
    held = await bench.hold(4)
    await bench.spend(bench.cost(1, reservation=held))
    await bench.hold(2)
    bench.now_ms += 20 * MINUTE_MS
    today = await bench.check(planned_cost_usd=1)
    await bench.settle(held, 3)
    settled = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert (today.spent_usd, today.held_usd) == (0, 5)
    assert (settled.spent_usd, settled.held_usd) == (2, 2)


async def test_another_window_in_the_configuration_needs_no_rebuilding(tmp_path: Path) -> None:
    """Holds stay held, and the same spending is summed over the new window."""
    bench = await opened(tmp_path, usd_budget("nightly", 100, window="day"))
    for days in (0, 1, 6, 20, 400):
        at = NOON_MS - days * DAY_MS
        await bench.spend(bench.cost(1, budget="nightly", ts_ms=at))
    held = await bench.hold(4)
    spent = {}
    for window, seconds in (
        ("hour", None),
        ("day", None),
        ("rolling", 7 * 86_400),
        ("total", None),
    ):
        changed = usd_budget("nightly", 100, window=window, window_s=seconds)
        answer = await replace(bench, settings=configured(changed)).check(planned_cost_usd=1)
        assert answer.held_usd == 4
        spent[window] = answer.spent_usd
    gone = replace(bench, settings=configured(usd_budget("other", 1)))
    with pytest.raises(UnknownTarget):
        await gone.check()
    settled = await gone.settle(held, 4)
    await bench.database.close()
    assert spent == {"hour": 1, "day": 1, "rolling": 3, "total": 5}
    assert (settled.status, settled.next_actions) == ("settled", [])


async def test_a_clock_that_goes_back_frees_nothing_early_and_holds_nothing_for_ever(
    tmp_path: Path,
) -> None:
    """Minutes back: still held. A year back, after a clock a year ahead: not held for a year."""
    bench = await opened(tmp_path, usd_budget("nightly", 10, hold_expires_s=900))
    held = await bench.hold(4)
    bench.now_ms -= 10 * MINUTE_MS
    minutes = await bench.check(planned_cost_usd=1)
    bench.now_ms -= 365 * DAY_MS
    year = await bench.check(planned_cost_usd=1)
    settled = await bench.settle(held, 3)
    after = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert minutes.held_usd == 4
    assert year.held_usd == 0
    assert settled.actual_usd == 3
    assert after.spent_usd == 3


async def test_a_cycle_of_parents_ends_where_it_closes(tmp_path: Path) -> None:
    """The configuration refuses one; a store asked all the same answers, and counts nothing twice."""
    bench = await opened(tmp_path, usd_budget("a", 10, parent="b"), usd_budget("b", 8, parent="a"))
    await bench.spend(bench.cost(1, budget="a"), bench.cost(2, budget="b"))
    answer = await bench.check("a", planned_cost_usd=1)
    await bench.database.close()
    assert answer.spent_usd == 3
    assert answer.binding is not None
    assert answer.binding.remaining_usd == 5


CRASH = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from money_fakes import opened, usd_budget
from gonogo.store.sqlite import ledger

async def main():
    bench = await opened(Path(sys.argv[2]), usd_budget("nightly", 10))
    reserve = ledger.SqliteLedger.reserve
    async def dies(self, request, *, holds_max):
        await reserve(self, request, holds_max=holds_max)
        os._exit(9)
    ledger.SqliteLedger.reserve = dies
    await bench.check(planned_cost_usd=4, reserve=True, idempotency_key="job-7")

asyncio.run(main())
"""


@pytest.mark.sqlite
async def test_a_crash_between_hold_and_answer_loses_nothing(tmp_path: Path) -> None:
    """The caller asks again with its key: the same hold, once. Without a key it expires."""
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CRASH, str(WORLDS), str(tmp_path)], check=False
    )
    assert died.returncode == 9
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    held = await bench.check(planned_cost_usd=1)
    again = await bench.check(planned_cost_usd=4, reserve=True, idempotency_key="job-7")
    after = await bench.check(planned_cost_usd=1)
    bench.now_ms += 15 * MINUTE_MS
    expired = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert held.held_usd == after.held_usd == 4
    assert again.reservation is not None
    assert again.reservation.held_usd == 4
    assert expired.held_usd == 0


RUSH = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from money_fakes import opened, usd_budget

async def main():
    bench = await opened(
        Path(sys.argv[2]), usd_budget("org", 15), usd_budget("team", 10, parent="org")
    )
    got = []
    for i in range(20):
        who = f"{sys.argv[3]}-{i}"
        bench.ids = iter([who])
        answer = await bench.check(
            "team" if i % 2 else "org", planned_cost_usd=0.4, reserve=True, idempotency_key=who
        )
        if answer.reservation:
            got.append(answer.reservation.held_usd)
            if i % 5 == 4:
                await bench.settle(answer.reservation.id, 0.1)
                got[-1] = 0.1
    await bench.database.close()
    print(json.dumps(got))

asyncio.run(main())
"""


async def test_processes_in_a_rush_never_overspend(tmp_path: Path) -> None:
    """Several at once on a child and its parent: no budget goes over, no lock error is seen."""
    runs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUSH, str(WORLDS), str(tmp_path), str(i),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for i in range(6)
    ]  # fmt: skip
    held = 0.0
    for run in runs:
        out, errors = await run.communicate()
        # A busy machine may well keep one waiting; that is told, and no error.
        problems = [at for at in errors.splitlines() if b"waiting for the store" not in at]
        assert (run.returncode, problems) == (0, [])
        held += sum(json.loads(out))
    bench = await opened(tmp_path, usd_budget("org", 15), usd_budget("team", 10, parent="org"))
    org = await bench.check("org", planned_cost_usd=1)
    team = await bench.check("team", planned_cost_usd=1)
    await bench.database.close()
    assert org.remaining_usd >= 0
    assert team.remaining_usd >= 0
    assert org.spent_usd + org.held_usd == pytest.approx(held)
    assert org.remaining_usd < 1.2
