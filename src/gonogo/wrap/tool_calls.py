"""Tool calls out of the two streams of an MCP server: which tool, how long, how it ended.

Both eras speak JSON-RPC, one message a line (batches, where they were allowed, are read too). What
is no such line is passed over. Contents are hashed and forgotten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from gonogo.border.foreign import foreign_json

OPEN_CALLS_MAX = 1_000
HASH_BYTES = 16
SERVER_INFO = "io.modelcontextprotocol/serverInfo"

# The order in which every known SDK writes them; another order makes a huge line go unseen.
_HUGE_CALL = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(-?\d+|"[^"\\]*")\s*,\s*"method"\s*:\s*'
    rb'"tools\\?/call"\s*,\s*"params"\s*:\s*\{\s*"name"\s*:\s*("[^"\\]*")'
)
_HUGE_ANSWER = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(-?\d+|"[^"\\]*")\s*,\s*"(result|error)"'
)
# Within a text its quotes would be escaped.
_IS_ERROR = re.compile(rb'"isError"\s*:\s*true')

_RESULT = "tasks/result"
_ABOUT_TASKS = ("tasks/get", "tasks/cancel", _RESULT)

_Id = tuple[type, object]
LINE_BYTES_MAX = 1024 * 1024
END_BYTES = 4096


@dataclass(slots=True)
class _OpenRequest:
    """A request that waits for its answer; `tool` is None for the handshake, and for one about a `task`."""

    tool: str | None
    arguments: object
    started_ns: int
    ts: float
    task: str | None = None
    ends_task: bool = False


class Calls:
    """Matches answers to calls, and hands each finished call over as an observation's fields.

    The two sides are fed by two threads. Hashes are not salted yet: that needs the store.

    Args:
        name: What the server is called: the first half of each dependency's name.
        record: Takes the fields of one observation; must not wait.
    """

    def __init__(self, name: str, record: Callable[[dict[str, object]], object]) -> None:
        self._name = name
        self._record = record
        self._asked, self._answered = Lines(), Lines()
        self._open: dict[_Id, _OpenRequest] = {}
        # Calls that were answered by a task, which goes on; by its id.
        self._tasks: dict[str, _OpenRequest] = {}
        self._version: str | None = None
        self._left = False
        self.unseen = 0

    def ask(self, chunk: bytes, *, now_ns: int, ts: float) -> None:
        """Note what the client sent, before it is passed on: the answer may come at once."""
        for line in self._asked.feed(chunk):
            for message in _requests(line):
                self._see_request(message, now_ns, ts)

    def answer(self, chunk: bytes, *, now_ns: int) -> None:
        """Note what the server sent, after it was passed on."""
        for line in self._answered.feed(chunk):
            if self._open or self._tasks:
                for message in _answers(line):
                    self._see_answer(message, now_ns)

    def end(self, *, now_ns: int) -> None:
        """The server has gone. What it owed is failed, but where the client had gone first."""
        while self._open or self._tasks:
            _, call = (self._open or self._tasks).popitem()
            if not self._left:
                self._finish(call, now_ns, error="server_exited")

    def leave(self) -> None:
        """The client asks nothing more; it may still wait for answers."""
        self._left = True

    def _see_request(self, message: Mapping[str, object], now_ns: int, ts: float) -> None:
        method, params = message.get("method"), message.get("params")
        given = params if isinstance(params, dict) else {}
        if method == "notifications/cancelled":
            call = self._take(given.get("requestId"))
            if call is not None:
                late = "time" in str(given.get("reason", "")).lower()
                self._finish(call, now_ns, error="timeout" if late else "cancelled")
            return
        tool, key, task = given.get("name"), _key(message.get("id")), None
        if method == "tools/call" and not isinstance(tool, str):
            return
        given_task = given.get("taskId")
        if method in _ABOUT_TASKS and isinstance(given_task, str) and given_task in self._tasks:
            task = given_task
        if key is None or not (task or method in ("tools/call", "initialize")):
            return
        if len(self._open) >= OPEN_CALLS_MAX:
            self.unseen += 1
            return
        name = tool if method == "tools/call" and isinstance(tool, str) else None
        ends_task = task is not None and method == _RESULT
        self._open[key] = _OpenRequest(name, given.get("arguments"), now_ns, ts, task, ends_task)

    def _see_answer(self, message: Mapping[str, object], now_ns: int) -> None:
        if "method" in message:  # the server's own request or notification
            if str(message["method"]).startswith("notifications/tasks"):
                self._see_task(message.get("params"), now_ns)
            return
        call = self._take(message.get("id"))
        if call is None:
            return
        result, failed = message.get("result"), message.get("error")
        if call.task is not None:
            # The answer of `tasks/result` is that of the call; of the others, a state of the task.
            if not call.ends_task:
                self._see_task(result, now_ns)
            elif (whole := self._tasks.pop(call.task, None)) is not None:
                self._see_end(whole, result, failed, now_ns)
            return
        if (task := _task_of(result)) is not None:
            if len(self._tasks) >= OPEN_CALLS_MAX:
                self._tasks.pop(
                    next(iter(self._tasks))
                )  # the oldest, of which nobody asks any more
                self.unseen += 1
            self._tasks[task] = call
            return
        self._see_end(call, result, failed, now_ns)

    def _see_task(self, state: object, now_ns: int) -> None:
        """The state of a task: over where it failed, was cancelled, or comes with its result."""
        given = state if isinstance(state, dict) else {}
        status, name = given.get("status"), str(given.get("taskId"))
        if name not in self._tasks:
            return
        if status == "cancelled":
            self._finish(self._tasks.pop(name), now_ns, error="cancelled")
        elif status == "failed":
            failed = given.get("error")
            told = failed if isinstance(failed, dict) else None
            self._see_end(self._tasks.pop(name), {"isError": True}, told, now_ns)
        elif status == "completed" and isinstance(given.get("result"), dict):
            self._see_end(self._tasks.pop(name), given["result"], None, now_ns)

    def _see_end(self, call: _OpenRequest, result: object, failed: object, now_ns: int) -> None:
        if isinstance(failed, dict):
            code = failed.get("code")
            known = isinstance(code, int) and abs(code) < 10**9
            self._finish(call, now_ns, error=f"jsonrpc_{code}" if known else "jsonrpc")
        elif isinstance(result, dict):
            self._note_version(result)
            if result.get("resultType") == "input_required":
                return  # asked back: the client calls again
            if result.get("isError") is True:
                self._finish(call, now_ns, error="tool_error")
            else:
                self._finish(call, now_ns, result=result)

    def _take(self, request_id: object) -> _OpenRequest | None:
        key = _key(request_id)
        return None if key is None else self._open.pop(key, None)

    def _note_version(self, result: Mapping[str, object]) -> None:
        meta = result.get("_meta")
        info = result.get("serverInfo") or (meta.get(SERVER_INFO) if isinstance(meta, dict) else {})
        version = info.get("version") if isinstance(info, dict) else None
        if isinstance(version, str) and version:
            self._version = version

    def _finish(
        self,
        call: _OpenRequest,
        now_ns: int,
        *,
        error: str | None = None,
        result: Mapping[str, object] | None = None,
    ) -> None:
        if call.tool is None:
            return
        fields: dict[str, object] = {
            "dependency": f"{self._name}/{call.tool}",
            "kind": "tool",
            "provider": self._name,
            "version": self._version,
            "ts": call.ts,
            "latency_ms": (now_ns - call.started_ns) / 1e6,
            "error": error,
        }
        if result is not None and _HUGE not in result:
            told = {key: value for key, value in result.items() if key != "_meta"}
            if call.arguments is not _HUGE:
                fields["input_hash"] = digest_of(call.arguments or {})
                fields["output_hash"] = digest_of(told)
        self._record(fields)


def _task_of(result: object) -> str | None:
    """The id of the task that an answer stands for; None where it is the answer itself."""
    if not isinstance(result, dict):
        return None
    stated = result if result.get("resultType") == "task" else result.get("task")
    name = stated.get("taskId") if isinstance(stated, dict) else None
    return name if isinstance(name, str) and "content" not in result else None


_HUGE = "\0huge"


def _requests(line: Line) -> Iterator[Mapping[str, object]]:
    if line.tail is None:
        if b'"method"' in line.head:
            yield from _messages(line.head)
        return
    if found := _HUGE_CALL.match(line.head):
        params = {"name": _value(found[2]), "arguments": _HUGE}
        yield {"id": _value(found[1]), "method": "tools/call", "params": params}


def _answers(line: Line) -> Iterator[Mapping[str, object]]:
    if line.tail is None:
        yield from _messages(line.head)
    elif found := _HUGE_ANSWER.match(line.head):
        failed = _IS_ERROR.search(line.head) or _IS_ERROR.search(line.tail)
        result = {_HUGE: True, "isError": failed is not None}
        side = {"result": result} if found[2] == b"result" else {"error": {}}
        yield {"id": _value(found[1]), **side}


def _messages(text: bytes) -> Iterator[Mapping[str, object]]:
    yield from messages_in(_value(text))


def messages_in(value: object) -> Iterator[Mapping[str, object]]:
    """The messages of a line: one, or those of a batch."""
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, dict):
            yield one


def _value(text: bytes) -> object:
    try:
        return foreign_json(text)
    except ValueError:
        return None


def _key(request_id: object) -> _Id | None:
    # 1, "1" and true are three ids, and Python would take the first and the last for one.
    if isinstance(request_id, bool) or not isinstance(request_id, (int, str)):
        return None
    return type(request_id), request_id


def digest_of(value: object) -> str:
    """A salted digest that tells two values apart."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()


class Line(NamedTuple):
    """One line without its end. Of one over 1 MiB, `head` and `tail` are its first and last 4 KiB."""

    head: bytes
    tail: bytes | None = None


class Lines:
    """Cuts what it is fed into lines; a last one without an end is never told."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._tail: bytes | None = None

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that this chunk completes."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._hold(chunk[start:end])
            yield Line(bytes(self._held), self._tail)
            self._held.clear()
            self._tail = None
            start = end + 1
        self._hold(chunk[start:])

    def _hold(self, piece: bytes) -> None:
        if self._tail is not None:
            self._tail = (self._tail + piece)[-END_BYTES:]
            return
        self._held += piece
        if len(self._held) > LINE_BYTES_MAX:
            self._tail = bytes(self._held[-END_BYTES:])
            del self._held[END_BYTES:]
