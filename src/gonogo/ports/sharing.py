"""Signals between processes that share a store: work that is claimed, and writes by any of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol


class Leases(Protocol):
    """Work that is claimed until a time: whoever dies loses it then."""

    async def claim(self, name: str, holder: str, *, now_ms: int, until_ms: int) -> bool:
        """Claim a work, or hold it longer; False while somebody else holds it."""
        ...

    async def release(self, name: str, holder: str) -> None:
        """Let go of a work that `holder` holds; nothing where it does not."""
        ...

    async def held(self, *, now_ms: int) -> list[str]:
        """The works that somebody holds now, sorted."""
        ...


class Changes(Protocol):
    """Hears of writes; it does not tell what was written."""

    def changes(self) -> AsyncGenerator[None]:
        """Yield at once, and again after writes by any process, a second after them at the latest.

        Writes between two yields are told by one. It costs nothing before it is first asked and
        after it is closed; close it (`contextlib.aclosing`) to let its connection go.

        Raises:
            StoreError: The store failed or is closed.
        """
        ...
