"""Every way in which an endpoint can misbehave ends in a clear error, in time and in bounds."""

from __future__ import annotations

import json
import socket
import tracemalloc
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from servers import BLOCK, Handler, Loopback, serving

from gonogo.app import Gonogo
from gonogo.prober.golden_run import Item
from gonogo.prober.probe_run import ProbeCall, Prober, Run, observations, planned_run
from gonogo.settings import DependencySettings, ProbeSettings, Secret, Settings

pytestmark = pytest.mark.anyio
SECRET = "sk-very-secret-123"  # noqa: S105 - what must not be seen
KEY = Secret("STUB_API_KEY", SECRET, "Bearer ")


def prober() -> Prober:
    """What carries out runs, without prices."""
    return Prober(clock=lambda: 1_750_000_000_000, price=lambda *_: None, folder=None)


async def ran(probe: ProbeSettings, *items: Item) -> Run:
    """One run of a probe, all of it within a minute."""
    run = planned_run(probe, items or (Item(),))
    with anyio.fail_after(60):
        async with prober() as asking:
            await asking.carry_out(run)
    return run


async def asked(url: str, **options: object) -> ProbeCall:
    """One call of an HTTP endpoint."""
    probe = ProbeSettings("p", "d", url=url, timeout_s=30.0)
    run = await ran(replace(probe, **options))  # type: ignore[arg-type]
    [call] = run.calls
    return call


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("/hangs", "timeout", "within 0.6 s"),
        ("/drips", "timeout", "within 0.6 s"),
        ("/resets", "reset", "broke"),
        ("/no-http", "protocol", "does not speak HTTP"),
        ("/cut", "protocol", "broke off"),
        ("/elsewhere", "redirect", "another host (http://localhost.invalid), not followed"),
        ("/circle", "redirect", "More than 3 redirects"),
        ("/gigabyte", "too_large", "max_bytes = 1,000,000"),
        ("/says-gigabyte", "too_large", "max_bytes = 1,000,000"),
        ("/bomb", "encoding", "compressed"),
        ("/broken", "http_500", "HTTP status 500"),
    ],
)
async def test_a_misdeed_is_an_error_with_a_code_and_one_line(
    hostile: Loopback, path: str, code: str, told: str
) -> None:
    """The code is what an observation carries, the note says it to a person."""
    call = await asked(hostile.url(path), timeout_s=0.6 if code == "timeout" else 30.0)
    assert (call.error, call.reply) == (code, None)
    assert told in call.note
    assert "\n" not in call.note


