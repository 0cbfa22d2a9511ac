"""Events by which coding agents tell of their calls: Claude Code, Codex, Gemini CLI.

Sources: Claude Code, "Monitoring"; Codex, "Observability and telemetry"; Gemini CLI, "Telemetry".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gonogo.ingest.error_codes import error_code
from gonogo.ingest.otlp.names import Scalar

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

AGENTS = ("claude_code.", "codex.", "gemini_cli.")
_PROVIDERS = {"claude_code": "anthropic", "codex": "openai", "gemini_cli": "google"}
_FAILED = frozenset({"claude_code.api_error", "gemini_cli.api_error"})
_CALLS = frozenset({"claude_code.api_request", "gemini_cli.api_response"}) | _FAILED
_TOOLS = frozenset({"claude_code.tool_result", "codex.tool_result", "gemini_cli.tool_call"})
# Each of them is followed by the end of its stream where it went well.
_REQUESTS = frozenset({"codex.api_request", "codex.websocket_request", "codex.websocket_connect"})


def tells_of_call(name: str, found: Mapping[str, Scalar]) -> bool:
    """Whether an event ends a call.

    Codex tells of an answer by the end of its stream, with its tokens or with why it broke off, and of a
    request that failed by the request; one that succeeded would count the same call again, as would
    the last message of a stream, which is of the same name and kind and says neither.
    """
    if name == "codex.sse_event":
        is_end = found.get("event_kind") == "response.completed"
        return is_end and ("input_tokens" in found or "error" in found)
    if name in _REQUESTS:
        return failure_of(name, found) is not None
    return name in _CALLS or name in _TOOLS


def failure_of(name: str, found: Mapping[str, Scalar]) -> str | None:
    """The code of a failure that an event tells of; None where the call went well."""
    status = error_code(found.get("status_code"))
    is_error = name in _FAILED or (status or "").startswith(("http_4", "http_5"))
    if name in _TOOLS:
        if str(found.get("success")).lower() != "false":
            return None
        return error_code(found.get("error_type")) or "tool_error"
    if found.get("error") or str(found.get("success")).lower() == "false":
        is_error = True
    if not is_error:
        return None
    return (
        status or error_code(found.get("error_type")) or error_code(found.get("error")) or "error"
    )


def counts_apart(name: str) -> bool:
    """Whether an agent counts cached tokens beside the others, as Anthropic does."""
    return name.startswith("claude_code.")


def provider_of(name: str) -> str:
    """Whose models an agent asks where it does not say so."""
    return _PROVIDERS[name.partition(".")[0]]


def event_name(record: LogRecord) -> str:
    """The event's name, in whichever of its three places it stands."""
    name: str = record.event_name
    if not name:
        named = (a.value.string_value for a in record.attributes if a.key == "event.name")
        name = next(named, "")
    body: str = record.body.string_value
    # Claude Code has the short name in the attribute and the long one in the body.
    return body if not name or body == f"claude_code.{name}" else name
