"""The route file: one conformance walk, and what goes wrong with files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

import gonogo
from gonogo.actuators.route_file import RouteFile
from gonogo.app import Gonogo
from gonogo.ports.routes import WHOLE, Route, Weight
from gonogo.routes.flag_file import flags, parse_flag, with_route
from gonogo.routing import RouteReader, route
from gonogo.settings import DependencySettings, Settings
from gonogo.store.sqlite.lock import FileLock

pytestmark = pytest.mark.anyio

HALF = Route("m", (Weight("m", 5_000), Weight("v2", 5_000)), epoch=1, salt="m/1/")
FULL = Route("m", (Weight("v2", WHOLE),), epoch=2, salt="m/1/")
BACK = Route("m", (Weight("m", WHOLE),), epoch=3, salt="m/1/")


def put(path: Path, text: str) -> None:
    """Write a file as somebody else would."""
    path.write_text(text, encoding="latin-1")


def take_away(path: Path) -> None:
    """Remove a file as somebody else would."""
    path.unlink()


def document(path: Path) -> dict[str, dict[str, object]]:
    """What the file holds."""
    found: dict[str, dict[str, object]] = json.loads(path.read_bytes())
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the route file goes."""
    return tmp_path / "routes.json"


@pytest.fixture
def file(path: Path) -> Iterator[RouteFile]:
    """The actuator."""
    lock = FileLock(path.with_name("routes.json.lock"))
    yield RouteFile("routes", path, lock.held)
    lock.close()


async def test_read_plan_apply_verify_and_back(file: RouteFile, path: Path) -> None:
    """What every actuator does, in the order in which it is asked."""
    absent = await file.read("m")
    assert absent.status == "absent"
    assert "50% v2" in file.effect(HALF)
    assert not list(os.scandir(path.parent))
    for wanted in (HALF, FULL, BACK):
        before = await file.read("m")
        assert (await file.verify(wanted)).status == "failed"
        assert (await file.apply(wanted, expected_version=before.version)).status == "done"
        assert (await file.verify(wanted)).status == "done"
        seen = await file.read("m")
        assert (seen.targets, seen.epoch) == (wanted.targets, wanted.epoch)
        again = await file.apply(wanted, expected_version=seen.version)
        assert (again.status, again.detail) == ("done", "already there")


async def test_an_unexpected_or_newer_route_is_not_overwritten(file: RouteFile) -> None:
    """Fencing: who is late, or looked too early, is refused."""
    absent = await file.read("m")
    await file.apply(FULL, expected_version=absent.version)
    late = await file.apply(BACK, expected_version=absent.version)
    assert (late.status, late.detail) == ("failed", "something else wrote the file meanwhile")
    seen = await file.read("m")
    older = await file.apply(HALF, expected_version=seen.version)
    assert (older.status, older.detail) == ("failed", "the file is at the newer epoch 2")
    assert (await file.read("m")).targets == FULL.targets


async def test_what_is_not_ours_stays(file: RouteFile, path: Path) -> None:
    """Other flags, evaluators and metadata of the file survive."""
    theirs = {"$evaluators": {"x": {}}, "flags": {"theirs": {"state": "DISABLED"}}}
    put(path, json.dumps(theirs))
    await file.apply(HALF, expected_version="absent")
    kept = document(path)
    assert kept["$evaluators"] == {"x": {}}
    assert kept["flags"]["theirs"] == {"state": "DISABLED"}
    assert set(kept["flags"]) == {"theirs", "m"}


@pytest.mark.parametrize("content", ["{", "[]", '{"flags": 3}', "\xff", ""])
async def test_an_unreadable_file_is_unknown_and_kept_aside(
    file: RouteFile, path: Path, content: str
) -> None:
    """It is not overwritten: it is put aside under a name that says what it is."""
    put(path, content)
    seen = await file.read("m")
    assert (seen.status, seen.detail) == ("unknown", "routes.json is not a flag file")
    assert (await file.verify(FULL)).status == "unknown"
    step = await file.apply(FULL, expected_version=seen.version)
    assert step.status == "done"
    aside = next(path.parent.glob("routes.json.unreadable-*"))
    assert aside.name in step.detail
    assert aside.read_text(encoding="latin-1") == content
    assert (await file.verify(FULL)).status == "done"


async def test_a_folder_that_is_gone_is_a_failure_in_words(tmp_path: Path) -> None:
    """The system's reason, without a traceback."""
    lock = FileLock(tmp_path / "lock")
    gone = RouteFile("routes", tmp_path / "gone" / "routes.json", lock.held)
    step = await gone.apply(FULL, expected_version="absent")
    lock.close()
    assert (step.status, step.detail) == ("failed", "routes.json: No such file or directory")


