"""Durations as people write them: `30s`, `15m`, `12h`, `7d`, `2w`."""

from __future__ import annotations

import re

DURATION_S_MAX = 100 * 366 * 86_400

_DURATION = re.compile(r"([1-9][0-9]{0,9})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def duration_s(given: str) -> int | None:
    """Seconds of a duration such as `15m` or `7d`; None where it is not one."""
    found = _DURATION.fullmatch(given)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    return seconds if 0 < seconds <= DURATION_S_MAX else None
