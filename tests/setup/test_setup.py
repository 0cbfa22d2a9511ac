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
from gonogo.setup.clients import CLIENTS, Client, Place, entry, link, place_of, program_in
from gonogo.setup.jsonc import Document
from gonogo.setup.merging import carry_out, planned, server_in
from gonogo.setup.template import InitialConfig, filled

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
    text = filled(InitialConfig(tuple(names), tuple(ladder), budget_usd))
    found = tomllib.loads(text)
    assert list(found["dependencies"]) == (names or ["my-model"])
    assert ("budgets" in found) == (budget_usd is not None)
    for name in names:
        wanted = [target for target in ladder if target != name]
        assert found["dependencies"][name].get("fallback", []) == wanted


def test_the_written_configuration_loads(tmp_path: Path) -> None:
    """Also every line that it has as a comment is a key that is known."""
    file = tmp_path / "gonogo.toml"
    file.write_text(filled(InitialConfig(("m",), ("v2",), 60.0)))
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


JSON_CLIENTS = [client for client in CLIENTS if client not in ("codex", "goose")]


@pytest.mark.parametrize("client", JSON_CLIENTS)
def test_a_server_is_added_and_nothing_else_changes(client: Client, tmp_path: Path) -> None:
    """Other servers, other keys and their order stay; the old file is kept; again is no change."""
    place = place_of(client, {"HOME": str(tmp_path)}, project=None)
    place.path.parent.mkdir(parents=True, exist_ok=True)
    old = {"theme": "dark", place.key: {"other": {"command": "x"}}, "last": [1, {"ü": None}]}
    place.path.write_text(json.dumps(old, indent=4, ensure_ascii=False))
    place.path.chmod(0o640)
    server = entry(client, ["/opt/gonogo"], config="/c.toml", store=None, read_only=True)
    change = planned(place, server)
    assert '+        "gonogo": {' in change.diff()
    removed = [line for line in change.diff().splitlines() if line.startswith("-")]
    assert removed == []
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


COMMENTED = """// mine
{
\t"a": [1, 2,], // two
\t/* servers */
\t"servers": {
\t\t"x": {"command": "x"}, // last
\t},
}
"""


def test_comments_and_trailing_commas_stay(tmp_path: Path) -> None:
    """Zed's and VS Code's files have them; every other byte is as it was."""
    place = Place(tmp_path / "mcp.json", "servers", "")
    place.path.write_text(COMMENTED)
    carry_out(planned(place, SERVER), stamp="1")
    text = place.path.read_text()
    added = [line for line in text.splitlines() if line not in COMMENTED.splitlines()]
    assert "\n".join(line for line in text.splitlines() if line not in added) in COMMENTED.rstrip()
    assert server_in(place) == SERVER
    again = {**SERVER, "args": ["serve", "--read-only"]}
    carry_out(planned(place, again), stamp="2")
    assert server_in(place) == again
    assert "// last" in place.path.read_text()
    assert place.path.read_text().startswith("// mine")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{}",
        "{ }\n",
        '{"a":1}',
        '{"servers":{}}',
        '{"servers":{"x":{}}}',
        '{"a":"\\ud800"}',
        "// nothing yet\n",
        '\ufeff{"a": 1}',
        '{\n  "a": "}, // no comment"\n}\n',
        '{"servers": {"x": {},}}',
        '{"servers": {"x": {} /* mine */ } }',
        '{"servers": { /* none */ }}',
        '{\n  "servers": {\n    // mine: none yet\n  }\n}\n',
        '{"servers": {"gonogo": {/* mine */ "command": "old", // mine\n}}}',
        '{\r\n  "servers": {\r\n    "x": {} // mine\r\n  }\r\n}\r\n',
    ],
)
def test_any_file_that_a_client_writes_is_taken(text: str, tmp_path: Path) -> None:
    """Empty, in one line, with half a character, a mark in front, comments, other line ends."""
    place = Place(tmp_path / "mcp.json", "servers", "")
    place.path.write_bytes(text.encode())
    before = Document(text).value
    assert isinstance(before, dict)
    carry_out(planned(place, SERVER), stamp="1")
    written = place.path.read_bytes().decode()
    assert written.count("mine") == text.count("mine")
    assert ("\r" in text) == ("\r" in written)
    assert written.count("\r") in (0, written.count("\n"))
    after = Document(written).value
    servers = {**before.get("servers", {}), "gonogo": SERVER}
    assert after == {**before, "servers": servers}
    assert planned(place, SERVER).is_none


def test_what_was_set_up_is_carried_over() -> None:
    """A second install keeps what a person set: environment, other keys, store, --read-only."""
    before = {
        "command": "uvx",
        "args": ["gonogo", "serve", "--store", "/s.db", "--read-only"],
        "env": {"A": "1", "GONOGO_TOKEN": "t"},
        "disabled": True,
    }
    same = entry("cursor", ["/g"], config=None, store=None, read_only=None, before=before)
    assert same == {
        **before,
        "command": "/g",
        "args": ["serve", "--store", "/s.db", "--read-only"],
    }
    address = "postgresql://u:secret@db/x"
    moved = entry("cursor", ["/g"], config="/c", store=address, read_only=False, before=same)
    assert moved["args"] == ["serve", "--config", "/c"]
    assert moved["env"] == {"A": "1", "GONOGO_TOKEN": "t", "GONOGO_STORE": address}


