"""A real HAProxy: the conformance walk, a switch under traffic, a restart."""

from __future__ import annotations

import http.client
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from environments import program
from ports import free_port, wait_for

from conformance import FULL, conforms, goes_back
from gonogo.actuators.haproxy import HaproxyWeights
from gonogo.ports.routes import Route, Weight
from gonogo.settings import ActuatorSettings
from promotion_world import lives
from stand_ins import Quiet

pytestmark = pytest.mark.anyio

CONFIG = """
global
  stats socket {socket} mode 600 level admin
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend all
  bind 127.0.0.1:{port}
  default_backend models
backend models
  server primary 127.0.0.1:{primary} weight 100 check inter 100
  server base 127.0.0.1:{base} weight 0 check inter 100
"""


@dataclass
class Proxy:
    """HAProxy before two dummy servers."""

    folder: Path
    port: int
    servers: list[ThreadingHTTPServer]
    process: subprocess.Popen[bytes] | None = None
    answers: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start it, and wait until its socket answers."""
        ports = dict(zip(("primary", "base"), (s.server_port for s in self.servers), strict=True))
        config = CONFIG.format(socket=self.folder / "s.sock", port=self.port, **ports)
        (self.folder / "haproxy.cfg").write_text(config)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program("haproxy"), "-db", "-f", self.folder / "haproxy.cfg"],
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: self.ask() is not None)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def ask(self) -> str | None:
        """Which server answers one request; None where HAProxy is not there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else str(answer.status)
        except OSError:
            return None
        finally:
            connection.close()

    def ask_until(self, over: threading.Event) -> None:
        """Keep asking."""
        while not over.is_set():
            self.answers[str(self.ask())] += 1

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log").read_text()


def dummy(name: str) -> ThreadingHTTPServer:
    """A server that says who it is."""

    class Named(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - the standard library's name
            """Say the name."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

    return ThreadingHTTPServer(("127.0.0.1", 0), Named)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """HAProxy with everything on the primary."""
    program("haproxy")
    with ExitStack() as stack:
        servers = [stack.enter_context(dummy(name)) for name in ("primary", "base")]
        for server in servers:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            stack.callback(server.shutdown)
        made = Proxy(tmp_path, free_port(), servers)
        stack.callback(made.stop)
        made.start()
        yield made


def weights(proxy: Proxy) -> HaproxyWeights:
    """The actuator before it."""
    return HaproxyWeights(
        "haproxy",
        socket=str(proxy.folder / "s.sock"),
        backend="models",
        servers={"m": "primary", "v2": "base"},
    )


async def test_haproxy_conforms(proxy: Proxy) -> None:
    """The same walk as its stand-in in `tests/actuators`."""
    await conforms(weights(proxy))


async def test_no_request_sees_an_empty_pool_while_routes_change(proxy: Proxy) -> None:
    """Two clients keep asking through twenty switches: every answer is a server's."""
    found, over = weights(proxy), threading.Event()
    clients = [threading.Thread(target=proxy.ask_until, args=(over,)) for _ in range(2)]
    for client in clients:
        client.start()
    for epoch in range(1, 41):
        seen = await found.read("m")
        target = "v2" if epoch % 2 else "m"
        route = Route("m", (Weight(target, 10_000),), epoch=epoch)
        assert (await found.apply(route, expected_version=seen.version)).status == "done"
        asked = proxy.answers.total()
        wait_for(lambda asked=asked: proxy.answers.total() > asked + 2)  # type: ignore[misc]
    over.set()
    for client in clients:
        client.join()
    assert set(proxy.answers) == {"primary", "base"}
    assert min(proxy.answers.values()) > 20
    assert "no server available" not in proxy.log


async def test_shares_are_what_clients_see(proxy: Proxy) -> None:
    """1 % and 99 % of two hundred requests: HAProxy deals by weight, so nearly exactly."""
    found = weights(proxy)
    seen = await found.read("m")
    split = Route("m", (Weight("m", 100), Weight("v2", 9_900)), epoch=1)
    await found.apply(split, expected_version=seen.version)
    answers = Counter(proxy.ask() for _ in range(200))
    assert answers["base"] + answers["primary"] == 200
    assert 1 <= answers["primary"] <= 4


async def test_a_restart_forgets_and_one_more_apply_brings_it_back(proxy: Proxy) -> None:
    """What the reconciler does each minute."""
    found = weights(proxy)
    seen = await found.read("m")
    await found.apply(FULL, expected_version=seen.version)
    assert proxy.ask() == "base"
    proxy.stop()
    assert (await found.verify(FULL)).status == "unknown"
    proxy.start()
    assert proxy.ask() == "primary"
    await goes_back(found)
    assert proxy.ask() == "base"


async def test_a_server_that_is_down_gets_nothing(proxy: Proxy) -> None:
    """Health checks have found it gone: the primary keeps its traffic."""
    proxy.servers[1].shutdown()
    proxy.servers[1].server_close()
    wait_for(lambda: "Server models/base is DOWN" in proxy.log)
    found = weights(proxy)
    seen = await found.read("m")
    step = await found.apply(FULL, expected_version=seen.version)
    assert (step.status, step.detail) == ("failed", "server base is down: traffic stays put")
    assert proxy.ask() == "primary"


async def test_a_promotion_moves_its_weights_stage_by_stage_through_a_restart_and_back(
    proxy: Proxy, tmp_path: Path
) -> None:
    """Its weights are what the route says, in every stage; what a restart forgot comes back."""
    options = {"socket": str(proxy.folder / "s.sock"), "backend": "models"}
    servers = {"m": "primary", "m@v2": "base"}
    kinds = {"proxy": ActuatorSettings("proxy", "haproxy", options=options, targets=servers)}
    async with lives(tmp_path / "store", actuators=kinds) as m:
        await m.begun()
        actuator = (await m.app.stores()).fallback.actuators["proxy"]
        seen: list[Weight] = []
        while (await m.promotion()).is_running:
            if len(seen) == 1:
                proxy.stop()
                proxy.start()
                assert (await actuator.read("m")).status == "absent"
                [brought] = await m.app.reconcile()
                assert brought.steps[0][1].status == "done"
            seen.append((await actuator.read("m")).targets[-1])
            while (await m.looked()).move != "advance":
                await m.live(6, v2=12)
        assert seen == [Weight("m@v2", share) for share in (200, 500, 2_500, 5_000)]
        wait_for(lambda: proxy.ask() == "base")
        audit = (await m.route()).audit_id
        await m.app.trigger_fallback("m", undo=audit, confirm=True)
        wait_for(lambda: proxy.ask() == "primary")
