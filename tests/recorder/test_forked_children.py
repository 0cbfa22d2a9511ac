"""What a forked child could not write is counted by its parent, however the child ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo import Recorder
from gonogo.recorder import forked


def killed() -> None:
    """End at once, without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def left() -> None:
    """End without `atexit` functions or finalizers."""
    os._exit(0)


def returned() -> None:
    """End as a program does."""


def child(recorder: Recorder, end: Callable[[], None]) -> None:
    """Queue thirty calls, and end."""
    for _ in range(30):
        recorder.record("child", outcome=1)
    end()


@pytest.mark.parametrize("end", [killed, left, returned])
def test_what_children_could_not_write_is_counted_once(
    tmp_path: Path, end: Callable[[], None]
) -> None:
    """Of a store that nobody can write: the configuration is not there."""
    recorder = Recorder(str(tmp_path / "gonogo.db"), config=str(tmp_path / "missing.toml"))
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=child, args=(recorder, end)) for _ in range(2)]
    for each in children:
        each.start()
    for each in children:
        each.join(60)
    for _ in range(2):
        assert recorder.delivery.dropped == 60
    delivered = recorder.close(1)
    assert (delivered.dropped, delivered.queued) == (60, 0)
    assert "child processes that ended left" in str(delivered.problem)


def test_more_children_than_are_watched_cost_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is free again once its child's losses were counted."""
    # A fork of a test process copies the tables of all its memory: few places need few forks.
    monkeypatch.setattr(forked, "CHILDREN_MAX", 4)
    recorder = Recorder(str(tmp_path / "gonogo.db"), config=str(tmp_path / "missing.toml"))
    for _ in range(6):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
    assert recorder.delivery.dropped == 0
    context = multiprocessing.get_context("fork")
    last = context.Process(target=child, args=(recorder, killed))
    last.start()
    last.join(60)
    assert recorder.delivery.dropped == 30
    recorder.close(1)
