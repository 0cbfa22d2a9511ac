"""What every budget promises, in each unit and each kind of window: sums that agree, and more work that never looks better."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gonogo.app import Gonogo
from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio
LIMITS = {"usd": 5, "calls": 200, "tokens": 60_000, "minutes": 30}
WINDOWS = ("hour", "week", "total", "rolling:2d", "session:5h")
PLANNED = (1, 80, 2000)


def world(unit: str, rng: random.Random) -> tuple[str, list[str]]:
    """A whole, a part in each kind of window, and a limit for each user below it; their names."""
    limit = LIMITS[unit]
    toml = f'[budgets.whole]\nlimit_usd = {2 * limit}\nunit = "{unit}"\n'
    toml += f'[budgets.each]\nlimit_usd = {limit}\nunit = "{unit}"\nper = "user"\n'
    toml += 'dependencies = ["a*", "b"]\nparent = "whole"\nwindow = "day"\n'
    names = ["whole", "each/x", "each/y"]
    for window in WINDOWS:
        name = window.replace(":", "-")
        names.append(name)
        toml += f'[budgets.{name}]\nlimit_usd = {limit}\nunit = "{unit}"\nwindow = "{window}"\n'
        toml += f'parent = "whole"\ndependencies = ["{rng.choice(("a*", "b", "a1"))}"]\n'
        toml += f"hard = {str(rng.random() < 0.2).lower()}\n"
    return toml, names


async def live(app: Gonogo, names: list[str], rng: random.Random) -> None:
    """Calls of days, holds of which some are used, settled by their calls or at an amount, or left open."""
    for name, usd in (("a1", 0.01), ("a2", 0.05), ("b", 0.02)):
        some = calls(name, 40, usd, sd=0.3, since_h=rng.choice((3, 30, 60)))
        for one in some:
            one |= {"input_tokens": rng.randrange(50, 900), "latency_ms": rng.uniform(10, 20_000)}
            one["segments"] = {"user": rng.choice("xyz")}
        await record(app, some)
    for name in rng.sample(names, 5):
        planned = rng.randrange(1, 9)
        held = await app.check_budget_with_confidence(
            name, "b", planned_calls=planned, reserve=True
        )
        if held.reservation is None:
            continue
        way = rng.random()
        paid: dict[str, Any] = {
            "reservation": held.reservation.id,
            "input_tokens": 90,
            "latency_ms": 900,
        }
        if way < 0.7:
            await record(app, calls("b", 3, 0.02, since_h=rng.random(), **paid))
        if way < 0.5:
            actual = 1 if way < 0.2 else None
            await app.settle_reservation(held.reservation.id, actual_usd=actual)


@pytest.mark.parametrize("unit", LIMITS)
async def test_sums_agree_and_more_work_is_never_better(tmp_path: Path, unit: str) -> None:
    """Spent, held and left are the limit; more calls are not cheaper, nor likelier to fit; no part holds more.

    As many calls as are said to pass do pass.
    """
    rng = random.Random(unit)  # noqa: S311 - no secret
    toml, names = world(unit, rng)
    async with opened_app(tmp_path, toml) as app:
        await live(app, names, rng)
        held, spent = {}, {}
        for name in [*rng.sample(names[:-1], 3), "whole", "total"]:
            told = [
                await app.check_budget_with_confidence(name, "b", planned_calls=n) for n in PLANNED
            ]
            for one in told:
                total = one.spent_usd + one.held_usd + one.remaining_usd
                assert total == pytest.approx(one.limit_usd, abs=1e-5), name
                if one.calls_that_would_pass and not one.passed:
                    fewer = await app.check_budget_with_confidence(
                        name, "b", planned_calls=one.calls_that_would_pass
                    )
                    assert fewer.passed, (name, one.calls_that_would_pass)
            for few, many in pairwise(told):
                assert few.projected_usd is not None
                assert many.projected_usd is not None
                assert few.confidence is not None
                assert many.confidence is not None
                assert many.projected_usd >= few.projected_usd, name
                assert many.confidence <= few.confidence, name
            held[name], spent[name] = told[0].held_usd, told[0].spent_usd
        assert sum(held.values()) - held["whole"] <= held["whole"] + 1e-5
        assert spent["total"] <= spent["whole"] + 1e-5
        assert [figure.said for figure in (await app.compare(60)).figures if figure.amiss] == []
