"""Two samples of outputs on one distance matrix, and a text as numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.outputs.semantic import (
    daily_evidence,
    day_spread,
    permutations_for,
    sample_change,
)
from gonogo.detectors.outputs.text_features import TEXT_FEATURES, text_features
from gonogo.errors import DataError, NotEnoughData, ParameterError


def test_the_distance_is_that_of_its_definition() -> None:
    """Oracle: energy distance by its sums over pairs."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(20, 3)), rng.normal(0.3, 1, size=(17, 3))
    apart = np.array([[math.dist(a, b) for b in (*first, *second)] for a in (*first, *second)])

    def between(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
        within = matrix[:20, :20].sum() / (20 * 19) + matrix[20:, 20:].sum() / (17 * 16)
        return float(2 * matrix[:20, 20:].mean() - within)

    found = sample_change(first, second, seed=1, permutations=199)
    assert found.energy == pytest.approx(between(apart) / apart[:20, 20:].mean(), abs=1e-4)


def test_the_same_data_get_the_same_answer_and_a_scale_changes_nothing() -> None:
    """Dice by seed alone; units of the vectors do not matter."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(40, 5)), rng.normal(0.2, 1, size=(30, 5))
    once = sample_change(first, second, seed=7, permutations=999)
    assert once == sample_change(first, second, seed=7, permutations=999)
    large = sample_change(first * 1e3, second * 1e3, seed=7, permutations=999)
    assert large.p_value == once.p_value
    assert sample_change(first, first[:20] * 1.0, seed=7, permutations=999).p_value > 0.05


def test_a_plain_change_uses_every_relabelling_and_reaches_what_is_needed() -> None:
    """No relabelling stands out as much: p is 1 / (tried + 1), and evidence is enough."""
    rng = np.random.default_rng(3)
    tried = permutations_for(1000.0)
    found = sample_change(
        rng.normal(size=(60, 8)), rng.normal(3, 1, size=(40, 8)), seed=1, permutations=tried
    )
    assert found.p_value == 1 / (tried + 1)
    assert daily_evidence(found.p_value, needed=1000.0) >= 1000.0
    assert daily_evidence(2 / tried, needed=1000.0) < 1000.0


def test_an_e_value_of_one_test_has_mean_at_most_one() -> None:
    """Integrated over a uniform p-value."""
    p = (np.arange(1_000_000) + 0.5) / 1_000_000
    values = [daily_evidence(float(x), needed=5000.0) for x in p[:12_000]]
    assert sum(values) / 1_000_000 == pytest.approx(1.0, abs=0.2 / 12)
    assert daily_evidence(0.5, needed=5000.0) == 0


def test_days_of_the_baseline_that_differ_are_measured() -> None:
    """Equal days are near 0; a day of its own kind is as far as it is."""
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(4), 20)
    calm = rng.normal(size=(80, 6))
    uneven = calm + 2.0 * (day == 2)[:, None]
    assert day_spread(calm, day) < 0.05
    assert day_spread(uneven, day) > 0.3
    assert day_spread(calm[:15], day[:15]) == 0


def test_malformed_samples_are_refused() -> None:
    """NaN, other widths, too few outputs or relabellings, days of another length."""
    good = np.zeros((20, 3))
    with pytest.raises(DataError):
        sample_change(good, np.full((20, 3), math.nan), seed=1, permutations=199)
    with pytest.raises(DataError):
        sample_change(good, np.zeros((20, 4)), seed=1, permutations=199)
    with pytest.raises(NotEnoughData):
        sample_change(good, good[:5], seed=1, permutations=199)
    with pytest.raises(ParameterError):
        sample_change(good, good, seed=1, permutations=50)
    with pytest.raises(DataError):
        day_spread(good, [1, 2])


def test_text_becomes_numbers_of_one_length() -> None:
    """Form is told apart, words are counted with their order, huge texts stay cheap."""
    plain, json_, empty = (text_features(t) for t in ("Yes, two of them.", '{"a": [1]}', ""))
    assert len(plain) == len(json_) == len(empty) == TEXT_FEATURES
    assert all(math.isfinite(x) for x in (*plain, *json_, *empty))
    assert json_ != plain
    assert text_features("one two three") != text_features("three two one")
    assert text_features("One two") != text_features("one two")
    long = text_features("word " * 100_000)
    assert long[0] > text_features("word " * 1000)[0]
    assert math.hypot(*long[10:]) == pytest.approx(1.5)
