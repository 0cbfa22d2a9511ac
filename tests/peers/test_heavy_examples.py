"""The examples with a component that gonogo does not bring, each in its environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from environments import HERE, ROOT, python_environment
from test_instrumentations import BARE, GONOGO, asked, environment, receiver

from eight_days import steady_and_fallen

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which `steady` is well and `fallen` fell yesterday."""
    path = tmp_path_factory.mktemp("examples") / "gonogo.db"
    subprocess.run(
        [GONOGO, "ingest", "-"],
        input=steady_and_fallen().encode(),
        env=environment(path),
        capture_output=True,
        check=True,
    )
    return path


def agent(script: Path, dependency: str, store: Path) -> subprocess.CompletedProcess[str]:
    """An agent of pydantic-ai, to its end."""
    return subprocess.run(
        [str(python_environment("pydantic-ai")), str(script), GONOGO, dependency],
        env=environment(store),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_agent_asks_before_the_work_and_obeys(store: Path) -> None:
    """It works and records what came of it on go; on no_go it stops, with the reason."""
    script = EXAMPLES / "pydantic_ai_agent.py"
    well = agent(script, "steady", store)
    assert (well.returncode, well.stdout) == (0, "Migrated; 3 outcomes recorded.\n"), well.stderr
    stopped = agent(script, "fallen", store)
    assert stopped.returncode == 1
    assert stopped.stdout.startswith("Stopped, no_go: fallen has degraded: ")
    counts = {d["dependency"]: d["n"] for d in asked(store, "list")["dependencies"]}
    assert counts == {"steady": 963, "fallen": 960}


def test_the_gate_holds_for_a_model_that_does_not_ask(store: Path) -> None:
    """The work itself asks: what is not fit is refused whatever the model wants."""
    refused = agent(HERE / "clients" / "stubborn_agent.py", "fallen", store)
    assert refused.returncode == 1
    assert refused.stdout.startswith("Refused, no_go: ")
    assert agent(HERE / "clients" / "stubborn_agent.py", "steady", store).returncode == 0


def test_a_program_with_opentelemetry_becomes_evidence(tmp_path: Path) -> None:
    """Nothing of gonogo in it: three calls with tokens and outcomes, one of them wrong."""
    store = tmp_path / "gonogo.db"
    with receiver(store) as place:
        done = subprocess.run(
            [str(python_environment("opentelemetry")), str(EXAMPLES / "otel_program.py")],
            env=BARE | {"OTEL_EXPORTER_OTLP_ENDPOINT": place},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, "3 calls told\n"), done.stderr
    [found] = asked(store, "list")["dependencies"]
    assert (found["dependency"], found["n"]) == ("prime-guesser", 3)
    assert {"latency_ms", "input_tokens", "outcome"} <= set(found["metrics"])
    quality = asked(store, "check", "trust", "prime-guesser")["parts"]["quality"]
    assert quality["n"] == 3
