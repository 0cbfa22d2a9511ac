"""Names that a budget does not reach are said: by the check, by recording, by doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.answers import NotCounted
from gonogo.config import load_settings
from gonogo.money.not_counted import UncountedCalls, nearest, uncounted_names
from gonogo.money.scopes import Traffic
from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("listed", "recorded", "said"),
    [
        ("gtp-4o", "gpt-4o", "No call of 'gtp-4o' was ever recorded (is 'gpt-4o' meant?)"),
        ("gpt-4o", "gpt-4o-2024-08-06", "'gpt-4o-2024-08-06' is not counted: list \"gpt-4o*\""),
        (
            "cluade-3-5-sonnet",
            "claude-3-5-sonnet-20241022",
            "is 'claude-3-5-sonnet-20241022' meant?",
        ),
        ("gpt-4o", "openai/gpt-4o", "is 'openai/gpt-4o' meant?"),
    ],
)
async def test_a_check_names_what_a_budget_does_not_count(
    tmp_path: Path, listed: str, recorded: str, said: str
) -> None:
    """$5 of a name near the listed one are not in the budget, and its summary says so."""
    toml = f'[budgets.day]\nlimit_usd = 10\ndependencies = ["{listed}"]\n'
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls(recorded, 50, 0.1))
        found = await app.check_budget_with_confidence("day", planned_cost_usd=0.5)
    assert found.spent_usd == 0
    assert found.not_counted is not None
    assert [(one.listed, one.recorded) for one in found.not_counted] == [(listed, recorded)]
    assert said in found.summary


async def test_planned_calls_that_a_budget_does_not_list_are_said(tmp_path: Path) -> None:
    """By the check and by preflight; not of what it lists, nor of what was recorded in its name."""
    toml = '[budgets.day]\nlimit_usd = 10\ndependencies = ["gpt-4o"]\n'
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("gpt-4o", 50, 0.001) + calls("look", 50, 0.001, budget="day"))
        await record(app, calls("search", 50, 0.001))
        found = await app.preflight(
            dependencies=["search", "look", "gpt-4o"], budget="day", planned_calls=5
        )
        once = await app.check_budget_with_confidence("day", dependency="search")
        held = await app.check_budget_with_confidence(
            "day", dependency="search", reserve=True, idempotency_key="k"
        )
    assert found.budget is not None
    assert found.budget.not_counted == once.not_counted == [NotCounted(recorded="search")]
    assert "Budget day does not count search." in found.summary
    assert held.not_counted is None


async def test_a_budget_that_nothing_names_says_that_it_counts_nothing(tmp_path: Path) -> None:
    """It lists no dependencies, and no call bears its name: $0.00 spent is no news. One call later it is."""
    async with opened_app(tmp_path, "[budgets.day]\nlimit_usd = 10\n") as app:
        await record(app, calls("search", 50, 0.1))
        asked = await app.check_budget_with_confidence("day", planned_calls=5)
        found = await app.preflight(dependencies=["search"], budget="day", planned_calls=5)
        once = await app.check_budget_with_confidence("day", dependency="search")
        await record(app, calls("look", 1, 0.1, budget="day"))
        named = await app.check_budget_with_confidence("day", dependency="look")
    assert asked.verdict == "unknown"
    assert "no recorded call counts in it" in asked.summary
    assert found.budget is not None
    assert found.budget.not_counted == once.not_counted == [NotCounted(recorded="search")]
    assert "counted only where a call names the budget: search" in once.summary
    assert named.not_counted is None


async def test_recording_says_which_budget_or_reservation_is_nowhere(tmp_path: Path) -> None:
    """A slip in `budget` or `reservation` hides what the calls cost."""
    async with opened_app(tmp_path, "[budgets.nightly]\nlimit_usd = 10\n") as app:
        sent = calls("search", 3, 5, budget="nigthly") + calls("look", 1, 5, reservation="res-1")
        answer = await app.record_observations(sent)
    assert answer.notes is not None
    budget, reservation = answer.notes
    assert budget.endswith("3 calls of these name, is not configured: is 'nightly' meant?")
    assert reservation.startswith("Reservation 'res-1' is not known")


@pytest.mark.parametrize(
    ("listed", "names", "expected"),
    [
        ("gpt-4o*", ["gpt-4o", "gpt-4o-2024-08-06"], []),
        ("gpt-4o", ["gpt-4o", "gpt-4o-mini", "gpt-4.1"], []),
        ("gpt-4", ["gpt-4", "gpt-4-0613"], [("gpt-4", "gpt-4-0613")]),
        ("claude*", ["gpt-4"], [("claude*", None)]),
        ("gpt-5", ["gpt-4"], [("gpt-5", None)]),
        ("mail", ["search"], [("mail", None)]),
    ],
)
def test_other_models_of_a_family_are_not_slips(
    tmp_path: Path, listed: str, names: list[str], expected: list[tuple[str, str | None]]
) -> None:
    """A date makes no other model; another number or a suffix does."""
    config = tmp_path / "gonogo.toml"
    config.write_text(f'[budgets.day]\nlimit_usd = 10\ndependencies = ["{listed}"]\n')
    settings = load_settings(config=str(config), store=None, environ={"HOME": str(tmp_path)})
    found = uncounted_names(settings, (settings.budgets["day"],), Traffic(names=tuple(names)))
    assert list(found) == [UncountedCalls(*each) for each in expected]
    assert nearest("nigthly", ["weekly", "nightly"]) == "nightly"
    assert nearest("dya", ["week", "day"]) == "day"
