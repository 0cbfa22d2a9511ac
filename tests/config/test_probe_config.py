"""`[probes.NAME]`: every key arrives, every wrong one is refused in a line, no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.config import load_settings
from gonogo.errors import ConfigError
from gonogo.settings import ProbeSettings, Secret

BUDGET = "[budgets.tests]\nlimit_usd = 1\n"
SECRET = "sk-1234567890"  # noqa: S105 - what must not be seen


CHAT = """
url = "https://api.example.com/v1/chat/completions"
model = "m-1"
system = "Be brief."
options = { temperature = 0, stop = ["x"] }
golden = "g.jsonl"
every = "5m"
timeout = "20s"
repeat = 2
concurrency = 8
version = "v7"
max_bytes = 5000
headers = { X-Team = "core" }
api_key_env = "M_KEY"
headers_env = { X-Org = "M_ORG" }
budget = "tests"
max_cost_usd = 0.25
call_cost_usd = 0.001
functions = ["rules:polite"]
judge_url = "http://judge:9000/score"
judge_api_key_env = "J_KEY"
"""


def load(folder: Path, table: str, **environ: str) -> ProbeSettings:
    """The one probe of a gonogo.toml."""
    path = folder / "gonogo.toml"
    path.write_text(f"{BUDGET}[probes.p]\ndependency = 'd'\n{table}", encoding="utf-8")
    return load_settings(str(path), str(folder / "store.db"), environ).probes["p"]


def test_every_key_of_a_chat_probe_arrives(tmp_path: Path) -> None:
    """In stored units; secrets with their variable's name."""
    found = load(
        tmp_path,
        CHAT,
        M_KEY=SECRET,
        J_KEY="j",
    )
    assert found == ProbeSettings(
        name="p",
        dependency="d",
        kind="chat",
        url="https://api.example.com/v1/chat/completions",
        model="m-1",
        system="Be brief.",
        options={"temperature": 0, "stop": ["x"]},
        golden=tmp_path / "g.jsonl",
        every_s=300,
        timeout_s=20,
        repeat=2,
        concurrency=8,
        version="v7",
        bytes_max=5000,
        headers={"X-Team": "core"},
        secret_headers={
            "Authorization": Secret("M_KEY", SECRET, "Bearer "),
            "X-Org": Secret("M_ORG", ""),
        },
        budget="tests",
        run_micro_usd_max=250_000,
        call_micro_usd=1_000,
        functions=("rules:polite",),
        judge_url="http://judge:9000/score",
        judge_headers={"Authorization": Secret("J_KEY", "j", "Bearer ")},
    )
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("url = 'http://h/v1/chat/completions'", "chat"),
        ("url = 'http://h/mcp'", "mcp"),
        ("command = ['server']", "mcp"),
        ("url = 'http://h/health'", "http"),
        ("url = 'http://h/health'\nkind = 'mcp'", "mcp"),
    ],
)
def test_the_kind_is_told_by_what_is_asked(tmp_path: Path, table: str, kind: str) -> None:
    """Unless it is stated."""
    assert load(tmp_path, table).kind == kind


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("url = 'http://h'\ncommand = ['x']", "either url or command"),
        ("command = []", "command = [] must list a program"),
        ("url = 'ftp://h'", "url = ftp://h must be an address"),
        ("url = 'http://'", "must be an address"),
        ("url = 'http://h:99999/'", "must be an address"),
        ("url = 'http://h/'\nmodel = 'm'", 'model is for kind = "chat"'),
        ("url = 'http://h/mcp'\nmethod = 'GET'", 'method is for kind = "http"'),
        ("command = ['x']\nheaders = {}", "headers goes with url"),
        ("url = 'http://h/mcp'\npass_env = ['X']", "pass_env goes with command"),
        ("command = ['x']\ngolden = 'g'", "tool is required with golden"),
        ("url = 'http://h/'\nmethod = 'PUT'", "method must be one of GET, POST"),
        ("url = 'http://h/'\nanswer = 'x'", "answer must be a JSON pointer"),
        ("url = 'http://h/'\nrepeat = 0", "repeat from 1 to 10"),
        ("url = 'http://h/'\nheaders = { 'a b' = 'x' }", "no name of an HTTP header"),
        ("url = 'http://h/'\nfunctions = ['os.system']", "functions must list"),
        ("url = 'http://h/'\nbudget = 'tests'", "max_cost_usd is required with budget"),
        ("url = 'http://h/'\nmax_cost_usd = 1", "call_cost_usd is required with max_cost_usd"),
        (
            "url = 'http://h/chat/completions'\nbudget = 'test'\nmax_cost_usd = 1",
            "there is no budget 'test'; known: tests",
        ),
        ("url = 'http://h/chat/completions'\noptions = { t = 2026-01-01 }", "options.t must be"),
    ],
)
def test_a_wrong_key_is_one_line(tmp_path: Path, table: str, told: str) -> None:
    """Which names what is allowed."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, table)
    message = str(refused.value)
    assert "\n" not in message
    for word in told.split():
        assert word in message


@pytest.mark.parametrize(
    "table",
    [
        f"url = 'http://h/'\napi_key_env = '{SECRET}'",
        f"url = 'http://h/'\nheaders_env = {{ X-Key = '{SECRET}' }}",
        f"url = 'http://h/'\nheaders = {{ Authorization = 'Bearer {SECRET}' }}",
        f"url = 'http://user:{SECRET}@h/'",
        f"command = ['x']\npass_env = ['{SECRET}']",
    ],
)
def test_a_secret_that_is_put_into_the_file_is_not_shown(tmp_path: Path, table: str) -> None:
    """The refusal says where secrets belong, and does not repeat it."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, table)
    assert SECRET not in str(refused.value)
    assert "variable" in str(refused.value)
