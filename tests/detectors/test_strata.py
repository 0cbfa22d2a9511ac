"""A rate given its mix: what moves between strata is evidence of nothing, a rise in them is."""

from __future__ import annotations

import numpy as np
import pytest

from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.rate.strata import risen_given_mix

RULE = RateRule(needed=3.65e5)
BASELINE, LATER = 28 * 24, 35 * 24
HOUR = np.arange(BASELINE + LATER)
WEEKEND = (HOUR // 24) % 7 >= 5


def drawn(seed: int, share: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hourly counts of 300 a day in strata of these shares and rates, both (hours, strata)."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(12.5 * share)
    return n.astype(float), rng.binomial(n, rates).astype(float)


def hard_tier(after: float) -> np.ndarray:
    """A hard tier's share goes from .15 to another at weekends after the baseline."""
    hard = np.where(WEEKEND & (HOUR >= BASELINE), after, 0.15)
    return np.stack((1 - hard, hard), axis=1)


def test_a_hard_tier_that_grows_is_no_rise() -> None:
    """The whole alarms in most streams, the strata in as many as promised: .05 at most."""
    rates = np.broadcast_to([0.05, 0.2], (len(HOUR), 2))
    whole = false = 0
    for seed in range(12):
        n, bad = drawn(seed, hard_tier(0.5), rates)
        false += bool(risen_given_mix(n, bad, RULE).max() >= RULE.needed_nats)
        whole += bool(watch_rate(n.sum(axis=1), bad.sum(axis=1), RULE).episodes)
    assert whole >= 8
    assert false <= 1


def test_a_new_value_is_no_rise() -> None:
    """Four in ten calls are of a value that was never seen, and harder."""
    new = np.where(HOUR >= BASELINE, 0.4, 0.0)
    rates = np.broadcast_to([0.05, 0.2], (len(HOUR), 2))
    for seed in range(6):
        n, bad = drawn(seed, np.stack((1 - new, new), axis=1), rates)
        assert risen_given_mix(n, bad, RULE).max() < RULE.needed_nats


@pytest.mark.parametrize(("rise", "hours_max"), [(0.05, 120), (0.7, 3)])
def test_a_rise_in_every_stratum_is_found_as_the_mix_moves(rise: float, hours_max: int) -> None:
    """Five points in days; a collapse, far beyond the effects bet on, in hours."""
    rates = np.array([0.05, 0.2]) + rise * (HOUR >= BASELINE)[:, None]
    found = []
    for seed in range(8):
        n, bad = drawn(seed, hard_tier(0.5), rates)
        over = np.flatnonzero(risen_given_mix(n, bad, RULE) >= RULE.needed_nats)
        assert over.size
        assert over[0] >= BASELINE
        found.append(int(over[0]) - BASELINE)
    assert float(np.median(found)) <= hours_max


def test_evidence_grows_with_the_harm() -> None:
    """One hour of 2,000 calls at ever worse rates, to total collapse."""
    n = np.full((200, 2), 20.0)
    bad = np.tile([1.0, 4.0], (200, 1))
    n[-1] = 1000.0
    said = []
    for rate in (0.2, 0.3, 0.5, 0.7, 0.9, 1.0):
        bad[-1] = n[-1] * rate
        said.append(float(risen_given_mix(n, bad, RULE)[-1]))
    assert said == sorted(said)
