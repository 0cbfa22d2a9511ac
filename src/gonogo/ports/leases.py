"""Who does what must not be done twice at once, where several processes could."""

from __future__ import annotations

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
