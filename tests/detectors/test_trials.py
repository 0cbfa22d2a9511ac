"""Trials of a rate: when it is called well again, and how rarely that is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.rate.trials import DOUBT_WELL, TRUST_ILL, needed_nats, run_trials
from gonogo.errors import DataError, ParameterError

WELL, ILL = 0.06, 0.13


def crossed(rng: np.random.Generator, rate: float, hours: int, a_hour: int = 5) -> bool:
    """Whether calls at a rate are ever called well, looked at after every hour."""
    n = np.full(hours, a_hour)
    bad = rng.binomial(a_hour, rate, hours)
    return any(
        run_trials(n[:end], bad[:end], well_rate=WELL, ill_rate=ILL).is_well
        for end in range(1, hours + 1, 3)
    )


def test_an_ill_rate_is_hardly_ever_called_well_however_often_one_looks() -> None:
    """At the nearest rate that counts as ill: promised 5 % over all trials, 200 runs of 300 hours."""
    rng = np.random.default_rng(7)
    share = np.mean([crossed(rng, ILL, 300) for _ in range(200)])
    assert share <= TRUST_ILL + 3 * math.sqrt(TRUST_ILL * (1 - TRUST_ILL) / 200)


def test_a_rate_that_is_well_is_found_so_and_seldom_doubted() -> None:
    """It ends well in nearly all runs; the first trial ends badly in at most 5 % of them."""
    rng = np.random.default_rng(8)
    runs = [
        run_trials(np.full(600, 5), rng.binomial(5, WELL, 600), well_rate=WELL, ill_rate=ILL)
        for _ in range(300)
    ]
    assert np.mean([run.is_well for run in runs]) > 0.9
    assert np.mean([run.failed > 0 for run in runs]) <= 2 * DOUBT_WELL


def test_a_month_of_illness_does_not_delay_what_follows() -> None:
    """After a bad end the next trial begins afresh, and asks for more."""
    ill, well = np.full(720, 3.0), np.zeros(200)
    run = run_trials(np.full(920, 10), np.r_[ill, well], well_rate=WELL, ill_rate=ILL)
    assert run.is_well
    assert run.failed > 100
    assert run.n < 400
    assert run.needed_nats == needed_nats(run.failed)


def test_what_was_well_and_falls_again_is_not_called_well() -> None:
    """A trial that ended well does not stand against the bad calls that follow it."""
    well, ill = np.zeros(20), np.full(5, 8.0)
    assert run_trials(np.full(20, 10), well, well_rate=WELL, ill_rate=ILL).is_well
    run = run_trials(np.full(25, 10), np.r_[well, ill], well_rate=WELL, ill_rate=ILL)
    assert not run.is_well
    assert run.failed >= 1


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), max_size=30), st.integers(0, 5))
def test_the_rule_is_walds_one_call_at_a_time(batches: list[tuple[int, float]], tried: int) -> None:
    """Oracle: plain wealth over batches, without logs of sums."""
    n = np.array([calls for calls, _ in batches], dtype=float)
    bad = np.array([calls * share for calls, share in batches], dtype=float)
    wealth, failed, is_well, since = 1.0, 0, False, 1.0
    for calls, wrong in zip(n, bad, strict=True):
        gain = (WELL / ILL) ** wrong * ((1 - WELL) / (1 - ILL)) ** (calls - wrong)
        if is_well:
            since *= gain
            if since <= DOUBT_WELL * (1 + 1e-12):
                wealth, failed, is_well, since = 1.0, failed + 1, False, 1.0
            continue
        wealth *= gain
        if wealth <= DOUBT_WELL:
            wealth, failed = 1.0, failed + 1
        elif wealth >= (tried + failed + 1) * (tried + failed + 2) / TRUST_ILL:
            is_well = True
    run = run_trials(n, bad, well_rate=WELL, ill_rate=ILL, tried=tried)
    assert (run.is_well, run.failed) == (is_well, failed)


def test_wrong_arguments_are_refused() -> None:
    """The rates have to differ in the right direction, and counts have to be counts."""
    with pytest.raises(ParameterError, match="not above"):
        run_trials([1], [0], well_rate=0.2, ill_rate=0.1)
    with pytest.raises(DataError):
        run_trials([1], [2], well_rate=WELL, ill_rate=ILL)