@pytest.mark.parametrize(
    ("before", "same"),
    [
        ({"command": "g", "args": ["--store", "/s.db", "serve", "--read-only"]}, True),
        ({"command": {"path": "g", "args": ["serve", "--store=/s.db", "--read-only"]}}, True),
        ({"type": "http", "url": "https://h/mcp", "headers": {"Authorization": "Bearer t"}}, False),
    ],
)
def test_an_entry_of_another_form_is_understood(before: dict[str, object], *, same: bool) -> None:
    """Options ahead of `serve`, Zed's older form; a server elsewhere leaves nothing behind."""
    made = entry("zed", ["/g"], config=None, store=None, read_only=None, before=before)
    args = ["serve", "--store", "/s.db", "--read-only"] if same else ["serve"]
    assert made == {"source": "custom", "command": "/g", "args": args}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_an_entry_starts_is_found_again(client: Client) -> None:
    """The doctor looks there, in whatever form the client has it."""
    assert program_in(entry(client, ["/g"], config=None, store=None, read_only=None)) == "/g"
    assert program_in({"command": {"path": "/g", "args": []}}) == "/g"
    assert program_in({"url": "https://h/mcp"}) is None


def test_a_read_only_file_is_left(tmp_path: Path) -> None:
    """Whoever took the right to write away, perhaps a program that manages it, meant it."""
    place = Place(tmp_path / "mcp.json", "servers", "")
    place.path.write_text("{}")
    place.path.chmod(0o444)
    with pytest.raises(ConfigError, match="is read-only; nothing was written"):
        carry_out(planned(place, SERVER), stamp="1")
    assert [file.name for file in tmp_path.iterdir()] == ["mcp.json"]


def test_a_file_that_changed_meanwhile_is_left(tmp_path: Path) -> None:
    """The client saved while a person was asked: its change is not lost."""
    place = Place(tmp_path / "mcp.json", "servers", "")
    place.path.write_text("{}")
    change = planned(place, SERVER)
    place.path.write_text('{"new": 1}')
    with pytest.raises(ConfigError, match="changed meanwhile"):
        carry_out(change, stamp="1")
    assert place.path.read_text() == '{"new": 1}'


def test_codex_and_goose_get_their_own_form(tmp_path: Path) -> None:
    """TOML and YAML are changed as text: comments and other tables stay."""
    environ = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "cx")}
    codex = place_of("codex", environ, project=None)
    assert codex.path == tmp_path / "cx" / "config.toml"
    codex.path.parent.mkdir()
    codex.path.write_text('model = "x" # mine\n[mcp_servers.gonogo]\ncommand = "old"\n[a]\nb = 1\n')
    server = entry("codex", ["/opt/g"], config=None, store="postgresql://h/d", read_only=True)
    carry_out(planned(codex, server), stamp="1")
    found = tomllib.loads(codex.path.read_text())
    assert found == {"model": "x", "a": {"b": 1}, "mcp_servers": {"gonogo": server}}
    assert "# mine" in codex.path.read_text()
    assert planned(codex, server).is_none
    assert server_in(codex) == server

    goose = place_of("goose", environ, project=None)
    goose.path.parent.mkdir(parents=True)
    text = "GOOSE_MODEL: x # mine\nextensions:\n  developer:\n    enabled: true\nlast: 1\n"
    goose.path.write_text(text)
    server = entry("goose", ["/opt/g"], config=None, store=None, read_only=None)
    carry_out(planned(goose, server), stamp="1")
    written = goose.path.read_text()
    assert '  gonogo:\n    name: "gonogo"\n    type: "stdio"\n' in written
    assert '    cmd: "/opt/g"\n    args: ["serve"]\n' in written
    assert [line for line in text.splitlines() if line not in written.splitlines()] == []
    assert planned(goose, server).is_none


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("codex", "[mcp_servers.gonogo]\nsince = 2026-01-01\n\n# of db\n[mcp_servers.db]\na = 1\n"),
        ("codex", '[mcp_servers.db]\n# of db\na = "x\u2028y"\n'),
        ("goose", 'A: "x\u2028y"\nextensions:\n  # of db\n  db:\n    a: 1\n'),
        ("goose", "extensions:\n    gonogo:\n        cmd: old\n    # of db\n    db: {}\n"),
    ],
)
def test_comments_marks_and_line_ends_stay(
    client: Client, text: str, ends: str, mark: str, tmp_path: Path
) -> None:
    """What Windows writes stays as Windows writes it; a comment stays with what it is about."""
    place = place_of(client, {"HOME": str(tmp_path)}, project=None)
    place.path.parent.mkdir(parents=True)
    old = mark + text.replace("\n", ends)
    place.path.write_bytes(old.encode())
    server = entry(
        client, ["/g"], config=None, store="/s.db", read_only=True, before=server_in(place)
    )
    carry_out(planned(place, server), stamp="1")
    written = place.path.read_bytes().decode()
    assert written.startswith(mark + text[:1])
    assert written.count("\r") == (ends == "\r\n") * written.count("\n")
    added = written.split(ends)
    gone = [line for line in old.split(ends) if line not in added]
    assert all("gonogo" in line or "cmd: old" in line for line in gone), gone
    assert added[added.index(next(li for li in added if "# of db" in li)) + 1].strip()[:1] in "[da"
    assert server_in(place) == server
    assert planned(place, server).is_none


