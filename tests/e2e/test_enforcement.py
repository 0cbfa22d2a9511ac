"""`gonogo wrap --enforce`: a call under no_go, in a loop or past its deadline never goes through."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError, StdioServerParameters
from product import ERAS, GONOGO, answer, environment, lines, typed
from test_guard import calls

from gonogo.app import Gonogo
from gonogo.clock import wall_clock_ms
from gonogo.config import load_settings
from gonogo.errors import ConfigError
from gonogo.guard.held_calls import LEASE_S
from gonogo.guard.hook_forms import Ruling
from gonogo.guard.resident import Judge
from gonogo.recorder.asker import Asker
from gonogo.settings import Settings
from gonogo.wrap.enforcement import Enforcement, Limits, whole_lines

ROUNDS = int(os.environ.get("GONOGO_TORTURE_ROUNDS", "0"))
SERVER = """
import anyio
from mcp.server.mcpserver import MCPServer
waiting = anyio.Event()
server = MCPServer("real", version="3.1", log_level="WARNING")
@server.tool()
def search(text: str) -> str:
    return text
@server.tool()
def list(text: str) -> str:
    return text
@server.tool()
async def slow() -> str:
    await waiting.wait()
    return "late"
@server.tool()
async def release() -> str:
    waiting.set()
    return "released"
server.run("stdio")
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """github/search has worked no more for a day, github/list works."""
    folder = tmp_path_factory.mktemp("enforcement")
    data = folder / "calls.jsonl"
    rows = [*calls("github/search", bad_from=1420), *calls("github/list", bad_from=1500)]
    data.write_text(lines(rows))
    path = folder / "store.db"
    assert typed("ingest", str(data), store=path).returncode == 0
    return path


def wrapped(store: Path, *options: str) -> StdioServerParameters:
    """The server as a client's configuration starts it."""
    arguments = ["wrap", *options, "github", "--", sys.executable, "-c", SERVER]
    return StdioServerParameters(command=GONOGO, args=arguments, env=environment(store))


@pytest.mark.parametrize("era", ERAS)
def test_a_no_go_is_answered_and_the_server_never_sees_it(store: Path, era: str) -> None:
    """What works goes through; the refusal has the evidence, and is no failure of the tool."""

    async def use() -> str:
        async with Client(wrapped(store, "--enforce"), mode=era, read_timeout_seconds=60) as client:
            found = await client.call_tool("list", {"text": "a"})
            assert found.structured_content == {"result": "a"}
            with pytest.raises(MCPError) as refused:
                await client.call_tool("search", {"text": "a"})
            return str(refused.value)

    said = anyio.run(use)
    assert "no_go for github/search" in said
    assert "gonogo check drift github/search" in said
    listed = answer(typed("list", "--json", store=store))["dependencies"]
    assert {line["dependency"]: line["n"] for line in listed}["github/search"] == 1500


def test_a_loop_ends_and_other_arguments_go_on(store: Path) -> None:
    """After the same answer three times in a row."""

    async def use() -> None:
        options = ("--enforce", "--repeats", "3")
        async with Client(wrapped(store, *options), read_timeout_seconds=60) as client:
            for _ in range(3):
                await client.call_tool("list", {"text": "same"})
            with pytest.raises(MCPError, match="3 times in a row"):
                await client.call_tool("list", {"text": "same"})
            await client.call_tool("list", {"text": "other"})
            await client.call_tool("list", {"text": "same"})

    anyio.run(use)


