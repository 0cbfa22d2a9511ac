"""Histogram layouts: exact bins with and without numpy, and what comes back out of them."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors import bins
from gonogo.errors import DataError, ParameterError

FRACTIONS = st.floats(0, 1)
SIZES = st.floats(0, allow_infinity=False)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("layout", "values"),
    [(bins.LOG, SIZES), (bins.SIGNED_LOG, NUMBERS), (bins.LOGIT, FRACTIONS)],
    ids=lambda x: getattr(x, "name", ""),
)
def test_one_value_and_many_give_the_same_bin(
    layout: bins.Layout, values: st.SearchStrategy[float]
) -> None:
    """The store bins without numpy, a bulk load with it; the histograms must be equal."""

    @given(st.lists(values, min_size=1))
    def equal(xs: list[float]) -> None:
        assert bins.bin_of(layout, xs).tolist() == [bins.bin_of_one(layout, x) for x in xs]

    equal()


@pytest.mark.parametrize("power", range(-40, 40))
def test_boundaries_belong_to_the_bin_below(power: int) -> None:
    """OpenTelemetry: bucket i holds (2^(i/16), 2^((i+1)/16)], exact at every power of two."""
    place = bins.bin_of_one(bins.LOG, 2.0**power)
    assert place - bins.INDEX_OFFSET == 16 * power - 1
    assert bins.bin_of_one(bins.LOG, math.nextafter(2.0**power, math.inf)) == place + 1
    assert bins.LOG.upper([place])[0] == 2.0**power


@given(NUMBERS)
def test_a_value_lies_in_its_bin(value: float) -> None:
    """Edges enclose the value, and bins grow with values."""
    place = bins.bin_of_one(bins.SIGNED_LOG, value)
    low, high = bins.SIGNED_LOG.lower(place), bins.SIGNED_LOG.upper(place)
    assert low <= value <= high
    assert low <= bins.SIGNED_LOG.centre(place) <= high


@given(st.lists(NUMBERS, min_size=2))
def test_bins_keep_the_order_of_values(values: list[float]) -> None:
    """A larger value never has a smaller bin."""
    places = bins.bin_of(bins.SIGNED_LOG, sorted(values))
    assert (np.diff(places) >= 0).all()


@given(FRACTIONS)
def test_log_odds_lie_in_their_bin(value: float) -> None:
    """Exactly 0 and exactly 1 stand alone; what lies between keeps its tenth of log-odds."""
    place = bins.bin_of_one(bins.LOGIT, value)
    assert (place == bins.LOGIT_ZERO) == (value == 0)
    assert (place == bins.LOGIT_ONE) == (value == 1)
    if 1e-6 <= value <= 1 - 1e-6:
        assert abs(math.log(value / (1 - value)) - (place + 0.5) / 10) <= 0.05 + 1e-9


@given(st.lists(st.floats(1e-9, 1e12), min_size=1), st.floats(0, 1))
def test_quantiles_are_within_two_percent(values: list[float], q: float) -> None:
    """Oracle: numpy on the values themselves."""
    places, counts = np.unique(bins.bin_of(bins.LOG, values), return_counts=True)
    got = bins.quantiles(bins.LOG, places, counts, [q])[0]
    # The rank's own rounding is numpy's: ask at its exact rank.
    rank = max(math.ceil(q * len(values)), 1)
    assert got == pytest.approx(sorted(values)[rank - 1], rel=0.0217)


@pytest.mark.parametrize(
    ("layout", "value"),
    [
        (bins.LOG, -1.0),
        (bins.LOG, math.nan),
        (bins.LOG, math.inf),
        (bins.SIGNED_LOG, math.nan),
        (bins.SIGNED_LOG, -math.inf),
        (bins.LOGIT, 1.0000001),
        (bins.LOGIT, -1e-9),
        (bins.LOGIT, math.nan),
    ],
)
def test_what_has_no_bin_is_refused(layout: bins.Layout, value: float) -> None:
    """The message names the value; both ways in refuse alike."""
    with pytest.raises(DataError, match="does not lie in"):
        bins.bin_of_one(layout, value)
    with pytest.raises(DataError, match="does not lie in"):
        bins.bin_of(layout, [0.5, value])


def test_metrics_have_layouts() -> None:
    """Each stored metric has one, by name; anything else is refused."""
    assert bins.layout_of("latency_ms") is bins.LOG
    assert bins.layout_of("outcome_lag_s") is bins.LOG
    assert bins.layout_of("confidence") is bins.LOGIT
    assert bins.layout_of("metrics.sharpe") is bins.SIGNED_LOG
    assert bins.layout_named("logit") is bins.LOGIT
    with pytest.raises(ParameterError, match="latency_s"):
        bins.layout_of("latency_s")


def test_bad_histograms_are_refused() -> None:
    """Empty, negative or misshapen counts have no quantile."""
    for places, counts in (([], []), ([1], [0]), ([1, 2], [3, -1]), ([1], [1, 2])):
        with pytest.raises(DataError):
            bins.quantiles(bins.LOG, places, counts, [0.5])
    with pytest.raises(ParameterError, match="fraction"):
        bins.quantiles(bins.LOG, [17_216], [1], [1.5])


def test_the_module_loads_without_numpy() -> None:
    """A small write must not pay for numpy's import."""
    code = (
        "import sys; from gonogo.detectors.bins import LOG, bin_of_one; bin_of_one(LOG, 3.0);"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
