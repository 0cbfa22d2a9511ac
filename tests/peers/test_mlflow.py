"""A real MLflow server on SQLite: the conformance walk, an outside change, a version not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from environments import python_environment
from ports import answers, free_port, wait_for

from conformance import BACK, FULL, conforms, goes_back
from gonogo.actuators.mlflow import MlflowAlias
from gonogo.settings import ActuatorSettings
from promotion_world import lives

pytestmark = pytest.mark.anyio
GONOGO = str(Path(sys.executable).with_name("gonogo"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    python, folder = python_environment("mlflow"), tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, **quiet},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: process.poll() is not None or answers(f"{url}/health"), within_s=120)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def post(server: str, path: str, body: dict[str, str]) -> None:
    """One call of the registry's API by somebody else."""
    answer = httpx.post(f"{server}/api/2.0/mlflow{path}", json=body, timeout=20)
    assert answer.is_success, answer.text


def served(server: str, model: str) -> str:
    """The version that serving code would load."""
    query = {"name": model, "alias": "champion"}
    url = f"{server}/api/2.0/mlflow/registered-models/alias"
    found = httpx.get(url, params=query, timeout=20).json()
    return str(found["model_version"]["version"])


@pytest.fixture
def model(server: str, request: pytest.FixtureRequest) -> str:
    """A registered model of the test's own, with the versions 1 and 2."""
    name = request.node.name
    post(server, "/registered-models/create", {"name": name})
    for _ in range(2):
        post(server, "/model-versions/create", {"name": name, "source": "s3://models/one"})
    return str(name)


def alias(server: str, model: str) -> MlflowAlias:
    """The model's alias `champion`: version 2 is the primary."""
    versions = {"m": "2", "v2": "1", "gone": "9"}
    return MlflowAlias(
        "mlflow", url=server, alias="champion", versions=versions, model=model, timeout_s=20
    )


async def test_mlflow_conforms(server: str, model: str) -> None:
    """The same walk as its stand-in in `tests/actuators`."""
    await conforms(alias(server, model), splits=False)
    assert served(server, model) == "2"


async def test_a_change_from_outside_is_seen_and_brought_back(server: str, model: str) -> None:
    """Somebody moves the alias between plan and apply, and again later."""
    found = alias(server, model)
    planned = await found.read("m")
    moved = {"name": model, "alias": "champion", "version": "2"}
    post(server, "/registered-models/alias", moved)
    late = await found.apply(FULL, expected_version=planned.version)
    assert (late.status, late.detail) == ("failed", "something else wrote alias champion meanwhile")
    seen = await found.read("m")
    assert (await found.apply(FULL, expected_version=seen.version)).status == "done"
    post(server, "/registered-models/alias", moved)
    assert (await found.verify(FULL)).status == "failed"
    await goes_back(found)


async def test_what_is_not_there_is_said(server: str, model: str) -> None:
    """A version that MLflow does not know; a model that it does not know."""
    found = alias(server, model)
    gone = replace(BACK, targets=(replace(BACK.targets[0], target="gone"),))
    seen = await found.read("m")
    step = await found.apply(gone, expected_version=seen.version)
    assert step.status == "failed"
    assert "answered 404: Model Version" in step.detail
    assert (await found.verify(gone)).status == "failed"
    nowhere = alias(server, "no-such-model")
    seen = await nowhere.read("m")
    detail = "MLflow has no registered model 'no-such-model'"
    assert (seen.status, seen.detail) == ("unknown", detail)
    assert (await nowhere.apply(FULL, expected_version=seen.version)).status == "unknown"


async def test_a_promotion_moves_the_alias_at_its_end_and_back(
    server: str, model: str, tmp_path: Path
) -> None:
    """On trial it stays where calls go back to; a candidate called 2 is version 2, without being listed."""
    options = {"url": server, "alias": "champion", "model": model}
    kinds = {"registry": ActuatorSettings("registry", "mlflow", options=options, timeout_s=20)}
    kinds["registry"] = replace(kinds["registry"], targets={"m": "1"})
    async with lives(tmp_path, actuators=kinds, candidate="2") as m:
        begun = await m.begun()
        assert {step.status for step in begun.actuators} == {"done"}
        while (await m.promotion()).is_running:
            assert served(server, model) == "1"
            while (await m.looked()).move != "advance":
                await m.live(6, v2=12)
        assert served(server, model) == "2"
        audit = (await m.route()).audit_id
        await m.app.trigger_fallback("m", undo=audit, confirm=True)
        assert served(server, model) == "1"


def test_traces_come_in_with_what_was_said_of_them(tmp_path: Path) -> None:
    """Three of twelve failed, six were right; a trace a line and a search's table are the same calls."""
    script = Path(__file__).parent / "clients" / "mlflow_traces.py"
    command = [str(python_environment("mlflow")), str(script), str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = ["--store", str(tmp_path / "gonogo.db"), "--json"]
    told = [
        json.loads(
            subprocess.run(
                [GONOGO, "ingest", str(tmp_path / name), *store], capture_output=True, check=False
            ).stdout
        )
        for name in ("traces.jsonl", "table.json")
    ]
    assert [one["accepted"] for one in told] == [33, 0]
    assert "33 records of answer (12), look_up (12), played-1 (9)" in told[0]["understood"][0]
    assert "12 outcomes, 6 errors" in told[0]["understood"][0]
    listed = subprocess.run([GONOGO, "list", *store], capture_output=True, check=False)
    metrics = {
        one["dependency"]: one["metrics"] for one in json.loads(listed.stdout)["dependencies"]
    }
    assert metrics["answer"] == ["latency_ms", "metrics.clearness", "outcome"]
    assert metrics["played-1"] == ["input_tokens", "latency_ms", "output_tokens"]
