"""Answers that still stand: nothing they rest on has changed, and time alone would not turn them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from gonogo.answers import Answer, rfc3339
from gonogo.text.ahead_of_clock import age_s, newest_ahead

RECENT_MAX = 512

Answered = TypeVar("Answered", bound=Answer)


class Recent(Generic[Answered]):
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
