"""From nothing to a client that starts the server: `init`, `install`, and what they refuse."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from product import GONOGO, environment, gonogo, typed


def test_init_writes_a_configuration_that_doctor_accepts(tmp_path: Path) -> None:
    """It is found where gonogo looks by itself; a second init leaves it."""
    store = tmp_path / "s.db"
    made = gonogo("init", "--dependency", "m", "--budget-usd", "5", store=store)
    assert (made.returncode, made.stderr) == (0, "")
    file = tmp_path / ".config" / "gonogo" / "gonogo.toml"
    assert str(file) in made.stdout
    doctor = gonogo("doctor", store=store)
    assert "dependencies: 1, budgets: 1, workloads: 1" in doctor.stdout
    again = gonogo("init", store=store)
    assert (again.returncode, again.stderr.count("\n")) == (78, 1)
    assert "is there already" in again.stderr


def test_doctor_names_a_budget_in_which_nothing_counts(tmp_path: Path) -> None:
    """It lists nothing, and no call bears its name; one that does, or is a parent, is no news."""
    config, calls, store = tmp_path / "gonogo.toml", tmp_path / "calls.jsonl", tmp_path / "s.db"
    team = '[budgets.team]\nlimit_usd = 90\n[budgets.day]\nlimit_usd = 9\nparent = "team"\n'
    config.write_text(team + "[budgets.lost]\nlimit_usd = 9\n")
    calls.write_text('{"dependency": "m", "cost_usd": 1, "budget": "day"}')
    place = ("--config", str(config))
    typed("ingest", str(calls), *place, store=store)
    doctor = typed("doctor", *place, store=store)
    assert doctor.returncode == 0
    told = [line for line in doctor.stdout.splitlines() if line.startswith("budget ")]
    assert [line.split("\t")[0] for line in told] == ["budget lost"]


def test_what_lies_behind_the_first_page_of_names_counts(tmp_path: Path) -> None:
    """Of sixty dependencies the last has the newest call, then one that lies ahead of the clock."""
    calls, store = tmp_path / "calls.jsonl", tmp_path / "s.db"
    old = [
        {"dependency": f"m{i:02}", "ts": "2026-01-01T00:00:00Z", "outcome": 1} for i in range(60)
    ]
    late = old[-1] | {"ts": "2026-01-02T00:00:00Z"}
    calls.write_text("\n".join(map(json.dumps, [*old, late])))
    typed("ingest", str(calls), store=store)
    doctor = typed("doctor", store=store)
    assert "dependencies: 60, newest observation 2026-01-02T00:00:00Z" in doctor.stdout
    page = json.loads(typed("list", "--json", store=store).stdout)
    narrow = json.loads(typed("list", "m59", "--json", store=store).stdout)
    assert (len(page["dependencies"]), page["total"]) == (50, 60)
    assert 0 <= narrow["data_age_s"] - page["data_age_s"] <= 60
    ahead = datetime.now(UTC) + timedelta(hours=12)
    calls.write_text(json.dumps(late | {"ts": ahead.isoformat()}))
    typed("ingest", str(calls), store=store)
    assert "m59 lie ahead of the clock" in typed("list", store=store).stdout


def test_a_wish_that_is_wrong_leaves_nothing_behind(tmp_path: Path) -> None:
    """The line names the key and what is allowed."""
    wrong = typed("init", "--budget-usd", "5", "--window", "decade", store=tmp_path / "s.db")
    assert wrong.returncode == 78
    assert 'window = "decade": must be hour, day' in wrong.stderr
    assert not list(tmp_path.rglob("gonogo.toml"))


def test_a_configuration_that_is_named_and_not_there_is_what_init_writes(tmp_path: Path) -> None:
    """By GONOGO_CONFIG or --config; until then doctor says so, install goes on, a check refuses."""
    store, file = tmp_path / "s.db", tmp_path / "mine" / "gonogo.toml"
    environ = {"GONOGO_CONFIG": str(file)}
    missing = typed("doctor", store=store, environ=environ)
    assert missing.returncode == 70
    assert f"{file}: there is no such file; gonogo init writes it" in missing.stdout
    refused = typed("list", store=store, environ=environ)
    assert (refused.returncode, f"gonogo init {file}" in refused.stderr) == (78, True)
    installed = typed("install", "cursor", "--yes", store=store, environ=environ)
    assert installed.returncode == 0
    assert installed.stdout.endswith(f"{file} is not there yet: gonogo init writes it.\n")
    made = typed("init", "--dependency", "m", store=store, environ=environ)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith(f"Wrote {file}.")
    assert typed("doctor", store=store, environ=environ).returncode == 0
    other = tmp_path / "other.toml"
    assert typed("init", "--config", str(other), store=store, environ=environ).returncode == 0
    assert other.is_file()


def test_a_configuration_of_the_folder_is_not_followed_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is named, or the person has one of their own, nothing is said."""
    store, file = tmp_path / "s.db", tmp_path / "work" / "gonogo.toml"
    file.parent.mkdir()
    file.write_text("[budgets.work]\nlimit_usd = 5\n")
    monkeypatch.chdir(file.parent)
    passed_over = typed("check", "budget", "work", store=store)
    assert passed_over.returncode == 66
    assert "gonogo.toml of this folder is not read by itself" in passed_over.stderr
    named = typed("check", "budget", "work", "--config", "gonogo.toml", store=store)
    assert "not read" not in named.stderr
    assert typed("init", "--dependency", "m", store=store).returncode == 0
    assert "not read" not in typed("list", store=store).stderr


