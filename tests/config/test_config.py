"""gonogo.toml: every key arrives, and every wrong one is a line that can be acted on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gonogo.config import default_store, load_settings
from gonogo.errors import ConfigError
from gonogo.settings import BaselineSettings, Settings

WHOLE = """
[dependencies."sentiment-v3"]
kind = "model"
provider = "acme"
latency_slo_ms = 2000
quality_bar = 0.6
fallback = ["sentiment-v2@1.4", "rules:keywords", "human"]
actuators = ["routes"]
depends_on = ["ticket-search"]
min_effect = 0.04
fallback_policy = "confirm"
stale_after = "2d"
baseline = { start = 2026-04-01, end = "2026-04-14" }
false_alarms_per_year = 2

[settings]
timezone = "Europe/Berlin"
retention = "90d"
store_text = true
notify.ops = { kind = "alertmanager", url = "http://localhost:9093" }
segment_pairs = ["tier*region"]
read_only = true

[settings.prices."gpt-4"]
input_usd_per_mtok = 30
output_usd_per_mtok = 60.0

[budgets.org]
limit_usd = 1000
window = "rolling:7d"

[budgets.nightly]
limit_usd = 60.5
window = "day"
dependencies = ["sentiment-v3"]
hard = true
hold_expires = "20m"
parent = "org"

[workloads.triage]
dependencies = { "sentiment-v3" = 400 }
budget = "nightly"
allow_unknown = true

[probes.golden]
dependency = "sentiment-v3"
url = "http://localhost:8000/v1/chat/completions"
golden = "golden/a.jsonl"
every = "5m"
timeout = "10s"
options = { model = "x", temperature = 0, stream = false }

