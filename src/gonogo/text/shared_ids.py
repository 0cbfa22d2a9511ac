"""Calls that bear one id, as "0" or "null", and so were taken for one call."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from gonogo.errors import plain
from gonogo.text.forms import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import BatchReport, Observation

# Parts of one call may come with times of their own: its start, its end, its outcomes.
TIMES_OF_ONE_CALL_MAX = 9
# What one call took or cost is told once; a server that counts its ids anew tells it of another call.
_QUANTITIES = ("latency_ms", "cost_micro_usd", "output_tokens", "input_tokens", "confidence")
APART_MS = 60_000


class SharedIds(NamedTuple):
    """How many records came at another time than the first of their id, and one such id."""

    n: int = 0
    id: str = ""

    def and_of(self, taken: Sequence[Observation], stored: BatchReport) -> SharedIds:
        """With those of another batch: ids of more times than one call has, or of one quantity minutes apart."""
        if not stored.duplicates + stored.updated:
            return self
        times: dict[tuple[str, str], set[int]] = defaultdict(set)
        told_ms: dict[tuple[str, str, str], int] = {}
        apart: Counter[tuple[str, str]] = Counter()
        for one in taken:
            if one.id is None or one.ts_assumed:
                continue
            at = (one.dependency, one.id)
            times[at].add(one.ts_ms)
            firsts = [
                told_ms.setdefault((*at, name), one.ts_ms)
                for name in _QUANTITIES
                if getattr(one, name) is not None
            ]
            apart[at] += any(abs(one.ts_ms - first_ms) > APART_MS for first_ms in firsts)
        shared = +apart
        for at, seen in times.items():
            if len(seen) > TIMES_OF_ONE_CALL_MAX:
                shared[at] = len(seen) - 1
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
            "an id of its own, or none (of a file: --drop id)."
        )
        return [told]


NO_SHARED_IDS = SharedIds()
