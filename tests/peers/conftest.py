"""The servers that several files ask for, each started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_server import Server, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that tests share, each in a schema or database of its own."""
    with server() as running:
        yield running
