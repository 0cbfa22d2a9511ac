"""A budget that runs low: people are told of it, and the cheaper target is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gonogo.answers import FallbackPlan
from gonogo.app import Gonogo
from gonogo.config import load_settings
from money_world import NOW_MS, calls, opened_app, record
from receivers import SECRET, receiver

pytestmark = pytest.mark.anyio

DAY = '[budgets.day]\nlimit_usd = 10\nwindow = "{window}"\n'


@pytest.mark.parametrize("window", ["day", "total", "rolling:3h"])
async def test_each_share_is_told_once_in_a_window(tmp_path: Path, window: str) -> None:
    """Half, four fifths and all: as they are passed, several at once in one message."""
    with receiver(lambda _headers, _body: (204, "")) as ops:
        toml = DAY.format(window=window)
        toml += f'[settings.notify.ops]\nkind = "webhook"\nurl = "{ops.url}"\nsecret_env = "S"\n'
        now = [NOW_MS]
        base = opened_app(tmp_path, toml.partition("[settings")[0]).settings
        (tmp_path / "gonogo.toml").write_text(toml)
        told = load_settings(str(tmp_path / "gonogo.toml"), base.store, {"S": SECRET})
        async with Gonogo(
            replace(told, store_schema=base.store_schema), clock=lambda: now[0]
        ) as app:
            heard = []
            for i, usd in enumerate((4.9, 0.2, 0.1, 4.0, 1.0, 3.0)):
                await record(app, calls("m", 1, usd, since_h=0.01 * (i + 1), budget="day"))
                for _ in range(2):
                    await app.tell()
                    now[0] += 16 * 60_000 // 2
                heard.append(len(ops.taken))
        # 4.9, 5.1, 5.2, 9.2, 10.2, 13.2
        assert heard == [0, 1, 1, 2, 3, 3]
    said = [str(message["summary"]) for message in ops.taken]
    assert ["51%" in said[0], "92%" in said[1], "102%" in said[2]] == [True] * 3
    assert "$10.20 of $10.00" in said[2]


LADDER = """
[budgets.day]
limit_usd = 10
dependencies = ["dear"]
on_low = "step_down"

[dependencies.dear]
fallback = ["cheap"]
"""


async def test_a_low_budget_names_the_cheaper_target_and_switches_nothing(tmp_path: Path) -> None:
    """From four fifths on, or where a check fails; the plan is a person's, as the policy says."""
    async with opened_app(tmp_path, LADDER) as app:
        await record(app, calls("dear", 70, 0.1) + calls("cheap", 20, 0.02))
        ask = app.check_budget_with_confidence
        assert (await ask("day", "dear", planned_calls=1)).step_down is None
        failed = await ask("day", "dear", planned_calls=900)
        assert failed.verdict == "no_go"
        await record(app, calls("dear", 12, 0.1, since_h=1))
        low = await ask("day", "dear", planned_calls=1)
        assert low.verdict == "go"
        for found, why in ((failed, "Cheaper"), (low, "It runs low")):
            assert found.step_down is not None
            assert (found.step_down.to, found.step_down.cost_share) == ("cheap", 0.2)
            assert f"{why}: a call of cheap costs 20% of one of dear" in found.summary
        asked: dict[str, Any] = low.next_actions[0].arguments
        plan = await app.trigger_fallback(**asked)
        assert isinstance(plan, FallbackPlan)
        route = await app.get_route("dear")
        assert (route.target, route.step_down) == ("dear", low.step_down)
        assert "Budget day runs low: a call of cheap costs 20%" in route.summary
        assert route.next_actions[0].arguments == asked
        assert (await app.get_route("cheap")).step_down is None
    async with opened_app(tmp_path, LADDER.replace('on_low = "step_down"', "")) as app:
        assert (await app.check_budget_with_confidence("day")).step_down is None
        assert (await app.get_route("dear")).step_down is None


async def test_each_route_is_told_its_own_cheaper_target(tmp_path: Path) -> None:
    """Of two with a ladder on one budget the second too, and not only the first by name."""
    toml = LADDER.replace('["dear"]', '["dear", "dearer"]')
    async with opened_app(tmp_path, toml + '[dependencies.dearer]\nfallback = ["cheap"]\n') as app:
        dear = calls("dear", 45, 0.1, since_h=1) + calls("dearer", 45, 0.1, since_h=1)
        await record(app, dear + calls("cheap", 20, 0.02))
        for name in ("dear", "dearer"):
            found = (await app.get_route(name)).step_down
            assert found is not None
            assert (found.dependency, found.to) == (name, "cheap")


BELOW = """
[dependencies.dear]
fallback = ["human", "cheap", "cheapest"]
[budgets.{name}]
limit_usd = {limit}
on_low = "step_down"
{more}
"""


