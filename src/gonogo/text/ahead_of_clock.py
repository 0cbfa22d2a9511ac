"""Observations that are stamped ahead of the clock: said, and not judged until their time comes.

Up to a day ahead is taken, for clocks that differ; hours ahead are mostly a local time sent as UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import Ahead, rfc3339
from gonogo.records import HOUR_MS
from gonogo.text.forms import counted, minute, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gonogo.records import HourCounts

# Clocks of two machines differ by so much without anybody minding.
SKEW_MS = 60_000


def ahead_of(hours: Iterable[HourCounts], newest_ts_ms: int, now_ms: int) -> Ahead | None:
    """The last call ahead of the clock, and how many lie in hours to come; None where none is ahead.

    Args:
        hours: The counts of a dependency, hours to come included.
        newest_ts_ms: Of its newest observation.
        now_ms: Now.
    """
    ahead = newest_ahead(newest_ts_ms, now_ms)
    if ahead is None:
        return None
    n = sum(int(counts.n[counts.hour > now_ms // HOUR_MS].sum()) for counts in hours)
    return ahead.model_copy(update={"n": n or None})


def newest_ahead(newest_ts_ms: int | None, now_ms: int) -> Ahead | None:
    """The newest observation where it lies ahead of the clock; what lies there is not counted."""
    if newest_ts_ms is None or newest_ts_ms <= now_ms + SKEW_MS:
        return None
    return Ahead(latest=rfc3339(newest_ts_ms))


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
    if newest_ts_ms is None or newest_ahead(newest_ts_ms, now_ms) is not None:
        return None
    return max(0, now_ms - newest_ts_ms) // 1000


def ahead_note(ahead: Ahead | None) -> str:
    """The sentence for a summary; empty where nothing lies ahead."""
    return "" if ahead is None else ahead_text(ahead.n, ahead.latest)


def ahead_names_note(ahead: Mapping[str, Ahead]) -> str:
    """The sentence, after a blank, for a summary of several dependencies; empty where none is ahead."""
    if not ahead:
        return ""
    counted_n = [one.n for one in ahead.values() if one.n is not None]
    n = sum(counted_n) if len(counted_n) == len(ahead) else None
    return f" {ahead_text(n, max(one.latest for one in ahead.values()), of=list(ahead))}"


def ahead_text(n: int | None, latest: str, *, of: Sequence[str] = ()) -> str:
    """What lies ahead, what that means, and the usual reason; `n` is None where it was not counted."""
    names = f" of {named(of)}" if of else ""
    if n is None:
        return (
            f"Observations{names} lie ahead of the clock, up to {minute(latest)}: was a local time"
            " sent as UTC?"
        )
    lies, counts, they = ("lies", "counts", "it is") if n == 1 else ("lie", "count", "they are")
    return (
        f"{counted(n, 'observation')}{names} {lies} ahead of the clock, up to {minute(latest)}, and "
        f"{counts} when {they} due: was a local time sent as UTC?"
    )
