"""Times and durations as people and programs write them, to milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from gonogo.errors import ParameterError, plain
from gonogo.records import DAY_MS

LIKE = "2026-04-01T12:00:00Z"

# RFC 3339, and what pandas, SQL, spreadsheets, mail and web servers make of it: no zone, `+0000`, `UTC`, a
# date alone, a comma before the fraction, 28.10.2026, 2026/10/28, 28/Oct/2026:09:05:00, Oct 28, 2026, an hour of one
# digit or with PM, a zone's abbreviation, and the zone in brackets that Java writes after its offset.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = re.compile(
    r"(?:(?P<day>\d{4}([-/])\d\d\2\d\d)|(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})"
    r"|(?:[A-Za-z]{3}, )?(?P<d2>\d{1,2})[ /-](?P<name>[A-Za-z]{3})[ /-](?P<y2>\d{4})"
    r"|(?P<name3>[A-Za-z]{3})[a-z]* (?P<d3>\d{1,2}),? (?P<y3>\d{4}))"
    r"(?:[Tt :,]+(?P<clock>\d{1,2}:\d\d(?::\d\d)?)(?:[.,](?P<part>\d{1,12}))?(?: ?(?P<half>[AaPp][Mm]))?"
    r" ?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?|(?P<called>[A-Z]{2,5}))?(?:\[[\w/+-]+\])?)?",
    re.ASCII,
)
# Day and month of 10/11/2026 can be mistaken; one with 28/11/2026 beside it in its column cannot.
_YEAR_LAST = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})\b(.*)", re.ASCII | re.DOTALL)
_SHORT_YEAR = re.compile(r"(\d{1,2})/(\d{1,2})/(\d\d)\b(?!/)(.*)", re.ASCII | re.DOTALL)
_MONTHS_OF_YEAR = 12
# Day 0 of Excel, LibreOffice and Google Sheets for every day since March 1900.
_DAY_0, _DAY_2000, _DAY_2100 = datetime(1899, 12, 30), 36_526, 73_051  # noqa: DTZ001 - of any zone
_UNITS_MS = {
    **dict.fromkeys(("ns", "nanoseconds"), 1e-6),
    **dict.fromkeys(("us", "\u00b5s", "\u03bcs", "microseconds"), 1e-3),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 1.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sek", "sekunden"), 1e3),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "minuten"), 6e4),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "std", "stunden"), 3.6e6),
    **dict.fromkeys(("d", "day", "days"), 8.64e7),
}
# 1.2s, 350 ms, 1m2.5s (Go), PT1M2.5S (ISO 8601), and 0 days 00:00:01.2 (timedelta of Python and pandas).
_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+) ?([a-z\u00b5\u03bc]+)\.?(?:,? |$|(?=[\d.]))")
_CLOCK = re.compile(r"(?:(\d+) days?,? )?(\d+):(\d\d):(\d\d(?:\.\d+)?)", re.ASCII)


def epoch_ms(text: str, zone: tzinfo | None = None) -> int | None:
    """A time in epoch milliseconds, rounded; None where it is in none of the forms that are known.

    Args:
        text: The time; a date alone is the start of that day.
        zone: Of a time that states none itself.

    Raises:
        ValueError: it is no time that exists, or states no zone and none is given; one short line.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        if _YEAR_LAST.fullmatch(text.strip()) or _SHORT_YEAR.fullmatch(text.strip()):
            raise ValueError(
                f"may mean two days; write it like {LIKE} (of a file, say --day-first or --month-first)"
            )
        return None
    day = _day(found)
    stated = found["zone"]
    if stated is None and zone is None:
        raise ValueError(f"has no time zone; write it like {LIKE} or state its zone (--timezone)")
    offset = "" if stated is None or found["called"] else _offset(stated)
    part = f".{found['part']}" if found["part"] else ""
    clock = _clock(found["clock"] or "00:00", found["half"])
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{part}{offset}")
    except ValueError:
        raise ValueError("is no time that exists") from None
    if found["called"]:
        moment = _called(moment, found["called"], zone)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None


def _called(moment: datetime, name: str, zone: tzinfo | None) -> datetime:
    """A time with its zone's abbreviation, of which several zones have the same: IST is India's and Israel's.

    Raises:
        ValueError: the stated zone, or none, is not called so at that time.
    """
    for fold in (0, 1):  # where clocks are set back, the name says which of the two it is
        found = moment.replace(tzinfo=zone, fold=fold)
        if zone is not None and found.tzname() == name:
            return found
    raise ValueError(
        f"ends in {name}, as the times of several zones do; state the one that is meant (--timezone Europe/Berlin)"
    )


