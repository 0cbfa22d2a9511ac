"""What was called and has no price is not spent as nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import engines
from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio

TOML = """
[budgets.day]
limit_usd = 10
dependencies = ["strange", "known", "search"]
"""


async def test_a_model_without_a_price_hides_what_was_spent(tmp_path: Path) -> None:
    """A plan for another model is unknown, holds nothing, and says how much of what is missing."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("strange", 1000, input_tokens=900, output_tokens=100))
        await record(app, calls("known", 60, 0.01))
        for asked in ({"dependency": "known", "planned_calls": 5}, {"planned_cost_usd": 0.5}):
            found = await app.check_budget_with_confidence("day", **asked, reserve=True)
            assert found.verdict == "unknown"
            assert found.reservation is None
            assert found.unpriced is not None
            assert (found.unpriced.calls, found.unpriced.tokens) == (1000, 1_000_000)
            assert "1,000 of 1,060 calls in this window" in found.unpriced.why


async def test_a_price_that_is_known_lately_does_not_hide_what_had_none_before(
    tmp_path: Path,
) -> None:
    """More calls than are looked at came since with a cost: most of the window's have none, and it is said."""
    toml = TOML.replace('"search"]', '"search"]\nwindow = "total"')
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("known", 5000, since_h=50)[:3000])
        await record(app, calls("known", 2500, 0.0001))
        found = await app.check_budget_with_confidence("day", planned_calls=5)
        assert (found.verdict, found.spent_usd) == ("unknown", 0.25)
        assert found.unpriced is not None
        assert "1,500 of 4,000 calls looked at in this window" in found.unpriced.why
        await record(app, calls("known", 1, 0.0001))  # what was found priced is looked at anew
        again = await app.check_budget_with_confidence("day", dependency="known", planned_calls=5)
        assert (again.verdict, again.unpriced is None) == ("unknown", False)


async def test_that_some_calls_were_looked_at_is_said_of_those_with_a_price_too(
    tmp_path: Path,
) -> None:
    """Five thousand have one, 50 of another name have none: these are no share of all, but of those looked at."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("known", 5000, 0.0001))
        await record(app, calls("strange", 50))
        for _ in range(2):
            found = await app.check_budget_with_confidence("day", planned_cost_usd=1)
            assert found.unpriced is not None
            assert found.unpriced.why.startswith("50 of 4,050 calls looked at in this window")


@pytest.mark.parametrize("seen", [{"cost_usd": 3}, {}])
async def test_a_limit_that_is_passed_is_passed_whatever_is_not_known(
    tmp_path: Path, seen: dict[str, float]
) -> None:
    """Calls without a price, or none to forecast by, only add to what is more than all; a parent's too."""
    toml = TOML + '[budgets.job]\nlimit_usd = 5\nparent = "day"\n'
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("known", 4, 3))
        await record(app, [one | seen for one in calls("strange", 1)])
        day, job = [
            await app.check_budget_with_confidence(name, dependency="known", reserve=True)
            for name in ("day", "job")
        ]
    assert (day.verdict, day.passed, day.reservation) == ("no_go", False, None)
    assert day.summary.startswith("Budget check failed, whatever more costs: remaining budget -$")
    assert (job.verdict, job.remaining_usd) == ("no_go", 5)
    assert job.binding is not None
    assert (job.binding.budget, job.binding.remaining_usd) == ("day", day.remaining_usd)


async def test_calls_without_a_price_are_seen_whoever_recorded_them(tmp_path: Path) -> None:
    """One process has found every call priced; then another, of the same store, records some that are not."""
    async with opened_app(tmp_path, TOML) as app, opened_app(tmp_path, TOML) as other:
        await record(app, calls("known", 60, 0.01))
        for _ in range(2):
            found = await app.check_budget_with_confidence("day", planned_calls=5)
            assert (found.verdict, found.unpriced) == ("go", None)
        await record(other, calls("known", 40, since_h=5, input_tokens=900, output_tokens=100))
        found = await app.check_budget_with_confidence("day", planned_calls=5)
        assert found.unpriced is not None
        assert (found.verdict, found.unpriced.calls) == ("unknown", 40)


