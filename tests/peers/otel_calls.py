"""Run inside an instrumentation's environment: calls of an OpenAI-compatible stub, exported by OTLP.

Arguments: the instrumentation's module and class, the stub's address, the receiver's address.
"""

from __future__ import annotations

import contextlib
import importlib
import sys

import openai
from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext

CALLS = 12


class Ended(SpanProcessor):  # type: ignore[misc] # the SDK is not in the environment of the checks
    """Keeps the contexts of the spans that ended."""

    def __init__(self) -> None:
        self.contexts: list[SpanContext] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep one."""
        if span.context is not None:
            self.contexts.append(span.context)


MESSAGES = [{"role": "user", "content": "a secret"}]


def evaluate(logs: LoggerProvider, ended: Ended, answered: list[str]) -> None:
    """An evaluation of each answer: the first one failed."""
    logger = logs.get_logger("evaluator")
    for place, response_id in enumerate(answered):
        # OpenInference keeps no response id; an evaluation may stand in the context of its span.
        evaluated = trace.NonRecordingSpan(ended.contexts[place])
        logger.emit(
            context=trace.set_span_in_context(evaluated),
            event_name="gen_ai.evaluation.result",
            attributes={
                "gen_ai.evaluation.name": "correctness",
                "gen_ai.response.id": response_id,
                "gen_ai.evaluation.score.label": "fail" if place == 0 else "pass",
            },
        )


def main(module: str, name: str, stub: str, receiver: str) -> None:
    """Twelve good calls, one that fails, an evaluation of each good one, and a model of metrics alone."""
    resource = Resource.create({"service.name": "peer"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{receiver}/v1/traces", compression=Compression.Gzip))
    )
    ended = Ended()
    spans.add_span_processor(ended)
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(
            f"{receiver}/v1/metrics",
            preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()},
        ),
        export_interval_millis=3_600_000,
    )
    meters = MeterProvider(resource=resource, metric_readers=[reader])
    metrics.set_meter_provider(meters)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{receiver}/v1/logs")))
    _logs.set_logger_provider(logs)
    getattr(importlib.import_module(module), name)().instrument()

    client = openai.OpenAI(base_url=stub, api_key="none", max_retries=0)
    answered = [
        client.chat.completions.create(model="stub-model", messages=MESSAGES).id
        for _ in range(CALLS)
    ]
    with contextlib.suppress(openai.APIStatusError):
        client.chat.completions.create(model="broken", messages=MESSAGES)
    spans.force_flush()
    evaluate(logs, ended, answered)
    logs.force_flush()
    duration = meters.get_meter("own").create_histogram("gen_ai.client.operation.duration", "s")
    for seconds in (0.1, 0.2, 0.4, 0.7):
        duration.record(seconds, {"gen_ai.request.model": "metered"})
    meters.force_flush()
    for provider in (spans, meters, logs):
        provider.shutdown()


main(*sys.argv[1:])
