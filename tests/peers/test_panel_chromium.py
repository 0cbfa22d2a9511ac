"""The panel in a real Chromium: as the dashboard, and as an MCP App behind the protocol's own bridge."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from environments import HERE, node_environment, program

SCRIPTS = HERE / "node" / "panel"
GONOGO = str(Path(sys.executable).with_name("gonogo"))
DAY_S = 86_400
OUTAGE_H = 5
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "x" * 200,
    "\u0645\u0631\u062d\u0628\u0627-\u0646\u0645\u0648\u0630\u062c",  # right to left
    "__proto__",
)
CONFIG = """
[dependencies.slid]
fallback = ["steady"]
fallback_policy = "confirm"

[budgets.weekly]
limit_usd = 4
window = "rolling:7d"
dependencies = ["slid", "steady"]

[budgets.overdrawn]
limit_usd = 1
window = "total"
dependencies = ["slid"]

[budgets."<b>bold</b>"]
limit_usd = 1

[workloads.work]
dependencies = { slid = 400, steady = 100 }
budget = "weekly"
"""


class Place:
    """A store with something to see, and how to reach it."""

    def __init__(self, folder: Path) -> None:
        self.store, self.config = folder / "gonogo.db", folder / "gonogo.toml"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GONOGO_STORE": str(self.store),
            "GONOGO_CONFIG": str(self.config),
        }

    def gonogo(self, *arguments: str, stdin: str = "") -> str:
        """Run a command; a verdict is no failure."""
        done = subprocess.run(
            [GONOGO, *arguments],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode < 64, done.stderr
        return done.stdout


def history() -> str:
    """Two weeks of calls: one that slides in the second, a steady one, and hostile names."""
    dice, now = random.Random(1), time.time()  # noqa: S311 - a simulation
    lines = []
    for day in range(14):
        for call in range(120):
            at = now - (14 - day) * DAY_S + call * DAY_S / 121
            wrong = 0.05 + (0.3 if day > 8 else 0.0)
            for name, bad in (("slid", wrong), ("steady", 0.05)):
                item = {"dependency": name, "ts": at, "cost_usd": 0.002, "latency_ms": 120}
                item["segments"] = {"lang": "de" if call % 2 else "<i>en</i>"}
                lines.append({**item, "outcome": dice.random() >= bad})
        lines += [{"dependency": n, "ts": now - day * DAY_S, "outcome": 1} for n in HOSTILE]
    for hour in range(1, 24 * 10):
        # Well for ten days but for the last OUTAGE_H hours, in which every call failed.
        down = {"error": "http_500"} if hour <= OUTAGE_H else {"outcome": dice.random() >= 0.05}
        ages = [now - hour * 3600 + minute * 60 for minute in range(5, 60, 6)]
        lines += [{"dependency": "fell", "ts": at, **down} for at in ages]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture(name="place", scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store with drift, an incident, a fallback and a hold."""
    place = Place(tmp_path_factory.mktemp("panel"))
    place.config.write_text(CONFIG)
    place.gonogo("ingest", "-", "--format", "jsonl", stdin=history())
    place.gonogo("check", "drift", "slid")
    place.gonogo("check", "drift", "fell")
    place.gonogo("reserve", "weekly", "--usd", "0.5")
    plan = json.loads(place.gonogo("fallback", "slid", "--reason", "it slid", "--json"))
    place.gonogo("approve", plan["plan_id"])
    return place