@pytest.mark.parametrize(("n", "verdict"), [(3, "go"), (4, "unknown")])
async def test_up_to_one_call_in_twenty_is_said_alone(tmp_path: Path, n: int, verdict: str) -> None:
    """Of 60 priced calls and a few more without usage: 5 % is where it begins to matter."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("known", 60, 0.01) + calls("strange", n))
        found = await app.check_budget_with_confidence("day", dependency="known", planned_calls=5)
    assert found.verdict == verdict
    assert found.unpriced is not None
    assert found.unpriced.calls == n


async def test_what_only_a_price_mends_is_not_looked_for_in_a_list(tmp_path: Path) -> None:
    """A twentieth of a window's calls, a tenth of those of the model planned for: no list of names helps."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("known", 180, 0.01) + calls("strange", 90, 0.02))
        await record(app, calls("strange", 10, since_h=5, input_tokens=900, output_tokens=100))
        found = await app.check_budget_with_confidence("day", dependency="strange", planned_calls=5)
    assert (found.verdict, found.next_actions) == ("unknown", [])
    assert found.unpriced is not None


async def test_calls_that_failed_without_usage_are_no_gap_in_prices(tmp_path: Path) -> None:
    """An outage does not make a budget unknown: what was not served costs nothing."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("known", 60, 0.01) + calls("known", 40, error="http_503"))
        found = await app.check_budget_with_confidence("day", dependency="known", planned_calls=5)
    assert (found.verdict, found.unpriced) == ("go", None)


async def test_tools_without_cost_and_calls_of_a_reservation_hide_nothing(tmp_path: Path) -> None:
    """A tool that never had a cost is free; what a reservation carries is booked when it is settled."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("known", 60, 0.01) + calls("search", 200, kind="tool"))
        held = await app.check_budget_with_confidence("day", planned_cost_usd=2, reserve=True)
        assert held.reservation is not None
        mine = calls("strange", 50, reservation=held.reservation.id)
        await record(app, mine)
        await app.settle_reservation(held.reservation.id, actual_usd=1.5)
        found = await app.check_budget_with_confidence("day", dependency="known", planned_calls=5)
    assert found.verdict == "go"
    assert found.unpriced is None
    assert found.spent_usd == pytest.approx(2.1)


async def test_calls_that_only_name_the_budget_hide_as_much(tmp_path: Path) -> None:
    """A dependency in no list that names the budget, or a parent's own, has no price either."""
    toml = TOML.replace('"strange", ', "") + 'parent = "all"\n[budgets.all]\nlimit_usd = 50\n'
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("known", 60, 0.01))
        await record(app, calls("strange", 40, input_tokens=900, output_tokens=100, budget="all"))
        child = await app.check_budget_with_confidence("day", planned_cost_usd=0.5)
        assert child.verdict == "unknown"
        assert child.unpriced is not None
        assert "40 of 100 calls in the window of 'all'" in child.unpriced.why
        await record(app, calls("other", 30, budget="day"))
        named = await app.check_budget_with_confidence("day", planned_cost_usd=0.5)
    assert named.unpriced is not None
    assert (named.unpriced.calls, named.unpriced.why[:26]) == (30, "30 of 90 calls in this win")


