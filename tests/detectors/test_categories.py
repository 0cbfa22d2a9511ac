"""Shares of categories, and many detectors at once."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gonogo.detectors.many import listed, together_nats
from gonogo.detectors.shares.categories import NEW, watch_categories
from gonogo.errors import DataError, NotEnoughData, ParameterError


def test_evidence_has_the_promised_mean() -> None:
    """Enumeration of all streams of five values in two categories: the mean of R after n is n."""
    # A baseline of one value each makes the null's law Beta(3/2, 3/2), "(new)" aside.
    expected, total = np.zeros(5), 0.0
    for stream in itertools.product(range(3), repeat=5):
        law, chance = np.array([1.5, 1.5, 0.5]), 1.0
        for value in stream:
            chance *= law[value] / law.sum()
            law[value] += 1
        counts = np.vstack([[1.0, 1.0, 0.0], np.eye(3)[list(stream)]])
        watch = watch_categories(counts, ["a", "b", "c"], baseline=1, needed=1e9)
        expected += chance * np.exp(watch.evidence_nats)
        total += chance
    assert total == pytest.approx(1)
    assert expected == pytest.approx([1, 2, 3, 4, 5])


def test_a_new_mix_is_seen_named_and_left_again() -> None:
    """Winter coats offered in Phoenix: a share jumps, a new one comes, and both go back."""
    rng = np.random.default_rng(1)
    usual, odd = [0.6, 0.4, 0.0, 0.0], [0.35, 0.4, 0.2, 0.05]
    counts = np.array([rng.multinomial(200, odd if 40 <= d < 46 else usual) for d in range(70)])
    names = ["shirts", "shoes", "coats", "gloves"]
    watch = watch_categories(counts, names, baseline=28, needed=1e5)
    assert not watch.latched[:12].any()
    assert watch.latched[14:18].all()
    assert not watch.latched[-10:].any()
    assert not watch.drifted
    during = watch_categories(counts[:46], names, baseline=28, needed=1e5)
    assert during.drifted
    assert during.shares[0].category == NEW
    assert during.shares[0].after == pytest.approx(0.25, abs=0.05)


def test_malformed_categories_are_refused() -> None:
    """NaN, a missing name, an empty baseline, no baseline."""
    for counts, names in (([[math.nan]], ["a"]), ([[1.0]], ["a", "b"]), ([[-1.0]], ["a"])):
        with pytest.raises(DataError):
            watch_categories(counts, names, baseline=1, needed=10)
    with pytest.raises(NotEnoughData):
        watch_categories([[0.0], [1.0]], ["a"], baseline=1, needed=10)
    with pytest.raises(ParameterError):
        watch_categories([[1.0]], ["a"], baseline=0, needed=10)


def test_a_list_is_cut_where_e_d_bh_cuts_it() -> None:
    """K needed / k: one of four needs four times the evidence, all four need it once."""
    needed = 100.0
    assert listed(np.log([399, 1, 1, 1]), needed=needed) == []
    assert listed(np.log([1, 401, 1, 1]), needed=needed) == [1]
    assert listed(np.log([101, 102, 103, 104]), needed=needed) == [3, 2, 1, 0]
    assert listed([], needed=needed) == []
    assert together_nats([math.log(8), -math.inf], [0.5, 0.5]) == pytest.approx(math.log(4))
    with pytest.raises(DataError):
        listed([math.nan], needed=needed)
    with pytest.raises(DataError):
        together_nats([0, 0], [0.7, 0.7])
