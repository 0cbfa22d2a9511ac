"""Servers for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers import Chat, Hostile, Loopback, serving


@pytest.fixture
def chat() -> Iterator[Loopback]:
    """A chat endpoint that is well."""
    Chat.degraded, Chat.fixed = False, None
    with serving(Chat) as server:
        yield server


@pytest.fixture
def hostile() -> Iterator[Loopback]:
    """An endpoint that does to a client what its path says."""
    with serving(Hostile) as server:
        yield server
