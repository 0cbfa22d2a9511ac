"""Effects between distributions, confidence estimates and repeated answers: oracles by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.shares.categories import category_dispersion
from gonogo.detectors.shares.consistency import daily_disagreement
from gonogo.detectors.trust.unlabelled import estimate_from_confidence, isotonic
from gonogo.detectors.values.shapes import chi2_tail, group_edges, grouped, shape_change
from gonogo.errors import DataError, NotEnoughData

_counts = st.lists(st.integers(0, 30), min_size=2, max_size=12)


@pytest.mark.parametrize(
    ("value", "freedom", "tail"),
    # Table 26.8 of Abramowitz & Stegun.
    [(3.84146, 1, 0.05), (5.99146, 2, 0.05), (16.9190, 9, 0.05), (21.6660, 9, 0.01), (0.0, 4, 1.0)],
)
def test_the_chi_squared_tail_is_the_tables(value: float, freedom: int, tail: float) -> None:
    """Odd and even degrees of freedom."""
    assert chi2_tail(value, freedom) == pytest.approx(tail, rel=1e-4)


def test_a_distance_is_that_of_sorted_samples() -> None:
    """Oracle: W1 of two equally large samples is the mean gap of their order statistics."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 50, 400), rng.integers(5, 60, 400)
    bins = np.arange(60)
    before, after = (np.bincount(x, minlength=60).astype(float) for x in (first, second))
    found = shape_change(bins, bins * 2.0, before, after)
    gaps = np.abs(np.sort(first) - np.sort(second)) * 2.0
    assert found.w1_sd == pytest.approx(gaps.mean() / (2.0 * first.std()))
    assert found.groups == 10
    assert found.p_value is not None
    assert found.p_value < 1e-6


def test_the_same_distribution_is_no_change_and_little_data_has_no_p_value() -> None:
    """PSI 0, distance 0; thirty values are too few for ten groups."""
    bins, counts = np.arange(20), np.full(20, 50.0)
    same = shape_change(bins, bins.astype(float), counts, counts)
    assert (same.psi, same.w1_sd) == (0, 0)
    assert same.p_value == 1
    few = shape_change(bins, bins.astype(float), counts, np.eye(20)[3] * 30)
    assert few.p_value is None
    assert few.psi > 1


@given(_counts)
def test_groups_cover_every_value_once(counts: list[int]) -> None:
    """Whatever the histogram: groups keep every count, and none of them is empty in the baseline."""
    bins = np.arange(len(counts)) * 3 - 7
    if not sum(counts):
        with pytest.raises(NotEnoughData):
            group_edges(bins, counts)
        return
    edges = group_edges(bins, counts)
    table = grouped(edges, np.zeros(len(bins), dtype=np.int64), bins, counts, 1)
    assert table.sum() == sum(counts)
    assert (table > 0).all()
    assert table.shape[1] <= 10


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), min_size=1, max_size=9))
def test_isotonic_rates_rise_and_fit_best(cells: list[tuple[int, float]]) -> None:
    """Oracle: the min-max formula of isotonic regression."""
    n = np.array([size for size, _ in cells], dtype=float)
    good = np.array([math.floor(size * share) for size, share in cells], dtype=float)
    found = isotonic(n, good)
    assert (np.diff(found) >= -1e-12).all()
    for place in np.flatnonzero(n):
        spans = [
            max(
                good[low : high + 1].sum() / n[low : high + 1].sum()
                for low in range(place + 1)
                if n[low : high + 1].sum()
            )
            for high in range(place, len(n))
        ]
        assert found[place] == pytest.approx(min(spans))


def test_an_estimate_covers_what_labels_would_have_said() -> None:
    """Overconfident scores are calibrated; of 200 estimates of 400 calls most cover the share."""
    rng, covered, bins = np.random.default_rng(2), 0, 20
    for _ in range(200):
        known, open_ = rng.integers(0, bins, 1500), rng.integers(bins // 2, bins, 400)
        truth = 0.4 + 0.5 * np.arange(bins) / bins
        good = np.bincount(known[rng.random(1500) < truth[known]], minlength=bins)
        share = (rng.random(400) < truth[open_]).mean()
        found = estimate_from_confidence(
            np.bincount(known, minlength=bins), good, np.bincount(open_, minlength=bins)
        )
        covered += found.interval95[0] <= share <= found.interval95[1]
    assert covered / 200 >= 0.90
    with pytest.raises(NotEnoughData):
        estimate_from_confidence([99.0], [50.0], [10.0])
    with pytest.raises(DataError):
        estimate_from_confidence([100.0], [101.0], [10.0])


def test_disagreement_is_that_of_all_pairs() -> None:
    """Oracle: every pair of answers of a day with each other and with the version's earlier ones."""
    rng = np.random.default_rng(3)
    rows = [
        (int(v), int(d), int(i), int(o))
        for v, d, i, o in rng.integers([0, 0, 0, 0], [2, 4, 3, 3], (60, 4))
    ]
    keys, n = np.unique(np.array(rows), axis=0, return_counts=True)
    found = daily_disagreement(keys[:, 0], keys[:, 1], keys[:, 2], keys[:, 3], n)
    for day, compared, differing in zip(found.day, found.compared, found.differing, strict=True):
        expected = []
        for version in (0, 1):
            for asked in (0, 1, 2):
                own = [r[3] for r in rows if r[:3] == (version, day, asked)]
                old = [r[3] for r in rows if r[0] == version and r[2] == asked and r[1] < day]
                pairs = [(a, b) for k, a in enumerate(own) for b in own[:k] + old]
                if pairs:
                    expected.append(np.mean([a != b for a, b in pairs]))
        assert compared == len(expected)
        assert differing == pytest.approx(sum(expected))
    with pytest.raises(DataError):
        daily_disagreement([1], [1], [1], [1], [0])


def test_days_that_differ_are_measured() -> None:
    """Independent days are near 1; days whose shares wander are told, one step of drift is not."""
    rng = np.random.default_rng(4)
    shares = [0.5, 0.3, 0.2]
    calm = category_dispersion(rng.multinomial(300, shares, 60), trimmed=False)
    uneven = [rng.multinomial(300, rng.dirichlet(np.array(shares) * 60)) for _ in range(60)]
    assert 1 <= calm < 1.5
    assert 3 < category_dispersion(uneven, trimmed=False) < 9
    step = np.vstack((rng.multinomial(300, shares, 7), rng.multinomial(300, shares[::-1], 7)))
    assert category_dispersion(step, trimmed=True) < 2
    with pytest.raises(DataError):
        category_dispersion([[math.nan]], trimmed=False)
