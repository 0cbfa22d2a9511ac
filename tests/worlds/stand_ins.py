"""Stand-ins on real sockets: a webhook's receiver, an MLflow registry, a HAProxy stats socket.

The receiver is what a user would write; the other two pass the suite that the real ones pass in
`tests/peers`.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gonogo.http.signatures import HEADER, is_signed


@dataclass
class Heard:
    """What a server heard and holds; `answers` are statuses that it gives first (0: hangs up)."""

    url: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    reads_back: bool = True
    refused: int = 0


class Quiet(BaseHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def answer(self, status: int, value: object = None) -> None:
        """Answer with JSON."""
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


@contextmanager
def served(handler: type[Quiet], heard: Heard) -> Iterator[Heard]:
    """Serve on a port of the system's choice."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        heard.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield heard
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def receiver(secret: str, now_s: Any) -> Iterator[Heard]:  # noqa: ANN401 - a clock
    """A receiver as the documentation asks for it: signatures, epochs, keys, and a GET."""
    heard = Heard()

    class Receiver(Quiet):
        def do_GET(self) -> None:
            """Tell what is held."""
            if not heard.reads_back:
                return self.answer(405)
            query = urlsplit(self.path).query
            if not is_signed(secret, query.encode(), self.headers[HEADER], now_s=now_s()):
                heard.refused += 1
                return self.answer(401)
            none: dict[str, Any] = {"epoch": 0, "targets": []}
            return self.answer(200, heard.held.get(parse_qs(query)["dependency"][0], none))

        def do_POST(self) -> None:
            """Take a route, once for a key, never an older one."""
            body = self.body()
            if not is_signed(secret, body, self.headers[HEADER], now_s=now_s()):
                heard.refused += 1
                return self.answer(401)
            heard.posts.append((dict(self.headers), body))
            if heard.answers:
                if status := heard.answers.pop(0):
                    return self.answer(status)
                self.close_connection = True
                return None
            wanted = json.loads(body)
            held = heard.held.get(wanted["dependency"], {"epoch": 0})
            if held["epoch"] > wanted["epoch"]:
                return self.answer(409, {"message": "newer epoch here"})
            heard.held[wanted["dependency"]] = {
                "epoch": wanted["epoch"],
                "targets": wanted["targets"],
            }
            return self.answer(202)

    with served(Receiver, heard):
        yield heard


@contextmanager
def registry(versions: set[str]) -> Iterator[Heard]:
    """The five calls of MLflow's registry that the actuator makes, for a model `m`."""
    heard = Heard(held={"aliases": {}, "tags": {}})
    aliases, tags = heard.held["aliases"], heard.held["tags"]

    class Registry(Quiet):
        def do_GET(self) -> None:
            """The registered model with its aliases and tags."""
            asked = parse_qs(urlsplit(self.path).query)["name"][0]
            if asked != "m":
                return self.answer(404, {"message": "not found"})
            model: dict[str, Any] = {"name": "m"}
            if aliases:
                model["aliases"] = [{"alias": a, "version": v} for a, v in aliases.items()]
            if tags:
                model["tags"] = [{"key": k, "value": v} for k, v in tags.items()]
            return self.answer(200, {"registered_model": model})

        def do_POST(self) -> None:
            """Set a tag or an alias."""
            body = json.loads(self.body())
            if heard.answers:
                return self.answer(heard.answers.pop(0), {"message": "try later"})
            if self.path.endswith("/set-tag"):
                tags[body["key"]] = body["value"]
            elif body["version"] not in versions:
                return self.answer(404, {"message": f"Model Version {body['version']} not found"})
            else:
                aliases[body["alias"]] = body["version"]
            return self.answer(200, {})

    with served(Registry, heard):
        yield heard


STATE_HEAD = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n"
)


@dataclass
class Pool:
    """A HAProxy backend's servers: weight, and whether each is up. `deaf`: it takes no weight."""

    weights: dict[str, int]
    up: dict[str, bool]
    variables: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    deaf: bool = False
    lowest_total: int = 10_000

    def say(self, command: str) -> str:
        """One command's answer, as HAProxy 2.6 words it."""
        match command.split():
            case ["show", "servers", "state", "models"]:
                return STATE_HEAD + "".join(
                    f"3 models {i} {name} 127.0.0.1 {2 if self.up[name] else 0} 0 {weight}\n"
                    for i, (name, weight) in enumerate(self.weights.items(), 1)
                )
            case ["get", "var", name]:
                value = self.variables.get(name)
                return f"{name}: type={f'sint value=<{value}>' if value else 'any value=<>'}\n"
            case ["get", "weight", where]:
                return f"{self.weights[where.partition('/')[2]]} (initial 1)\n\n"
            case ["set", "var", name, value]:
                self.variables[name] = value.removeprefix("int(").removesuffix(")")
            case ["set", "weight", where, value]:
                self._weigh(where.partition("/")[2], int(value))
        return "\n"

    def _weigh(self, server: str, weight: int) -> None:
        if not self.deaf:
            self.weights[server] = weight
        total = sum(w for name, w in self.weights.items() if self.up[name])
        self.lowest_total = min(self.lowest_total, total)


@contextmanager
def stats_socket(path: Path, pool: Pool) -> Iterator[None]:
    """Serve a pool as HAProxy serves its stats socket: one line in, answers out, closed."""

    class Stats(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode().strip()
            pool.commands.append(line)
            self.wfile.write("".join(pool.say(part.strip()) for part in line.split(";")).encode())

    with socketserver.ThreadingUnixStreamServer(str(path), Stats) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
