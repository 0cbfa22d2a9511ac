"""OTLP over HTTP as it lies on the wire: protobuf or JSON, packed or not, and the answers to it.

Source: OTLP specification 1.7, "OTLP/HTTP"; opentelemetry-proto.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Literal

from gonogo.border.foreign import foreign_json
from gonogo.errors import ParameterError, plain

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    Request = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest

BODY_BYTES_MAX = 8 * 1024 * 1024
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})

Signal = Literal["traces", "metrics", "logs"]


class MalformedMessage(Exception):
    """A request that cannot be read; `status` is the HTTP status that says so."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(plain(problem, 300))
        self.status = status


def need_protobuf() -> None:
    """Refuse early where the messages cannot be read.

    Raises:
        ParameterError: the extra is not installed.
    """
    try:
        import opentelemetry.proto.collector.trace.v1.trace_service_pb2  # noqa: F401
    except ImportError:
        raise ParameterError(
            "Receiving OpenTelemetry needs the extra otlp: install gonogo[otlp]."
        ) from None


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """The body as it was before gzip.

    Raises:
        Malformed: another encoding, a broken one, or more than 8 MiB.
    """
    if encoding in (None, "", "identity"):
        return body
    if encoding != "gzip":
        raise MalformedMessage(415, f"Content-Encoding '{encoding}' is not gzip.")
    unzip = zlib.decompressobj(wbits=31)
    try:
        whole = unzip.decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise MalformedMessage(400, f"The gzip body is broken: {error}.") from None
    if len(whole) > BODY_BYTES_MAX:
        raise MalformedMessage(413, f"The body is over {BODY_BYTES_MAX} bytes once unpacked.")
    if not unzip.eof:
        raise MalformedMessage(400, "The gzip body ends too early.")
    return whole


def decode(signal: Signal, body: bytes, content_type: str) -> Request:
    """Read an export request.

    Raises:
        Malformed: neither protobuf nor JSON, or broken; keys that are not known are no error.
    """
    from google.protobuf import json_format
    from google.protobuf.message import DecodeError

    request = _request(signal)
    try:
        if content_type == PROTOBUF:
            request.ParseFromString(body)
        elif content_type == JSON:
            raw = _object(body)
            _fix_ids(raw)
            json_format.ParseDict(raw, request, ignore_unknown_fields=True, max_recursion_depth=64)
        else:
            raise MalformedMessage(
                415, f"Content-Type '{content_type}' is neither {PROTOBUF} nor {JSON}."
            )
    except (DecodeError, json_format.ParseError, ValueError, RecursionError, TypeError) as error:
        said = type(error).__name__ if content_type == PROTOBUF else str(error)
        raise MalformedMessage(400, f"The body is no OTLP request: {said}.") from None
    except SystemError:  # protobuf's, of a lone surrogate
        raise MalformedMessage(
            400, "The body is no OTLP request: a key is not Unicode text."
        ) from None
    return request


def _object(body: bytes) -> object:
    raw = foreign_json(body)
    if not isinstance(raw, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - a data error
    return raw


def _request(signal: Signal) -> Request:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        return trace_service_pb2.ExportTraceServiceRequest()
    if signal == "metrics":
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

        return metrics_service_pb2.ExportMetricsServiceRequest()
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

    return logs_service_pb2.ExportLogsServiceRequest()


def _fix_ids(raw: object) -> None:
    """OTLP/JSON writes ids in hex, where the JSON of protobuf reads base64."""
    waiting = [raw]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in _IDS and isinstance(value, str):
                    node[key] = _base64(value)
                else:
                    waiting.append(value)


def _base64(hexadecimal: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
    except (ValueError, binascii.Error):
        raise ValueError("an id is not hexadecimal") from None


def answer(signal: Signal, content_type: str, *, rejected: int, problem: str | None) -> bytes:
    """The response to an export that was read: empty, or with its partial success."""
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    response: (
        trace_service_pb2.ExportTraceServiceResponse
        | metrics_service_pb2.ExportMetricsServiceResponse
        | logs_service_pb2.ExportLogsServiceResponse
    )
    if signal == "traces":
        traces = trace_service_pb2.ExportTraceServiceResponse()
        traces.partial_success.rejected_spans = rejected
        response = traces
    elif signal == "metrics":
        metrics = metrics_service_pb2.ExportMetricsServiceResponse()
        metrics.partial_success.rejected_data_points = rejected
        response = metrics
    else:
        logs = logs_service_pb2.ExportLogsServiceResponse()
        logs.partial_success.rejected_log_records = rejected
        response = logs
    response.partial_success.error_message = problem or ""
    if not rejected:
        response.ClearField("partial_success")
    if content_type == JSON:
        return str(json_format.MessageToJson(response, indent=None)).encode()
    return bytes(response.SerializeToString())


def failure(content_type: str, message: str) -> bytes:
    """A google.rpc.Status that carries only its message (field 2), as the specification asks."""
    if content_type != PROTOBUF:
        return json.dumps({"message": message}).encode()
    text = message.encode()[:16_000]
    size = bytes([len(text)]) if len(text) < 128 else bytes([len(text) & 127 | 128, len(text) >> 7])  # noqa: PLR2004 - a varint
    return b"\x12" + size + text
