"""Work of several parts, routed work, and what stands in for a dependency: priced and counted."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from money_world import calls, opened_app, record
from pair_rules import more_work_is_no_cheaper

pytestmark = pytest.mark.anyio

TWO = """
[budgets.day]
limit_usd = 10
dependencies = ["dear", "cheap"]

[workloads.both]
dependencies = { dear = 400, cheap = 400 }
budget = "day"

[workloads.dear-alone]
dependencies = { dear = 400 }
budget = "day"

[workloads.three]
dependencies = { dear = 40, cheap = 4000, strange = 1 }
budget = "day"
"""


async def test_work_costs_what_its_parts_cost_together(tmp_path: Path) -> None:
    """Counts are of each part: the newest calls' own mix, a thousand cheap ones, changes nothing."""
    async with opened_app(tmp_path, TWO) as app:
        await record(app, calls("dear", 60, 0.10, sd=0.2) + calls("cheap", 1000, 0.001, sd=0.2))
        both = (await app.preflight(workload="both")).budget
        alone = (await app.preflight(workload="dear-alone")).budget
        asked = await app.check_budget_with_confidence("day", dependency="dear", planned_calls=400)
    assert both is not None
    assert alone is not None
    assert both.projected_usd == pytest.approx(40.4, rel=0.1)
    assert (both.verdict, alone.verdict) == ("no_go", "no_go")
    assert alone.projected_usd == asked.projected_usd
    assert (both.projected_usd or 0) >= (alone.projected_usd or 0)
    assert (both.confidence or 0) <= (alone.confidence or 0)
    assert both.calls_that_would_pass is not None
    assert both.calls_that_would_pass < 250


@pytest.mark.parametrize("stated", ["", "hard = true", "required_confidence = 0.97"])
@pytest.mark.parametrize("limit", [45, 55, 70, 120])
async def test_the_hold_that_mixed_work_is_offered_passes(
    tmp_path: Path, limit: int, stated: str
) -> None:
    """However little is left beyond what it will cost: no more is asked for than there is."""
    toml = TWO.replace("limit_usd = 10", f"limit_usd = {limit}\n{stated}")
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("dear", 60, 0.10, sd=0.4) + calls("cheap", 1000, 0.001, sd=0.4))
        both = (await app.preflight(workload="both", detail="full")).budget
        assert both is not None
        if limit == 120:
            assert both.passed
            assert bool(both.next_actions) == ("0.97" not in stated)
        for action in both.next_actions if both.passed else ():
            asked: dict[str, Any] = action.arguments
            held = await app.check_budget_with_confidence(**asked)
            assert held.passed
            assert held.reservation is not None
            assert held.reservation.held_usd == pytest.approx(asked["planned_cost_usd"])


async def test_an_unknown_part_makes_the_whole_unknown(tmp_path: Path) -> None:
    """One call of something that nothing is known of is not free."""
    async with opened_app(tmp_path, TWO) as app:
        await record(app, calls("dear", 60, 0.01) + calls("cheap", 60, 0.0001))
        report = await app.preflight(workload="three")
    assert report.budget is not None
    assert report.budget.verdict == "unknown"
    assert "0 priced observations of 'strange'" in report.budget.summary


async def test_a_tool_that_never_had_a_cost_is_free_and_said(tmp_path: Path) -> None:
    """Alone and as a part."""
    async with opened_app(tmp_path, TWO) as app:
        await record(
            app,
            calls("dear", 60, 0.01)
            + calls("cheap", 60, 0.0001)
            + calls("strange", 60, None, kind="tool", outcome=1),
        )
        whole = (await app.preflight(workload="three")).budget
        part = await app.check_budget_with_confidence("day", dependency="strange", planned_calls=9)
    assert whole is not None
    assert (whole.verdict, part.verdict) == ("go", "go")
    for said in (whole.unpriced, part.unpriced):
        assert said is not None
        assert said.why == "counted as free, since no call of it ever had a cost: 'strange'."


LADDER = """
[dependencies.cheap]
fallback = ["dear", "refuse"]
fallback_policy = "allow"

[budgets.day]
limit_usd = 50
hard = true
dependencies = ["cheap"]

[budgets.month]
limit_usd = 500
"""


async def test_what_is_called_in_its_stead_counts_and_is_forecast(tmp_path: Path) -> None:
    """A hard budget of the cheap model has no way out through the dear one."""
    async with opened_app(tmp_path, LADDER) as app:
        await record(app, calls("cheap", 200, 0.01, sd=0.2, outcome=1))
        await record(app, calls("dear", 80, 0.50, sd=0.2, outcome=1))
        before = await app.check_budget_with_confidence("day", planned_calls=200)
        plan = await app.trigger_fallback("cheap", reason="rehearsal", to="dear")
        routed = await app.approve(getattr(plan, "plan_id", ""), reason="a rehearsal")
        after = await app.check_budget_with_confidence("day", planned_calls=200)
        named = await app.check_budget_with_confidence("day", dependency="cheap", planned_calls=200)
        flight = await app.preflight(dependencies=["cheap"], planned_calls=200, budget="day")
    assert before.spent_usd == pytest.approx(42, rel=0.1)
    assert before.projected_usd == pytest.approx(2, rel=0.2)
    assert [(s.dependency, s.instead_of) for s in before.also_counts or ()] == [("dear", "cheap")]
    check = next(c for c in getattr(plan, "checks", ()) if c.check == "budget")
    assert not check.passed
    assert "day: $" in check.why
    assert getattr(routed, "applied", False), routed.summary
    for answer in (after, named, flight.budget):
        assert answer is not None
        assert answer.projected_usd == pytest.approx(100, rel=0.2)
        assert answer.verdict == "no_go"


