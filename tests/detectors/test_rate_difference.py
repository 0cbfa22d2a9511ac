"""The difference of two versions, asked at any time: how rarely its interval ever misses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.promotion.difference import rate_difference
from sticky_users import ever_misses, sticky_users


def test_it_hardly_ever_misses_however_often_one_asks() -> None:
    """Two equal versions with days that both share, asked twelve times: at most 5 % ever missed."""
    rng = np.random.default_rng(9)
    runs, hours = 100, 240
    missed = told_better = 0
    for _ in range(runs):
        bad = np.repeat(np.clip(0.1 + rng.normal(0, 0.03, hours // 24), 0.02, 0.5), 24)
        n = rng.poisson(10, (2, hours))
        x = rng.binomial(n, bad)
        asked = [
            rate_difference(n[0, :end], x[0, :end], n[1, :end], x[1, :end])
            for end in range(20, hours + 1, 20)
        ]
        known = [one for one in asked if one is not None]
        missed += any(not one.interval95[0] <= 0 <= one.interval95[1] for one in known)
        told_better += any(max(one.e_better, one.e_worse) >= 20 for one in known)
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert missed / runs <= limit
    assert told_better / runs <= 2 * limit


def test_a_difference_is_found_with_its_sign() -> None:
    """8 points at 2,400 calls a side: excluded from zero, and less than twice as wide as at a fixed time."""
    n = np.full(240, 10.0)
    found = rate_difference(n, np.full(240, 0.6), n, np.full(240, 1.4))
    assert found is not None
    low, high = found.interval95
    assert found.mean == pytest.approx(0.08)
    assert 0 < low < 0.08 < high
    assert found.e_worse > 1e6
    assert found.e_better < 1
    fixed = 1.96 * math.sqrt((0.06 * 0.94 + 0.14 * 0.86) / 2400)
    assert (high - low) / 2 < 2 * fixed


def test_nothing_is_said_before_there_is_something_to_say() -> None:
    """Without 10 good and 10 bad of each side, and without any hour at all."""
    n = np.full(100, 10.0)
    assert rate_difference(n, np.zeros(100), n, np.full(100, 1.0)) is None
    assert rate_difference([], [], [], []) is None


@pytest.mark.parametrize("heavy", [0.0, 0.7])
def test_thirty_users_who_keep_their_version_hardly_ever_make_it_miss(heavy: float) -> None:
    """Counted by user it misses in at most 5 % of runs, also where one has most calls; by call in about half."""
    rng, runs, missed = np.random.default_rng(5), 60, {"call": 0, "user": 0}
    for _ in range(runs):
        counts, keys = sticky_users(rng, 30, heavy=heavy)
        missed["call"] += ever_misses(counts, [])
        missed["user"] += ever_misses(counts, keys)
    assert missed["user"] / runs <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)
    assert missed["call"] / runs > 0.3


def test_of_one_user_who_has_nearly_all_calls_nothing_is_told() -> None:
    """How others fare with a version that only he calls is not known."""
    counts, keys = sticky_users(np.random.default_rng(6), 30, heavy=0.97)
    assert rate_difference(*counts) is not None
    assert rate_difference(*counts, keys=keys) is None


def test_calls_of_no_key_count_one_by_one() -> None:
    """With a key that made no call the interval is what it is without keys."""
    n = np.full(240, 10.0)
    counts = n, np.full(240, 0.6), n, np.full(240, 1.4)
    by_key, by_call = rate_difference(*counts, keys=[np.zeros((4, 240))]), rate_difference(*counts)
    assert by_key is not None
    assert by_call is not None
    assert by_key.interval95 == pytest.approx(by_call.interval95)
