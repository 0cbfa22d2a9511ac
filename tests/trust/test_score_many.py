"""Scores of many at once: each equals the one that a question about it alone gets."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gonogo.detectors.trust.mixture import (
    point_interval90,
    product_interval90,
    product_points,
)
from gonogo.detectors.trust.prior import Prior
from gonogo.detectors.trust.score import Batches, posterior, posteriors
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import BaselineSettings, DependencySettings, Settings
from gonogo.trust.fleet import check_fleet
from gonogo.trust.fleet_scores import AT_ONCE, FIRST_RUN
from gonogo.trust.score_many import score_many
from gonogo.trust.trust_estimate import kept_from, trust_estimate
from kept_verdicts import Verdicts
from trust_fakes import MemoryTelemetry

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000_000


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_many_posteriors_are_those_of_each(seed: int, size: int) -> None:
    """Rows from one to more than are weighed one by one, any prior."""
    dice = np.random.default_rng(seed)
    batches, priors = [], []
    for _ in range(size):
        rows = int(dice.integers(1, 700))
        hour = 480_000 + np.sort(dice.choice(2_000, rows, replace=False))
        n = dice.integers(1, 40, rows)
        batches.append(Batches(hour, dice.binomial(n, dice.uniform()), n))
        priors.append(Prior(float(dice.uniform(0.02, 0.98)), float(dice.uniform(0.5, 50))))
    found = posteriors(batches, priors, now_hour=482_010)
    for row, (one, prior) in enumerate(zip(batches, priors, strict=True)):
        want = posterior(one.hour, one.good, one.n, now_hour=482_010, prior=prior)
        np.testing.assert_allclose(found.weight[row], want.weight, atol=1e-9)
        np.testing.assert_allclose(found.a[row], want.a, rtol=1e-9)
        np.testing.assert_allclose(found.b[row], want.b, rtol=1e-9)
        between = np.broadcast_to(found.between_hours, len(batches))[row]
        assert between == pytest.approx(want.between_hours, abs=1e-12, nan_ok=True)


@given(st.integers(0, 2**32 - 1))
def test_the_ends_of_a_product_are_those_of_all_its_points(seed: int) -> None:
    """Oracle: every product, sorted."""
    dice = np.random.default_rng(seed)
    first, second = (
        np.sort(dice.beta(dice.uniform(0.2, 50), dice.uniform(0.2, 50), 256)) for _ in range(2)
    )
    want = point_interval90(product_points(first, second))
    assert product_interval90(first, second) == pytest.approx(want, abs=1e-12)


def lives(dice: np.random.Generator, name: str) -> list[Observation]:
    """Calls of any sort: sparse or dense, with and without labels, golden, repeated, late, old."""
    labelled, golden, hashed, judged, complained = dice.uniform(size=5) < (0.7, 0.15, 0.3, 0.3, 0.2)
    share = 0.1 if complained else 0.8
    rate, failing = dice.uniform(0.3, 1), dice.uniform(0, 0.3)
    ends = NOW - int(dice.choice([0, DAY_MS, 9 * DAY_MS]))
    days = float(dice.choice([0.1, 3, 40, 150]))
    return [
        Observation(
            name,
            ends - int(dice.uniform(0, days) * DAY_MS),
            kind="model" if name < "d5" else None,
            version=str(dice.integers(3)),
            error="timeout" if dice.uniform() < failing else None,
            outcome=float(dice.uniform() < rate and not complained)
            if labelled and dice.uniform() < share
            else None,
            outcome_by="judge:j" if judged and dice.uniform() < 0.9 else None,
            latency_ms=int(dice.integers(100, 900)),
            item="q" if golden else None,
            input_hash=str(dice.integers(9)) if hashed else None,
            output_hash=str(dice.integers(2)) if hashed else None,
        )
        for _ in range(int(dice.choice([1, 8, 40, 300])))
    ]


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
async def test_a_score_is_the_same_alone_and_among_many(seed: int) -> None:
    """Score, interval and verdict, whatever is known of each."""
    dice = np.random.default_rng(seed)
    names = [f"d{i}" for i in range(9)]
    own = Settings(
        store="",
        dependencies={
            "d1": DependencySettings("d1", latency_slo_ms=500, min_effect=0.1),
            "d2": DependencySettings("d2", kind="api", baseline=BaselineSettings(outcome=0.9)),
        },
    )
    telemetry = MemoryTelemetry(own)
    for name in names:
        await telemetry.record(lives(dice, name), NOW)
    rows = [row for row in await telemetry.fleet() if row.name in names]
    found = {score.dependency: score for score in await score_many(telemetry, own, rows, NOW)}
    assert set(found) == set(names)
    for name in names:
        want = kept_from(await trust_estimate(telemetry, own, name, NOW), NOW)
        got = found[name]
        assert (got.verdict, got.rev) == (want.verdict, want.rev)
        assert got[4:7] == pytest.approx(want[4:7], abs=1e-9)


async def test_a_fleet_that_is_not_done_says_so_and_goes_on() -> None:
    """Every dependency is counted at the first look; the next ones score the rest."""
    own = Settings(store="")
    telemetry = MemoryTelemetry(own)
    size = FIRST_RUN + AT_ONCE + 10
    for i in range(size):
        calls = [Observation(f"d{i:03}", NOW - k * HOUR_MS, outcome=1.0) for k in range(12)]
        await telemetry.record(calls, NOW)
    log = cast("DecisionLog", Verdicts())
    left = []
    for _ in range(4):
        report = await check_fleet(telemetry, log, own, now_ms=NOW, has_time=lambda: False)
        assert report.summary.startswith(f"{size} dependencies: ")
        left.append(report.waiting)
        assert ("not scored yet" in report.summary) == (report.waiting is not None)
        assert "unknown" not in report.summary
    assert left == [FIRST_RUN + 10, FIRST_RUN + 10 - AT_ONCE, None, None]
    assert report.summary.startswith(f"{size} dependencies: {size} go.")
