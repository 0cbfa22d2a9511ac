"""A machine of hypothesis on a store in a folder of its own."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

T = TypeVar("T")


class Machine(RuleBasedStateMachine):
    """A machine on a store in a folder of its own, in an event loop of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gonogo-model-"))
        self.runner = asyncio.Runner()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out one step."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Let everything go."""
        self.runner.close()
        shutil.rmtree(self.folder)
