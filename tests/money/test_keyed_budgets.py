"""Budgets that are a limit for each value of a key: each tenant its own, made when it is first asked about."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.app.budget_notices import budget_notices
from gonogo.config import load_settings
from gonogo.errors import ConfigError, ParameterError, UnknownTarget
from gonogo.records import MICRO
from money_world import NOW_MS, calls, opened_app, record

pytestmark = pytest.mark.anyio
TOML = """
[budgets.tenant]
limit_usd = 1000
per = "tenant"
[budgets.chat]
limit_usd = 1000
per = "tenant"
dependencies = ["m*"]
parent = "org"
[budgets.size]
limit_usd = 100_000
unit = "tokens"
per = "tenant"
[budgets.user]
limit_usd = 500
unit = "calls"
per = "user"
window = "day"
[budgets.each]
limit_usd = 900
per = "dependency"
[budgets.org]
limit_usd = 1000
[budgets.work]
limit_usd = 1000
"""
NAMES = ("tenant/a", "tenant/b", "chat/a", "chat/b", "size/a", "user/x", "user/y", "each/m1", "org")


def life(seed: int, holds: dict[str, str]) -> list[dict[str, object]]:
    """Calls of two models and a tool, of tenants and users or of nobody, paid in every way."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    told = []
    for i in range(60):
        segments = {"tenant": rng.choice("ab"), "user": rng.choice("xy"), "tier": "new"}
        for key in ("tenant", "user"):
            if rng.random() < 0.3:
                del segments[key]
        call: dict[str, object] = {
            "dependency": rng.choice(("m1", "m2", "tool")),
            "id": f"c{i}",
            "ts": rfc3339(NOW_MS - 60_000 * (i + 1)),
            "cost_usd": rng.choice((0.01, 0.02, 0.5)),
            "input_tokens": rng.randrange(1000),
            "segments": segments,
        }
        way = rng.choice(("free", "named", "held"))
        if way == "named":
            call["budget"] = rng.choice(("work", "tenant/a", "tenant/b", "chat/a"))
        elif way == "held" and holds:
            call["reservation"] = holds[rng.choice(sorted(holds))]
        told.append(call)
    return told


def counted(name: str, call: dict[str, object], holds: dict[str, str]) -> float:
    """What a call adds to a budget, by what the documentation says."""
    owner, _, value = name.partition("/")
    by_id = {identity: budget for budget, identity in holds.items()}
    paid_by = by_id.get(str(call.get("reservation")), call.get("budget"))
    segments, dependency = call["segments"], str(call["dependency"])
    assert isinstance(segments, dict)
    in_list = dependency.startswith("m")
    match owner:
        case "org":
            counts = in_list or paid_by in ("org", "chat/a", "chat/b")
        case "each":
            counts = dependency == value or paid_by == name
        case "chat":
            counts = (segments.get("tenant") == value and in_list) or paid_by == name
        case _:
            key = "user" if owner == "user" else "tenant"
            counts = segments.get(key) == value or paid_by == name
    amount = {"size": call["input_tokens"], "user": 1}.get(owner, call["cost_usd"])
    assert isinstance(amount, int | float)
    return amount if counts else 0


async def spent(app: Gonogo, name: str) -> float:
    """What a budget has spent; spent, held and what remains are the limit."""
    found = await app.check_budget_with_confidence(name, planned_cost_usd=1)
    assert found.spent_usd + found.held_usd + found.remaining_usd == pytest.approx(found.limit_usd)
    return found.spent_usd


