"""Windows of maintenance that come again: when they hold, by cron's own rules, and whom nobody wakes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.app import Gonogo
from gonogo.app.people import end_silence, standing_silences
from gonogo.config import load_settings
from gonogo.config.maintenance_tables import cron_times
from gonogo.config.values import Refusal
from gonogo.errors import ParameterError
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.incidents.telling import repeated_silences
from gonogo.settings import MaintenanceSettings, Settings
from receivers import SECRET, receiver, webhook

MINUTE = timedelta(minutes=1)


def window(cron: str, now: datetime, *, lasts: timedelta, zone: str = "UTC") -> tuple[str, str]:
    """The window that holds at a moment or comes next, as its start and end in UTC."""
    own = MaintenanceSettings(
        "w", ("m",), cron_times(cron), int(lasts.total_seconds()), timezone=zone
    )
    [silence] = repeated_silences(
        Settings(store="-", maintenance={"w": own}), now_ms=round(now.timestamp() * 1000)
    )
    start, until = (
        datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%dT%H:%M")
        for ms in (silence.start_ms, silence.until_ms)
    )
    return start, until


NUMBERS = {"minute": 60, "hour": 24, "day": 28, "month": 12, "weekday": 7}


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, list[set[int]], bool]:
    """A cron expression, what each of its fields means, and whether either day is enough."""
    texts, meant = [], []
    for name, n in NUMBERS.items():
        low = int(name in ("day", "month"))
        every = set(range(low, 32 if name == "day" else low + n))
        if name in ("month", "weekday", "day") and draw(st.booleans()):
            texts.append("*")
            meant.append(every)
            continue
        chosen = draw(st.sets(st.integers(low, low + n - 1), min_size=1, max_size=3))
        texts.append(",".join(map(str, sorted(chosen))))
        meant.append(chosen)
    return " ".join(texts), meant, texts[2] != "*" and texts[4] != "*"


@settings(max_examples=25)
@given(fields(), st.integers(1, 3000), st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)))  # noqa: DTZ001 - made aware below
def test_a_window_is_where_a_walk_through_the_minutes_finds_it(
    said: tuple[str, list[set[int]], bool], lasts_min: int, now: datetime
) -> None:
    """Oracle: each minute from when a window could have begun, by the five fields."""
    cron, (minutes, hours, days, months, weekdays), either = said
    at = now.replace(second=0, microsecond=0, tzinfo=UTC)
    lasts = timedelta(minutes=lasts_min)
    for ahead in range(1, lasts_min + 3 * 1440):
        start = at - lasts + ahead * MINUTE
        by_day, by_week = start.day in days, start.isoweekday() % 7 in weekdays
        on_day = by_day or by_week if either else by_day and by_week
        if start.minute in minutes and start.hour in hours and start.month in months and on_day:
            form = "%m-%dT%H:%M"
            expected = start.strftime(form), (start + lasts).strftime(form)
            assert window(cron, at, lasts=lasts) == expected
            return


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
        (datetime(2026, 3, 28, 1, 0, tzinfo=UTC), ("03-28T01:30", "03-28T03:30")),
        (datetime(2026, 3, 29, 0, 0, tzinfo=UTC), ("03-29T01:30", "03-29T03:30")),
        (datetime(2026, 10, 25, 0, 45, tzinfo=UTC), ("10-25T00:30", "10-25T02:30")),
        (datetime(2026, 10, 25, 2, 45, tzinfo=UTC), ("10-26T01:30", "10-26T03:30")),
    ],
)
def test_clocks_that_change_neither_lose_nor_double_a_window(
    now: datetime, expected: tuple[str, str]
) -> None:
    """A start that is skipped is an hour later, one that comes twice is the first; two hours are two."""
    assert window("30 2 * * *", now, lasts=timedelta(hours=2), zone="Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 2 * *", "five fields"),
        ("0 24 * * *", "'24' for the hour: allowed are 0 to 23"),
        ("0 2 * * sut", "'sut' for the day of the week: allowed are 0 to 7, or sun to sat"),
        ("*/0 2 * * *", "'*/0' for the minute"),
        ("0 5-2 * * *", "'5-2' for the hour"),
        ("0 2 30 feb *", "a day that no month"),
        (7, "five fields"),
    ],
)
def test_what_is_no_cron_expression_is_said(cron: object, told: str) -> None:
    """Which part, and what is allowed."""
    with pytest.raises(Refusal) as refused:
        cron_times(cron)
    assert told in str(refused.value)


def test_words_ranges_and_steps_mean_what_cron_means() -> None:
    """Sunday is 0 and 7; a step counts from where its range begins."""
    times = cron_times("5-20/5 8/6 * jan-MAR sun,2-3,7")
    assert {minute for _, minute in times.of_day} == {5, 10, 15, 20}
    assert {hour for hour, _ in times.of_day} == {8, 14, 20}
    assert sorted(times.months) == [1, 2, 3]
    assert sorted(times.weekdays) == [0, 2, 3]


@pytest.mark.anyio
async def test_nobody_is_woken_in_a_window_and_everybody_after(tmp_path: Path) -> None:
    """The list says till when; what is configured is not ended by hand."""
    config = tmp_path / "gonogo.toml"
    with receiver(webhook) as ops:
        config.write_text(
            f'settings.notify.ops = {{ kind = "webhook", url = "{ops.url}", secret_env = "S" }}\n'
            '[maintenance.always]\ndependencies = ["m*"]\ncron = "* * * * *"\nlasts = "1h"\n'
            '[maintenance.leap]\ndependencies = ["m"]\ncron = "0 2 29 feb *"\nlasts = "1h"\n'
        )
        environ = {**os.environ, "S": SECRET}
        here = load_settings(str(config), str(tmp_path / "gonogo.db"), environ)
        async with Gonogo(here) as app:
            stores, now_ms = await app.stores(), app.clock()
            look = VerdictReading("m", "no_go", "it fell", now_ms, e_value=9e9, needed=1)
            await note_verdict(stores.incidents, look, new_id=lambda: stores.new_id(now_ms))
            assert await app.tell("ops") == []
            told = await app.get_incidents()
            [line] = told.incidents
            assert line.silenced_until is not None
            until = line.silenced_until[:16]
            assert f"Nobody is woken for m (until {until}" in told.summary
            always, leap = await standing_silences(stores, now_ms=now_ms)
            assert (always.reason, always.actor) == ("maintenance always", "gonogo.toml")
            assert datetime.fromtimestamp(leap.start_ms / 1000, UTC).day == 29
            with pytest.raises(ParameterError, match=r"\[maintenance\.always\]"):
                await end_silence(stores, "m*", now_ms=now_ms)
        config.write_text(config.read_text().partition("[")[0])
        here = load_settings(str(config), str(tmp_path / "gonogo.db"), environ)
        async with Gonogo(here) as app:
            assert [step.status for _, step in await app.tell("ops")] == ["done"]
