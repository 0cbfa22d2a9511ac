"""Messages over stdio: a line that holds no message is answered, and so is every request when input ends.

The SDK reads a line, and where it is no message goes on to the next: whoever sent it waits for
ever. Here it gets JSON-RPC's "parse error" for each request that can be told from the line. And where
input ends the SDK breaks off what is under way, so that `gonogo serve < requests.jsonl` would say
"Connection closed" to each of them; here they are answered first.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import (
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from gonogo.errors import plain

IDS_MAX = 100
# For the answers to what came before the end of input, as long as they are worked on. Who has used next to no
# processor for so long waits for a lock, and a client that has closed its end waits for the server.
LAST_ANSWERS_S, QUIET_S, WORKING = 30.0, 0.25, 0.05
_ID = re.compile(r'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")(?=\s*[,}])')
logger = logging.getLogger("gonogo.server")

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


class PendingRequests:
    """Requests that wait for an answer, of the client and of the server."""

    def __init__(self) -> None:
        self._asked: set[object] = set()
        self._asks: set[object] = set()
        self._has_moved = anyio.Event()

    def came(self, message: JSONRPCMessage) -> None:
        """Note what the client sent."""
        match message:
            case JSONRPCRequest(method="subscriptions/listen"):
                pass  # lasts as long as the connection
            case JSONRPCRequest():
                self._asked.add(message.id)
            case JSONRPCNotification(method="notifications/cancelled", params=dict(params)):
                number = params.get("requestId")
                # A list or an object cannot be looked for; a client may send either.
                if isinstance(number, (int, str)) and not isinstance(number, bool):
                    self._asked.discard(number)
            case JSONRPCResponse() | JSONRPCError():
                self._asks.discard(message.id)
            case _:
                pass

    def went(self, message: JSONRPCMessage) -> None:
        """Note what the server sent."""
        match message:
            case JSONRPCRequest():
                self._asks.add(message.id)
            case JSONRPCResponse() | JSONRPCError():
                self._asked.discard(message.id)
            case _:
                return
        self._has_moved.set()
        self._has_moved = anyio.Event()

    async def last_answers(self) -> None:
        """Wait until nothing is left to be answered but what waits: for an answer of the client's, or for a lock."""
        while len(self._asked) > len(self._asks):
            used_s = time.process_time()
            with anyio.move_on_after(QUIET_S) as waited:
                await self._has_moved.wait()
            if waited.cancelled_caught and time.process_time() - used_s < WORKING * QUIET_S:
                return


@asynccontextmanager
async def answered_stdio() -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """The SDK's standard input and output, where every line and every request is answered."""
    readable_in, readable = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    writable, writable_out = anyio.create_memory_object_stream[SessionMessage](0)
    under_way, reading = PendingRequests(), anyio.CancelScope()
    async with stdio_server() as (lines, out), anyio.create_task_group() as tasks:

        async def pass_on() -> None:
            with reading:
                async with lines, readable_in:
                    async for message in lines:
                        if not isinstance(message, Exception):
                            under_way.came(message.message)
                            _log_unanswerable(message.message)
                            await readable_in.send(message)
                            continue
                        for answer in answers_to(message):
                            await writable.send(SessionMessage(answer))
                    with anyio.move_on_after(LAST_ANSWERS_S):
                        await under_way.last_answers()

        async def pass_out() -> None:
            async with out, writable_out:
                async for message in writable_out:
                    await out.send(message)
                    under_way.went(message.message)

        tasks.start_soon(pass_on)
        tasks.start_soon(pass_out)
        yield readable, writable
        reading.cancel()
        await writable.aclose()


def _log_unanswerable(message: JSONRPCMessage) -> None:
    """Say that a request's id is none: a client that sends 1.5 or null gets no answer, and reads why here."""
    if isinstance(message, JSONRPCNotification) and not message.method.startswith("notifications/"):
        logger.warning(
            "a request on standard input has no id that is text or a whole number, and gets no answer: %s",
            plain(message.method, 80),
        )


def answers_to(error: Exception) -> list[JSONRPCError]:
    """Build the error replies to an unreadable line, one for each request in it; none for a notification."""
    line, problem, is_object = _line_of(error)
    if isinstance(line, str) and not line.strip():
        return []  # a blank line is nobody's request
    ids = _ids(line)
    logger.warning("a line on standard input is no message: %s; ids %s", problem, ids)
    told = ErrorData(code=PARSE_ERROR, message=f"gonogo cannot read this message: {problem}")
    if not ids and is_object:
        return []  # a notification or an answer, for which nobody waits
    return [JSONRPCError(jsonrpc="2.0", id=known, error=told) for known in ids or [None]]


def _line_of(error: Exception) -> tuple[object, str, bool]:
    """Diagnose a line: its value, our words for its fault, and whether it is an object."""
    if not isinstance(error, ValidationError):
        return None, "it is not UTF-8 text.", False
    [first, *others] = error.errors()
    # Where a part of it is wrong, the whole is the input of what it lacks to be an answer.
    wholes = [each["input"] for each in others if each["type"] == "missing"]
    came: object = next(iter(wholes), first["input"])
    if first["type"] != "json_invalid":
        if isinstance(came, list):
            return came, "batches are not taken; send each request on a line of its own.", False
        said = "it is not a JSON-RPC 2.0 request, notification or response."
        return came, said, isinstance(came, dict)
    why = str(first.get("ctx", {}).get("error", "invalid JSON"))
    # Of the parser's words only the kind: a line's own text is not repeated.
    kind = why.split(" at line ", maxsplit=1)[0][:80]
    try:
        line = json.loads(str(came))
    except (ValueError, RecursionError):
        return came, f"it is not JSON ({kind}).", False
    return line, f"JSON that is refused ({kind}).", isinstance(line, dict)


def _ids(line: object) -> list[int | str | None]:
    """The ids of the requests in a line; only as deep as a batch, whatever is nested in it."""
    if isinstance(line, str):
        # An id deeper inside may be another's: only the one that is alone is sure.
        found = _ID.findall(line)
        return [_sendable(json.loads(found[0], strict=False))] if len(found) == 1 else []
    parts: list[object] = line[:IDS_MAX] if isinstance(line, list) else [line]
    return [
        _sendable(known)
        for part in parts
        # What answers a request of ours carries our id, which may be one of the sender's too.
        if isinstance(part, dict) and not {"result", "error"} & part.keys()
        if isinstance(known := part.get("id"), int | str) and not isinstance(known, bool)
    ]


def _sendable(known: int | str) -> int | str | None:
    """An id as it can be sent back; a lone surrogate cannot."""
    if isinstance(known, str) and not known.isprintable():
        return None
    return known