[actuators.routes]
kind = "route_file"
path = "routes.json"
"""


def load(folder: Path, text: str, **options: str) -> Settings:
    """Write a gonogo.toml and load it."""
    path = folder / "gonogo.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(str(path), str(folder / "store.db"), options)


def test_every_key_arrives_in_stored_units(tmp_path: Path) -> None:
    """Each section of a whole file, in the units the services read."""
    loaded = load(tmp_path, WHOLE)
    dependency = loaded.dependency("sentiment-v3")
    assert dependency.baseline == BaselineSettings("2026-04-01", "2026-04-14")
    assert (dependency.quality_bar, dependency.stale_after_s) == (0.6, 2 * 86_400)
    assert dependency.fallback == ("sentiment-v2@1.4", "rules:keywords", "human")
    assert (loaded.timezone, loaded.retention_days, loaded.read_only) == ("Europe/Berlin", 90, True)
    assert loaded.rolled_up_segment_pairs == (("region", "tier"),)
    assert loaded.prices["gpt-4"].output_usd_per_mtok == 60.0
    nightly, org = loaded.budgets["nightly"], loaded.budgets["org"]
    assert (nightly.limit_micro_usd, nightly.required_confidence) == (60_500_000, 0.95)
    assert (nightly.hold_expires_s, nightly.parent) == (1200, "org")
    assert (org.window, org.window_s, org.required_confidence) == ("rolling", 604_800, 0.70)
    assert dict(loaded.workloads["triage"].dependencies) == {"sentiment-v3": 400}
    probe = loaded.probes["golden"]
    assert probe.golden == tmp_path / "golden/a.jsonl"
    assert dict(probe.options) == {"model": "x", "temperature": 0, "stream": False}
    assert loaded.actuators["routes"].options["path"] == str(tmp_path / "routes.json")


MLFLOW = "[actuators.a]\nkind = 'mlflow'\nurl = 'http://x'\nalias = 'champion'"
HAPROXY = "[actuators.a]\nkind = 'haproxy'\nsocket = '/s'\nbackend = 'models'"
WEBHOOK = "[actuators.a]\nkind = 'webhook'\nurl = 'http://x'\nsecret_env = 'HOOK_SECRET'"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[budget.x]\nlimit_usd = 1", "budget = did you mean budgets"),
        ("[notify.ops]\nkind = 'slack'", "notify = receivers stand as [settings.notify.NAME]"),
        ("[settings]\nstore = 'gonogo.db'", "settings.store named by --store or GONOGO_STORE"),
        ("[budgets.x]\nlimit_us = 1", "budgets.x.limit_us = 1 did you mean limit_usd"),
        ("[budgets.x]", "budgets.x.limit_usd is required"),
        ("[budgets.x]\nlimit_usd = -1", "budgets.x.limit_usd = -1 from 0 to 1e+09"),
        ("[budgets.x]\nlimit_usd = nan", "budgets.x.limit_usd NaN number"),
        ("[budgets.x]\nlimit_usd = true", "budgets.x.limit_usd = true number"),
        ("[budgets.x]\nlimit_usd = 1\nwindow = 'rolling'", 'window = "rolling" rolling:7d'),
        ("[budgets.x]\nlimit_usd = 1\nwindow = 'day:7d'", 'window = "day:7d" rolling:7d'),
        ("[budgets.x]\nlimit_usd = 1\nhold_expires = 15", "hold_expires = 15 duration 15m"),
        ("[budgets.x]\nlimit_usd = 1\nparent = 'y'", "budgets.x.parent no budget 'y' known: x"),
        ("[budgets.x]\nlimit_usd = 1\nparent = 'x'", "budgets.x.parent circle x > x"),
        ("[budgets.x]\nlimit_usd = 1\nhard = true\nrequired_confidence = 0.5", "0.95 hard"),
        ("[dependencies.m]\nfallback_policy = 'maybe'", "maybe allow, confirm, ask, deny"),
        ("[dependencies.m]\nkind = 'llm'", "llm model, skill, tool, api, prompt"),
        ("[dependencies.m]\nfallback = ['m']", "fallback itself"),
        ("[dependencies.m]\nfallback = ['a', 'a']", "fallback twice"),
        ("[dependencies.m]\nactuators = ['file']", "no actuator 'file'"),
        ("[dependencies.m]\nbaseline = { version = '1', outcome = 0.9 }", "baseline one of"),
        ("[dependencies.m]\nbaseline = { start = '2026-04-01' }", "baseline both start and end"),
        ("[dependencies.m]\nbaseline = { start = 2026-04-02, end = 2026-04-01 }", "end before"),
        ("[dependencies.m]\nbaseline = { start = 'May', end = 2026-04-01 }", "start May date"),
        ("[dependencies]\nm = 4", "dependencies.m = 4 table"),
        ("[workloads.w]", "workloads.w.dependencies required"),
        ("[workloads.w]\ndependencies = { a = 0 }", "workloads.w.dependencies.a = 0 whole"),
        ("[workloads.w]\ndependencies = { a = 1 }\nbudget = 'b'", "no budget 'b' none"),
        ("[actuators.a]\nkind = 'ftp'", 'actuators.a.kind = "ftp" route_file'),
        ("[actuators.a]\nkind = 'route_file'", "actuators.a.path is required"),
        ("[actuators.a]\nkind = 'mlflow'\nurl = 'ftp://x'", "actuators.a.url address https"),
        ("[actuators.a]\nkind = 'mlflow'\nurl = 'http://x'", "actuators.a.alias is required"),
        (f"{MLFLOW}\n", "actuators.a.targets is required"),
        (f"{MLFLOW}\ntargets = {{ m = '7', v2 = '7' }}", "targets gives two targets the same"),
        (f"{MLFLOW}\nsocket = '/s'", "actuators.a.socket kind, timeout, url, alias, targets"),
        (f"{HAPROXY}\ntargets = {{ m = 'a; shutdown' }}", "no name of a HAProxy server"),
        ("[actuators.a]\nkind = 'webhook'\nurl = 'http://x'", "secret_env is required"),
        (f"{WEBHOOK}\ntimeout = '5m'", "timeout at most 60s"),
        ("[probes.p]\nurl = 'http://x'", "probes.p.dependency is required"),
        ("[probes.p]\ndependency = 'x'", "either url or command"),
        ("[settings]\ntimezone = 'Mars/Olympus'", "timezone Mars/Olympus IANA"),
        ("[settings]\nretention = '3h'", "retention one day"),
        ("[settings]\nsegment_pairs = ['tier']", "segment_pairs tier*region"),
        ("[settings.prices.m]\ninput_usd_per_mtok = 1", "output_usd_per_mtok is required"),
        ("[settings\n", "TOML line 1"),
        ("[dependencies.'a\\u0007b']\nkind = 4\n[dependencies.\"c\\u0007\"]", "printable"),
    ],
)
def test_a_wrong_key_or_value_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    """The line names the file, the key, the value and what is allowed."""
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    message = str(raised.value)
    assert str(tmp_path / "gonogo.toml") in message
    assert "\n" not in message
    assert [word for word in words.split() if word not in message] == []
    assert raised.value.exit_code == 78


def test_circles_of_parents_are_named_whole(tmp_path: Path) -> None:
    """Any member would do as the culprit: the line shows the way round."""
    budgets = "".join(
        f"[budgets.{name}]\nlimit_usd = 1\nparent = '{parent}'\n"
        for name, parent in (("leaf", "a"), ("a", "b"), ("b", "c"), ("c", "a"))
    )
    with pytest.raises(ConfigError, match="a > b > c > a"):
        load(tmp_path, budgets)


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Silence would answer from defaults that nobody chose."""
    for wrong in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match=str(wrong)):
            load_settings(str(wrong), None, {})
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(None, None, {"GONOGO_CONFIG": str(tmp_path / "none.toml")})


