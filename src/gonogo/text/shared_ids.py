"""Calls that bear one id, as "0" or "null", and so were taken for one call."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from gonogo.errors import plain
from gonogo.text.forms import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import BatchReport, Observation

# Parts of one call may come with times of their own: its start, its end, its outcomes.
TIMES_OF_ONE_CALL_MAX = 9


class SharedIds(NamedTuple):
    """How many records came at another time than the first of their id, and one such id."""

    n: int = 0
    id: str = ""

    def and_of(self, taken: Sequence[Observation], stored: BatchReport) -> SharedIds:
        """With those of another batch, among which ids of more times than one call has are shared."""
        if stored.duplicates + stored.updated < TIMES_OF_ONE_CALL_MAX:
            return self
        times: dict[tuple[str, str], set[int]] = defaultdict(set)
        for one in taken:
            if one.id is not None and not one.ts_assumed:
                times[one.dependency, one.id].add(one.ts_ms)
        shared = {
            at: len(seen) - 1 for at, seen in times.items() if len(seen) > TIMES_OF_ONE_CALL_MAX
        }
        if not shared:
            return self
        most = max(shared, key=lambda at: shared[at])
        return SharedIds(self.n + sum(shared.values()), self.id or most[1])

    def words(self) -> list[str]:
        """One note, where there are any."""
        if not self.n:
            return []
        told = (
            f"{counted(self.n, 'record')} with the id of a call at another time, as '{plain(self.id, 40)}', "
            "were taken for parts of it, so that their outcomes and errors count for nothing: give each call "
            "an id of its own, or none."
        )
        return [told]


NO_SHARED_IDS = SharedIds()
