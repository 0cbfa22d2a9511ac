"""A bounded memory of what came last, in two generations."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps the newest entries: at least `size` of them, at most twice as many.

    Forgetting drops a whole generation. Deleting the oldest entry of one dict, time and again,
    would walk over all that were deleted before it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def keep(self, key: K, value: V) -> None:
        """Remember an entry as the newest."""
        young = self._young
        young[key] = value
        if len(young) >= self._size:
            self._old, self._young = young, {}

    def get(self, key: K) -> V | None:
        """The value of a key that is remembered."""
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def pop(self, key: K) -> V | None:
        """The value of a key, which is forgotten."""
        old = self._old.pop(key, None)
        return self._young.pop(key, old)

    def __contains__(self, key: K) -> bool:
        return key in self._young or key in self._old

    def __bool__(self) -> bool:
        return bool(self._young or self._old)