JSON: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-1, 20_000) | st.text(max_size=3) | st.just([])
)


@given(st.data())
def test_any_flag_is_read_or_is_not_ours(data: st.DataObject) -> None:
    """Whatever somebody changed in a flag of ours, reading it never fails or breaks the whole."""
    flag = flags(with_route({}, HALF))["m"]
    assert parse_flag("m", flag) == HALF
    at: object = flag
    while isinstance(at, dict | list) and at:
        inside: object = at
        name = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        at = at[name]
        if data.draw(st.booleans()):
            inside[name] = data.draw(JSON)  # type: ignore[index]
            break
    found = parse_flag("m", flag)
    assert found is None or sum(weight.share for weight in found.targets) == WHOLE


async def test_the_library_routes_while_everything_else_is_away(
    file: RouteFile, path: Path
) -> None:
    """No file: the primary. A bad or removed file later: the last good routes."""
    reader = RouteReader(path)
    assert reader.target("m", "k") == "m"
    await file.apply(FULL, expected_version="absent")
    assert reader.target("m", "k") == "v2"
    assert reader.target("unrouted", "k") == "unrouted"
    put(path, "{")
    assert reader.target("m", "k") == "v2"
    take_away(path)
    assert reader.target("m") == "v2"
    assert route("m", path=path) == "m"  # a process that starts now has no last good routes


async def test_shares_hold_with_and_without_a_key(file: RouteFile, path: Path) -> None:
    """A key sticks; calls without one split by chance (sd 0.5 points)."""
    await file.apply(HALF, expected_version="absent")
    reader = RouteReader(path)
    first = [reader.target("m", f"user-{number}") for number in range(1_000)]
    assert first == [reader.target("m", f"user-{number}") for number in range(1_000)]
    assert 430 < first.count("v2") < 570
    drawn = [reader.target("m") for _ in range(10_000)]
    assert 4_700 < drawn.count("v2") < 5_300


async def test_readers_never_see_a_half_written_file(file: RouteFile, path: Path) -> None:
    """A reader in another thread parses whatever is there, all the time."""
    await file.apply(HALF, expected_version="absent")
    stop, seen, bad = threading.Event(), set(), []

    def read_on() -> None:
        while not stop.is_set():
            try:
                flag = json.loads(path.read_bytes())["flags"]["m"]
            except (ValueError, KeyError, OSError) as error:
                bad.append(error)
            else:
                seen.add(flag["metadata"]["gonogo_epoch"])

    thread = threading.Thread(target=read_on)
    thread.start()
    for epoch in range(2, 60):
        observed = await file.read("m")
        wanted = Route("m", FULL.targets if epoch % 2 else HALF.targets, epoch=epoch, salt="m/1/")
        assert (await file.apply(wanted, expected_version=observed.version)).status == "done"
    stop.set()
    thread.join()
    assert not bad
    assert len(seen) > 1


WRITE_ON = """
import itertools, sys
from pathlib import Path
from gonogo.actuators.route_file import RouteFile
from gonogo.ports.routes import Route, Weight
from gonogo.settings import DependencySettings, Settings
from gonogo.store.sqlite.lock import FileLock
path = Path(sys.argv[1])
file = RouteFile("routes", path, FileLock(path.with_name("lock")).held)
for epoch in itertools.count(file._read("m").epoch + 1):
    route = Route("m", (Weight("m", 4_000), Weight("v2", 6_000)), epoch=epoch, salt="x" * 20_000)
    file._apply(route, file._read("m").version)
    print(epoch, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(file: RouteFile, path: Path) -> None:
    """SIGKILL while it writes: the file is one of the written ones, and the next writer goes on."""
    reached = 0
    for lines in (1, 2, 3, 5, 8, 13):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE_ON, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(lines):
            reached = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        seen = file._read("m")
        assert seen.status == "known"
        assert seen.epoch >= reached


async def test_the_library_finds_the_routes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the store, where nothing is configured; it answers when the store is gone."""
    store = tmp_path / "gonogo.db"
    own = DependencySettings("mine", fallback=("v2",), fallback_policy="allow", recovery_share=0)
    settings = Settings(store=str(store), dependencies=MappingProxyType({"mine": own}))
    monkeypatch.setenv("GONOGO_STORE", str(store))
    monkeypatch.setenv("GONOGO_CONFIG", str(tmp_path / "absent.toml"))  # broken: never in the way
    assert gonogo.route("mine", "k") == "mine"
    async with Gonogo(settings) as app:
        await app.record_observations([{"dependency": "v2", "outcome": True}] * 200)
        plan = await app.trigger_fallback("mine", reason="bad")
        done = await app.approve(plan.plan_id)  # type: ignore[union-attr]
    assert [(a.name, a.status) for a in done.actuators] == [
        ("store", "done"),
        ("local file", "done"),
    ]
    store.unlink()
    assert gonogo.route("mine", "k") == "v2"


