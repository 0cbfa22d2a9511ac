"""The real OpenTelemetry SDK, three instrumentations of the OpenAI client, and LiteLLM, as they are."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from environments import HERE, ROOT, python_environment

GONOGO = str(Path(sys.executable).with_name("gonogo"))
INSTRUMENTATIONS = {
    "opentelemetry": ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
    "openllmetry": ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
    "openinference": ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
}
BARE = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


class Stub(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: the model `broken` is rate-limited, every other one answers."""

    numbers = itertools.count()

    def do_POST(self) -> None:
        """Answer one chat completion."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        is_broken = asked["model"] == "broken"
        told: dict[str, Any] = {
            "id": f"chatcmpl-{next(self.numbers)}",
            "object": "chat.completion",
            "created": 1,
            "model": "stub-model-2026",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "yes"},
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
        }
        body = json.dumps({"error": {"message": "slow down"}} if is_broken else told).encode()
        self.send_response(429 if is_broken else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def stub() -> Iterator[str]:
    """The stub's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def receiver(store: Path) -> Iterator[str]:
    """The address of a `gonogo watch --otlp` of its own."""
    with subprocess.Popen(
        [GONOGO, "watch", "--otlp", "127.0.0.1:0"],
        env=environment(store),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        yield next(line.split()[-1] for line in lines if line.startswith("OTLP: "))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def environment(store: Path) -> dict[str, str]:
    """A store of the test's own."""
    return BARE | {"HOME": str(store.parent), "GONOGO_STORE": str(store)}


def asked(store: Path, *arguments: str) -> dict[str, Any]:
    """What a command answers."""
    done = subprocess.run(
        [GONOGO, *arguments, "--json"],
        env=environment(store),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("name", INSTRUMENTATIONS)
def test_an_instrumentation_s_telemetry_becomes_evidence(name: str, tmp_path: Path) -> None:
    """Spans with tokens, an error, evaluations as outcomes, and an exponential histogram alone."""
    python, store = python_environment(name), tmp_path / "gonogo.db"
    script = str(HERE / "otel_calls.py")
    with stub() as model, receiver(store) as place:
        done = subprocess.run(
            [str(python), script, *INSTRUMENTATIONS[name], model, place],
            env=BARE | {"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert "Failed to export" not in done.stderr
    found = {d["dependency"]: d for d in asked(store, "list")["dependencies"]}
    assert set(found) == {"stub-model-2026", "broken", "metered"}
    model_seen = found["stub-model-2026"]
    assert model_seen["n"] == 12
    assert {"latency_ms", "input_tokens", "output_tokens"} <= set(model_seen["metrics"])
    trust = asked(store, "check", "trust", "stub-model-2026")
    assert trust["parts"]["quality"]["n"] == 12
    assert found["broken"]["n"] == 1
    assert asked(store, "check", "trust", "broken")["parts"]["availability"]["rate"] < 0.6
    assert found["metered"]["n"] == 4
    assert b"a secret" not in store.read_bytes()


def test_litellm_s_callback_records_each_call(tmp_path: Path) -> None:
    """A real LiteLLM with mocked answers: sync, async and failed; cost and tokens are its own."""
    python, store = python_environment("litellm-callback"), tmp_path / "gonogo.db"
    done = subprocess.run(
        [str(python), str(HERE / "litellm_calls.py"), str(store)],
        env=BARE
        | {
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT / "src"),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "3"
    [seen] = asked(store, "list")["dependencies"]
    assert (seen["dependency"], seen["kind"], seen["n"]) == ("gpt-4o", "model", 3)
    assert {"latency_ms", "cost_usd", "input_tokens"} <= set(seen["metrics"])
    trust = asked(store, "check", "trust", "gpt-4o")
    assert trust["parts"]["availability"]["n"] == 3
    assert b"a secret" not in store.read_bytes()
