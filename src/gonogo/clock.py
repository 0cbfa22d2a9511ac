"""The only clocks of the product, handed down from here, and what each may be used for.

- Display, and the time of a new observation or action: the wall clock (`wall_clock_ms`). One that is
  wrong dates them wrong, and nothing else.
- How long something may take: the monotonic clock (`spare_time`), which nobody sets.
- Order within a process: `OrderedIds`, which never go back.
- Where several machines share a store: the database server's, where this machine's is not near it
  (`store/postgres/connecting.py`), so that one hold has one end for all of them.
- Expiry of holds, leases, plans and routes (when a fallback is due, how long a stage of the way back or
  forward has lasted, how many switches a day had): the wall clock, and how it was set while the machine runs
  (`clock_setting`): what is open when it is set is dated anew (`store/books/hold_clock.py`). After another
  start of the machine only their dates tell, with a bound on either side, so that none lasts for ever.
- What a person or a calendar names: the wall clock, as it is set. The end of a silence and of a held route,
  maintenance windows, days and months of budgets, approval links: whoever named 18:00 means the clock on
  the wall. One that is put back ends a silence that began later by it, so that people are told.
- How long ago something was: `is_recent`, to which a time far ahead is none, so that nothing waits for a
  clock to catch up.
- What cannot be taken back, such as letting rows go: `borne_out_ms`, the latest time that what is in
  the store bears out. One process whose clock is ahead, and what it records meanwhile, is no witness.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

_DAY_MS = 86_400_000
# On so many days of the last thirty something must have happened for a day to count as reached.
_WITNESSES = 3
_WITHIN_DAYS = 30
# Or one part in so many of all that happened.
_SHARE = 3
# A process may be stopped between two looks at clocks; they belong together where it was not.
_TOGETHER_MS, _LOOKS_MAX = 100, 10
# Clocks of one fleet differ by less; what is further ahead was said by one that was wrong.
AHEAD_MS = 10 * 60_000


def wall_clock_ms() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def running_ms() -> float:
    """Milliseconds since some moment, of a clock that nobody sets and that goes on while the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
    return time.monotonic() * 1000


class ClockSetting(NamedTuple):
    """Since which start the machine runs, and how its wall clock is set: that less the running one."""

    boot: str
    set_ms: int


def clock_setting() -> ClockSetting | None:
    """How the wall clock is set now; None where nothing names the machine's start (only Linux does)."""
    boot = _boot()
    for _ in range(_LOOKS_MAX if boot is not None else 0):
        before_ms, wall_ms = running_ms(), wall_clock_ms()
        if running_ms() - before_ms < _TOGETHER_MS:
            return ClockSetting(str(boot), round(wall_ms - before_ms))
    return None


@cache
def _boot() -> str | None:
    """The machine's start, and the namespace of the running clock: a container may have one of its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return f"{boot.strip()} {Path('/proc/self/ns/time').readlink()}"
    except OSError:
        return None


def spare_time(seconds: float) -> Callable[[], bool]:
    """Says whether so many seconds have not passed yet, from now on."""
    until_s = time.monotonic() + seconds
    return lambda: time.monotonic() < until_s


def borne_out_ms(now_ms: int, days: Mapping[int, int]) -> int | None:
    """The latest time, not after `now_ms`, that what is stored bears out; None where nothing does.

    Args:
        now_ms: What one clock says.
        days: How much was recorded or asked on each UTC day since 1970.

    Returns:
        `now_ms`, or the end of the last day that is borne out where that is earlier: a day with
        two others in the thirty days that end with it, or with a third of all there is.
    """
    known, all_of_it = sorted(days), sum(days.values())
    for at in range(len(known) - 1, -1, -1):
        day = known[at]
        first = known[at - _WITNESSES + 1] if at >= _WITNESSES - 1 else day - _WITHIN_DAYS
        is_borne_out = day - first < _WITHIN_DAYS or days[day] * _SHARE >= all_of_it
        if is_borne_out and day * _DAY_MS <= now_ms:
            return min(now_ms, (day + 1) * _DAY_MS - 1)
    return None


def is_newer(one_ms: int, other_ms: int, now_ms: int) -> bool:
    """Whether `one_ms` is the newer time; one that is still to come was told by a clock that was ahead, and is older."""
    return other_ms < one_ms <= now_ms


def is_recent(then_ms: int, now_ms: int, *, within_ms: int) -> bool:
    """Whether `then_ms` was less than `within_ms` ago; a time far ahead of the clock is no recent one."""
    return then_ms - AHEAD_MS <= now_ms < then_ms + within_ms


class OrderedIds:
    """Numbers that sort by time, unique and in order within a process whatever its clock does.

    Args:
        entropy_bits: How many bits after the milliseconds are left to chance.
        dice: A random number of so many bits.
    """

    def __init__(self, entropy_bits: int, dice: Callable[[int], int]) -> None:
        self._bits = entropy_bits
        self._dice = dice
        self._process, self._last = os.getpid(), 0

    def number(self, now_ms: int) -> int:
        """A number above every one before it: of `now_ms`, or just after the last one.

        A forked child begins anew: going on from where its parent was, both would make the same.
        """
        if self._process != os.getpid():
            self._process, self._last = os.getpid(), 0
        offered = (now_ms << self._bits) | self._dice(self._bits)
        self._last = max(offered, self._last + 1)
        return self._last