async def test_a_reservation_settled_without_an_amount_hides_its_calls(tmp_path: Path) -> None:
    """Held and open they are covered; settled at an amount they are paid; released they are neither."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("known", 60, 0.01))
        held = await app.check_budget_with_confidence("day", planned_cost_usd=2, reserve=True)
        assert held.reservation is not None
        await record(app, calls("other", 50, reservation=held.reservation.id))
        ask = partial(app.check_budget_with_confidence, "day", dependency="known", planned_calls=5)
        assert (await ask()).verdict == "go"
        await app.settle_reservation(held.reservation.id)
        found = await ask()
        assert found.verdict == "unknown"
        assert found.unpriced is not None
        assert found.unpriced.calls == 50
        await app.settle_reservation(held.reservation.id, actual_usd=1.5)
        assert (await ask()).verdict == "go"


@pytest.mark.parametrize(
    ("n", "fields", "verdict", "said"),
    [
        (
            12,
            {"input_tokens": 900},
            "unknown",
            "12 of its 12 recorded calls (10,800 tokens) have no",
        ),
        (1, {}, "unknown", "1 of its 1 recorded call has no cost and no known price"),
        (3, {"cost_usd": 0}, "go", "its 3 recorded calls cost nothing, so the $2"),
        (3, {"kind": "tool"}, "go", "its 3 recorded calls cost nothing"),
        (2, {"error": "http_503"}, "go", "its 2 recorded calls cost nothing"),
        (0, {}, "go", "no recorded call names it"),
    ],
)
async def test_a_release_says_why_nothing_was_booked(
    tmp_path: Path, n: int, fields: dict[str, Any], verdict: str, said: str
) -> None:
    """Calls without a price are not "no call": what they cost is unknown until it is declared."""
    async with opened_app(tmp_path, TOML) as app:
        held = await app.check_budget_with_confidence("day", planned_cost_usd=2, reserve=True)
        assert held.reservation is not None
        await record(app, calls("new-one", n, reservation=held.reservation.id, **fields))
        for _ in range(2):  # settling again says the same
            found = await app.settle_reservation(held.reservation.id)
            assert (found.status, found.verdict, found.actual_usd) == ("released", verdict, 0)
            assert said in found.summary
            assert (found.calls or 0) == n
            assert (found.unpriced is None) == (verdict == "go")
        declared = await app.settle_reservation(held.reservation.id, actual_usd=1.25)
    assert (declared.verdict, declared.unpriced, declared.status) == ("go", None, "settled")


async def test_an_amount_says_of_how_many_calls_it_is_not(tmp_path: Path) -> None:
    """Settled, renewed and projected amounts leave out what has no price, and say so."""
    async with opened_app(tmp_path, TOML) as app:
        for i in range(3):  # past runs
            run = await app.check_budget_with_confidence(
                "day", planned_cost_usd=1, reserve=True, run=f"past {i}"
            )
            assert run.reservation is not None
            await record(app, calls(f"known{i}", 9, 0.01, reservation=run.reservation.id))
            assert (await app.settle_reservation(run.reservation.id)).unpriced is None
        run = await app.check_budget_with_confidence(
            "day", planned_cost_usd=1, reserve=True, run="now"
        )
        assert run.reservation is not None
        held = run.reservation.id
        await record(app, calls("known", 8, 0.01, reservation=held))
        priced = await app.settle_reservation(held, renew=True)
        assert priced.run is not None
        assert priced.run.projected_total_usd is not None
        await record(app, calls("strange", 2, input_tokens=500, reservation=held))
        renewed = await app.settle_reservation(held, renew=True)
        assert (renewed.verdict, renewed.calls) == ("unknown", 10)
        assert renewed.run is not None
        assert renewed.run.projected_total_usd is None
        assert "2 calls without a cost or a known price" in renewed.summary
        settled = await app.settle_reservation(held)
    assert (settled.status, settled.verdict) == ("settled", "unknown")
    assert settled.summary.endswith(
        "; 2 of its 10 recorded calls (1,000 tokens) have no cost and no known price."
    )
    assert settled.unpriced is not None
    assert settled.unpriced.why.startswith("2 of 10 calls of this reservation have no cost")


@pytest.mark.sqlite
async def test_an_upgrade_prices_nothing(tmp_path: Path) -> None:
    """Each upgrade runs the steps from 15 on again: none takes unpriced calls for priced ones."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("strange", 10, input_tokens=900))
    with closing(sqlite3.connect(engines.store_of(tmp_path), isolation_level=None)) as store:
        store.execute("PRAGMA user_version = 20")
    async with opened_app(tmp_path, TOML) as app:
        found = await app.check_budget_with_confidence("day", planned_cost_usd=0.5)
    assert found.unpriced is not None
    assert (found.verdict, found.unpriced.calls) == ("unknown", 10)
