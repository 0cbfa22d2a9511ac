"""Streams that are a few days or a hundred labels old: they do not say go of a fall that they cannot tell yet."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, calls, open_world
from gonogo.records import DAY_MS, HOUR_MS, Observation

pytestmark = pytest.mark.anyio


async def test_a_fall_after_a_hundred_labels_is_never_go(tmp_path: Path) -> None:
    """From .2 to .4 bad: first it cannot be told, then it is warned of, then found."""
    said = []
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 4, 0.2, a_day=33, seed=3))
        for day, days in ((4, 3), (7, 4), (11, 7)):
            await world.record(calls("m", days, 0.4, first_day=day, a_day=33, seed=day))
            said.append(await world.app.check_model_drift("m"))
    assert [report.verdict for report in said] == ["unknown", "caution", "no_go"]
    warned = said[1]
    assert warned.evidence is not None
    assert (warned.status, warned.evidence.level) == ("degraded", "suggestive")
    assert "may have degraded" in warned.summary


async def test_too_few_labels_since_the_baseline_are_unknown_and_say_how_many_are_missing(
    tmp_path: Path,
) -> None:
    """A day of twelve labels excludes nothing; two weeks of them do."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 9, 0.1, a_day=12, seed=2))
        await world.record(calls("m", 1, 0.1, first_day=9, a_day=12, seed=3))
        young = await world.app.check_model_drift("m")
        await world.record(calls("m", 14, 0.1, first_day=10, a_day=12, seed=4))
        known = await world.app.check_model_drift("m")
    assert (young.verdict, young.status) == ("unknown", "insufficient_data")
    assert "does not exclude a loss of 0.1" in young.summary
    assert young.missing is not None
    assert young.missing.startswith("Record about ")
    assert known.verdict == "go"


async def test_a_young_stream_whose_mix_moved_has_not_degraded(tmp_path: Path) -> None:
    """A harder tier grows from 10 to 60 % after 120 labels, and no tier changes."""
    async with open_world(tmp_path) as world:
        for day in range(12):
            hard = 4 if day < 3 else 24
            await world.record(
                calls("m", 1, 0.02, first_day=day, a_day=40 - hard, segments={"tier": "easy"})
            )
            await world.record(
                calls("m", 1, 0.3, first_day=day, a_day=hard, seed=day, segments={"tier": "hard"})
            )
        report = await world.app.check_model_drift("m")
    assert report.status in ("shifted", "stable", "insufficient_data")
    if report.status == "shifted":
        assert report.mix is not None
        assert report.mix.key == "tier"


def _slow(observations: Iterable[Observation], times: float, *, seed: int) -> list[Observation]:
    """The calls with latencies about 300 ms, so many times that at weekends or always."""
    rng = np.random.default_rng(seed)
    return [
        replace(call, latency_ms=float(300 * times * rng.lognormal(0, 0.2)))
        for call in observations
    ]


async def test_a_value_that_collapses_in_its_first_week_is_a_caution(tmp_path: Path) -> None:
    """Three times as slow from the fifth day on: told on the second day of it, and weeks later."""
    async with open_world(tmp_path) as world:
        await world.record(_slow(calls("m", 4, 0.05, a_day=60), 1, seed=1))
        said = []
        for day in (4, 6, 24):
            slow = calls("m", 2 if day < 24 else 1, 0.05, first_day=day, a_day=60, seed=day)
            await world.record(_slow(slow, 3, seed=day))
            said.append(await world.app.check_model_drift("m"))
    assert [report.verdict for report in said[1:]] == ["caution", "caution"]
    assert {report.metric for report in said[1:]} == {"latency_ms"}
    assert "may have shifted" in said[1].summary


async def test_a_first_weekend_that_is_slower_is_no_shift(tmp_path: Path) -> None:
    """Half as slow again on Saturday and Sunday: nothing to be warned of, then or on Monday."""
    async with open_world(tmp_path) as world:
        said = []
        for day in range(9):
            times = 1.5 if day % 7 >= 5 else 1
            await world.record(
                _slow(calls("m", 1, 0.05, first_day=day, a_day=60, seed=day), times, seed=day)
            )
            said.append((await world.app.check_model_drift("m")).status)
    assert "shifted" not in said


async def test_weekends_that_differ_do_not_hide_hours_at_half_quality(tmp_path: Path) -> None:
    """A baseline of three days, weekends 12 points worse: nine hours at half are no go before their end."""
    rng = np.random.default_rng(5)
    async with open_world(tmp_path) as world:

        async def live(hours: range, *, share: float = 1.0) -> None:
            chance = [
                (0.81 if h // 24 % 7 >= 5 else 0.93) * share for h in hours for _ in range(12)
            ]
            good = rng.random(len(chance)) < np.array(chance)
            first, step = START_MS + hours[0] * HOUR_MS, HOUR_MS // 12
            times = [first + place * step for place in range(len(chance))]
            await world.record(
                Observation(dependency="m", ts_ms=at, outcome=float(is_good), outcome_ts_ms=at)
                for at, is_good in zip(times, good.tolist(), strict=True)
            )

        await live(range(16 * 24))
        said = []
        for day in range(16, 32):
            await live(range(day * 24, day * 24 + 24))
            said.append((await world.app.check_model_drift("m")).verdict)
        start = 32 * 24 + 5
        await live(range(32 * 24, start))
        await live(range(start, start + 6), share=0.5)
        report = await world.app.check_model_drift("m")
    assert "no_go" not in said
    assert (report.verdict, report.status) == ("no_go", "degraded")


def _a_day(day: int, bad_share: float) -> list[Observation]:
    """Three hundred calls of one day, of which a share is bad, evenly over its hours: no chance in it."""
    made = []
    for at in range(300):
        ts = START_MS + day * DAY_MS + at * (DAY_MS // 300)
        is_bad = math.floor((at + 1) * bad_share) > math.floor(at * bad_share)
        made.append(
            Observation(dependency="m", ts_ms=ts, outcome=float(not is_bad), outcome_ts_ms=ts)
        )
    return made


@pytest.mark.parametrize(
    ("weekend", "monday", "said"),
    [
        (0.20, 0.05, ["caution", "caution", "go"]),  # a habit, perhaps
        (0.20, 0.20, ["caution", "caution", "no_go"]),  # a fall that began on Saturday
        (0.60, 0.60, ["no_go", "no_go", "no_go"]),  # larger than habits are
    ],
)
async def test_what_a_first_weekend_alone_shows_is_a_caution(
    tmp_path: Path, weekend: float, monday: float, said: list[str]
) -> None:
    """A baseline of weekdays knows no weekend: one that is worse is a caution, until weekdays say it too."""
    shares = dict.fromkeys(range(5), 0.05) | {5: weekend, 6: weekend, 7: monday, 8: monday}
    reports = []
    async with open_world(tmp_path) as world:
        for day, share in shares.items():
            await world.record(_a_day(day, share))
            reports.append(await world.app.check_model_drift("m"))
    verdicts = [report.verdict for report in reports]
    assert [verdicts[5], verdicts[6], verdicts[8]] == said
    if said[0] == "caution":
        assert "has days of one kind" in reports[6].summary
        assert "may have degraded" in reports[6].summary
