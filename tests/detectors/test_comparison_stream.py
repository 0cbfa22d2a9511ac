"""Two versions compared while outcomes arrive: the promise, by enumeration and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gonogo.detectors.rate.comparison import compare_as_they_come
from gonogo.detectors.rate.rule import RateRule
from gonogo.errors import DataError

RULE = RateRule(needed=100.0)


def beta_binomial(bad: int, n: int) -> float:
    """Chance of one order of outcomes under Beta(1/2, 1/2)."""
    terms = [math.lgamma(bad + 0.5), math.lgamma(n - bad + 0.5), -math.lgamma(n + 1.0)]
    return math.exp(sum(terms)) / math.pi


def test_evidence_has_mean_one_under_the_null() -> None:
    """Every outcome of two batches of (2, 1) and (1, 2) labels, weighed by its chance."""
    n_before, n_after = [2, 1], [1, 2]
    total = 0.0
    for outcomes in itertools.product((0, 1), repeat=6):
        a, b, c, d, e, f = outcomes
        evidence = compare_as_they_come(n_before, [a + b, d], n_after, [c, e + f], RULE)
        chance = beta_binomial(sum(outcomes), 6)
        total += chance * math.exp(evidence.evidence_nats)
        sides = np.log(RULE.side_weights) + np.array((evidence.up_nats, evidence.down_nats))
        assert evidence.evidence_nats == pytest.approx(float(np.logaddexp.reduce(sides)))
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.5])
def test_asking_after_every_hour_keeps_the_promise(rate: float) -> None:
    """Two equal versions, 40 hours, looked at every eight hours: evidence of 100 stays below 1 %.

    100 pairs of streams: three standard errors above 1 % is 4 %.
    """
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(100):
        n = rng.poisson(20, (2, 40))
        bad = rng.binomial(n, rate)
        looks = (
            compare_as_they_come(n[0, :k], bad[0, :k], n[1, :k], bad[1, :k], RULE).evidence_nats
            for k in range(8, 41, 8)
        )
        alarms += max(looks) >= math.log(100)
    assert alarms / 100 <= 0.04


def test_a_worse_version_is_found_on_its_side() -> None:
    """From 6 % to 16 % bad over 1,000 labels each is beyond doubt, and upwards."""
    n = np.full(50, 20)
    found = compare_as_they_come(n, n * 0.06, n, n * 0.16, RULE)
    assert found.evidence_nats > math.log(100)
    assert found.up_nats > found.down_nats + math.log(1e6)


def test_batches_have_to_be_the_same() -> None:
    """Streams of different lengths are refused."""
    with pytest.raises(DataError, match="1 batches before and 2 after"):
        compare_as_they_come([1], [0], [1, 1], [0, 0], RULE)
