"""Prometheus itself: it scrapes the server as `deploy/` says, its alerts fire, the dashboard's queries answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from environments import ROOT, program
from gonogo_server import prepared, served
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from ports import free_port, running, wait_for

DEPLOY = ROOT / "deploy"
READ_TOKEN = "r" * 32
QUERIES = sorted(
    {
        target["expr"]
        for panel in json.loads((DEPLOY / "grafana" / "gonogo.json").read_text())["panels"]
        for target in panel["targets"]
    }
)


def test_each_alert_fires_in_its_case_alone() -> None:
    """The rules' own tests, by Prometheus's tool."""
    done = subprocess.run(
        [program("promtool"), "test", "rules", "alerts_test.yml"],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def list_over_http(address: str) -> None:
    """Call one tool as a client that may look."""
    headers = {"Authorization": f"Bearer {READ_TOKEN}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        await client.call_tool("list_dependencies", {})


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that scrapes a server with some history, by the configuration of `deploy/` but for the place."""
    folder = tmp_path_factory.mktemp("prometheus")
    *command, _ = prepared(folder)
    subprocess.run([*command, "preflight", "sample"], check=False, capture_output=True)
    tokens = (f"GONOGO_TOKEN={'a' * 32}", f"GONOGO_READ_TOKEN={READ_TOKEN}")
    serve = ("env", *tokens, *command, "serve", "--http", f"127.0.0.1:{free_port()}")
    for file in (DEPLOY / "prometheus").iterdir():
        shutil.copy(file, folder)
    (folder / "read_token").write_text(READ_TOKEN)
    config = folder / "prometheus.yml"
    with served(*serve) as address:
        scraped = address.split("/")[2]
        text = config.read_text()
        assert "server:8765" in text
        config.write_text(text.replace("server:8765", scraped).replace("30s", "1s"))
        place = f"127.0.0.1:{free_port()}"
        scraper = [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={place}",
        ]
        anyio.run(list_over_http, address)  # a tool's call, whose count is scraped
        with running(*scraper, place=place) as found:
            yield found


def asked(url: str, query: str) -> list[Any]:
    """What an instant query answers."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    result: list[Any] = answer["data"]["result"]
    return result


def asked_until_scraped(url: str, query: str) -> list[Any]:
    """The answer of an instant query once its series is there: it is scraped every second."""
    wait_for(lambda: asked(url, query))
    return asked(url, query)


def test_the_server_is_scraped_with_the_reading_token(prometheus: str) -> None:
    """Twenty-seven dependencies, one of which was asked about, and a budget's dollars."""
    assert asked_until_scraped(prometheus, "gonogo_up")[0]["value"][1] == "1"
    standing = asked(prometheus, 'gonogo_verdict{dependency="sample"} == 1')
    assert [one["metric"]["verdict"] for one in standing] == ["unknown"]
    assert asked(prometheus, "gonogo_budget_limit_usd")[0]["value"][1] == "60"


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_has_an_answer(prometheus: str, query: str) -> None:
    """A panel without one would be empty, or name a metric that is not there."""
    assert asked_until_scraped(prometheus, query)


def test_the_alerts_name_metrics_that_are_there(prometheus: str) -> None:
    """But for a crash, which nobody has seen yet, and incidents, of which there are none."""
    asked_until_scraped(prometheus, "gonogo_tool_calls_total")
    known = httpx.get(f"{prometheus}/api/v1/label/__name__/values").json()["data"]
    named = set(re.findall(r"gonogo_[a-z_]+", (DEPLOY / "prometheus" / "alerts.yml").read_text()))
    assert len(named) >= 6
    assert named - set(known) <= {"gonogo_incidents"}
    assert not asked(prometheus, 'ALERTS{alertname=~"Gonogo.*", alertstate="firing"}')
