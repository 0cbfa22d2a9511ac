"""A mix of traffic that moves, with a second key beside it that has nothing to do with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, open_world
from gonogo.records import DAY_MS, HOUR_MS, Observation

pytestmark = pytest.mark.anyio

GOOD = {"easy": 0.97, "usual": 0.92, "hard": 0.80}
SHARES = {"easy": 0.6, "usual": 0.3, "hard": 0.1}


async def _live(
    world: World,
    days: int,
    shares: Mapping[str, float],
    *,
    good: Mapping[str, float] = GOOD,
    region: Mapping[str, float] | None = None,
    seed: int,
) -> None:
    """Days of 300 calls in tiers of their own quality; regions, drawn alike, may lose some of it."""
    rng = np.random.default_rng(seed)
    first, batch = world.now_ms, []
    names, lost = list(shares), region or {"eu": 0.0, "us": 0.0}
    for k in range(days * 300):
        tier, place = str(rng.choice(names, p=list(shares.values()))), str(rng.choice(list(lost)))
        at = first + (k + 1) * DAY_MS // 300
        batch.append(
            Observation(
                dependency="m",
                ts_ms=at,
                outcome=float(rng.random() < good[tier] - lost[place]),
                outcome_ts_ms=at,
                segments={"tier": tier, "region": place},
            )
        )
    await world.record(batch)


@pytest.mark.parametrize(
    ("shares", "good"),
    [
        ({"easy": 0.35, "usual": 0.3, "hard": 0.35}, GOOD),
        ({"easy": 0.36, "usual": 0.18, "hard": 0.06, "new": 0.4}, GOOD | {"new": 0.75}),
        ({"usual": 0.75, "hard": 0.25}, GOOD),
    ],
    ids=["a hard tier grows", "a hard tier is new", "the easy tier vanishes"],
)
async def test_a_moved_mix_is_no_fall_of_another_keys_values(
    tmp_path: Path, shares: dict[str, float], good: dict[str, float]
) -> None:
    """Every region falls, for its mix of tiers is harder: moved by tier, on every day, never no_go."""
    said = []
    async with open_world(tmp_path) as world:
        world.now_ms = START_MS
        await _live(world, 21, SHARES, seed=1)
        for day in range(0, 20, 4):
            await _live(world, 4, shares, good=good, seed=2 + day)
            said.append(await world.app.check_model_drift("m"))
    assert {report.verdict for report in said} <= {"go", "caution"}
    last = said[-1]
    assert last.status in ("shifted", "stable")
    assert last.mix is not None
    assert (last.mix.key, last.mix.explains > 0.6) == ("tier", True)
    assert not any(part.drifted for part in last.segments or () if "region" in part.segment), (
        last.segments
    )


async def test_a_region_that_falls_while_the_mix_moves_is_found(tmp_path: Path) -> None:
    """A tenth of the traffic falls by 40 points on the day on which hard questions double."""
    async with open_world(tmp_path) as world:
        world.now_ms = START_MS
        place = dict.fromkeys(("eu", "us", "ap", "af", "sa", "oc", "me", "uk", "jp", "in"), 0.0)
        await _live(world, 21, SHARES, region=place, seed=1)
        harder = {"easy": 0.45, "usual": 0.3, "hard": 0.25}
        await _live(world, 6, harder, region=place | {"jp": 0.4}, seed=2)
        report = await world.app.check_model_drift("m")
    assert report.verdict == "no_go"
    worst = next(part for part in report.segments or () if part.drifted)
    assert "region=jp" in worst.segment.split(",")


async def test_a_fall_is_not_put_down_to_a_mix_that_did_not_move(tmp_path: Path) -> None:
    """Every tier loses six points: no look says that other shares of traffic explain it."""
    async with open_world(tmp_path) as world:
        world.now_ms = START_MS
        await _live(world, 21, SHARES, seed=3)
        worse = {tier: share - 0.06 for tier, share in GOOD.items()}
        for day in range(8):
            await _live(world, 1, SHARES, good=worse, seed=4 + day)
            report = await world.app.check_model_drift("m")
            assert report.mix is None, report.summary
    assert (report.verdict, report.status) == ("no_go", "degraded")


@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("good", [0.95, 0.4], ids=["falls later", "comes so"])
async def test_a_new_value_that_fails_is_named(tmp_path: Path, good: float, share: float) -> None:
    """A tier that came after the baseline loses most of its answers: against its own past, where it has one."""
    shares = {tier: part * (1 - share) for tier, part in SHARES.items()} | {"new": share}
    async with open_world(tmp_path) as world:
        world.now_ms = START_MS
        await _live(world, 14, SHARES, seed=1)
        await _live(world, 10, shares, good=GOOD | {"new": good}, seed=2)
        before = await world.app.check_model_drift("m", detail="full")
        await _live(world, 8, shares, good=GOOD | {"new": 0.4}, seed=3)
        report = await world.app.check_model_drift("m")
        alone = await world.app.check_model_drift("m", segment="tier=new")
    came = next(part for part in before.segments or () if part.segment == "tier=new")
    assert came.baseline_mean == pytest.approx(0.93, abs=0.03)
    assert "tier=new" in report.summary
    worst = next(part for part in report.segments or () if part.drifted)
    assert "tier=new" in worst.segment
    assert worst.change < -0.2
    if good > 0.5:
        assert (report.verdict, report.status) == ("no_go", "degraded")
        assert report.mix is None
        assert alone.status == "degraded"
    else:
        assert (before.verdict, report.verdict, report.status) == ("caution", "caution", "shifted")
        assert report.segment == "tier=new"
        assert "came after the baseline" in report.summary


async def test_a_new_value_that_is_as_good_is_no_news(tmp_path: Path) -> None:
    """Tenants come and stay, some a little harder than the rest: go on every day."""
    rng = np.random.default_rng(8)
    good = {f"t{k}": float(q) for k, q in enumerate(rng.normal(0.92, 0.03, 12).clip(0.8, 0.99))}
    said = []
    async with open_world(tmp_path) as world:
        world.now_ms = START_MS
        for week in range(1, 5):
            known = list(good)[: 3 * week]
            await _live(world, 7, dict.fromkeys(known, 1 / len(known)), good=good, seed=week)
            said.append(await world.app.check_model_drift("m"))
    assert [(report.verdict, report.segment) for report in said] == [("go", None)] * 4
    for part in said[-1].segments or ():
        assert part.baseline_mean < 0.99, part


async def test_two_bad_hours_while_the_mix_moves_do_not_stay_a_fall(tmp_path: Path) -> None:
    """All calls of two hours fail, the mix having moved: once they are over, the mix is what is told.

    Each kind is answered as before by then, and the answer says so: it cannot call that degraded.
    """

    async def days(world: World, count: int, shares: tuple[int, int], *, bad: bool = False) -> None:
        """Ten calls an hour, so many easy and hard ones; of a hundred easy ones 3 fail, of a hundred hard 25."""
        batch, first, asked = [], world.now_ms, {"easy": 0, "hard": 0}
        for hour in range(count * 24):
            for k, tier in enumerate(["easy"] * shares[0] + ["hard"] * shares[1]):
                asked[tier] += 1
                every = 33 if tier == "easy" else 4
                fails = asked[tier] % every == 0 or (bad and hour in (12, 13))
                at = first + hour * HOUR_MS + (k + 1) * HOUR_MS // 11
                batch.append(
                    Observation(
                        dependency="m",
                        ts_ms=at,
                        outcome=float(not fails),
                        outcome_ts_ms=at,
                        segments={"tier": tier},
                    )
                )
        await world.record(batch)
        world.now_ms = first + count * DAY_MS

    async with open_world(tmp_path) as world:
        world.now_ms = START_MS
        await days(world, 21, (8, 2))
        await days(world, 1, (4, 6), bad=True)
        said = []
        for _ in range(6):
            await days(world, 1, (4, 6))
            said.append(await world.app.check_model_drift("m"))
    for report in said[1:]:
        assert report.status == "shifted", report.summary
        assert report.mix is not None
        assert report.mix_shift is not None
        assert abs(report.mix_shift["within"]) < 0.025 < -report.mix_shift["mix"]
