"""What every sequential detector promises, run over each of them.

A detector joins by a `Case`: how to draw healthy batches, how to make one batch worse, and how to
run it from a stored state. A batch is a column: the detector's own counts or sums.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gonogo.detectors.rate.null import RateState
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.values.ranks import ScoreSums
from gonogo.detectors.values.score_state import ScoreRule, ScoreState
from gonogo.detectors.values.scores import watch_scores
from gonogo.errors import DataError

Floats = NDArray[np.float64]
NEEDED = 1e5


@dataclass(frozen=True)
class Ran:
    """Evidence after each batch, nats, for any change and for a change for the worse; the state."""

    evidence_nats: Floats
    worse_nats: Floats
    state: Any


@dataclass(frozen=True)
class Case:
    """One detector.

    Attributes:
        name: Shown in the test's id.
        draw: Healthy batches, shape (quantities, batches), from a generator and their number.
        spoil: The batches with those from an index on much worse than healthy.
        run: Evidence over batches, going on from a state where there is one.
        state_bytes_max: The promise of bounded memory.
    """

    name: str
    draw: Callable[[np.random.Generator, int], Floats]
    spoil: Callable[[Floats, int], Floats]
    run: Callable[[Floats, Any], Ran]
    state_bytes_max: int
    batches_max: int = 17_520  # two years of hours


def _draw_rate(rng: np.random.Generator, batches: int) -> Floats:
    n = rng.integers(0, 40, batches)
    return np.array([n, rng.binomial(n, 0.06)], dtype=np.float64)


def _daily_cycle(hour: NDArray[np.int64]) -> Floats:
    cycle: Floats = 0.5 * np.sin(2 * np.pi * hour / 24)
    return cycle


def _draw_season(rng: np.random.Generator, batches: int) -> Floats:
    n = rng.integers(0, 40, batches)
    odds = np.exp(math.log(0.06 / 0.94) + _daily_cycle(np.arange(batches)))
    return np.array([n, rng.binomial(n, odds / (1 + odds))], dtype=np.float64)


def _spoil_rate(batches: Floats, first: int) -> Floats:
    worse = batches.copy()
    worse[1, first:] = np.minimum(
        worse[1, first:] + np.ceil(0.1 * worse[0, first:]), worse[0, first:]
    )
    return worse


def _rate_runner(rule: RateRule, *, season: bool = False) -> Callable[[Floats, Any], Ran]:
    def run(batches: Floats, begun: RateState | None) -> Ran:
        state = begun or RateState()
        hour = state.batches + np.arange(batches.shape[1])
        offset = _daily_cycle(hour) if season else None
        watch = watch_rate(batches[0], batches[1], rule, state=state, offset=offset)
        return Ran(watch.evidence_nats, watch.up_nats, watch.state)

    return run


def _draw_scores(rng: np.random.Generator, batches: int) -> Floats:
    n = rng.integers(1, 40, batches)
    values = [rng.normal(size=k) for k in n]
    return np.array([n, [v.sum() for v in values], [(v**2).sum() for v in values]])


def _spoil_scores(batches: Floats, first: int) -> Floats:
    worse = batches.copy()
    n, total, _ = batches[:, first:]
    worse[1, first:] += 0.5 * n
    worse[2, first:] += total + 0.25 * n
    return worse


def _run_scores(batches: Floats, begun: ScoreState | None) -> Ran:
    rule = ScoreRule(needed=NEEDED)
    state = begun or ScoreState.of_baseline(2000, rule)
    watch = watch_scores(ScoreSums(*batches), rule, state=state)
    return Ran(watch.evidence_nats, watch.up_nats, watch.state)


CASES = [
    Case("rate", _draw_rate, _spoil_rate, _rate_runner(RateRule(needed=NEEDED)), 20_480),
    Case(
        "rate-dispersed",
        _draw_rate,
        _spoil_rate,
        _rate_runner(RateRule(needed=NEEDED, weight_up=0.5, dispersion=1.7)),
        20_480,
    ),
    Case(
        "rate-declared",
        _draw_rate,
        _spoil_rate,
        _rate_runner(RateRule(needed=NEEDED, declared=0.06)),
        20_480,
    ),
    Case(
        "rate-seasonal",
        _draw_season,
        _spoil_rate,
        _rate_runner(RateRule(needed=NEEDED), season=True),
        24_576,
    ),
    Case("scores", _draw_scores, _spoil_scores, _run_scores, 8192),
]
every_detector = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def _healthy(case: Case, batches: int, seed: int = 1) -> Floats:
    return case.draw(np.random.default_rng(seed), batches)


@every_detector
def test_input_is_left_as_it_was(case: Case) -> None:
    """A caller's arrays are not scratch space, nor is the state it holds."""
    batches = _healthy(case, 300)
    kept = batches.copy()
    batches.flags.writeable = False
    state = case.run(batches, None).state
    kept_state = pickle.dumps(state)
    case.run(batches, state)
    np.testing.assert_array_equal(batches, kept)
    assert pickle.dumps(state) == kept_state


