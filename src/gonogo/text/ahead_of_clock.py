"""Observations that are stamped ahead of the clock: said, and not judged until their time comes.

Up to a day ahead is taken, for clocks that differ; hours ahead are mostly a local time sent as UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import Ahead, rfc3339
from gonogo.records import HOUR_MS
from gonogo.text.forms import counted, minute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gonogo.records import HourCounts

# Clocks of two machines differ by so much without anybody minding.
SKEW_MS = 60_000


def ahead_of(hours: Iterable[HourCounts], newest_ts_ms: int, now_ms: int) -> Ahead | None:
    """How many calls lie in hours to come, and the last of them; None where none does.

    Args:
        hours: The counts of a dependency, hours to come included.
        newest_ts_ms: Of its newest observation.
        now_ms: Now.
    """
    if newest_ts_ms <= now_ms:
        return None
    n = sum(int(counts.n[counts.hour > now_ms // HOUR_MS].sum()) for counts in hours)
    return Ahead(n=n, latest=rfc3339(newest_ts_ms)) if n else None


def newest_until(hours: Iterable[HourCounts], newest_ts_ms: int, now_ms: int) -> int | None:
    """When the newest observation came that is not ahead of the clock; None where all are."""
    if newest_ts_ms <= now_ms:
        return newest_ts_ms
    # The current hour may hold what lies ahead within it: only what is over is known to have come.
    over = [int(c.hour[c.hour < now_ms // HOUR_MS].max(initial=-1)) for c in hours]
    newest_hour = max(over, default=-1)
    return None if newest_hour < 0 else (newest_hour + 1) * HOUR_MS


def age_s(newest_ts_ms: int | None, now_ms: int) -> int | None:
    """The age of the newest observation, seconds; of one ahead of the clock there is none."""
    if newest_ts_ms is None or newest_ts_ms > now_ms + SKEW_MS:
        return None
    return max(0, now_ms - newest_ts_ms) // 1000


def ahead_note(ahead: Ahead | None) -> str:
    """The sentence for a summary; empty where nothing lies ahead."""
    return "" if ahead is None else ahead_text(ahead.n, ahead.latest)


def ahead_text(n: int, latest: str) -> str:
    """What lies ahead, what that means, and the usual reason."""
    lies, counts, they = ("lies", "counts", "it is") if n == 1 else ("lie", "count", "they are")
    return (
        f"{counted(n, 'observation')} {lies} ahead of the clock, up to {minute(latest)}, and "
        f"{counts} when {they} due: was a local time sent as UTC?"
    )
