"""Each store under the one contract suite: how to open it, and to open it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import engines
import pytest
from telemetry_worlds import OpenTelemetry

from gonogo.ports.telemetry import Telemetry
from gonogo.settings import Settings
from gonogo.store.engine import Engine


@pytest.fixture(params=[engines.ENGINE])
async def open_telemetry(tmp_path: Path) -> AsyncIterator[OpenTelemetry]:
    """Opens the telemetry of one store, as often as a test asks: each as a process of its own."""
    opened: list[Engine] = []

    async def open_one(settings: Settings | None = None, *, read_only: bool = False) -> Telemetry:
        database = await engines.opened(tmp_path, read_only=read_only)
        opened.append(database)
        return engines.telemetry_of(database, settings or Settings(store=""))

    yield open_one
    for database in opened:
        await database.close()


@pytest.fixture
async def telemetry(open_telemetry: OpenTelemetry) -> Telemetry:
    """An empty store with default settings."""
    return await open_telemetry()
