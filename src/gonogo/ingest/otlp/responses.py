"""Which call an evaluation is about: the newest calls by response id and by span, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gonogo.ingest.otlp.recent import Recent

# Two keys a call.
REMEMBERED = 100_000

# How a stored observation is found again: its dependency, its id.
CallName = tuple[str, str]


class Outcome(NamedTuple):
    """What an evaluation said, and when, in Unix seconds: the outcome, where it says one, and its score."""

    outcome: float | None
    ts: float
    metrics: Mapping[str, float] = MappingProxyType({})


class Responses:
    """Bounded memory of calls, and of evaluations that came before their call."""

    def __init__(self) -> None:
        self._calls: Recent[str | bytes, CallName] = Recent(REMEMBERED)
        self._waiting: Recent[str | bytes, Outcome] = Recent(REMEMBERED)

    def call(self, name: CallName, key: str | bytes, other: bytes = b"") -> Outcome | None:
        """Remember a call by one key or two; returns the outcome that was waiting for it."""
        self._calls.keep(key, name)
        if other:
            self._calls.keep(other, name)
        if not self._waiting:
            return None
        by_key, by_other = self._waiting.pop(key), self._waiting.pop(other)
        return by_key or by_other

    def outcome(self, outcome: Outcome, *keys: str | bytes | None) -> CallName | None:
        """The call that an evaluation is about; None: it waits for it."""
        named = [key for key in keys if key]
        for key in named:
            if (name := self._calls.get(key)) is not None:
                return name
        for key in named:
            self._waiting.keep(key, outcome)
        return None
