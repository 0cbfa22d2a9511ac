"""The decline as a terminal shows it: daily accuracy, the onset with its interval, the alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

ROWS = 11
CELLS_A_DAY = 3
DOTS_WIDE, DOTS_HIGH = 2, 4  # of one braille cell
LOW, HIGH = 0.82, 0.97
TICKS = (0.82, 0.87, 0.92, 0.97)
MARGIN = 7
# The dots of a braille cell by (column, row), as Unicode numbers them.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
BLANK = 0x2800

HEALTHY, SLIDING, ALARMED = "green3", "gold1", "red1"
ONSET_BAND, REFERENCE = "on grey19", "grey50"


@dataclass(frozen=True, slots=True)
class Decline:
    """What the chart shows. Days count from the beginning of the simulated weeks.

    `accuracy` has one fraction a day; `alarm` is the day at whose end the check first said
    degraded. What is not known is None.
    """

    accuracy: Sequence[float]
    baseline: float
    onset: float | None = None
    earliest: float | None = None
    latest: float | None = None
    alarm: float | None = None

    @property
    def days(self) -> int:
        """How many days there are."""
        return len(self.accuracy)


def decline_chart(decline: Decline) -> Text:
    """Draw it, 72 columns wide; it reads without its colours too."""
    cells, wide = _curve(decline), decline.days * CELLS_A_DAY
    chart = Text(no_wrap=True)
    ticks = {_cell_row(value): f"{value:.0%}" for value in TICKS}
    reference = _cell_row(decline.baseline)
    for row in range(ROWS):
        chart.append(f"{ticks.get(row, ''):>{MARGIN - 2}} ", "dim")
        chart.append("┤" if row in ticks else "│", "dim")
        for column in range(wide):
            chart.append(*_cell(decline, cells, reference, row, column))
        chart.append("\n")
    chart.append(" " * (MARGIN - 1) + "└" + "──┴" * decline.days + "\n", "dim")
    chart.append(_axis(decline.days), "dim")
    chart.append_text(_legend(decline))
    return chart


def _dot_row(value: float) -> int:
    clipped = min(HIGH, max(LOW, value))
    return round((HIGH - clipped) / (HIGH - LOW) * (ROWS * DOTS_HIGH - 1))


def _cell_row(value: float) -> int:
    return _dot_row(value) // DOTS_HIGH


def _curve(decline: Decline) -> dict[tuple[int, int], int]:
    """Braille cells of the line through the middle of each day."""
    cells: dict[tuple[int, int], int] = {}
    step = CELLS_A_DAY * DOTS_WIDE
    rows = [_dot_row(value) for value in decline.accuracy]
    previous: int | None = None
    for dot in range(step // 2, decline.days * step - step // 2 + 1):
        place = (dot - step // 2) / step
        day = min(int(place), decline.days - 2)
        row = round(rows[day] + (rows[day + 1] - rows[day]) * (place - day))
        # A steep line stays connected.
        reached = range(min(row, previous), max(row, previous) + 1) if previous else (row,)
        for each in reached:
            key = (each // DOTS_HIGH, dot // DOTS_WIDE)
            cells[key] = cells.get(key, 0) | DOTS[dot % DOTS_WIDE][each % DOTS_HIGH]
        previous = row
    return cells


def _cell(
    decline: Decline, cells: dict[tuple[int, int], int], reference: int, row: int, column: int
) -> tuple[str, str]:
    day = column / CELLS_A_DAY
    band = _is_between(day, decline.earliest, decline.latest)
    ground = f" {ONSET_BAND}" if band else ""
    if (row, column) in cells:
        return chr(BLANK + cells[row, column]), f"bold {_color(decline, day)}{ground}"
    if column == _column(decline.alarm):
        return "┃", ALARMED
    if column == _column(decline.onset):
        return "┊", f"{SLIDING}{ground}"
    if row == reference:
        return "╌", f"{REFERENCE}{ground}"
    return "·" if band and (2 * row + column) % 4 == 0 else " ", f"grey35{ground}"


def _is_between(day: float, low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= day <= high


def _column(day: float | None) -> int | None:
    return None if day is None else round(day * CELLS_A_DAY)


def _color(decline: Decline, day: float) -> str:
    if decline.alarm is not None and day >= decline.alarm:
        return ALARMED
    return SLIDING if decline.onset is not None and day >= decline.onset else HEALTHY


def _axis(days: int) -> str:
    labels = "".join(f"{day:>{7 * CELLS_A_DAY}}" for day in range(7, days + 1, 7))
    return " " * MARGIN + labels[:-1] + labels[-1:] + "  day\n"


def _legend(decline: Decline) -> Text:
    legend = Text(" " * MARGIN)
    legend.append("╌ ", REFERENCE)
    legend.append(f"baseline {decline.baseline:.1%}")
    if decline.onset is not None:
        legend.append("   ┊ ", SLIDING)
        legend.append(f"onset day {decline.onset:.1f}")
        if decline.earliest is not None and decline.latest is not None:
            legend.append(f" ({decline.earliest:.1f}-{decline.latest:.1f})")
    if decline.alarm is not None:
        legend.append("   ┃ ", ALARMED)
        legend.append(f"alarm day {decline.alarm:.0f}")
    return legend