def test_install_shows_the_change_and_writes_only_when_told(tmp_path: Path) -> None:
    """Without a terminal and --yes it shows, and changes nothing."""
    store = tmp_path / "s.db"
    file = tmp_path / ".cursor" / "mcp.json"
    shown = typed("install", "cursor", store=store)
    assert shown.returncode == 1
    assert '+    "gonogo": {' in shown.stdout
    assert not file.exists()
    assert typed("install", "cursor", "--yes", store=store).returncode == 0
    assert typed("install", "cursor", "--yes", store=store).stdout.endswith("says so already.\n")
    [server] = json.loads(file.read_text())["mcpServers"].values()
    assert server == {"command": GONOGO, "args": ["serve", "--store", str(store)]}
    file.write_text(file.read_text().replace('"args"', '"env": {"A": "1"},\n"args"'))
    for options, args in (
        (["--read-only"], ["--read-only"]),
        ([], ["--read-only"]),
        (["--may-act"], []),
    ):
        typed("install", "cursor", "--yes", *options, store=store)
        [server] = json.loads(file.read_text())["mcpServers"].values()
        assert server["args"] == ["serve", "--store", str(store), *args]
        assert server["env"] == {"A": "1"}


def test_a_shared_store_and_its_password_go_into_the_environment(tmp_path: Path) -> None:
    """Clients start a server without ours; the screen shows no password."""
    environ = {"GONOGO_STORE": "postgresql://me:hush@db.example/gonogo"}
    done = typed("install", "claude-code", "--yes", store=tmp_path / "s.db", environ=environ)
    assert (done.returncode, "hush" in done.stdout) == (0, False)
    [server] = json.loads((tmp_path / ".claude.json").read_text())["mcpServers"].values()
    assert (server["args"], server["env"]) == (["serve"], environ)


@pytest.mark.anyio
async def test_what_was_installed_starts_the_server(tmp_path: Path) -> None:
    """A client that does what the file says gets the tools."""
    file = tmp_path / ".vscode" / "mcp.json"
    command = ["install", "vscode", "--project", str(tmp_path), "--read-only", "--yes"]
    assert gonogo(*command, store=tmp_path / "s.db").returncode == 0
    server = json.loads(await anyio.Path(file).read_text())["servers"]["gonogo"]
    started = StdioServerParameters(command=server["command"], args=server["args"])
    async with Client(started, read_timeout_seconds=60) as client:
        assert "preflight" in {tool.name for tool in (await client.list_tools()).tools}


def test_doctor_says_what_each_client_starts(tmp_path: Path) -> None:
    """None at first; then the one that is set up; one that starts nothing is broken, status 70."""
    store = tmp_path / "s.db"
    assert "none is set up" in typed("doctor", store=store).stdout
    typed("install", "cursor", "--yes", store=store)
    told = json.loads(typed("doctor", "--json", store=store).stdout)["findings"]
    [found] = [finding for finding in told if finding["what"] == "cursor"]
    assert found["state"] == "ok"
    file = tmp_path / ".cursor" / "mcp.json"
    file.write_text(file.read_text().replace(GONOGO, "/gone/gonogo"))
    broken = typed("doctor", store=store)
    assert broken.returncode == 70
    assert "which is not there" in broken.stdout


