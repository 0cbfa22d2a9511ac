"""A rehearsal where there is more than outcomes: a golden set, kinds of calls that differ, budgets of every unit."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from drill_world import NOW_MS
from gonogo.app import Gonogo
from gonogo.drill.drill_run import DrillRequest, prepare
from gonogo.drill.golden_runs import golden_rate, runs_again
from gonogo.drill.measures import report
from gonogo.drill.played_budgets import covering
from gonogo.drill.rehearsal import rehearse
from gonogo.drill.replayed_calls import play_again
from gonogo.drill.replayed_telemetry import RehearsedTelemetry
from gonogo.drill.trial import TrialInputs
from gonogo.records import DAY_MS, HOUR_MS, MICRO, Observation
from gonogo.settings import BudgetSettings, DependencySettings, Settings
from gonogo.store.reads.telemetry_store import StoredTelemetry

pytestmark = pytest.mark.anyio

CHAT, OLD = "chat", "chat-old"
DAYS, A_DAY, ITEMS = 28, 240, 40
ASKED = DrillRequest(CHAT, ("golden", "mix", "runaway", "cost"), replicates=1, seed=1, days=28)
# What is asked of the whole store, or of calls on their way in: no rehearsal does.
OF_ALL = {
    *("by", "under", "fleet", "call_counts", "golden_lately", "keep_scores", "partly_labelled"),
    *("repeats_of", "with_outcomes", "dependencies_of", "forget", "forgettable", "rebuild"),
    "record_cells",
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module's store."""
    return "asyncio"


def settings_of(store: str) -> Settings:
    """Budgets in every unit, by pattern, and for each value of a key or each dependency."""
    own = DependencySettings(CHAT, fallback=(OLD, "rules:basic"), fallback_policy="allow")
    day = 86_400
    budgets = [
        BudgetSettings("calls", 900, "day", day, (CHAT,), unit="calls"),
        BudgetSettings("tokens", 500_000, "day", day, ("ch*t",), unit="tokens"),
        BudgetSettings("minutes", 400 * 60 * MICRO, "day", day, (CHAT,), unit="minutes"),
        BudgetSettings("money", 2 * MICRO, "day", day, ("chat*",)),
    ]
    keyed = [
        BudgetSettings("tenants", MICRO, "day", day, (CHAT,), per="tenant"),
        BudgetSettings("each", 900, "day", day, per="dependency", unit="calls"),
    ]
    return Settings(
        store=store,
        dependencies=MappingProxyType({CHAT: own}),
        budgets=MappingProxyType({one.name: one for one in budgets}),
        keyed_budgets=MappingProxyType({one.name: one for one in keyed}),
    )


