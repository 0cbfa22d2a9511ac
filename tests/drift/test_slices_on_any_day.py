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


async def test_a_slice_reads_the_same_named_by_the_whole_and_asked_alone(tmp_path: Path) -> None:
    """One fall, one change, one interval and one onset, whichever question leads to it."""
    baseline = BaselineSettings(start="2026-03-02", end="2026-03-11")
    own = DependencySettings(name="m", baseline=baseline)
    async with open_world(tmp_path, m=own) as world:
        await world.record(in_two_languages(30, falls_on=14, to=0.4))
        whole = await world.app.check_model_drift("m")
        alone = await world.app.check_model_drift("m", segment="lang=ja")
    assert (whole.segment, whole.status, alone.status) == ("lang=ja", "degraded", "degraded")
    assert whole.change is not None
    assert alone.change is not None
    told = whole.baseline, whole.current, whole.change.interval95, whole.onset
    assert told == (alone.baseline, alone.current, alone.change.interval95, alone.onset)


def in_two_languages(days: int, *, falls_on: int, to: float) -> list[Observation]:
    """Calls of which one in 20 is `lang=ja`, and so many of those go wrong from a day on."""
    rng = np.random.default_rng(3)
    found = []
    for place, call in enumerate(calls("m", days, 0.05, a_day=A_DAY, seed=3)):
        lang = "de" if place % 20 else "ja"
        wrong = lang == "ja" and place >= falls_on * A_DAY and rng.random() < to
        outcome = 0.0 if wrong else call.outcome
        found.append(replace(call, outcome=outcome, segments={"lang": lang}))
    return found


@pytest.mark.parametrize("bad", [1.0, 0.95])
async def test_a_key_that_says_how_calls_ended_excuses_no_fall(tmp_path: Path, bad: float) -> None:
    """More answers that were cut off are the fall, not other traffic; also where all of them fail."""
    rng = np.random.default_rng(5)
    found = []
    for place, call in enumerate(calls("m", 24, 0.03, a_day=A_DAY, seed=3)):
        cut = rng.random() < (0.2 if place >= 14 * A_DAY else 0.01)
        outcome = 0.0 if cut and rng.random() < bad else call.outcome
        segments = {"finish_reason": "length" if cut else "stop"}
        found.append(replace(call, outcome=outcome, segments=segments))
    async with open_world(tmp_path) as world:
        await world.record(found)
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status, report.mix) == ("no_go", "degraded", None)
    assert "have more of the calls" in report.summary


async def test_a_few_calls_that_always_failed_leave_the_mix_to_explain_the_rest(
    tmp_path: Path,
) -> None:
    """Hard questions double while one customer's few calls go on failing: moved by tier all the same."""
    rng = np.random.default_rng(5)
    found = []
    for place, call in enumerate(calls("m", 20, 0.0, a_day=A_DAY, seed=3)):
        tier = "hard" if rng.random() < (0.5 if place >= 14 * A_DAY else 0.17) else "easy"
        tier = "broken" if place % 120 == 0 else tier
        wrong = rng.random() < {"hard": 0.25, "easy": 0.03, "broken": 1.0}[tier]
        found.append(replace(call, outcome=float(not wrong), segments={"tier": tier}))
    async with open_world(tmp_path) as world:
        await world.record(found)
        report = await world.app.check_model_drift("m")
    assert report.verdict in ("go", "caution"), report.summary
    assert report.mix is not None


async def test_a_thin_tier_is_found_though_days_differ(tmp_path: Path) -> None:
    """Days move all calls, so that a label counts as a fifth: of a tier of 48 a day it counts for more."""
    days, falls_on = 23, 20
    found = []
    rng = np.random.default_rng(11)
    usual = 0.1 + 0.035 * rng.permutation(np.linspace(-1.6, 1.6, days))
    for place, call in enumerate(calls("m", days, 0.0, a_day=A_DAY, seed=3)):
        day, tier = place // A_DAY, "abcde"[place % 5]
        bad = 0.5 if tier == "a" and day >= falls_on else usual[day]
        outcome = float(rng.random() >= bad)
        found.append(replace(call, outcome=outcome, segments={"tier": tier}))
    async with open_world(tmp_path) as world:
        await world.record(found)
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("no_go", "degraded"), report.summary
    assert report.segments is not None
    assert report.segments[0].drifted
    assert "tier=a" in report.segments[0].segment.split(",")
