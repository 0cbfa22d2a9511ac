"""A next step that a person can type: every tool's call is a command that the command line knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from product import typed

from gonogo.answers import NextAction
from gonogo.cli.next_steps import COMMANDS, as_command, command_of
from gonogo.server.definitions import LISTED

SAMPLES = {"string": "x", "integer": 3, "number": 0.5, "boolean": True, "array": ["a", "b"]}


def schema(tool: str) -> dict[str, Any]:
    """What a tool takes, by name."""
    listed = json.loads((LISTED / f"{tool}.json").read_text())
    properties: dict[str, Any] = listed["inputSchema"]["properties"]
    return properties


def sample(part: dict[str, Any]) -> object:
    """A value that the schema allows."""
    return part["enum"][-1] if "enum" in part else SAMPLES[part["type"]]


CASES = [(tool, name) for tool in COMMANDS for name in schema(tool)]


@pytest.mark.parametrize(("tool", "name"), CASES)
def test_each_argument_of_a_tool_is_one_of_its_command(
    tool: str, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With what it requires beside it; what it answers is another matter."""
    _, first = COMMANDS[tool]
    properties = schema(tool)
    given: dict[str, Any] = {
        one: sample(properties[one]) for one in {first, name} & properties.keys()
    }
    action = NextAction(tool=tool, arguments=given, reason="")
    store = tmp_path_factory.mktemp("store") / "gonogo.db"
    done = typed(*command_of(action)[1:], store=store)
    for word in ("No such option", "Missing", "unexpected", "Invalid value"):
        assert word not in done.stderr


def test_every_tool_has_a_command() -> None:
    """But for what is recorded, which comes from a file."""
    assert {path.stem for path in LISTED.glob("*.json")} == {*COMMANDS, "record_observations"}
    made = NextAction(tool="record_observations", arguments={"observations": [{}]}, reason="begin")
    assert as_command(made) == "gonogo ingest FILE: begin"


def test_what_a_shell_would_read_is_quoted() -> None:
    """Names and reasons come from what was recorded."""
    asked: dict[str, Any] = {"dependency": "a b; rm", "reason": "it's $bad"}
    action = NextAction(tool="trigger_fallback", arguments=asked, reason="plan")
    told = """gonogo fallback 'a b; rm' --reason 'it'"'"'s $bad': plan"""
    assert as_command(action) == told


def test_a_name_that_looks_like_an_option_can_be_typed(tmp_path: Path) -> None:
    """Whoever calls a model --json is offered a command that asks about it."""
    (tmp_path / "calls.jsonl").write_text('{"dependency": "--json", "outcome": 1}\n')
    store = tmp_path / "s.db"
    typed("ingest", str(tmp_path / "calls.jsonl"), store=store)
    [step] = json.loads(typed("list", "--json", store=store).stdout)["next_actions"]
    done = typed(*command_of(NextAction(**step))[1:], store=store)
    assert done.returncode == 3
    assert "whether --json has drifted" in done.stdout


@pytest.mark.parametrize(("by", "option"), [("shadow", "--shadow"), ("split", "--at-once")])
def test_a_trial_is_typed_as_it_was_called(by: str, option: str) -> None:
    """How a version is tried, and how far it goes, are options of `promote`."""
    asked: dict[str, Any] = {
        "dependency": "m",
        "promote": "2",
        "promote_by": by,
        "share": 0.5,
        "reason": "x",
    }
    action = NextAction(tool="trigger_fallback", arguments=asked, reason="begin")
    assert command_of(action) == ["gonogo", "promote", "m", "2", "--to", "0.5", option]
