"""Nobody's own word makes a target fit: what who asks recorded of it in the last day speaks only against it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

import pytest

import engines
from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.app import Gonogo
from gonogo.errors import ActionRefused
from gonogo.hours.counts import hours_less
from gonogo.records import DAY_MS, HOUR_MS, HourCounts, Observation
from gonogo.settings import DependencySettings, Settings
from gonogo.trust.writers import PROBE_WRITER

pytestmark = pytest.mark.anyio

# Its multiples lie evenly in the unit interval, as draws do on average.
GOLDEN_RATIO = (5**0.5 - 1) / 2
START_MS = 1_790_000_000_000
COUNTED = [f.name for f in fields(HourCounts) if f.name not in ("version", "versions")]


@dataclass
class Day:
    """A primary and its fallback, and who records of them. `asker` is the agent."""

    settings: Settings
    asker: Gonogo
    clock: list[int]

    async def said(
        self,
        writer: str,
        name: str,
        n: int,
        *,
        good: float = 1.0,
        error: str | None = None,
        days: tuple[float, float] = (0.0, 0.01),
        item: str | None = None,
        version: str | None = None,
        at_once: bool = False,
    ) -> None:
        """Somebody records calls, evenly between some days ago."""
        newest, oldest = days
        times = [START_MS - round((newest + (oldest - newest) * i / n) * DAY_MS) for i in range(n)]
        calls = [
            Observation(
                dependency=name,
                ts_ms=times[i],
                outcome_ts_ms=times[i] if at_once else None,
                outcome=None if error else float(i * GOLDEN_RATIO % 1 < good),
                error=error,
                item=item,
                version=version,
            )
            for i in range(n)
        ]
        stored = await self.asker.record_evidence(calls, writer=writer)
        assert not stored.rejected

    async def plan(self, to: str = "b") -> FallbackPlan:
        """The agent plans a switch."""
        plan = await self.asker.trigger_fallback("a", reason="a is ill", to=to)
        assert isinstance(plan, FallbackPlan)
        return plan


def health(plan: FallbackPlan) -> tuple[bool, str]:
    """What was found of the target."""
    (found,) = (check for check in plan.checks if check.check == "target_health")
    return found.passed, found.why


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[Day]:
    """`a` is nothing special; of `b` nothing is recorded yet."""
    own = DependencySettings(
        "a", fallback=("b", "b@2"), fallback_policy="allow", recovery_share=0.0
    )
    settings = Settings(store=engines.store_of(tmp_path), dependencies=MappingProxyType({"a": own}))
    clock = [START_MS]
    async with Gonogo(settings, clock=lambda: clock[0], actor="agent") as asker:
        made = Day(settings, asker, clock)
        await made.said("otlp", "a", 900, good=0.6, days=(0.0, 10.0))
        yield made


@pytest.mark.parametrize("version", [None, "b@2"], ids=["a dependency", "a version"])
async def test_a_target_that_only_the_asker_praises_is_a_persons_choice(
    day: Day, version: str | None
) -> None:
    """At the plan and at the deed, also where a person's command carries it out without a reason."""
    name, _, number = (version or "b").partition("@")
    await day.said("agent", name, 3000, version=number or None)
    plan = await day.plan(version or "b")
    assert plan.verdict != "go"
    assert health(plan) == (
        False,
        f"{version or 'b'}: nobody but an agent, who asks for it, recorded anything of it",
    )
    kept = await day.asker.trigger_fallback("a", plan_id=plan.plan_id)
    assert isinstance(kept, FallbackPlan)
    assert (kept.pending_approval, kept.approval) == (True, "ask")
    async with Gonogo(day.settings, clock=lambda: START_MS, actor="person:ada") as person:
        # The plan keeps who asked: it reads the same to whoever is asked for a yes.
        shown = await person.plan_to_approve("a", plan_id=plan.plan_id)
        assert shown is not None
        assert health(shown) == health(plan)
        done = await person.approve(plan.plan_id)
    assert isinstance(done, FallbackResult)


async def test_a_flood_of_the_asker_makes_no_ill_target_well(day: Day) -> None:
    """Said by others: ill, dead, or not called for long; said by the asker: all is well."""
    await day.said("otlp", "b", 900, good=0.95, days=(2.0, 12.0))
    await day.said("otlp", "b", 300, error="http_500", days=(0.001, 0.9))
    await day.said("agent", "b", 3000, days=(0.0, 0.0005))
    passed, why = health(await day.plan())
    assert not passed
    assert "of its newest 30 calls failed" in why
    plan = await day.plan()
    with pytest.raises(ActionRefused, match="target_health"):
        await day.asker.trigger_fallback("a", plan_id=plan.plan_id)


