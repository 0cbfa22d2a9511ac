"""The tools' schemas in the libraries that rebuild them: no keyword refused, no field lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from environments import python_environment
from gonogo_server import HERE, prepared, run

from every_argument import EVERY_ARGUMENT, EVERY_FIELD
from gonogo.server.definitions import LISTED

CLIENTS = HERE / "clients"
FRAMEWORKS = {
    "fastmcp": "fastmcp",
    "pydantic-ai": "pydantic-ai",
    "langchain-mcp-adapters": "langchain-mcp-adapters",
    # These agree on an older SDK, and share an environment.
    "crewai": "agent-frameworks",
    "crewai-tools": "agent-frameworks",
    "haystack": "agent-frameworks",
    "llama-index": "agent-frameworks",
    "semantic-kernel": "agent-frameworks",
    "smolagents": "agent-frameworks",
}


def test_gemini_openai_strict_and_grammars_take_every_schema_and_autogen_every_field(
    tmp_path: Path,
) -> None:
    """google-genai, openai-agents' strict mode, outlines and AutoGen, each the real one."""
    tools = [json.loads(path.read_text()) for path in sorted(LISTED.glob("*.json"))]
    listed, sent = tmp_path / "listed.json", tmp_path / "sent.json"
    listed.write_text(json.dumps(tools))
    sent.write_text(json.dumps(EVERY_ARGUMENT))
    python = python_environment("schemas")
    done = run(str(python), str(CLIENTS / "schemas_client.py"), str(listed), str(sent))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == EVERY_ARGUMENT


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_field_of_an_observation_comes_through(tmp_path: Path, framework: str) -> None:
    """What a framework's own model of the tool does not know would be refused, or lost unsaid."""
    sent = json.dumps({"observations": [EVERY_FIELD]})
    python = python_environment(FRAMEWORKS[framework])
    program = str(CLIENTS / "every_field.py")
    quiet = ("CREWAI_DISABLE_TELEMETRY=true", "HAYSTACK_TELEMETRY_ENABLED=false")
    own = ("env", f"HOME={tmp_path}", *quiet, str(python))
    heard = tmp_path / "heard.jsonl"
    listening = ("sh", "-c", 'tee "$0" | "$@"', str(heard))
    done = run(*own, program, framework, sent, *listening, *prepared(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 recorded." in done.stdout
    asked = [json.loads(line) for line in heard.read_text().splitlines()]
    [call] = [each["params"] for each in asked if each.get("method") == "tools/call"]
    [given] = call["arguments"]["observations"]
    assert {name: value for name, value in given.items() if value is not None} == EVERY_FIELD