@pytest.mark.parametrize(
    ("record", "points", "brings"),
    [
        ("gonogo/__init__.py,,\n", "", "a module"),
        ("", "[console_scripts]\ngonogo = other:run\n", "a command"),
        (
            "gonogo/__init__.py,,\n",
            "[console_scripts]\ngonogo = other:run\n",
            "a module and command",
        ),
        ("other/gonogo/__init__.py,,\n", "[console_scripts]\ngonogo2 = other:run\n", None),
    ],
)
def test_doctor_names_another_distribution_that_is_called_gonogo(
    tmp_path: Path, record: str, points: str, brings: str | None
) -> None:
    """By its module or its command; one that merely begins alike is nothing to say."""
    info = tmp_path / "site" / "go_no_go-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: go-no-go\nVersion: 1.0\n")
    (info / "RECORD").write_text(record)
    (info / "entry_points.txt").write_text(points)
    where = {"PYTHONPATH": str(info.parent)}
    done = gonogo("doctor", "--json", store=tmp_path / "s.db", environ=where)
    said = [f["said"] for f in json.loads(done.stdout)["findings"] if f["state"] == "broken"]
    assert done.returncode == (70 if brings else 0)
    assert [brings is not None and f"go-no-go brings {brings} named gonogo" in s for s in said] == (
        [True] if brings else []
    )


def test_an_unknown_client_is_named(tmp_path: Path) -> None:
    """With the nearest one, and status 64; a client without a link says what to do."""
    wrong = typed("install", "curser", store=tmp_path / "s.db")
    assert (wrong.returncode, wrong.stderr) == (
        64,
        (
            "gonogo: No client 'curser': did you mean cursor? known: "
            "claude-desktop, claude-code, vscode, cursor, codex, gemini-cli, zed, cline, goose, continue.\n"
        ),
    )
    assert typed("install", "claude-code", "--link", store=tmp_path / "s.db").returncode == 64
    link = typed("install", "cursor", "--link", store=tmp_path / "s.db").stdout
    assert link.startswith("cursor://anysphere.cursor-deeplink/mcp/install?name=gonogo&config=")


@pytest.mark.parametrize(
    ("typed_so_far", "offered"),
    [("ch", "check"), ("check dr", "drift"), ("check drift --basel", "--baseline-version")],
)
def test_bash_completes_commands_and_options(
    tmp_path: Path, typed_so_far: str, offered: str
) -> None:
    """`--install-completion` writes what a new shell reads; the shell then asks the program."""
    here = environment(tmp_path / "s.db")
    here["PATH"] = f"{Path(GONOGO).parent}:{here['PATH']}"

    def bash(script: str) -> str:
        # The trailing `:` keeps bash alive as the parent by which the program knows its shell.
        done = subprocess.run(
            ["bash", "-c", f"{script}; :"], env=here, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout

    bash("gonogo --install-completion")
    words = f"COMP_WORDS=(gonogo {typed_so_far}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))"
    complete = f'. ~/.bashrc; {words}; _gonogo_completion gonogo; echo "${{COMPREPLY[@]}}"'
    assert bash(complete) == f"{offered}\n"


def test_install_writes_the_guard_and_doctor_says_what_it_asks(tmp_path: Path) -> None:
    """The written command answers an event; a client without hooks is refused; it can be taken out."""
    store = tmp_path / "s b.db"
    file = tmp_path / ".claude" / "settings.json"
    made = typed("install", "claude-code", "--guard", "--yes", store=store)
    assert (made.returncode, made.stdout.count("\nWrote ")) == (0, 2)
    [entry] = json.loads(file.read_text())["hooks"]["PreToolUse"]
    [hook] = entry["hooks"]
    event = (Path(__file__).parent / "hook_events" / "claude-code.json").read_bytes()
    asked = ["sh", "-c", hook["command"]]
    done = subprocess.run(asked, input=event, capture_output=True, check=True, env={})
    assert (json.loads(done.stdout), done.stderr) == ({}, b"")
    assert "\nclaude-code guard\tok\t" in typed("doctor", store=store).stdout
    file.write_text(file.read_text().replace(GONOGO, "/gone/gonogo"))
    broken = typed("doctor", store=store)
    assert (broken.returncode, "so no call is stopped" in broken.stdout) == (70, True)
    assert typed("install", "claude-code", "--no-guard", "--yes", store=store).returncode == 0
    assert json.loads(file.read_text()) == {"hooks": {"PreToolUse": []}}
    refused = typed("install", "cursor", "--guard", "--yes", store=store)
    assert (refused.returncode, refused.stderr.count("\n")) == (64, 1)
    assert "gonogo wrap NAME --enforce" in refused.stderr
