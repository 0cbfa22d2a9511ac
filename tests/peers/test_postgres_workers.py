"""Several processes over one database: what one records, every other one answers from."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from gonogo_server import GONOGO, START_S, served
from mcp import Client
from postgres_server import Server

import engines

pytestmark = pytest.mark.anyio

CALLS = [
    {
        "dependency": "m",
        "id": str(i),
        "ts": f"2026-03-{2 + i // 48:02}T{i % 48 // 2:02}:00:00Z",
        "outcome": i % 9 > 0,
        "outcome_ts": f"2026-03-{2 + i // 48:02}T{i % 48 // 2:02}:00:01Z",
    }
    for i in range(960)
]
UNTIL = {"dependency": "m", "until": "2026-03-21"}


@contextmanager
def working(command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """A process that works until it is told to end, and then ends well."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=START_S)


def _gonogo(postgres: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command over a database of the test's own."""
    monkeypatch.setattr(engines, "ADDRESS", postgres.address)
    return ("env", f"GONOGO_STORE={engines.store_of(folder)}", f"HOME={folder}", GONOGO)


async def test_servers_and_a_dashboard_share_a_database(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded through one server, answered alike by both and by the dashboard."""
    gonogo = _gonogo(postgres, tmp_path, monkeypatch)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served(*gonogo, "serve", "--http", "127.0.0.1:0")) for _ in range(2)
        ]
        async with Client(servers[0]) as first, Client(servers[1]) as second:
            told = await first.call_tool("record_observations", {"observations": CALLS})
            assert told.structured_content is not None
            assert told.structured_content["accepted"] == len(CALLS)
            asked = [await each.call_tool("check_model_drift", UNTIL) for each in (first, second)]
        answers = [found.structured_content for found in asked]
        assert answers[0] is not None
        assert answers[1] is not None
        assert answers[0]["current"]["n"] > 500
        assert answers[0]["evidence"] == answers[1]["evidence"]
        assert answers[0]["summary"] == answers[1]["summary"]

        shown = stack.enter_context(working((*gonogo, "dashboard", "--host", "127.0.0.1:0")))
        assert shown.stdout is not None
        page = shown.stdout.readline().removeprefix("Dashboard: ").strip()
        async with httpx.AsyncClient(base_url=page, timeout=START_S) as visitor:
            panel = (await visitor.get("/api/check_model_drift", params=UNTIL)).json()
        assert panel["structuredContent"]["evidence"] == answers[0]["evidence"]


def test_a_watcher_that_is_killed_has_an_heir(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two watchers each duty is one's; the other takes it over when its lease has run out."""
    gonogo = _gonogo(postgres, tmp_path, monkeypatch)
    with ExitStack() as stack:
        killed = stack.enter_context(working((*gonogo, "watch")))
        _wait_for(killed.pid, postgres, tmp_path)
        heir = stack.enter_context(working((*gonogo, "watch")))
        killed.kill()
        _wait_for(heir.pid, postgres, tmp_path)


def _wait_for(watcher: int, postgres: Server, folder: Path) -> None:
    """Until every duty that is done more often than by the hour is that process's."""
    address = postgres.address.replace("/postgres?", f"/{engines.schema_of(folder)}?")
    until, held = time.monotonic() + 150, dict[str, str]()
    duties = "SELECT name, holder FROM gonogo.lease WHERE name IN ('look', 'recover', 'reconcile')"
    while time.monotonic() < until:
        # The first of them makes the schema.
        with suppress(psycopg.errors.UndefinedTable), psycopg.connect(address) as connection:
            held = dict(connection.execute(duties).fetchall())
        if len(held) == 3 and all(who.split(" ")[1] == str(watcher) for who in held.values()):
            return
        time.sleep(0.5)
    raise AssertionError(f"{watcher} does not do all of it: {held}")
