"""Calls played again: what stays as it was, and what a scenario changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gonogo.drill.measures import poisson_interval95
from gonogo.drill.replayed_calls import ReplayedCalls, good_rate, play_again
from gonogo.drill.replayed_hours import ReplayedHours
from gonogo.drill.scenarios import (
    LOOP_TIMES,
    OUTAGE_MS,
    SCENARIOS,
    SLIDE_MS,
    SLIDE_POINTS,
    Harm,
    mix_move,
)
from gonogo.records import DAY_MS, HOUR_MS, MICRO
from gonogo.store.reads.call_columns import CallColumns

FIRST_DAY, SOURCE_DAYS, DAYS = 20_000, 14, 28
BEGIN_DAY = FIRST_DAY + SOURCE_DAYS
START_MS = (BEGIN_DAY + 3) * DAY_MS + 5 * HOUR_MS


def own_calls() -> CallColumns:
    """Two weeks: more calls by day than by night, fewer at weekends, 94 % right."""
    rng = np.random.default_rng(5)
    ts_ms = []
    for day in range(FIRST_DAY, BEGIN_DAY):
        for hour in range(24):
            calls = (30 if 8 <= hour < 20 else 4) // (2 if (day - 2) % 7 <= 1 else 1)
            start = day * DAY_MS + hour * HOUR_MS
            ts_ms += sorted((start + rng.random(calls) * HOUR_MS).astype(int).tolist())
    n = len(ts_ms)
    return CallColumns(
        ts_ms=np.array(ts_ms),
        version=np.zeros(n, dtype=np.int64),
        versions=("1",),
        outcome_e6=np.where(rng.random(n) < 0.94, float(MICRO), 0.0),
        outcome_lag_ms=np.zeros(n),
        failed=np.zeros(n, dtype=np.int64),
        confidence_e6=np.round(rng.random(n) * MICRO),
        latency_us=np.full(n, 1e5),
        cost_micro_usd=np.full(n, 1000.0),
        booked_micro_usd=np.full(n, 1000.0),
        tokens=np.full(n, 300.0),
        segments=(rng.random(n) < 0.3).astype(np.int64),
        segment_sets=(frozenset({"channel=web"}), frozenset({"channel=app"})),
    )


CALLS = own_calls()


def played(seed: int = 1) -> ReplayedCalls:
    """Four weeks to come."""
    return play_again(CALLS, first_day=BEGIN_DAY, days=DAYS, rng=np.random.default_rng(seed))


def hurt(seed: int = 2) -> Harm:
    """A change in the middle of the fourth day."""
    return Harm(START_MS, good_rate(CALLS), 0.05, np.random.default_rng(seed))


def by_hour_of_week(ts_ms: np.ndarray) -> np.ndarray:
    """Calls in each hour of the week, per week."""
    weeks = (int(ts_ms[-1]) // DAY_MS - int(ts_ms[0]) // DAY_MS + 1) / 7
    return np.bincount(ts_ms // HOUR_MS % 168, minlength=168) / weeks


def test_volume_and_season_stay_as_they_were() -> None:
    """Every hour of the week has as many calls as the user's own, to the call."""
    calls = played()
    np.testing.assert_array_equal(by_hour_of_week(calls.ts_ms), by_hour_of_week(CALLS.ts_ms))
    assert (np.diff(calls.ts_ms) >= 0).all()
    assert calls.ts_ms[0] // DAY_MS == BEGIN_DAY


def test_a_call_keeps_what_it_was_and_the_segments_keep_their_shares() -> None:
    """Outcome and confidence are of one and the same call; segments are drawn with it."""
    calls = played()
    np.testing.assert_array_equal(calls.outcome_e6, CALLS.outcome_e6[calls.source])
    np.testing.assert_array_equal(calls.confidence_e6, CALLS.confidence_e6[calls.source])
    assert CALLS.segments[calls.source].mean() == pytest.approx(CALLS.segments.mean(), abs=0.02)


def test_the_same_seed_gives_the_same_calls() -> None:
    """And another one others."""
    first, second, third = played(1), played(1), played(3)
    np.testing.assert_array_equal(first.source, second.source)
    assert not np.array_equal(first.source, third.source)


def mean_outcome(calls: ReplayedCalls, chosen: np.ndarray) -> float:
    """Of the calls that have one."""
    return float(np.nanmean(calls.outcome_e6[chosen])) / MICRO


def test_the_slide_loses_seven_points_in_three_weeks_and_nothing_before() -> None:
    """Before the start the calls are untouched; at its end the mean is seven points lower."""
    before, after = played(), SCENARIOS["slide"].inject(played(), hurt())
    untouched = before.ts_ms < START_MS
    np.testing.assert_array_equal(after.outcome_e6[untouched], before.outcome_e6[untouched])
    slid = before.ts_ms >= START_MS + SLIDE_MS
    lost = mean_outcome(before, slid) - mean_outcome(after, slid)
    assert lost == pytest.approx(SLIDE_POINTS, abs=0.02)
    halfway = (before.ts_ms >= START_MS + SLIDE_MS // 3) & (
        before.ts_ms < START_MS + 2 * SLIDE_MS // 3
    )
    lost = mean_outcome(before, halfway) - mean_outcome(after, halfway)
    assert lost == pytest.approx(SLIDE_POINTS / 2, abs=0.02)