async def test_a_gigabyte_is_read_to_the_limit_only(hostile: Loopback) -> None:
    """Neither memory nor the network carries more than the limit and what is under way."""
    tracemalloc.start()
    call = await asked(hostile.url("/gigabyte"), timeout_s=9.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert call.error == "too_large"
    assert peak < 8_000_000
    # What fits into the sockets' buffers was sent as well.
    assert hostile.bytes_sent < 20_000_000 + len(BLOCK)


async def test_a_redirect_on_the_same_host_is_followed(hostile: Loopback) -> None:
    """As for a path that moved."""
    call = await asked(hostile.url("/home"))
    assert call.reply is not None
    assert json.loads(call.reply.text)["label"] == "spam"


async def test_a_redirect_to_another_port_of_the_host_reaches_nobody() -> None:
    """Another port is another origin: the key must not go there."""
    with socket.create_server(("127.0.0.1", 0)) as bystander:
        bystander.settimeout(0)

        address = f"http://127.0.0.1:{bystander.getsockname()[1]}/"

        class Redirecting(Handler):
            def do_POST(self) -> None:  # noqa: N802 - the base's name
                self.reply(b"", 302, Location=address)

        with serving(Redirecting) as server:
            call = await asked(server.url("/"), secret_headers={"Authorization": KEY})
        assert call.error == "redirect"
        with pytest.raises(BlockingIOError):
            bystander.accept()


async def test_a_port_where_nobody_listens_is_an_error(hostile: Loopback) -> None:
    """And so is a host that is not known."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert (await asked(f"http://127.0.0.1:{port}/")).error == "connect"
    assert (await asked("http://nobody.invalid/")).error == "connect"
    assert hostile.asked == 0


@pytest.mark.parametrize("path", ["/garbage", "/deep", "/ok"])
async def test_what_is_no_chat_completion_is_garbage(hostile: Loopback, path: str) -> None:
    """Bytes, JSON without end and JSON of another shape alike."""
    probe = ProbeSettings("p", "d", kind="chat", url=hostile.url(path))
    run = await ran(probe, Item("a", "2+2"))
    assert [call.error for call in run.calls] == ["garbage"]


@pytest.mark.parametrize(
    ("pointer", "text"), [("/label", "spam"), ("/scores/1", "0.9"), ("/a~1b", "null")]
)
async def test_a_pointer_takes_the_answer_out_of_a_body(
    hostile: Loopback, pointer: str, text: str
) -> None:
    """RFC 6901; what is no text is given as JSON."""
    call = await asked(hostile.url("/ok"), answer=pointer)
    assert call.reply is not None
    assert call.reply.text == text


@pytest.mark.parametrize("pointer", ["/nothing", "/scores/2", "/label/x", "/scores/-1"])
async def test_a_pointer_to_nothing_is_garbage(hostile: Loopback, pointer: str) -> None:
    """The answer is not as configured."""
    assert (await asked(hostile.url("/ok"), answer=pointer)).error == "garbage"


async def test_a_secret_is_sent_and_seen_nowhere(hostile: Loopback) -> None:
    """Not in what is recorded, though the endpoint echoes it; not in errors; not in settings."""
    secret = {"Authorization": KEY}
    echoed = ProbeSettings("p", "d", url=hostile.url("/echo"), secret_headers=secret, repeat=2)
    run = await ran(echoed)
    assert run.calls[0].reply is not None
    assert SECRET in run.calls[0].reply.text
    recorded = observations(run, DependencySettings("d"), reservation=None)
    assert recorded[0].output == "you sent Bearer [hidden]"
    assert SECRET not in repr(recorded)
    failed = await asked(hostile.url("/broken"), secret_headers=secret)
    assert SECRET not in failed.note
    assert SECRET not in repr(echoed)


async def test_a_secret_that_is_not_set_asks_nothing(hostile: Loopback) -> None:
    """It is this side's problem, and no evidence of the dependency."""
    unset = {"Authorization": Secret("STUB_API_KEY", "", "Bearer ")}
    run = await ran(ProbeSettings("p", "d", url=hostile.url("/ok"), secret_headers=unset))
    assert run.calls == []
    assert "STUB_API_KEY is not set" in run.problem
    assert hostile.asked == 0


async def test_half_a_character_is_recorded_whole(hostile: Loopback, tmp_path: Path) -> None:
    """A lone surrogate, which no store can write, stops neither the run nor its record."""
    golden = tmp_path / "golden.jsonl"
    await anyio.Path(golden).write_text('{"id": "a", "input": "\\ud800", "contains": "half"}\n')
    probe = ProbeSettings("p", "m", kind="chat", url=hostile.url("/half"), golden=golden, repeat=2)
    settings = Settings(str(tmp_path / "gonogo.db"), store_text=True, probes={"p": probe})
    async with Gonogo(settings) as app:
        found = await app.probe_once()
        known = await app.list_dependencies()
    assert (found.verdict, known.dependencies[0].n) == ("go", 2)


async def test_a_failing_endpoint_is_recorded_as_evidence(
    hostile: Loopback, tmp_path: Path
) -> None:
    """The error's code is in the store; a golden item without an answer counts against the set."""
    golden = tmp_path / "golden.jsonl"
    golden.write_text('{"id": "a", "input": "x", "exact": "y"}\n')
    probes = {
        "plain": ProbeSettings("plain", "site", url=hostile.url("/resets")),
        "set": ProbeSettings("set", "model", url=hostile.url("/broken"), golden=golden),
    }
    settings = Settings(store=str(tmp_path / "gonogo.db"), probes=probes)
    async with Gonogo(settings) as app:
        found = await app.probe_once()
        telemetry = (await app.stores()).telemetry
        counts = await telemetry.hours("site")
        answers = await telemetry.golden_answers("model")
    assert found.verdict == "no_go"
    assert [line.errors for line in found.probes] == [{"reset": 1}, {"http_500": 1}]
    assert (counts.n.tolist(), counts.errors.tolist()) == ([1], [1])
    assert (answers.n.tolist(), answers.outcome_sum.tolist()) == ([1], [0])
