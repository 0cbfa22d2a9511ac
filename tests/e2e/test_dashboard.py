"""`gonogo dashboard` as a process: its page, its questions, its stream, and who is let in."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from product import GONOGO, environment, gonogo, lines, typed

CALLS = [
    {
        "dependency": "m",
        "ts": f"2026-03-{2 + i // 48:02}T{i % 48 // 2:02}:00:00Z",
        "outcome": i % 9 > 0,
    }
    for i in range(480)
]
HOSTILE = "<script>alert(1)</script>"


@contextmanager
def dashboard(
    store: Path, *arguments: str, token: str | None = None, command: str = "dashboard"
) -> Iterator[httpx.Client]:
    """A running dashboard and a client of it; ends by a signal, without a complaint."""
    environ = environment(store)
    if token:
        environ |= {"GONOGO_TOKEN": token, "GONOGO_READ_TOKEN": "r3ad"}
    with subprocess.Popen(
        [GONOGO, command, *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if command == "watch":
            assert "dashboard" in said
            said = process.stdout.readline()
        address = said.removeprefix("Dashboard: ").strip().split("?")[0]
        assert address.startswith("http://127.0.0.1:"), said
        try:
            with httpx.Client(base_url=address, timeout=30) as visitor:
                yield visitor
        finally:
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0
    assert complaints == ""


@pytest.fixture(name="store", scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of calls of one dependency, and one with a hostile name."""
    store = tmp_path_factory.mktemp("dashboard") / "gonogo.db"
    named = [{**CALLS[0], "dependency": HOSTILE}]
    done = gonogo("ingest", "-", "--format", "jsonl", store=store, stdin=lines([*CALLS, *named]))
    assert done.returncode == 0, done.stderr
    return store


@pytest.fixture(name="visitor", scope="module")
def running(store: Path) -> Iterator[httpx.Client]:
    """A dashboard over it."""
    with dashboard(store, "--host", "127.0.0.1:0") as visitor:
        yield visitor


def test_the_page_comes_with_a_policy_that_lets_nothing_else_in(visitor: httpx.Client) -> None:
    """Everything is denied but its own script and style, by hash, and its own server."""
    page = visitor.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    worker = visitor.get("/stream.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert "default-src 'none'" in worker.headers["content-security-policy"]
    assert 'EventSource("api/changes")' in worker.text


def test_a_question_gets_the_tool_s_answer_with_its_history(
    visitor: httpx.Client, store: Path
) -> None:
    """The same object as `--json` prints, but for the log's id: nothing was logged."""
    asked = visitor.get("/api/check_model_drift", params={"dependency": "m", "until": "2026-03-11"})
    told = asked.json()
    same = json.loads(
        typed("check", "drift", "m", "--until", "2026-03-11", "--json", store=store).stdout
    )
    assert asked.headers["cache-control"] == "no-store"
    changing = {"as_of", "data_age_s", "decision_id"}
    assert told["structuredContent"].keys() == same.keys() - {"decision_id"}
    for field in told["structuredContent"].keys() - changing:
        assert told["structuredContent"][field] == same[field], field
    assert sum(told["_meta"]["gonogo/history"]["n"]) == 480


def test_it_reads_only(visitor: httpx.Client, store: Path) -> None:
    """No question reaches the decision log, no argument holds money, and only GET is known."""
    before = typed("decisions", "--json", store=store).stdout
    for tool in ("get_trust_score_health", "list_dependencies", "get_incidents"):
        assert visitor.get(f"/api/{tool}").status_code == 200
    assert typed("decisions", "--json", store=store).stdout == before
    held = visitor.get("/api/check_budget_with_confidence", params={"budget": "b", "reserve": "1"})
    assert held.status_code == 400
    assert visitor.post("/api/get_incidents").status_code == 405
    assert visitor.get("/api/trigger_fallback").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("check_model_drift?dependency=n", 404, "Unknown dependency 'n'"),
        ("check_model_drift?dependenc=m", 400, "argument 'dependenc' is none of"),
        ("check_model_drift?dependency=m&days=x", 400, "must be a number"),
        ("check_model_drift?dependency=m&days=nan", 400, "out of range"),
        ("check_model_drift?dependency=m&detail=more", 400, "brief or full"),
        (f"check_model_drift?dependency={'m' * 201}", 400, "1 to 200 characters"),
        ("check_model_drift", 400, "needs 'dependency'"),
        ("get_incidents?status=sad", 400, "status 'sad' is none of"),
    ],
)
def test_a_refused_question_is_told_as_a_tool_tells_it(
    visitor: httpx.Client, path: str, status: int, said: str
) -> None:
    """One line, in the shape of a tool's error."""
    refused = visitor.get(f"/api/{path}")
    assert refused.status_code == status
    told = refused.json()
    assert told["isError"] is True
    assert said in told["content"][0]["text"]
    assert "\n" not in told["content"][0]["text"]


