"""Items one by one: against the plain formula, on average over what it assumes, and at its border."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.golden import paired as golden_items
from gonogo.detectors.golden.paired import item_evidence
from gonogo.errors import DataError, ParameterError


def log_beta(a: float, b: float) -> float:
    """Ln B(a, b)."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def plainly(fails: list[list[float]], start: int, run: int) -> float:
    """One start's likelihood ratio after a run, item by item, from the docstring."""
    items = range(len(fails[0]))

    def counts(item: int, first: int, last: int) -> tuple[float, float]:
        bad = sum(fails[r][item] for r in range(first, last))
        return bad, last - first - bad

    def seen(law: tuple[float, float], last: int) -> float:
        return sum(
            log_beta(law[0] + f, law[1] + p) - log_beta(*law)
            for f, p in (counts(item, 0, last) for item in items)
        )

    laws = [(float(a), float(b)) for a, b in golden_items._LAWS]
    null = math.log(
        sum(math.exp(seen(law, run + 1)) for law in laws)
        / sum(math.exp(seen(law, start)) for law in laws)
    )
    a, b = max(laws, key=lambda law: seen(law, start))
    total = 0.0
    for share in golden_items._SHARES.tolist():
        product = 1.0
        for item in items:
            (f0, p0), (f, p) = counts(item, 0, start), counts(item, start, run + 1)
            well = math.exp(log_beta(a + f0 + f, b + p0 + p) - log_beta(a + f0, b + p0))
            product *= (1 - share) * well + share * 0.9**f * 0.1**p
        total += product
    return total / len(golden_items._SHARES) / math.exp(null)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_it_is_the_sum_over_starts(parts: int) -> None:
    """Oracle: every start's ratio from the formula, in plain numbers; also of halves and thirds."""
    rng = np.random.default_rng(3)
    fails = rng.binomial(parts, 0.3, (7, 5)) / parts
    found = np.exp(item_evidence(1.0 - fails, warm_up=3))
    expected = [sum(plainly(fails.tolist(), k, run) for k in range(3, run + 1)) for run in range(7)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_its_mean_is_at_most_the_number_of_runs() -> None:
    """Chances drawn from each law of the grid in turn: the promise, within three standard errors."""
    rng = np.random.default_rng(4)
    values = []
    for a, b in golden_items._LAWS[::2]:
        fails = rng.random((12, 20)) < rng.beta(a, b, 20)
        values.append(math.exp(item_evidence((~fails).astype(np.float64), warm_up=4, newest=1)[-1]))
    assert np.mean(values) <= 8 + 3 * np.std(values) / math.sqrt(len(values))


def test_the_newest_runs_alone_are_weighed_the_same() -> None:
    """What one look costs does not change what it sees; items that were not asked say nothing."""
    rng = np.random.default_rng(5)
    outcome = (rng.random((40, 30)) < 0.9).astype(np.float64)
    outcome[rng.random(outcome.shape) < 0.1] = np.nan
    whole = item_evidence(outcome, warm_up=8)
    part = item_evidence(outcome, warm_up=8, newest=3)
    np.testing.assert_allclose(part[-3:], whole[-3:], atol=1e-9)
    assert np.isneginf(part[:-3]).all()
    padded = np.column_stack((outcome, np.full(len(outcome), np.nan)))
    shares = item_evidence(padded, warm_up=8)
    np.testing.assert_allclose(shares, whole, atol=1e-9)


def test_what_is_no_outcome_is_refused() -> None:
    """Values outside [0, 1], a table of another shape, no run to learn from."""
    with pytest.raises(DataError):
        item_evidence(np.array([[1.5, 0.0], [1.0, 0.0]]), warm_up=1)
    with pytest.raises(DataError):
        item_evidence(np.array([1.0, 0.0]), warm_up=1)
    with pytest.raises(ParameterError):
        item_evidence(np.ones((3, 2)), warm_up=0)
