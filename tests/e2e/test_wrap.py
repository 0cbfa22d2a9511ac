"""`gonogo wrap` around real and hostile servers: bytes, status, signals, and what is recorded."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters
from product import ERAS, GONOGO, TRACEBACK, answer, environment, typed

SERVER = """
import os
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
server = MCPServer("real", version="3.1", log_level="WARNING")
@server.tool()
def good(text: str) -> dict[str, str]:
    return {"echo": text}
@server.tool()
def bad() -> str:
    raise ToolError("no")
@server.tool()
def fatal() -> str:
    os._exit(3)
server.run("stdio")
"""
MIB = 1024 * 1024


def wrapped(store: Path, *command: str) -> list[str]:
    """The command line that a client's configuration has."""
    return [GONOGO, "wrap", "--store", str(store), "srv", "--", *command]


def python(source: str) -> tuple[str, ...]:
    """A small server."""
    return (sys.executable, "-c", source)


def run(
    store: Path, source: str, stdin: bytes = b"", *, status: int = 0
) -> subprocess.CompletedProcess[bytes]:
    """Run a small server to its end."""
    done = subprocess.run(
        wrapped(store, *python(source)),
        input=stdin,
        capture_output=True,
        env=environment(store),
        check=False,
        timeout=60,
    )
    assert TRACEBACK.encode() not in done.stderr
    assert done.returncode == status, done.stderr
    return done


def parts(store: Path, tool: str) -> dict[str, Any]:
    """What is known of a tool."""
    return answer(typed("check", "trust", f"srv/{tool}", "--json", store=store))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store that is not there yet."""
    return tmp_path / "gonogo.db"


async def use(store: Path, era: str) -> None:
    """A client's session: a good call, a failed one, and one that the server does not survive."""
    [command, *arguments] = wrapped(store, *python(SERVER))
    parameters = StdioServerParameters(command=command, args=arguments, env=environment(store))
    async with Client(parameters, mode=era, read_timeout_seconds=60) as client:
        assert len((await client.list_tools()).tools) == 3
        good = await client.call_tool("good", {"text": "a secret"})
        assert good.structured_content == {"echo": "a secret"}
        assert (await client.call_tool("bad")).is_error
        with pytest.raises(MCPError):
            await client.call_tool("fatal")


@pytest.mark.parametrize("era", ERAS)
def test_each_tool_call_of_a_real_server_is_recorded(store: Path, era: str) -> None:
    """Good and failed calls, with version and latency; the client sees what it would have seen."""
    anyio.run(use, store, era)
    found = answer(typed("list", "--json", store=store))["dependencies"]
    assert [(d["dependency"], d["kind"], d["n"]) for d in found] == [
        ("srv/bad", "tool", 1),
        ("srv/fatal", "tool", 1),
        ("srv/good", "tool", 1),
    ]
    assert all(d["versions"] == ["3.1"] and "latency_ms" in d["metrics"] for d in found)
    assert parts(store, "good")["score"] > parts(store, "bad")["score"]
    assert b"a secret" not in store.read_bytes()


def test_every_byte_passes_both_ways(store: Path) -> None:
    """Random bytes, lines of every length, no line at all, and an end in the middle of one."""
    rng = random.Random(1)  # noqa: S311 - bytes to carry
    sent = b"".join(
        rng.randbytes(rng.choice([0, 1, 100, 70_000])) + rng.choice([b"\n", b"\r\n", b""])
        for _ in range(200)
    )
    source = """
import os
while chunk := os.read(0, 9999):
    os.write(1, chunk)
os.write(2, b"to the person\\xff\\n")
"""
    done = run(store, source, sent)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(sent).digest()
    assert done.stderr == b"to the person\xff\n"


def test_a_message_passes_before_its_line_ends(store: Path) -> None:
    """Nothing waits for a newline, in either direction."""
    source = "import os\nwhile c := os.read(0, 9): os.write(1, c)"
    with subprocess.Popen(
        wrapped(store, *python(source)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(store),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for piece in (b"{", b'"half', b"\n"):
            os.write(process.stdin.fileno(), piece)
            assert os.read(process.stdout.fileno(), 9) == piece
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_line_of_fifty_megabytes_passes(store: Path) -> None:
    """And the call that it answers is recorded."""
    asked = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"big"}}\n'
    source = f"""
import os, sys
sys.stdin.readline()
out = sys.stdout.buffer
out.write(b'{{"jsonrpc":"2.0","id":1,"result":{{"content":["')
for _ in range(50):
    out.write(b"x" * {MIB})
out.write(b'"]}}}}\\n')
out.flush()
"""
    done = run(store, source, asked)
    assert len(done.stdout) > 50 * MIB
    assert parts(store, "big")["parts"]["availability"]["n"] == 1


