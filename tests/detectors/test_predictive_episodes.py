"""What becomes of an alarm: latched, over, armed again; and the state that carries it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.errors import DataError

RULE = RateRule(needed=1e5)


def hours(*stretches: tuple[int, float], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Hourly counts, 21 labels each: (days, rate) after (days, rate)."""
    rng = np.random.default_rng(seed)
    rate = np.concatenate([np.full(24 * days, rate) for days, rate in stretches])
    return np.full(len(rate), 21), rng.binomial(21, rate)


def test_an_episode_begins_ends_and_is_armed_again() -> None:
    """Two spells of trouble make two episodes, each over after the old rate is back."""
    n, bad = hours((20, 0.06), (6, 0.2), (20, 0.06), (6, 0.2), (20, 0.06))
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
    assert abs(first.onset - (1000 + 480)) <= 6
    assert first.recovering is not None
    assert 1000 + 24 * 26 <= first.recovering < 1000 + 24 * 27
    assert watch.spells == ((first.onset, first.recovering), (second.onset, second.recovering))
    assert watch.latched.sum() == sum(
        e.recovered - e.alarmed for e in watch.episodes if e.recovered is not None
    )
    assert watch.since == second.recovered - 999 if second.recovered else False


def test_an_improvement_is_an_episode_downwards() -> None:
    """A fall of the bad rate alarms on the other side, and stays while it lasts."""
    n, bad = hours((20, 0.13), (20, 0.05))
    watch = watch_rate(n, bad, RULE)
    assert watch.status == "down"
    assert watch.down_nats[-1] > watch.up_nats[-1]


def test_evidence_of_an_episode_grows_while_it_lasts() -> None:
    """The null goes back to what it held at the onset: no trouble is taken for normal."""
    n, bad = hours((20, 0.06), (60, 0.13))
    watch = watch_rate(n, bad, RULE)
    alarmed, onset = watch.episodes[-1].alarmed, watch.episodes[-1].onset
    assert watch.status == "up"
    assert watch.evidence_nats[-1] > 10 * watch.evidence_nats[alarmed]
    assert watch.state.bad + watch.state.good == pytest.approx(21 * onset)


def sum_at(levels: np.ndarray, bad: float, good: float) -> np.ndarray:
    """Plain likelihood of an hour at each level."""
    likelihood: np.ndarray = levels**bad * (1 - levels) ** good
    return likelihood


class Oracle:
    """The rule of an episode's end as it is written down, an hour at a time in plain numbers."""

    def __init__(self, episode_hours: list[tuple[int, int]], p0: float, effect: float) -> None:
        n, bad = (sum(x) for x in zip(*episode_hours, strict=True))
        rate = (bad + 0.5) / (n + 1)
        sure = (rate - 1.28 * math.sqrt(rate * (1 - rate) / (n + 2)) - p0) / 2
        self.p0, self.near = p0, p0 + min(max(sure, 0.3 * effect), effect)
        odds = np.linspace(math.log(self.near / (1 - self.near)), 8, 48)
        self.p = 1 / (1 + np.exp(-odds))
        jeffreys = np.sqrt(self.p * (1 - self.p))
        half = np.exp(-0.5 * ((self.p - p0) / 0.07) ** 2) * self.p * (1 - self.p)
        nearest = np.arange(48) == 0
        self.spell = float(len(episode_hours))
        power = 1.0 if self.spell <= 3 else 0.5
        weight = jeffreys / jeffreys.sum() + half / half.sum()
        weight = weight + nearest if self.spell <= 3 else weight
        for k, (labels, failed) in enumerate(episode_hours):
            whole = 0 < k < len(episode_hours) - 1
            at = sum_at(self.p, failed, labels - failed) ** power
            weight = weight * (at if whole else self.edge(labels, failed, power))
            weight = weight / weight.sum()
        self.start = self.weight = weight
        self.ended = self.over = 0.0
        self.tau = self.relapses = self.gap = self.quiet = 0
        self.recovering = False

    def edge(self, labels: int, failed: int, power: float) -> np.ndarray:
        """An hour of which an unknown part was bad."""
        shares = np.arange(0.05, 1, 0.1)[:, None]
        rate = self.p0 + shares * (self.p - self.p0)
        likelihood: np.ndarray = (sum_at(rate, failed, labels - failed) ** power).mean(axis=0)
        return likelihood

    def hour(self, labels: int, failed: int) -> str:
        """Take an hour; where that leaves the episode."""
        end = self.spell / (self.spell + self.tau) - self.spell / (self.spell + self.tau + 1)
        end /= 2 ** min(self.relapses, 5)
        self.tau += 1
        q = self.p0**failed * (1 - self.p0) ** (labels - failed)
        at = sum_at(self.p, failed, labels - failed)
        m = float((self.weight * at).sum())
        self.weight = self.weight * at / m
        near = self.near**failed * (1 - self.near) ** (labels - failed)
        self.ended = min((self.ended + end) * q / m, 1e4)
        self.over = (self.over + end) * q / near
        self.quiet += 1
        if not self.recovering and self.ended >= 20:
            self.recovering = True
        elif self.recovering and self.ended < 1:
            self.recovering, self.gap = False, max(self.gap, self.quiet - 1)
            self.relapses, self.tau, self.spell = self.relapses + 1, 0, 2.0
            self.ended = self.over = 0.0
            self.quiet = 0
            weight = self.start * self.edge(labels, failed, 1.0)
            self.weight = weight / weight.sum()
        if self.ended < 20 and failed > 3 * self.p0 * labels:
            self.quiet = 0
        if self.ended >= 20 and self.over >= 50 and self.quiet >= 2 * self.gap:
            return "over"
        return "recovering" if self.recovering else "bad"


