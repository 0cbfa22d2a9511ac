"""The house rules that a program can hold: sizes, imports, types, lint, documents that agree."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
CODE = sorted(
    p for top in ("src", "tests", "benchmarks", "examples") for p in (ROOT / top).rglob("*.py")
)
# A docstring's list of arguments, and the names in it.
_ARGS = re.compile(r"^Args:\n((?: {4}.*\n|\n)+)", re.MULTILINE)
_NAMED = re.compile(r"^ {4}(\w+):", re.MULTILINE)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*command: str) -> None:
    """Run a tool over the tree; its findings are the failure."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_too_long() -> None:
    """A file has at most 400 lines."""
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in CODE}
    assert lengths
    assert {p: n for p, n in lengths.items() if n > FILE_LINES_MAX} == {}


@cache
def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function by its file and name."""
    return [
        (f"{path.relative_to(ROOT)}:{node.name}", node)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_function_is_too_long() -> None:
    """A function has at most 50 lines, its docstring not counted."""
    too_long = {}
    for name, node in functions():
        first = node.body[0]
        documented = ast.get_docstring(node) is not None
        docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
        length = (node.end_lineno or 0) - node.lineno + 1 - docstring
        if length > FUNCTION_LINES_MAX:
            too_long[name] = length
    assert too_long == {}


def test_docstrings_name_the_arguments_that_there_are() -> None:
    """What `Args:` lists is an argument: one that was taken out is listed no more."""
    missing = {}
    for function, node in functions():
        section = _ARGS.search((ast.get_docstring(node) or "") + "\n")
        named = {*_NAMED.findall(section[1])} if section else set()
        gone = named - {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        if gone:
            missing[function] = gone
    assert missing == {}


def test_imports_go_one_way() -> None:
    """The layers of pyproject.toml hold, and the detectors stay pure."""
    run(str(BIN / "lint-imports"), "--no-cache")


def test_types_hold() -> None:
    """Mypy strict finds nothing."""
    run(sys.executable, "-m", "mypy", "--cache-dir", ".mypy_cache")


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=lambda c: c[0])
def test_lint_and_format_hold(command: tuple[str, ...]) -> None:
    """Ruff finds nothing, and would change nothing."""
    run(sys.executable, "-m", "ruff", *command, "--no-cache", ".")


def test_dependencies_are_the_agreed_ones() -> None:
    """The package carries eight dependencies; all else is an extra with a reason in CONTRIBUTING."""
    names = {re.split(r"[<>=]", d)[0] for d in PYPROJECT["project"]["dependencies"]}
    assert names == {"mcp", "pydantic", "httpx", "numpy", "aiosqlite", "anyio", "typer", "rich"}
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    for extra in PYPROJECT["project"]["optional-dependencies"]:
        assert f"`{extra}`" in contributing, (
            f"CONTRIBUTING.md gives no reason for the extra {extra}"
        )


def test_the_lock_names_no_address_and_pins_every_hash() -> None:
    """Any index can serve the lock, and none can alter it."""
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pins = re.findall(r"^([a-z0-9._-]+)==\S+", lock, re.MULTILINE)
    assert len(pins) > 40
    for block in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]
    locked = set(pins)
    for dependency in PYPROJECT["project"]["dependencies"]:
        assert re.split(r"[<>=]", dependency)[0] in locked


def test_gonogo_installs_beside_litellm_s_proxy() -> None:
    """What both need is pinned in the proxy's lock at a version that pyproject admits."""
    lock = (ROOT / "tests" / "peers" / "requirements" / "litellm.lock").read_text()
    pins = dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", lock, re.MULTILINE))
    needed = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
    shared = [need for need in needed if need.name in pins]
    assert {"mcp", "pydantic", "rich"} <= {need.name for need in shared}
    for need in shared:
        assert pins[need.name] in need.specifier, need


def test_version_and_owner_agree_everywhere() -> None:
    """pyproject, the package, server.json, the changelog and README's marker name one release."""
    sys_version = PYPROJECT["project"]["version"]
    server = json.loads((ROOT / "server.json").read_text())
    import gonogo

    assert gonogo.__version__ == sys_version == server["version"]
    assert f"<!-- mcp-name: {server['name']} -->" in (ROOT / "README.md").read_text()
    assert len(server["description"]) <= 100
    # The schema lets unknown keys pass, and `required` is a likely slip for `isRequired`.
    known = {"name", "description", "format", "isRequired", "isSecret", "default"}
    for package in server["packages"]:
        for variable in package["environmentVariables"]:
            assert set(variable) <= known
    assert re.search(
        rf"^## {re.escape(sys_version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )


def test_nothing_but_the_project_is_told() -> None:
    """No machine path and no registry host in what is committed."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    forbidden = re.compile(
        r"/work/|/root/|/home/[a-z]+/|files\.pythonhosted|pypi\.org/simple|registry\.npmjs"
    )
    found = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path == Path(__file__).resolve() or not path.is_file() or path.suffix in {".png", ".gz"}:
            continue
        if hit := forbidden.search(path.read_text(errors="replace")):
            found.append(f"{name}: {hit.group()}")
    assert found == []