def test_garbage_and_a_death_are_what_the_client_sees(store: Path) -> None:
    """The exit status is the server's; the call it owed is a failure."""
    asked = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}\n'
    source = """
import os
os.read(0, 9999)
os.write(1, b"\\x00\\xff garbage \\n{\\n[[[[\\n" + b"[" * 100_000 + b"\\n{")
os._exit(42)
"""
    with subprocess.Popen(
        wrapped(store, *python(source)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(store),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        os.write(process.stdin.fileno(), asked)
        assert process.stdout.read().endswith(b"[\n{")
        assert process.wait(30) == 42
    assert parts(store, "t")["parts"]["availability"]["rate"] < 0.6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_go_on_to_the_server(store: Path, number: signal.Signals) -> None:
    """A server that handles one ends as it likes."""
    source = f"""
import os, signal
signal.signal({int(number)}, lambda *_: os._exit(5))
os.write(1, b"ready")
while True: signal.pause()
"""
    with subprocess.Popen(
        wrapped(store, *python(source)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(store),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"ready"
        process.send_signal(number)
        assert process.wait(30) == 5


def test_a_server_killed_by_a_signal_looks_killed_by_it(store: Path) -> None:
    """The wait status is the same with and without the proxy."""
    run(store, "import os; os.kill(os.getpid(), 9)", status=-9)
    run(store, "import os; os.kill(os.getpid(), 15)", status=-15)


def test_a_client_that_leaves_ends_the_server(store: Path) -> None:
    """The end of its input reaches the server, and a closed output breaks the server's pipe."""
    source = """
import os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
try:
    while True: os.write(1, b"x" * 65536)
except BrokenPipeError:
    os._exit(7)
"""
    with subprocess.Popen(
        wrapped(store, *python(source)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(store),
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) == 7


def test_a_locked_store_is_not_in_the_way(store: Path) -> None:
    """Calls pass, the status is the server's, and one line says what was lost."""
    store.touch()
    with Path(f"{store}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store.unlink()
        asked = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}\n'
        source = """
import sys
sys.stdin.readline()
print('{"jsonrpc":"2.0","id":1,"result":{}}')
"""
        done = run(store, source, asked)
    assert done.stdout == b'{"jsonrpc":"2.0","id":1,"result":{}}\n'
    said = done.stderr.decode()
    assert said.startswith("gonogo wrap: 1 of 1 calls were not recorded: ")
    assert said.count("\n") == 1


def test_a_wrong_configuration_is_not_in_the_way(store: Path) -> None:
    """It is told at the end; without a call nothing is said at all."""
    config = store.with_name("gonogo.toml")
    config.write_text("nonsense = 1")
    command = wrapped(store, *python("import sys; sys.stdin.readline(); print('{}')"))
    environ = environment(store) | {"GONOGO_CONFIG": str(config)}
    done = subprocess.run(
        command, input=b"x\n", capture_output=True, env=environ, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{}\n", b"")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["wrap"], 64, "the following arguments are required: NAME"),
        (["wrap", "x"], 64, "say what to run after `--`"),
        (["wrap", "--nonsense", "x", "--", "true"], 64, "unrecognized arguments: --nonsense"),
        (["wrap", "x", "--", "/no/such/program"], 66, "cannot start '/no/such/program'"),
    ],
)
def test_a_wrong_command_is_one_line(
    store: Path, arguments: list[str], status: int, said: str
) -> None:
    """What is wrong, and what to do."""
    done = typed(*arguments, store=store)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_nothing_heavy_is_loaded_to_pass_bytes(store: Path) -> None:
    """No typer, pydantic, anyio or numpy before the first call: clients wait for the handshake."""
    heavy = {"typer", "pydantic", "anyio", "numpy", "mcp", "rich", "httpx", "asyncio"}
    source = f"""
import sys
from gonogo.__main__ import run
status = run(["wrap", "x", "--", "true"], {{"HOME": {str(store.parent)!r}}})
sys.exit(status or repr(sorted(set(sys.modules) & {heavy!r})))
"""
    done = subprocess.run(
        python(source), capture_output=True, env=environment(store), check=False, timeout=60
    )
    assert done.stderr.decode().strip() == "[]"


def test_many_calls_at_once_are_all_recorded(store: Path) -> None:
    """Answers out of order, from a server that answers in bursts."""
    source = """
import sys
lines = [sys.stdin.readline() for _ in range(300)]
import json
for line in reversed(lines):
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}}))
"""
    asked = b"".join(
        b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"t"}}\n' % n
        for n in range(300)
    )
    threads_before = threading.active_count()
    run(store, source, asked)
    assert threading.active_count() == threads_before
    assert parts(store, "t")["n"] == 300
