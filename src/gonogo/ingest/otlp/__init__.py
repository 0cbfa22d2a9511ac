"""OpenTelemetry in: the bytes of an OTLP export to observations. Pure but for what is remembered.

`Telemetry` (`collect.py`) is the way in. Spans and events are calls; metrics are calls where no
spans or events tell of them; evaluation events are the outcomes of earlier calls.
"""
