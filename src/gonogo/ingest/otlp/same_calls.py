"""One call that several spans tell of: two instrumentations, or client and server of one MCP call.

A call's span that stands around another of the same kind and name is that call once more, and fills in
what the other lacks. The innermost spans are the calls: around two of them, as around a call and its
retry, the outer one tells of none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from gonogo.ingest.otlp.names import Scalar

REMEMBERED = 50_000
STEPS_MAX = 8
_NAMES = ("response_model", "request_model", "tool", "mcp_server")
K = TypeVar("K")
V = TypeVar("V")
# Two keys a call.
CALLS_REMEMBERED = 100_000
# Evaluations of one call that wait for it; older ones go.
EVALUATIONS_MAX = 20

# How a stored observation is found again: its dependency, its id.
CallName = tuple[str, str]


@dataclass(slots=True)
class SpanCall:
    """A call by its span: what it is known by in the store, and what it is a call of."""

    dependency: str
    identity: str
    kind: str
    names: frozenset[str]
    is_claimed: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, object], found: Mapping[str, Scalar]) -> SpanCall:
        """The call of a span with these fields and attributes."""
        named = [str(found[slot]) for slot in _NAMES if slot in found]
        names = frozenset(name.lower().rpartition("/")[2] for name in named)
        return cls(str(fields["dependency"]), str(fields["id"]), str(fields["kind"]), names)

    def is_like(self, other: SpanCall) -> bool:
        """Whether both are calls of one thing."""
        return self.kind == other.kind and not self.names.isdisjoint(other.names)


class SameCalls:
    """The newest spans by their place (trace and span id), and the calls around and below them."""

    def __init__(self) -> None:
        self._parents: RecentEntries[bytes, bytes] = RecentEntries(REMEMBERED)
        self._calls: RecentEntries[bytes, SpanCall] = RecentEntries(REMEMBERED)
        # Calls below a span that has not come yet, or is no call.
        self._below: RecentEntries[bytes, list[SpanCall]] = RecentEntries(REMEMBERED)

    def note_parent(self, place: bytes, parent: bytes) -> None:
        """Remember what stands around a span; both are places."""
        self._parents.keep(place, parent)
        # A span between two calls may come after the inner one.
        for inner in self._below.get(place) or ():
            self._keep_below(parent, inner)

    def known(self, place: bytes, call: SpanCall) -> SpanCall | None:
        """The call that this one tells of again; itself where it is new, None where it tells of none."""
        again = self._calls.get(place)
        if again is not None:
            return again
        below = [one for one in self._below.get(place) or () if one.is_like(call)]
        if len(below) > 1:
            return None
        around = self._around(place)
        outer = next((self._calls.get(at) for at in around if self._is_free(at, call)), None)
        if below:
            same = below[0]
        elif outer is not None:
            outer.is_claimed = True
            same = outer
        else:
            same = call
        own = SpanCall(same.dependency, same.identity, call.kind, call.names | same.names)
        own.is_claimed = bool(below)
        self._calls.keep(place, own)
        if same is call:
            for at in around:
                if self._calls.get(at) is None:
                    self._keep_below(at, own)
        return same

    def _keep_below(self, place: bytes, inner: SpanCall) -> None:
        known = self._below.get(place) or []
        if all(one.identity != inner.identity for one in known):
            self._below.keep(place, [*known, inner])

    def _is_free(self, at: bytes, call: SpanCall) -> bool:
        known = self._calls.get(at)
        return known is not None and not known.is_claimed and known.is_like(call)

    def _around(self, place: bytes) -> list[bytes]:
        around: list[bytes] = []
        at = self._parents.get(place)
        while at is not None and len(around) < STEPS_MAX:
            around.append(at)
            at = self._parents.get(at)
        return around


class RecentEntries(Generic[K, V]):
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


class Outcome(NamedTuple):
    """An evaluation: its outcome, where it gives one, its score, and its time in Unix seconds."""

    outcome: float | None
    ts: float
    metrics: Mapping[str, float] = MappingProxyType({})


class Responses:
    """Bounded memory of calls, and of evaluations that came before their call."""

    def __init__(self) -> None:
        self._calls: RecentEntries[str | bytes, CallName] = RecentEntries(CALLS_REMEMBERED)
        self._waiting: RecentEntries[str | bytes, list[Outcome]] = RecentEntries(CALLS_REMEMBERED)

    def call(self, name: CallName, key: str | bytes, other: bytes = b"") -> list[Outcome]:
        """Remember a call by one key or two; returns the evaluations that were waiting for it."""
        self._calls.keep(key, name)
        if other:
            self._calls.keep(other, name)
        if not self._waiting:
            return []
        found = [*(self._waiting.pop(key) or ()), *(self._waiting.pop(other) or ())]
        # One that names its call twice waited by both.
        return list({id(outcome): outcome for outcome in found}.values())

    def outcome(self, outcome: Outcome, *keys: str | bytes | None) -> CallName | None:
        """The call that an evaluation is about; None: it waits for it."""
        named = [key for key in keys if key]
        for key in named:
            if (name := self._calls.get(key)) is not None:
                return name
        for key in named:
            # Several evaluators judge one call.
            self._waiting.keep(key, [*(self._waiting.get(key) or ()), outcome][-EVALUATIONS_MAX:])
        return None
