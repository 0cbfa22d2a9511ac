"""What becomes of an alarm: latched, over, armed again; and the state that carries it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.predictive import RateRule
from gonogo.detectors.predictive_hours import watch_rate
from gonogo.detectors.predictive_state import Episode, RateState
from gonogo.errors import DataError

RULE = RateRule(needed=1e5)


def hours(*stretches: tuple[int, float], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Hourly counts, 21 labels each: (days, rate) after (days, rate)."""
    rng = np.random.default_rng(seed)
    rate = np.concatenate([np.full(24 * days, rate) for days, rate in stretches])
    return np.full(len(rate), 21), rng.binomial(21, rate)


def test_an_episode_begins_ends_and_is_armed_again() -> None:
    """Two spells of trouble make two episodes, each over after the old rate is back."""
    n, bad = hours((20, 0.06), (6, 0.13), (20, 0.06), (6, 0.13), (20, 0.06))
    watch = watch_rate(n, bad, RULE, stamp=1000 + np.arange(len(n)))
    first, second = watch.episodes
    assert watch.status == "recovered"
    assert first.after is None
    assert second.after == first.recovered
    assert 1000 + 480 <= first.alarmed < 1000 + 24 * 26
    assert first.recovered is not None
    assert 1000 + 24 * 26 <= first.recovered < 1000 + 24 * 30
    assert second.alarmed >= 1000 + 24 * 46
    assert first.side == second.side == "up"
    assert first.rate_before == pytest.approx(0.06, abs=0.01)
    assert first.rate_after == pytest.approx(0.13, abs=0.04)
    assert watch.latched.sum() == sum(
        e.recovered - e.alarmed for e in watch.episodes if e.recovered is not None
    )
    assert watch.since == second.recovered - 999 if second.recovered else False


def test_an_improvement_is_an_episode_downwards() -> None:
    """A fall of the bad rate alarms on the other side, and stays while it lasts."""
    n, bad = hours((20, 0.13), (20, 0.05))
    watch = watch_rate(n, bad, RULE)
    assert watch.status == "down"
    assert watch.episodes[-1].rate_after < watch.episodes[-1].rate_before
    assert watch.down_nats[-1] > watch.up_nats[-1]


def test_evidence_of_an_episode_grows_while_it_lasts() -> None:
    """The null stops learning at the alarm, so a month of trouble is not taken for normal."""
    n, bad = hours((20, 0.06), (60, 0.13))
    watch = watch_rate(n, bad, RULE)
    alarmed = watch.episodes[-1].alarmed
    assert watch.status == "up"
    assert watch.evidence_nats[-1] > 10 * watch.evidence_nats[alarmed]
    assert watch.state.bad + watch.state.good == pytest.approx(21 * (alarmed + 1))


def test_recovery_follows_its_recursion() -> None:
    """Oracle: R <- (R + n) (p0 / p1)^s ((1 - p0) / (1 - p1))^(n - s), one batch at a time."""
    n, bad = hours((20, 0.06), (6, 0.13), (10, 0.06))
    watch = watch_rate(n, bad, RULE)
    episode = watch.episodes[0]
    old = episode.rate_before
    still_bad = old + max((episode.rate_after - old) / 2, 0.015)
    evidence, over = 0.0, None
    for k in range(episode.alarmed + 1, len(n)):
        ratio = (old / still_bad) ** bad[k] * ((1 - old) / (1 - still_bad)) ** (n[k] - bad[k])
        evidence = (evidence + n[k]) * ratio
        if evidence >= RULE.needed / 10:
            over = k
            break
    assert over is not None
    assert episode.recovered == over


def test_the_state_at_any_hour_goes_on_as_if_uncut() -> None:
    """Cut in quiet, in an episode and after it: the same evidence, the same episodes."""
    n, bad = hours((20, 0.06), (6, 0.13), (14, 0.06))
    whole = watch_rate(n, bad, RULE)
    for cut in (1, 100, 24 * 20 + 3, 24 * 23, 24 * 27, 24 * 38):
        state = RateState.from_bytes(watch_rate(n[:cut], bad[:cut], RULE).state.to_bytes())
        rest = watch_rate(n[cut:], bad[cut:], RULE, state=state)
        np.testing.assert_allclose(rest.evidence_nats, whole.evidence_nats[cut:], atol=1e-6)
        assert [e.alarmed for e in rest.episodes] == [e.alarmed for e in whole.episodes]
        assert [e.recovered for e in rest.episodes] == [e.recovered for e in whole.episodes]
        assert rest.state.batches == whole.state.batches


def test_a_resumed_season_goes_on_as_if_uncut() -> None:
    """The grid of the null travels with the state."""
    n, bad = hours((30, 0.06))
    offset = 0.3 * np.sin(np.arange(len(n)) / 24 * 2 * np.pi)
    whole = watch_rate(n, bad, RULE, offset=offset)
    state = watch_rate(n[:300], bad[:300], RULE, offset=offset[:300]).state
    rest = watch_rate(
        n[300:], bad[300:], RULE, offset=offset[300:], state=RateState.from_bytes(state.to_bytes())
    )
    np.testing.assert_allclose(rest.evidence_nats, whole.evidence_nats[300:], atol=1e-6)


def test_a_state_survives_its_bytes() -> None:
    """Every field, with and without an end and a beginning."""
    one = Episode("down", None, -5, 2**40, 12.5, 0.06, 0.02)
    state = RateState(
        batches=7,
        after=3,
        bad=1.5,
        good=2.5,
        cell=(-300, 0),
        row=(0, 9),
        mass_nats=(-math.inf, 3.25),
        grid=(-1.5, -0.5),
        grid_first=-350,
        latched=True,
        recovery_nats=-math.inf,
        episodes=(one, Episode("up", 2**40, 2**41, None, 13.0, 0.02, 0.2)),
    )
    assert RateState.from_bytes(state.to_bytes()) == state
    assert RateState.from_bytes(RateState().to_bytes()) == RateState()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x09" + RateState().to_bytes()[1:],
        RateState().to_bytes()[:-1],
        RateState().to_bytes() + b"x",
    ],
)
def test_bytes_that_are_no_state_are_refused(raw: bytes) -> None:
    """Another version, cut short, too long."""
    with pytest.raises(DataError):
        RateState.from_bytes(raw)


def test_a_state_of_another_rule_is_refused() -> None:
    """Bets that the rule does not make cannot be carried on."""
    state = watch_rate([50], [5], RULE).state
    with pytest.raises(DataError):
        watch_rate([50], [5], RateRule(needed=1e5, declared=0.1), state=state)
