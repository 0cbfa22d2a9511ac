"""Queued writes that were lost, told once a reason: nobody waits for them, and a full disk loses all."""

from __future__ import annotations

import logging

_log = logging.getLogger("gonogo.store")


class LostWrites:
    """The writes of one engine that were queued and lost."""

    def __init__(self) -> None:
        self._lost: dict[str, int] = {}

    def note(self, problem: object) -> None:
        """Tell the first of a reason, then the tenth, the hundredth, …: one cause is not a page of lines."""
        why = str(problem)
        count = self._lost[why] = self._lost.get(why, 0) + 1
        if count == 1:
            _log.warning("a queued write was lost: %s", why)
        elif str(count).rstrip("0") == "1":
            _log.warning("%d queued writes were lost: %s", count, why)
