"""A rehearsal on the demo's own weeks: it is faithful, fires what it should, and touches nothing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from drill_world import NOW_MS, recorded, with_policy
from gonogo.answers import FallbackPlan
from gonogo.app import Gonogo
from gonogo.demo.stage import MODEL, PREVIOUS, SKILL
from gonogo.drill.drill_run import DrillRequest, gaps, note_drill, playable, prepare
from gonogo.drill.healthy_history import read_past
from gonogo.drill.measures import report
from gonogo.drill.rehearsal import rehearse
from gonogo.drill.replayed_calls import ReplayedCalls, play_again
from gonogo.drill.replayed_telemetry import RehearsedTelemetry
from gonogo.drill.scenarios import LATE_MS, SCENARIOS
from gonogo.drill.trial import Trial, TrialInputs
from gonogo.errors import NotEnoughData
from gonogo.fallback.conditions import DRILL_DAYS_MAX
from gonogo.records import DAY_MS, HOUR_MS, MICRO, Observation
from gonogo.settings import NotifierSettings, Settings
from gonogo.store.reads.call_columns import CallColumns

pytestmark = pytest.mark.anyio

# The demo's calls have no golden set and no slices.
LEFT_OUT = ("golden", "mix")
ASKED = DrillRequest(MODEL, tuple(SCENARIOS), replicates=1, seed=1, days=28)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module's store."""
    return "asyncio"


@pytest.fixture(scope="module")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo's healthy morning, recorded once."""
    return await recorded(tmp_path_factory.mktemp("drill"))


@pytest.fixture(scope="module")
async def ground(settings: Settings) -> AsyncIterator[TrialInputs]:
    """What replicates stand on; the store has the same bytes at the end of all of them."""
    before = digests(settings)
    found = await prepare(settings, ASKED, clock=lambda: NOW_MS)
    own = replace(found.settings.dependency(MODEL), actuators=("hook", "file"))
    named = replace(found.settings, dependencies=MappingProxyType({MODEL: own}))
    yield replace(found, settings=named, actuators=own.actuators, receivers=("channel", "pager"))
    assert digests(settings) == before


def digests(settings: Settings) -> dict[str, str]:
    """Every file beside the store that is not empty, by the hash of its bytes."""
    files = sorted(Path(settings.store).parent.glob("*.db*"))
    contents = {path.name: path.read_bytes() for path in files}
    return {
        name: hashlib.sha256(raw).hexdigest()
        for name, raw in contents.items()
        if raw and not name.endswith("-shm")
    }


@pytest.mark.parametrize("name", [MODEL, SKILL])
async def test_the_rehearsed_telemetry_is_what_the_store_would_say(
    settings: Settings, ground: TrialInputs, tmp_path: Path, name: str
) -> None:
    """Record the played calls in a copy of the real store: every rollup is the same, to the bit."""
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        await app.backup(tmp_path / "copy.db")
        past = await read_past(await app.stores(), name, since_ms=0, until_ms=ground.begin_ms)
    assert past is not None
    days, calls = 3, past.calls
    played = play_again(
        calls, first_day=ground.begin_ms // DAY_MS, days=days, rng=np.random.default_rng(4)
    )
    end_ms = ground.begin_ms + days * DAY_MS
    telemetry = RehearsedTelemetry(settings, now_ms=ground.begin_ms)
    telemetry.add(past, played, metrics=("confidence", "cost_usd"))
    telemetry.move_to(end_ms)

    copied = replace(settings, store=str(tmp_path / "copy.db"))
    async with Gonogo(copied, clock=lambda: end_ms) as app:
        stores = await app.stores()
        await stores.telemetry.record(observations(name, calls, played), end_ms)
        real = await stores.telemetry.rollups(name, since=None)
        ours = await telemetry.rollups(name, since=None)
        assert real is not None
        assert ours is not None
        assert real.segments == ours.segments
        assert real.hours.keys() == ours.hours.keys()
        for key, found in real.hours.items():
            same_arrays(found, ours.hours[key])
        metrics = ["cost_usd", "outcome_lag_s"]
        if name == MODEL:
            metrics += ["confidence", "confidence_labelled", "confidence_good"]
        for metric in metrics:
            for daily in (False, True):
                same_arrays(
                    await stores.telemetry.histograms(name, metric, daily=daily),
                    await telemetry.histograms(name, metric, daily=daily),
                )
        later = await telemetry.rollups(name, since=(ours.known.rev, ours.newest_day_hour))
        assert later is not None
        assert later.first_hour == ours.newest_day_hour


