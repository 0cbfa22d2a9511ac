"""The servers that several files ask for, each started once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import Server, server

# The suite that every actuator passes, its stand-ins, the parsers and the engines lie beside their
# own tests.
for folder in ("actuators", "unit", "store"):
    sys.path.append(str(Path(__file__).resolve().parent.parent / folder))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that tests share, each in a schema or database of its own."""
    with server() as running:
        yield running
