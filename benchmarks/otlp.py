"""How many spans a second become observations: decoding alone, and through the receiver into the store.

Prints one table: spans a second of CPU time (best of rounds) for protobuf, packed protobuf and
JSON, beside protobuf's own parsing and beside the figure asked.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gonogo.app import Gonogo
from gonogo.ingest.otlp.collect import Collector
from gonogo.ingest.otlp.wire import decode, unpacked
from gonogo.settings import Settings

SPANS = 512
ASKED = 50_000
NOW_MS = 1_780_000_100_000
START_NS = 1_780_000_000_000_000_000
PROTOBUF = "application/x-protobuf"
ATTRIBUTES: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2026-01-01",
    "gen_ai.response.id": "",
    "gen_ai.usage.input_tokens": 812,
    "gen_ai.usage.output_tokens": 96,
    "server.address": "api.example.com",
    "server.port": 443,
}


def export(first: int) -> bytes:
    """One request as the official instrumentation sends it."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(first, first + SPANS):
        span = scope.spans.add(name="chat gpt-5", trace_id=number.to_bytes(16, "big"))
        span.span_id = number.to_bytes(8, "big")
        span.start_time_unix_nano = START_NS + number * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 412_000_000
        for key, value in ATTRIBUTES.items():
            told = span.attributes.add(key=key).value
            if isinstance(value, int):
                told.int_value = value
            else:
                told.string_value = value or f"chatcmpl-{number}"
    return bytes(request.SerializeToString())


def as_json(body: bytes) -> bytes:
    """The same as OTLP/JSON: ids are hexadecimal."""
    request = ExportTraceServiceRequest.FromString(body)
    text = str(json_format.MessageToJson(request, indent=None))
    for span in request.resource_spans[0].scope_spans[0].spans:
        for name, value in (("traceId", span.trace_id), ("spanId", span.span_id)):
            told = json_format.MessageToDict(span)[name]
            text = text.replace(f'"{name}": "{told}"', f'"{name}": "{value.hex()}"')
    return text.encode()


def rate(work: Callable[[bytes], object], bodies: list[bytes]) -> float:
    """Spans a second of CPU time, best of the bodies."""
    best = float("inf")
    for body in bodies:
        start = time.process_time()
        work(body)
        best = min(best, time.process_time() - start)
    return SPANS / best


async def stored(bodies: list[bytes]) -> float:
    """Spans a second of CPU time from bytes to a committed transaction."""
    with tempfile.TemporaryDirectory() as folder:
        async with Gonogo(Settings(store=str(Path(folder) / "gonogo.db"))) as app:
            collector = Collector(0)
            await app.stores()
            start = time.process_time()
            for body in bodies:
                batch = collector.read("traces", body, PROTOBUF, now_ms=NOW_MS)
                await app.record_evidence(batch.observations)
            return SPANS * len(bodies) / (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 20 if parser.parse_args().quick else 300
    collector = Collector(0)
    bodies = [export(number * SPANS) for number in range(rounds)]
    packed = [gzip.compress(body) for body in bodies]
    texts = [as_json(body) for body in bodies[:: max(rounds // 10, 1)]]

    def read(body: bytes, content_type: str) -> None:
        batch = collector.read("traces", body, content_type, now_ms=NOW_MS)
        assert len(batch.observations) == SPANS  # noqa: S101 - else the figure is another's

    rows = {
        "protobuf's parsing alone": rate(lambda body: decode("traces", body, PROTOBUF), bodies),
        "protobuf to observations": rate(lambda body: read(body, PROTOBUF), bodies),
        "the same, gzip": rate(lambda body: read(unpacked(body, "gzip"), PROTOBUF), packed),
        "JSON to observations": rate(lambda body: read(body, "application/json"), texts),
        "protobuf into the store": anyio.run(stored, bodies),
    }
    print(f"{'spans a second of CPU time':28} {'reached':>10}   asked")
    for name, reached in rows.items():
        asked = f">= {ASKED:,}" if name == "protobuf to observations" else ""
        print(f"{name:28} {reached:10,.0f}   {asked}")


if __name__ == "__main__":
    main()
