"""gonogo.toml is edited while a process runs: it is followed, told, and no money is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo import Recorder
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.errors import UnknownTarget
from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio

TEAM = '[budgets.team]\nlimit_usd = 10\nhold_expires = "1h"\n'
ORG = "[budgets.org]\nlimit_usd = 100\n"


def edit(folder: Path, toml: str) -> None:
    """Save the configuration as an editor does: another file in its place."""
    new = folder / "new.toml"
    new.write_text(toml, encoding="utf-8")
    new.replace(folder / "gonogo.toml")


async def spent(app: Gonogo, budget: str) -> tuple[float, float, float]:
    """What a budget has spent, holds, and its limit, which its answer adds up to."""
    found = await app.check_budget_with_confidence(budget, planned_cost_usd=0.01)
    left = found.limit_usd - found.spent_usd - found.held_usd
    assert found.remaining_usd == pytest.approx(left)
    return found.spent_usd, found.held_usd, found.limit_usd


async def held_by(app: Gonogo, budget: str, usd: float) -> str:
    """A hold of a budget."""
    found = await app.check_budget_with_confidence(budget, planned_cost_usd=usd, reserve=True)
    assert found.reservation is not None
    return found.reservation.id


async def test_limit_window_zone_and_price_apply_from_the_next_question(tmp_path: Path) -> None:
    """The hold and what was spent stay; what became too dear is refused; the log has the edit."""
    async with opened_app(tmp_path, TEAM) as app:
        hold = await held_by(app, "team", 2)
        await record(app, calls("mine", 6, input_tokens=1_000_000, output_tokens=0, budget="team"))
        assert (await app.check_budget_with_confidence("team")).verdict == "unknown"
        edit(
            tmp_path,
            TEAM.replace("10", "9.5").replace("limit", 'window = "month"\nlimit')
            + '[settings]\ntimezone = "Asia/Kolkata"\n'
            "[settings.prices.mine]\ninput_usd_per_mtok = 0.5\noutput_usd_per_mtok = 1\n",
        )
        # Five of the six calls, at 10, 8.3, … hours before noon UTC, are of this month there.
        assert await spent(app, "team") == (3.0, 2.0, 9.5)
        found = await app.check_budget_with_confidence("team", planned_cost_usd=9)
        assert (found.verdict, found.window.start) == ("no_go", "2025-12-31T18:30:00Z")
        assert (await app.settle_reservation(hold, actual_usd=1)).held_usd == 2
        assert await spent(app, "team") == (4.0, 0.0, 9.5)
        (entry,) = await app.decisions(kind="edit_configuration")
    assert "budget 'team': limit $10.00 to $9.50, window total to month" in entry.summary
    assert "price of 'mine'; timezone UTC to Asia/Kolkata" in entry.summary


async def test_a_budget_that_is_gone_is_said_until_another_has_its_money(tmp_path: Path) -> None:
    """Removed, its hold counts nowhere, and every check says so; `formerly` brings it back."""
    team = f'{TEAM}parent = "org"\n'
    async with opened_app(tmp_path, ORG + team) as app:
        hold = await held_by(app, "team", 2)
        await record(app, calls("mine", 3, 1.0, budget="team"))
        assert await spent(app, "org") == (3.0, 2.0, 100.0)
        edit(tmp_path, ORG)
        found = await app.check_budget_with_confidence("org", planned_cost_usd=1)
        assert found.unconfigured is not None
        (left,) = found.unconfigured
        assert (left.budget, left.held_usd) == ("team", 2.0)
        assert "$2.00 held until" in found.summary
        assert "`formerly`" in found.summary
        with pytest.raises(UnknownTarget):
            await app.check_budget_with_confidence("team")
        assert (await app.settle_reservation(hold, renew=True)).status == "renewed"
        edit(tmp_path, f'{ORG}{team.replace("budgets.team", "budgets.crew")}formerly = ["team"]\n')
        assert await spent(app, "crew") == (3.0, 2.0, 10.0)
        assert await spent(app, "org") == (3.0, 2.0, 100.0)
        await app.settle_reservation(hold, actual_usd=4)
        assert await spent(app, "crew") == (7.0, 0.0, 10.0)
        found = await app.check_budget_with_confidence("org", planned_cost_usd=1)
    assert (found.spent_usd, found.unconfigured) == (7.0, None)


async def test_the_check_of_a_renamed_budget_names_what_its_old_name_has_spent(
    tmp_path: Path,
) -> None:
    """Until `formerly` has it, or the new name has money of its own; of a value of a key, too."""
    per = '[budgets.customer]\nlimit_usd = 9\nper = "tenant"\n'
    async with opened_app(tmp_path, TEAM + per) as app:
        await record(app, calls("mine", 3, 1.0, budget="team"))
        await record(app, calls("yours", 2, 0.5, budget="customer/a"))
        crew, client = TEAM.replace("team", "crew"), per.replace("customer", "client")
        edit(tmp_path, crew + client)
        for name, lost in (("crew", {"team": 3.0, "customer/a": 1.0}), ("client/b", None)):
            found = await app.check_budget_with_confidence(name, planned_cost_usd=1)
            told = {left.budget: left.spent_usd for left in found.unconfigured or ()}
            assert told == (lost or told), name
            assert "$3.00 spent in the window for 'team', not configured" in found.summary
        edit(tmp_path, f'{crew}formerly = ["team"]\n{client}formerly = ["customer"]\n')
        for name, expected in (("crew", 3.0), ("client/a", 1.0), ("client/b", 0.0)):
            found = await app.check_budget_with_confidence(name, planned_cost_usd=1)
            assert (found.spent_usd, found.unconfigured) == (expected, None)
        edit(tmp_path, crew)
        await record(app, calls("mine", 1, 1.0, since_h=1, budget="crew"))
        found = await app.check_budget_with_confidence("crew", planned_cost_usd=1)
        assert found.unconfigured is None


async def test_another_parent_takes_over_what_was_spent_and_is_held(tmp_path: Path) -> None:
    """Without a parent, under one, and under another: the same money, in each that counts it."""
    other = ORG.replace("org", "other")
    async with opened_app(tmp_path, TEAM) as app:
        first = await held_by(app, "team", 2)
        await record(app, calls("mine", 3, 1.0, budget="team"))
        edit(tmp_path, f'{ORG}{other}{TEAM}parent = "org"\n')
        assert await spent(app, "team") == (3.0, 2.0, 10.0)
        assert await spent(app, "org") == (3.0, 2.0, 100.0)
        second = await held_by(app, "team", 1)
        await record(app, calls("mine", 2, 1.0, since_h=5, budget="team"))
        edit(tmp_path, f'{ORG}{other}{TEAM}parent = "other"\n')
        assert await spent(app, "team") == (5.0, 3.0, 10.0)
        assert await spent(app, "other") == (5.0, 3.0, 100.0)
        assert await spent(app, "org") == (0.0, 0.0, 100.0)
        for hold in (first, second):
            await app.settle_reservation(hold, actual_usd=0.5)
        assert await spent(app, "other") == (6.0, 0.0, 100.0)


async def test_a_file_that_is_wrong_changes_nothing_and_every_answer_says_so(
    tmp_path: Path,
) -> None:
    """Half an edit is no configuration: what stood before stands until the file is right again."""
    async with opened_app(tmp_path, TEAM) as app:
        await record(app, calls("mine", 3, 1.0, budget="team"))
        for wrong in (
            "[budgets.team",
            "[budgets.team]\nlimit_usd = -1\n",
            "[budgets.te]\nlimit = 1\n",
        ):
            edit(tmp_path, wrong)
            found = await app.check_budget_with_confidence("team", planned_cost_usd=1)
            assert found.limit_usd == 10
            assert found.configuration is not None
            assert "gonogo.toml" in found.configuration
            assert (await app.check_model_drift("mine")).configuration == found.configuration
        (tmp_path / "gonogo.toml").unlink()
        gone = await app.get_route("mine")
        assert gone.configuration is not None
        assert "no such file" in gone.configuration
        edit(tmp_path, TEAM)
        found = await app.check_budget_with_confidence("team", planned_cost_usd=1)
        assert found.configuration is None
        assert await app.decisions(kind="edit_configuration") == []


async def test_two_processes_follow_an_edit_and_log_it_once(tmp_path: Path) -> None:
    """A server and a watch beside it; what is asked anew of a workload is there at once."""
    async with opened_app(tmp_path, TEAM) as one, opened_app(tmp_path, TEAM) as two:
        for app in (one, two):
            await record(app, calls("mine", 3, 1.0))
        edit(tmp_path, f"{TEAM}[workloads.w]\nbudget = 'team'\ndependencies = {{ mine = 3 }}\n")
        for app in (one, two):
            assert (await app.preflight("w")).workload == "w"
        assert len(await one.decisions(kind="edit_configuration")) == 1


async def test_a_recorder_prices_its_next_calls_by_an_edited_price(tmp_path: Path) -> None:
    """The first call had no price when it was written; the second one, and none before it, has."""
    config, store = tmp_path / "gonogo.toml", str(tmp_path / "recorded.db")
    price = "[settings.prices.mine]\ninput_usd_per_mtok = 0.5\noutput_usd_per_mtok = 1\n"
    with Recorder(store=store, config=str(config)) as recorder:
        for priced in ("", price):
            edit(tmp_path, TEAM + priced)
            recorder.record("mine", input_tokens=1_000_000, output_tokens=0, budget="team")
            assert recorder.flush(60)
    async with Gonogo(load_settings(str(config), store, {})) as app:
        costs = await (await app.stores()).telemetry.newest_costs("mine")
    assert costs.cost_micro_usd.tolist() == [-1, 500_000]
