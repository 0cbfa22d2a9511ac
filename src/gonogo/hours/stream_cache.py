"""A cache of what was computed from hours that no longer change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from gonogo.records import Ints

__all__ = ["CachedStream"]

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, eq=False)
class CachedStream:
    """A stream and the results computed from its hours before `end_hour`, which are final."""

    end_hour: int
    made: dict[Hashable, object] = field(default_factory=dict)

    def until(self, end_hour: int) -> CachedStream:
        """The results that still hold for the stream cut at an hour."""
        return self if end_hour >= self.end_hour else replace(self, end_hour=end_hour)

    def settled(self, hours: Ints, end_hour: int) -> int:
        """How many of a stream's hours stay, where all before `end_hour` do; else 0."""
        return int(hours.searchsorted(self.end_hour)) if end_hour <= self.end_hour else 0

    def once(self, key: Hashable, end_hour: int, make: Callable[[], Made]) -> Made:
        """What `make` makes of the hours before one, and of what `key` tells; kept if they stay."""
        if end_hour > self.end_hour:
            return make()
        if key not in self.made:
            self.made[key] = make()
        return cast("Made", self.made[key])