def test_a_hostile_name_goes_out_as_data(visitor: httpx.Client) -> None:
    """It is in the JSON, and the type keeps a browser from reading it as a page."""
    listed = visitor.get("/api/list_dependencies")
    names = {d["dependency"] for d in listed.json()["structuredContent"]["dependencies"]}
    assert names == {"m", HOSTILE}
    assert listed.headers["content-type"] == "application/json"
    assert listed.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/api/about", "/api/get_incidents", "/api/changes"])
def test_other_hosts_and_origins_are_refused(visitor: httpx.Client, path: str) -> None:
    """A rebound name and a page elsewhere get nothing, wherever they ask."""
    assert visitor.get(path, headers={"host": "rebound.example"}).status_code == 403
    assert visitor.get(path, headers={"origin": "http://evil.example"}).status_code == 403


def test_the_stream_tells_of_a_write_by_another_process(tmp_path: Path) -> None:
    """One event at once, and one after `gonogo ingest` has written."""
    store = tmp_path / "gonogo.db"
    with (
        dashboard(store, "--host", "127.0.0.1:0") as visitor,
        visitor.stream("GET", "/api/changes") as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = (line for line in stream.iter_lines() if line.startswith("event:"))
        assert next(told) == "event: changed"
        done = gonogo("ingest", "-", "--format", "jsonl", store=store, stdin=lines(CALLS[:5]))
        assert done.returncode == 0
        assert next(told) == "event: changed"


def test_it_ends_while_a_page_listens(tmp_path: Path) -> None:
    """An open stream is let go: the process ends with status 0, without waiting for the page."""
    with (
        httpx.Client(timeout=30) as listener,
        dashboard(tmp_path / "gonogo.db", "--host", "127.0.0.1:0") as visitor,
    ):
        asking = listener.build_request("GET", visitor.base_url.join("/api/changes"))
        stream = listener.send(asking, stream=True)
        assert stream.status_code == 200
    stream.close()


def test_a_store_that_is_not_there_is_an_empty_fleet(tmp_path: Path) -> None:
    """The first look makes it, as every command does."""
    with dashboard(tmp_path / "new.db", "--host", "127.0.0.1:0") as visitor:
        told = visitor.get("/api/get_trust_score_health").json()["structuredContent"]
    assert (told["verdict"], told["fleet"]) == ("unknown", [])


def test_a_token_opens_it_once_and_then_a_cookie_does(store: Path) -> None:
    """Without one nothing is told; the address with it leads on to one without it."""
    with dashboard(store, "--host", "127.0.0.1:0", token="s3cret") as visitor:  # noqa: S106
        assert visitor.get("/api/changes").status_code == 401
        assert visitor.get("/").status_code == 401
        assert visitor.get("/?token=wrong").status_code == 401
        bearer = {"authorization": "Bearer s3cret"}
        assert visitor.get("/api/about", headers=bearer).status_code == 200
        entered = visitor.get("/?token=s3cret")
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=strict" in entered.headers["set-cookie"]
        assert visitor.get("/").status_code == 200
        reading = {"authorization": "Bearer r3ad"}
        assert visitor.get("/api/about", headers=reading).status_code == 200


def test_off_loopback_it_will_not_start_without_a_token(store: Path) -> None:
    """As its own command and as a duty of the watcher."""
    for arguments in (("dashboard", "--host"), ("watch", "--dashboard")):
        refused = typed(*arguments, "0.0.0.0:0", store=store)
        assert refused.returncode == 64
        assert "token" in refused.stderr


def test_the_watcher_shows_it_too(store: Path) -> None:
    """`gonogo watch --dashboard` answers the same questions."""
    with dashboard(store, "--dashboard", "127.0.0.1:0", command="watch") as visitor:
        assert visitor.get("/api/about").json()["budgets"] == []
