"""One standing verdict: the worst of drift and trust about the whole, now, on every surface."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import TextResourceContents

from gonogo.answers import DriftReport, FallbackPlan, FallbackResult
from gonogo.app import Gonogo
from gonogo.dashboard.questions import answered, question_of
from gonogo.records import (
    DAY_MS,
    HOUR_MS,
    Observation,
    PartVerdict,
    StandingVerdict,
    Verdict,
    worst_verdict,
)
from gonogo.server.metrics import exposition
from gonogo.server.surface import build_server
from gonogo.settings import BudgetSettings, DependencySettings, Settings, WorkloadSettings

pytestmark = pytest.mark.anyio

NOW = 1_795_646_526_000
DAYS = 30
NAMES = ("fell", "well", "out")

Ask = Callable[[Gonogo], Awaitable[Any]]


def history() -> Iterator[Observation]:
    """One whose answers got worse ten days ago, one that is well, one that is out since an hour."""
    for name in NAMES:
        for i in range(DAYS * 96):
            ts_ms = NOW - (DAYS * 96 - i) * DAY_MS // 96
            late = ts_ms > NOW - 10 * DAY_MS
            bad = i % 4 == 0 if name == "fell" and late else i % 20 == 0
            down = name == "out" and ts_ms > NOW - HOUR_MS
            yield Observation(
                name,
                ts_ms,
                version="2" if late else "1",
                outcome=None if down else float(not bad),
                outcome_ts_ms=None if down else ts_ms,
                error="timeout" if down else None,
                latency_ms=300 + i % 40,
                cost_micro_usd=2_000,
                segments={"tier": "new" if i % 3 else "old"},
            )


def settings(store: Path) -> Settings:
    """A ladder, a budget, a workload."""
    return Settings(
        store=str(store),
        dependencies={"fell": DependencySettings("fell", fallback=("well", "rules:basic"))},
        budgets={"night": BudgetSettings("night", 60_000_000, dependencies=NAMES)},
        workloads={"triage": WorkloadSettings("triage", {"well": 40}, budget="night")},
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with that history, of which nothing was asked yet."""
    store = tmp_path_factory.mktemp("standing") / "gonogo.db"

    async def fill() -> None:
        async with Gonogo(settings(store), clock=lambda: NOW) as app:
            telemetry = (await app.stores()).telemetry
            seen = list(history())
            for start in range(0, len(seen), 2000):
                await telemetry.record(seen[start : start + 2000], NOW)

    anyio.run(fill)
    return store


@pytest.fixture
async def app(prepared: Path, tmp_path: Path) -> AsyncIterator[Gonogo]:
    """An application over a copy of it."""
    store = tmp_path / "gonogo.db"
    shutil.copy(prepared, store)
    async with Gonogo(settings(store), clock=lambda: NOW) as opened:
        yield opened


async def surfaces(app: Gonogo, name: str) -> dict[str, Verdict]:
    """What each surface shows of a dependency; a look at the fleet comes last, as it asks too."""
    shown: dict[str, Verdict] = {}
    listed = await app.list_dependencies()
    shown["list"] = next(d.verdict for d in listed.dependencies if d.dependency == name)
    async with Client(build_server(app), mode="2026-07-28") as agent:
        [resource] = (await agent.read_resource(f"gonogo://dependency/{name}")).contents
        assert isinstance(resource, TextResourceContents)
        shown["resource"] = json.loads(resource.text)["verdict"]
        route = await agent.call_tool("get_route", {"dependency": name})
        shown["route"] = (route.structured_content or {})["verdict"]
    drawn = await answered(app, question_of("list_dependencies", {"query": name}))
    shown["dashboard"] = drawn["structuredContent"]["dependencies"][0]["verdict"]
    for incident in (await app.get_incidents(dependency=name)).incidents:
        shown["incidents"] = incident.verdict
    return shown


async def gauge(app: Gonogo, name: str) -> str | None:
    """What Prometheus is told; a scrape scores what is due."""
    text = exposition(await app.gauges(), calls={}, requests={})
    wanted = f'gonogo_verdict{{dependency="{name}",verdict="'
    told = [line.removeprefix(wanted) for line in text.splitlines() if line.startswith(wanted)]
    return next((line.split('"')[0] for line in told if line.endswith(" 1")), None)


async def fleet_line(app: Gonogo, name: str) -> Verdict:
    """What the fleet shows."""
    fleet = (await app.get_trust_score_health()).fleet or []
    return next(line.verdict for line in fleet if line.dependency == name)


async def test_a_preflight_that_blocks_is_not_go_anywhere(app: Gonogo) -> None:
    """Trust is asked last inside it, and says less than drift does."""
    report = await app.preflight(dependencies=["fell"])
    assert (report.verdict, report.checks[0].verdict) == ("no_go", "no_go")
    assert report.checks[0].drift_status == "degraded"
    assert set((await surfaces(app, "fell")).values()) == {"no_go"}
    assert await gauge(app, "fell") == "no_go"
    assert await fleet_line(app, "fell") == "no_go"
    trust = await app.get_trust_score_health("fell")
    assert trust.verdict != "no_go"
    assert set((await surfaces(app, "fell")).values()) == {"no_go"}