def history() -> list[Observation]:
    """Four weeks: free calls are answered worse, a golden set is asked each night, tokens alone have the price."""
    rng = np.random.default_rng(6)
    found = []
    for day in range(NOW_MS // DAY_MS - DAYS, NOW_MS // DAY_MS):
        for at in np.sort(rng.random(A_DAY)):
            free, acme = rng.random() < 0.2, rng.random() < 0.6
            found.append(
                Observation(
                    CHAT,
                    int((day + at) * DAY_MS),
                    version="1",
                    outcome=float(rng.random() < (0.75 if free else 0.97)),
                    outcome_ts_ms=int((day + at) * DAY_MS),
                    latency_ms=30_000.0,
                    input_tokens=int(rng.integers(300, 600)),
                    output_tokens=100,
                    cost_micro_usd=2_000,
                    segments={
                        "tier": "free" if free else "pro",
                        "tenant": "acme" if acme else "beta",
                    },
                )
            )
        night_ms = day * DAY_MS + 3 * HOUR_MS
        found += [
            Observation(
                CHAT,
                night_ms + item,
                version="1",
                item=f"q{item}",
                outcome=float(rng.random() < 0.97),
            )
            for item in range(ITEMS)
        ]
    return found


@pytest.fixture(scope="module")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The history in a store."""
    found = settings_of(str(tmp_path_factory.mktemp("drill") / "gonogo.db"))
    async with Gonogo(found, clock=lambda: NOW_MS) as app:
        telemetry, calls = (await app.stores()).telemetry, history()
        for low in range(0, len(calls), 2_000):
            await telemetry.record(calls[low : low + 2_000], NOW_MS)
    return found


@pytest.fixture(scope="module")
async def ground(settings: Settings) -> TrialInputs:
    """What replicates stand on."""
    return await prepare(settings, ASKED, clock=lambda: NOW_MS)


async def test_a_golden_set_that_collapses_is_seen_where_the_traffic_shows_nothing(
    ground: TrialInputs,
) -> None:
    """By the first run after it, with the points that it lost."""
    trial = await rehearse(ground, "golden", 0)
    assert not trial.early
    assert trial.noticed_ms is not None
    assert trial.noticed_ms - trial.start_ms <= 2 * DAY_MS
    said = report(ground, replace(ASKED, scenarios=("golden",)), [trial], now_ms=NOW_MS)
    line = said.scenarios[0]
    assert line.passed
    assert line.moved is not None
    assert line.moved == pytest.approx(-0.5, abs=0.15)
    assert f"moved by {100 * line.moved:.1f} points" in line.why


async def test_a_mix_that_moves_is_not_called_a_fault(ground: TrialInputs) -> None:
    """The whole falls by twice what matters; no incident, no switch, and the mix is named."""
    assert ground.mix is not None
    assert ground.mix.segment == "tier=free"
    trial = await rehearse(ground, "mix", 0)
    assert not trial.early
    assert (trial.alarms, trial.switches, trial.fired_ms) == (0, 0, None)
    assert trial.noticed_ms is not None
    said = report(ground, replace(ASKED, scenarios=("mix",)), [trial], now_ms=NOW_MS)
    assert said.scenarios[0].passed
    assert said.scenarios[0].moved == pytest.approx(-0.1, abs=0.03)
    blamed = replace(trial, alarms=1)
    said = report(ground, replace(ASKED, scenarios=("mix",)), [blamed], now_ms=NOW_MS)
    assert not said.scenarios[0].passed


@pytest.mark.parametrize("alone", ["calls", "tokens", "minutes", "money", "tenants", "each"])
async def test_each_budget_stops_an_agent_in_a_loop(ground: TrialInputs, alone: str) -> None:
    """In its own unit, by pattern and for each value: before its limit is passed."""
    own = ground.settings
    kept = {name: one for name, one in own.budgets.items() if name == alone}
    keyed = {name: one for name, one in own.keyed_budgets.items() if name == alone}
    only = replace(
        ground,
        settings=replace(
            own, budgets=MappingProxyType(kept), keyed_budgets=MappingProxyType(keyed)
        ),
    )
    trial = await rehearse(only, "runaway", 0)
    assert not trial.early
    assert trial.refused is not None
    name, spent = trial.refused
    assert name == {"tenants": "tenants/acme", "each": "each/chat"}.get(alone, alone)
    assert 0.5 < spent <= 1
    said = report(only, replace(ASKED, scenarios=("runaway",)), [trial], now_ms=NOW_MS)
    assert said.scenarios[0].passed
    assert f"{name} refused first" in said.scenarios[0].why
    passed_over = replace(trial, refused=(name, 1.5))
    said = report(only, replace(ASKED, scenarios=("runaway",)), [passed_over], now_ms=NOW_MS)
    assert not said.scenarios[0].passed


async def test_without_a_budget_no_runaway_is_rehearsed(settings: Settings) -> None:
    """It is said, and that a cost which rises is not stopped."""
    bare = replace(settings, budgets=MappingProxyType({}), keyed_budgets=MappingProxyType({}))
    ground = await prepare(bare, ASKED, clock=lambda: NOW_MS)
    assert ground.left_out == {"runaway": "no budget counts its calls"}
    assert [step for step in ground.gaps if step.startswith("No budget counts the cost")]
    assert covering(bare, CHAT) == []


async def test_the_rehearsed_golden_set_is_what_the_store_would_say(
    settings: Settings, ground: TrialInputs, tmp_path: Path
) -> None:
    """Record the golden runs that are played in a copy of the store: the same answers and the same hours."""
    past, days = ground.pasts[CHAT], 4
    rng = np.random.default_rng(3)
    first_day = ground.begin_ms // DAY_MS
    runs = runs_again(past, first_day=first_day, days=days, rng=rng)
    calls = play_again(past.calls, first_day=first_day, days=0, rng=rng)
    telemetry = RehearsedTelemetry(settings, now_ms=ground.begin_ms)
    telemetry.add(past, calls, runs=runs)
    end_ms = ground.begin_ms + days * DAY_MS
    telemetry.move_to(end_ms)
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        await app.backup(tmp_path / "copy.db")
    copied = replace(settings, store=str(tmp_path / "copy.db"))
    async with Gonogo(copied, clock=lambda: end_ms) as app:
        stored = (await app.stores()).telemetry
        answers = runs.answers
        made = [
            Observation(
                CHAT,
                int(day) * DAY_MS + 3 * HOUR_MS + int(item),
                version=answers.versions[version],
                item=answers.items[item],
                outcome=float(total) / MICRO,
            )
            for item, version, day, total in zip(
                answers.item, answers.version, answers.day, answers.outcome_sum, strict=True
            )
        ]
        assert len(made) == ITEMS * days
        await stored.record(made, end_ms)
        real, ours = [await each.golden_answers(CHAT) for each in (stored, telemetry)]
        assert told(real) == told(ours)
        for segment in (None, "tier=free"):
            hours = [
                await each.hours(CHAT, golden=True, segment=segment) for each in (stored, telemetry)
            ]
            for field in fields(hours[0]):
                if field.name not in ("version", "versions"):
                    one, other = (getattr(each, field.name) for each in hours)
                    np.testing.assert_array_equal(one, other, err_msg=field.name)
    assert golden_rate(past) == pytest.approx(0.97, abs=0.03)


def told(answers: object) -> set[tuple[object, ...]]:
    """Golden answers by item, version and day."""
    columns = [getattr(answers, name) for name in ("item", "version", "day", "n", "outcome_sum")]
    items, versions = (getattr(answers, name) for name in ("items", "versions"))
    return {
        (items[item], versions[version], *map(int, rest))
        for item, version, *rest in zip(*columns, strict=True)
    }


def test_a_rehearsal_answers_every_read_of_a_dependency() -> None:
    """All that the store is asked about one dependency can be asked while it is rehearsed."""
    there, ours = (
        {name for name in dir(each) if not name.startswith("_")}
        for each in (StoredTelemetry, RehearsedTelemetry)
    )
    assert there - ours == OF_ALL
