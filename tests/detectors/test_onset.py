"""Onset and trend: what a clean change looks like, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.rate.onset import PLAUSIBLE_NATS, fit_onset, fit_outage
from gonogo.detectors.rate.trend import _student_95, slope_per_day
from gonogo.errors import DataError, NotEnoughData, ParameterError


def test_a_step_is_placed_by_the_likelihood() -> None:
    """Oracle: the binomial profile likelihood, one onset at a time."""
    rng = np.random.default_rng(1)
    n = np.full(60, 40)
    bad = np.r_[rng.binomial(40, 0.06, 40), rng.binomial(40, 0.2, 20)]

    def side(k: int, m: int) -> float:
        rate = k / m
        return k * math.log(rate) + (m - k) * math.log(1 - rate)

    nats = {
        k: side(int(bad[:k].sum()), int(n[:k].sum())) + side(int(bad[k:].sum()), int(n[k:].sum()))
        for k in range(20, 60)
    }
    fit = fit_onset(n, bad, first=20)
    assert abs(fit.onset - max(nats, key=lambda k: nats[k])) <= 1
    assert fit.earliest <= 40 <= fit.latest
    plausible = [k for k, value in nats.items() if value >= max(nats.values()) - PLAUSIBLE_NATS]
    assert fit.earliest <= min(plausible)
    assert fit.latest >= max(plausible)


@pytest.mark.parametrize("batches", [120, 3000])
def test_a_long_rise_is_called_a_ramp(batches: int) -> None:
    """A clean rise over half of the time since the baseline; blocks must not move it."""
    at = np.arange(batches)
    begin, end = batches // 2, batches * 3 // 4
    rate = 0.06 + 0.1 * np.clip((at - begin) / (end - begin), 0, 1)
    n = np.full(batches, 120_000 // batches)
    fit = fit_onset(n, n * rate, first=batches // 3)
    assert fit.shape == "ramp"
    assert fit.earliest <= begin <= fit.latest
    assert abs(fit.onset - begin) < batches / 20
    assert fit.change == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("after", [1.0, 0.95])
def test_a_collapse_after_weeks_is_placed_to_the_hour(after: float) -> None:
    """Wherever it falls in the blocks of a first look: never more than two hours off."""
    rng = np.random.default_rng(7)
    off = []
    for weeks in (3, 8):
        begin = weeks * 168
        for hours in range(4, 100, 8):
            n = rng.poisson(8, begin + hours)
            bad = np.where(np.arange(len(n)) < begin, 0, rng.binomial(n, after))
            fit = fit_onset(n, bad, first=72)
            off.append(abs(fit.onset - begin))
            assert fit.earliest - 2 <= begin <= fit.latest + 2
    assert max(off) <= 2
    assert float(np.mean(off)) < 0.3


def test_a_fall_is_found_like_a_rise() -> None:
    """Improvement has an onset too, and its change is negative."""
    n = np.full(80, 50)
    fit = fit_onset(n, np.r_[np.full(50, 10.0), np.full(30, 2.0)], first=10)
    assert fit.onset == 50
    assert fit.change == pytest.approx(-0.16, rel=0.05)
    assert fit.interval95[0] < fit.change < fit.interval95[1] < 0


def test_dispersion_widens_the_interval_and_shrinks_the_change() -> None:
    """Labels that are worth less place a change less sharply."""
    rng = np.random.default_rng(6)
    n = np.full(200, 20)
    bad = np.r_[rng.binomial(20, 0.06, 150), rng.binomial(20, 0.14, 50)]
    sharp, vague = (fit_onset(n, bad, first=60, dispersion=d) for d in (1, 3))
    assert vague.latest - vague.earliest > sharp.latest - sharp.earliest
    assert 0 < vague.change < sharp.change


def test_an_onset_needs_labels_on_both_sides() -> None:
    """Neither an empty baseline nor an empty present can be fitted."""
    with pytest.raises(NotEnoughData, match="before and after"):
        fit_onset([0, 5, 5], [0, 1, 1])
    with pytest.raises(ParameterError, match="first"):
        fit_onset([5, 5], [1, 1], first=2)
    with pytest.raises(DataError):
        fit_onset([5, 5], [1, math.nan])


def test_slope_of_a_straight_line_is_exact() -> None:
    """A mean that falls by half a point a day, however many labels the days have."""
    day, n = np.arange(10), np.array([100, 20, 0, 300, 50, 60, 70, 80, 90, 100])
    fit = slope_per_day(day, n, n * (0.9 - 0.005 * day))
    assert fit.per_day == pytest.approx(-0.005)
    assert fit.days == 9
    assert fit.dispersion == 1


@pytest.mark.parametrize("day_sd", [0.0, 0.03])
def test_slope_interval_covers_with_uneven_days(day_sd: float) -> None:
    """95 % of intervals hold the slope, with and without a random effect of the day."""
    rng = np.random.default_rng(8)
    day, n, hits = np.arange(21), np.full(21, 300), 0
    for _ in range(600):
        rate = 0.9 - 0.003 * day + rng.normal(0, day_sd, 21) * (day_sd > 0)
        fit = slope_per_day(day, n, rng.binomial(n, np.clip(rate, 0, 1)))
        hits += fit.interval95[0] <= -0.003 <= fit.interval95[1]
    assert 0.93 - 0.018 <= hits / 600 <= 0.985


def test_student_points_are_those_of_the_tables() -> None:
    """t(.975) for 3, 5, 19 degrees of freedom."""
    for freedom, point in ((3, 3.182), (5, 2.571), (19, 2.093)):
        assert _student_95(freedom) == pytest.approx(point, rel=0.01)


def test_few_days_have_no_trend() -> None:
    """Errors of 1 %, then 11 to 14 % on three days: half the interval was a whole point a day."""
    with pytest.raises(NotEnoughData, match="4 days"):
        slope_per_day([1, 2, 3, 4, 5], [150, 0, 150, 150, 150], [2, 0, 17, 21, 18])
    with pytest.raises(DataError):
        slope_per_day([1, 2, 3], [5, -1, 5], [1, 0, 1])


@pytest.mark.parametrize("minutes", [10, 45, 180])
@pytest.mark.parametrize("a_day", [300, 2000])
def test_the_onset_of_an_outage_lies_within_its_hours(minutes: int, a_day: int) -> None:
    """Seeded outages that begin anywhere in an hour: its interval, rounded out, holds the beginning."""
    held, widths, hours = 0, list[int](), np.arange(100, 172)
    for seed in range(20):
        rng = np.random.default_rng((4, seed, minutes))
        begin = 160 * 60 + int(rng.integers(0, 60))
        minute = np.arange(60 * 100, 60 * 172)
        calls = rng.poisson(a_day / 1440, len(minute))
        rate = np.where((minute >= begin) & (minute < begin + minutes), 1.0, 0.01)
        bad = rng.binomial(calls, rate)
        n, wrong = (x.reshape(-1, 60).sum(axis=1).astype(float) for x in (calls, bad))
        # As it is seen: up to the hour after the end, around the hour that looks the worst.
        around = 160 if wrong[60] / max(n[60], 1) > 0.3 else int(160 + np.argmax(wrong[60:64]))
        fit = fit_outage(hours, n, wrong, around=around, rate_before=0.01)
        held += int(fit.earliest <= begin // 60 <= fit.latest)
        widths.append(fit.latest - fit.earliest)
    assert held >= 19
    # Two calls of an outage of ten minutes leave hours open.
    assert float(np.median(widths)) <= 2 or a_day * minutes < 10_000


@pytest.mark.parametrize("gap", [30, 500])
@pytest.mark.parametrize("bad", [8, 3])
def test_an_onset_in_a_gap_lies_within_it(gap: int, bad: int) -> None:
    """Nothing tells when in a gap it began: its middle is the estimate, all of it plausible."""
    hour = np.r_[np.arange(200), 200 + gap + np.arange(40)]
    counts = np.r_[np.full(200, 10), np.full(40, 10)], np.r_[np.zeros(200), np.full(40, bad)]
    fit = fit_onset(*counts, first=72, time=hour)
    assert hour[fit.earliest - 1] <= 200 < 200 + gap <= hour[fit.latest]
    assert abs(fit.moment - (200 + gap / 2)) < gap / 5
    outage = fit_outage(hour[:205], *(c[:205] for c in counts), around=200 + gap, rate_before=0.01)
    assert outage.earliest <= 200 < 200 + gap <= outage.latest + 1
    assert abs(outage.onset - (200 + gap / 2)) < gap / 5


def test_what_never_changes_has_no_slope() -> None:
    """Not even what adding up leaves over, however many values a day has."""
    day, n = np.arange(40.0), np.array([30.0, 31.0] * 20)
    for level in (1.0, 0.1):
        assert slope_per_day(day, n, n * level, variance=1.0).per_day == 0
