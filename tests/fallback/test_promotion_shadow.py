"""A promotion with a shadow: the candidate answers the inputs of served calls, and nobody sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.errors import ParameterError
from gonogo.routing import RouteReader, ShadowCall
from promotion_world import lives

pytestmark = pytest.mark.anyio


async def test_an_equal_version_with_a_shadow_has_all_calls_in_the_stages_least_time(
    tmp_path: Path,
) -> None:
    """Six, six, twelve and 24 hours: route file and answer name what to call beside until it is over."""
    async with lives(tmp_path) as m:
        routes = RouteReader(Path(f"{m.app.settings.store}.routes.json"))
        plan = await m.planned(shadow=True)
        assert "calls it beside each call, too, and records that as m-shadow" in plan.summary
        await m.app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
        assert routes.shadow("m") == ShadowCall("m@v2", "m-shadow")
        answer = await m.app.get_route("m")
        assert answer.shadow is not None
        assert (answer.shadow.target, answer.shadow.record_as) == ("m@v2", "m-shadow")
        began = m.now[0]
        while (await m.promotion()).is_running:
            await m.live(6, v1=20, v2=1, beside=True)
            await m.looked()
            report = await m.report()
        assert ((m.now[0] - began) / 3_600_000, report.promotion.status) == (48, "done"), (
            report.summary
        )
        assert routes.shadow("m") is None
        assert (await m.app.get_route("m")).shadow is None
        assert report.promotion.shadow == "m-shadow"


async def test_a_version_that_is_worse_in_its_shadow_goes_back_and_wakes_nobody(
    tmp_path: Path,
) -> None:
    """It has served next to nothing; what is told is the end of its promotion, not that a shadow is ill."""
    async with lives(tmp_path) as m:
        plan = await m.planned(shadow=True)
        await m.app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
        await m.live(5, beside=True, bad_every=3)
        report = await m.report()
        assert report.promotion.status == "back"
        assert "quality: bad calls" in report.summary
        # It is ill, and is said to be where somebody asks, again and again; it is no incident.
        await m.live(2, v1=30, beside=True, new={"error": "timeout", "outcome": None})
        for _ in range(2):
            m.now[0] += 11 * 60_000
            assert (await m.app.get_trust_score_health("m-shadow")).verdict == "no_go"
            await m.app.check_model_drift("m-shadow")
        listed = await m.app.list_dependencies()
        assert [(line.dependency, line.shadow_of) for line in listed.dependencies] == [
            ("m", None),
            ("m-shadow", "m"),
        ]
        assert (listed.total, listed.verdicts) == (1, {})
        assert listed.verdict != "no_go"
        assert "1 dependency (" in listed.summary
        assert "Not counted, as a shadow: m-shadow." in listed.summary
        asked = await m.app.list_dependencies(query="-shadow")
        assert (asked.total, asked.verdict) == (1, "no_go")
        fleet = await m.app.get_trust_score_health()
        assert ([line.dependency for line in fleet.fleet or ()], fleet.total) == (["m"], 1)
        assert fleet.verdict == (await m.app.list_dependencies()).verdict
        assert set((await m.app.gauges()).verdicts) == {"m"}
        told = await m.app.get_incidents()
        assert (told.incidents, told.verdict) == ([], "go")
        # A later promotion without a shadow makes no dependency of what one was recorded as before.
        await m.live(2, v1=400)
        again = await m.planned()
        await m.app.approve(again.plan_id, "tried once more")
        assert ((await m.promotion()).status, (await m.promotion()).shadow) == ("running", "")
        listed = await m.app.list_dependencies()
        assert {line.dependency: line.shadow_of for line in listed.dependencies}["m-shadow"] == "m"
        assert listed.total == 1
        await m.app.check_model_drift("m-shadow")
        assert (await m.app.get_incidents()).incidents == []


async def test_a_shadow_that_nobody_calls_is_said_and_shows_nothing(tmp_path: Path) -> None:
    """A day of served calls without one beside them names what to look at; a split has no shadow."""
    async with lives(tmp_path) as m:
        with pytest.raises(ParameterError, match="needs no shadow"):
            await m.planned(share=0.5, at_once=True, shadow=True)
        plan = await m.planned(shadow=True)
        await m.app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
        await m.app.hold_route("m", reason="the stage stays", until=None)
        await m.live(23, v2=1)
        assert "gonogo.shadow" not in (await m.report()).summary
        await m.live(1, v2=1)
        report = await m.report()
        assert "call what gonogo.shadow names, and record it as m-shadow" in report.summary
        assert report.shadow_calls == 0
        quality = next(one for one in report.metrics if one.metric == "outcome")
        assert quality.own_needed is not None
        await m.live(3, v2=1, beside=True)
        report = await m.report()
        assert "gonogo.shadow" not in report.summary
        assert report.shadow_calls == 36
        quality = next(one for one in report.metrics if one.metric == "outcome")
        assert (quality.n_candidate, quality.own_needed) == (63, None)
