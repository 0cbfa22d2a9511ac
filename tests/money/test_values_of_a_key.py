"""The limits of single values, all together: which are followed, told of and shown, and in which order."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import engines
from gonogo.answers import FallbackPlan
from gonogo.app.budget_notices import budget_notices
from gonogo.errors import ParameterError
from gonogo.money.scopes import VALUES_MAX
from gonogo.ports.booked_costs import KEPT_KEY
from money_world import NOW_MS, calls, opened_app, record

pytestmark = pytest.mark.anyio
TENANTS = '[budgets.tenant]\nlimit_usd = 10\nwindow = "day"\nper = "tenant"\n'
EACH = '[budgets.each]\nlimit_usd = 10\nwindow = "day"\nper = "dependency"\nhard = true\n'


async def test_of_many_values_those_that_are_called_now_are_followed(tmp_path: Path) -> None:
    """More tenants than are followed, the last by name is called last: people hear of it, and it comes first."""
    rows = [
        {**calls("m", 1, 0.01, since_h=5)[0], "id": f"c{at}", "segments": {"tenant": f"a{at}"}}
        for at in range(VALUES_MAX + 20)
    ]
    async with opened_app(tmp_path, TENANTS) as app:
        await record(app, rows)
        await record(app, calls("m", 9, 0.9, since_h=1, segments={"tenant": "zz"}))
        told = await budget_notices(await app.stores(), now_ms=NOW_MS)
        assert {one.incident.dependency for one in told} == {"tenant/zz"}
        names = await app.budget_names()
        assert (names[0], len(names)) == ("tenant/zz", 50)
        with pytest.raises(ParameterError, match="The fullest of 500 seen: tenant/zz 81%, "):
            await app.check_budget_with_confidence("tenant", planned_calls=5)


async def test_what_is_left_of_each_value_is_told(tmp_path: Path) -> None:
    """Limit, spent, held and left of each customer that was seen, the fullest first; one limit is its own."""
    toml = f'{TENANTS}[budgets."tenant/b"]\nlimit_usd = 100\n'
    async with opened_app(tmp_path, toml) as app:
        for tenant in ("a", "b"):
            await record(app, calls(f"m{tenant}", 6, 1.5, segments={"tenant": tenant}))
        await app.check_budget_with_confidence("tenant/b", planned_cost_usd=40, reserve=True)
        fills = await app.budget_fills()
    told = {fill.budget.name: (fill.amounts, fill.window.kind) for fill in fills}
    assert told == {"tenant/a": ((10, 9, 0, 1), "day"), "tenant/b": ((100, 9, 40, 51), "day")}


async def test_people_are_told_that_the_window_of_a_value_will_not_last(tmp_path: Path) -> None:
    """Six of ten are spent by noon, at the last day's rate twelve will be; the other one's will last."""
    async with opened_app(tmp_path, TENANTS.replace("10", "7")) as app:
        for tenant, usd in (("a", 0.1), ("b", 0.01)):
            await record(app, calls(f"m{tenant}", 60, usd, segments={"tenant": tenant}))
        told = await budget_notices(await app.stores(), now_ms=NOW_MS)
    ahead = [one.events[-1].event for one in told if "will not last" in one.events[-1].event]
    assert [text[:15] for text in ahead] == ["budget tenant/a"]


async def test_each_dependency_s_own_limit_is_told_of_and_stops_a_fallback(tmp_path: Path) -> None:
    """Its values are the dependencies that there are, each with what may be called in its stead."""
    toml = f'{EACH}[dependencies.m]\nfallback = ["n"]\nfallback_policy = "allow"\n'
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("m", 60, 0.01) + calls("n", 60, 0.17))
        told = await budget_notices(await app.stores(), now_ms=NOW_MS)
        assert {one.incident.dependency for one in told} == {"each/m", "each/n"}
        assert {*(await app.gauges()).budgets} == {"each/m", "each/n"}
        assert sorted(await app.budget_names()) == ["each/m", "each/n"]
        plan = await app.trigger_fallback("m", "a test", to="n")
    assert isinstance(plan, FallbackPlan)
    [check] = [one for one in plan.checks if one.check == "budget"]
    assert (check.passed, check.blocks) == (False, "agents")
    assert "each/n: -$0.20 left" in check.why


async def test_a_tenant_s_limit_that_a_dearer_target_would_pass_stops_a_fallback(
    tmp_path: Path,
) -> None:
    """Of two tenants the busy one's would not carry it; a target as dear as now leaves all as they were."""
    toml = f'{TENANTS}hard = true\n[dependencies.m]\nfallback = ["n", "o"]\nfallback_policy = "allow"\n'
    async with opened_app(tmp_path, toml) as app:
        rows = []
        for target, usd in (("m", 0.01), ("n", 0.4), ("o", 0.01)):
            for tenant, n in (("busy", 60), ("quiet", 2)):
                made = calls(target, n if target == "m" else 5, usd, segments={"tenant": tenant})
                rows += [{**row, "id": f"{target}{tenant}{at}"} for at, row in enumerate(made)]
        await record(app, rows)
        plans = [await app.trigger_fallback("m", "a test", to=to) for to in ("n", "o")]
    checks = [
        [one for one in plan.checks if one.check == "budget"]
        for plan in plans
        if isinstance(plan, FallbackPlan)
    ]
    [[dear], cheap] = checks
    assert (dear.passed, dear.blocks) == (False, "agents")
    assert "tenant/busy: " in dear.why
    assert "tenant/quiet" not in dear.why
    assert all(check.passed for check in cheap)


@pytest.mark.sqlite
async def test_sums_by_a_key_begin_with_the_store(tmp_path: Path) -> None:
    """So that the first question about a value has no calls to sum while everybody else waits."""
    async with opened_app(tmp_path, TENANTS) as app:
        await record(app, calls("m", 5, 0.1, segments={"tenant": "a", "user": "x"}))
    with closing(sqlite3.connect(engines.store_of(tmp_path))) as store:
        names = [name for (name,) in store.execute("SELECT dependency FROM spend_source")]
    assert [name for name in names if name.startswith(KEPT_KEY)] == [f"{KEPT_KEY}tenant"]
