"""When a probe is asked next. Pure: the draw comes in."""

from __future__ import annotations

FIRST_S_MAX = 60.0
BACKOFF_S_MAX = 3600.0
JITTER = 0.1
_DOUBLINGS_MAX = 10


def first_delay_s(every_s: float, draw: float) -> float:
    """Seconds to the first run: spread, so that a start does not ask everything at once.

    Args:
        every_s: The probe's interval.
        draw: Uniform on [0, 1).
    """
    return min(every_s, FIRST_S_MAX) * draw


def next_delay_s(every_s: float, *, failures: int, draw: float) -> float:
    """Seconds from a run's start to the next.

    Doubles with every run in a row without one answer, up to an hour (or the interval, where that
    is longer), and is spread by a tenth either way, so that probes do not fall into step.

    Args:
        every_s: The probe's interval.
        failures: Runs in a row that nothing answered.
        draw: Uniform on [0, 1).
    """
    backed_off = every_s * 2.0 ** min(failures, _DOUBLINGS_MAX)
    return min(backed_off, max(every_s, BACKOFF_S_MAX)) * (1 + JITTER * (2 * draw - 1))
