"""Shared fixtures: the async backend, and where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does; timed figures live in benchmarks.
settings.register_profile("gonogo", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gonogo")

# As the program does for itself, before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: aiosqlite knows no other."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that stands beside the repository; tests skip where it is absent."""
    folder = Path(os.environ.get("GONOGO_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set GONOGO_SHARED to the folder that holds data/")
    return folder