async def test_the_library_reads_the_configured_file(
    file: RouteFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gonogo.toml names it for a dependency; GONOGO_ROUTES names one for all."""
    config = path.with_name("gonogo.toml")
    put(
        config,
        f'[dependencies.told]\nactuators = ["r"]\n[actuators.r]\nkind = "route_file"\npath = "{path}"',
    )
    monkeypatch.setenv("GONOGO_CONFIG", str(config))
    await file.apply(replace(FULL, dependency="told"), expected_version="absent")
    await file.apply(replace(FULL, dependency="named"), expected_version="absent")
    assert gonogo.route("told") == "v2"
    monkeypatch.setenv("GONOGO_ROUTES", str(path))
    assert gonogo.route("named") == "v2"


@pytest.mark.parametrize("shares", [[5000, 4000], [10_000, 10_000], [-1, 10_001], ["5000", 5000]])
def test_a_flag_that_a_hand_left_malformed_stands_as_it_was(
    file: RouteFile, path: Path, shares: list[object]
) -> None:
    """Shares that do not add up are no word to go back to the primary; `DISABLED` is."""
    gone = Route("m", (Weight("v2", WHOLE),), epoch=1, salt="m/1/")
    assert file._apply(gone, "absent").status == "done"
    reader = RouteReader(path)
    assert reader.target("m", "k") == "v2"
    document = json.loads(path.read_bytes())
    flag = document["flags"]["m"]
    split = flag["targeting"]["if"][1]["fractional"]
    split[1:] = [["m", shares[0]], ["v2", shares[1]]]
    path.write_text(json.dumps(document))
    assert reader.target("m", "k") == "v2"
    flag["state"] = "DISABLED"
    path.write_text(json.dumps(document))
    assert reader.target("m", "k") == "m"
    path.write_text("[" * 200_000)
    assert reader.target("m", "k") == "m"


@given(data=st.data())
@tried(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_slip_of_a_hand_names_a_target_that_was_not_there(
    file: RouteFile, path: Path, data: st.DataObject
) -> None:
    """Whatever is lost or overwritten in one place, keys go where they went, or to the primary."""
    path.unlink(missing_ok=True)
    half = Route("m", (Weight("m", 1000), Weight("v2", 9000)), epoch=1, salt="m/1/")
    assert file._apply(half, "absent").status == "done"
    reader = RouteReader(path)
    before = [reader.target("m", n) for n in range(50)]
    document = json.loads(path.read_bytes())
    places = list(_places(document))
    holder, key = data.draw(st.sampled_from(places))
    if data.draw(st.booleans()):
        holder[key] = data.draw(st.sampled_from([None, "", "v3", "\ud800", 0, -1, 0.5, [], {}]))
    else:
        del holder[key]
    path.write_text(json.dumps(document))
    after = [reader.target("m", n) for n in range(50)]
    assert after in (before, ["m"] * 50)


def test_a_file_without_flags_leaves_the_last_good_routes(file: RouteFile, path: Path) -> None:
    """An empty object of flags says that there are none; to have lost them says nothing."""
    assert file._apply(Route("m", (Weight("v2", WHOLE),), epoch=1, salt="m/"), "absent").status
    reader = RouteReader(path)
    assert reader.target("m") == "v2"
    path.write_text('{"$schema": "https://flagd.dev/schema/v0/flags.json"}')
    assert reader.target("m") == "v2"
    path.write_text('{"flags": {}}')
    assert reader.target("m") == "m"


def test_a_key_without_a_text_still_gets_a_target(file: RouteFile, path: Path) -> None:
    """What cannot be a key stops no call in the night of the split."""
    assert file._apply(HALF, "absent").status == "done"
    reader = RouteReader(path)

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    for key in (Broken(), 10**5000):
        assert reader.target("m", key) in ("m", "v2")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Every object or list in a document, with each key or index in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, held in list(inner) if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(held, dict | list):
            yield from _places(held)
