"""No secret that the configuration allows is in anything that is written or said."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from servers import Handler, Loopback, serving

from gonogo.__main__ import run
from gonogo.answers import FallbackPlan
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.settings import Settings

pytestmark = pytest.mark.anyio

SECRETS = {
    name: f"planted-{name.lower()}-5ecr3t"
    for name in (
        *("GONOGO_TOKEN", "GONOGO_READ_TOKEN", "PROBE_KEY", "JUDGE_KEY", "COMMAND_KEY", "HOOK_KEY"),
        *("MLFLOW_TOKEN", "NOTIFY_KEY", "PAGER_KEY", "SLACK_URL"),
    )
}
NOW_MS = 1_780_000_000_000
CONFIGURATION = """
[settings.notify.hook]
kind = "webhook"
url = "{url}/repeat"
secret_env = "NOTIFY_KEY"
[settings.notify.pager]
kind = "pagerduty"
url = "{url}/repeat"
routing_key_env = "PAGER_KEY"
[settings.notify.slack]
kind = "slack"
url_env = "SLACK_URL"

[actuators.hook]
kind = "webhook"
url = "{url}/repeat"
secret_env = "HOOK_KEY"
[actuators.registry]
kind = "mlflow"
url = "{url}"
alias = "champion"
token_env = "MLFLOW_TOKEN"
targets = {{ v2 = "2", m = "1" }}

[dependencies.m]
fallback = ["v2"]
fallback_policy = "allow"
actuators = ["hook", "registry"]

[budgets.nightly]
limit_usd = 10

[probes.echo]
dependency = "m"
url = "{url}/echo"
headers_env = {{ Authorization = "PROBE_KEY" }}
[probes.chat]
dependency = "m"
kind = "chat"
url = "{url}/echo"
model = "x"
api_key_env = "PROBE_KEY"
golden = "golden.jsonl"
judge_url = "{url}/echo"
judge_api_key_env = "JUDGE_KEY"
[probes.command]
dependency = "m"
kind = "mcp"
command = ["sh", "-c", "echo $COMMAND_KEY; echo $COMMAND_KEY >&2; exit 1"]
pass_env = ["COMMAND_KEY"]
"""


class Mirror(Handler):
    """Sends back all that it is sent: in an answer on /echo, in a failure elsewhere."""

    def do_POST(self) -> None:  # noqa: N802 - the base's name
        """Any request."""
        self.server.asked += 1
        # What a failure is quoted with is cut: what matters comes first.
        sent = f"{self.headers['Authorization']} {self.path} {self.body().decode()}"
        status = 200 if self.path == "/echo" else 400
        said = {"message": sent, "choices": [{"message": {"content": sent}}]}
        self.reply(json.dumps(said).encode(), status)

    do_GET = do_PATCH = do_POST  # noqa: N815 - the base's names


@pytest.fixture
def mirror() -> Iterator[Loopback]:
    """A peer that sends back what it is sent."""
    with serving(Mirror) as server:
        yield server


async def _live(settings: Settings) -> list[str]:
    """Everything that meets a peer with a secret in hand; what is said of it."""
    said: list[str] = []
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        said.append((await app.probe_once()).model_dump_json())
        plan = await app.trigger_fallback("m", reason="it got worse")
        assert isinstance(plan, FallbackPlan)
        result = await app.approve(plan.plan_id)
        said += [plan.model_dump_json(), result.model_dump_json()]
        said += [repr(entry) for entry in await app.reconcile()]
        stores = await app.stores()
        look = VerdictReading("m", "no_go", "it got worse", NOW_MS, e_value=500.0, needed=100.0)
        # The switch has opened an incident of the dependency: the look goes into it.
        await note_verdict(stores.incidents, look, new_id=lambda: "another")
        [(incident, _)] = await stores.incidents.incidents()
        told = await app.tell()
        assert len(told) == 3
        said += [repr(step) for step in told]
        said.append(await app.post_mortem(incident.id))
        said.append(repr(settings))
    return said


COMMANDS = (
    ("doctor", "--json"),
    ("decisions", "list", "--json"),
    ("incidents", "--json"),
    ("check", "trust", "--json"),
    ("check", "drift", "m"),
    ("route", "m", "--json"),
    ("fallback", "m", "--reason", "again"),
    ("backup", "copy.db"),
    ("audit", "verify"),
)


async def test_planted_secrets_are_found_nowhere(
    mirror: Loopback,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every peer sends back what it was sent; then files, logs and all outputs are searched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMAND_KEY", SECRETS["COMMAND_KEY"])
    environ = {
        **SECRETS,
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SLACK_URL": f"{mirror.url('/repeat')}?{SECRETS['SLACK_URL']}",
    }
    file = tmp_path / "configured" / "gonogo.toml"
    file.parent.mkdir()
    file.write_text(CONFIGURATION.format(url=mirror.url("")), encoding="utf-8")
    item = {"item": "a", "input": "hello", "judge": "is polite"}
    file.with_name("golden.jsonl").write_text(json.dumps(item), encoding="utf-8")
    store = tmp_path / "written" / "store.db"
    caplog.set_level(logging.WARNING)
    said = await _live(load_settings(str(file), str(store), environ))
    heard = mirror.asked
    await anyio.to_thread.run_sync(
        _type_all, said, environ | {"GONOGO_CONFIG": str(file), "GONOGO_STORE": str(store)}
    )
    said.append(caplog.text)
    assert heard >= 6
    _assert_clean(tmp_path, said)
    _assert_private([tmp_path / "copy.db", *store.parent.rglob("*")])


def _assert_clean(folder: Path, said: list[str]) -> None:
    for secret in SECRETS.values():
        assert not [text for text in said if secret in text]
        for path in filter(Path.is_file, folder.rglob("*")):
            assert secret.encode() not in path.read_bytes(), path


def _assert_private(written: list[Path]) -> None:
    assert {path: path.stat().st_mode & 0o077 for path in written} == dict.fromkeys(written, 0)


def _type_all(said: list[str], environ: dict[str, str]) -> None:
    for command in COMMANDS:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(command, environ)
        # The mirror refuses the registry's requests: an actuator that the doctor names as broken.
        wanted = range(70, 71) if command[0] == "doctor" else range(70)
        assert status in wanted, (command, out.getvalue(), err.getvalue())
        said += [out.getvalue(), err.getvalue()]
        assert said[-1] + said[-2]
