"""The rate detector's figures on seeded streams: short forms of benchmarks/detection.py.

Error rate .06 and evidence of 1e5 needed unless said. Each bound is the figure that was asked for
plus two standard errors of what so few streams can tell.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.dispersion import daily_dispersion, weekly_offsets
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule, detectable_now

RULE = RateRule(needed=1e5)
HEALTHY, HOURLY, HOURS_A_DAY = 2000, 21, 24


def watch_labels(rng: np.random.Generator, rate: Floats, batch: int, rule: RateRule) -> RateWatch:
    """Labels drawn one by one at these rates, watched in batches."""
    bad = rng.random(len(rate)) < rate
    kept = bad[: len(rate) // batch * batch].reshape(-1, batch)
    return watch_rate(np.full(len(kept), batch), kept.sum(axis=1), rule)


def after_change(kind: str) -> Floats:
    """Rates from the change on: abrupt to .11 or .13, or to .13 over 21 days of 500 labels."""
    if kind == "ramp":
        return 0.06 + 0.07 * np.minimum(np.arange(9000) / 10_500, 1)
    return np.full(4500, float(kind))


def margin(share: float, streams: int) -> float:
    """Two standard errors of a share."""
    return 2 * math.sqrt(share * (1 - share) / streams)


@pytest.mark.parametrize(
    ("baseline", "rate"),
    [(100, 0.06), (500, 0.06), (2000, 0.06), (10_000, 0.06), (500, 0.01), (500, 0.2), (500, 0.5)],
)
def test_healthy_labels_seldom_alarm(baseline: int, rate: float) -> None:
    """20,000 healthy labels after the baseline, looked at every hour: alarms in .20 at most."""
    rng, streams, alarms = np.random.default_rng(baseline), 60, 0
    for _ in range(streams):
        watch = watch_labels(rng, np.full(baseline + 20_000, rate), HOURLY, RULE)
        alarms += any(e.alarmed * HOURLY >= baseline for e in watch.episodes)
    assert alarms / streams <= 0.2 + margin(0.2, streams)


@pytest.mark.parametrize(
    ("baseline", "batch", "kind", "labels_max"),
    [
        (2000, 1, "0.11", 420),
        (2000, 1, "0.13", 250),
        (2000, 1, "ramp", 3700),
        (2000, HOURLY, "0.11", 470),
        (2000, HOURLY, "0.13", 265),
        (2000, HOURLY, "ramp", 3800),
        (100, 1, "0.11", 500),
        (100, 1, "0.13", 280),
        (100, 1, "ramp", 4100),
    ],
)
def test_changes_are_found_soon(baseline: int, batch: int, kind: str, labels_max: int) -> None:
    """Mean labels until the alarm; the change comes 2,000 healthy labels after the baseline."""
    rng, streams, delays = np.random.default_rng(17), 50, []
    before = (baseline + HEALTHY) // batch * batch
    rate = np.concatenate((np.full(before, 0.06), after_change(kind)))
    for _ in range(streams):
        watch = watch_labels(rng, rate, batch, RULE)
        first = watch.episodes[0].alarmed if watch.episodes else len(rate) // batch
        delays.append((first + 1) * batch - before)
    found = [delay for delay in delays if delay > 0]
    assert len(found) >= 0.8 * streams
    assert np.mean(found) <= labels_max + 2 * np.std(found) / math.sqrt(len(found))


@pytest.mark.parametrize(
    ("daily_sd", "alarms_max", "found_min"), [(0.0, 0.14, 0.95), (0.01, 0.13, 0.9), (0.02, 0.1, 0)]
)
def test_days_that_differ_are_allowed_for(
    daily_sd: float, alarms_max: float, found_min: float
) -> None:
    """28 baseline days, asked daily: alarms in 40 healthy days; a three-week ramp in 12 days."""
    rng, streams, alarms, found = np.random.default_rng(23), 50, 0, 0
    baseline = 28 * HOURS_A_DAY
    ramp = 0.07 * np.minimum(np.arange(12 * HOURS_A_DAY) / (21 * HOURS_A_DAY), 1)
    for _ in range(streams):
        days = np.clip(0.06 + daily_sd * rng.normal(size=68), 0.002, 0.5)
        rate = np.repeat(days, HOURS_A_DAY)
        n, bad = np.full(len(rate), HOURLY), rng.binomial(HOURLY, rate)
        daily = bad[:baseline].reshape(28, HOURS_A_DAY).sum(axis=1)
        spread = daily_dispersion(np.full(28, HOURLY * HOURS_A_DAY), daily)
        rule = RateRule(needed=1e5, dispersion=spread.used)
        asked = watch_rate(n, bad, rule).evidence_nats[HOURS_A_DAY - 1 :: HOURS_A_DAY]
        alarms += bool((asked >= rule.needed_nats).any())
        worse = rng.binomial(HOURLY, rate[baseline : baseline + len(ramp)] + ramp)
        slid = np.concatenate((bad[:baseline], worse))
        episodes = watch_rate(n[: len(slid)], slid, rule).episodes
        found += any(e.side == "up" and e.alarmed >= baseline for e in episodes)
    assert alarms / streams <= alarms_max + margin(alarms_max, streams)
    assert found / streams >= found_min - margin(found_min, streams)


def test_an_end_is_seen_soon_and_declared_when_it_is_over() -> None:
    """Six days at .11: on its way back within 800 labels of their end; over early in .03 at most.

    It blocks until it is on its way back. That it is over takes the nearest level that would still
    be bad to be ruled out, which is days later.
    """
    rng, streams, early, delays = np.random.default_rng(29), 120, 0, []
    bad_from, bad_to = 4000 // HOURLY, 7000 // HOURLY
    rate = np.full(bad_to + 200, 0.06)
    rate[bad_from:bad_to] = 0.11
    for _ in range(streams):
        n, bad = np.full(len(rate), HOURLY), rng.binomial(HOURLY, rate)
        found = watch_rate(n, bad, RULE)
        episodes = [e for e in found.episodes if e.alarmed >= bad_from]
        if not episodes or episodes[0].alarmed >= bad_to:
            continue
        over = episodes[0].recovered
        early += over is not None and over < bad_to
        if over is None or over >= bad_to:
            way_back = np.flatnonzero(found.recovering[bad_to:])
            delays.append((int(way_back[0]) + 1 if len(way_back) else len(rate)) * HOURLY)
    assert early / streams <= 0.03 + margin(0.03, streams)
    assert np.mean(delays) <= 800 + 2 * np.std(delays) / math.sqrt(len(delays))


def test_a_season_of_nights_is_no_alarm() -> None:
    """Nights at three times the rate of days, expected by hour of the week: .20 at most."""
    rng, streams, alarms = np.random.default_rng(37), 50, 0
    hour = np.arange(68 * HOURS_A_DAY)
    rate = np.where(hour % HOURS_A_DAY < 8, 0.12, 0.04)
    baseline = 28 * HOURS_A_DAY
    for _ in range(streams):
        n, bad = np.full(len(hour), HOURLY), rng.binomial(HOURLY, rate)
        learned = weekly_offsets(n[:baseline], bad[:baseline], hour[:baseline] % 168)
        alarms += bool(watch_rate(n, bad, RULE, offset=learned[hour % 168]).episodes)
    assert alarms / streams <= 0.2 + margin(0.2, streams)


@pytest.mark.parametrize(("rate", "before", "since"), [(0.06, 2000, 1000), (0.3, 10_000, 500)])
def test_what_was_said_to_show_does_show(rate: float, before: int, since: int) -> None:
    """A change of the size that `detectable_now` names is found nine times in ten."""
    change = detectable_now(before=before, since=since, rate=rate, rule=RULE)
    assert change is not None
    rng, streams, found = np.random.default_rng(41), 60, 0
    rates = np.repeat([rate, rate + change], [before, since])
    for _ in range(streams):
        found += any(e.side == "up" for e in watch_labels(rng, rates, 20, RULE).episodes)
    assert found / streams >= 0.9 - margin(0.9, streams)