@pytest.mark.parametrize(
    "after",
    [
        [(2, 1.0), (40, 0.06)],
        [(144, 0.13), (300, 0.06)],
        [(2, 1.0), (6, 0.06), (2, 1.0), (30, 0.06), (2, 1.0), (100, 0.06)],
    ],
    ids=["outage", "days", "relapses"],
)
def test_recovery_follows_its_recursion(after: list[tuple[int, float]]) -> None:
    """Hour by hour, what the oracle says: bad, recovering, bad again, over."""
    rng = np.random.default_rng(5)
    rate = np.concatenate([np.full(480, 0.06), *(np.full(k, p) for k, p in after)])
    n = rng.integers(8, 25, len(rate))
    bad = rng.binomial(n, rate)
    watch = watch_rate(n, bad, RULE)
    episode = watch.episodes[0]
    first, alarmed = episode.onset, episode.alarmed
    p0 = (bad[:first].sum() + 0.5) / (n[:first].sum() + 1)
    trouble = list(
        zip(n[first : alarmed + 1].tolist(), bad[first : alarmed + 1].tolist(), strict=True)
    )
    oracle = Oracle(trouble, p0, 0.05)
    said = ["recovering" if r else "bad" for r in watch.recovering]
    for k in range(alarmed + 1, len(n)):
        now = oracle.hour(int(n[k]), int(bad[k]))
        if now == "over":
            assert episode.recovered == k
            break
        assert said[k] == now, k
    else:
        assert episode.recovered is None
    assert oracle.relapses > 0 or len(after) == 2


def test_quiet_hours_of_rare_errors_are_hardly_ever_taken_for_the_end() -> None:
    """Thirty days without an error, then three in a hundred calls: two errors say little of how bad it is."""
    rng = np.random.default_rng(9)
    rule = RateRule(needed=270_000)
    recovering = []
    for _ in range(40):
        n = rng.poisson(12.5, 40 * 24)
        bad = rng.binomial(n, np.where(np.arange(len(n)) < 30 * 24, 0.0, 0.03))
        watch = watch_rate(n, bad, rule)
        assert watch.status in ("up", "recovering")
        recovering.append(watch.recovering)
    assert np.mean(np.any(recovering, axis=1)) <= 0.12  # .25 to .29 where a half was expected
    assert np.mean(recovering) <= 0.002


def test_trouble_that_pauses_is_never_called_over() -> None:
    """Two bad hours, six good ones, for three weeks: now bad, now recovering, never recovered."""
    rng = np.random.default_rng(6)
    rate = np.concatenate([np.full(480, 0.06), np.tile([1.0] * 2 + [0.06] * 6, 63)])
    n = rng.poisson(12.5, len(rate)) + 1
    watch = watch_rate(n, rng.binomial(n, rate), RULE)
    assert watch.latched[482:].all()
    assert watch.recovering[482:].mean() == pytest.approx(0.75, abs=0.03)


def test_hours_without_labels_pass_time() -> None:
    """An outage seen through few labels ends as soon whether empty hours are handed in or not."""
    rng = np.random.default_rng(8)
    rate = np.concatenate([np.full(3000, 0.02), np.full(12, 1.0), np.full(300, 0.02)])
    n = rng.poisson(0.7, len(rate))
    bad = rng.binomial(n, rate)
    seen = np.flatnonzero(n)
    dense = watch_rate(n, bad, RULE)
    sparse = watch_rate(n[seen], bad[seen], RULE, stamp=seen)
    assert dense.episodes[0].recovering is not None
    assert sparse.episodes[0].recovering == dense.episodes[0].recovering
    np.testing.assert_array_equal(dense.recovering[seen], sparse.recovering)


def test_an_improvement_that_goes_away_ends() -> None:
    """The same rule, counted the other way around."""
    n, bad = hours((20, 0.2), (10, 0.05), (10, 0.2))
    watch = watch_rate(n, bad, RULE)
    assert watch.episodes[0].side == "down"
    assert watch.episodes[0].recovered is not None


def test_the_state_at_any_hour_goes_on_as_if_uncut() -> None:
    """Cut in quiet, in an episode and after it: the same evidence, the same episodes."""
    n, bad = hours((20, 0.06), (6, 0.13), (14, 0.06))
    whole = watch_rate(n, bad, RULE)
    for cut in (1, 100, 24 * 20 + 3, 24 * 21, 24 * 23, 24 * 27, 24 * 38):
        state = watch_rate(n[:cut], bad[:cut], RULE).state
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
    rest = watch_rate(n[300:], bad[300:], RULE, offset=offset[300:], state=state)
    np.testing.assert_allclose(rest.evidence_nats, whole.evidence_nats[300:], atol=1e-6)


def test_a_state_of_another_rule_is_refused() -> None:
    """Bets that the rule does not make cannot be carried on."""
    state = watch_rate([50], [5], RULE).state
    with pytest.raises(DataError):
        watch_rate([50], [5], RateRule(needed=1e5, declared=0.1), state=state)
