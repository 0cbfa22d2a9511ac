"""Times that come again, as cron writes them: minute, hour, day of month, month, day of week.

Source: crontab(5) of Debian's cron: lists, ranges, steps and English names; where both days are
restricted, either is enough; Sunday is 0 and 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from gonogo.config.tables import Table
from gonogo.config.values import Names, Refusal, Seconds, Zone, text
from gonogo.settings import DAY_S, CronTimes, MaintenanceSettings

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d{1,2}))?")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """A number of this field, or a word for one."""
        if text.lower() in self.words:
            return self.low + self.words.index(text.lower())
        value = int(text) if text.isdecimal() and len(text) <= len(str(self.high)) else -1
        if not self.low <= value <= self.high:
            raise self.refused(text)
        return value

    def numbers(self, text: str) -> frozenset[int]:
        """Every number that a list of this field names."""
        found: set[int] = set()
        for part in text.split(","):
            said = _PART.fullmatch(part)
            if said is None or (said[1] == "*" and said[2]):
                raise self.refused(part)
            every = int(said[3] or 1)
            low = self.low if said[1] == "*" else self.number(said[1])
            high = (
                self.number(said[2]) if said[2] else self.high if said[1] == "*" or said[3] else low
            )
            if every == 0 or high < low:
                raise self.refused(part)
            found.update(range(low, high + 1, every))
        return frozenset(found)

    def refused(self, text: str) -> Refusal:
        """The refusal of a part of this field."""
        words = f", or {self.words[0]} to {self.words[-1]}" if self.words else ""
        return Refusal(
            f"has '{text}' for the {self.name}: allowed are {self.low} to {self.high}{words}"
        )


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 7, tuple(_DAYS)),
)


def cron_times(value: object) -> CronTimes:
    """The times of a cron expression of five fields.

    Raises:
        Refusal: It is none; it says which part.
    """
    fields = value.split() if isinstance(value, str) else []
    if len(fields) != len(_FIELDS):
        raise Refusal('must be five fields as cron has them, as in "0 2 * * sat"')
    minutes, hours, days, months, weekdays = (
        field.numbers(text) for field, text in zip(_FIELDS, fields, strict=True)
    )
    either_day = not fields[2].startswith("*") and not fields[4].startswith("*")
    if not either_day and all(min(days) > _LONGEST[month - 1] for month in months):
        raise Refusal("names a day that no month of these has")
    return CronTimes(
        tuple(sorted(product(hours, minutes))),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either_day,
    )


REASON_CHARS_MAX = 400


def _week(seconds: int) -> int:
    if seconds > 7 * DAY_S:
        raise Refusal("must be a week or less")
    return seconds


class MaintenanceTable(Table):
    """`[maintenance.NAME]`."""

    dependencies: Names
    times: Annotated[CronTimes, PlainValidator(cron_times)] = Field(alias="cron")
    lasts_s: Annotated[Seconds, AfterValidator(_week)] = Field(alias="lasts")
    timezone: Zone | None = None
    reason: Annotated[str, text(REASON_CHARS_MAX)] | None = None

    def settings(self, name: str) -> MaintenanceSettings:
        """The window as it comes again."""
        return MaintenanceSettings(name, **self.given())