def observations(name: str, calls: CallColumns, played: ReplayedCalls) -> list[Observation]:
    """Played calls as a user would record them."""

    def known(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    return [
        Observation(
            name,
            int(ts_ms),
            version=calls.versions[calls.version[played.source[at]]],
            outcome=played.outcome_e6[at] / MICRO,
            outcome_ts_ms=int(played.seen_ms[at]),
            confidence=known(played.confidence_e6[at] / MICRO),
            latency_ms=played.latency_us[at] / 1000,
            cost_micro_usd=int(played.cost_micro_usd[at]),
            segments=dict(
                pair.split("=") for pair in calls.segment_sets[calls.segments[played.source[at]]]
            ),
        )
        for at, ts_ms in enumerate(played.ts_ms)
    ]


def same_arrays(real: object, ours: object) -> None:
    """Every column of two rollups."""
    for name in real.__slots__:  # type: ignore[attr-defined]
        one, other = getattr(real, name), getattr(ours, name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=name)
        else:
            assert one == other, name


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in (*LEFT_OUT, "runaway")])
async def test_each_scenario_brings_about_what_it_should(ground: TrialInputs, name: str) -> None:
    """On the demo's calls, with a policy that lets agents switch."""
    # Of the first, the target was called twice in the hour in which it died: nobody could know.
    trial = await rehearse(ground, name, 1 if name == "dies" else 0)
    assert not trial.early
    if name == "none":
        assert trial.alarms == 0
        assert trial.fired_ms is None
    elif name in ("slide", "weekend", "late", "outage"):
        assert trial.fired_ms is not None
        assert (trial.target, trial.target_ok) == (PREVIOUS, True)
        assert trial.hurt > 0
    elif name in ("confidence", "cost", "missing"):
        assert trial.noticed_ms is not None
        assert trial.fired_ms is None
    elif name == "broken":
        assert trial.target == "rules:keyword-list"
    elif name == "dies":  # after it had been planned: it is not carried out, but planned again
        assert (trial.dead, trial.target) == (PREVIOUS, "rules:keyword-list")
        assert trial.problems == []
    elif name == "candidate":
        assert 0 < trial.reached < 0.25
        assert trial.problems == []
    elif name == "hanging":
        assert (trial.target, trial.unheard, trial.problems) == (PREVIOUS, (), [])
    if name == "late":  # nothing can be known before the first late outcome
        assert trial.noticed_ms is not None
        assert trial.noticed_ms - trial.start_ms >= LATE_MS
    if name == "outage":
        assert trial.noticed_ms is not None
        assert trial.noticed_ms - trial.start_ms <= 3 * HOUR_MS
        assert trial.recovered_ms is not None
    assert trial.switches <= 2


async def test_a_weekly_budget_stops_an_agent_in_a_loop(ground: TrialInputs) -> None:
    """Before its limit is passed; the traffic stays where it is."""
    trial = await rehearse(ground, "runaway", 0)
    assert trial.refused is not None
    assert (trial.refused[0], trial.switches) == ("weekly", 0)
    assert trial.refused[1] <= 1


async def test_what_there_is_no_evidence_of_is_not_rehearsed_and_said(ground: TrialInputs) -> None:
    """No golden set, no slices: neither is passed nor failed."""
    assert tuple(ground.left_out) == LEFT_OUT
    asked = replace(ASKED, scenarios=("missing", *LEFT_OUT))
    assert playable(ground, asked) == ["missing"]
    trial = Trial("missing", 0, NOW_MS, NOW_MS + DAY_MS, noticed_ms=NOW_MS)
    said = report(ground, asked, [trial], now_ms=NOW_MS)
    assert said.passed
    assert said.summary.endswith("Not rehearsed: golden, mix.")
    assert said.not_rehearsed is not None
    assert "no golden set was asked" in said.not_rehearsed[0]
    assert "no declared slice" in said.not_rehearsed[1]


async def test_the_same_seed_gives_the_same_trial(ground: TrialInputs) -> None:
    """Every number of it; another replicate differs."""
    first, second = [await rehearse(ground, "outage", 0) for _ in range(2)]
    assert first == second
    assert (await rehearse(ground, "outage", 1)).start_ms != first.start_ms


async def test_where_nobody_answers_an_ask_is_not_carried_out(ground: TrialInputs) -> None:
    """The report fails, and says that a person is missing; with one who answers it switches."""
    asks = replace(ground, settings=with_policy(ground.settings, "ask"))
    alone = await rehearse(asks, "outage", 0)
    assert alone.fired_ms is None
    assert "nobody answered" in alone.problems[0]
    said = report(asks, replace(ASKED, scenarios=("outage",)), [alone], now_ms=NOW_MS)
    assert (said.verdict, said.passed) == ("no_go", False)
    assert any("nobody answered" in step for step in said.missing_steps)
    answered = await rehearse(replace(asks, answer_after_ms=10 * 60_000), "outage", 0)
    assert answered.fired_ms is not None
    assert answered.noticed_ms is not None
    assert answered.fired_ms - answered.noticed_ms == 10 * 60_000