def _day(found: re.Match[str]) -> str:
    if found["day"]:
        return found["day"].replace("/", "-")
    if found["y"]:
        return f"{found['y']}-{int(found['m']):02}-{int(found['d']):02}"
    name = (found["name"] or found["name3"]).lower()
    month = _MONTHS.index(name) + 1 if name in _MONTHS else 0  # which is no month that exists
    return f"{found['y2'] or found['y3']}-{month:02}-{int(found['d2'] or found['d3']):02}"


def is_day_first(texts: Iterable[str]) -> bool | None:
    """Whether dates such as 28/11/2026 begin with the day; None where none of them says, or they differ."""
    said = set[bool]()
    for text in texts:
        if found := _YEAR_LAST.fullmatch(text.strip()):
            first, second = int(found[1]), int(found[2])
            if (first > _MONTHS_OF_YEAR) != (second > _MONTHS_OF_YEAR):
                said.add(first > _MONTHS_OF_YEAR)
    return said.pop() if len(said) == 1 else None


def with_year_first(text: str, *, day_first: bool) -> str:
    """A date whose year stands last, as 2026-11-28; any other text as it is."""
    told = text.strip()
    found = _YEAR_LAST.fullmatch(told) or _SHORT_YEAR.fullmatch(told)
    if found is None:
        return text
    day, month = (found[1], found[2]) if day_first else (found[2], found[1])
    year = found[3] if len(found[3]) > 2 else f"20{found[3]}"  # noqa: PLR2004 - two digits
    return f"{year}-{int(month):02}-{int(day):02}{found[4]}"


def _clock(told: str, half: str | None) -> str:
    hour, _, rest = told.partition(":")
    of_day = int(hour)
    if half is not None and 1 <= of_day <= 12:  # noqa: PLR2004 - 12 AM is 0:00, 12 PM is noon
        of_day = of_day % 12 + 12 * (half.lower() == "pm")
    return f"{of_day:02}:{rest}" if ":" in rest else f"{of_day:02}:{rest}:00"


def _offset(stated: str) -> str:
    if stated[0] not in "+-":
        return "+00:00"
    digits = stated[1:].replace(":", "")
    return f"{stated[0]}{digits[:2]}:{digits[2:] or '00'}"


def duration_ms(text: str) -> float | None:
    """A duration that states its unit, in milliseconds; None where it states none."""
    told = text.strip().lower()
    if clock := _CLOCK.fullmatch(told):
        days, hours, minutes = (int(part or 0) for part in clock.groups()[:3])
        return (days * 86_400 + hours * 3_600 + minutes * 60 + float(clock[4])) * 1000
    if told.startswith("p") and "t" in told:
        told = told[1:].replace("t", "", 1)
    total, at = 0.0, 0
    while part := _PART.match(told, at):
        unit = _UNITS_MS.get(part[2])
        if unit is None:
            return None
        total, at = total + float(part[1]) * unit, part.end()
    return total if told and at == len(told) else None


def is_day_number(value: object) -> bool:
    """Whether a number is a time as spreadsheets count it: days since the end of 1899, of the years 2000 to 2099.

    As Unix seconds it would be a time of the first day of 1970.
    """
    return isinstance(value, int | float) and _DAY_2000 <= value < _DAY_2100


def _of_day_number(days: float, zone: tzinfo) -> datetime:
    # To a millisecond: a double holds a day's part to a microsecond.
    return (_DAY_0 + timedelta(milliseconds=round(days * DAY_MS))).replace(tzinfo=zone)


def localized(values: dict[str, object], zone: tzinfo | None) -> dict[str, object]:
    """The fields of an observation, with times that state no zone read in this one."""
    if zone is None:
        return values
    changed = dict(values)
    for name in ("ts", "outcome_ts"):
        stated = values.get(name)
        if isinstance(stated, int | float) and is_day_number(stated):
            changed[name] = _of_day_number(stated, zone).timestamp()
        if isinstance(stated, str):
            try:
                read = epoch_ms(stated, zone)
            except ValueError:
                continue  # the field's own check says what is wrong
            if read is not None:
                changed[name] = datetime.fromtimestamp(read / 1000, tz=UTC).isoformat()
    return changed


def time_zone(name: str) -> tzinfo:
    """A zone by its IANA name.

    Raises:
        ParameterError: there is none of this name.
    """
    if name.upper() in {"UTC", "Z"}:
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ParameterError(
            f"--timezone '{plain(name, 60)}' is not known on this machine. Use UTC or an IANA name "
            "such as Europe/Berlin."
        ) from None
