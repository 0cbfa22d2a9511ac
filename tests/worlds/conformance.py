"""What every actuator promises: read, plan, apply to what was seen, verify, and back."""

from __future__ import annotations

from dataclasses import replace

from gonogo.ports.actuators import Actuator
from gonogo.ports.routes import WHOLE, Route, Weight

HALF = Route("m", (Weight("m", 5_000), Weight("v2", 5_000)), epoch=1, salt="m/1/")
FULL = Route("m", (Weight("v2", WHOLE),), epoch=2, salt="m/1/")
BACK = Route("m", (Weight("m", WHOLE),), epoch=3, salt="m/1/")


async def conforms(actuator: Actuator, *, splits: bool = True) -> None:
    """Walk a fresh actuator through everything that is asked of it.

    Args:
        actuator: Knows the targets `m` and `v2`; nothing was ever applied to it.
        splits: It can give two targets a share each.
    """
    absent = await actuator.read("m")
    assert (absent.status, absent.epoch) == ("absent", 0)
    walk = (HALF, FULL, BACK) if splits else (FULL, BACK)
    for wanted in walk:
        before = await actuator.read("m")
        assert "m" in actuator.effect(wanted)
        assert await actuator.read("m") == before, "a plan changes nothing"
        assert (await actuator.verify(wanted)).status == "failed"
        step = await actuator.apply(wanted, expected_version=before.version)
        assert step.status == "done", step
        assert (await actuator.verify(wanted)).status == "done"
        seen = await actuator.read("m")
        assert (seen.status, seen.targets, seen.epoch) == ("known", wanted.targets, wanted.epoch)
        again = await actuator.apply(wanted, expected_version=seen.version)
        assert (again.status, again.detail) == ("done", "already there")
    await _fences(actuator)


async def _fences(actuator: Actuator) -> None:
    """Who is late, or looked too early, changes nothing; a newer epoch of the same targets counts."""
    seen = await actuator.read("m")
    older = await actuator.apply(FULL, expected_version=seen.version)
    assert (older.status, "is at the newer epoch 3" in older.detail) == ("failed", True)
    unseen = await actuator.apply(replace(FULL, epoch=4), expected_version="what was there once")
    assert (unseen.status, "something else wrote" in unseen.detail) == ("failed", True)
    assert await actuator.read("m") == seen
    newer = replace(BACK, epoch=5)
    assert (await actuator.verify(newer)).status == "failed"
    assert (await actuator.apply(newer, expected_version=seen.version)).status == "done"
    assert (await actuator.verify(newer)).status == "done"


async def goes_back(actuator: Actuator) -> None:
    """After everything was forgotten, one more apply of the wanted route brings it back."""
    wanted = replace(FULL, epoch=9)
    assert (await actuator.verify(wanted)).status != "done"
    seen = await actuator.read("m")
    assert (await actuator.apply(wanted, expected_version=seen.version)).status == "done"
    assert (await actuator.verify(wanted)).status == "done"
