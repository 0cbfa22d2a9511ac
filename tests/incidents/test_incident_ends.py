"""What blocks and for how long: incidents that end, slices of time, changes that hardly matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, calls, hour_of, open_world
from gonogo.answers import DriftReport, rfc3339
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import DependencySettings

pytestmark = pytest.mark.anyio


def with_outage(
    observations: list[Observation], *, first: float, hours: float
) -> list[Observation]:
    """All wrong for some hours, counted from the beginning."""
    low, high = START_MS + first * HOUR_MS, START_MS + (first + hours) * HOUR_MS
    return [replace(o, outcome=0.0) if low <= o.ts_ms < high else o for o in observations]


async def asked_at(world: World, hour: int) -> DriftReport:
    """The answer as of the end of an hour, counted from the beginning."""
    return await world.app.check_model_drift(
        "m", until=rfc3339(START_MS + (hour + 1) * HOUR_MS - 1)
    )


async def test_an_outage_blocks_for_an_hour_after_its_end_and_no_slice_for_longer(
    tmp_path: Path,
) -> None:
    """Two hours of wrong answers in two tiers: no_go, then recovering at once, then stable."""
    async with open_world(tmp_path) as world:
        healthy = [
            replace(o, segments={"tier": "ab"[at % 2]})
            for at, o in enumerate(calls("m", 20, 0.06, a_day=288))
        ]
        await world.record(with_outage(healthy, first=14 * 24 + 10, hours=2))
        during = await asked_at(world, 14 * 24 + 11)
        after = [await asked_at(world, 14 * 24 + 13 + hour) for hour in range(40)]
    assert (during.verdict, during.status) == ("no_go", "degraded")
    assert [a.verdict for a in after].count("no_go") == 0
    assert after[0].status == "recovering"
    assert after[0].verdict == "caution"
    assert after[0].onset is not None
    assert hour_of(after[0].onset.ts) == START_MS // HOUR_MS + 14 * 24 + 10
    assert after[0].current is not None
    assert after[0].current.since == "recovery"
    assert after[0].current.mean is not None
    assert after[0].current.mean > 0.7
    assert after[-1].status == "stable"


async def test_a_tier_that_stays_bad_after_an_outage_is_found_again(tmp_path: Path) -> None:
    """The outage ends for the whole; one tier of two keeps a third of its answers wrong."""
    async with open_world(tmp_path) as world:
        well = calls("m", 24, 0.04, a_day=240, segments={"tier": "a"})
        rate = np.where(np.arange(24) < 14, 0.04, 0.3)
        ill = calls("m", 24, rate, a_day=48, seed=2, segments={"tier": "b"})
        both = sorted(well + ill, key=lambda o: o.ts_ms)
        await world.record(with_outage(both, first=14 * 24, hours=2))
        report = await world.app.check_model_drift("m", until="2026-03-25")
    assert report.verdict == "no_go"
    assert report.segments is not None
    assert report.segments[0].drifted
    assert "tier=b" in report.segments[0].segment


async def test_a_slice_of_time_alone_never_blocks(tmp_path: Path) -> None:
    """Afternoons get worse: caution for as long as only the slice of time says so."""
    async with open_world(tmp_path) as world:
        whole = calls("m", 40, 0.05, a_day=480)
        rng = np.random.default_rng(3)
        later = START_MS + 14 * DAY_MS
        worse = [
            replace(o, outcome=0.0)
            if o.ts_ms >= later and 12 <= o.ts_ms // HOUR_MS % 24 < 18 and rng.random() < 0.07
            else o
            for o in whole
        ]
        await world.record(worse)
        asked = [await asked_at(world, day * 24 + 23) for day in range(15, 40)]
    # In the end the whole has fallen by evidence of its own, and says where most.
    of_time = [a for a in asked if "in a slice of time alone" in a.summary]
    assert any("hour_band=12-18" in a.summary for a in of_time)
    assert {(a.verdict, a.status) for a in of_time} == {("caution", "shifted")}


async def test_a_change_within_half_of_what_matters_is_caution(tmp_path: Path) -> None:
    """Four points where ten matter, known to a point: found, told, and not blocking."""
    own = DependencySettings("m", min_effect=0.1)
    async with open_world(tmp_path, m=own) as world:
        await world.record(calls("m", 14, 0.05, a_day=1440))
        await world.record(calls("m", 12, 0.08, first_day=14, a_day=1440, seed=2))
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("caution", "shifted")
    assert report.evidence is not None
    assert report.evidence.e_value >= report.evidence.needed
    assert "that matters" in report.summary
