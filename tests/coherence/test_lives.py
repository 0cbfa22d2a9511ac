"""Lives with known truth, asked everything in any order: every answer holds, and the truth is found."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_lives import BUDGETS, KINDS, WEEK_MS, Kind, Life, World

from gonogo.answers import Answer, BudgetCheck, FallbackPlan, TrustReport
from gonogo.coherence import look
from gonogo.errors import GonogoError
from oracle import ORACLE

# `make torture` sets it: other lives each time, and more of them.
LIVES = int(os.environ.get("GONOGO_LIVES", "0"))
STEPS_MAX = 8
HOUR_MS = 3_600_000

LIVED = settings(max_examples=LIVES or 4, derandomize=not LIVES, database=None)
Folders = pytest.TempPathFactory
kinds = st.lists(st.sampled_from(KINDS), min_size=2, max_size=3, unique=True)
seeds = st.integers(0, 1_000_000)


def lived(folders: Folders, kinds: list[Kind], seed: int, **rest: object) -> World:
    """A world in a folder of its own."""
    lives = tuple(
        Life(kind, seed + place, kind.replace(" ", "-")) for place, kind in enumerate(kinds)
    )
    return World(folders.mktemp("life"), lives, **rest)  # type: ignore[arg-type] # by field names


def agree() -> None:
    """Nothing that was heard until now disagrees."""
    found = ORACLE.take()
    assert not found, "\n\n".join(found)


@LIVED
@given(kinds=kinds, seed=seeds, data=st.data())
def test_whatever_is_asked_in_whatever_order_holds_together(
    tmp_path_factory: Folders, kinds: list[Kind], seed: int, data: st.DataObject
) -> None:
    """Questions and deeds in any order; then every surface says the same of the same moment."""

    async def live() -> None:
        world = lived(tmp_path_factory, kinds, seed)
        async with world.app:
            await world.begin()
            for _ in range(data.draw(st.integers(0, STEPS_MAX), label="steps")):
                step = data.draw(st.sampled_from(STEPS), label="step")
                name = data.draw(st.sampled_from([life.name for life in world.lives]))
                try:
                    await step(world, name)
                except GonogoError as refused:
                    assert "\n" not in str(refused)  # noqa: PT017 - one line, whatever is refused
            ORACLE.hear_moment(await look(world.app, names_max=10))
        agree()

    anyio.run(live)


async def ask_of_a_slice(world: World, name: str) -> object:
    """A question about a part."""
    return await world.app.check_model_drift(name, segment="tier=new")


async def ask_of_a_metric(world: World, name: str) -> object:
    """A question about another metric."""
    return await world.app.check_model_drift(name, metric="latency_ms", detail="full")


async def ask_of_the_past(world: World, name: str) -> object:
    """A question about another time."""
    return await world.app.check_model_drift(name, until="2026-05-20")


async def ask_of_drift(world: World, name: str) -> object:
    """The question about the whole, now."""
    return await world.app.check_model_drift(name)


async def ask_of_trust(world: World, name: str) -> object:
    """The chance that the next call is good, in full."""
    return await world.app.get_trust_score_health(name, detail="full")


async def ask_before_work(world: World, name: str) -> object:
    """A preflight of one, with a budget."""
    return await world.app.preflight(dependencies=[name], planned_calls=20, budget="wide")


async def hold_and_settle(world: World, name: str) -> object:
    """Money is held for planned work, and booked."""
    for budget in BUDGETS:
        check = await world.app.check_budget_with_confidence(
            budget, dependency=name, planned_calls=100, reserve=True
        )
        if check.reservation is not None and budget != "tight":
            await world.app.settle_reservation(check.reservation.id, actual_usd=0.15)
    return None


async def fall_back(world: World, name: str) -> object:
    """A plan, carried out."""
    plan = await world.app.trigger_fallback(name, reason="it looks bad")
    if isinstance(plan, FallbackPlan):
        return await world.app.trigger_fallback(name, plan_id=plan.plan_id)
    return plan


async def take_back(world: World, name: str) -> object:
    """The newest action, undone."""
    for entry in await world.app.actions():
        if entry.kind == "trigger_fallback" and entry.dependency == name:
            return await world.app.trigger_fallback(name, undo=entry.id)
    return None


async def let_time_pass(world: World, _: str) -> object:
    """Seven hours without a call."""
    world.now_ms += 7 * HOUR_MS
    return None


async def record_a_call(world: World, name: str) -> object:
    """One more good call, just now."""
    call = {"dependency": name, "ts": world.now_ms / 1000, "outcome": 1, "cost_usd": 0.002}
    return await world.app.record_observations([call])


STEPS: tuple[Callable[[World, str], Awaitable[object]], ...] = (
    ask_of_a_slice,
    ask_of_a_metric,
    ask_of_the_past,
    ask_of_drift,
    ask_of_trust,
    ask_before_work,
    hold_and_settle,
    fall_back,
    take_back,
    let_time_pass,
    record_a_call,
)


@pytest.mark.parametrize(
    ("kind", "verdicts"),
    [
        ("healthy", {"go"}),
        ("constant", {"go"}),
        ("collapse", {"no_go"}),
        ("slow fall", {"no_go", "caution"}),
        ("mix", {"go", "caution"}),
        ("cut off", {"no_go"}),
        ("sparse", {"unknown"}),
        ("stale", {"unknown"}),
        ("unlabelled", {"unknown"}),
    ],
)
def test_the_truth_of_a_life_is_told(
    tmp_path_factory: Folders, kind: Kind, verdicts: set[str]
) -> None:
    """What a life is made to be is what drift says of it."""

    async def live() -> None:
        world = lived(tmp_path_factory, [kind], seed=7)
        async with world.app:
            await world.begin()
            report = await world.app.check_model_drift(world.lives[0].name)
            assert report.verdict in verdicts, report.summary
        agree()

    anyio.run(live)


async def told_of(world: World) -> list[Answer]:
    """Drift, trust and preflight of each life, and each budget for 50 calls."""
    app, told = world.app, list[Answer]()
    async with app:
        await world.begin()
        for life in world.lives:
            told.append(await app.check_model_drift(life.name, detail="full"))
            told.append(await app.get_trust_score_health(life.name, detail="full"))
            told.append(await app.preflight(dependencies=[life.name]))
        told += [await app.check_budget_with_confidence(b, planned_calls=50) for b in BUDGETS]
    return told


@LIVED
@given(kinds=kinds, seed=seeds, fewer=st.integers(1, 4000), more=st.integers(1, 4000))
def test_more_work_is_never_cheaper_or_likelier(
    tmp_path_factory: Folders, kinds: list[Kind], seed: int, fewer: int, more: int
) -> None:
    """The same budget, asked for some calls and for more."""

    async def live() -> None:
        world = lived(tmp_path_factory, kinds, seed)
        async with world.app:
            await world.begin()
            for budget in BUDGETS:
                first = await world.app.check_budget_with_confidence(budget, planned_calls=fewer)
                second = await world.app.check_budget_with_confidence(
                    budget, planned_calls=fewer + more
                )
                ORACLE.hear_pair("more_work_is_no_cheaper", first, second)
        agree()

    anyio.run(live)


@settings(LIVED, max_examples=LIVES or 2)
@given(
    kinds=kinds,
    seed=seeds,
    weeks=st.integers(-40, 40),
    zone=st.sampled_from(["Asia/Kolkata", "America/New_York", "UTC"]),
)
def test_the_same_life_told_otherwise_is_told_accordingly(
    tmp_path_factory: Folders, kinds: list[Kind], seed: int, weeks: int, zone: str
) -> None:
    """Good calls turned bad; each call twice; all of it moved by weeks, in another time zone."""

    async def live() -> None:
        told = await told_of(lived(tmp_path_factory, kinds, seed))
        harmed = await told_of(lived(tmp_path_factory, kinds, seed, harmed_days=4.0))
        # Doubling what varies makes clumps of it, which rightly count for less.
        doubled = lived(tmp_path_factory, kinds, seed, twice=True)
        twice = await told_of(doubled) if "constant" in kinds else []
        with time_zone(zone):
            moved = lived(tmp_path_factory, kinds, seed)
            moved.now_ms += weeks * WEEK_MS
            elsewhere = await told_of(moved)
        for place, first in enumerate(told):
            ORACLE.hear_pair("another_week_tells_the_same_story", first, elsewhere[place])
            if not isinstance(first, BudgetCheck):
                ORACLE.hear_pair("more_harm_is_no_better_verdict", first, harmed[place])
            if isinstance(first, TrustReport) and first.dependency == "constant":
                ORACLE.hear_pair("more_of_the_same_is_no_less_sure", first, twice[place])
        agree()

    anyio.run(live)


@contextmanager
def time_zone(zone: str) -> Iterator[None]:
    """A process of another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
