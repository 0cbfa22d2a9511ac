"""Can what was said be trusted: calibration, segments, the known-good watch, as asked for."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest

from gonogo.answers import ScoreHealth
from gonogo.detectors.trust import calibration_health as health
from gonogo.errors import DataError
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import Settings
from gonogo.trust.trust_check import check_trust
from kept_verdicts import Verdicts
from trust_fakes import MemoryTelemetry

NOW = 1_780_000_000_000  # a Thursday
SETTINGS = Settings(store="unused")


def stated(chance: np.ndarray, good: np.ndarray) -> health.StatedChances:
    """One bin a distinct chance."""
    bins, at = np.unique(chance, return_inverse=True)
    n, came = np.bincount(at), np.bincount(at, good)
    return health.StatedChances(bins, n, came.astype(np.int64), float(chance.sum()))


def test_ece_and_brier_of_a_worked_example() -> None:
    """Two bins by hand: .9 said, .75 came; .25 said, .25 came."""
    chance = np.array([0.9] * 4 + [0.25] * 4)
    good = np.array([1, 1, 1, 0, 1, 0, 0, 0])
    found = health.calibration(stated(chance, good))
    assert found.ece == pytest.approx(0.15 / 2)
    assert found.brier == pytest.approx(np.mean((chance - good) ** 2))


def test_p_value_of_calibration_is_uniform_when_all_is_right() -> None:
    """Over 400 samples of right chances, 5 % have p <= .05, within three standard errors."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        chance = np.round(rng.uniform(0.3, 0.97, 600), 2)
        p_values.append(health.calibration(stated(chance, rng.random(600) < chance)).p_value)
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.033)


@pytest.mark.parametrize(("value", "freedom", "want"), [(18.307, 10, 0.05), (3.841, 1, 0.05)])
def test_chi_squared_tail_matches_the_tables(value: float, freedom: int, want: float) -> None:
    """Textbook 5 % points."""
    assert health.chi_squared_tail(value, freedom) == pytest.approx(want, abs=0.004)


def test_benjamini_hochberg_of_the_papers_example() -> None:
    """The fifteen p-values of the 1995 paper: four discoveries at 5 %."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    shuffled = p[::-1]
    found = health.benjamini_hochberg(shuffled, 0.05)
    assert [x for x, hit in zip(shuffled, found, strict=True) if hit] == p[:4][::-1]


def logits(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Stated chances, and outcomes whose log-odds lie `shift` away from them."""
    z = np.round(rng.normal(2, 1, n), 1)
    return 1 / (1 + np.exp(-z)), rng.random(n) < 1 / (1 + np.exp(-z - shift))


def flagged(kind: str, seed: int) -> set[str]:
    """The biased ones of twelve segments of 300; x is the one that is other."""
    rng = np.random.default_rng(seed)
    parts = {}
    for name in ["x", *map(str, range(11))]:
        shift = -1.0 if kind == "all miss" or (name == "x" and kind == "misses") else 0.0
        parts[name] = logits(rng, 300, shift)
    if kind == "worse, and said so":
        parts["x"] = (np.full(300, 0.5), rng.random(300) < 0.5)
    whole = stated(*(np.concatenate(column) for column in zip(*parts.values(), strict=True)))
    found = health.residuals(whole, [(name, stated(*part)) for name, part in parts.items()])
    assert all(one.biased is not None for one in found)
    return {one.segment for one in found if one.biased}


def test_bias_is_a_miss_of_one_segment() -> None:
    """In 40 fleets the one that misses is always found, the honestly worse one hardly ever.

    The false-discovery rate lets one of twelve steady segments be named in a few fleets.
    """
    missed = [flagged("misses", seed) for seed in range(40)]
    assert all("x" in found for found in missed)
    assert sum(len(found) > 1 for found in missed) <= 6
    assert sum("x" in flagged("worse, and said so", seed) for seed in range(40)) <= 1
    assert sum("x" in flagged("all miss", seed) for seed in range(40)) <= 4


def test_below_200_labels_nothing_is_told() -> None:
    """However bad it looks."""
    rng = np.random.default_rng(3)
    chance, good = np.full(199, 0.9), np.zeros(199)
    rest = logits(rng, 2000)
    whole = stated(np.r_[chance, rest[0]], np.r_[good, rest[1]])
    [found] = health.residuals(whole, [("x", stated(chance, good))])
    assert found.biased is None
    assert found.sd < -20


def test_malformed_bins_are_refused() -> None:
    """More good than calls is no calibration."""
    one = np.array([1])
    with pytest.raises(DataError, match="good"):
        health.calibration(health.StatedChances(np.array([0.5]), one, one + 1, 0.5))


def test_page_limit_nears_275_sd_as_the_baseline_grows() -> None:
    """With few runs the baseline's own error widens it."""
    assert health.page_limit_sd(10**9) == pytest.approx(2.75)
    assert health.page_limit_sd(7) == pytest.approx(2.75 * math.sqrt(2))


async def asked(
    observations: list[Observation], name: str | None = "m", first_told_ms: int = 0
) -> ScoreHealth:
    """Score health as the tool would give it; each was told a score first at a moment."""
    telemetry = MemoryTelemetry(SETTINGS)
    await telemetry.record(observations, NOW)
    first = {one.dependency: first_told_ms for one in observations}
    log = cast("DecisionLog", Verdicts(first=first))
    report = await check_trust(telemetry, log, SETTINGS, dependency=name, now_ms=NOW)
    assert report.score_health is not None
    return report.score_health