@pytest.mark.parametrize(("seed", "first"), [(0, "asked"), (1, "recorded")])
async def test_each_value_has_spent_what_its_calls_cost(
    tmp_path: Path, seed: int, first: str
) -> None:
    """Oracle: the calls, one by one, whether they came before the first question or after it.

    In any batches, told again at another cost, and said only later whose they are.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    async with opened_app(tmp_path, TOML) as app:
        holds: dict[str, str] = {}
        for name in ("work", "tenant/a", "chat/a") if first == "asked" else ("work",):
            held = await app.check_budget_with_confidence(name, planned_cost_usd=90, reserve=True)
            assert held.reservation is not None
            holds[name] = held.reservation.id
        told = life(seed, holds)
        later: list[dict[str, object]] = []
        for call in told:
            if rng.random() < 0.2:  # says its cost, or its segments, in a second record
                field, wrong = ("cost_usd", 0.33) if rng.random() < 0.5 else ("segments", {})
                same = {key: call[key] for key in ("dependency", "id", field)}
                later.append(same)
                call[field] = wrong
        size = rng.choice((1, 7, 60))
        whole = {str(call["id"]): dict(call) for call in told}
        for start in range(0, 60, size):
            await record(app, told[start : start + size])
        await record(app, later)
        for again in later:
            whole[str(again["id"])] |= again
        for identity in holds.values():
            await app.settle_reservation(identity)
        for name in NAMES:
            expected = sum(counted(name, call, holds) for call in whole.values())
            assert await spent(app, name) == pytest.approx(expected), name
        assert [figure.said for figure in (await app.compare(60)).figures if figure.amiss] == []
        await app.repair()
        for name in NAMES:
            expected = sum(counted(name, call, holds) for call in whole.values())
            assert await spent(app, name) == pytest.approx(expected), name


async def test_a_hold_is_one_value_s_and_its_parent_s(tmp_path: Path) -> None:
    """What is held for one tenant is not taken from another, and counts in the whole."""
    async with opened_app(tmp_path, TOML) as app:
        held = await app.check_budget_with_confidence(
            "chat/new one", planned_cost_usd=600, reserve=True
        )
        assert held.verdict == "go"
        assert held.reservation is not None
        same, other, org = [
            await app.check_budget_with_confidence(name, planned_cost_usd=500)
            for name in ("chat/new one", "chat/old", "org")
        ]
        assert (same.verdict, same.held_usd) == ("no_go", 600)
        assert (other.verdict, other.held_usd) == ("no_go", 0)
        assert other.binding is not None
        assert (other.binding.budget, org.held_usd) == ("org", 600)
        await app.settle_reservation(held.reservation.id, actual_usd=5)
        assert [await spent(app, n) for n in ("chat/new one", "chat/old", "org")] == [5, 0, 5]


async def test_what_has_no_price_is_told_of_its_own_value(tmp_path: Path) -> None:
    """Tokens without a price of tenant a make it unknown; b, whose calls all cost, is known."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("m1", 20, 0.1, segments={"tenant": "b"}))
        await record(app, calls("m1", 9, input_tokens=50, since_h=1, segments={"tenant": "a"}))
        a, b = [
            await app.check_budget_with_confidence(n, planned_cost_usd=1)
            for n in ("tenant/a", "tenant/b")
        ]
        assert (a.verdict, b.verdict, b.unpriced) == ("unknown", "go", None)
        assert a.unpriced is not None
        assert (a.unpriced.calls, a.unpriced.tokens) == (9, 450)


