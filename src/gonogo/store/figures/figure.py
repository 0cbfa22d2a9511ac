"""One figure of the store: how often it was compared, and where what is stored differs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gonogo.errors import plain

K = TypeVar("K", bound=Hashable)
NAMED_MAX = 3


@dataclass(slots=True)
class Figure:
    """A comparison of stored values with what they derive from: their number, and the differences in words.

    `is_derived`: it can be made anew; else what differs is only named. `doubtful`: what is odd, and may be right.
    """

    what: str
    is_derived: bool = True
    compared: int = 0
    amiss: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """The comparison in one line."""
        if self.amiss:
            return f"{len(self.amiss)} of {self.compared:,} differ: {_first(self.amiss)}"
        told = f": {_first(self.doubtful)}" if self.doubtful else ""
        return f"{self.compared:,} compared{told}"


class Figures:
    """Figures by name, in the order in which they were first looked at."""

    def __init__(self) -> None:
        self._by_name: dict[str, Figure] = {}
        # Dependencies whose rows cannot be read: nothing is made of them.
        self.unread: set[str] = set()

    @property
    def all(self) -> list[Figure]:
        """Each of them."""
        return list(self._by_name.values())

    def of(self, what: str, *, is_derived: bool = True) -> Figure:
        """The figure of a name."""
        return self._by_name.setdefault(what, Figure(what, is_derived))

    def add(self, others: Figures) -> None:
        """Take over what was compared elsewhere."""
        for other in others.all:
            mine = self.of(other.what, is_derived=other.is_derived)
            mine.compared += other.compared
            mine.amiss += other.amiss
            mine.doubtful += other.doubtful
        self.unread |= others.unread


def differing(
    figure: Figure, stored: Mapping[K, object], derived: Mapping[K, object], say: Callable[[K], str]
) -> None:
    """Compare two sets of values key by key; an absent one is as good as zero."""
    keys = stored.keys() | derived.keys()
    figure.compared += len(keys)
    for key in sorted(keys, key=str):
        found, wanted = stored.get(key), derived.get(key)
        if found == wanted or not (found or wanted):
            continue
        figure.amiss.append(f"{say(key)} is {_shown(found)}, its rows say {_shown(wanted)}")


def _first(said: list[str]) -> str:
    shown = "; ".join(plain(each, 160) for each in said[:NAMED_MAX])
    more = len(said) - NAMED_MAX
    return shown + (f"; and {more} more" if more > 0 else "")


def _shown(value: object) -> str:
    return "absent" if value is None else str(value)
