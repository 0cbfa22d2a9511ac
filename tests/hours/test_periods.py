"""Periods as people write them become whole hours."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gonogo.errors import ParameterError, UnknownTarget
from gonogo.hours.periods import hours_between, moment
from gonogo.hours.time_slices import (
    DAY_TYPES,
    HOUR_BANDS,
    Slice,
    hours_of_week,
    parse_segment,
    time_cells,
)


def utc(hour: int) -> str:
    """An hour since 1970 as a time."""
    return datetime.fromtimestamp(hour * 3600, tz=UTC).isoformat()


@pytest.mark.parametrize(
    "text",
    ["9999-12-31", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_the_ends_of_the_calendar_are_refused(text: str) -> None:
    """Their next day, or their time in UTC, is none that a calendar has."""
    with pytest.raises(ParameterError, match="is not a time"):
        moment(text, name="since", zone="America/New_York")


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("UTC", "2026-04-01T00:00:00+00:00", 24),
        ("America/New_York", "2026-04-01T04:00:00+00:00", 24),
        # Midnight is 18:30 UTC: the hour whose midpoint that is belongs to the new day.
        ("Asia/Kolkata", "2026-03-31T18:00:00+00:00", 24),
    ],
)
def test_a_date_is_a_day_in_its_zone(zone: str, first: str, hours: int) -> None:
    """A date names the hours whose midpoints lie in that local day."""
    start, end = hours_between("2026-04-01", "2026-04-01", zone=zone)
    assert (utc(start), end - start) == (first, hours)


def test_a_day_of_the_clock_change_is_shorter() -> None:
    """In Berlin 29 March 2026 has 23 hours."""
    start, end = hours_between("2026-03-29", "2026-03-29", zone="Europe/Berlin")
    assert end - start == 23


def test_days_follow_each_other_without_gap_or_overlap() -> None:
    """Every hour of a year belongs to exactly one day, also in a zone half an hour off."""
    ends = [
        hours_between(f"2026-{m:02}-01", f"2026-{m:02}-01", zone="Asia/Kolkata") for m in (1, 12)
    ]
    whole = hours_between("2026-01-01", "2026-12-01", zone="Asia/Kolkata")
    assert whole == (ends[0][0], ends[1][1])


def test_an_instant_as_end_includes_its_hour() -> None:
    """From 10:00 to 11:20 is the hours of 10 and 11."""
    start, end = hours_between("2026-04-01T10:00:00Z", "2026-04-01T11:20:00Z", zone="UTC")
    assert (utc(start)[11:13], end - start) == ("10", 2)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "2026-04-31"])
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    """The line names the argument, the value and the two forms there are."""
    with pytest.raises(ParameterError, match=r"^since '.*' is not a time\. Give a date"):
        moment(text, name="since", zone="UTC")


def test_an_empty_period_is_refused() -> None:
    """An end before its start holds no hour."""
    with pytest.raises(ParameterError, match="holds no hour"):
        hours_between("2026-04-02", "2026-04-01", zone="UTC")


def test_time_slices_are_read_off_local_hours() -> None:
    """Friday 23:30 UTC is already Saturday in Berlin, in its first band."""
    friday_23 = np.array([int(datetime(2026, 4, 3, 23, tzinfo=UTC).timestamp()) // 3600])
    days, bands = time_cells(friday_23, zone="Europe/Berlin")
    assert (DAY_TYPES[days[0]], HOUR_BANDS[bands[0]]) == ("weekend", "00-06")
    days, bands = time_cells(friday_23, zone="UTC")
    assert (DAY_TYPES[days[0]], HOUR_BANDS[bands[0]]) == ("weekday", "18-24")


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]
)
def test_hours_of_the_week_are_the_calendars(zone: str) -> None:
    """Oracle: the standard library's calendar, hour by hour over a year with its clock changes."""
    hours = np.arange(490_000, 499_000)
    local = [datetime.fromtimestamp(h * 3600 + 1800, tz=ZoneInfo(zone)) for h in hours.tolist()]
    expected = [when.weekday() * 24 + when.hour for when in local]
    assert hours_of_week(hours, zone=zone).tolist() == expected


def test_a_segment_joins_one_declared_key_with_slices_of_time() -> None:
    """Parts come in any order and are written with keys sorted."""
    found = parse_segment("tier=new,day_type=weekend", ["tier=new"], dependency="m")
    assert found == Slice(declared="tier=new", day_type="weekend")
    assert found.name == "day_type=weekend,tier=new"


def test_segments_that_cannot_be_asked_for_are_refused() -> None:
    """An unknown value names the near ones; two declared keys are not kept together."""
    with pytest.raises(UnknownTarget, match="Known: tier=new"):
        parse_segment("tier=now", ["tier=new"], dependency="m")
    with pytest.raises(UnknownTarget, match="weekend"):
        parse_segment("day_type=weekends", [], dependency="m")
    with pytest.raises(ParameterError, match="joins two declared keys"):
        parse_segment("a=1,b=2", ["a=1", "b=2"], dependency="m")
    with pytest.raises(ParameterError, match="not key=value"):
        parse_segment("weekend", [], dependency="m")
