"""Which call an evaluation is about: the newest calls by response id and by span, and what waits."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

__all__ = ["CallName", "Outcome", "Responses"]

REMEMBERED_MAX = 50_000

# How a stored observation is found again: its dependency, its id.
CallName = tuple[str, str]

K = TypeVar("K")
V = TypeVar("V")


class Outcome(NamedTuple):
    """What an evaluation said, and when, in Unix seconds."""

    outcome: float
    ts: float


class Responses:
    """Bounded memory of calls, and of evaluations that came before their call."""

    def __init__(self) -> None:
        self._calls: dict[str | bytes, CallName] = {}
        self._waiting: dict[str | bytes, Outcome] = {}

    def call(self, name: CallName, key: str | bytes, other: bytes = b"") -> Outcome | None:
        """Remember a call by one key or two; returns the outcome that was waiting for it."""
        _keep(self._calls, key, name)
        if other:
            _keep(self._calls, other, name)
        if not self._waiting:
            return None
        by_key, by_other = self._waiting.pop(key, None), self._waiting.pop(other, None)
        return by_key or by_other

    def outcome(self, outcome: Outcome, *keys: str | bytes | None) -> CallName | None:
        """The call that an evaluation is about; None: it waits for it."""
        named = [key for key in keys if key]
        for key in named:
            if key in self._calls:
                return self._calls[key]
        for key in named:
            _keep(self._waiting, key, outcome)
        return None


def _keep(memory: dict[K, V], key: K, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED_MAX:
        del memory[next(iter(memory))]
