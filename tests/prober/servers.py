"""Real servers on loopback: one that behaves until it is told not to, and one that never does."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

GIGABYTE = 1_000_000_000
BLOCK = b"x" * 65_536


class Loopback(ThreadingHTTPServer):
    """A server that ends with its test, whatever its handlers are doing."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.ended = threading.Event()
        self.asked = 0
        self.bytes_sent = 0

    def url(self, path: str) -> str:
        """An address on it."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what half of the tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers with bodies of a known length, and keeps quiet."""

    protocol_version = "HTTP/1.1"
    server: Loopback

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def body(self) -> bytes:
        """What the request carried."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, content: bytes, status: int = 200, **headers: str) -> None:
        """One whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """A POST without a body."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer one request."""
        raise NotImplementedError


@contextmanager
def serving(handler: type[Handler]) -> Iterator[Loopback]:
    """A server in a thread, for as long as the block runs."""
    server = Loopback(handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Chat(Handler):
    """An OpenAI-compatible endpoint that adds two numbers; degraded, it is wrong on every second.

    It then says that it is another version; `fixed` is what it says whatever it is asked.
    """

    degraded: ClassVar[bool] = False
    fixed: ClassVar[str | None] = None

    def do_POST(self) -> None:
        """Answer a chat completion."""
        self.server.asked += 1
        whole = json.loads(self.body())
        left, right = map(int, whole["messages"][-1]["content"].split("+"))
        wrong = Chat.degraded and left % 2 == 0
        text = Chat.fixed or f"The sum is {left + right + wrong}."
        answer: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": f"{whole['model']}-{'2' if Chat.degraded else '1'}",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        self.reply(json.dumps(answer).encode(), Content_Type="application/json")


class Hostile(Handler):
    """Does to a client what its path says."""

    def do_POST(self) -> None:
        """Misbehave."""
        self.server.asked += 1
        self.body()
        misdeeds: dict[str, Callable[[], None]] = {
            "/hangs": lambda: self._wait(60),
            "/drips": self._drip,
            "/resets": self._reset,
            "/no-http": lambda: self._raw(b"\x00\xff\x13 this is not HTTP\r\n\r\n"),
            "/cut": lambda: self._raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nonly this"),
            "/garbage": lambda: self.reply(b"\x9f\x00{" * 40),
            "/deep": lambda: self.reply(b"[" * 200_000),
            "/elsewhere": lambda: self.reply(b"", 307, Location="http://localhost.invalid/secret"),
            "/home": lambda: self.reply(b"", 307, Location="/ok"),
            "/circle": lambda: self.reply(b"", 307, Location="/circle"),
            "/gigabyte": self._gigabyte,
            "/says-gigabyte": lambda: self._raw(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n",
                then=self._gigabyte,
            ),
            "/bomb": lambda: self.reply(gzip.compress(BLOCK * 100), Content_Encoding="gzip"),
            "/broken": lambda: self.reply(b"the key is " + self._key(), 500),
            "/echo": lambda: self.reply(b"you sent " + self._key()),
            "/half": lambda: self.reply(
                b'{"model": "\\ud800", "choices": [{"message": {"content": "half \\ud800"}}]}'
            ),
            "/ok": lambda: self.reply(b'{"label": "spam", "scores": [0.1, 0.9], "a/b": null}'),
        }
        misdeeds[self.path]()

    def _key(self) -> bytes:
        return self.headers.get("Authorization", "").encode()

    def _wait(self, seconds: float) -> None:
        self.close_connection = True
        self.server.ended.wait(seconds)

    def _drip(self) -> None:
        self._raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        )
        while not self.server.ended.wait(0.05):
            self.wfile.write(b"x")

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _raw(self, content: bytes, then: Callable[[], None] | None = None) -> None:
        self.close_connection = True
        self.wfile.write(content)
        self.wfile.flush()
        if then is not None:
            then()

    def _gigabyte(self) -> None:
        if self.path == "/gigabyte":
            self._raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for _ in range(GIGABYTE // len(BLOCK)):
            self.wfile.write(BLOCK)
            self.server.bytes_sent += len(BLOCK)


class Judge(Handler):
    """Scores an answer by whether it is polite."""

    def do_POST(self) -> None:
        """Judge one answer."""
        asked = json.loads(self.body())
        polite = "please" in asked["answer"]
        self.reply(json.dumps({"score": 0.75 if polite else 0.0}).encode())
