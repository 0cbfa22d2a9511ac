"""What falls together: a declared provider, a pair that nobody declared, and mere coincidence."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from gonogo.answers import TrustReport
from gonogo.detectors.trust.cofailure import failing_together, falling_pairs
from gonogo.errors import DataError
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import HOUR_MS, Observation
from gonogo.settings import DependencySettings, Settings
from gonogo.trust.fleet import check_fleet
from gonogo.trust.trust_check import check_trust
from kept_verdicts import Verdicts
from trust_fakes import MemoryTelemetry

NOW = 1_780_000_000_000
HOURS = 240


def steady(members: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Failed calls and calls of dependencies that fail one call in fifty."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(6, (members, HOURS))
    return rng.binomial(n, 0.02), n


def test_a_shared_outage_is_named_with_its_members_and_its_hour() -> None:
    """Four of five fail from three hours ago; the fifth does not."""
    failed, n = steady(5, 1)
    n[:, -3:] = 6
    failed[:4, -3:] = 5
    failed[4, -3:] = 0
    found = failing_together(failed, n)
    assert found.members == (0, 1, 2, 3)
    assert abs(found.start - (HOURS - 3)) <= 1
    assert found.e_value > 1e6


def test_a_total_outage_of_many_began_when_it_began() -> None:
    """Fifty fail outright for six hours: what is certain from each start is dated by all of it."""
    failed, n = steady(50, 4)
    n[:, -6:] = failed[:, -6:] = 8
    found = failing_together(failed, n)
    assert found.members == tuple(range(50))
    assert abs(found.start - (HOURS - 6)) <= 1


@pytest.mark.parametrize("days", [2, 4, 6])
def test_an_outage_of_days_began_when_it_began(days: int) -> None:
    """Ten that fail in six of ten calls, for longer than evidence looks back: not "since a day ago".

    What is normal is not learned from days of the outage, so that as many are named after six days as after two;
    one or two of ten may have had good luck in the newest two hours, by which it is told who fails now.
    """
    began = HOURS - 24 * days
    for seed in range(10):
        rng = np.random.default_rng((9, seed))
        failed, n = steady(10, seed)
        failed[:, began:] = rng.binomial(n[:, began:], 0.6)
        found = failing_together(failed, n)
        assert abs(found.start - began) <= 2
        assert len(found.members) >= 8


def test_one_members_own_outage_is_not_shared() -> None:
    """One of five fails outright; the others say that nothing is shared."""
    failed, n = steady(5, 2)
    n[:, -4:], failed[:, -4:] = 6, 0
    failed[2, -4:] = 6
    assert failing_together(failed, n).e_value < 5


def test_an_outage_that_ended_is_not_failing_now() -> None:
    """All five failed yesterday for an hour."""
    failed, n = steady(5, 3)
    n[:, -26:] = 6
    failed[:, -26:] = 0
    failed[:, -20] = 6
    assert failing_together(failed, n).members == ()


def test_an_outage_of_seldom_called_members_is_shared_too() -> None:
    """Ten that are called once in two hours fail in six of ten calls for a day; one good call each ends it."""
    named, healthy = 0, []
    for seed in range(20):
        rng = np.random.default_rng((6, seed))
        n = rng.poisson(0.5, (10, HOURS))
        failed = rng.binomial(n, 0.02)
        healthy.append(failing_together(failed, n).e_value)
        failed[:, -24:] = rng.binomial(n[:, -24:], 0.6)
        found = failing_together(failed, n)
        named += found.e_value >= 100 and len(found.members) >= 2
        n[:, -2:], failed[:, -2:] = 2, 0
        assert len(failing_together(failed, n).members) < 5
    assert named >= 18
    assert np.mean(healthy) < 1.5


def test_evidence_has_mean_at_most_one_under_independent_incidents() -> None:
    """Members with frequent incidents of their own: e-values average below 1 over 300 hours."""
    rng = np.random.default_rng(4)
    values = []
    for _ in range(60):
        failed, n = steady(4, int(rng.integers(1 << 30)))
        for member in range(4):
            for start in rng.integers(0, HOURS, rng.poisson(6)):
                hours = slice(start, start + 1 + int(rng.integers(0, 3)))
                failed[member, hours] = n[member, hours]
        values += [failing_together(failed[:, :end], n[:, :end]).e_value for end in (200, 220, 240)]
    assert np.mean(values) < 1.5
    assert sum(value >= 100 for value in values) <= 2


def test_pairs_are_found_by_when_their_incidents_begin() -> None:
    """Rows 0 and 3 of eight share seven incidents; every row has four of its own."""
    rng = np.random.default_rng(5)
    failed, n = steady(8, 5)
    n = np.maximum(n, 1)
    failed = np.minimum(failed, n)
    for row in range(8):
        for start in rng.integers(0, HOURS - 2, 4):
            failed[row, start : start + 2] = n[row, start : start + 2]
    for start in (20, 45, 67, 110, 140, 181, 222):
        failed[[0, 3], start : start + 2] = n[[0, 3], start : start + 2]
    found = falling_pairs(failed, n)
    assert [(pair.first, pair.second) for pair in found] == [(0, 3)]
    assert abs(found[0].newest_start - 222) <= 1


def test_pairs_of_independent_rows_are_hardly_ever_named() -> None:
    """Forty fleets of six rows with incidents of their own."""
    named = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        failed, n = steady(6, seed)
        for row in range(6):
            for start in rng.integers(0, HOURS - 3, 8):
                failed[row, start : start + 3] = n[row, start : start + 3]
        named += bool(falling_pairs(failed, n))
    assert named <= 5


def test_malformed_counts_are_refused() -> None:
    """More failures than calls, or vectors."""
    one = np.ones((1, 2), dtype=np.int64)
    with pytest.raises(DataError, match="failed"):
        failing_together(one + 1, one)
    with pytest.raises(DataError, match="matrices"):
        falling_pairs(one[0], one[0])


def hourly(name: str, down: set[int], *, provider: str | None = None) -> list[Observation]:
    """Eight calls an hour for ten days; in hours `down` ago they fail."""
    return [
        Observation(
            name,
            NOW - ago * HOUR_MS - i * 60_000 - 1,
            kind="api",
            provider=provider,
            error="http_503" if ago in down else None,
        )
        for ago in range(HOURS)
        for i in range(8)
    ]


async def asked(seen: list[Observation], name: str | None, own: Settings) -> TrustReport:
    """Record, then ask for one or for the fleet."""
    telemetry = MemoryTelemetry(own)
    await telemetry.record(seen, NOW)
    log = cast("DecisionLog", Verdicts())
    await check_trust(telemetry, log, own, dependency=None, now_ms=NOW)
    return await check_trust(telemetry, log, own, dependency=name, now_ms=NOW)


@pytest.mark.anyio
@pytest.mark.parametrize("asked_for", ["a", "d", None])
async def test_the_provider_is_suspected_for_each_of_its_dependencies(
    asked_for: str | None,
) -> None:
    """a, b and c of acme are down for two hours; d of acme is not, and is warned of."""
    seen = [o for name in "abc" for o in hourly(name, {0, 1}, provider="acme")]
    seen += hourly("d", set(), provider="acme") + hourly("e", set(), provider="other")
    report = await asked(seen, asked_for, Settings(store="unused"))
    assert report.provider_suspected is not None
    assert report.provider_suspected.provider == "acme"
    assert report.provider_suspected.dependencies == ["a", "b", "c"]
    assert report.provider_suspected.e_value > 100
    assert "Provider acme is suspected: a, b, c fail together since 20" in report.summary
    assert report.verdict == ("caution" if asked_for == "d" else "no_go")


@pytest.mark.anyio
async def test_a_configured_provider_outweighs_the_recorded_one() -> None:
    """C was recorded with acme and is configured elsewhere."""
    seen = [o for name in "abc" for o in hourly(name, {0, 1}, provider="acme")]
    own = Settings(store="unused", dependencies={"c": DependencySettings("c", provider="other")})
    report = await asked(seen, "a", own)
    assert report.provider_suspected is not None
    assert report.provider_suspected.dependencies == ["a", "b"]
    assert (await asked(seen, "c", own)).provider_suspected is None


@pytest.mark.anyio
async def test_what_nobody_declared_is_found_by_its_pairs() -> None:
    """X and y fell together four times and are down again; z fell on its own."""
    shared = {0, 1, 50, 51, 90, 140, 141, 200}
    seen = hourly("x", shared) + hourly("y", shared) + hourly("z", {0, 1, 30, 75, 76, 180})
    report = await asked(seen, "x", Settings(store="unused"))
    assert report.provider_suspected is not None
    assert report.provider_suspected.provider == "not declared"
    assert report.provider_suspected.dependencies == ["x", "y"]
    assert (
        "A cause that they share (no provider is declared) is suspected: x, y began to fail together, "
        "last at about 20"
    ) in report.summary


@pytest.mark.anyio
async def test_a_large_provider_is_named_whole_and_a_cut_is_said() -> None:
    """Sixty of acme's fall among eighty: the fleet looks at all, a check of one at a few, and says so."""
    telemetry = MemoryTelemetry(Settings(store=""))
    log = cast("DecisionLog", Verdicts())
    for i in range(80):
        falls = i < 60
        calls = [
            Observation(
                f"d{i:02}",
                NOW - hour * HOUR_MS,
                provider="acme" if falls else None,
                error="http_500" if falls and hour < 4 else None,
                outcome=None if falls and hour < 4 else 1.0,
            )
            for hour in range(40)
            for _ in range(4)
        ]
        await telemetry.record(calls, NOW)
    fleet = await check_fleet(telemetry, log, Settings(store=""), now_ms=NOW)
    suspect = fleet.provider_suspected
    assert suspect is not None
    assert (suspect.provider, suspect.falling, suspect.looked_at) == ("acme", 60, None)
    assert len(suspect.dependencies) == 50
    assert "d00, d01, d02, d03 and 56 more fail together" in fleet.summary
    own = await check_trust(telemetry, log, Settings(store=""), dependency="d01", now_ms=NOW)
    assert own.provider_suspected is not None
    assert (own.provider_suspected.looked_at, own.provider_suspected.of) == (30, 60)
    assert "of 30 that were looked at among 60." in own.summary
