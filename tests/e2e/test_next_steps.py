"""A next step that a person can type: every tool's call is a command that the command line knows."""

from __future__ import annotations

import json
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
