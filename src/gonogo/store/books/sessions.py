"""The start of the open session window: each begins with the first call after the last one ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gonogo.records import QUARTER_MS

# As many windows are looked back at first: in most of them somebody slept.
LOOKED_BACK = 64


def session_start(
    buckets_since: Callable[[int | None], Sequence[int]], *, length_ms: int, now_ms: int
) -> int | None:
    """When the open window began; None where none is open.

    Args:
        buckets_since: Quarter hours with a call, ascending, from one on or all of them, until now.
        length_ms: How long a window lasts, in whole quarter hours.
        now_ms: The time.
    """
    length, now = length_ms // QUARTER_MS, now_ms // QUARTER_MS
    since = now - LOOKED_BACK * length
    recent = buckets_since(since)
    first = first_of_session(recent, length=length, since=since)
    if first is None and recent:
        recent = buckets_since(None)
        first = recent[0]
    if first is None:
        return None
    start = first
    for bucket in recent:
        if bucket >= start + length:
            start = bucket
    return start * QUARTER_MS if start + length > now else None


def first_of_session(buckets: Sequence[int], *, length: int, since: int) -> int | None:
    """A bucket that begins a window whatever was before: nothing was called as long as one lasts.

    None where there is none, so that it depends on what was before `since`.
    """
    before = since - 1
    for bucket in buckets:
        if bucket - before > length or (before >= since and bucket - before >= length):
            return bucket
        before = bucket
    return None
