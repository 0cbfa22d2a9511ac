"""The tools' schemas in the libraries that rebuild them: no keyword refused, no field lost."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from environments import python_environment
from gonogo_server import GONOGO, HERE, prepared, run

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
    done = run(*own, program, framework, sent, *prepared(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 recorded." in done.stdout
    (tmp_path / "sent.jsonl").write_text(json.dumps(EVERY_FIELD))
    ingested = tmp_path / "ingested.db"
    run(GONOGO, "ingest", str(tmp_path / "sent.jsonl"), "--store", str(ingested))
    assert kept(tmp_path / "gonogo.db") == kept(ingested)


def kept(store: Path) -> dict[str, object]:
    """The call as it is stored; of a text, whose number is the store's own, that there is one."""
    with closing(sqlite3.connect(store)) as connection:
        connection.row_factory = sqlite3.Row
        [row] = connection.execute(
            "SELECT o.*, d.kind, d.provider, d.embedding_size FROM observation o"
            " JOIN dependency d ON d.id = o.dependency_id WHERE d.name = ?",
            (EVERY_FIELD["dependency"],),
        )
        return {
            name: value is not None if name.endswith("_id") else value
            for name, value in dict(row).items()
            if name not in ("seq", "segments", "metrics", "writer_id")
        } | {"segments": len(row["segments"]), "metrics": len(row["metrics"])}
