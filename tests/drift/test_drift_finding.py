"""How a change is told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.drift.finding import change_of
from gonogo.drift.follow import sd_of_days
from gonogo.drift.rates import told_evidence_nats


@pytest.mark.parametrize("baseline_sd", [None, 0.0, 8.5e-18])
def test_a_constant_baseline_gives_no_measure_in_its_spread(baseline_sd: float | None) -> None:
    """Equal days differ by rounding alone, and a fall of 3e16 of their deviations says nothing."""
    assert change_of(0.95, 0.69, interval95=None, baseline_sd=baseline_sd).in_baseline_sd is None


def test_a_change_is_told_in_deviations_of_the_baseline_s_days() -> None:
    """Also where the spread is small."""
    change = change_of(0.95, 0.90, interval95=None, baseline_sd=0.001)
    assert change.in_baseline_sd == pytest.approx(-50)


def test_days_that_agree_by_luck_do_not_make_a_change_hundreds_of_deviations() -> None:
    """Ten days of 94 good of 100 each: labels alone would make them differ by .024."""
    n, good = np.full(10, 100.0), np.full(10, 94.0)
    assert sd_of_days(n, good, variance=0.94 * 0.06) == pytest.approx(0.0237, abs=1e-4)
    good[::2] = 80
    assert sd_of_days(n, good, variance=0.87 * 0.13) == pytest.approx(0.0738, abs=1e-4)
    assert sd_of_days(n[:2], good[:2], variance=0.06) is None
    assert sd_of_days(n, n, variance=0.0) is None


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
