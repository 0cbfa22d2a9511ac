"""Actuators: the one conformance walk over each, and what goes wrong with its kind of peer."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import BACK, FULL, HALF, conforms, goes_back
from gonogo.actuators.haproxy import HaproxyWeights
from gonogo.actuators.mlflow import MlflowAlias
from gonogo.actuators.route_file import RouteFile
from gonogo.actuators.webhook import Webhook
from gonogo.answers import FallbackResult
from gonogo.clock import wall_clock_ms
from gonogo.ports.actuators import Actuator
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import Route, Weight
from gonogo.settings import ActuatorSettings, Secret
from gonogo.store.sqlite.lock import FileLock
from promotion_world import MONDAY, lives
from stand_ins import Heard, Pool, receiver, registry, stats_socket

pytestmark = pytest.mark.anyio

SECRET = "a shared secret"  # noqa: S105 - of a test
VERSIONS = {"m": "7", "v2": "6"}
SERVERS = {"m": "primary", "v2": "base"}


def hook(url: str, *, secret: str = SECRET, timeout_s: float = 3.0) -> Webhook:
    """A webhook that does not wait long between attempts."""
    named = Secret("HOOK_SECRET", secret)
    pauses_s = (0.01, 0.01)
    return Webhook(
        "hook", url=url, secret=named, clock=wall_clock_ms, timeout_s=timeout_s, pauses_s=pauses_s
    )


def clock() -> int:
    """Unix seconds."""
    return int(time.time())


@pytest.fixture
def heard() -> Iterator[Heard]:
    """A receiver that keeps to the documentation."""
    with receiver(SECRET, clock) as listening:
        yield listening


@pytest.fixture
def models() -> Iterator[Heard]:
    """A registry with the versions 6 and 7 of `m`."""
    with registry({"6", "7"}) as listening:
        yield listening


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """A backend whose primary has everything."""
    made = Pool({"primary": 100, "base": 0}, {"primary": True, "base": True})
    with stats_socket(tmp_path / "haproxy.sock", made):
        yield made


def alias(models: Heard) -> MlflowAlias:
    """The alias of the model `m`."""
    return MlflowAlias("mlflow", url=models.url, alias="champion", versions=VERSIONS)


def weights(folder: Path) -> HaproxyWeights:
    """The weights behind the stats socket in a folder."""
    return HaproxyWeights(
        "haproxy", socket=str(folder / "haproxy.sock"), backend="models", servers=SERVERS
    )


@pytest.fixture(params=["route_file", "webhook", "mlflow", "haproxy"])
async def actuator(
    request: pytest.FixtureRequest, tmp_path: Path, heard: Heard, models: Heard, pool: Pool
) -> AsyncIterator[Actuator]:
    """One of each kind, fresh."""
    del pool
    lock = FileLock(tmp_path / "routes.lock")
    made: dict[str, Actuator] = {
        "route_file": RouteFile("routes", tmp_path / "routes.json", lock.held),
        "webhook": hook(heard.url),
        "mlflow": alias(models),
        "haproxy": weights(tmp_path),
    }
    yield made[request.param]
    lock.close()


async def test_every_actuator_conforms(actuator: Actuator) -> None:
    """Read, plan, apply to what was seen, verify, revert; fenced by epoch and version."""
    await conforms(actuator, splits=actuator.name != "mlflow")


async def test_a_message_is_signed_and_carries_a_key_that_stays(heard: Heard) -> None:
    """A retry and a second apply of one epoch have one key; another epoch has another."""
    told = hook(heard.url)
    heard.answers = [503, 0]
    first = await told.apply(HALF, expected_version="absent")
    assert first.status == "done"
    seen = await told.read("m")
    await told.apply(FULL, expected_version=seen.version)
    keys = [headers["Idempotency-Key"] for headers, _ in heard.posts]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert heard.refused == 0


async def test_another_secret_is_refused_by_the_receiver(heard: Heard) -> None:
    """Nothing is taken, and the step says so."""
    told = hook(heard.url, secret="guessed")  # noqa: S106 - of a test
    step = await told.apply(HALF, expected_version="absent")
    assert (step.status, "401" in step.detail) == ("failed", True)
    assert (heard.posts, heard.held) == ([], {})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([500, 500, 500], ("unknown", "answered 500")),
        ([0, 0, 0], ("unknown", "broke off")),
        ([400], ("failed", "answered 400")),
        ([409], ("failed", "refused it")),
    ],
)
async def test_what_the_receiver_did_not_confirm_is_never_done(
    heard: Heard, answers: list[int], expected: tuple[str, str]
) -> None:
    """A server's failure or a lost answer leaves it open; a refusal is a failure, not retried."""
    tries = len(answers)
    heard.answers = answers
    step = await hook(heard.url).apply(HALF, expected_version="absent")
    assert (step.status, expected[1] in step.detail) == (expected[0], True)
    assert len(heard.posts) == tries
    assert (await hook(heard.url).verify(HALF)).status == "failed"


