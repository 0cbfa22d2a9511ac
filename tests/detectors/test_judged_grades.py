"""The judge as a control variate: bets that are fair whatever it does, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.detectors.judges.candidates import bets_against, given_judge
from gonogo.detectors.judges.judged_hours import JudgedHours
from gonogo.detectors.judges.judged_watch import JudgedRule, JudgedWatch, SampleCheck, watch_judged
from gonogo.detectors.rate.rule import NEAR_SPREAD, deltas_for

RULE = JudgedRule(20000.0, 15000.0, deltas_for(0.05, NEAR_SPREAD))
rates = st.floats(0.01, 0.6)


@given(rates, rates, st.floats(0.1, 100))
def test_both_grades_keep_their_margins(bad: float, judged: float, ratio: float) -> None:
    """Given the judge's grade, people's rate averages to what it is; the odds ratio is as asked."""
    above, below = (float(one[0]) for one in given_judge(np.array([bad]), judged, ratio))
    assert judged * above + (1 - judged) * below == pytest.approx(bad, abs=1e-6)
    odds = above * (1 - below) / ((1 - above) * below)
    assert odds == pytest.approx(ratio, rel=1e-3)


@settings(max_examples=50)
@given(rates, rates, st.floats(1.5, 60), st.floats(0.02, 0.3))
def test_a_bet_is_fair_and_grows_best(
    null: float, judged: float, ratio: float, step: float
) -> None:
    """Its mean is 1 at the null for any judge of this margin; no other bet near it grows faster."""
    # On the grid that bets are worked out on.
    null, judged = (
        1 / (1 + np.exp(-0.1 * round(np.log(p / (1 - p)) / 0.1))) for p in (null, judged)
    )
    ratio = float(np.exp(0.25 * round(np.log(ratio) / 0.25)))
    worse = min(null + step, 0.95)
    stakes, slopes = bets_against([(worse,)], null, judged, ratio)
    stake, slope = float(stakes[0, 0]), float(slopes[0, 0])
    above, below = (float(one[0]) for one in given_judge(np.array([worse]), judged, ratio))

    def bet(h: int, j: int, one: float, other: float) -> float:
        return 1 + one * ((h - null) - other * (j - judged))

    for both in np.linspace(max(0.0, null + judged - 1), min(null, judged), 5):
        law = {(1, 1): both, (1, 0): null - both, (0, 1): judged - both}
        law[0, 0] = 1 - sum(law.values())
        assert sum(p * bet(*hj, stake, slope) for hj, p in law.items()) == pytest.approx(1)

    def growth(one: float, other: float) -> float:
        fallen = {(1, 1): judged * above, (1, 0): (1 - judged) * below}
        fallen |= {(0, 1): judged * (1 - above), (0, 0): (1 - judged) * (1 - below)}
        return sum(p * float(np.log(max(bet(*hj, one, other), 1e-12))) for hj, p in fallen.items())

    best = growth(stake, slope)
    for one, other in ((1.1, 1.0), (0.9, 1.0), (1.0, 1.1), (1.0, 0.9)):
        assert growth(one * stake, other * slope) <= best + 1e-6


def test_a_random_sample_is_fair_to_the_check() -> None:
    """Enumerated over what people may see: what was held before goes on at its mean."""
    mean = 0.0
    for seen_bad in range(4):
        check = SampleCheck()
        before = check.add(20, 5, 0, 0)
        chance = [455 / 1140, 525 / 1140, 150 / 1140, 10 / 1140][seen_bad]
        mean += chance * check.add(20, 5, 3, seen_bad)
    assert before == 0
    assert mean == pytest.approx(3)


def stream(
    *, bad: float = 0.06, harsher: float = 0.0, chosen: float = 1.0, seed: int = 1
) -> JudgedHours:
    """Forty days of 500 calls, people on a tenth; what is given holds from day 28 on."""
    rng = np.random.default_rng(seed)
    hours = 40 * 24
    later = np.arange(hours) >= 28 * 24
    n = rng.poisson(500 / 24, hours)
    is_bad = rng.binomial(n, np.where(later, bad, 0.06))
    caught = rng.binomial(is_bad, 0.9)
    wrong = rng.binomial(n - is_bad, np.where(later, 0.1 + harsher, 0.1))
    cells = np.stack([n - is_bad - wrong, wrong, is_bad - caught, caught], axis=1)
    table = np.zeros((hours, 4))
    for hour in range(hours):
        kinds = np.repeat(np.arange(4), cells[hour])
        weight = np.where(kinds % 2 & later[hour], chosen, 1.0)
        size = min(int(rng.binomial(n[hour], 0.1)), len(kinds))
        picked = (
            rng.choice(kinds, size, replace=False, p=weight / weight.sum()) if size else kinds[:0]
        )
        table[hour] = np.bincount(picked, minlength=4)
    return JudgedHours(
        np.arange(hours), n.astype(float), (wrong + caught).astype(float), table.reshape(-1, 2, 2)
    )


def found(hours: JudgedHours) -> JudgedWatch:
    """What is found, the input left as it was."""
    before = hours.table.copy(), hours.judged_bad.copy()
    watch = watch_judged(hours, RULE)
    np.testing.assert_array_equal(before[0], hours.table)
    np.testing.assert_array_equal(before[1], hours.judged_bad)
    return watch


def test_a_judge_that_moves_is_named_and_the_model_is_not() -> None:
    """Ten points harsher from day 28 on."""
    watch = found(stream(harsher=0.11))
    assert not watch.model
    assert watch.judge[0].alarmed < 36 * 24
    assert abs(watch.judge[0].onset - 28 * 24) < 48
    assert watch.triggers


def test_a_model_that_falls_is_found_and_the_judge_is_not() -> None:
    """Eight points worse; the alarm stands, and what it was before is known."""
    watch = found(stream(bad=0.14))
    assert not watch.judge
    assert watch.standing is not None
    assert watch.standing.alarmed < 36 * 24
    assert watch.standing.side == 0
    assert watch.standing.before == pytest.approx(0.06, abs=0.02)
    assert not watch.recovering


def test_chosen_calls_are_noticed() -> None:
    """What the judge called bad reaches people at three times the odds."""
    assert found(stream(chosen=3.0, seed=2)).samples
    assert not found(stream(seed=2)).samples


def test_a_fall_that_ends_is_over() -> None:
    """Twelve bad days, then forty as before: recovering, and the alarm has ended."""
    fell, well = stream(bad=0.20), stream(seed=5)
    parts = [fell, well]
    hours = JudgedHours(
        np.arange(80 * 24),
        np.concatenate([part.n for part in parts]),
        np.concatenate([part.judged_bad for part in parts]),
        np.concatenate([part.table for part in parts]),
    )
    watch = found(hours)
    assert watch.standing is None
    assert watch.model[0].ended is not None
    assert watch.model[0].ended > 40 * 24


def test_people_alone_say_what_they_say_without_a_judge() -> None:
    """A judge that throws dice changes the rate that people see by next to nothing."""
    hours = stream()
    rate, error = hours.people_rate()
    both = hours.table.sum(axis=0)
    assert rate == pytest.approx(both[1].sum() / both.sum(), abs=2 * error)
