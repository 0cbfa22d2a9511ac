"""The window that a budget's limit applies to, as of a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gonogo.errors import ConfigError
from gonogo.records import DAY_MS, HOUR_MS, QUARTER_MS
from gonogo.settings import BudgetSettings


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """Half-open: `start_ms <= time < end_ms`; None where there is no bound."""

    kind: str
    start_ms: int | None
    end_ms: int | None


def zone(name: str) -> tzinfo:
    """The time zone of that name.

    Raises:
        ConfigError: This machine does not know it.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"timezone '{name}' is not known on this machine. Use UTC or an IANA name such as "
            "Europe/Berlin; where none is known, install the Python package tzdata."
        ) from None


def window_at(budget: BudgetSettings, timezone: str, now_ms: int) -> WindowSpan:
    """The window of a budget that contains a moment.

    Calendar windows begin at local times, so that a day has 23 to 25 hours when clocks change; they
    leave no gap and do not overlap. A
    rolling window begins at a quarter hour, as spending is stored, and has no end: what is
    dated ahead counts too.

    Raises:
        ConfigError: The zone is not known on this machine.
    """
    match budget.window:
        case "total":
            return WindowSpan("total", None, None)
        case "rolling":
            length_s = budget.window_s or DAY_MS // 1000
            start = (now_ms - length_s * 1000) // QUARTER_MS * QUARTER_MS
            return WindowSpan(f"rolling:{_length(length_s)}", start, None)
        case "session":
            # Begins with its first call: the ledger knows when.
            return WindowSpan(f"session:{_length(budget.window_s or 0)}", None, None)
        case "hour":
            return _hour(zone(timezone), now_ms)
        case "day" | "week" | "month" as kind:
            return _calendar(kind, zone(timezone), now_ms)


def _calendar(kind: str, tz: tzinfo, now_ms: int) -> WindowSpan:
    today = datetime.fromtimestamp(now_ms / 1000, tz).date()
    if kind == "day":
        first, after = today, today + timedelta(days=1)
    elif kind == "week":
        first = today - timedelta(days=today.weekday())
        after = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    start, end = (
        round(datetime(day.year, day.month, day.day, tzinfo=tz).timestamp() * 1000)
        for day in (first, after)
    )
    return WindowSpan(kind, start, end)


def _hour(tz: tzinfo, now_ms: int) -> WindowSpan:
    """The quarter hours of a local hour; a change of clocks by half an hour cuts one short."""

    def local_hour(ms: int) -> tuple[int, int]:
        offset = datetime.fromtimestamp(ms / 1000, tz).utcoffset() or timedelta()
        offset_ms = round(offset.total_seconds() * 1000)
        return (ms + offset_ms) // HOUR_MS, offset_ms

    here, start = local_hour(now_ms), now_ms // QUARTER_MS * QUARTER_MS
    end = start + QUARTER_MS
    while local_hour(start - QUARTER_MS) == here:
        start -= QUARTER_MS
    while local_hour(end) == here:
        end += QUARTER_MS
    return WindowSpan("hour", start, end)


def _length(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