def test_places_follow_flags_then_environment_then_the_user_folder(tmp_path: Path) -> None:
    """A relative XDG path is ignored, as its specification says."""
    home = {"HOME": str(tmp_path)}
    assert load_settings(None, "/x/a.db", {"GONOGO_STORE": "/x/b.db"}).store == "/x/a.db"
    assert load_settings(None, None, {"GONOGO_STORE": "/x/b.db", **home}).store == "/x/b.db"
    assert load_settings(None, "postgresql://h/db", {}).store == "postgresql://h/db"
    plain = load_settings(None, None, {**home, "XDG_DATA_HOME": "relative"})
    assert plain.store == str(default_store(home))
    assert plain.store.startswith(str(tmp_path))
    assert plain.config_path is None


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("sqlite:///var/gonogo.db", "an address of sqlite"),
        ("sqlite://", "an address of sqlite"),
        ("postgresql+psycopg://me:secret@db/g", r"an address of postgresql\+psycopg"),
        ("mysql://me:secret@db/g", "an address of mysql"),
        ("file:///var/gonogo.db", "an address of file"),
        ("$HOME/gonogo.db", r"\$HOME/gonogo.db is taken as it stands"),
        ("${workspaceFolder}/gonogo.db", "is taken as it stands"),
        ('"/var/gonogo.db"', "is taken as it stands"),
        ("%USERPROFILE%/gonogo.db", "is taken as it stands"),
        ("`pwd`/gonogo.db", "is taken as it stands"),
        ("<path>/gonogo.db", "is taken as it stands"),
        ("{{ data }}/gonogo.db", "is taken as it stands"),
        ("undefined", "is taken as it stands"),
        ("host=db password=secret dbname=gonogo", "is an address of a database: write the path"),
        ("Server=db;Password=secret", "is an address of a database: write the path"),
        ("postgresql:/me:secret@db/g", "an address of a database"),
        ("me:secret@db/g", "an address of a database"),
        ("SQLite:gonogo.db", "an address of SQLite"),
        (":memory:", "gone with each command"),
        ("~nobody-has-this-name/g.db", "no such home folder"),
    ],
)
def test_a_store_that_is_no_path_is_refused_in_one_line(store: str, said: str) -> None:
    """A folder named like an address, with its password, was made of it; nothing secret is said."""
    for typed, environ in ((store, {}), (None, {"GONOGO_STORE": store})):
        with pytest.raises(ConfigError, match=said) as refused:
            load_settings(None, typed, {"HOME": "/h", **environ})
        assert "secret" not in str(refused.value)


@pytest.mark.skipif(sys.platform == "win32", reason="there it is a path")
@pytest.mark.parametrize("store", [r"C:\Users\a b\gonogo.db", "d:/gonogo.db", r"\\host\share\g.db"])
def test_a_path_of_windows_is_refused_elsewhere(store: str) -> None:
    """Under WSL a file of that whole name was made in the folder of the day."""
    with pytest.raises(ConfigError, match="a path of Windows"):
        load_settings(None, store, {"HOME": "/h"})


def test_a_relative_store_of_the_environment_lies_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts a server may start it anywhere; what a person types is read where it is typed."""
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": "/h", "GONOGO_STORE": " team.db "}
    assert load_settings(None, None, environ).store == str(
        default_store(environ).parent / "team.db"
    )
    assert load_settings(None, "team.db", environ).store == str(tmp_path / "team.db")


def test_a_mark_before_the_text_is_no_part_of_it(tmp_path: Path) -> None:
    """Windows editors begin UTF-8 files with one."""
    file = tmp_path / "gonogo.toml"
    file.write_bytes(b"\xef\xbb\xbf[dependencies.m]\nprovider = 'acme'\n")
    assert load_settings(str(file), "/x/a.db", {}).dependency("m").provider == "acme"


HOMELESS = """
import os, sys
os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)
os.environ.clear()
from gonogo.config import load_settings
status = [load_settings(None, sys.argv[1], {}).store == sys.argv[1], run(["list"], {})]
os.environ.update(GONOGO_STORE=sys.argv[1])
from gonogo import route
print(status, route("m"))
del os.environ["GONOGO_STORE"]
print(route("other"))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become a user without an account")
def test_a_user_without_a_home_can_name_a_store(tmp_path: Path) -> None:
    """Containers run as a number: a named store works, without one it is one line, route answers."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    # What is imported later would have to be readable by that user.
    load = "from gonogo.__main__ import run\nimport gonogo.cli.next_steps, gonogo.cli.root, gonogo.routing\n"
    done = subprocess.run(
        [sys.executable, "-c", load + HOMELESS, str(folder / "s.db")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.stdout.splitlines()[-2:] == ["[True, 78] m", "other"], done.stderr
    assert "gonogo: This user has no home folder: name the store by GONOGO_STORE" in done.stderr


def test_the_users_own_file_is_found_and_the_working_directorys_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Desktop clients start servers anywhere: a gonogo.toml that happens to lie there is nothing."""
    (tmp_path / "gonogo.toml").write_text("[budgets.here]\nlimit_usd = 1")
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "conf")}
    assert load_settings(None, None, environ).budgets == {}
    (tmp_path / "conf/gonogo").mkdir(parents=True)
    (tmp_path / "conf/gonogo/gonogo.toml").write_text("[budgets.own]\nlimit_usd = 1")
    assert list(load_settings(None, None, environ).budgets) == ["own"]


