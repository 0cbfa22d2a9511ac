"""Setting up: a configuration that loads, and client files in which nothing else is touched."""

from __future__ import annotations

import base64
import json
import tomllib
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.config import load_settings
from gonogo.errors import ConfigError
from gonogo.setup.clients import CLIENTS, Client, Place, entry, link, place_of
from gonogo.setup.merging import carry_out, planned
from gonogo.setup.template import Wishes, filled

NAMES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40
)
SERVER: dict[str, object] = {"command": "/opt/gonogo", "args": ["serve"]}


@given(
    st.lists(NAMES, max_size=3, unique=True),
    st.lists(NAMES, max_size=3, unique=True),
    st.none() | st.floats(0.01, 1e6),
)
def test_what_init_writes_is_a_configuration(
    names: list[str], ladder: list[str], budget_usd: float | None
) -> None:
    """Whatever the names hold, the file parses and says what was asked for."""
    text = filled(Wishes(tuple(names), tuple(ladder), budget_usd))
    found = tomllib.loads(text)
    assert list(found["dependencies"]) == (names or ["my-model"])
    assert ("budgets" in found) == (budget_usd is not None)
    for name in names:
        wanted = [target for target in ladder if target != name]
        assert found["dependencies"][name].get("fallback", []) == wanted


def test_the_written_configuration_loads(tmp_path: Path) -> None:
    """Also every line that it has as a comment is a key that is known."""
    file = tmp_path / "gonogo.toml"
    file.write_text(filled(Wishes(("m",), ("v2",), 60.0)))
    settings = load_settings(str(file), "s.db", {})
    assert settings.dependency("m").fallback == ("v2",)
    assert settings.dependency("m").actuators == ("routes",)
    assert settings.budgets["main"].limit_micro_usd == 60_000_000
    assert settings.workloads["main"].budget == "main"
    lines = file.read_text().splitlines()
    bare = [line.removeprefix("# ") if " = " in line or line[2:3] == "[" else "" for line in lines]
    done = dict.fromkeys(line.split(" = ")[0] for line in bare if line)
    assert {"latency_slo_ms", "timezone", "retention", "routing_key_env"} < set(done)
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line or line.startswith("# [") else line
        for line in lines
    )
    file.write_text(uncommented)
    (tmp_path / "golden.jsonl").write_text("")
    load_settings(str(file), "s.db", {})


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_is_added_and_nothing_else_changes(client: Client, tmp_path: Path) -> None:
    """Other servers, other keys and their order stay; the old file is kept; again is no change."""
    place = place_of(client, {"HOME": str(tmp_path)}, project=None)
    place.path.parent.mkdir(parents=True, exist_ok=True)
    old = {"theme": "dark", place.key: {"other": {"command": "x"}}, "last": [1, {"ü": None}]}
    place.path.write_text(json.dumps(old, indent=4))
    place.path.chmod(0o640)
    server = entry(client, "/opt/gonogo", config="/c.toml", store=None, read_only=True)
    change = planned(place, server)
    assert '+        "gonogo": {' in change.diff()
    kept = carry_out(change, stamp="now")
    assert kept is not None
    assert json.loads(kept.read_text()) == old
    new = json.loads(place.path.read_text())
    assert list(new) == list(old)
    assert new[place.key].pop("gonogo") == server
    assert new == old
    assert place.path.stat().st_mode & 0o777 == 0o640
    assert planned(place, server).is_none
    assert sorted(p.name for p in place.path.parent.glob(f"{place.path.name}*")) == [
        place.path.name,
        kept.name,
    ]


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """With its folders; there is nothing to keep."""
    place = Place(tmp_path / "a" / "b.json", "servers", "")
    assert carry_out(planned(place, SERVER), stamp="now") is None
    assert json.loads(place.path.read_text()) == {"servers": {"gonogo": SERVER}}
    assert place.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"servers": {} // mine\n}', "not plain JSON"),
        ("[]", "no table of servers"),
        ('{"servers": []}', "no table of servers"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left(text: str, said: str, tmp_path: Path) -> None:
    """Comments, another shape: one line says what to add by hand."""
    file = tmp_path / "mcp.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        planned(Place(file, "servers", ""), SERVER)
    with pytest.raises(ConfigError, match="Nothing was changed; add under"):
        planned(Place(file, "servers", ""), SERVER)
    assert file.read_text() == text


def test_links_carry_the_server() -> None:
    """Decoded, they are what the file would hold."""
    server = entry("cursor", "/opt/a b/gonogo", config=None, store="/s.db", read_only=False)
    cursor = urllib.parse.urlparse(link("cursor", server) or "")
    query = urllib.parse.parse_qs(cursor.query)
    assert query["name"] == ["gonogo"]
    assert json.loads(base64.b64decode(query["config"][0])) == server
    assert server["args"] == ["serve", "--store", "/s.db"]
    vscode = (link("vscode", server) or "").partition("?")
    assert vscode[0] == "vscode:mcp/install"
    assert json.loads(urllib.parse.unquote(vscode[2])) == {"name": "gonogo", **server}
    assert link("claude-desktop", server) is None
