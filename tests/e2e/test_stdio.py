"""The server as a process: what it loads, what it writes, how it ends, and several at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, TextContent
from product import ERAS, GONOGO, answer, client, environment, gonogo, lines, typed

from gonogo.server.stdio_messages import PendingRequests

START = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
INITIALIZED = '{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'
INFINITE = float("inf")
MALFORMED: list[tuple[dict[str, object], str]] = [
    ({"dependency": "a", "outcom": 1}, "outcom"),
    ({"dependency": "a", "outcome": INFINITE}, "outcome"),
    ({"dependency": "a", "latency_ms": INFINITE}, "latency_ms"),
    ({"dependency": "a", "latency_ms": "five"}, "latency_ms"),
    ({"dependency": "a", "cost_usd": -1}, "cost_usd"),
    ({"dependency": "a", "ts": "2999-01-01T00:00:00Z"}, "ts"),
    ({"dependency": "x" * 1_000_000}, "dependency"),
    ({"dependency": "a\u001b[31m"}, "dependency"),
    ({"outcome": 1}, "dependency"),
]
GOOD = {"dependency": "a", "outcome": 1}


def request(number: int, method: str, **params: Any) -> str:  # noqa: ANN401 - any JSON
    """One JSON-RPC request, a line."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n"


def test_nothing_heavy_is_loaded_before_the_first_question() -> None:
    """Clients wait for the list of tools; numpy and the store can wait for a question."""
    code = (
        "import sys\n"
        "from gonogo.app import Gonogo\n"
        "from gonogo.server.surface import build_server\n"
        "from gonogo.settings import Settings\n"
        "import anyio\n"
        "server = build_server(Gonogo(Settings(store='none')))\n"
        "assert len(anyio.run(server.list_tools)) == 10\n"
        "print(sorted({'numpy', 'typer', 'httpx', 'sqlite3', 'aiosqlite'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_the_store_opens_without_numpy() -> None:
    """A route or a budget is asked for in the middle of work: statistics load when they are used."""
    code = "import sys\nimport gonogo.app.parts\nprint('numpy' in sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


def test_standard_output_carries_the_protocol_alone(tmp_path: Path) -> None:
    """Broken lines, wrong calls and a store that cannot open change nothing about that."""
    store = tmp_path / "gonogo.db"
    store.write_text("no store")
    sent = request(1, "initialize", **START) + INITIALIZED
    sent += "no JSON\n{\n\n" + request(2, "no/method")
    for number, name in ((3, "get_route"), (4, "none")):
        sent += request(number, "tools/call", name=name, arguments={"dependency": "a"})
    by_id: dict[int, Any] = {}
    with subprocess.Popen(
        [GONOGO, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(store),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sent)
        process.stdin.flush()
        while not {1, 2, 3, 4} <= by_id.keys():
            reply = json.loads(process.stdout.readline())
            assert reply["jsonrpc"] == "2.0"
            by_id[reply.get("id")] = reply
        process.stdin.close()
        rest = process.stdout.read()
        assert (process.wait(timeout=60), rest) == (0, "")
    assert "error" in by_id[2]
    assert by_id[3]["result"]["isError"] is True
    assert "not a gonogo store" in by_id[3]["result"]["content"][0]["text"]
    assert "Unknown tool 'none'" in by_id[4]["result"]["content"][0]["text"]
    assert store.read_text() == "no store"


DEEP = (
    '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"get_route","arguments":%s}}'
)
UNREADABLE: list[tuple[str, list[int | str | None]]] = [
    (DEEP % (11, '{"dependency":"\\ud800"}'), [11]),
    (DEEP % (12, "[" * 300 + "]" * 300), [12]),
    (DEEP % (13, "[" * 100_000), [13]),
    (
        '[{"jsonrpc":"2.0","id":14,"method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]',
        [14, "b"],
    ),
    ('{"jsonrpc":"2.0","id":15,"method":', [15]),
    ('{"jsonrpc":"2.0","id":16}', [16]),
    ('{"jsonrpc":"1.0","id":17,"method":"ping"}', [17]),
    ('{"jsonrpc":"2.0","id":18,"method":5}', [18]),
    ('{"jsonrpc":"2.0","id":19,"method":"ping","params":[]}', [19]),
    ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', []),
    ('{"id":1,"params":{"id":2},', [None]),
    ("\x00\x01 no JSON", [None]),
    ("", []),
    ('{"jsonrpc":"2.0","id":1,"result":{"a":"\\ud800"}}', []),
    ('{"jsonrpc":"2.0","method":"notifications/progress","params":{"a":"\\ud800"}}', []),
]
BARE = ("42", "null", "true", '"ping"', "[]", "[3]", '"\\ud800"')
UNREADABLE += [(bare, [None]) for bare in BARE]
# Parsers give up at different depths, and so does whoever walks what they read.
UNREADABLE += [("[" * deep + "]" * deep, [None]) for deep in (150, 300, 500, 900, 5000)]
ODD_IDS: tuple[object, ...] = (True, None, 1.5, [], {}, "\u202e", "\ud800")
UNREADABLE += [(json.dumps([{"id": odd}]), [None]) for odd in ODD_IDS]
UNREADABLE += [('[[{"id":20}],{"id":21},{"id":false}]', [21])]


def piped(store: Path, asked: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """What the server answers to lines that are piped into it, and its lines of standard error."""
    done = subprocess.run(
        [GONOGO, "serve"],
        input="".join(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment(store),
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def test_a_line_that_is_no_message_is_answered(tmp_path: Path) -> None:
    """Who sent it would wait for ever: it hears of a parse error, and so does standard error."""
    asked = [request(0, "initialize", **START), INITIALIZED]
    asked += [line + "\n" for line, _ in UNREADABLE]
    told, said = piped(tmp_path / "gonogo.db", [*asked, request(9, "ping")])
    wrong = [t["id"] for t in told if t.get("error", {}).get("code") == -32700]
    assert wrong == [known for _, ids in UNREADABLE for known in ids]
    assert {"jsonrpc": "2.0", "id": 9, "result": {}} in told
    assert len(said) == len([line for line, _ in UNREADABLE if line])
    assert all("standard input" in line for line in said)


ODD: list[object] = [{}, [], 1, True, None, "x", "\u202e\x1b[2J", [[]], {"a": []}, 10**17, 1.5]
METHODS = (
    *("ping", "initialize", "tools/list", "tools/call", "resources/list", "resources/read"),
    *("resources/templates/list", "prompts/list", "prompts/get", "completion/complete"),
    *("logging/setLevel", "server/discover", "subscriptions/listen", "resources/subscribe", "none"),
)
NOTIFICATIONS = ("cancelled", "progress", "initialized", "roots/list_changed", "none")
FIELDS = ("requestId", "progressToken", "name", "arguments", "uri", "cursor", "_meta", "ref")


def test_no_odd_part_of_a_message_ends_the_server(tmp_path: Path) -> None:
    """Any value wherever a field is: a request is answered once, what asks for no answer is passed over."""
    asked = [request(0, "initialize", **START), INITIALIZED]
    odd = [{field: value} for field in FIELDS for value in ODD]
    given = [*ODD, *odd, *({"_meta": each} for each in odd)]
    requests = [(method, params) for method in METHODS for params in given]
    for number, (method, params) in enumerate(requests, 1):
        asked.append(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n"
        )
    for params in given:
        asked += [
            json.dumps({"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params})
            + "\n"
            for method in NOTIFICATIONS
        ]
        for unasked in (1, "none"):
            asked += [
                json.dumps({"jsonrpc": "2.0", "id": unasked, kind: params}) + "\n"
                for kind in ("result", "error")
            ]
    last = len(requests) + 1
    told, _ = piped(tmp_path / "gonogo.db", [*asked, request(last, "ping")])
    assert {"jsonrpc": "2.0", "id": last, "result": {}} in told
    numbers = Counter(each.get("id") for each in told if "method" not in each)
    listens = {n for n, (method, _) in enumerate(requests, 1) if method == "subscriptions/listen"}
    unanswered = {n for n in range(1, last) if numbers[n] != 1} - listens
    assert not unanswered, [requests[n - 1] for n in sorted(unanswered)[:5]]


def test_what_came_before_the_end_of_input_is_answered(tmp_path: Path) -> None:
    """Requests from a file or a pipe get their answers, not "Connection closed"."""
    asked = [request(0, "initialize", **START), INITIALIZED]
    asked += [
        request(number, "tools/call", name=name, arguments=arguments)
        for number, name, arguments in (
            (1, "record_observations", {"observations": [GOOD]}),
            (2, "check_model_drift", {"dependency": "none"}),
            (3, "list_dependencies", {}),
        )
    ]
    told, _ = piped(tmp_path / "gonogo.db", asked)
    assert sorted(t["id"] for t in told) == [0, 1, 2, 3]
    assert all("result" in t for t in told)


@pytest.mark.anyio
async def test_only_what_will_be_answered_is_waited_for() -> None:
    """Not a subscription, a cancelled call, or a call that asks who is gone."""
    under_way = PendingRequests()
    for number, method in ((0, "tools/call"), (1, "subscriptions/listen"), (2, "tools/call")):
        under_way.came(JSONRPCRequest(jsonrpc="2.0", id=number, method=method))
    answered = anyio.Event()

    async def wait() -> None:
        await under_way.last_answers()
        answered.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        under_way.went(JSONRPCResponse(jsonrpc="2.0", id=2, result={}))
        await anyio.wait_all_tasks_blocked()
        assert not answered.is_set()
        under_way.went(JSONRPCResponse(jsonrpc="2.0", id=0, result={}))
    for number in (3, 4):
        under_way.came(JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/call"))
    cancelled = {"requestId": 4}
    under_way.came(
        JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=cancelled)
    )
    under_way.went(JSONRPCRequest(jsonrpc="2.0", id=7, method="elicitation/create"))
    await under_way.last_answers()


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_malformed_observations_are_refused_alone(tmp_path: Path, era: str) -> None:
    """One clear line each, by index and field; the good one is kept."""
    # JSON has no infinity: a client sends null, and a null field is an absent one.
    sendable = [m for m in MALFORMED if INFINITE not in m[0].values()]
    async with client(tmp_path / "gonogo.db", era) as asked:
        items = [*(item for item, _ in sendable), "no object", GOOD]
        result = await asked.call_tool("record_observations", {"observations": items})
    found = result.structured_content or {}
    assert found["accepted"] == 1
    refused = [(r["index"], r["field"]) for r in found["rejected"]]
    fields = [*(field for _, field in sendable), "observation"]
    assert refused == list(enumerate(fields))
    for rejection in found["rejected"]:
        assert len(rejection["problem"]) <= 300
        assert "\u001b" not in rejection["problem"]


def test_malformed_lines_are_refused_alone(tmp_path: Path) -> None:
    """A file's good lines are kept; exit status 65 says that some were not."""
    path = tmp_path / "calls.jsonl"
    text = lines([item for item, _ in MALFORMED]) + '{"dependency": \n' + lines([GOOD])
    path.write_text(text)
    done = typed("ingest", str(path), "--json", store=tmp_path / "gonogo.db")
    found = answer(done)
    assert (done.returncode, found["accepted"], done.stderr) == (65, 1, "")
    assert [r["line"] for r in found["rejected"]] == list(range(1, len(MALFORMED) + 2))
    assert all(len(r["problem"]) <= 300 for r in found["rejected"])


@pytest.mark.anyio
async def test_two_servers_and_a_command_share_a_store(tmp_path: Path) -> None:
    """Each agent starts its own server: nothing is lost, nothing counted twice."""
    store, batches, size = tmp_path / "gonogo.db", 10, 50

    async def record(era: str) -> None:
        async with client(store, era) as asked:
            for batch in range(batches):
                items = [{**GOOD, "id": f"{era}-{batch}-{i}"} for i in range(size)]
                result = await asked.call_tool("record_observations", {"observations": items})
                assert (result.structured_content or {})["accepted"] == size

    async with anyio.create_task_group() as tasks:
        for era in ERAS:
            tasks.start_soon(record, era)
    again = lines([{**GOOD, "id": f"legacy-0-{i}"} for i in range(size)])
    (tmp_path / "again.jsonl").write_text(again)
    done = await anyio.to_thread.run_sync(
        lambda: gonogo("ingest", str(tmp_path / "again.jsonl"), "--json", store=store)
    )
    assert answer(done)["duplicates"] == size
    async with client(store, "auto") as asked:
        listed = (await asked.call_tool("list_dependencies", {})).structured_content or {}
    assert [d["n"] for d in listed["dependencies"]] == [len(ERAS) * batches * size]


@pytest.mark.anyio
async def test_a_read_only_server_answers_and_changes_nothing(tmp_path: Path) -> None:
    """It refuses to record in one line that says what to do."""
    store = tmp_path / "gonogo.db"
    async with client(store, "auto") as asked:
        await asked.call_tool("record_observations", {"observations": [GOOD]})
    async with client(store, "auto", "--read-only") as asked:
        refused = await asked.call_tool("record_observations", {"observations": [GOOD]})
        listed = await asked.call_tool("list_dependencies", {})
    [block] = refused.content
    assert isinstance(block, TextContent)
    assert (refused.is_error, "without --read-only" in block.text) == (True, True)
    assert (listed.structured_content or {})["dependencies"][0]["n"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Although a thread of it waits for standard input."""
    with subprocess.Popen(
        [GONOGO, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path / "gonogo.db"),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(request(1, "initialize", **START))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
        assert process.stderr.read() == ""


def test_a_reader_that_leaves_changes_no_exit_status(tmp_path: Path) -> None:
    """`gonogo check … | head -0` still ends with the verdict."""
    store = tmp_path / "gonogo.db"
    (tmp_path / "calls.jsonl").write_text(lines([GOOD]))
    typed("ingest", str(tmp_path / "calls.jsonl"), store=store)
    with subprocess.Popen(
        [GONOGO, "check", "drift", "a"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(store),
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=60) == typed("check", "drift", "a", store=store).returncode
        assert process.stderr.read() == ""
