"""What `gonogo wrap` makes of the two streams of an MCP server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.wrap.tool_calls import END_BYTES, LINE_BYTES_MAX, OPEN_CALLS_MAX, Calls, Line, Lines
from gonogo.wrap.wrap_command import salt_of, salted

Recorded = list[dict[str, object]]


def line(message: object) -> bytes:
    """One message as SDKs send it."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def call(number: object, tool: str = "search", **arguments: object) -> bytes:
    """A tool call."""
    params = {"name": tool, "arguments": arguments}
    return line({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


def result(number: object, **fields: object) -> bytes:
    """Its answer."""
    return line({"jsonrpc": "2.0", "id": number, "result": fields})


def watched(asked: Iterable[bytes], answered: Iterable[bytes]) -> tuple[Calls, Recorded]:
    """Everything that was asked, at 0 ms, then everything that was answered, at 5 ms."""
    recorded: Recorded = []
    calls = Calls("srv", recorded.append)
    for chunk in asked:
        calls.ask(chunk, now_ns=0, ts=1_780_000_000.0)
    for chunk in answered:
        calls.answer(chunk, now_ns=5_000_000)
    return calls, recorded


@given(st.data())
def test_chunks_leave_no_trace(data: st.DataObject) -> None:
    """However the bytes are cut, the same calls are told, among lines that are no messages."""
    noise = [b"\n", b"not json\n", b"[1, 2]\n", b'{"id": [1], "result": {}}\n', b"\xff\xfe{\n"]
    asked = b"".join([call(1, q="a"), *noise, call("1", q="b"), call(2, tool="other")])
    answered = b"".join([*noise, result("1", content=[]), result(2, isError=True), result(1, x=1)])

    def cut(whole: bytes) -> list[bytes]:
        places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
        return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]

    _, whole = watched([asked], [answered])
    assert [r["dependency"] for r in whole] == ["srv/search", "srv/other", "srv/search"]
    assert [r["error"] for r in whole] == [None, "tool_error", None]
    assert watched(cut(asked), cut(answered))[1] == whole


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"result": {"content": []}}, None),
        ({"result": {"content": [], "isError": True}}, "tool_error"),
        ({"error": {"code": -32602, "message": "x"}}, "jsonrpc_-32602"),
        ({"error": {"code": "x"}}, "jsonrpc"),
    ],
)
def test_how_a_call_ended(answer: dict[str, object], error: str | None) -> None:
    """A result, a tool's own error, a protocol error; latency is from request to answer."""
    _, [told] = watched([call(7)], [line({"jsonrpc": "2.0", "id": 7, **answer})])
    assert (told["error"], told["latency_ms"]) == (error, 5.0)
    assert ("output_hash" in told) == (error is None)


TASK: dict[str, object] = {"taskId": "t-1", "status": "working"}


@pytest.mark.parametrize("created", [{"task": TASK}, {"resultType": "task", **TASK}])
@pytest.mark.parametrize(
    ("method", "answer", "error"),
    [
        ("tasks/result", {"content": []}, None),
        ("tasks/result", {"content": [], "isError": True}, "tool_error"),
        ("tasks/get", {"taskId": "t-1", "status": "failed"}, "tool_error"),
        ("tasks/get", {"taskId": "t-1", "status": "failed", "error": {"code": -1}}, "jsonrpc_-1"),
        ("tasks/get", {"taskId": "t-1", "status": "completed", "result": {"content": []}}, None),
        ("tasks/cancel", {"taskId": "t-1", "status": "cancelled"}, "cancelled"),
        ("notifications/tasks/status", {"taskId": "t-1", "status": "cancelled"}, "cancelled"),
    ],
)
def test_a_call_that_became_a_task_ends_with_it(
    created: dict[str, object], method: str, answer: dict[str, object], error: str | None
) -> None:
    """The first answer only says that it goes on: it is neither a success nor how long it took."""
    calls, told = watched([call(1)], [result(1, **created)])

    def poll(number: int, how: str, said: dict[str, object]) -> None:
        asked = {"jsonrpc": "2.0", "id": number, "method": how, "params": {"taskId": "t-1"}}
        calls.ask(line(asked), now_ns=6_000_000, ts=1_780_000_000.0)
        calls.answer(result(number, **said), now_ns=9_000_000)

    poll(2, "tasks/get", TASK)
    poll(3, "tasks/get", {"taskId": "t-1", "status": "completed"})
    calls.ask(
        line({"id": 9, "method": "tasks/cancel", "params": {"taskId": "t-1"}}), now_ns=0, ts=0
    )
    calls.answer(line({"id": 9, "error": {"code": -32602}}), now_ns=8_000_000)
    assert told == []
    if method.startswith("notifications"):
        said = {"jsonrpc": "2.0", "method": method, "params": answer}
        calls.answer(line(said), now_ns=9_000_000)
    else:
        poll(4, method, answer)
    poll(5, "tasks/result", {"content": []})
    calls.end(now_ns=10_000_000)
    assert [(one["error"], one["latency_ms"]) for one in told] == [(error, 9.0)]


