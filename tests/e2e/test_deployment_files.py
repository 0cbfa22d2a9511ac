"""What is run beside the server: alert rules, a dashboard and an image that speak of what there is."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from product import GONOGO, environment, typed

from gonogo.ports.standing_verdicts import CurrentVerdict
from gonogo.ports.trust_reads import KeptScore
from gonogo.server.gate import OPEN_PATHS
from gonogo.server.metrics import exposition
from gonogo.views.gauges import BudgetGauge, Gauges

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SERIES = re.compile(r"(gonogo_[a-z_]+)(?:\{([^}]*)\})?")


def exposed() -> dict[str, set[str]]:
    """Every series of `/metrics` with the labels that it has."""
    gauges = Gauges(
        verdicts={"m": CurrentVerdict("go", 1)},
        scores={"m": KeptScore("m", 1, 1, "go", 0.9, 0.8, 0.95)},
        budgets={"b": BudgetGauge("usd", 2, 1, 0)},
        incidents={("m", "open"): 1},
    )
    text = exposition(gauges, calls={("preflight", "ok"): 1}, requests={("/mcp", 200): 1})
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        series = SERIES.match(line)
        if series:
            found[series[1]] = set(re.findall(r"(\w+)=", series[2] or ""))
    return found


@pytest.mark.parametrize(
    "name", ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/gonogo.json"]
)
def test_what_is_asked_of_a_monitoring_system_is_exposed(name: str) -> None:
    """Each series and each label by which one is selected."""
    text = (DEPLOY / name).read_text()
    if name.endswith(".json"):
        board = json.loads(text)
        asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        text = "\n".join(asked)
    known = exposed()
    for series, labels in SERIES.findall(text):
        named = set(re.findall(r"(\w+)=", labels)) - {"job", "instance"}
        assert series in known, series
        assert named <= known[series], (series, named)


def test_the_image_runs_as_nobody_and_is_well_when_the_server_is(tmp_path: Path) -> None:
    """A number for a user, a path that needs no token, and a command that refuses to start without one."""
    text = (DEPLOY / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert user is not None
    assert min(int(user[1]), int(user[2])) > 0
    [path] = re.findall(r"http://127\.0\.0\.1:8765(/\w+)", text)
    assert path in OPEN_PATHS
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert command is not None
    refused = typed(*json.loads(command[1]), store=tmp_path / "gonogo.db")
    assert refused.returncode != 0
    assert "token" in refused.stderr


@pytest.mark.parametrize(("stops_at", "status"), [("unknown", 3), ("never", 64)])
def test_the_action_s_gate_stops_where_it_is_asked_to(
    tmp_path: Path, stops_at: str, status: int
) -> None:
    """The verdict is an output, the answer the summary of the job, in which no name is Markdown, nor a command in its log."""
    output, summary = tmp_path / "output", tmp_path / "summary"
    command = "::set-output name=verdict::go"
    environ = environment(tmp_path / "gonogo.db") | {
        "PATH": f"{Path(GONOGO).parent}:/usr/bin:/bin",
        "GATE_DEPENDENCIES": f"# nobody\n{command}\n",
        "GATE_STOPS_AT": stops_at,
        "GATE_JUNIT": str(tmp_path / "junit.xml"),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    gate = DEPLOY / "github" / "gate.sh"
    done = subprocess.run([gate], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    if status != 64:
        assert output.read_text() == "verdict=unknown\n"
        assert summary.read_text().startswith("### gonogo: unknown\n\n    UNKNOWN: ")
        suite = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own file
        cases = {case.get("name"): [part.tag for part in case] for case in suite}
        assert cases == {"# nobody": ["failure"], command: ["failure"], "the work": ["failure"]}
        # Between these two lines a runner takes no command, and nobody knows the word that ends it.
        first, *told, last = done.stdout.splitlines()
        assert first.startswith("::stop-commands::")
        assert last == f"::{first.removeprefix('::stop-commands::')}::"
        assert len(last) == 36
        assert any(line.startswith(command) for line in told)


def test_no_input_of_the_action_is_part_of_its_script() -> None:
    """They come as variables: what one holds is never run."""
    text = (ROOT / "action.yml").read_text()
    scripts = re.findall(r"run: (?:\|\n)?(.*(?:\n {8}.*)*)", text)
    assert len(scripts) == 2
    assert not [script for script in scripts if "${{" in script]
