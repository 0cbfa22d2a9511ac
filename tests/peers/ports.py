"""Ports and readiness of components that the tests start."""

from __future__ import annotations

import socket
import threading
import time

import httpx

READY_S = 60.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, *, within_s: float = READY_S) -> None:
    """Return once an address answers with success; fail where it does not in time."""
    until = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < until, f"{url} did not answer within {within_s:g} s"
        pause.wait(0.1)
