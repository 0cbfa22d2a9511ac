"""The demo tells one story on every day of the week, at every hour, and where clocks change."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo_course import check_course

AT_ANOTHER_TIME = Path(__file__).resolve().parents[1] / "clock" / "at-another-time"
UNAVAILABLE = 69

WEEKDAYS = [
    (f"2026-12-{day:02}T{hour}Z", "UTC")
    for day in range(7, 14)  # Monday to Sunday
    for hour in ("00:02", "09:40", "23:56")
]
EDGES = [
    ("2027-02-28T23:58Z", "UTC"),  # the end of a month
    ("2028-02-29T12:00Z", "UTC"),
    ("2027-03-28T02:30Z", "Europe/Berlin"),  # clocks go forward
    ("2027-10-31T01:30Z", "Europe/Berlin"),  # and back
    ("2027-03-14T07:30Z", "America/New_York"),
    ("2027-11-07T06:30Z", "America/New_York"),
]


def demo_at(when: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the demo at a date, in a time zone."""
    date, zone = when
    return subprocess.run(
        [AT_ANOTHER_TIME, date, sys.executable, "-m", "gonogo", "demo"],
        env=os.environ | {"TZ": zone},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_tells_one_story_whenever_it_is_run() -> None:
    """Two at a time: each has two processes at work."""
    asked = WEEKDAYS + EDGES
    with ThreadPoolExecutor(2) as pool:
        told = dict(zip(asked, pool.map(demo_at, asked), strict=True))
    missing = {done.stderr for done in told.values() if done.returncode == UNAVAILABLE}
    if missing:
        pytest.skip(missing.pop().strip())
    problems = []
    for (date, zone), done in told.items():
        try:
            assert done.returncode == 0, done.stderr
            check_course(done.stdout)
        except AssertionError as problem:
            problems.append(f"TZ={zone} {AT_ANOTHER_TIME} {date} gonogo demo: {problem}")
    assert not problems, "\n".join(problems)
