"""Periods as people write them, as the hours that the store keeps.

A date is a day in the configured zone, and an hour belongs to the local day of its midpoint, so
that zones half an hour off divide days as well as any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from gonogo.errors import ParameterError, plain
from gonogo.records import DAY_MS, HOUR_MS

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point that a person named: a whole local day, or an instant."""

    start_ms: int
    end_ms: int  # exclusive; an instant ends where it starts


def moment(text: str, *, name: str, zone: str) -> Moment:
    """Read a date (`2026-04-01`, a day in `zone`) or a time (RFC 3339).

    Raises:
        ParameterError: `text` is neither; the message names the argument.
    """
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
            after = day + timedelta(days=1)
            next_midnight = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(zone))
            return Moment(_ms(midnight), _ms(next_midnight))
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=ZoneInfo(zone))
        return Moment(_ms(when), _ms(when))
    except (ValueError, OverflowError):  # the last day has no next one
        raise ParameterError(
            f"{name} '{plain(text, 60)}' is not a time. Give a date (2026-04-01) or RFC 3339 "
            "(2026-04-01T12:00:00Z)."
        ) from None


def check_until(text: str, *, zone: str, now_ms: int) -> None:
    """Refuse an `until` that has not begun anywhere on earth.

    Raises:
        ParameterError: it has not, or is no time.
    """
    if moment(text, name="until", zone=zone).start_ms > now_ms + DAY_MS:
        raise ParameterError(f"until {plain(text, 40)} lies ahead. Leave it out to ask about now.")


def local_day(ms: int, *, zone: str) -> str:
    """The date of a moment in a zone."""
    return datetime.fromtimestamp(ms / 1000, tz=ZoneInfo(zone)).date().isoformat()


def first_hour(ms: int) -> int:
    """The first hour whose midpoint is at or after a moment."""
    return -((HOUR_MS // 2 - ms) // HOUR_MS)


def hours_between(start: str, end: str, *, zone: str) -> tuple[int, int]:
    """The hours of an inclusive period, half-open: `start_hour <= hour < end_hour`.

    Raises:
        ParameterError: a bound is no time, or the period is empty.
    """
    begin = moment(start, name="start", zone=zone)
    last = moment(end, name="end", zone=zone)
    start_hour = first_hour(begin.start_ms)
    # An instant as the end still includes its own hour.
    end_hour = (
        first_hour(last.end_ms) if last.end_ms > last.start_ms else last.end_ms // HOUR_MS + 1
    )
    if end_hour <= start_hour:
        raise ParameterError(f"The period {plain(start, 40)} to {plain(end, 40)} holds no hour.")
    return start_hour, end_hour


def _ms(when: datetime) -> int:
    return round(when.astimezone(UTC).timestamp() * 1000)
