"""Ports and readiness of components that the tests start."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

READY_S = 60.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Wait until a condition holds; fails where it does not in time."""
    end = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not within {within_s:g} s"
        pause.wait(0.02)


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def running(*command: str, place: str) -> Iterator[str]:
    """A component that says at `/-/ready` when it is; its address, until the block ends."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: answers(f"http://{place}/-/ready"), within_s=READY_S)
            yield f"http://{place}"
        finally:
            process.kill()