async def test_names_that_are_of_no_value_are_said(tmp_path: Path) -> None:
    """A value that nobody called, near one that is there; a call that names the whole and no value."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, calls("m1", 6, 0.1, segments={"tenant": "northwind"}))
        slip = await app.check_budget_with_confidence("tenant/nortwhind", planned_calls=5)
        assert slip.not_counted is not None
        assert (slip.not_counted[0].listed, slip.not_counted[0].recorded) == (
            "tenant=nortwhind",
            "tenant=northwind",
        )
        assert "is 'tenant=northwind' meant?" in slip.summary
        with pytest.raises(ParameterError, match="a limit for each tenant"):
            await app.check_budget_with_confidence("tenant", planned_calls=5)
        with pytest.raises(UnknownTarget, match="tenant/VALUE"):
            await app.check_budget_with_confidence("tennant/a", planned_calls=5)
        answer = await app.record_observations(calls("m1", 1, 0.1, since_h=1, budget="tenant"))
        assert "name one, 'tenant/VALUE'" in " ".join(answer.notes or ())
        said = {**calls("m1", 1, 0.1, since_h=2, budget="tenant")[0], "segments": {"tenant": "q"}}
        assert (await app.record_observations([said])).notes is None
        assert await spent(app, "tenant/q") == pytest.approx(0.1)


async def test_people_are_told_of_the_value_that_runs_low(tmp_path: Path) -> None:
    """One tenant of three has spent four fifths of its limit; metrics have them all."""
    toml = (
        '[budgets.tenant]\nlimit_usd = 10\nper = "tenant"\n[budgets."tenant/vip"]\nlimit_usd = 99'
    )
    async with opened_app(tmp_path, toml) as app:
        for tenant, usd in (("a", 0.85), ("b", 0.1), ("vip", 0.9)):
            await record(app, calls(f"m{tenant}", 10, usd, segments={"tenant": tenant}))
        stores = await app.stores()
        told = await budget_notices(stores, now_ms=NOW_MS)
        assert [one.events[-1].event[:22] for one in told] == ["budget tenant/a: 85% o"]
        gauges = (await app.gauges()).budgets
        assert {name: gauge.limit for name, gauge in gauges.items()} == {
            "tenant/vip": 99,
            "tenant/a": 10,
            "tenant/b": 10,
        }


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        (
            '[budgets.t]\nlimit_usd = 1\nper = "k"\nparent = "o"\n[budgets.o]\nlimit_usd = 1',
            "needed",
        ),
        (
            '[budgets.t]\nlimit_usd = 1\nper = "k"\n[budgets.u]\nlimit_usd = 1\nparent = "t"',
            "t/VALUE",
        ),
        (
            '[budgets.t]\nlimit_usd = 1\nper = "k"\n[workloads.w]\nbudget = "t"\ndependencies = { m = 1 }',
            "t/VALUE",
        ),
        ('[budgets.t]\nlimit_usd = 1\nper = ""', "per"),
    ],
)
def test_a_limit_for_each_value_is_configured_as_one(
    tmp_path: Path, toml: str, problem: str
) -> None:
    """It is no budget of its own: nothing is below it, and work names one value."""
    (tmp_path / "gonogo.toml").write_text(toml, encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        load_settings(config=str(tmp_path / "gonogo.toml"), store=None, environ={})


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("limit_usd = 250", ("month", "tokens", True, 0.97, "org", ("m*",), 250)),
        (
            'limit_usd = 9\nwindow = "day"\ndependencies = ["x"]\nhard = false\nrequired_confidence = 0.6',
            ("day", "tokens", False, 0.6, "org", ("x",), 9),
        ),
        ("limit_usd = 1.5", "whole number of tokens"),
        ("limit_usd = 5\nrequired_confidence = 0.6", "at least 0.95"),
    ],
)
def test_a_value_s_own_table_states_what_is_other_for_it(
    tmp_path: Path, own: str, expected: str | tuple[object, ...]
) -> None:
    """A dearer customer's month does not become for ever since its table names a limit alone."""
    toml = (
        '[budgets.org]\nlimit_usd = 9000\nunit = "tokens"\n'
        '[budgets.t]\nlimit_usd = 10\nper = "tenant"\nwindow = "month"\nunit = "tokens"\n'
        'hard = true\nrequired_confidence = 0.97\nparent = "org"\ndependencies = ["m*"]\n'
        f'[budgets."t/acme"]\n{own}\n'
    )
    (tmp_path / "gonogo.toml").write_text(toml, encoding="utf-8")
    if isinstance(expected, str):
        with pytest.raises(ConfigError, match=expected):
            load_settings(config=str(tmp_path / "gonogo.toml"), store=None, environ={})
        return
    settings = load_settings(config=str(tmp_path / "gonogo.toml"), store=None, environ={})
    acme = settings.budget("t/acme")
    assert acme is not None
    kept = (acme.window, acme.unit, acme.hard, acme.required_confidence, acme.parent)
    assert (*kept, acme.dependencies, acme.limit_micro_usd) == expected
    assert acme.segment == "tenant=acme"


def test_a_dependency_has_its_own_where_it_is_among_those(tmp_path: Path) -> None:
    """Per dependency, of one family: others have none."""
    toml = '[budgets.each]\nlimit_usd = 2\nper = "dependency"\ndependencies = ["gpt*"]'
    (tmp_path / "gonogo.toml").write_text(toml, encoding="utf-8")
    settings = load_settings(config=str(tmp_path / "gonogo.toml"), store=None, environ={})
    own = settings.budget("each/gpt-9")
    assert own is not None
    assert (own.dependencies, own.limit_micro_usd) == (("gpt-9",), 2 * MICRO)
    assert settings.budget("each/claude") is None