@pytest.mark.parametrize("oldest", [0.95, 1.5, 60.0])
@pytest.mark.parametrize("item", [None, "q"], ids=["calls", "golden"])
async def test_dating_them_back_does_not_make_them_others_words(
    day: Day, oldest: float, item: str | None
) -> None:
    """What the asker recorded in the last day, of whatever day and hour, until the day is over.

    What it recorded before that, and what others date back, counts.
    """
    await day.said("otlp", "b", 900, good=0.3, days=(2.0, 70.0), item=item)
    await day.said("agent", "b", 6000, days=(0.9, oldest), item=item)
    assert not health(await day.plan())[0]
    # None of them is of the last day then, whose times began .9 of a day back.
    day.clock[0] += 5 * HOUR_MS
    assert not health(await day.plan())[0]
    day.clock[0] += 20 * HOUR_MS
    assert health(await day.plan())[0]


async def test_what_others_date_back_counts(day: Day) -> None:
    """A file that came an hour ago says of the last days what it says."""
    await day.said("otlp", "b", 900, good=0.3, days=(2.0, 12.0))
    assert not health(await day.plan())[0]
    await day.said("otlp", "b", 20_000, days=(0.9, 12.0))
    assert health(await day.plan())[0]


async def test_in_an_outage_the_target_has_to_answer_others(day: Day) -> None:
    """Whatever the asker says of both: that the primary is down, that the target answers."""
    await day.said("agent", "a", 60, error="timeout")
    await day.said("agent", "b", 60)
    passed, why = health(await day.plan())
    assert (passed, "nobody but an agent" in why) == (False, True)
    await day.said("otlp", "b", 300, days=(0.02, 5.0))
    passed, why = health(await day.plan())
    assert (passed, "outage" in why) == (True, False)
    await day.said("otlp", "a", 60, error="timeout")
    assert health(await day.plan()) == (True, "outage: b answers (0 of its newest 30 calls failed)")


async def test_an_outage_that_only_the_asker_tells_of_excuses_no_ill_target(day: Day) -> None:
    """In an outage a target need not be good, if only it answers: others have to say that there is one."""
    await day.said("otlp", "b", 900, good=0.3, days=(0.02, 10.0))
    await day.said("agent", "a", 60, error="timeout")
    plan = await day.plan()
    assert not health(plan)[0]
    with pytest.raises(ActionRefused, match="target_health"):
        await day.asker.trigger_fallback("a", plan_id=plan.plan_id)
    await day.said("otlp", "a", 60, error="timeout")
    assert health(await day.plan())[0]


async def test_what_the_asker_says_against_a_target_counts(day: Day) -> None:
    """It saw the target fail: that others were served well before does not hide it."""
    await day.said("otlp", "b", 900, good=0.95, days=(0.5, 12.0))
    assert health(await day.plan())[0]
    await day.said("agent", "b", 30, error="http_500")
    passed, why = health(await day.plan())
    assert (passed, why) == (False, "b: 30 of its newest 30 calls failed")


@pytest.mark.parametrize("writer", ["otlp", "recorder", "agent:another", "person:ada"])
async def test_others_and_golden_sets_vouch_for_a_target(day: Day, writer: str) -> None:
    """And what the asker recorded longer ago; the asker's own part of the last day is said."""
    await day.said(writer, "b", 900, good=0.95, days=(0.0, 12.0))
    passed, why = health(await day.plan())
    assert passed
    assert why.endswith("% of its calls are good")
    await day.said("agent", "b", 100)
    passed, why = health(await day.plan())
    assert passed
    assert why.endswith(
        "% of its calls are good, not counting what an agent recorded in the last day"
    )


async def test_a_target_that_is_only_probed_is_judged_by_its_golden_set(day: Day) -> None:
    """Not by the golden answers that the asker made up."""
    await day.said(PROBE_WRITER, "b", 600, good=0.3, days=(0.0, 12.0), item="q")
    await day.said("agent", "b", 3000, item="q")
    await day.said("agent", "b", 3000)
    plan = await day.plan()
    assert plan.target_health is not None
    assert plan.target_health.score is not None
    assert plan.target_health.score < 60


