"""How a promotion does is told to people: once each, with what failed and what to run next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.settings import NotifierSettings, Secret
from promotion_world import Lives, lives
from receivers import ROUTING_KEY, Receiver, pagerduty, receiver

pytestmark = pytest.mark.anyio

HOUR = 3_600_000
DAY = 24 * HOUR


async def heard(m: Lives, ops: Receiver) -> list[dict[str, Any]]:
    """What the receiver is told now, after the watch has looked; asked again it is told nothing."""
    ops.taken.clear()
    await m.app.carry_promotions_on()
    await m.app.tell("ops")
    told = list(ops.taken)
    await m.app.tell("ops")
    assert ops.taken == told
    return told


async def test_people_hear_once_that_a_version_is_undecided_goes_back_and_that_it_is_over(
    tmp_path: Path,
) -> None:
    """One alert from the warning to the next trial, which closes it."""
    with receiver(pagerduty) as server:
        key = Secret("S", ROUTING_KEY)
        ops = NotifierSettings("ops", "pagerduty", {"url": server.url}, key)
        async with lives(tmp_path, notify={"ops": ops}) as m:
            await m.begun()
            m.now[0] += 5 * DAY
            assert await heard(m, server) == []
            m.now[0] += DAY
            await m.live(1)
            [near] = await heard(m, server)
            said = near["payload"]
            assert (said["severity"], said["class"]) == ("info", "promotion")
            assert "m@v2 is undecided at 2%: no call of v2 came since" in said["summary"]
            assert "it goes back at 2026-06-09T06:00Z" in said["summary"]
            assert said["custom_details"]["next"] == "gonogo promote m"
            m.now[0] += DAY
            [back] = await heard(m, server)
            assert back["dedup_key"] == near["dedup_key"]
            assert back["event_action"] == "trigger"
            assert (
                "m@v2 went back, calls go to m 100%: v2 was not shown" in back["payload"]["summary"]
            )
            await m.begun()
            [over] = await heard(m, server)
            assert (over["event_action"], over["dedup_key"]) == ("resolve", near["dedup_key"])
            # The second trial of the same two is told of again, with what failed; three days long.
            await m.live(4, v2=12, bad_every=2)
            [worse] = await heard(m, server)
            assert "v2 is worse: quality: bad calls 2" in worse["payload"]["summary"]
            m.now[0] += 3 * DAY
            [over] = await heard(m, server)
            assert over["event_action"] == "resolve"


async def test_a_fallback_that_ends_a_trial_says_where_the_calls_are(tmp_path: Path) -> None:
    """The calls did not go home: words and route agree, and a held route is not said to go back."""
    with receiver(pagerduty) as server:
        key = Secret("S", ROUTING_KEY)
        ops = NotifierSettings("ops", "pagerduty", {"url": server.url}, key)
        async with lives(tmp_path, notify={"ops": ops}) as m:
            await m.begun()
            m.now[0] += 6 * DAY
            await m.app.hold_route("m", reason="migration", until=None)
            assert await heard(m, server) == []
            await m.app.hold_route("m", reason=None, until=None)
            switch = await m.app.trigger_fallback("m", reason="outage", to="human")
            await m.app.approve(switch.plan_id, "a person answers")  # type: ignore[union-attr]
            told = await heard(m, server)
            said = next(one["payload"] for one in told if one["payload"]["class"] == "promotion")
            assert "m@v2 went back, calls go to human 100%: outage" in said["summary"]
            report = await m.report()
            assert report.summary == "m@v2 went back, calls go to human 100%: outage."
