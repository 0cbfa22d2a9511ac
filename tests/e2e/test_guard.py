"""A client's hook asks before a tool call: a no_go stops the call, in each client's own form.

`hook_events/` holds one event of each client, written after its documentation (`guard/hook_forms.py`).
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from product import environment, gonogo, lines, typed

from gonogo.guard.guard_command import guard
from gonogo.guard.hook_forms import CLIENTS, Ruling
from gonogo.guard.resident import Judge
from gonogo.guard.ruling import dependency_of
from gonogo.recorder.asker import Asker
from gonogo.settings import GuardSettings, Settings

EVENTS = Path(__file__).parent / "hook_events"
BROKEN, SOUND = "github/search", "github/list"
COMPOSED = "caf\u00e9/my list"
TOOL = "mcp__github__search"


def calls(dependency: str, *, bad_from: int) -> list[dict[str, object]]:
    """Three weeks of a tool's calls, three an hour; from one on all are bad."""
    now = datetime.now(UTC).timestamp()
    return [
        {
            "dependency": dependency,
            "kind": "tool",
            "ts": now - (1500 - at) * 1200,
            "outcome": int(at < bad_from),
        }
        for at in range(1500)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tool that works, and one that has worked no more for a day."""
    folder = tmp_path_factory.mktemp("guard")
    data = folder / "calls.jsonl"
    bad = [call for name in (BROKEN, COMPOSED) for call in calls(name, bad_from=1420)]
    data.write_text(lines([*bad, *calls(SOUND, bad_from=1500)]))
    path = folder / "store.db"
    assert typed("ingest", str(data), store=path).returncode == 0
    return path


def hook(store: Path, event: bytes, client: str, *options: str) -> tuple[dict[str, Any], str]:
    """What the hook answers, and what it says on standard error."""
    done = gonogo("guard", "hook", client, *options, store=store, stdin=event)
    assert done.returncode == 0
    return json.loads(done.stdout), done.stderr


def event(tool: str) -> bytes:
    """The least of an event."""
    return json.dumps({"tool_name": tool, "tool_input": {}}).encode()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_no_go_stops_the_call(store: Path, client: str) -> None:
    """With the reason and where the evidence is, in the client's own form."""
    told, _ = hook(store, (EVENTS / f"{client}.json").read_bytes(), client)
    if client == "gemini":
        decision, reason = told["decision"], told["reason"]
    else:
        inner = told["hookSpecificOutput"]
        assert inner["hookEventName"] == "PreToolUse"
        decision, reason = inner["permissionDecision"], inner["permissionDecisionReason"]
    assert decision == "deny"
    assert f"no_go for {BROKEN}" in reason
    assert f"gonogo check drift {BROKEN}" in reason
    assert "gonogo fallback" not in reason  # it has nowhere to go


def test_the_way_around_that_is_offered_can_be_typed(store: Path, tmp_path: Path) -> None:
    """With a ladder the reason names the command, and the command plans."""
    config = tmp_path / "gonogo.toml"
    config.write_text(f'[dependencies."{BROKEN}"]\nfallback = ["{SOUND}"]\n')
    told, _ = hook(store, event(TOOL), "claude-code", "--config", str(config))
    reason = told["hookSpecificOutput"]["permissionDecisionReason"]
    offered = shlex.split(reason.rpartition("gonogo ")[2].rstrip("."))
    planned = typed(*offered, store=store, environ={"GONOGO_CONFIG": str(config)})
    assert planned.returncode == 0, planned.stderr
    assert f"{BROKEN} to {SOUND}" in planned.stdout


@pytest.mark.parametrize("tool", ["mcp__github__list", "mcp__other__tool", "Bash"])
def test_what_works_or_is_not_ours_goes_on_without_a_word(store: Path, tool: str) -> None:
    """An "allow" would skip what the client itself asks the person."""
    assert hook(store, event(tool), "claude-code") == ({}, "")


def test_the_answer_of_a_check_stands_for_the_next_call(store: Path) -> None:
    """The first asks, the second reads one row; every surface has the same verdict."""
    hook(store, event(TOOL), "claude-code")
    listed = json.loads(typed("list", BROKEN, "--json", store=store).stdout)
    assert [line["verdict"] for line in listed["dependencies"]] == ["no_go"]
    told, _ = hook(store, event(TOOL), "codex")
    assert "drift no_go, trust no_go" in told["hookSpecificOutput"]["permissionDecisionReason"]


def test_where_a_verdict_stands_a_hook_loads_no_answers(store: Path) -> None:
    """It starts anew for every call of a tool: the models of answers took half of its time."""
    assert typed("check", "drift", BROKEN, store=store).returncode == 2
    assert typed("check", "trust", BROKEN, store=store).returncode == 2
    source = """
import sys
from gonogo.__main__ import run
run(["guard", "hook", "claude-code"], __import__("os").environ)
sys.exit(repr(sorted({"gonogo.answers", "gonogo.app", "numpy", "anyio", "mcp", "rich"} & set(sys.modules))))
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        input=event(TOOL),
        capture_output=True,
        env=environment(store),
        check=False,
        timeout=60,
    )
    assert b'"deny"' in done.stdout
    assert done.stderr.decode().strip() == "[]"


def test_what_unknown_and_other_tools_mean_is_configured(store: Path) -> None:
    """By patterns of tools' names; what cannot be asked of a person is stopped."""
    config = store.with_name("guard.toml")
    config.write_text(
        '[guard]\nunknown = "ask"\nfresh = "1h"\n[guard.tools]\n"Web*" = "github/search"\n'
        '"mcp__mirror__*" = "github/{tool}"\n"Task" = "a-model-never-seen"\n'
    )
    options = ("--config", str(config))
    for tool, client, decision in (
        ("WebFetch", "claude-code", "deny"),
        ("mcp__mirror__search", "claude-code", "deny"),
        ("Task", "claude-code", "ask"),
        ("Task", "codex", "deny"),
    ):
        told, _ = hook(store, event(tool), client, *options)
        assert told["hookSpecificOutput"]["permissionDecision"] == decision, tool
    assert hook(store, event("Task"), "gemini", *options)[0]["decision"] == "deny"
    assert hook(store, event("mcp__mirror__list"), "gemini", *options)[0] == {}


@pytest.mark.parametrize("broken", ["event", "config", "store"])
def test_where_nothing_can_be_asked_it_is_open_or_closed_as_chosen(
    store: Path, tmp_path: Path, broken: str
) -> None:
    """Open says so on standard error; closed stops the call with the reason."""
    asked, options, where = event(TOOL), tuple[str, ...](), store
    if broken == "event":
        asked = b"no event"
    elif broken == "config":
        options = ("--config", str(tmp_path / "none.toml"))
    else:
        where = tmp_path / "broken.db"
        where.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    told, said = hook(where, asked, "claude-code", *options)
    assert told == {}
    assert "nothing was checked, and the call goes on" in said
    told, _ = hook(where, asked, "claude-code", "--closed", *options)
    assert told["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert "cannot be asked" in told["hookSpecificOutput"]["permissionDecisionReason"]


@pytest.mark.parametrize(
    "arguments",
    [
        b"[" * 5_000 + b"]" * 5_000,
        b'{"a":' * 5_000 + b"0" + b"}" * 5_000,
        b'"' + b"x" * 9_000_000 + b'"',
        b'"\xff"',
    ],
    ids=["brackets", "braces", "nine megabytes", "no UTF-8"],
)
def test_no_call_hides_from_its_no_go_behind_its_arguments(store: Path, arguments: bytes) -> None:
    """Whoever writes the arguments is whom it stops: what cannot be read is stopped, also where it is open."""
    asked = b'{"tool_input": %s, "tool_name": "%s"}' % (arguments, TOOL.encode())
    told, _ = hook(store, asked, "claude-code")
    assert told["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert "cannot be judged" in told["hookSpecificOutput"]["permissionDecisionReason"]


@pytest.mark.parametrize(
    "tool", ["mcp__caf\u00e9__my list", "mcp__cafe\u0301__my list", "mcp__caf\u00e9__my  list "]
)
def test_however_a_name_is_composed_and_spaced_its_no_go_stops_it(store: Path, tool: str) -> None:
    """A store has each name in one form; a client hands on what its server is called by."""
    told, _ = hook(store, event(tool), "claude-code")
    assert f"no_go for {COMPOSED}" in told["hookSpecificOutput"]["permissionDecisionReason"]


def test_a_name_with_something_invisible_in_it_is_stopped(store: Path) -> None:
    """Nothing is recorded under such a name: a server that put it there would never meet a verdict."""
    told, _ = hook(store, event(TOOL + "\u200b"), "claude-code")
    assert told["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert "cannot be judged" in told["hookSpecificOutput"]["permissionDecisionReason"]


def test_a_name_that_hides_something_is_stopped_where_nothing_else_is_asked() -> None:
    """Open or not: no verdict could ever meet it."""

    def unread() -> Settings:
        raise AssertionError

    judge = Judge(unread, lambda: Asker(unread()), clock=lambda: 0, closed=False)
    ruling = judge("srv/sear\u2060ch")
    assert ruling.what == "deny"
    assert "has a control or invisible character" in ruling.reason


@pytest.mark.parametrize(("tool", "stopped"), [(TOOL, True), ("mcp__github__list", False)])
def test_numbers_of_any_length_are_passed_over(store: Path, tool: str, stopped: bool) -> None:  # noqa: FBT001
    """Five thousand digits, and what is no number: the tool is judged by its name."""
    asked = b'{"tool_input": [%s, 1e999999, NaN], "tool_name": "%s"}' % (
        b"9" * 5_000,
        tool.encode(),
    )
    assert bool(hook(store, asked, "claude-code")[0]) == stopped


def test_an_unknown_client_is_refused_in_one_line(store: Path) -> None:
    """With those that are known."""
    done = gonogo("guard", "hook", "emacs", store=store, stdin=event(TOOL))
    assert (done.returncode, done.stdout) == (64, "")
    assert "claude-code" in done.stderr


class _Input:
    """Standard input that holds some bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["tool_name", "x"]),
            st.one_of(st.text(max_size=20), st.integers(), st.none()),
        ).map(lambda found: json.dumps(found).encode()),
        st.just(b"[" * 100_000),
    )
)
def test_any_bytes_are_answered(
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A client never gets anything but its own form."""
    monkeypatch.setattr("sys.stdin", _Input(content))
    environ = {"GONOGO_STORE": str(tmp_path / "none.db"), "HOME": str(tmp_path)}
    for options in ([], ["--closed"]):
        assert guard(["hook", "codex", *options], environ) == 0
        [answered] = capsys.readouterr().out.splitlines()
        told = json.loads(answered)
        assert told == {} or told["hookSpecificOutput"]["permissionDecision"] == "deny"


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ("mcp__github__search", "github/search"),
        ("mcp__my__odd__tool", "my/odd__tool"),
        ("mcp__github__", None),
        ("mcp____x", None),
        ("Bash", None),
        ("Task", "claude"),
    ],
)
def test_a_tool_is_known_by_its_server_or_by_a_pattern(tool: str, name: str | None) -> None:
    """As `gonogo wrap` records it."""
    assert dependency_of(tool, GuardSettings(tools={"Task": "claude"})) == name


def test_no_client_is_told_to_allow() -> None:
    """What may go on goes the client's own way."""
    for form in CLIENTS.values():
        assert form(Ruling("allow")) == {}