def any_calls(seed: int, n: int = 60) -> list[Observation]:
    """Calls of all kinds that are counted differently."""
    draw = random.Random(seed)  # noqa: S311 - calls, not secrets
    return [
        Observation(
            dependency="b",
            ts_ms=draw.randrange(START_MS - 3 * HOUR_MS, START_MS),
            outcome=draw.choice((None, 0.0, 0.4, 0.7, 1.0)),
            error=draw.choice((None, None, "timeout")),
            latency_ms=draw.choice((None, 10.0, 2000.0, 2001.0)),
            version=draw.choice((None, "1", "2")),
            item=draw.choice((None, None, "q")),
        )
        for _ in range(n)
    ]


async def test_without_a_writer_the_hours_are_as_if_it_had_recorded_nothing(tmp_path: Path) -> None:
    """Every count of every hour and version, golden or not, under a bar and a latency SLO."""
    asked = DependencySettings("b", latency_slo_ms=2000, quality_bar=0.5)
    others = ("otlp", any_calls(1))
    hours = []
    for batches in ([others, ("agent", any_calls(2))], [others]):
        folder = tmp_path / str(len(batches))
        folder.mkdir()
        settings = Settings(
            store=engines.store_of(folder), dependencies=MappingProxyType({"b": asked})
        )
        async with Gonogo(settings, clock=lambda: START_MS) as app:
            for writer, rows in batches:
                await app.record_evidence(rows, writer=writer)
            telemetry = (await app.stores()).telemetry
            for golden in (False, True):
                counts = await telemetry.hours("b", golden=golden)
                part = await telemetry.recorded_by("b", ["agent"], since_ms=0, golden=golden)
                left = hours_less(counts, part)
                columns = [getattr(left, name).tolist() for name in COUNTED]
                hours.append(([left.versions[v] for v in left.version.tolist()], columns))
    assert hours[:2] == hours[2:]
    assert all(told for told, _ in hours)


async def test_a_fall_that_others_saw_is_not_hidden_by_the_askers_calls(day: Day) -> None:
    """Its drift is judged without them, too: a share that is still good may be one that fell."""
    await day.said("otlp", "b", 6000, good=0.99, days=(3.0, 20.0), at_once=True)
    await day.said("otlp", "b", 2000, good=0.9, days=(0.05, 3.0), at_once=True)
    assert "drift no_go" in health(await day.plan())[1]
    for days in ((0.0, 0.9), (0.9, 3.0)):
        await day.said("agent", "b", 8000, days=days, at_once=True)
    async with Gonogo(day.settings, clock=lambda: START_MS, actor="otlp") as other:
        assert (await other.check_model_drift("b")).verdict != "no_go"
    passed, why = health(await day.plan())
    assert (passed, "drift no_go" in why) == (False, True), why
    assert "not counting what an agent recorded" in why


async def test_what_the_asker_says_against_the_primary_makes_no_target_better(day: Day) -> None:
    """It praises nothing: it blames what serves, and a person decides all the same."""
    await day.said("otlp", "a", 20_000, good=0.97, days=(0.0, 10.0))
    await day.said("otlp", "b", 900, good=0.9, days=(0.0, 10.0))
    for _ in range(2):
        plan = await day.plan()
        (better,) = (check for check in plan.checks if check.check == "target_better")
        assert not better.passed, better.why
        kept = await day.asker.trigger_fallback("a", plan_id=plan.plan_id)
        assert isinstance(kept, FallbackPlan)
        await day.said("agent", "a", 3000, good=0.1)


@pytest.mark.parametrize("lag_h", [0, 30], ids=["of today", "of calls of yesterday"])
async def test_outcomes_that_the_asker_fills_into_others_calls_are_its_own_word(
    day: Day, lag_h: int
) -> None:
    """Whoever recorded the calls: they are no outcomes that others gave. Nor is the version that it fills in."""
    calls = [
        Observation(dependency="b", ts_ms=START_MS - lag_h * HOUR_MS - i * 60_000, id=f"call-{i}")
        for i in range(300)
    ]
    await day.asker.record_evidence(calls, writer="otlp")
    await day.said("otlp", "b", 900, good=0.3, days=(0.0, 12.0))
    assert not health(await day.plan())[0]
    good = [Observation(dependency="b", ts_ms=o.ts_ms, id=o.id, outcome=1.0) for o in calls]
    versions = [Observation(dependency="b", ts_ms=o.ts_ms, id=o.id, version="2") for o in calls]
    await day.asker.record_evidence(good * 2, writer="agent")
    await day.said("agent", "b", 900, days=(0.0, 1.5))
    passed, why = health(await day.plan())
    assert not passed, why
    await day.asker.record_evidence(versions, writer="agent")
    told = health(await day.plan("b@2"))
    assert told == (
        False,
        "b@2: nobody but an agent, who asks for it, recorded anything of it",
    )
