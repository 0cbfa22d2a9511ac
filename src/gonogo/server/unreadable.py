"""A line on standard input that is no message is answered, not passed over in silence.

The SDK reads a line, and where it is no message goes on to the next: whoever sent it waits for
ever. Here it gets JSON-RPC's "parse error" for each request that can be told from the line.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

IDS_MAX = 100
_ID = re.compile(r'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")(?=\s*[,}])')
logger = logging.getLogger("gonogo.server")

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def answered_stdio() -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """The SDK's standard input and output, with an answer to each line that is no message."""
    readable_in, readable = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    async with stdio_server() as (lines, out), anyio.create_task_group() as tasks:

        async def pass_on() -> None:
            async with lines, readable_in:
                async for message in lines:
                    if not isinstance(message, Exception):
                        await readable_in.send(message)
                        continue
                    for answer in answers_to(message):
                        await out.send(SessionMessage(answer))

        tasks.start_soon(pass_on)
        yield readable, out
        tasks.cancel_scope.cancel()


def answers_to(error: Exception) -> list[JSONRPCError]:
    """Why a line was not understood, once for each request in it; none for a notification."""
    line, problem, is_json = _line_of(error)
    if isinstance(line, str) and not line.strip():
        return []  # a blank line is nobody's request
    ids = _ids(line)
    logger.warning("a line on standard input is no message: %s; ids %s", problem, ids)
    told = ErrorData(code=PARSE_ERROR, message=f"gonogo cannot read this message: {problem}")
    if not ids and is_json:
        return []
    return [JSONRPCError(jsonrpc="2.0", id=known, error=told) for known in ids or [None]]


def _line_of(error: Exception) -> tuple[object, str, bool]:
    """What came, what is wrong with it in words of ours, and whether a JSON parser can read it."""
    if not isinstance(error, ValidationError):
        return None, "it is not UTF-8 text.", False
    [first, *_] = error.errors()
    came: object = first["input"]
    if first["type"] != "json_invalid":
        if isinstance(came, list):
            return came, "batches are not taken; send each request on a line of its own.", False
        return came, "it is not a JSON-RPC 2.0 request, notification or response.", True
    why = str(first.get("ctx", {}).get("error", "invalid JSON"))
    # Of the parser's words only the kind: a line's own text is not repeated.
    kind = why.split(" at line ", maxsplit=1)[0][:80]
    try:
        return json.loads(str(came)), f"JSON that is refused ({kind}).", True
    except (ValueError, RecursionError):
        return came, f"it is not JSON ({kind}).", False


def _ids(line: object) -> list[int | str | None]:
    match line:
        # What answers a request of ours carries our id, which may be one of the sender's too.
        case {"id": int() | str() as known, **rest} if not {"result", "error"} & rest.keys():
            return [_sendable(known)]
        case list():
            return [known for part in line[:IDS_MAX] for known in _ids(part)]
        case str():
            # An id deeper inside may be another's: only the one that is alone is sure.
            found = _ID.findall(line)
            return [_sendable(json.loads(found[0], strict=False))] if len(found) == 1 else []
        case _:
            return []


def _sendable(known: int | str) -> int | str | None:
    """An id as it can be sent back; a lone surrogate cannot."""
    if isinstance(known, str) and not known.isprintable():
        return None
    return known