@pytest.mark.parametrize(
    "text",
    [
        "extensions:\n- a\n",
        "extensions:\n  - a: 1\n",
        "{a: 1}\n",
        "- a\n",
        "extensions:\n---\nb: 1\n",
    ],
)
def test_yaml_that_is_no_mapping_is_left(text: str, tmp_path: Path) -> None:
    """A list, a flow, two documents: an entry among them would make a file that goose cannot read."""
    place = Place(tmp_path / "config.yaml", "extensions", "", "yaml")
    place.path.write_text(text)
    with pytest.raises(ConfigError, match="by hand"):
        planned(place, SERVER)


def test_goose_s_entry_keeps_what_was_set_however_goose_writes_it(tmp_path: Path) -> None:
    """Read-only and environment stay at a second time; what cannot be read is left, in one line."""
    goose = place_of("goose", {"HOME": str(tmp_path)}, project=None)
    goose.path.parent.mkdir(parents=True)
    asked = entry("goose", ["/opt/g"], config="/c d", store="postgresql://h/d", read_only=True)
    carry_out(planned(goose, asked), stamp="1")
    assert server_in(goose) == asked
    saved = """extensions:
  developer:
    enabled: true
    args:
    - serve
  gonogo:
    args:
    - serve
    - --config
    - /c d
    - --read-only
    bundled: null
    cmd: /opt/g
    enabled: false # for now
    envs:
      GONOGO_STORE: postgresql://h/d
    env_keys: []
    description: ''
last: 1
"""
    goose.path.write_text(saved)
    again = entry(
        "goose", ["/opt/new"], config=None, store=None, read_only=None, before=server_in(goose)
    )
    assert again["args"] == asked["args"]
    assert (again["envs"], again["cmd"]) == (asked["envs"], "/opt/new")
    assert again["enabled"] is False
    assert (again["bundled"], again["env_keys"], again["description"]) == (None, [], "")
    carry_out(planned(goose, again), stamp="2")
    assert server_in(goose) == again
    assert goose.path.read_text().endswith("last: 1\n")
    unread = "written in a way that is not read here"
    for value in ("&anchor\n    args: [serve, --read-only]", "{args: [serve, --read-only]}"):
        goose.path.write_text(f"extensions:\n  gonogo: {value}\n")
        with pytest.raises(ConfigError, match=unread):
            server_in(goose)
    # Another entry's key of the same name is not it.
    goose.path.write_text(
        "extensions:\n  developer:\n    gonogo: x\n" + saved[len("extensions:\n") :]
    )
    assert (server_in(goose) or {})["args"] == asked["args"]


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """With its folders; there is nothing to keep."""
    place = Place(tmp_path / "a" / "b.json", "servers", "")
    assert carry_out(planned(place, SERVER), stamp="now") is None
    assert json.loads(place.path.read_text()) == {"servers": {"gonogo": SERVER}}
    assert place.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"servers": {} mine\n}', "no table of servers"),
        ('{"servers": {"x": 1', "no table of servers"),
        ("[" * 5_000, "no table of servers"),
        ("[]", "no table of servers"),
        ('{"servers": []}', "no table of servers"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left(text: str, said: str, tmp_path: Path) -> None:
    """Another shape: one line says what to add by hand."""
    file = tmp_path / "mcp.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        planned(Place(file, "servers", ""), SERVER)
    with pytest.raises(ConfigError, match="Nothing was changed; add under"):
        planned(Place(file, "servers", ""), SERVER)
    assert file.read_text() == text


def test_links_carry_the_server() -> None:
    """Decoded, they are what the file would hold."""
    server = entry("cursor", ["/opt/a b/gonogo"], config=None, store="/s.db", read_only=False)
    cursor = urllib.parse.urlparse(link("cursor", server) or "")
    query = urllib.parse.parse_qs(cursor.query)
    assert query["name"] == ["gonogo"]
    assert json.loads(base64.b64decode(query["config"][0])) == server
    assert server["args"] == ["serve", "--store", "/s.db"]
    vscode = (link("vscode", server) or "").partition("?")
    assert vscode[0] == "vscode:mcp/install"
    assert json.loads(urllib.parse.unquote(vscode[2])) == {"name": "gonogo", **server}
    assert link("claude-desktop", server) is None
