"""Budget windows: calendar windows begin at local times, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.answers import rfc3339
from gonogo.errors import ConfigError
from gonogo.money.windows import WindowSpan, window_at, zone
from gonogo.records import DAY_MS, HOUR_MS, QUARTER_MS
from gonogo.settings import BudgetSettings, WindowKind

ZONES = sorted(available_timezones() & {
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/St_Johns", "Pacific/Apia", "Africa/Casablanca", "Asia/Beirut", "America/Santiago",
})  # fmt: skip
KINDS: tuple[WindowKind, ...] = ("hour", "day", "week", "month")


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _window(kind: WindowKind, now: str, timezone: str = "UTC") -> tuple[str | None, str | None]:
    span = window_at(BudgetSettings("b", 1, window=kind), timezone, _ms(now))
    assert span.start_ms is not None
    assert span.end_ms is not None
    return rfc3339(span.start_ms), rfc3339(span.end_ms)


@pytest.mark.parametrize(
    ("kind", "now", "timezone", "start", "end"),
    [
        ("day", "2026-06-10T23:30", "Europe/Berlin", "2026-06-10T22:00:00Z", "2026-06-11T22:00:00Z"),
        # Clocks go forward: 23 hours. Back: 25.
        ("day", "2026-03-29T12:00", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("day", "2026-10-25T12:00", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        # In Chile clocks go forward at midnight, so that the day begins at one o'clock.
        ("day", "2026-09-06T12:00", "America/Santiago", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
        ("week", "2026-01-01T12:00", "UTC", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("month", "2026-02-10T00:00", "UTC", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("month", "2026-12-31T23:30", "Asia/Kathmandu", "2026-12-31T18:15:00Z", "2027-01-31T18:15:00Z"),
        ("hour", "2026-06-10T12:20", "Asia/Kathmandu", "2026-06-10T12:15:00Z", "2026-06-10T13:15:00Z"),
    ],
)  # fmt: skip
def test_calendar_windows_follow_the_local_clock(
    kind: WindowKind, now: str, timezone: str, start: str, end: str
) -> None:
    """Known cases, worked out by hand."""
    assert _window(kind, now, timezone) == (start, end)


@given(
    st.integers(_ms("2020-01-01"), _ms("2030-01-01")),
    st.sampled_from(ZONES),
    st.sampled_from(KINDS),
)
def test_windows_leave_no_gap_and_lie_on_quarter_hours(
    now_ms: int, timezone: str, kind: WindowKind
) -> None:
    """Each moment is in its window, the next window begins where it ends, sums are exact."""
    _check_spans(now_ms, timezone, kind)


@pytest.mark.parametrize("timezone", ZONES)
def test_windows_leave_no_gap_where_clocks_change(timezone: str) -> None:
    """The same at every quarter hour around each change, by an hour, half of one or a whole day."""
    place = zone(timezone)

    def offset(ms: int) -> timedelta | None:
        return datetime.fromtimestamp(ms / 1000, place).utcoffset()

    days = range(_ms("2023-01-01"), _ms("2028-01-01"), DAY_MS)
    changing = [day for day in days if offset(day) != offset(day + DAY_MS)]
    for day in changing:
        hours = range(day, day + DAY_MS, HOUR_MS)
        change = next(hour for hour in hours if offset(hour) != offset(hour + HOUR_MS))
        for now_ms in range(change - HOUR_MS, change + 3 * HOUR_MS, QUARTER_MS):
            for kind in KINDS:
                _check_spans(now_ms + 1, timezone, kind)


def _check_spans(now_ms: int, timezone: str, kind: WindowKind) -> None:
    budget = BudgetSettings("b", 1, window=kind)
    spans = [window_at(budget, timezone, now_ms)]
    for _ in range(2):
        assert spans[-1].end_ms is not None
        spans.append(window_at(budget, timezone, spans[-1].end_ms))
    assert spans[0].start_ms is not None
    assert spans[0].end_ms is not None
    assert spans[0].start_ms <= now_ms < spans[0].end_ms
    for before, after in pairwise(spans):
        assert before.end_ms == after.start_ms
    assert all((span.start_ms or 0) % QUARTER_MS == 0 for span in spans)


def test_a_rolling_window_reaches_back_and_counts_what_is_dated_ahead() -> None:
    """From the quarter hour before, without an end; total has neither bound."""
    now_ms = _ms("2026-06-10T12:20")
    week = BudgetSettings("b", 1, window="rolling", window_s=7 * 86_400)
    span = window_at(week, "UTC", now_ms)
    assert span == WindowSpan("rolling:7d", now_ms - 7 * DAY_MS - HOUR_MS // 12, None)
    assert window_at(BudgetSettings("b", 1), "UTC", now_ms) == WindowSpan("total", None, None)
    hours = BudgetSettings("b", 1, window="rolling", window_s=5400)
    assert window_at(hours, "UTC", now_ms).kind == "rolling:90m"


def test_a_zone_that_is_not_known_is_one_line_with_advice() -> None:
    """On a machine without time zones every name but UTC is unknown."""
    assert zone("UTC") is UTC
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(ConfigError, match="install the Python package tzdata"):
            zone(name)