async def test_a_model_that_costs_nothing_breaks_nothing(tmp_path: Path) -> None:
    """Check, reservation and preflight of any number of free calls."""
    toml = "[budgets.day]\nlimit_usd = 1\ndependencies = ['local']\n"
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("local", 5, 0.0))
        for planned in (1, 24, 25, 64, 65, 1001, 100_000):
            found = await app.check_budget_with_confidence("day", planned_calls=planned)
            assert (found.verdict, found.projected_usd) == ("go", 0)
        held = await app.check_budget_with_confidence("day", planned_calls=900, reserve=True)
        assert held.reservation is not None
        report = await app.preflight(dependencies=["local"], planned_calls=500, budget="day")
        assert report.budget is not None
        assert report.budget.passed


@pytest.mark.parametrize(
    ("n", "usd", "actual", "planned"),
    [(12, 0.01, 0.0, 100_000.0), (30, 0.01, 0.001, 100.0), (50, 0.5, 0.0001, 40.0)],
)
async def test_small_reservations_cannot_vouch_for_a_large_plan(
    tmp_path: Path, n: int, usd: float, actual: float, planned: float
) -> None:
    """Whatever they were settled at."""
    async with opened_app(tmp_path, "[budgets.day]\nlimit_usd = 10\n") as app:
        for _ in range(n):
            held = await app.check_budget_with_confidence("day", planned_cost_usd=usd, reserve=True)
            assert held.reservation is not None
            await app.settle_reservation(held.reservation.id, actual_usd=actual)
        large = await app.check_budget_with_confidence("day", planned_cost_usd=planned)
    assert large.verdict == "no_go"
    assert (large.confidence or 1) < 0.3


async def test_streams_whose_usage_was_never_told_are_not_free(tmp_path: Path) -> None:
    """Half of a model's calls have neither a cost nor tokens: said, and unknown."""
    toml = "[budgets.day]\nlimit_usd = 10\ndependencies = ['m']\n"
    async with opened_app(tmp_path, toml) as app:
        told = calls("m", 30, 0.007)
        streamed = [each | {"id": f"s{i}"} for i, each in enumerate(calls("m", 30))]
        await record(app, told + streamed)
        found = await app.check_budget_with_confidence("day", planned_calls=10)
    assert found.verdict == "unknown"
    assert found.unpriced is not None
    assert "30 of 60 calls in this window" in found.unpriced.why


async def test_patterns_count_the_names_of_a_family(tmp_path: Path) -> None:
    """`gpt-4o*` counts dated names, of today and of those that come."""
    toml = "[budgets.day]\nlimit_usd = 10\ndependencies = ['gpt-4o*']\n"
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("gpt-4o-2024-08-06", 10, 0.2) + calls("gpt-4", 10, 0.5))
        first = await app.check_budget_with_confidence("day", planned_calls=5)
        await record(app, calls("gpt-4o-mini", 10, 0.1))
        second = await app.check_budget_with_confidence("day", planned_calls=5)
    assert first.spent_usd == pytest.approx(2.0)
    assert first.projected_usd == pytest.approx(1.0, rel=0.1)
    assert second.spent_usd == pytest.approx(3.0)


@pytest.mark.parametrize("seed", range(2))
async def test_more_work_is_never_cheaper_nor_likelier_to_fit(tmp_path: Path, seed: int) -> None:
    """Call by call, part by part, and by what is declared; of any mix of costs."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    names = ["a", "b", "c"]
    toml = f"[budgets.day]\nlimit_usd = {rng.choice([1, 20])}\ndependencies = {names}\n"
    async with opened_app(tmp_path, toml) as app:
        for name in names:
            usd, sd = 10 ** rng.uniform(-4, 0), rng.choice([0.1, 1.0])
            await record(app, calls(name, rng.choice([5, 30, 200]), usd, sd=sd))
        work = {"a": 1}
        less = await app.check_budget_with_confidence("day", work=work)
        for step in range(8):
            name = rng.choice(names)
            work = work | {name: work.get(name, 0) + rng.choice([1, 2, 5, 30, 400])}
            more = await app.check_budget_with_confidence("day", work=work)
            found = list(more_work_is_no_cheaper(less, more))
            assert not found, (step, work, found)
            less = more
        declared = [
            await app.check_budget_with_confidence("day", planned_cost_usd=usd)
            for usd in (0.001, 0.5, 0.999, 1, 1.001, 19, 21, 4000)
        ]
    for less, more in itertools.pairwise(declared):
        assert not list(more_work_is_no_cheaper(less, more))