def sure_calls(weekend: float, *, n: int = 3000, said: float = 0.9) -> list[Observation]:
    """Calls with a stated confidence; on weekends another share of them is right."""
    rng = np.random.default_rng(4)
    seen = []
    for ts_ms in (NOW - rng.integers(0, 28 * DAY_MS, n)).tolist():
        # 1 January 1970 was a Thursday.
        is_weekend = (ts_ms // DAY_MS + 3) % 7 >= 5
        right = rng.random() < (weekend if is_weekend else said)
        seen.append(Observation("m", ts_ms, kind="model", outcome=float(right), confidence=said))
    return seen


@pytest.mark.anyio
async def test_what_goes_wrong_only_on_weekends_is_named() -> None:
    """Stated .9 all week, right .75 of the time on weekends."""
    found = await asked(sure_calls(0.75))
    assert found.status == "biased"
    assert found.segments is not None
    assert found.segments[0].segment == "day_type=weekend"
    assert found.segments[0].biased is True
    assert found.segments[0].residual < -5
    assert "day_type=weekend comes out worse than said by 0.1" in str(found.note)


@pytest.mark.anyio
async def test_honest_confidence_is_healthy_and_overconfidence_is_not() -> None:
    """Right as often as said: healthy; .9 said and .75 right everywhere: miscalibrated."""
    assert (await asked(sure_calls(0.9))).status == "healthy"
    over = [
        Observation("m", NOW - i * HOUR_MS // 4, outcome=float(i % 4 > 0), confidence=0.9)
        for i in range(1200)
    ]
    found = await asked(over)
    assert found.status == "miscalibrated"
    assert found.ece == pytest.approx(0.15, abs=0.01)


@pytest.mark.anyio
async def test_thin_old_and_missing_confidence_are_told_apart() -> None:
    """Fifty labels: unknown; labels of last month: stale; none: unknown, and what to record."""
    assert (await asked(sure_calls(0.9)[:50])).status == "unknown"
    old = [
        Observation("m", NOW - 20 * DAY_MS - i * HOUR_MS, outcome=float(i % 10 > 0), confidence=0.9)
        for i in range(400)
    ]
    assert (await asked([*old, Observation("m", NOW)])).status == "stale"
    none = await asked([Observation("m", NOW - i, outcome=1.0) for i in range(30)])
    assert none.status == "unknown"
    assert "record `confidence` and `outcome` together" in str(none.note)


def golden(fell_on_day: int, *, days: int = 100, items: int = 200) -> list[Observation]:
    """Daily runs of a golden set at .95, from some day on at .88."""
    rng = np.random.default_rng(5)
    start = NOW - days * DAY_MS
    return [
        Observation(
            "m",
            start + day * DAY_MS,
            item=f"i{item}",
            outcome=float(rng.random() < (0.95 if day < fell_on_day else 0.88)),
        )
        for day in range(days)
        for item in range(items)
    ]


@pytest.mark.anyio
async def test_a_fallen_golden_set_pages_and_a_steady_one_does_not() -> None:
    """.95 to .88 on 200 items: paged on the second day; coverage counts the items asked."""
    steady = await asked(golden(100))
    assert steady.golden_page is False
    assert steady.coverage == 1
    fallen = await asked(golden(98))
    assert fallen.golden_page is True
    assert fallen.golden_deviation_sd is not None
    assert fallen.golden_deviation_sd < -2
    assert "2" in str(fallen.golden_warning)
    assert fallen.status == "biased"
    half = [
        one for one in golden(100) if one.ts_ms < NOW - 30 * DAY_MS or int(str(one.item)[1:]) < 100
    ]
    assert (await asked(half)).coverage == 0.5


@pytest.mark.anyio
async def test_gonogos_own_scores_are_held_against_what_came() -> None:
    """Steady dependencies: the scores that stood before each hour came true."""
    rng = np.random.default_rng(6)
    seen = [
        Observation(f"m{i % 3}", NOW - i * HOUR_MS // 2, outcome=float(rng.random() < 0.9))
        for i in range(3000)
    ]
    found = await asked(seen, None)
    assert found.status == "healthy"
    assert found.ece is not None
    assert found.ece < 0.03
    assert found.labels == 3 * 512  # the newest hours of each
    assert "gonogo's own scores" in str(found.note)


@pytest.mark.anyio
async def test_history_of_which_nothing_was_said_judges_no_score() -> None:
    """A first hour that was bad, then a good day, all brought in; later calls are judged."""
    brought = [
        Observation("m", NOW - 50 * HOUR_MS + (i > 11) * HOUR_MS + i, outcome=float(i > 9))
        for i in range(2000)
    ]
    assert (await asked(brought, None)).status == "biased"
    found = await asked(brought, None, NOW - 10 * HOUR_MS)
    assert (found.status, found.labels, found.segments) == ("unknown", 0, None)
    live = [
        Observation("m", NOW - i * HOUR_MS // 40, outcome=float(i % 40 > 0)) for i in range(300)
    ]
    judged = await asked([*brought, *live], None, NOW - 10 * HOUR_MS)
    assert (judged.status, judged.labels) == ("healthy", 300)
