"""Leases: one holder at a time, on every store, until it lets go or its time is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import engines
from gonogo import clock
from gonogo.store.books.lease_book import StoredLeases

pytestmark = pytest.mark.anyio
NOW = 1_790_000_000_000


async def test_a_lease_has_one_holder_until_it_ends(tmp_path: Path) -> None:
    """Held on by its holder, refused to others, free when let go or when its time is over."""
    first, second = [await engines.opened(tmp_path) for _ in range(2)]
    mine, theirs = StoredLeases(first), StoredLeases(second)
    assert await mine.claim("probe", "a", now_ms=NOW, until_ms=NOW + 10)
    assert await mine.claim("probe", "a", now_ms=NOW + 5, until_ms=NOW + 20)
    assert not await theirs.claim("probe", "b", now_ms=NOW + 19, until_ms=NOW + 90)
    assert await theirs.claim("other", "b", now_ms=NOW, until_ms=NOW + 90)
    assert await mine.held(now_ms=NOW + 19) == ["other", "probe"]
    assert await mine.held(now_ms=NOW + 20) == ["other"]
    assert await theirs.claim("probe", "b", now_ms=NOW + 20, until_ms=NOW + 90)
    await mine.release("probe", "a")
    assert not await mine.claim("probe", "a", now_ms=NOW + 21, until_ms=NOW + 90)
    await theirs.release("probe", "b")
    assert await mine.claim("probe", "a", now_ms=NOW + 21, until_ms=NOW + 90)
    await first.close()
    await second.close()


async def test_a_clock_that_was_ahead_holds_no_work_for_ever(tmp_path: Path) -> None:
    """Its holder died, the clock came back by a year: another may claim what nobody does."""
    engine = await engines.opened(tmp_path)
    leases = StoredLeases(engine)
    ahead = NOW + 365 * 86_400_000
    assert await leases.claim("look", "dead", now_ms=ahead, until_ms=ahead + 90_000)
    assert await leases.held(now_ms=NOW) == []
    assert await leases.claim("look", "alive", now_ms=NOW, until_ms=NOW + 90_000)
    assert not await leases.claim("look", "dead", now_ms=NOW, until_ms=NOW + 90_000)
    await engine.close()


@pytest.mark.skipif(engines.ADDRESS is not None, reason="there it is the server's clock")
async def test_a_claim_keeps_its_time_where_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder lives on: nobody else does the work too, until it ends or its time has run."""
    if clock.clock_setting() is None:
        pytest.skip("nothing here tells that a clock was set")
    engine = await engines.opened(tmp_path)
    leases = StoredLeases(engine)
    assert await leases.claim("look", "alive", now_ms=NOW, until_ms=NOW + 90_000)
    later, wall_clock_ms = NOW + 365 * 86_400_000, clock.wall_clock_ms
    monkeypatch.setattr(clock, "wall_clock_ms", lambda: wall_clock_ms() + later - NOW)
    assert await leases.held(now_ms=later + 80_000) == ["look"]
    assert not await leases.claim("look", "other", now_ms=later + 80_000, until_ms=later + 170_000)
    assert await leases.claim("look", "other", now_ms=later + 95_000, until_ms=later + 170_000)
    await engine.close()


async def test_of_many_claims_at_once_one_succeeds(tmp_path: Path) -> None:
    """Twelve holders over three connections to the store."""
    opened = [await engines.opened(tmp_path) for _ in range(3)]
    claims = [
        StoredLeases(opened[i % 3]).claim("duty", str(i), now_ms=NOW, until_ms=NOW + 1)
        for i in range(12)
    ]
    assert sum(await asyncio.gather(*claims)) == 1
    for engine in opened:
        await engine.close()
