"""The only clocks of the product, handed down from here: now, and how long something may take."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["spare_time", "wall_clock_ms"]


def wall_clock_ms() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def spare_time(seconds: float) -> Callable[[], bool]:
    """Says whether so many seconds have not passed yet, from now on."""
    until_s = time.monotonic() + seconds
    return lambda: time.monotonic() < until_s
