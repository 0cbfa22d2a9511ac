"""How a change is told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.drift.finding import change_of
from gonogo.drift.rates import told_evidence_nats


@pytest.mark.parametrize("baseline_sd", [None, 0.0, 8.5e-18])
def test_a_constant_baseline_gives_no_measure_in_its_spread(baseline_sd: float | None) -> None:
    """Equal days differ by rounding alone, and a fall of 3e16 of their deviations says nothing."""
    assert change_of(0.95, 0.69, interval95=None, baseline_sd=baseline_sd).in_baseline_sd is None


def test_a_change_is_told_in_deviations_of_the_baseline_s_days() -> None:
    """Also where the spread is small."""
    change = change_of(0.95, 0.90, interval95=None, baseline_sd=0.001)
    assert change.in_baseline_sd == pytest.approx(-50)


def test_what_lasts_is_told_with_the_evidence_that_told_it() -> None:
    """It may sink again after a small change; a quiet stream has that of now."""
    rate = np.r_[np.full(100, 0.05), np.full(60, 0.12)]
    bad = np.asarray(np.random.default_rng(1).binomial(100, rate), dtype=float)
    rule = RateRule(needed=1e5)
    watch = watch_rate(np.full(160, 100.0), bad, rule)
    assert watch.status == "up"
    sunk = replace(watch, evidence_nats=np.r_[watch.evidence_nats[:-1], 1.0])
    assert told_evidence_nats(sunk) == watch.evidence_nats[:-1].max() >= math.log(rule.needed)
    quiet = watch_rate(np.full(90, 100.0), bad[:90], rule)
    assert told_evidence_nats(quiet) == quiet.evidence_nats[-1]