@contextmanager
def dashboard(place: Place) -> Iterator[tuple[str, int]]:
    """The address and the process id of a running dashboard."""
    command = [GONOGO, "dashboard", "--host", "127.0.0.1:0"]
    with subprocess.Popen(command, env=place.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("Dashboard: ").strip(), process.pid
        finally:  # a visit that fails must not leave the test waiting for the dashboard
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def visit(script: str, *arguments: str) -> Any:  # noqa: ANN401 - what the script prints
    """Run one of the scripts in their environment; what it saw."""
    folder, chromium = node_environment("panel"), program("chromium")
    for source in SCRIPTS.glob("*.mjs"):
        shutil.copy(source, folder)
    done = subprocess.run(
        [program("node"), script, chromium, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def page(view: str, **arguments: str) -> str:
    """The address of a page, after the server's."""
    return "#" + urlencode({"view": view, **arguments})


PAGES = {
    "fleet": "",
    "dependency": page("dependency", dependency="slid"),
    "slice": page("dependency", dependency="slid", segment="lang=<i>en</i>"),
    "metric": page("dependency", dependency="slid", metric="latency_ms", days="7"),
    "hostile": page("dependency", dependency=HOSTILE[0]),
    "long": page("dependency", dependency=HOSTILE[2]),
    "budget": page("budget", budget="weekly"),
    "preflight": page("preflight", workload="work"),
    "incidents": page("incidents"),
    "unknown": page("dependency", dependency="nobody"),
}


def test_every_page_is_clean_in_light_and_dark_wide_and_narrow(place: Place) -> None:
    """No complaint of the browser or of axe, nothing sticks out, and no name became markup."""
    with dashboard(place) as (address, _):
        seen = visit("dashboard.mjs", address, "pages", json.dumps({"pages": PAGES}))
    assert len(seen) == 3 * len(PAGES)
    for one in seen:
        where = (one["name"], one["scheme"], one["width"])
        assert (where, one["axe"]) == (where, [])
        assert (where, one["overflow"]) == (where, 0)
        assert (where, one["collisions"]) == (where, [])
        complaints = [text for text in one["problems"] if "404" not in text]
        assert (where, complaints) == (where, [])
        assert one["name"] == "unknown" or not one["problems"], where
    text = {one["name"]: one["text"] for one in seen}
    assert all(name in text["fleet"] for name in HOSTILE)
    assert "incident mitigated" in text["fleet"]
    assert "Outcome degraded" in text["dependency"]
    assert "lang=<i>en</i>" in text["slice"]
    assert "Held\n$0.50" in text["budget"]
    assert "Unknown dependency 'nobody'" in text["unknown"]


def test_an_outage_is_drawn_by_the_hour_and_no_part_of_its_page_is_green(place: Place) -> None:
    """The hour of the fall is read off the chart; the route says no more than the page."""
    pages = {
        "outage": page("dependency", dependency="fell"),
        "overdrawn": page("budget", budget="overdrawn", planned_calls="100"),
    }
    with dashboard(place) as (address, _):
        seen = visit("dashboard.mjs", address, "pages", json.dumps({"pages": pages}))
    for one in seen:
        assert (one["axe"], one["problems"], one["overflow"]) == ([], [], 0)
        assert one["collisions"] == []
        chart, *rest = one["charts"]
        if one["name"] == "outage":
            assert "by hour" in one["text"]
            assert re.search(r"onset \d+ \w+, \d\d:\d\d UTC", chart), chart
            assert "Route\nNo go" in one["text"]
            assert re.search(r"open\nsince \d+ \w+, .*\nnoticed \d+ \w+, ", one["text"])
        else:
            assert "remaining budget -$" in one["text"]
            assert any("remaining \u2212$" in words for words in rest), rest


def test_keys_alone_lead_from_the_fleet_to_a_slice_and_back(place: Place) -> None:
    """Each step is outlined; the chart is read point by point; nothing moves by itself."""
    asked = {"dependency": "slid", "slice": "day_type=weekday"}
    with dashboard(place) as (address, _):
        seen = visit("dashboard.mjs", address, "keyboard", json.dumps(asked))
    assert seen["first"]["text"] == "Skip to content"
    assert seen["skipped"] == "main"
    assert seen["before"] != seen["after"]
    assert "95% interval" in seen["after"]
    assert seen["rows"] >= 14
    assert seen["outlined"]
    assert seen["animated"] == 0
    assert seen["problems"] == []


def test_a_new_observation_shows_without_taking_the_reader_away(place: Place) -> None:
    """Another process records; the page follows, and focus, cursor and open table stay."""
    asked = {
        "hash": page("dependency", dependency="steady"),
        "before": "1,680",
        "after": "1,681",
        "write": [GONOGO, "ingest", str(place.store.with_name("one.jsonl"))],
        "environ": place.environ,
    }
    place.store.with_name("one.jsonl").write_text(
        json.dumps({"dependency": "steady", "ts": time.time(), "outcome": 1})
    )
    with dashboard(place) as (address, _):
        seen = visit("dashboard.mjs", address, "live", json.dumps(asked))
    assert seen == {"stayed": True, "open": 1, "output": True, "problems": []}


def test_eight_tabs_share_one_stream_and_all_follow(place: Place) -> None:
    """Over HTTP/1.1 a browser has six connections to a server; the seventh tab opens all the same.

    The first tab may go: the stream is nobody's own. Without shared workers a tab has its own.
    """
    asked = {
        "tabs": 9,
        "hash": page("dependency", dependency="tabs"),
        "after": "Record 99 more outcomes",
        "write": [GONOGO, "ingest", str(place.store.with_name("tabs.jsonl"))],
        "environ": place.environ,
    }
    place.gonogo("ingest", "-", "--format", "jsonl", stdin='{"dependency": "tabs"}\n')
    place.store.with_name("tabs.jsonl").write_text('{"dependency": "tabs", "outcome": 1}\n')
    with dashboard(place) as (address, _):
        seen = visit("dashboard.mjs", address, "tabs", json.dumps(asked))
        alone = visit("dashboard.mjs", address, "alone", json.dumps({"hash": asked["hash"]}))
    assert seen == {"followed": 8, "problems": []}
    assert alone == {"problems": []}


def test_a_server_that_goes_away_leaves_what_was_shown_and_says_so(place: Place) -> None:
    """Stale is not the same as fine, and not the same as nothing."""
    with dashboard(place) as (address, pid):
        seen = visit("dashboard.mjs", address, "away", json.dumps({"pid": pid}))
    assert seen["text"].count("Not up to date: The dashboard's server does not answer.") == 1
    assert "slid" in seen["text"]
    assert seen["axe"] == []


def test_an_empty_store_is_told_as_such(tmp_path: Path) -> None:
    """Unknown, never go, with what to do."""
    place = Place(tmp_path)
    place.config.write_text("")
    with dashboard(place) as (address, _):
        seen = visit("dashboard.mjs", address, "pages", json.dumps({"pages": {"empty": ""}}))
    for one in seen:
        assert one["text"].startswith("Unknown")
        assert "Record observations first" in one["text"]
        assert (one["axe"], one["problems"], one["overflow"]) == ([], [], 0)


CALLS: list[dict[str, Any]] = [
    {
        "tool": "check_model_drift",
        "arguments": {"dependency": "slid", "detail": "full"},  # in brief, only slices that moved
        "follow": "day_type",
    },
    {
        "name": "bare",
        "tool": "check_model_drift",
        "arguments": {"dependency": "slid"},
        "strip": True,
        "deaf": True,
        "width": 380,
    },
    {"tool": "get_trust_score_health", "arguments": {}, "follow": "slid", "scheme": "dark"},
    {"name": "trust", "tool": "get_trust_score_health", "arguments": {"dependency": HOSTILE[0]}},
    {
        "tool": "check_budget_with_confidence",
        "arguments": {"budget": "weekly", "planned_calls": 500},
    },
    {"tool": "preflight", "arguments": {"workload": "work"}, "follow": "slid"},
    {"tool": "get_incidents", "arguments": {}},
    {"tool": "get_route", "arguments": {"dependency": "slid"}},
    {"tool": "list_dependencies", "arguments": {}},
    {"name": "refused", "tool": "get_route", "arguments": {"dependency": "nobody"}},
]


def test_a_host_shows_each_tool_s_answer(place: Place) -> None:
    """Sandboxed, under the strictest policy, behind ext-apps' bridge and a real server.

    Another frame that posts a forged answer is not heard.
    Charts come with the answer; where a host passes neither `_meta` nor tool calls the periods
    that were compared are drawn, and nothing can be followed.
    """
    calls = [{"name": call["tool"], **call} for call in CALLS]
    asked = {"server": [GONOGO, "serve"], "environ": place.environ, "calls": calls}
    told = visit("host.mjs", json.dumps(asked))
    assert told["mime"] == "text/html;profile=mcp-app"
    seen = {one["name"]: one for one in told["seen"]}
    for name, one in seen.items():
        assert (name, one["axe"], one["problems"], one["overflow"]) == (name, [], [], 0)
        assert one["size"]["height"] > 0
        assert one["torn"] == {}
        assert "forged" not in one["text"]
    charts = {name: one["charts"] for name, one in seen.items() if one["charts"]}
    assert charts == {"check_model_drift": 1, "check_budget_with_confidence": 2, "preflight": 2}
    assert seen["get_trust_score_health"]["theme"] == "dark"
    assert (seen["bare"]["links"], "Baseline" in seen["bare"]["text"]) == (0, True)
    assert HOSTILE[0] in seen["trust"]["text"]
    assert "mitigated" in seen["get_incidents"]["text"]
    assert "steady" in seen["get_route"]["text"]
    assert "Unknown dependency 'nobody'" in seen["refused"]["text"]
    for name in ("check_model_drift", "get_trust_score_health", "preflight"):
        assert seen[name]["followedCharts"] == 1, name
        assert seen[name]["back"], name