async def test_the_route_of_what_is_not_fit_says_so_and_what_to_do(app: Gonogo) -> None:
    """Never go beside an open incident; the plan is offered, and a target that was never asked is unknown."""
    never = await app.get_route("fell")
    assert (never.verdict, "has not been asked" in never.summary) == ("unknown", True)
    for _ in range(2):
        await app.check_model_drift("fell")
    route = await app.get_route("fell")
    assert route.verdict == "no_go"
    assert "fell is no_go (drift no_go" in route.summary
    assert [action.tool for action in route.next_actions] == ["trigger_fallback", "preflight"]


async def test_work_that_goes_to_an_earlier_version_is_judged_by_that_version(
    prepared: Path, tmp_path: Path
) -> None:
    """Preflight and route say the same: its calls are old, however well the newer version's are known."""
    store = Path(shutil.copy(prepared, tmp_path / "gonogo.db"))
    policy = DependencySettings("fell", fallback=("fell@1",))
    allowed = replace(settings(store), dependencies={"fell": policy})
    async with Gonogo(allowed, clock=lambda: NOW) as app:
        plan = await app.trigger_fallback("fell", reason="worse since the new version")
        assert isinstance(plan, FallbackPlan)
        done = await app.approve(plan.plan_id, None, how="approved")
        assert isinstance(done, FallbackResult)
        assert done.applied
        route = await app.get_route("fell", key="one")
        [check] = (await app.preflight(dependencies=["fell"])).checks
    assert (check.route_target, route.target) == ("fell@1", "fell@1")
    assert check.verdict == route.verdict == "unknown"
    assert plan.target_health is not None
    assert check.score == plan.target_health.score
    assert str(check.why).startswith("Routed to fell@1. fell@1: ")


PARTIAL: dict[str, Ask] = {
    "slice": lambda app: app.check_model_drift("fell", segment="tier=new"),
    "metric": lambda app: app.check_model_drift("fell", metric="latency_ms"),
    "error alone": lambda app: app.check_model_drift("fell", metric="error"),
    "past": lambda app: app.check_model_drift("fell", until="2026-11-10T00:00:00Z"),
    "since": lambda app: app.check_model_drift("fell", since="2026-11-20T00:00:00Z"),
    "versions": lambda app: app.check_model_drift("fell", baseline_version="1", version="2"),
    "another": lambda app: app.check_model_drift("well"),
    "budget": lambda app: app.check_budget_with_confidence("night", dependency="fell"),
    "route": lambda app: app.get_route("fell"),
    "list": lambda app: app.list_dependencies(),
    "incidents": lambda app: app.get_incidents(),
    "golden": lambda app: app.check_model_drift("fell", metric="golden"),
    "slice of a period": lambda app: app.check_model_drift(
        "fell", segment="tier=old", since="2026-11-08", until="2026-11-20"
    ),
    "past weekends": lambda app: app.check_model_drift(
        "fell", segment="day_type=weekend", until="2026-11-24", detail="full"
    ),
    "costs": lambda app: app.check_model_drift("fell", metric="cost_usd", segment="tier=new"),
    "declared cost": lambda app: app.check_budget_with_confidence("night", planned_cost_usd=0.015),
    "query": lambda app: app.list_dependencies(query="fe"),
    "resolved": lambda app: app.get_incidents(dependency="fell", status="resolved"),
    "sticky": lambda app: app.get_route("fell", key="user-7"),
}
WHOLE: dict[str, Ask] = {
    "drift": lambda app: app.check_model_drift("fell"),
    "trust": lambda app: app.get_trust_score_health("fell"),
    "fleet": lambda app: app.get_trust_score_health(),
    "preflight": lambda app: app.preflight(dependencies=["fell"]),
}


def names_a_worse_whole(answer: DriftReport, standing: Verdict) -> None:
    """A part that is better than the whole says so in words and object, and leads to the whole."""
    if worst_verdict([answer.verdict, standing]) == answer.verdict:
        assert answer.whole is None
        return
    assert answer.whole is not None
    assert answer.whole.verdict == standing
    assert f"As a whole, fell is {standing} (" in answer.summary
    leads = [(action.tool, action.arguments) for action in answer.next_actions[:1]]
    looks = [("check_model_drift", {"dependency": "fell"})]
    # What is asked of old data leads to versions and a last day, and is not led back to.
    from_whole = (
        answer.since or answer.until or (answer.baseline and answer.baseline.source == "version")
    )
    assert (leads == looks) == (standing != "unknown" or not from_whole)


async def test_every_partial_question_is_echoed_and_moves_no_surface(app: Gonogo) -> None:
    """Before the whole was ever asked about, and after it: words and object say what part it is.

    None of them opens an incident, so nobody is woken by a question about a slice.
    """
    for expected in ("unknown", "no_go"):
        for ask in PARTIAL.values():
            answer = await ask(app)
            if isinstance(answer, DriftReport) and answer.dependency == "fell":
                names_a_worse_whole(answer, expected)
        assert set((await surfaces(app, "fell")).values()) == {expected}
        listed = await app.get_incidents(dependency="fell")
        assert (listed.active or 0) == (expected == "no_go"), listed.summary
        await app.check_model_drift("fell")
    assert await gauge(app, "fell") == "no_go"
    assert await fleet_line(app, "fell") == "no_go"


@hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from([*PARTIAL, *WHOLE]), max_size=9))
def test_partial_questions_leave_it_alone(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory, asked: list[str]
) -> None:
    """After any questions every surface shows the worst of what the two said of the whole."""
    store = tmp_path_factory.mktemp("asked") / "gonogo.db"
    shutil.copy(prepared, store)

    async def walk() -> None:
        async with Gonogo(settings(store), clock=lambda: NOW) as app:
            said: dict[str, Verdict] = {}
            for name in asked:
                answer = await {**PARTIAL, **WHOLE}[name](app)
                if name in ("drift", "trust"):
                    said[name] = answer.verdict
                elif name == "preflight":
                    said |= {"drift": "no_go", "trust": trust_alone}
                elif name == "fleet":
                    said["trust"] = trust_alone
            expected = worst_verdict(list(said.values()))
            assert set((await surfaces(app, "fell")).values()) == {expected}, said
            expected = worst_verdict([*said.values(), trust_alone])
            assert await gauge(app, "fell") == expected
            assert await fleet_line(app, "fell") == expected
            assert set((await surfaces(app, "fell")).values()) == {expected}
        # Another process, later: it was stored.
        async with Gonogo(settings(store), clock=lambda: NOW + 1000) as app:
            assert set((await surfaces(app, "fell")).values()) == {expected}

    trust_alone: Verdict = "caution"
    anyio.run(walk)


async def test_it_follows_an_accepted_baseline_and_grows_stale(
    prepared: Path, tmp_path: Path
) -> None:
    """A new normal is asked about at once; a week after the newest data nothing is known."""
    store = tmp_path / "gonogo.db"
    shutil.copy(prepared, store)
    now = NOW
    async with Gonogo(settings(store), clock=lambda: now) as app:
        await app.preflight(dependencies=["fell", "well"])
        assert set((await surfaces(app, "fell")).values()) == {"no_go"}
        await app.accept_baseline("fell")
        drift = (await app.dependency_line("fell")).drift
        assert drift == (await app.check_model_drift("fell")).verdict != "no_go"
        now = NOW + 8 * DAY_MS
        listed = {d.dependency: d.verdict for d in (await app.list_dependencies()).dependencies}
        assert listed["well"] == "unknown"
        assert (await app.get_route("well")).verdict == "unknown"


async def test_of_two_processes_the_later_answer_stands(prepared: Path, tmp_path: Path) -> None:
    """Whichever is written last."""
    store = tmp_path / "gonogo.db"
    shutil.copy(prepared, store)
    async with (
        Gonogo(settings(store), clock=lambda: NOW + 5) as first,
        Gonogo(settings(store), clock=lambda: NOW + 5) as second,
    ):
        one, two = [(await app.stores()).decisions for app in (first, second)]
        two.say({"well": PartVerdict("drift", "no_go", NOW + 5)})
        one.say({"well": PartVerdict("drift", "go", NOW)})
        for app in (first, second):
            await app.record_observations([{"dependency": "other"}])  # what is queued is written
        for log in (one, two):
            assert (await log.standing(["well"]))["well"].drift == PartVerdict(
                "drift", "no_go", NOW + 5
            )


PARTS = st.builds(
    PartVerdict,
    st.sampled_from(["drift", "trust"]),
    st.sampled_from(["go", "caution", "no_go", "unknown"]),
    st.integers(0, 1000),
    st.none() | st.integers(0, 1000),
)


@given(st.lists(PARTS, max_size=6, unique_by=lambda part: (part.part, part.ts_ms)), st.randoms())
def test_the_order_of_writing_does_not_matter(said: list[PartVerdict], dice: Random) -> None:
    """The newest of each part stands, and the worst of the two is the verdict."""
    shuffled = list(said)
    dice.shuffle(shuffled)
    standing = StandingVerdict()
    for part in shuffled:
        standing = standing.with_newer(part, now_ms=1000)
    newest = [
        max((one for one in said if one.part == part), key=lambda one: one.ts_ms, default=None)
        for part in ("drift", "trust")
    ]
    assert list(standing) == newest
    told = worst_verdict([one.verdict for one in newest if one is not None])
    assert standing.verdict(1000, 10_000) == told


async def test_work_whose_calls_are_not_stated_is_not_all_fit(app: Gonogo) -> None:
    """A budget that was asked about one call says nothing of the work; stated calls are used."""
    vague = await app.preflight(dependencies=["well"], budget="night")
    assert vague.verdict == "unknown"
    assert vague.budget is not None
    assert (vague.budget.passed, vague.blockers) == (None, ["budget night"])
    assert "pass planned_calls" in vague.summary
    stated = await app.preflight(workload="triage")
    more = await app.preflight(workload="triage", planned_calls=70)
    assert stated.budget is not None
    assert more.budget is not None
    assert (stated.budget.planned_calls, more.budget.planned_calls) == (40, 70)
