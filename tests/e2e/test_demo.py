"""The demo, as a newcomer runs it: one process, its own servers, plain output in a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo_course import check_course
from gonogo.demo.paper import Decline, decline_chart
from gonogo.demo.stage import DAYS, HEALTHY_DAYS, World

NOW_MS = 1_780_000_000_000


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What one run of the demo printed, and the folder that it kept."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "gonogo", "demo", "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout, folder


def test_the_demo_tells_the_whole_course(played: tuple[str, Path]) -> None:
    """A go, the decline and its alarm, a fallback that is carried out, and a go again."""
    check_course(played[0])


def test_the_demo_is_plain_and_narrow_in_a_pipe(played: tuple[str, Path]) -> None:
    """No control sequences, and nothing beyond 80 columns."""
    assert "\x1b" not in played[0]
    assert max(len(line.rstrip()) for line in played[0].splitlines()) <= 80


def test_the_demo_keeps_its_folder_and_will_not_write_into_another(
    played: tuple[str, Path],
) -> None:
    """Its stores can be asked afterwards; a folder that is there is refused."""
    folder = played[1]
    stores = sorted(path.name for path in folder.glob("*.db"))
    assert stores == [f"day-{DAYS}.db", f"day-{HEALTHY_DAYS}.db"]
    again = subprocess.run(
        [sys.executable, "-m", "gonogo", "demo", "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 64
    assert len(again.stderr.splitlines()) == 1


def test_the_simulated_weeks_are_the_same_everywhere_and_slide(tmp_path: Path) -> None:
    """Seeded: two worlds write the same bytes; 94 % at first, 87 % at the end."""
    first, second = World(), World()
    first.write(tmp_path / "a", DAYS, now_ms=NOW_MS)
    second.write(tmp_path / "b", DAYS, now_ms=NOW_MS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    accuracy = first.accuracy()
    healthy = accuracy[:HEALTHY_DAYS]
    # 800 answers a day: four standard errors of their means.
    assert sum(healthy) / len(healthy) == pytest.approx(0.94, abs=0.012)
    assert sum(accuracy[-2:]) / 2 == pytest.approx(0.873, abs=0.034)


def test_the_chart_places_onset_and_alarm_in_their_days() -> None:
    """By columns: three a day, behind the scale."""
    accuracy = [0.94] * 10 + [0.94 - 0.007 * day for day in range(11)]
    chart = decline_chart(Decline(accuracy, 0.94, onset=10.0, earliest=8.0, latest=12.0, alarm=16))
    lines = chart.plain.splitlines()
    margin = lines[0].index("┤") + 1
    assert {line.index("┃") - margin for line in lines[:11] if "┃" in line} == {48}
    assert {line.index("┊") - margin for line in lines[:11] if "┊" in line} == {30}
    assert "onset day 10.0 (8.0-12.0)" in lines[-1]
    assert max(map(len, lines)) <= 80
    flat = decline_chart(Decline([0.94] * 5, 0.94))
    assert "alarm" not in flat.plain