async def test_a_person_who_comes_after_the_plan_has_expired_is_too_late(
    ground: TrialInputs,
) -> None:
    """A plan waits as long as configured, and no longer; that is found in peacetime."""
    impatient = replace(with_policy(ground.settings, "ask"), approval_expires_s=15 * 60)
    asks = replace(ground, settings=impatient, answer_after_ms=30 * 60_000)
    trial = await rehearse(asks, "outage", 0)
    assert trial.fired_ms is None
    assert "expired" in trial.problems[0]


async def test_without_a_fallback_it_is_noticed_and_nothing_can_be_done(
    ground: TrialInputs,
) -> None:
    """The missing step is named."""
    own = replace(ground.settings.dependency(MODEL), fallback=())
    bare = replace(ground, settings=replace(ground.settings, dependencies={MODEL: own}))
    trial = await rehearse(bare, "outage", 0)
    assert trial.noticed_ms is not None
    assert trial.fired_ms is None
    assert "no fallback rung" in trial.problems[0]


async def test_a_death_that_nobody_could_see_is_a_missing_step(ground: TrialInputs) -> None:
    """It fails nothing: the target had too few calls to tell, and to probe it is what is missing."""
    trial = await rehearse(ground, "dies", 0)
    assert (trial.target, trial.target_ok) == (trial.dead, None)
    said = report(ground, replace(ASKED, scenarios=("dies",)), [trial], now_ms=NOW_MS)
    assert said.passed
    assert [step for step in said.missing_steps if f"{PREVIOUS} had died" in step]
    assert said.scenarios[0].why == "1 of 1 noticed and switched, 1 of them to what had died unseen"


async def test_who_is_told_by_nothing_else_and_one_provider_for_all_are_missing_steps(
    settings: Settings, ground: TrialInputs
) -> None:
    """One receiver, and a ladder of which every rung is of the dependency's own provider."""
    pasts = {name: past.known for name, past in ground.pasts.items()}
    notify = {"pager": NotifierSettings("pager", "alertmanager", {"url": "http://pager:9093"})}
    alone = replace(settings, notify=MappingProxyType(notify))
    steps = list(gaps(alone, MODEL, known=pasts))
    assert [step for step in steps if step.startswith("pager alone is told")]
    assert not [step for step in steps if "provider" in step]  # rules are nobody's
    own = replace(settings.dependency(MODEL), fallback=(PREVIOUS,))
    single = replace(settings, dependencies=MappingProxyType({MODEL: own}))
    steps = list(gaps(single, MODEL, known=pasts))
    assert [step for step in steps if step.startswith("Every rung is of provider acme")]


async def test_too_little_history_is_said(tmp_path: Path) -> None:
    """Three days are not a week."""
    settings = await recorded(tmp_path, days=3)
    with pytest.raises(NotEnoughData, match=r"needs each weekday once|Nothing to rehearse"):
        await prepare(settings, ASKED, clock=lambda: NOW_MS)


async def test_a_failed_or_old_drill_turns_allow_into_ask(
    tmp_path: Path, ground: TrialInputs
) -> None:
    """Not drilled and passed leave it to the policy; preflight says which it is."""
    settings = await recorded(tmp_path)
    now_ms = NOW_MS
    async with Gonogo(settings, clock=lambda: now_ms) as app:

        async def approval() -> tuple[str, str | None]:
            plan = await app.trigger_fallback(MODEL, reason="drilled", to="refuse")
            assert isinstance(plan, FallbackPlan)
            checked = await app.preflight(dependencies=[MODEL])
            why = [check.passed for check in plan.checks if check.check == "rehearsed"]
            return str(why), checked.checks[0].plan_tested

        assert await approval() == ("[]", "never")
        trial = Trial("missing", 0, NOW_MS, NOW_MS + DAY_MS)
        asked = replace(ASKED, scenarios=("missing",))
        failed = report(ground, asked, [trial], now_ms=NOW_MS)
        noted = await note_drill(app, failed)
        assert noted.decision_id is not None
        assert (await app.actions())[0].kind == "drill"
        day = noted.as_of[:10]
        assert await approval() == ("[False]", f"failed {day}")
        now_ms += HOUR_MS
        good = replace(trial, noticed_ms=NOW_MS + HOUR_MS)
        await note_drill(app, report(ground, asked, [good], now_ms=now_ms))
        assert await approval() == ("[True]", f"passed {day}")
        now_ms += (DRILL_DAYS_MAX + 1) * DAY_MS
        assert await approval() == ("[False]", f"passed {day}, more than 90 days ago")
        assert (await app.verify_audit()).problem is None
