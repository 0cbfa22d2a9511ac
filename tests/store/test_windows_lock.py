"""The store's lock as Windows has it, over a stand-in for its system call, which cannot be had elsewhere."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import struct
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from gonogo.store.sqlite import lock as posix


class Bytes(ModuleType):
    """msvcrt.locking over Linux's locks of open files, which are as Windows' are: of bytes, from the file's position on.

    Source: Microsoft, "_locking" (C run-time library): LK_LOCK tries for ten seconds and then fails with EDEADLK.
    """

    LK_UNLCK, LK_LOCK, LK_NBLCK = 0, 1, 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.gave_up = threading.Event()

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        """Lock or unlock so many bytes."""
        kind = fcntl.F_UNLCK if mode == self.LK_UNLCK else fcntl.F_WRLCK
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        wanted = struct.pack("hhqqi", kind, os.SEEK_SET, at, count, 0)
        waits = mode == self.LK_LOCK and self.gave_up.is_set()
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW if waits else fcntl.F_OFD_SETLK, wanted)
        except BlockingIOError:
            if mode == self.LK_LOCK:  # as if ten seconds were over
                self.gave_up.set()
            raise OSError(errno.EDEADLK, "Resource deadlock avoided") from None


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as an interpreter on Windows reads it."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", Bytes())
    spec = importlib.util.spec_from_file_location("lock_of_windows", str(posix.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()  # what else runs meanwhile is no Windows
    return module


def test_one_holds_it_and_the_next_waits_longer_than_the_system_does(
    windows: ModuleType, tmp_path: Path
) -> None:
    """The system gives up after ten seconds; a caller waits on, has it when it is free, and leaves it free."""
    first, second = (windows.FileLock(tmp_path / "s.lock") for _ in range(2))
    entered = threading.Event()

    def wait() -> None:
        with second.held(60):
            entered.set()

    waiting = threading.Thread(target=wait)
    with first.held():
        waiting.start()
        assert windows.msvcrt.gave_up.wait(60)
        assert not entered.is_set()
        third = windows.FileLock(tmp_path / "s.lock")
        assert not third.is_free()
        with pytest.raises(windows.StoreHeld, match="held by another process"), third.held(0.01):
            pass
    waiting.join(60)
    assert entered.is_set()
    with first.held(), pytest.raises(windows.StoreHeld), second.held(0.01):
        pass
