"""The guard among a client's hooks: nothing else is touched, and what a person set stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.errors import ConfigError
from gonogo.setup.clients import Client, place_of
from gonogo.setup.guard_hooks import HookPlace, commands_in, hook_place_of, planned_hook, program_of
from gonogo.setup.jsonc import Document, with_item, without_item
from gonogo.setup.merging import carry_out, planned

OURS = "/opt/a b/gonogo"
OTHER = {"matcher": "Bash", "hooks": [{"type": "command", "command": "lint"}], "x": None}


def place(client: Client, home: Path) -> HookPlace:
    """Where the client's hooks are."""
    found = hook_place_of(client, {"HOME": str(home)}, project=None)
    assert found is not None
    return found


def put(where: HookPlace, command: list[str] | None, stamp: str, **options: str) -> None:
    """Write the guard into the file, or take it out."""
    given = {f"--{name}": value for name, value in options.items()}
    carry_out(planned_hook(where, command, options=given, tools=()), stamp=stamp)


@pytest.mark.parametrize("client", ["claude-code", "codex", "gemini-cli"])
def test_the_guard_is_added_and_taken_out_and_nothing_else_changes(
    client: Client, tmp_path: Path
) -> None:
    """Other hooks, events and keys stay; a second time is no change."""
    where = place(client, tmp_path)
    where.path.parent.mkdir()
    old = {"a": 1, "hooks": {"Stop": [OTHER], where.event: [OTHER]}, "last": "ü"}
    where.path.write_text(json.dumps(old, indent=2, ensure_ascii=False))
    put(where, [OURS], "1", store="/s 1.db")
    found = json.loads(where.path.read_text())
    [_, entry] = found["hooks"][where.event]
    asked = f"'{OURS}' guard hook {where.speaks} --store '/s 1.db'"
    assert entry == {
        "matcher": "mcp_.*" if client == "gemini-cli" else "mcp__.*",
        "hooks": [{"type": "command", "command": asked}],
    }
    assert commands_in(where) == [asked]
    assert program_of(asked) == OURS
    assert planned_hook(where, [OURS], options={"--store": "/s 1.db"}, tools=()).is_none
    put(where, None, "2")
    assert json.loads(where.path.read_text()) == old
    assert planned_hook(where, None, options={}, tools=()).is_none


def test_an_entry_that_was_written_by_hand_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its matcher, timeout, neighbours and options stay; the program and what is given are new."""
    where = place("claude-code", tmp_path)
    where.path.parent.mkdir()
    hook = {
        "type": "command",
        "timeout": 5,
        "command": "/old/gonogo guard hook claude-code --closed --store=/s",
    }
    entry: dict[str, Any] = {"matcher": "mcp__crm__.*", "hooks": [OTHER["hooks"], hook]}
    where.path.write_text(f"// mine\n{json.dumps({'hooks': {'PreToolUse': [entry]}})}\n")
    put(where, ["/new/python", "-m", "gonogo"], "1", config="/c")
    text = where.path.read_text()
    assert text.startswith("// mine\n")
    hook["command"] = "/new/python -m gonogo guard hook claude-code --closed --store /s --config /c"
    assert Document(text).value == {"hooks": {"PreToolUse": [entry]}}
    put(where, None, "2")
    assert Document(where.path.read_text()).value == {
        "hooks": {"PreToolUse": [{**entry, "hooks": [OTHER["hooks"]]}]}
    }


def test_a_pattern_beyond_mcp_servers_has_every_tool_asked_about(tmp_path: Path) -> None:
    """And the matcher goes back when the pattern has gone."""
    where = place("codex", tmp_path)
    for stamp, tools, matcher in (("1", ("mcp__a__*", "Task"), ".*"), ("2", (), "mcp__.*")):
        carry_out(planned_hook(where, [OURS], options={}, tools=tools), stamp=stamp)
        assert json.loads(where.path.read_text())["hooks"]["PreToolUse"][0]["matcher"] == matcher


def test_server_and_guard_share_the_file_of_gemini_cli(tmp_path: Path) -> None:
    """One change has both, and a file that was saved meanwhile is left."""
    where = place("gemini-cli", tmp_path)
    servers = place_of("gemini-cli", {"HOME": str(tmp_path)}, project=None)
    assert servers.path == where.path
    first = planned(servers, {"command": OURS, "args": ["serve"]})
    change = planned_hook(where, [OURS], options={}, tools=(), on=first)
    carry_out(change, stamp="1")
    assert set(json.loads(where.path.read_text())) == {"mcpServers", "hooks"}
    late = planned_hook(where, None, options={}, tools=())
    where.path.write_text("{}")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        carry_out(late, stamp="2")


@pytest.mark.parametrize(
    "text",
    ["[]", '{"hooks": []}', '{"hooks": {"PreToolUse": {}}}', '{"hooks": {"PreToolUse": [1]}}'],
)
def test_another_shape_is_left(text: str, tmp_path: Path) -> None:
    """One line says so."""
    where = place("claude-code", tmp_path)
    where.path.parent.mkdir()
    where.path.write_text(text)
    with pytest.raises(ConfigError, match=r"Nothing was changed; docs/guard\.md"):
        put(where, [OURS], "1")
    with pytest.raises(ConfigError, match="is no list of hooks"):
        commands_in(where)
    assert where.path.read_text() == text


@given(
    items=st.lists(st.integers() | st.just({"a": [1, ","]}) | st.text(max_size=3), max_size=4),
    at=st.integers(0, 4),
    blank=st.sampled_from(["", " ", "\n", " /* , */ ", "// ]\n"]),
    trailing=st.booleans(),
)
def test_an_item_is_added_and_removed(
    items: list[object], at: int, blank: str, *, trailing: bool
) -> None:
    """Oracle: Python's lists. Comments and trailing commas are read over."""
    inner = f",{blank}".join(f"{json.dumps(item)}{blank}" for item in items)
    text = f'{{"l": [{blank}{inner}{"," if trailing and items else ""}{blank}]}}'
    added = with_item(text, ["l"], "new", indent="  ")
    assert Document(added).value == {"l": [*items, "new"]}
    place = min(at, len(items))
    removed = without_item(added, ["l"], place)
    assert Document(removed).value == {"l": [*items, "new"][:place] + [*items, "new"][place + 1 :]}
