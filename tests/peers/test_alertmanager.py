"""Alertmanager itself: an incident is one alert that fires, is updated, and is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from environments import program
from ports import free_port, running

from gonogo.notifiers.alertmanager import Alertmanager
from gonogo.ports.incidents import Event, IncidentRecord
from gonogo.ports.notices import Notice, Page

pytestmark = pytest.mark.anyio

CONFIG = "route: {receiver: none}\nreceivers: [{name: none}]\n"
NAME = '<b>"m"</b>\\' + "x" * 180


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A running Alertmanager that sends nothing to anybody."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG)
    place = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={place}",
        "--cluster.listen-address=",
    ]
    with running(*command, place=place) as found:
        yield found


def alerts(url: str) -> list[dict[str, Any]]:
    """What is firing."""
    found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts").json()
    return found


def _now_ms() -> int:
    """When the test runs, not when it was collected: an alert of minutes ago has ended."""
    return int(time.time() * 1000)


async def test_an_incident_is_one_alert_until_it_is_over(url: str) -> None:
    """Told three times it is one alert, with its state; once resolved it no longer fires."""
    now_ms = _now_ms()
    incident = IncidentRecord(
        "inc-1", NAME, "quality", "open", now_ms - 60_000, now_ms - 1_000, "0.94 to 0.87", "no_go"
    )
    notice = Notice(incident, (Event(now_ms, "opened", "gonogo"),))
    notifier = Alertmanager("ops", url)
    for status in ("open", "open", "mitigated"):
        now = replace(notice, incident=replace(incident, status=status))
        step = await notifier.tell(Page((now,)), now_ms=now_ms)
        assert (step.status, step.detail) == ("done", "HTTP 200")
    [firing] = alerts(url)
    assert firing["labels"]["dependency"] == NAME
    assert firing["annotations"]["status"] == "mitigated"
    assert firing["status"]["state"] in ("active", "unprocessed")
    over = replace(notice, incident=replace(incident, status="resolved"))
    assert (await notifier.tell(Page((over,)), now_ms=now_ms)).status == "done"
    assert alerts(url) == []


async def test_an_alertmanager_that_is_gone_is_a_failure(url: str) -> None:
    """Nobody listens there: said, not raised."""
    gone = Alertmanager("ops", f"http://127.0.0.1:{free_port()}")
    now_ms = _now_ms()
    incident = IncidentRecord("inc-1", "m", "quality", "open", now_ms, now_ms, "why", "no_go")
    assert (await gone.tell(Page((Notice(incident, ()),)), now_ms=now_ms)).status == "failed"
    assert alerts(url) == []
