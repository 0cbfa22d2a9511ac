"""The sum over a budget's open holds: everybody who reserves waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.store.books.ledger_books import HELD, OPEN_HOLDS
from money_fakes import opened, usd_budget

pytestmark = pytest.mark.anyio


async def test_open_holds_are_summed_in_their_index(tmp_path: Path) -> None:
    """Who reserves waits for the sum over all holds of the budget: no row is looked up for it."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    await bench.hold(4)
    asked = {"budget": "nightly", "unit": "usd", "now": 0, "latest": 0, "holds": 5}
    steps = await bench.database.read(
        lambda c: [
            row[3]
            for statement in (HELD, OPEN_HOLDS)
            for row in c.execute(f"EXPLAIN QUERY PLAN {statement}", asked).fetchall()
        ]
    )
    await bench.database.close()
    assert len(steps) == 2
    assert all("USING COVERING INDEX reservation_open" in step for step in steps)