def test_a_call_that_hangs_is_answered_and_its_late_answer_dropped(store: Path) -> None:
    """The session goes on; the call is recorded as one that timed out."""

    async def use() -> None:
        options = ("--enforce", "--deadline", "1s")
        async with Client(wrapped(store, *options), read_timeout_seconds=60) as client:
            with pytest.raises(MCPError, match="has not answered for 1 s"):
                await client.call_tool("slow", {})
            await client.call_tool("release", {})
            found = await client.call_tool("list", {"text": "after"})
            assert found.structured_content == {"result": "after"}

    anyio.run(use)
    with closing(sqlite3.connect(store)) as connection:
        told = connection.execute(
            "SELECT e.text FROM observation o JOIN dependency d ON d.id = o.dependency_id"
            " JOIN name e ON e.id = o.error_id WHERE d.name = 'github/slow'"
        ).fetchall()
    assert told == [("timeout",)]


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_without_a_store_it_is_open_or_closed_as_chosen(tmp_path: Path, closed: bool) -> None:  # noqa: FBT001
    """Damaged, here."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"SQLite format 3\0" + b"x" * 5000)

    async def use() -> None:
        options = ("--enforce", *(["--closed"] if closed else []))
        async with Client(wrapped(broken, *options), read_timeout_seconds=60) as client:
            if not closed:
                await client.call_tool("list", {"text": "a"})
                return
            with pytest.raises(MCPError, match="cannot be asked"):
                await client.call_tool("list", {"text": "a"})

    anyio.run(use)


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_why_nothing_was_checked_is_said_once(
    capsys: pytest.CaptureFixture[str],
    closed: bool,  # noqa: FBT001
) -> None:
    """On standard error where the call goes on; in the refusal where it does not."""

    def unread() -> Settings:
        raise ConfigError("gonogo.toml is gone.")

    def unasked() -> Asker:
        raise AssertionError

    judge = Judge(unread, unasked, clock=lambda: 0, closed=closed)
    for name in ("srv/a", "srv/b"):
        ruling = judge(name)
        assert ruling.what == ("deny" if closed else "allow")
        assert ("gonogo.toml is gone." in ruling.reason) == closed
    assert capsys.readouterr().err.count("gonogo.toml is gone.") == (0 if closed else 1)


FAR = 1e18
TOOLS = ("good", "bad", "odd")
IDS = st.one_of(st.integers(), st.text(max_size=3))
CALLS = st.builds(
    lambda number, tool, text: {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {"t": text}},
    },
    IDS,
    st.sampled_from(TOOLS),
    st.text(max_size=3),
)
OTHERS = st.one_of(
    st.just({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    st.builds(lambda number: {"jsonrpc": "2.0", "id": number, "method": "tools/list"}, IDS),
    st.just([]),
    st.just("text"),
)
LINES = st.lists(st.one_of(CALLS, OTHERS, st.lists(CALLS, max_size=3)), max_size=20)


@settings(deadline=None, max_examples=100 * ROUNDS or 250)
@given(sent=LINES, no_go=st.sets(st.sampled_from(TOOLS)), cut=st.integers(1, 50))
def test_in_any_order_no_call_passes_a_no_go_and_no_good_one_is_refused(
    sent: list[object], no_go: set[str], cut: int
) -> None:
    """However the bytes are cut; of a batch nothing passes where one call may not. `make torture`: 10,000 orders."""

    def judge(name: str) -> Ruling:
        return Ruling("deny", "stop") if name.removeprefix("srv/") in no_go else Ruling("allow")

    enforcement = Enforcement("srv", judge, Limits(repeats=None))
    raw, held = b"".join(json.dumps(one).encode() + b"\n" for one in sent), bytearray()
    pieces = [raw[at : at + cut] for at in range(0, len(raw), cut)]
    for line in (line for piece in pieces for line in whole_lines(held, piece)):
        refusal = enforcement.refusal(line)
        found = json.loads(line)
        each = [one for one in (found if isinstance(found, list) else [found]) if "id" in one]
        named = {one["params"]["name"] for one in each if one["method"] == "tools/call"}
        assert (refusal is not None) == bool(named & no_go)
        if refusal is not None:
            told = json.loads(refusal)
            answered = told if isinstance(told, list) else [told]
            assert [one["id"] for one in answered] == [one["id"] for one in each]
            assert all("stop" in one["error"]["message"] for one in answered)
    assert held == b""


def test_two_threads_may_use_it_at_once() -> None:
    """Calls and their answers come on two threads; none is lost, and none stays open."""
    enforcement = Enforcement("srv", lambda _: Ruling("allow"), Limits(deadline_s=0.0))
    asked = [
        json.dumps({"id": n, "method": "tools/call", "params": {"name": "t"}}) for n in range(2000)
    ]

    passed: list[bool] = []

    def answer_all() -> None:
        told = (json.dumps({"id": number, "result": {}}) for number in range(2000))
        passed.extend(enforcement.may_pass(line.encode()) for line in told)

    for one in asked:
        assert enforcement.refusal(one.encode()) is None
    thread = threading.Thread(target=answer_all)
    thread.start()
    given_up = sum(1 for _ in enforcement.overdue(FAR))
    thread.join()
    # Each was either answered by the server or given up, and what was given up was dropped.
    assert passed.count(False) == given_up
    assert list(enforcement.overdue(FAR)) == []


def test_calls_hold_and_settle_their_money_and_end_with_the_budget(
    store: Path, tmp_path: Path
) -> None:
    """Answered, failed and given up they cost the same; the one that does not fit is not made."""
    config = tmp_path / "gonogo.toml"
    config.write_text("[budgets.calls]\nlimit_usd = 1\n")
    budget = ("--enforce", "--budget", "calls", "--call-usd", "0.3", "--config", str(config))

    async def use() -> None:
        options = (*budget, "--deadline", "1s")
        async with Client(wrapped(store, *options), read_timeout_seconds=60) as client:
            await client.call_tool("list", {"text": "one"})
            with pytest.raises(MCPError, match="has not answered for 1 s"):
                await client.call_tool("slow", {})
            await client.call_tool("list", {"text": "two"})
            with pytest.raises(MCPError, match=r"github/list was not called.*remaining budget"):
                await client.call_tool("list", {"text": "three"})

    anyio.run(use)
    asked = ("check", "budget", "calls", "--planned-cost-usd", "0.05", "--json")
    found = answer(typed(*asked, "--config", str(config), store=store))
    assert (found["spent_usd"], found["held_usd"]) == (0.9, 0.0)
    refused = typed("wrap", "--budget", "calls", "github", "--", "true", store=store)
    assert "go together" in refused.stderr


def test_a_budget_in_calls_lets_as_many_through(store: Path, tmp_path: Path) -> None:
    """Two of two; and a part of a call, which no budget in calls can hold, is refused, not passed."""
    config = tmp_path / "gonogo.toml"
    config.write_text('[budgets.calls]\nunit = "calls"\nlimit_usd = 2\n')

    async def use(cost: str, fits: int, why: str) -> None:
        options = ("--enforce", "--budget", "calls", "--call-usd", cost, "--config", str(config))
        async with Client(wrapped(store, *options), read_timeout_seconds=60) as client:
            for text in range(fits):
                await client.call_tool("list", {"text": str(text)})
            with pytest.raises(MCPError, match=rf"github/list was not called\. .*{why}"):
                await client.call_tool("list", {"text": "more"})

    anyio.run(use, "0.5", 0, "call_usd must be a whole number of calls, not 0.5")
    anyio.run(use, "1", 2, "remaining budget 0 calls, planned 1 call")
    asked = ("check", "budget", "calls", "--json", "--config", str(config))
    found = answer(typed(*asked, store=store))
    assert (found["spent_usd"], found["held_usd"], found["unit"]) == (2, 0, "calls")


def test_a_budget_that_counts_the_calls_anyway_is_refused(store: Path, tmp_path: Path) -> None:
    """Each call would count as a hold and as an observation: 2 of 2 after one."""
    config = tmp_path / "gonogo.toml"
    options = ("--enforce", "--budget", "calls", "--call-usd", "1", "--config", str(config))
    for counts in ("github/list", "git*"):
        config.write_text(
            f'[budgets.calls]\nunit = "calls"\nlimit_usd = 2\ndependencies = ["{counts}"]\n'
        )
        refused = typed("wrap", "github", *options, "--", "true", store=store)
        assert refused.returncode == 64
        assert f"counts the calls of '{counts}' by its dependencies" in refused.stderr


def test_whoever_is_killed_in_a_call_leaves_nothing_held(store: Path, tmp_path: Path) -> None:
    """The server: its call costs what a call costs. The guard itself: what it held is free half a minute later."""
    config = tmp_path / "gonogo.toml"
    config.write_text("[budgets.killed]\nlimit_usd = 10\n")
    budget = ("--enforce", "--budget", "killed", "--call-usd", "0.3", "--config", str(config))
    for victim, booked, held_then in (("server", 0.3, 0.0), ("guard", 0.3, 0.3)):
        kill_in_a_call(store, budget, victim)
        assert money(store, config) == (booked, held_then)
        assert money(store, config, ahead_s=LEASE_S + 1) == (booked, 0.0)


def kill_in_a_call(store: Path, budget: Sequence[str], victim: str) -> None:
    """A server that never answers a call, behind a guard; one of the two is killed when the call has come."""
    script = (
        "import os, sys; sys.stdin.readline(); print(os.getpid(), flush=True); sys.stdin.read()"
    )
    command = [GONOGO, "wrap", *budget, "github", "--", sys.executable, "-c", script]
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list"}}
    with subprocess.Popen(
        command, env=environment(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        guard.stdin.write(json.dumps(call).encode() + b"\n")
        guard.stdin.flush()
        server = int(guard.stdout.readline())
        os.kill(server if victim == "server" else guard.pid, signal.SIGKILL)
        guard.stdout.read()
    with suppress(ProcessLookupError):
        os.kill(server, signal.SIGKILL)


def money(store: Path, config: Path, *, ahead_s: int = 0) -> tuple[float, float]:
    """What the budget has spent and holds, by a clock that is so far ahead."""

    async def asked() -> tuple[float, float]:
        loaded = load_settings(str(config), str(store), {})
        async with Gonogo(loaded, clock=lambda: wall_clock_ms() + 1000 * ahead_s) as app:
            found = await app.check_budget_with_confidence("killed", planned_cost_usd=0.01)
            return round(found.spent_usd, 6), round(found.held_usd, 6)

    return anyio.run(asked)
