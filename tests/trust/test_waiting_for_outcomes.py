"""Outcomes that take longer than data may be old: trust waits for them as drift does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drift_world import calls, open_world
from gonogo.records import DAY_MS, HOUR_MS

pytestmark = pytest.mark.anyio

LAG_MS = 7 * DAY_MS + 6 * HOUR_MS


@pytest.mark.parametrize(
    ("silent_days", "verdict"), [(0, "go"), (6, "go"), (9, "unknown")], ids=str
)
async def test_outcomes_that_take_a_week_are_waited_for(
    tmp_path: Path, silent_days: int, verdict: str
) -> None:
    """The newest outcome is of a call a week ago, as ever: go; once none came for longer than a week: unknown."""
    made = calls("m", 40, 0.05)
    async with open_world(tmp_path) as world:
        end_ms = made[-1].ts_ms
        graded = [
            replace(call, outcome_ts_ms=call.ts_ms + LAG_MS)
            if call.ts_ms + LAG_MS <= end_ms - silent_days * DAY_MS
            else replace(call, outcome=None, outcome_ts_ms=None)
            for call in made
        ]
        await world.record(graded)
        trust = await world.app.get_trust_score_health("m")
        fleet = await world.app.get_trust_score_health()
        drift = await world.app.check_model_drift("m")
    assert (trust.verdict, drift.verdict) == (verdict, verdict)
    assert fleet.fleet is not None
    assert fleet.fleet[0].verdict == verdict
