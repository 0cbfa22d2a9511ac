"""When a probe is asked next: spread out, and more rarely while nothing answers."""

from __future__ import annotations

import pytest

from gonogo.watch.probe_schedule import first_delay_s, next_delay_s


def test_first_runs_are_spread_over_the_first_minute() -> None:
    """Or over the interval, where that is shorter."""
    assert [first_delay_s(900, draw) for draw in (0, 0.5)] == [0, 30]
    assert first_delay_s(10, 0.5) == 5


@pytest.mark.parametrize(
    ("failures", "delay_s"), [(0, 60), (1, 120), (3, 480), (6, 3600), (10**9, 3600)]
)
def test_the_delay_doubles_up_to_an_hour(failures: int, delay_s: float) -> None:
    """With every run in a row that nothing answered."""
    assert next_delay_s(60, failures=failures, draw=0.5) == pytest.approx(delay_s)


def test_a_probe_of_every_day_is_not_asked_more_often_for_failing() -> None:
    """The limit of back-off is never below the interval."""
    assert next_delay_s(86_400, failures=5, draw=0.5) == pytest.approx(86_400)


def test_jitter_is_a_tenth_either_way() -> None:
    """So that probes do not fall into step."""
    assert next_delay_s(100, failures=0, draw=0.0) == pytest.approx(90)
    assert next_delay_s(100, failures=0, draw=1.0) == pytest.approx(110)
