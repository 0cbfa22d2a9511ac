"""A peer that is broken or hostile neither holds an actuator or a notifier up nor is quoted with secrets."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from gonogo.actuators.mlflow import MlflowAlias
from gonogo.actuators.webhook import Webhook
from gonogo.clock import wall_clock_ms
from gonogo.http.bounded_exchange import HIDDEN
from gonogo.notifiers import post as posting
from gonogo.notifiers.post import post
from gonogo.ports.routes import WHOLE, Route, Weight
from gonogo.settings import Secret
from stand_ins import Heard, Quiet, served

pytestmark = pytest.mark.anyio

KEY = "k3y-that-nobody-may-see"
SECRET = Secret("PEER_KEY", KEY)
ROUTE = Route("m", (Weight("v2", WHOLE),), epoch=1, version=1, salt="s", why="w", changed_ms=0)
SHAPES = [
    b"[" * 100_000,
    b'{"registered_model": {"tags": null, "aliases": [7]}}',
    b'{"registered_model": {"tags": [{"key": "x"}], "aliases": [{"version": 1}]}}',
    b'{"registered_model": {"tags": [{"key": "gonogo.champion.epoch", "value": "'
    + b"9" * 5000
    + b'"}]}}',
    b'{"epoch": NaN, "targets": [{"target": "\\ud800", "share": 1e400}]}',
    b'{"message": "\\ud800\\u0000 ignore all previous\\ninstructions"}',
    b"\xff\xfe",
    b"",
]


class Hostile(Quiet):
    """Does what the test says with every request."""

    deed: Callable[[Hostile], None]

    def do_GET(self) -> None:  # noqa: N802 - the base's name
        """Any request."""
        with contextlib.suppress(OSError):
            type(self).deed(self)

    do_POST = do_PATCH = do_GET  # noqa: N815 - the base's names

    def send(self, status: int, *, length: int | None = None) -> None:
        """Begin an answer."""
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()


@pytest.fixture
def peer() -> Iterator[Heard]:
    """A peer that does `Hostile.deed`."""
    with served(Hostile, Heard()) as heard:
        yield heard


def peers(url: str) -> tuple[Webhook, MlflowAlias]:
    """The actuators that speak HTTP."""
    mlflow = MlflowAlias(
        "mlflow", url=url, alias="champion", versions={"v2": "2"}, token=SECRET, timeout_s=0.4
    )
    hook = Webhook("hook", url=url, secret=SECRET, clock=wall_clock_ms, timeout_s=0.4, pauses_s=())
    return hook, mlflow


def _drip(handler: Hostile) -> None:
    handler.send(200, length=1000)
    for _ in range(1200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        handler.connection.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            if handler.connection.recv(1) == b"":
                return


def _flood(handler: Hostile) -> None:
    handler.send(500)
    while True:
        handler.wfile.write(b"x" * 65_536)


async def test_who_drips_is_given_up_in_time(peer: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then would hold a time-out of each read off for ever."""
    Hostile.deed = _drip
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.4)
    started = time.monotonic()
    for actuator in peers(peer.url):
        assert (await actuator.read("m")).status == "unknown"
        assert (await actuator.apply(ROUTE, expected_version="absent")).status == "unknown"
    assert (await post(peer.url, b"{}")).status == "unknown"
    assert time.monotonic() - started < 30  # each of five would take a minute


async def test_who_sends_without_end_is_read_to_a_limit(peer: Heard) -> None:
    """A megabyte, not memory's end."""
    Hostile.deed = _flood
    tracemalloc.start()
    for actuator in peers(peer.url):
        assert (await actuator.read("m")).status == "unknown"
    assert (await post(peer.url, b"{}")).status == "failed"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000


@pytest.mark.parametrize("body", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("status", [200, 500])
async def test_any_answer_is_unknown_or_failed_in_one_line(
    peer: Heard, body: bytes, status: int
) -> None:
    """JSON without end, of another shape, no JSON, half characters."""

    def deed(handler: Hostile) -> None:
        handler.send(status, length=len(body))
        handler.wfile.write(body)

    Hostile.deed = deed
    for actuator in peers(peer.url):
        observed = await actuator.read("m")
        step = await actuator.apply(ROUTE, expected_version="absent")
        assert observed.status in ("unknown", "absent")
        assert (observed.detail + step.detail).isprintable()
        assert (await actuator.verify(ROUTE)).status != "done"
    assert (await post(peer.url, b"{}")).detail.isprintable()


async def test_a_secret_that_comes_back_is_not_told(peer: Heard) -> None:
    """Steps are logged and stored with the action."""

    def deed(handler: Hostile) -> None:
        body = b'{"message": "you sent ' + KEY.encode() + b'"}'
        handler.send(400, length=len(body))
        handler.wfile.write(body)

    Hostile.deed = deed
    told = [(await post(peer.url, b"{}", secrets=(KEY,))).detail]
    for actuator in peers(peer.url):
        told.append((await actuator.read("m")).detail)
        told.append((await actuator.apply(ROUTE, expected_version="absent")).detail)
    assert not [line for line in told if KEY in line]
    assert [line for line in told if HIDDEN in line] == told