def test_the_weekend_is_hurt_and_the_week_is_not() -> None:
    """Saturdays and Sundays lose 25 points."""
    before, after = played(), SCENARIOS["weekend"].inject(played(), hurt())
    late = before.ts_ms >= START_MS
    weekend = late & ((before.ts_ms // DAY_MS - 2) % 7 <= 1)
    lost = mean_outcome(before, weekend) - mean_outcome(after, weekend)
    assert lost == pytest.approx(0.25, abs=0.05)
    rest = ~weekend
    np.testing.assert_array_equal(before.outcome_e6[rest], after.outcome_e6[rest])


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in ("mix", "runaway")])
def test_each_scenario_changes_its_own_thing_alone(name: str) -> None:
    """Volume, segments and everything before the start stay, but for what is no longer recorded."""
    before, after = played(), SCENARIOS[name].inject(played(), hurt())
    if name == "missing":
        assert after.ts_ms[-1] < START_MS
        before = before.without(before.ts_ms >= START_MS)
    np.testing.assert_array_equal(before.ts_ms, after.ts_ms)
    np.testing.assert_array_equal(before.source, after.source)
    early = before.ts_ms < START_MS
    changed = {
        field
        for field in ("outcome_e6", "failed", "confidence_e6", "cost_micro_usd", "seen_ms")
        if not np.array_equal(getattr(before, field), getattr(after, field), equal_nan=True)
    }
    for field in changed:
        np.testing.assert_array_equal(getattr(before, field)[early], getattr(after, field)[early])
    assert (
        changed
        == {
            "none": set(),
            "slide": {"outcome_e6"},
            "weekend": {"outcome_e6"},
            "confidence": {"confidence_e6"},
            "cost": {"cost_micro_usd"},
            "outage": {"outcome_e6", "failed", "confidence_e6"},
            "late": {"outcome_e6", "seen_ms"},
            "missing": set(),
            "broken": {"outcome_e6", "failed", "confidence_e6"},
            "dies": {"outcome_e6", "failed", "confidence_e6"},
            "hanging": {"outcome_e6", "failed", "confidence_e6"},
            "flapping": {"outcome_e6"},
            "candidate": set(),  # only its own share, once it has one
            "golden": set(),  # the runs of the golden set alone
        }[name]
    )


def test_another_mix_has_as_many_calls_and_each_kind_is_answered_as_before() -> None:
    """Calls of one kind give way to such of the other, as they were in history; none before the start."""
    weak = np.flatnonzero(CALLS.segments == 1)
    outcome = CALLS.outcome_e6.copy()
    outcome[weak] *= np.random.default_rng(8).random(len(weak)) < 0.7
    worse = replace(CALLS, outcome_e6=outcome)
    move = mix_move(worse, ["channel=web", "channel=app"], min_effect=0.05)
    assert move is not None
    assert move.segment == "channel=app"
    calls = play_again(worse, first_day=BEGIN_DAY, days=DAYS, rng=np.random.default_rng(1))
    after = SCENARIOS["mix"].inject(calls, replace(hurt(), mix=move))
    np.testing.assert_array_equal(after.ts_ms, calls.ts_ms)
    early = calls.ts_ms < START_MS
    np.testing.assert_array_equal(after.source[early], calls.source[early])
    np.testing.assert_array_equal(after.outcome_e6, outcome[after.source])
    before = CALLS.segments[calls.source[~early]].mean()
    grown = before + move.chance * (1 - before)
    assert CALLS.segments[after.source[~early]].mean() == pytest.approx(grown, abs=0.02)
    fell = mean_outcome(calls, ~early) - mean_outcome(after, ~early)
    assert fell == pytest.approx(0.10, abs=0.02)  # twice the smallest effect that matters


def test_slices_that_are_answered_alike_leave_no_mix_to_move() -> None:
    """However the shares of two alike kinds of calls move, the whole does not."""
    assert mix_move(CALLS, ["channel=web", "channel=app"], min_effect=0.05) is None


def test_a_runaway_makes_every_call_five_times() -> None:
    """From its start on, each as it was."""
    before, after = played(), SCENARIOS["runaway"].inject(played(), hurt())
    early = before.ts_ms < START_MS
    times = np.where(early, 1, LOOP_TIMES)
    np.testing.assert_array_equal(after.ts_ms, before.ts_ms.repeat(times))
    np.testing.assert_array_equal(after.source, before.source.repeat(times))


def test_the_outage_ends() -> None:
    """Nine in ten fail for twelve hours, and none after."""
    after = SCENARIOS["outage"].inject(played(), hurt())
    during = (after.ts_ms >= START_MS) & (after.ts_ms < START_MS + OUTAGE_MS)
    assert after.failed[during].mean() == pytest.approx(0.9, abs=0.05)
    assert not after.failed[~during].any()


def test_the_interval_of_a_rate_is_garwoods() -> None:
    """Oracle: published exact limits for 0, 1 and 10 events."""
    for count, low, high in ((0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)):
        assert poisson_interval95(count) == pytest.approx((low, high), rel=1e-3, abs=1e-4)


def test_an_outcome_is_not_seen_before_it_comes() -> None:
    """A day into late outcomes the calls since the start have none; three days later that day's have."""
    calls = SCENARIOS["late"].inject(played(), hurt())
    served = np.ones(len(calls.ts_ms), dtype=bool)
    for days, first_day_is_seen in ((1, False), (4, True)):
        shown = ReplayedHours.of(CALLS, calls, served, until_ms=START_MS + days * DAY_MS)
        at = calls.ts_ms[shown.row]
        assert at[-1] < START_MS + days * DAY_MS
        first = (at >= START_MS) & (at < START_MS + DAY_MS)
        assert (~np.isnan(shown.outcome_e6[first])).all() == first_day_is_seen
        assert np.isnan(shown.outcome_e6[at >= START_MS + (days - 3) * DAY_MS][-1])
        assert not np.isnan(shown.outcome_e6[at < START_MS]).any()