@pytest.mark.parametrize(
    ("name", "more", "asked"),
    [
        ("day", "", "day"),
        ("day", '[budgets.team]\nparent = "day"\nlimit_usd = 90', "team"),
        ("each", 'per = "tenant"\n[budgets."each/acme"]\nlimit_usd = 10', "each/acme"),
        ("each", 'per = "dependency"', "each/dear"),
    ],
)
async def test_whatever_the_budget_is_spent_on_has_its_cheaper_target_named(
    tmp_path: Path, name: str, more: str, asked: str
) -> None:
    """Where it lists no dependency, is above the one that is asked about, or is a limit for each value."""
    async with opened_app(tmp_path, BELOW.format(name=name, limit=10, more=more)) as app:
        own: dict[str, object] = {"segments": {"tenant": "acme"}}
        own |= {"budget": asked} if name == "day" else {}
        dear = [call | own for call in calls("dear", 85, 0.1)]
        await record(app, dear + calls("cheap", 20, 0.02))
        low = await app.check_budget_with_confidence(asked, "dear", planned_calls=1)
        assert low.verdict == "go"
        assert low.step_down is not None
        assert low.step_down.to == "cheap"
        who = "Budget day" if asked == "team" else "It"
        assert f"{who} runs low: a call of cheap costs 20% of one of dear." in low.summary
        if "tenant" not in more:  # whose calls are asked for, a route does not know
            assert (await app.get_route("dear")).step_down == low.step_down


async def test_a_cheaper_target_that_is_unfit_is_passed_over(tmp_path: Path) -> None:
    """The next one of the ladder is named; an agent could not carry out a plan of the first."""
    toml = BELOW.format(name="day", limit=10, more="")
    async with opened_app(tmp_path, toml) as app:
        found = calls("dear", 85, 0.1, budget="day") + calls("cheapest", 20, 0.01)
        await record(app, found + calls("cheap", 400, 0.02, outcome=False))
        assert (await app.get_trust_score_health("cheap")).verdict == "no_go"
        low = await app.check_budget_with_confidence("day", "dear", planned_calls=1)
        assert low.step_down is not None
        assert low.step_down.to == "cheapest"


async def test_a_target_whose_cost_is_known_only_later_is_told_then(tmp_path: Path) -> None:
    """People heard of four fifths when nothing cheaper was known; the command follows, once, and so does the end."""
    with receiver(lambda _headers, _body: (204, "")) as ops:
        toml = BELOW.format(name="day", limit=10, more='dependencies = ["dear"]')
        base = opened_app(tmp_path, toml).settings
        toml += f'[settings.notify.ops]\nkind = "webhook"\nurl = "{ops.url}"\nsecret_env = "S"\n'
        (tmp_path / "gonogo.toml").write_text(toml)
        told = load_settings(str(tmp_path / "gonogo.toml"), base.store, {"S": SECRET})
        settings = replace(told, store_schema=base.store_schema)
        async with Gonogo(settings, clock=lambda: NOW_MS) as app:
            heard = []
            for more in (
                calls("dear", 85, 0.1),
                calls("cheap", 20, 0.01, since_h=1),
                calls("dear", 20, 0.1, since_h=0.5),
            ):
                await record(app, more)
                for _ in range(2):
                    await app.tell()
                heard.append(len(ops.taken))
    assert heard == [1, 2, 3]
    step = "gonogo fallback dear --to cheap --reason 'budget day is low'"
    assert [message["next"] == step for message in ops.taken] == [False, True, True]
    assert "a call of cheap costs 10% of one of dear" in str(ops.taken[1]["news"])
    assert "used up" in str(ops.taken[2]["news"])


@pytest.mark.parametrize("unit", ["usd", "tokens"])
@pytest.mark.parametrize(("limit", "expected"), [(7, 2), (10, 1)])
async def test_people_are_told_that_a_window_will_not_last(
    tmp_path: Path, limit: int, expected: int, unit: str
) -> None:
    """6 of 7 are spent by noon and 3 more to come: told once; of 10 the day will last."""
    size = 1 if unit == "usd" else 1000
    toml = DAY.format(window="day").replace("= 10", f"= {limit * size}") + f'unit = "{unit}"\n'
    with receiver(lambda _headers, _body: (204, "")) as ops:
        base = opened_app(tmp_path, toml).settings
        toml += f'[settings.notify.ops]\nkind = "webhook"\nurl = "{ops.url}"\nsecret_env = "S"\n'
        (tmp_path / "gonogo.toml").write_text(toml)
        told = load_settings(str(tmp_path / "gonogo.toml"), base.store, {"S": SECRET})
        settings = replace(told, store_schema=base.store_schema)
        async with Gonogo(settings, clock=lambda: NOW_MS) as app:
            await record(app, calls("m", 60, 0.1, input_tokens=100, budget="day"))
            for _ in range(2):
                await app.tell()
    said = [str(message["summary"]) for message in ops.taken]
    assert len(said) == expected, said
    if expected == 2:
        [ahead] = [text for text in said if "will not last" in text]
        left = "$1.00" if unit == "usd" else "1,000 tokens"
        assert (
            f"budget day will not last until its window ends at 2026-01-02T00:00Z: {left} left"
            in ahead
        )
        assert ("$" in ahead) == (unit == "usd")
