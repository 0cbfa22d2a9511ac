"""Receivers on loopback that are as strict as what they stand for, and remember what they took."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gonogo.http.signatures import HEADER, is_signed

SECRET = "a shared secret"  # noqa: S105 - of these tests
ROUTING_KEY = "0123456789abcdef0123456789abcdef"

# What a receiver answers: a status and a text.
Judge = Callable[[Mapping[str, str], bytes], tuple[int, str]]


@dataclass
class Receiver:
    """A listening receiver: where it is, what it took, and what it answers next."""

    url: str
    judge: Judge
    taken: list[dict[str, Any]] = field(default_factory=list)
    is_down: bool = False
    retry_after: str | None = None
    hangs_s: float = 0.0


@contextmanager
def receiver(judge: Judge) -> Iterator[Receiver]:
    """Serve until the test is over."""
    over = threading.Event()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = judge(dict(self.headers), body)
            if made.hangs_s:
                over.wait(made.hangs_s)
            if made.retry_after is not None:
                status, text = 429, "slow down"
            elif made.is_down:
                status, text = 503, "down for the test"
            elif status < 300:
                made.taken.append(json.loads(body))
            self.send_response(status)
            if made.retry_after is not None:
                self.send_header("Retry-After", made.retry_after)
            with suppress(OSError):  # who was kept waiting may be gone
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        made = Receiver(f"http://127.0.0.1:{server.server_port}/", judge)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            over.set()
            server.shutdown()
            thread.join()


def pagerduty(_: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """PagerDuty's Events API v2, by its documentation."""
    event = json.loads(body)
    problems = []
    if event.get("routing_key") != ROUTING_KEY:
        problems.append("routing_key is not a known integration")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        problems.append("event_action is invalid")
    if not 0 < len(event.get("dedup_key", "")) <= 255:
        problems.append("dedup_key is invalid")
    if event.get("event_action") == "trigger":
        payload = event.get("payload", {})
        if not 0 < len(payload.get("summary", "")) <= 1024:
            problems.append("summary is invalid")
        if not payload.get("source"):
            problems.append("source is missing")
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            problems.append("severity is invalid")
    if unknown := set(event) - {"routing_key", "event_action", "dedup_key", "payload", "links"}:
        problems.append(f"unknown: {sorted(unknown)}")
    if problems:
        return 400, json.dumps({"status": "invalid event", "errors": problems})
    return 202, json.dumps({"status": "success", "dedup_key": event["dedup_key"]})


def slack(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """A Slack incoming webhook, by its documentation."""
    message = json.loads(body)
    if headers.get("Content-Type") != "application/json":
        return 400, "invalid_payload"
    if not message.get("text"):
        return 400, "no_text"
    [block] = message.get("blocks", [])
    # What a name holds must not become a link: neither by preprocessing, nor by unfurling.
    if not block["text"]["verbatim"] or message["parse"] != "none" or message["unfurl_links"]:
        return 400, "would_link"
    if len(block["text"]["text"]) > 3000:
        return 400, "invalid_blocks"
    return (200, "ok") if len(message["text"]) <= 40_000 else (400, "msg_too_long")


def webhook(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """A receiver that checks signature and age, and wants an idempotency key."""
    if not is_signed(SECRET, body, headers.get(HEADER, ""), now_s=int(time.time())):
        return 401, "not signed"
    return (204, "") if headers.get("Idempotency-Key") else (400, "no idempotency key")
