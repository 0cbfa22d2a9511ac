"""Durations as programs and people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.ingest.times import duration_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2s", 1200),
        ("350 ms", 350),
        ("1m2.5s", 62_500),
        ("1 min 3 sec", 63_000),
        ("3.5 µs", 0.0035),
        ("PT1M2.5S", 62_500),
        ("0 days 00:00:01.234", 1234),
        ("2 Minuten", 120_000),
    ],
)
def test_a_stated_unit_is_read(text: str, expected: float) -> None:
    """Go, ISO 8601, pandas and people."""
    assert duration_ms(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "12", "-1s", "1 apple", "s", "1:20", "fast", "1.2.3s"])
def test_without_a_unit_nothing_is_guessed(text: str) -> None:
    """A bare number may be seconds or milliseconds."""
    assert duration_ms(text) is None


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_what_python_writes_is_what_it_was(took: timedelta) -> None:
    """`str` of any timedelta."""
    assert duration_ms(str(took)) == pytest.approx(took.total_seconds() * 1000)
