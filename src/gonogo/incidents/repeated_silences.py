"""Silences that come again, as gonogo.toml has them: a window of maintenance each Saturday night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from gonogo.ports.notices import Silence
from gonogo.settings import CronTimes, MaintenanceSettings, Settings

# Four years and a day have every date that there is.
LOOK_AHEAD_DAYS = 4 * 366
WRITTEN_BY = "gonogo.toml"


def repeated_silences(settings: Settings, *, now_ms: int) -> list[Silence]:
    """Of each window the one that holds now, else the next; one silence for each of its names."""
    found = []
    for window in settings.maintenance.values():
        start_ms = _start_ms(window, settings.timezone, now_ms)
        if start_ms is not None:
            until_ms = start_ms + 1000 * window.lasts_s
            found += [
                Silence(
                    f"maintenance:{window.name}",
                    name,
                    window.reason or f"maintenance {window.name}",
                    WRITTEN_BY,
                    start_ms,
                    until_ms,
                )
                for name in window.dependencies
            ]
    return sorted(found, key=lambda silence: silence.until_ms)


def _start_ms(window: MaintenanceSettings, timezone: str, now_ms: int) -> int | None:
    """When the window that is the first to end after now starts; None where none ever does.

    Its length is counted in real time. Where clocks are put forward over its start it starts an
    hour later by the new ones; where they are put back, at the first of the two.
    """
    zone = ZoneInfo(window.timezone or timezone)
    from_ms = now_ms - 1000 * window.lasts_s
    first = datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(zone).date() - timedelta(days=1)
    return next((ms for ms in _starts(window.times, zone, first) if ms > from_ms), None)


def _starts(times: CronTimes, zone: tzinfo, first: date) -> Iterator[int]:
    for ahead in range(LOOK_AHEAD_DAYS):
        day = first + timedelta(days=ahead)
        if times.has_day(day):
            for hour, minute in times.of_day:
                start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                yield round(start.timestamp() * 1000)
