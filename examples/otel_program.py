"""A program with OpenTelemetry, and nothing of gonogo in it, whose model calls become evidence.

In one terminal:

    .venv/bin/gonogo watch --otlp 127.0.0.1:4318

In another, in an environment of the program's own:

    python3 -m venv /tmp/otel && /tmp/otel/bin/pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 /tmp/otel/bin/python examples/otel_program.py
    .venv/bin/gonogo list

Where an instrumentation of your client exists (OpenAI, Anthropic, LangChain, …), its one line
`…Instrumentor().instrument()` takes the place of the span below. docs/collect.md tells what is read.
"""

from __future__ import annotations

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

QUESTIONS = {"Is 7 prime?": "yes", "Is 8 prime?": "no", "Is 91 prime?": "no"}


def ask(question: str) -> str:
    """The call of a model; this one says "yes" to every odd number, and is wrong about 91."""
    return "yes" if int(question.split()[1]) % 2 else "no"


def main() -> None:
    """Ask, and tell of each call in a span."""
    # The endpoint comes from OTEL_EXPORTER_OTLP_ENDPOINT, as with every OpenTelemetry program.
    provider = TracerProvider(resource=Resource.create({"service.name": "prime-desk"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = trace.get_tracer("prime-desk", tracer_provider=provider)
    for question, truth in QUESTIONS.items():
        with tracer.start_as_current_span("chat prime-guesser", kind=trace.SpanKind.CLIENT) as span:
            answer = ask(question)
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.request.model", "prime-guesser")
            span.set_attribute("gen_ai.usage.input_tokens", len(question.split()))
            span.set_attribute("gen_ai.usage.output_tokens", 1)
            # Where the truth is known at once; else send an evaluation event later.
            span.set_attribute("gonogo.outcome", answer == truth)
    is_sent = provider.force_flush()
    provider.shutdown()
    print(f"{len(QUESTIONS)} calls told" if is_sent else "nobody listens at the endpoint")
    sys.exit(not is_sent)


if __name__ == "__main__":
    main()
