"""A step over one batch is a run over one batch, and what is settled is not looked at again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.detectors import pieces
from gonogo.detectors.pieces import PieceCache, SettledPrefix
from gonogo.detectors.rate.rate_run import Run
from gonogo.detectors.rate.rate_state import RateState
from gonogo.detectors.rate.rate_step import step_rate
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.values.ranks import ScoreSums
from gonogo.detectors.values.score_step import step_scores
from gonogo.detectors.values.scores import ScoreRule, ScoreState, watch_scores

RULES = {
    "learned": RateRule(needed=1e5, dispersion=1.3),
    "one side": RateRule(needed=1e5, weight_up=1.0),
    "declared": RateRule(needed=1e5, declared=0.05),
}
batch = st.tuples(st.integers(0, 60), st.floats(0, 1)).map(lambda b: (b[0], b[0] * b[1]))


def state_after(rate: float, rule: RateRule, *, season: bool) -> RateState:
    """Ninety batches at 5 %, ten at another rate: an episode where that is much higher."""
    rng = np.random.default_rng(7)
    n = rng.integers(5, 40, 100).astype(np.float64)
    p = np.where(np.arange(100) < 90, 0.05, rate)
    offset = np.sin(np.arange(100)) / 3 if season else None
    return watch_rate(n, rng.binomial(n.astype(np.int64), p), rule, offset=offset).state


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("season", [False, True], ids=["level", "season"])
@pytest.mark.parametrize("rate", [0.05, 0.6], ids=["healthy", "latched"])
@settings(max_examples=40, deadline=None)
@given(counts=batch, offset=st.floats(-2, 2))
def test_a_step_is_a_run_over_one_batch(
    rule: RateRule,
    season: bool,  # noqa: FBT001 - a case
    rate: float,
    counts: tuple[float, float],
    offset: float,
) -> None:
    """In all that it says and in the state that it leaves, but for rounding; no turn is missed."""
    state, (n, bad) = state_after(rate, rule, season=season), counts
    assert state.latched == (rate > 0.5)
    offsets = np.array([offset]) if season else None
    run = Run(np.array([n]), np.array([bad]), rule, state, offsets, np.array([0]))
    with np.errstate(divide="ignore"):
        run.advance(0, 1)
    step = step_rate(state, float(n), bad, rule, offset if season else None, 0)
    if step is None:
        assert state.latched or run.recovery is not None
        return
    said = [step.both, step.up, step.down, step.null_nats, step.anchor]
    ran = [run.both[0], run.up[0], run.down[0], run.null_nats[0], run.anchor[0]]
    np.testing.assert_allclose(said, ran, rtol=1e-9, atol=1e-9)
    after = run.state()
    assert (step.state.latched, step.state.batches) == (after.latched, after.batches)
    same = ("bad", "good", "trail", "grid")
    for name in same:
        np.testing.assert_allclose(getattr(step.state, name), getattr(after, name), atol=1e-9)
    mass = dict(
        zip(zip(step.state.cell, step.state.row, strict=True), step.state.mass_nats, strict=True)
    )
    for cell, row, nats in zip(after.cell, after.row, after.mass_nats, strict=True):
        assert mass[cell, row] == pytest.approx(nats, abs=1e-9)


def scores_after(shift: float) -> ScoreState:
    """Sixty batches of healthy scores, then twenty that are shifted."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(80, 20)) + shift * (np.arange(80) >= 60)[:, None]
    sums = ScoreSums(np.full(80, 20.0), values.sum(axis=1), (values**2).sum(axis=1))
    return watch_scores(sums, SCORES, state=ScoreState.of_baseline(400, SCORES)).state


SCORES = ScoreRule(needed=1e5, dispersion=1.2)


@pytest.mark.parametrize("shift", [0.0, 1.0], ids=["healthy", "latched"])
@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(-3, 3), max_size=30))
def test_a_step_of_scores_is_a_run_over_one_batch(shift: float, values: list[float]) -> None:
    """The same of real values: two batches at once are a run, one alone is a step."""
    state, none = scores_after(shift), np.zeros(1)
    assert state.latched == (shift > 0)
    n, total, squares = float(len(values)), math.fsum(values), math.fsum(v * v for v in values)
    step = step_scores(state, n, total, squares, SCORES)
    run = watch_scores(
        ScoreSums(*(np.append([one], none) for one in (n, total, squares))), SCORES, state=state
    )
    if step is None:
        assert run.latched[0] != state.latched
        return
    said, ran = [step.both, step.up, step.down], [run.evidence_nats, run.up_nats, run.down_nats]
    np.testing.assert_allclose(said, [one[0] for one in ran], rtol=1e-9, atol=1e-9)
    assert step.state.n == pytest.approx(run.state.n)
    assert step.state.recovery_nats == pytest.approx(run.state.recovery_nats, abs=1e-9)


def test_settled_batches_are_digested_and_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that grows says what a fresh one says, and reads only what is not settled."""
    rng, rule, looked = np.random.default_rng(3), RULES["learned"], list[int]()
    n = rng.integers(1, 40, 700).astype(np.float64)
    bad = np.floor(n * 0.06)
    bad[500:] += np.floor(n[500:] * 0.4)
    kept, beginnings = PieceCache[RateWatch](), pieces.Beginnings()
    digested = pieces._keys

    def counted(cuts, batches, start, known):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as it is
        looked.append(len(batches[0]) - (known[-1][0] if known else 0))
        return digested(cuts, batches, start, known)

    monkeypatch.setattr(pieces, "_keys", counted)
    for end, old in ((300, 290), (301, 290), (320, 290), (640, 600), (640, 600), (700, 690)):
        n[end - 1] += 1
        mine = watch_rate(
            n[:end], bad[:end], rule, kept=kept, settled=SettledPrefix(old, beginnings)
        )
        fresh = watch_rate(n[:end], bad[:end], rule)
        for name in ("evidence_nats", "up_nats", "down_nats", "null_nats", "anchor", "latched"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(fresh, name))
        assert (mine.state, mine.since, mine.status) == (fresh.state, fresh.since, fresh.status)
    # From the last cut before what is settled: 288, 288, 256, 576, 576.
    assert looked == [300, 13, 32, 384, 64, 124]
    assert fresh.episodes
