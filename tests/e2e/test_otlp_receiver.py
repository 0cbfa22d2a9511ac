"""`gonogo watch --otlp` as a process: exports over HTTP become evidence that checks answer from."""

from __future__ import annotations

import contextlib
import gzip
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from product import GONOGO, answer, environment, typed

PROTOBUF = {"content-type": "application/x-protobuf"}
MIB = 1024 * 1024


@contextlib.contextmanager
def receiver(store: Path, place: str = "127.0.0.1:0", **environ: str) -> Iterator[httpx.Client]:
    """A watching process, and a client that is connected to where it says it listens."""
    with subprocess.Popen(
        [GONOGO, "watch", "--otlp", place],
        env=environment(store) | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        base = next(line.split()[-1] for line in lines if line.startswith("OTLP: "))
        try:
            with httpx.Client(base_url=base.replace("0.0.0.0", "127.0.0.1"), timeout=60) as client:  # noqa: S104
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
        assert (process.returncode, complaints) == (0, "")


def spans(n: int, *, outcome: float | None = None) -> bytes:
    """Calls of one model, of half a second each, by their response ids."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(n):
        span = scope.spans.add(trace_id=bytes(15) + b"\x01", span_id=number.to_bytes(8, "big"))
        span.start_time_unix_nano = time.time_ns() - 1_000_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 500_000_000
        for key, text in (("gen_ai.response.model", "gpt"), ("gen_ai.response.id", f"r{number}")):
            span.attributes.add(key=key).value.string_value = text
        if outcome is not None:
            span.attributes.add(key="gonogo.outcome").value.double_value = outcome
    return bytes(request.SerializeToString())


def evaluation(response: str, label: str) -> bytes:
    """An evaluation of one response."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = "gen_ai.evaluation.result"
    for key, text in (
        ("gen_ai.response.id", response),
        ("gen_ai.evaluation.score.label", label),
        ("gen_ai.nonsense", "x"),
    ):
        record.attributes.add(key=key).value.string_value = text
    return bytes(request.SerializeToString())


def test_spans_and_evaluations_become_evidence(tmp_path: Path) -> None:
    """Packed protobuf and JSON, sent twice, then outcomes by response id; health tells the counts."""
    store = tmp_path / "gonogo.db"
    with receiver(store) as client:
        packed = {"headers": PROTOBUF | {"content-encoding": "gzip"}}
        for _ in range(2):
            sent = client.post("/v1/traces", content=gzip.compress(spans(12)), **packed)  # type: ignore[arg-type]
            assert (sent.status_code, sent.content) == (200, b"")
            assert sent.headers["content-type"] == "application/x-protobuf"
        for number in range(12):
            told = evaluation(f"r{number}", "fail" if number == 0 else "pass")
            assert client.post("/v1/logs", content=told, headers=PROTOBUF).status_code == 200
        assert client.post("/v1/metrics", json={"resourceMetrics": []}).json() == {}
        health = client.get("/healthz").json()
    assert (health["items"], health["observations"]) == (36, 36)
    assert health["unknown_keys"] == {"gen_ai.nonsense": 12}
    report = answer(typed("check", "trust", "gpt", "--json", store=store))
    assert (report["n"], report["parts"]["quality"]["n"]) == (12, 12)
    [listed] = answer(typed("list", "--json", store=store))["dependencies"]
    assert "latency_ms" in listed["metrics"]


def test_an_evaluation_finds_its_call_after_a_restart(tmp_path: Path) -> None:
    """What the process no longer remembers, the store does: by response id, and by span."""
    store = tmp_path / "gonogo.db"
    with receiver(store) as client:
        assert client.post("/v1/traces", content=spans(2), headers=PROTOBUF).status_code == 200
    with receiver(store) as client:
        for response in ("r1", "nobody-s"):
            told = evaluation(response, "pass")
            assert client.post("/v1/logs", content=told, headers=PROTOBUF).status_code == 200
        health = client.get("/healthz").json()
    assert (health["observations"], health["outcomes_waiting"]) == (1, 1)
    report = answer(typed("check", "trust", "gpt", "--json", store=store))
    assert (report["n"], report["parts"]["quality"]["n"]) == (2, 1)


def change(**stated: str) -> bytes:
    """An event of OpenTelemetry that tells of a change now."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name, record.time_unix_nano = "gonogo.change", time.time_ns()
    for name, value in stated.items():
        record.attributes.add(key=f"gonogo.{name}").value.string_value = value
    return bytes(request.SerializeToString())


def test_a_pipeline_tells_of_a_change_by_a_webhook_or_an_event(tmp_path: Path) -> None:
    """Each once, however often it is sent; what cannot be recorded is said, and costs nothing else."""
    store = tmp_path / "store.db"
    with receiver(store) as client:
        sent(client, "traces", spans(3))
        stated = {
            "what": "deploy",
            "dependency": "gpt",
            "version": "v7",
            "at": "2026-01-02T03:04Z",
        }
        first = client.post("/v1/changes", json=stated)
        assert (first.status_code, len(first.json()["recorded"])) == (200, 1)
        assert client.post("/v1/changes", json=stated).json() == {"recorded": []}
        for wrong, status, said in (
            ({"what": "holiday"}, 400, "deploy, prompt, config"),
            ({"what": "deploy", "dependency": "gtp"}, 404, "gpt"),
            ({"what": "deploy", "when": "now"}, 400, "'when' is no key"),
            ({"what": "deploy", "at": "soon"}, 400, "must be a time"),
            ({"what": "deploy", "at": "2999-01-01T00:00Z"}, 400, "a day ahead"),
            ({"what": ["deploy"]}, 400, "must be text"),
            (["deploy"], 400, "is no object"),
        ):
            refused = client.post("/v1/changes", json=wrong)
            assert refused.status_code == status, wrong
            assert said in refused.json()["message"], wrong
        prompt = change(what="prompt", note="shorter")
        for body in (prompt, prompt, change(what="holiday")):
            assert client.post("/v1/logs", content=body, headers=PROTOBUF).status_code == 200
        assert client.get("/healthz").json()["observations"] == 3
    listed = typed("decisions", "list", "--kind", "change_event", store=store).stdout
    assert [listed.count(told) for told in ("deploy v7", "prompt (shorter)", "holiday")] == [
        1,
        1,
        0,
    ]


def test_refusals_are_told_in_the_protocol_s_own_words(tmp_path: Path) -> None:
    """Partial success, broken bodies, bodies over the limit, other places and methods."""
    with receiver(tmp_path / "gonogo.db") as client:
        partly = client.post("/v1/traces", content=spans(2, outcome=7.0), headers=PROTOBUF)
        told = ExportTraceServiceResponse.FromString(partly.content).partial_success
        assert (partly.status_code, told.rejected_spans) == (200, 2)
        assert told.error_message == "outcome must be between 0 and 1, got 7"
        broken = client.post(
            "/v1/traces", content=b"{", headers={"content-type": "application/json"}
        )
        assert broken.status_code == 400
        for body in (b"null", b"[]", b"5"):
            json_type = {"content-type": "application/json"}
            odd = client.post("/v1/traces", content=body, headers=json_type)
            why = "The body is no OTLP request: is no JSON object."
            assert (odd.status_code, odd.json()["message"]) == (400, why)
        assert broken.json()["message"].startswith("The body is no OTLP request: ")
        large = client.post("/v1/traces", content=bytes(8 * MIB + 1), headers=PROTOBUF)
        assert large.status_code == 413
        bomb = gzip.compress(bytes(9 * MIB))
        packed = PROTOBUF | {"content-encoding": "gzip"}
        assert client.post("/v1/logs", content=bomb, headers=packed).status_code == 413
        assert client.get("/v1/traces").status_code == 405
        elsewhere = {**PROTOBUF, "host": "evil.example"}
        assert client.post("/v1/traces", content=b"", headers=elsewhere).status_code == 403
        assert client.post("/v1/traces", content=spans(1), headers=PROTOBUF).status_code == 200


def test_off_loopback_it_needs_a_token(tmp_path: Path) -> None:
    """Without one it does not start; with one, exporters must send it."""
    store = tmp_path / "gonogo.db"
    refused = typed("watch", "--otlp", "0.0.0.0:0", store=store)
    assert refused.returncode == 64
    assert "token" in refused.stderr
    with receiver(store, "0.0.0.0:0", GONOGO_TOKEN="s3cret") as client:  # noqa: S106 - a test's own
        assert client.post("/v1/traces", content=b"", headers=PROTOBUF).status_code == 401
        shown = PROTOBUF | {"authorization": "Bearer s3cret"}
        assert client.post("/v1/traces", content=b"", headers=shown).status_code == 200


@pytest.mark.parametrize(
    ("place", "said"),
    [("4318", "is not HOST:PORT"), ("127.0.0.1:99999", "is not HOST:PORT")],
)
def test_a_wrong_place_is_one_line(tmp_path: Path, place: str, said: str) -> None:
    """A usage error, before anything starts."""
    done = typed("watch", "--otlp", place, store=tmp_path / "gonogo.db")
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert said in done.stderr


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    """One line that says what to install."""
    source = """
import sys
sys.modules["opentelemetry.proto.collector.trace.v1.trace_service_pb2"] = None
from gonogo.__main__ import run
sys.exit(run(["watch", "--otlp", "127.0.0.1:0"], {"HOME": sys.argv[1]}))
"""
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 64
    assert done.stderr == (
        "gonogo: Receiving OpenTelemetry needs the extra otlp: install gonogo[otlp].\n"
    )


@pytest.mark.parametrize("option", ["--otlp", "--dashboard"])
def test_a_taken_place_is_one_line(tmp_path: Path, option: str) -> None:
    """Said at the start: a watcher that cannot do what it was asked to does not watch."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = typed("watch", option, place, store=tmp_path / "gonogo.db")
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert f"{option}: cannot listen at '{place}'" in done.stderr


def model_calls(*starts_s: float) -> bytes:
    """A span a call, of the service `app`."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "app"
    scope = resource.scope_spans.add()
    for number, start_s in enumerate(starts_s, 1):
        span = scope.spans.add(trace_id=bytes(16), span_id=number.to_bytes(8, "big"))
        span.trace_id = number.to_bytes(16, "big")
        span.start_time_unix_nano = int(start_s * 1e9)
        span.end_time_unix_nano = span.start_time_unix_nano + 500_000_000
        span.attributes.add(key="gen_ai.response.model").value.string_value = "gpt"
    return bytes(request.SerializeToString())


def counted_calls(n: int, *, started_s: float, at_s: float) -> bytes:
    """A cumulative histogram of the same service that has counted so many calls."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "app"
    metric = resource.scope_metrics.add().metrics.add(
        name="gen_ai.client.operation.duration", unit="s"
    )
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add(count=n, sum=0.5 * n)
    point.start_time_unix_nano, point.time_unix_nano = int(started_s * 1e9), int(at_s * 1e9)
    point.attributes.add(key="gen_ai.response.model").value.string_value = "gpt"
    return bytes(request.SerializeToString())


def sent(client: httpx.Client, signal: str, body: bytes) -> None:
    """Export, which must be taken."""
    assert client.post(f"/v1/{signal}", content=body, headers=PROTOBUF).status_code == 200


def calls_of(store: Path) -> int:
    """How many calls of the model are stored; 0 of one that is unknown."""
    listed = answer(typed("list", "--json", store=store))["dependencies"]
    return next((line["n"] for line in listed if line["dependency"] == "gpt"), 0)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("metrics_first", [False, True])
def test_a_call_told_by_spans_and_by_metrics_counts_once(
    tmp_path: Path, *, restarts: bool, metrics_first: bool
) -> None:
    """In either order, and where the receiver is another process for the second."""
    # The counter began after both receivers, so that its first point counts whole.
    store, now_s = tmp_path / "gonogo.db", time.time() + 600
    metrics = ("metrics", counted_calls(3, started_s=now_s, at_s=now_s + 9))
    told = [("traces", model_calls(now_s + 1, now_s + 2, now_s + 3)), metrics]
    first, second = reversed(told) if metrics_first else told
    with receiver(store) as client:
        sent(client, *first)
        if not restarts:
            sent(client, *second)
    if restarts:
        with receiver(store) as client:
            sent(client, *second)
    assert calls_of(store) == 3


def test_a_counter_goes_on_where_an_earlier_process_left_it(tmp_path: Path) -> None:
    """What it grew by meanwhile is counted once; and metrics count again where spans have ended."""
    store, start_s = tmp_path / "gonogo.db", time.time() - 9_000
    with receiver(store) as client:
        # Older than the receiver: how much of it was counted elsewhere is not known.
        sent(client, "metrics", counted_calls(5, started_s=start_s, at_s=start_s + 60))
        sent(client, "metrics", counted_calls(7, started_s=start_s, at_s=start_s + 120))
    assert calls_of(store) == 2
    with receiver(store) as client:
        sent(client, "metrics", counted_calls(12, started_s=start_s, at_s=start_s + 600))
        assert calls_of(store) == 7
        sent(client, "traces", model_calls(start_s + 700))
        sent(client, "metrics", counted_calls(13, started_s=start_s, at_s=start_s + 720))
        sent(client, "metrics", counted_calls(17, started_s=start_s, at_s=start_s + 8_000))
    assert calls_of(store) == 7 + 1 + 4


def test_who_hangs_up_in_the_middle_of_an_export_leaves_no_word(tmp_path: Path) -> None:
    """The receiver goes on, and `receiver` finds nothing on its standard error."""
    with receiver(tmp_path / "store.db") as client:
        place = client.base_url.host, client.base_url.port or 80
        with socket.create_connection(place) as cut:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: {place[0]}\r\nContent-Length: 1000\r\n"
            cut.sendall(head.encode() + b"Content-Type: application/x-protobuf\r\n\r\nhalf")
        done = client.post("/v1/traces", content=spans(1), headers=PROTOBUF)
        assert done.status_code == 200
