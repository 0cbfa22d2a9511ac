"""Caches of answers that still stand, and of what was computed from hours that no longer change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from gonogo.answers import Answer, rfc3339
from gonogo.text.row_notes import age_s, newest_ahead

if TYPE_CHECKING:
    from gonogo.records import Ints

Made = TypeVar("Made")
RECENT_MAX = 512
Answered = TypeVar("Answered", bound=Answer)


@dataclass(frozen=True, slots=True, eq=False)
class CachedStream:
    """A stream and the results computed from its hours before `end_hour`, which are final."""

    end_hour: int
    made: dict[Hashable, object] = field(default_factory=dict)

    def until(self, end_hour: int) -> CachedStream:
        """The results that still hold for the stream cut at an hour."""
        return self if end_hour >= self.end_hour else replace(self, end_hour=end_hour)

    def settled(self, hours: Ints, end_hour: int) -> int:
        """The number of a stream's hours that stay, where all before `end_hour` do; else 0."""
        return int(hours.searchsorted(self.end_hour)) if end_hour <= self.end_hour else 0

    def once(self, key: Hashable, end_hour: int, make: Callable[[], Made]) -> Made:
        """Reuse the result stored under `key` while the hours it was made from are final; else call `make`."""
        if end_hour > self.end_hour:
            return make()
        if key not in self.made:
            self.made[key] = make()
        return cast("Made", self.made[key])


class AnswerCache(Generic[Answered]):
    """The newest answer to each question, with what it was made from and how long it is good."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Hashable, int, Answered]] = OrderedDict()

    def answer(
        self, question: Hashable, rests_on: Hashable, *, newest_ts_ms: int, now_ms: int
    ) -> Answered | None:
        """The answer as it would be made anew now; None where it might differ."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        made_from, until_ms, answer = kept
        if made_from != rests_on or now_ms >= until_ms or newest_ahead(newest_ts_ms, now_ms):
            return None
        now = {"as_of": rfc3339(now_ms), "data_age_s": age_s(newest_ts_ms, now_ms)}
        return answer.model_copy(update=now)

    def keep(
        self, question: Hashable, rests_on: Hashable, answer: Answered, *, until_ms: int
    ) -> None:
        """Keep an answer; the one longest unasked for gives way."""
        self._kept[question] = rests_on, until_ms, answer
        self._kept.move_to_end(question)
        if len(self._kept) > RECENT_MAX:
            self._kept.popitem(last=False)