@every_detector
def test_the_same_input_gives_the_same_bits(case: Case) -> None:
    """No hidden clock or dice."""
    batches = _spoiled_and_healed(case)
    first, second = case.run(batches, None), case.run(batches, None)
    np.testing.assert_array_equal(first.evidence_nats, second.evidence_nats)
    assert pickle.dumps(first.state) == pickle.dumps(second.state)


@every_detector
@pytest.mark.parametrize("cut", [1, 400, 610, 700, 1100, 1499])
def test_a_stored_state_goes_on_as_if_uncut(case: Case, cut: int) -> None:
    """Cut in health, in trouble and after it: the evidence is that of one run."""
    batches = _spoiled_and_healed(case)
    whole = case.run(batches, None)
    head = case.run(batches[:, :cut], None)
    tail = case.run(batches[:, cut:], head.state)
    joined = np.concatenate((head.evidence_nats, tail.evidence_nats))
    np.testing.assert_allclose(joined, whole.evidence_nats, atol=1e-6, rtol=1e-9)


def _spoiled_and_healed(case: Case) -> Floats:
    batches = _healthy(case, 1500)
    return np.concatenate((case.spoil(batches[:, :800], 600), batches[:, 800:]), axis=1)


@every_detector
def test_one_batch_at_a_time_is_the_same_run(case: Case) -> None:
    """However often it is looked at, through however many states, it sees the same."""
    batches = case.spoil(_healthy(case, 60), 40)
    state, seen = None, []
    for k in range(batches.shape[1]):
        ran = case.run(batches[:, k : k + 1], state)
        state = ran.state
        seen.append(ran.evidence_nats[0])
    np.testing.assert_allclose(seen, case.run(batches, None).evidence_nats, atol=1e-6, rtol=1e-9)


@every_detector
def test_memory_is_bounded(case: Case) -> None:
    """After two years of hours, or five of days, the state is no larger than promised."""
    lengths = (100, 1500, case.batches_max)
    states = [case.run(_healthy(case, batches), None).state for batches in lengths]
    sizes = [len(pickle.dumps(state)) for state in states]
    assert max(sizes) <= case.state_bytes_max


@every_detector
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_numbers_that_are_none_are_refused(case: Case, value: float) -> None:
    """NaN, infinity and negative counts never become evidence."""
    batches = _healthy(case, 20)
    batches[0, 7] = value
    with pytest.raises(DataError):
        case.run(batches, None)


@every_detector
def test_worse_batches_are_more_evidence_of_worse(case: Case) -> None:
    """The later of two equal streams turns worse, in any one batch or from it on: never less."""
    batches = _healthy(case, 420)
    worse_nats = case.run(batches, None).worse_nats
    for first in (400, 410, 419):
        spoiled = case.run(case.spoil(batches, first), None).worse_nats
        np.testing.assert_allclose(spoiled[:first], worse_nats[:first], atol=1e-12)
        assert (spoiled[first:] >= worse_nats[first:] - 1e-9).all()
        assert spoiled[-1] > worse_nats[-1]


@every_detector
def test_it_sees_what_is_plain(case: Case) -> None:
    """Health stays below the threshold, plain trouble passes it."""
    batches = _healthy(case, 800)
    assert case.run(batches, None).evidence_nats.max() < math.log(NEEDED)
    assert case.run(case.spoil(batches, 600), None).evidence_nats.max() >= math.log(NEEDED)