def test_tasks_that_nobody_asks_about_are_bounded() -> None:
    """The oldest is let go and counted as unseen; the newest are told."""
    n = OPEN_CALLS_MAX + 5
    started = [result(i, task={"taskId": f"t-{i}"}) for i in range(n)]
    calls, told = watched([], [])
    for i, answer in enumerate(started):
        calls.ask(call(i), now_ns=0, ts=1_780_000_000.0)
        calls.answer(answer, now_ns=0)
    calls.end(now_ns=1)
    assert (calls.unseen, len(told)) == (5, OPEN_CALLS_MAX)


def test_a_task_of_a_server_that_died_is_failed() -> None:
    """As a call that it owed."""
    calls, told = watched([call(1)], [result(1, task=TASK)])
    calls.end(now_ns=7_000_000)
    assert [one["error"] for one in told] == ["server_exited"]


def test_a_call_that_asks_back_is_not_over() -> None:
    """The client calls again; only the last round is an observation."""
    _, told = watched([call(1)], [result(1, resultType="input_required", inputRequests={})])
    assert told == []


@pytest.mark.parametrize(("reason", "error"), [("Request timed out", "timeout"), ("", "cancelled")])
def test_a_call_that_its_client_gave_up(reason: str, error: str) -> None:
    """It is told once, when it was given up; a late answer changes nothing."""
    params = {"requestId": 1, "reason": reason}
    given_up = line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    _, told = watched([call(1), given_up], [result(1, content=[])])
    assert [r["error"] for r in told] == [error]


def test_the_server_s_version_is_told_in_both_eras() -> None:
    """By the handshake's answer, or in each result's `_meta`."""
    hello = line({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}})
    first = result(0, serverInfo={"name": "x", "version": "1.2"})
    info = {"io.modelcontextprotocol/serverInfo": {"version": "2.0"}}
    _, told = watched([hello, call(1), call(2)], [first, result(1), result(2, _meta=info)])
    assert [r["version"] for r in told] == ["1.2", "2.0"]


def test_equal_arguments_and_results_have_equal_hashes() -> None:
    """The order of keys, and `_meta`, make no difference; contents are not told."""
    _, told = watched(
        [call(1, a="secret", b=2), call(2, b=2, a="secret"), call(3, a="other")],
        [result(1, x=1, _meta={"t": 1}), result(2, x=1, _meta={"t": 2}), result(3, x=2)],
    )
    first, second, third = told
    assert (first["input_hash"], first["output_hash"]) == (
        second["input_hash"],
        second["output_hash"],
    )
    assert first["input_hash"] != third["input_hash"]
    assert "secret" not in repr(told)


def test_huge_lines_are_matched_by_their_ends() -> None:
    """Over 1 MiB a message is not parsed; the call is told, without hashes."""
    big = "x" * (2 * LINE_BYTES_MAX)
    _, told = watched(
        [call(1, text=big), call("two")],
        [result(1, content=[]), result("two", content=[big], isError=True)],
    )
    assert [r["error"] for r in told] == [None, "tool_error"]
    assert "input_hash" not in told[0]
    assert "output_hash" not in told[1]


def test_a_huge_line_is_not_held() -> None:
    """Of a line over 1 MiB its two ends remain, and the next line is whole."""
    lines, told = Lines(), []
    for _ in range(40):
        told += list(lines.feed(b"a" * 65_536))
        assert len(lines._held) <= LINE_BYTES_MAX + 65_536
    told += list(lines.feed(b"end\nnext\n"))
    assert told == [Line(b"a" * END_BYTES, b"a" * (END_BYTES - 3) + b"end"), Line(b"next")]


def test_open_calls_are_bounded() -> None:
    """A client that asks without end and a server that never answers fill no memory."""
    calls, _ = watched([call(n) for n in range(OPEN_CALLS_MAX + 5)], [])
    assert (len(calls._open), calls.unseen) == (OPEN_CALLS_MAX, 5)


def test_what_a_dead_server_owed_is_failed_and_what_a_client_left_is_not() -> None:
    """Who went first decides."""
    calls, told = watched([call(1)], [])
    calls.leave()
    calls.end(now_ns=1)
    assert told == []
    calls, told = watched([call(1)], [])
    calls.leave()
    calls.answer(result(1), now_ns=1)
    assert len(told) == 1
    calls, told = watched([call(1)], [])
    calls.end(now_ns=1_000_000)
    assert [(r["error"], r["latency_ms"]) for r in told] == [("server_exited", 1.0)]


def test_stores_have_salts_of_their_own(tmp_path: Path) -> None:
    """The same store keeps its salt, for its owner alone; two stores never share one."""
    first = salt_of(str(tmp_path / "a.db"), {})
    assert salt_of(str(tmp_path / "a.db"), {}) == first
    assert (tmp_path / "a.db.salt").stat().st_mode & 0o777 == 0o600
    second = salt_of("postgresql://host/b", {"XDG_DATA_HOME": str(tmp_path)})
    assert len({salted("d", salt) for salt in (first, second)} | {"d"}) == 3
