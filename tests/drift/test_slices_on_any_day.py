"""Which slice is named does not depend on the day and hour on which it is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from drift_world import calls, open_world
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import BaselineSettings, DependencySettings
from gonogo.text.forms import number

pytestmark = pytest.mark.anyio

DAYS, HEALTHY_DAYS, A_DAY = 21, 8, 240
SATURDAY = 5


def reviews(shift_ms: int) -> list[Observation]:
    """Three weeks of judged items, half wrong since day 8 where published on a weekend."""
    rng = np.random.default_rng(7)
    found = []
    for place, call in enumerate(calls("reviews", DAYS, 0.05, a_day=A_DAY, seed=7)):
        ts_ms = call.ts_ms + shift_ms
        published = datetime.fromtimestamp(ts_ms / 1000 - rng.uniform(0, 4 * 86_400), tz=UTC)
        weekend = published.weekday() >= SATURDAY
        late = place >= HEALTHY_DAYS * A_DAY
        wrong = call.outcome == 0 or (rng.random() < 0.5 and weekend and late)
        found.append(
            replace(
                call,
                ts_ms=ts_ms,
                outcome_ts_ms=ts_ms,
                outcome=0.0 if wrong else 1.0,
                segments={"published": "weekend" if weekend else "weekday"},
            )
        )
    return found


@pytest.mark.parametrize("weekday", range(7))
async def test_the_slice_that_fell_is_named_on_every_weekday(tmp_path: Path, weekday: int) -> None:
    """Calls of it on weekdays, or at weekends, fell alike: by chance one of these a little more."""
    shift_ms = weekday * DAY_MS + (weekday * 5 % 24) * HOUR_MS + 23 * 60_000
    history = reviews(shift_ms)
    first = datetime.fromtimestamp((history[0].ts_ms // HOUR_MS + 1) * 3600, tz=UTC)
    last = datetime.fromtimestamp(first.timestamp() + 7 * 86_400 - 3600, tz=UTC)
    own = DependencySettings(
        name="reviews",
        kind="skill",
        baseline=BaselineSettings(start=first.isoformat(), end=last.isoformat()),
    )
    async with open_world(tmp_path, reviews=own) as world:
        await world.record(history)
        report = await world.app.check_model_drift("reviews")
        listed = await world.app.get_incidents()
    assert report.verdict == "no_go"
    assert report.segments is not None
    worst = report.segments[0]
    assert (worst.segment, worst.drifted) == ("published=weekend", True)
    named = f"slice {worst.segment} ({number(worst.baseline_mean)} to {number(worst.mean)}, n {worst.n})"
    assert [i.suspected for i in listed.incidents] == [named]
