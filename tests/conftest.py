"""Shared fixtures: the async backend, where the real data lies, and the oracle that hears every answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from gonogo.coherence import MOMENT_RULES, RULES
from lives_counted import COUNTED
from oracle import KNOWN, ORACLE, listen
from pair_rules import PAIR_RULES

if TYPE_CHECKING:
    from gonogo.ports.telemetry import Telemetry
    from gonogo.settings import Settings
    from gonogo.store.engine import Engine
    from telemetry_worlds import OpenTelemetry

# `make test` says the same every day: the examples of each property are fixed. `make torture` draws others.
# How long an example takes depends on what else the machine does; timed figures live in benchmarks.
hypothesis_settings.register_profile(
    "gonogo",
    deadline=None,
    derandomize="GONOGO_TORTURE_ROUNDS" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("gonogo")

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


@pytest.fixture
async def open_telemetry(tmp_path: Path) -> AsyncIterator[OpenTelemetry]:
    """Opens the telemetry of one store, as often as a test asks: each as a process of its own."""
    import engines
    from gonogo.settings import Settings

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors: many tests wait for a process, a lock or a deadline."""
    return (os.cpu_count() or 1) + 1


def pytest_configure() -> None:
    """Every answer of every test is heard."""
    listen()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """A test fails by the answers that it and its fixtures heard, too; one by a process, with what that said."""
    try:
        result = yield
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        for said in filter(None, (error.stdout, error.stderr)):
            error.add_note(said if isinstance(said, str) else said.decode(errors="replace"))
        raise
    found = ORACLE.take()
    assert not found, "\n\n".join(found)
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker sends what it counted to the process that started it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["coherence"] = ORACLE.summary()
        output["lives"] = COUNTED.summary()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - of a plugin without types
    """Take what a worker counted."""
    output = getattr(node, "workeroutput", {})
    if "coherence" in output:
        ORACLE.add(output["coherence"])
        COUNTED.add(**output["lives"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many answers went through how many rules, and what is known to disagree."""
    if COUNTED.lives:
        terminalreporter.write_line(
            f"way back and forward: {COUNTED.lives} lives of the model, {len(COUNTED.states)} states"
        )
    if not ORACLE.answers:
        return
    terminalreporter.write_line(
        f"coherence: {ORACLE.answers:,} answers, {sum(ORACLE.checks.values()):,} checks by "
        f"{len(ORACLE.checks)} of {len(RULES) + len(MOMENT_RULES) + len(PAIR_RULES)} rules"
    )
    for rule, known in KNOWN.items():
        terminalreporter.write_line(
            f"  known, {ORACLE.tolerated[rule]} times: {rule}: {known.reason}"
        )