def test_the_digest_names_the_content_and_not_its_order(tmp_path: Path) -> None:
    """Doctor compares digests between processes."""
    first = load(tmp_path, "[budgets.a]\nlimit_usd = 1\nhard = true\n[settings]\n")
    other_order = load(tmp_path, "[settings]\n[budgets.a]\nhard = true # sic\nlimit_usd = 1")
    other = load(tmp_path, "[settings]\n[budgets.a]\nhard = true\nlimit_usd = 2")
    assert first.digest == other_order.digest
    assert first.digest != other.digest


FUZZ = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KEYS = st.sampled_from(
    ["dependencies", "budgets", "x", "limit_usd", "parent", "baseline", "options", "kind", "path"]
)
VALUES = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.dates()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SECTION = st.sampled_from(
    ["dependencies", "settings", "budgets", "workloads", "probes", "actuators"]
)


@FUZZ
@given(content=st.dictionaries(SECTION, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4))
def test_any_content_is_settings_or_one_line(content: dict[str, object], tmp_path: Path) -> None:
    """No parsed TOML of any shape ends in a traceback."""
    from gonogo.config.sections import build_settings

    with contextlib.suppress(ConfigError):
        build_settings(content, tmp_path / "gonogo.toml", store="x", read_only=False, environ={})


@FUZZ
@given(content=st.binary(max_size=200))
def test_any_bytes_are_settings_or_one_line(tmp_path: Path, content: bytes) -> None:
    """A configuration file may be anything at all."""
    path = tmp_path / "gonogo.toml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load_settings(str(path), None, {})


def test_a_secret_comes_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    """gonogo.toml names the variable; neither the settings' text nor an error holds its value."""
    file = tmp_path / "gonogo.toml"
    file.write_text('settings.notify.pager = { kind = "pagerduty", routing_key_env = "PAGER_KEY" }')
    secret = load_settings(str(file), "s.db", {"PAGER_KEY": "k3y"}).notify["pager"].secret
    assert secret is not None
    assert secret.reveal(wanted_by="notify.pager") == "k3y"
    settings = load_settings(str(file), "s.db", {"PAGER_KEY": "k3y"})
    assert "k3y" not in repr(settings)
    unset = load_settings(str(file), "s.db", {}).notify["pager"].secret
    assert unset is not None
    with pytest.raises(ConfigError, match=r"notify\.pager: the environment variable PAGER_KEY is"):
        unset.reveal(wanted_by="notify.pager")


def test_an_actuator_is_parsed_with_its_targets_and_no_secret_shows(tmp_path: Path) -> None:
    """The variable is named, its value is in the environment; one pasted by mistake is not shown."""
    loaded = load(tmp_path, f"{MLFLOW}\ntargets = {{ m = '7', 'm@old' = '6' }}\ntimeout = '2s'")
    found = loaded.actuators["a"]
    assert (dict(found.targets), found.timeout_s) == ({"m": "7", "m@old": "6"}, 2)
    pasted = WEBHOOK.replace("HOOK_SECRET", "s3cr3t-value")
    with pytest.raises(ConfigError, match="must be the name of an environment variable") as raised:
        load(tmp_path, pasted)
    assert "s3cr3t" not in str(raised.value)


def test_a_configuration_folder_that_cannot_be_looked_into_is_said(tmp_path: Path) -> None:
    """Not passed over: it may set limits. A home without one has none."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ConfigError, match=r"cannot be read: .* or set HOME"):
        load_settings(None, None, {"HOME": str(tmp_path / "loop")})
    assert load_settings(None, None, {"HOME": str(tmp_path / "none")}).budgets == {}
