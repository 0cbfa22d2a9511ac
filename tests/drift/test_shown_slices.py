"""Which slices an answer shows: those of the rate that it is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import calls, open_world

pytestmark = pytest.mark.anyio


async def test_slices_of_outcomes_do_not_stand_beside_errors_that_decide(tmp_path: Path) -> None:
    """They count other calls, since another hour: 2,808 labels of a weekday under 2,040 calls."""
    rng = np.random.default_rng(3)
    async with open_world(tmp_path) as world:
        batch = []
        for day in range(16):
            for call in calls("m", 1, 0.0, first_day=day, a_day=200):
                tier = str(rng.choice(["new", "old"]))
                good = rng.random() < (0.3 if day >= 10 and tier == "new" else 0.94)
                failed = day >= 12 and rng.random() < 0.5
                outcome, error = (None, "timeout") if failed else (float(good), None)
                batch.append(replace(call, outcome=outcome, error=error, segments={"tier": tier}))
        await world.record(batch)
        report = await world.app.check_model_drift("m")
        alone = await world.app.check_model_drift("m", metric="outcome")
    assert (report.metric, report.segments) == ("error", None)
    assert alone.segments
