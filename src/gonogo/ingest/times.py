"""Times as people and programs write them, to epoch milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from gonogo.errors import ParameterError, plain

__all__ = ["LIKE", "epoch_ms", "localized", "time_zone"]

LIKE = "2026-04-01T12:00:00Z"

# RFC 3339, and what pandas, SQL and spreadsheets make of it: no zone, `+0000`, `UTC`, a date alone, a
# comma before the fraction. Day and month of 28.10.2026 cannot be mistaken; those of 10/11/2026 can.
_TIME = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d)|(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}))"
    r"(?:[Tt ]+(?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<part>\d{1,12}))?"
    r" ?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


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
        return None
    day = found["day"] or f"{found['y']}-{int(found['m']):02}-{int(found['d']):02}"
    stated = found["zone"]
    if stated is None and zone is None:
        raise ValueError(f"has no time zone; write it like {LIKE} or state its zone (--timezone)")
    offset = "" if stated is None else _offset(stated)
    part = f".{found['part']}" if found["part"] else ""
    clock = found["clock"] or "00:00"
    clock = clock if clock.count(":") > 1 else f"{clock}:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{part}{offset}")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None


def _offset(stated: str) -> str:
    if stated[0] not in "+-":
        return "+00:00"
    digits = stated[1:].replace(":", "")
    return f"{stated[0]}{digits[:2]}:{digits[2:] or '00'}"


def localized(values: dict[str, object], zone: tzinfo | None) -> dict[str, object]:
    """The fields of an observation, with times that state no zone read in this one."""
    if zone is None:
        return values
    changed = dict(values)
    for name in ("ts", "outcome_ts"):
        stated = values.get(name)
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
