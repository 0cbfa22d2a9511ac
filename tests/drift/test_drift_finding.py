"""How a change is told."""

from __future__ import annotations

import pytest

from gonogo.drift.finding import change_of


@pytest.mark.parametrize("baseline_sd", [None, 0.0, 8.5e-18])
def test_a_constant_baseline_gives_no_measure_in_its_spread(baseline_sd: float | None) -> None:
    """Equal days differ by rounding alone, and a fall of 3e16 of their deviations says nothing."""
    assert change_of(0.95, 0.69, interval95=None, baseline_sd=baseline_sd).in_baseline_sd is None


def test_a_change_is_told_in_deviations_of_the_baseline_s_days() -> None:
    """Also where the spread is small."""
    change = change_of(0.95, 0.90, interval95=None, baseline_sd=0.001)
    assert change.in_baseline_sd == pytest.approx(-50)