async def test_a_receiver_that_cannot_be_read_back_stays_unknown(heard: Heard) -> None:
    """It took the message; whether it acted on it nobody knows."""
    heard.reads_back = False
    told = hook(heard.url)
    assert (await told.read("m")).status == "unknown"
    assert (await told.apply(HALF, expected_version="")).status == "done"
    verified = await told.verify(HALF)
    assert (verified.status, "cannot be read back" in verified.detail) == ("unknown", True)


async def test_a_peer_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    """Nothing was sent, so nothing can have happened: failed, not unknown; reading is unknown."""
    nobody = "http://127.0.0.1:9"
    away: list[Actuator] = [
        hook(nobody),
        MlflowAlias("mlflow", url=nobody, alias="champion", versions=VERSIONS),
        weights(tmp_path / "nowhere"),
    ]
    for actuator in away:
        assert (await actuator.read("m")).status == "unknown"
        assert (await actuator.verify(FULL)).status == "unknown"
        step = await actuator.apply(FULL, expected_version="")
        assert step.status != "done"
        assert "cannot be reached" in step.detail
        assert "\n" not in step.detail


async def test_a_secret_that_is_not_set_is_named(heard: Heard) -> None:
    """By its variable, when it is needed."""
    told = Webhook("hook", url=heard.url, secret=Secret("HOOK_SECRET", ""), clock=wall_clock_ms)
    for said in (
        (await told.apply(HALF, expected_version="")).detail,
        (await told.verify(HALF)).detail,
    ):
        assert said == "the environment variable HOOK_SECRET is not set"


async def test_a_receiver_is_told_of_a_shadow_while_it_is_on(tmp_path: Path) -> None:
    """What to call beside and as what to record it, until the candidate has all calls or none."""
    now = [MONDAY]
    with receiver(SECRET, lambda: now[0] // 1000) as heard:
        made = ActuatorSettings(
            "hook", "webhook", options={"url": heard.url}, secret=Secret("HOOK_SECRET", SECRET)
        )
        async with lives(tmp_path, actuators={"hook": made}, now=now) as m:
            began = await m.begun(shadow=True)
            told = json.loads(heard.posts[-1][1])
            assert told["shadow"] == {"target": "m@v2", "record_as": "m-shadow"}
            assert [part["target"] for part in told["targets"]] == ["m", "m@v2"]
            await m.app.trigger_fallback("m", undo=began.audit_id, confirm=True)
            ended = json.loads(heard.posts[-1][1])
    assert (ended["epoch"], "shadow" in ended) == (told["epoch"] + 1, False)


async def test_an_alias_follows_the_largest_share_and_says_that_it_cannot_split(
    models: Heard,
) -> None:
    """A target without a version is named; a version that no target names is the dependency's own.

    While a candidate is on trial the alias stays where the calls go back to, whatever it has.
    """
    found = alias(models)
    mostly = Route("m", (Weight("m", 100), Weight("v2", 9_900)), epoch=4)
    assert "v2 whole: an alias cannot split" in found.effect(mostly)
    assert (await found.apply(mostly, expected_version="absent/0")).status == "done"
    assert models.held["aliases"] == {"champion": "6"}
    assert "an alias cannot split" in (await found.verify(mostly)).detail
    models.held["aliases"]["champion"] = "3"
    seen = await found.read("m")
    assert seen.targets == (Weight("m@3", 10_000),)
    rules = Route("m", (Weight("rules:basic", 10_000),), epoch=5)
    step = await found.apply(rules, expected_version=seen.version)
    assert (step.status, step.detail) == ("failed", "'rules:basic' has no model version in targets")
    most = (Weight("m", 2_500), Weight("m@6", 7_500))
    trial = Promotion("m@6", "6", "m", "7", "allow", 7_500, 7_500, ((0, 3),))
    assert "points to version 7 (m whole" in found.effect(Route("m", most, promotion=trial))
    assert "points to version 6" in found.effect(
        Route("m", most[1:], promotion=replace(trial, status="done"))
    )
    assert found.lacks(Route("m", most)) == ""
    assert "'m@six' has no" in found.lacks(Route("m", (Weight("m@six", 10_000),)))


async def test_an_alias_moved_by_somebody_else_is_seen_and_brought_back(models: Heard) -> None:
    """MLflow has no compare-and-set: what is there is read ahead, and read back."""
    found = alias(models)
    await found.apply(FULL, expected_version="absent/0")
    models.held["aliases"]["champion"] = "7"
    assert (await found.verify(FULL)).status == "failed"
    late = await found.apply(BACK, expected_version="6/2")
    assert (late.status, late.detail) == ("failed", "something else wrote alias champion meanwhile")
    await goes_back(found)


async def test_a_registry_that_fails_midway_is_open_and_finished_later(models: Heard) -> None:
    """The epoch was claimed, the alias was not moved: verify says so, another apply ends it."""
    found = alias(models)
    models.answers = [200, 500]
    step = await found.apply(FULL, expected_version="absent/0")
    assert (step.status, "answered 500: try later" in step.detail) == ("unknown", True)
    await goes_back(found)


async def test_weights_are_raised_before_others_are_lowered(tmp_path: Path, pool: Pool) -> None:
    """At no moment is the pool empty, there or back; whole percents are exact."""
    found = weights(tmp_path)
    mostly = Route("m", (Weight("m", 100), Weight("v2", 9_900)), epoch=1)
    seen = await found.read("m")
    await found.apply(mostly, expected_version=seen.version)
    assert pool.weights == {"primary": 1, "base": 99}
    for wanted in (FULL, BACK):
        seen = await found.read("m")
        assert (await found.apply(wanted, expected_version=seen.version)).status == "done"
    assert pool.lowest_total > 0
    sets = [command for command in pool.commands if command.startswith("set weight")]
    assert sets[-2:] == [
        "set weight models/primary 1; get weight models/primary",
        "set weight models/base 0; get weight models/base",
    ]


async def test_traffic_is_not_given_to_a_server_that_is_down(tmp_path: Path, pool: Pool) -> None:
    """The primary keeps what it has; nothing is claimed."""
    pool.up["base"] = False
    found = weights(tmp_path)
    seen = await found.read("m")
    step = await found.apply(FULL, expected_version=seen.version)
    assert (step.status, step.detail) == ("failed", "server base is down: traffic stays put")
    assert (pool.weights, pool.variables) == ({"primary": 100, "base": 0}, {})
    assert "has weight 1 and is down" not in (await found.verify(FULL)).detail


async def test_an_empty_answer_is_no_success(tmp_path: Path, pool: Pool) -> None:
    """HAProxy says nothing both when it obeys and when it does not: the weight is read back."""
    pool.deaf = True
    found = weights(tmp_path)
    seen = await found.read("m")
    step = await found.apply(FULL, expected_version=seen.version)
    assert (step.status, "did not take weight" in step.detail) == ("unknown", True)


async def test_a_restart_forgets_and_is_brought_back(tmp_path: Path, pool: Pool) -> None:
    """Weights and epoch are as configured again: seen, and put right by one more apply."""
    found = weights(tmp_path)
    seen = await found.read("m")
    await found.apply(FULL, expected_version=seen.version)
    pool.variables.clear()
    pool.weights.update(primary=100, base=0)
    assert (await found.read("m")).status == "absent"
    await goes_back(found)


async def test_a_promotion_moves_every_actuator_stage_by_stage_and_back(
    tmp_path: Path, models: Heard, pool: Pool
) -> None:
    """The alias waits for the end, weights and receiver follow each stage; what cannot is said ahead."""
    proxy = {"socket": str(tmp_path / "haproxy.sock"), "backend": "models"}
    kinds = {
        "registry": ActuatorSettings(
            "registry",
            "mlflow",
            options={"url": models.url, "alias": "champion"},
            targets={"m": "7", "m@v2": "6"},
        ),
        "proxy": ActuatorSettings(
            "proxy", "haproxy", options=proxy, targets={"m": "primary", "m@v2": "base"}
        ),
    }
    now = [MONDAY]
    with receiver(SECRET, lambda: now[0] // 1000) as heard:
        kinds["hook"] = ActuatorSettings(
            "hook", "webhook", options={"url": heard.url}, secret=Secret("HOOK_SECRET", SECRET)
        )
        async with lives(tmp_path, actuators=kinds, now=now) as m:
            begun = await m.begun()
            assert {step.status for step in begun.actuators} == {"done"}
            assert models.held["aliases"] == {"champion": "7"}
            seen = []
            while (await m.promotion()).is_running:
                seen.append((pool.weights["base"], heard.held["m"]["targets"][-1]["share"]))
                while (await m.looked()).move != "advance":
                    await m.live(6, v2=12)
            assert seen == [(1, 0.02), (1, 0.05), (1, 0.25), (1, 0.5)]
            assert (models.held["aliases"], pool.weights) == (
                {"champion": "6"},
                {"primary": 0, "base": 1},
            )
            audit = (await m.route()).audit_id
            undone = await m.app.trigger_fallback("m", undo=audit, confirm=True)
            assert isinstance(undone, FallbackResult)
            assert {step.status for step in undone.actuators} == {"done"}
            assert models.held["aliases"] == {"champion": "7"}
            await m.smoke(version="v3")
            plan = await m.planned("v3")
            [unknown] = [check for check in plan.checks if not check.passed]
            assert (unknown.check, plan.approval) == ("actuators", "ask")
            assert "proxy: 'm@v3' has no server in targets" in unknown.why
