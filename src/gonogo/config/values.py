"""The kinds of value that gonogo.toml knows: what each takes, and what it says of anything else.

A validator raises `Refusal` with what is allowed; `sections.py` puts the file, the key and the
value before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainValidator, ValidationInfo

from gonogo.border.characters import NAME_CHARS_MAX, UnclearName, name_of
from gonogo.config.durations import duration_s
from gonogo.records import MICRO
from gonogo.settings import Secret

TEXT_CHARS_MAX = 2000
PATH_CHARS_MAX = 4096
CALLS_MAX = 10**9

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")

Checked = TypeVar("Checked")


class Refusal(ValueError):
    """A refused value, and what is allowed instead of it or of a key below it.

    Args:
        allowed: As "must be true or false".
        below: The path of the key that is meant; empty for the value itself.
        shown: Whether the value may be repeated: a secret may not.
    """

    def __init__(self, allowed: str, *below: str, shown: bool = True) -> None:
        super().__init__(allowed)
        self.below, self.shown = below, shown


@dataclass(frozen=True, slots=True)
class Place:
    """The folder that relative paths start from, and the environment that secrets are read from."""

    folder: Path
    environ: Mapping[str, str]

    @classmethod
    def of(cls, info: ValidationInfo) -> Place:
        """The place that a validation was given as its context."""
        found: Any = info.context
        return found if isinstance(found, cls) else cls(Path(), {})


def is_text(value: object, chars_max: int) -> bool:
    """Whether it is a text of printable characters, and not too long."""
    return isinstance(value, str) and 0 < len(value) <= chars_max and value.isprintable()


def _name(value: object) -> str:
    if isinstance(value, str) and len(value) <= NAME_CHARS_MAX:
        try:
            named = name_of(value)
        except UnclearName as unclear:
            raise Refusal(f"{unclear}; a name has 1 to {NAME_CHARS_MAX} printable ones") from None
        if named:
            return named
    raise Refusal(f"must be a text of 1 to {NAME_CHARS_MAX} printable characters")


def text(chars_max: int) -> PlainValidator:
    """A text of printable characters."""

    def check(value: object) -> object:
        if is_text(value, chars_max):
            return value
        raise Refusal(f"must be a text of 1 to {chars_max} printable characters")

    return PlainValidator(check)


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(is_text(word, TEXT_CHARS_MAX) for word in value):
        return tuple(value)
    raise Refusal(f"must be a list of texts of 1 to {TEXT_CHARS_MAX} printable characters")


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Refusal(f"must be a list of texts of 1 to {NAME_CHARS_MAX} printable characters")
    value = [_name(word) for word in value]
    if len(set(value)) < len(value):
        raise Refusal("names one twice")
    return tuple(value)


def _number(value: object, low: float, high: float) -> float:
    # NaN and infinity fail the comparison.
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise Refusal(f"must be a number from {low:g} to {high:g}")


def number(low: float, high: float) -> PlainValidator:
    """A finite number in [low, high]."""
    return PlainValidator(lambda value: _number(value, low, high))


def usd(low: float, high: float) -> PlainValidator:
    """An amount in US dollars, as whole micro-dollars."""
    return PlainValidator(lambda value: round(_number(value, low, high) * MICRO))


def whole(low: int, high: int) -> PlainValidator:
    """A whole number in [low, high]."""

    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise Refusal(f"must be a whole number from {low} to {high}")

    return PlainValidator(check)


def _seconds(value: object) -> int:
    seconds = duration_s(value) if isinstance(value, str) else None
    if seconds is None:
        raise Refusal('must be a duration such as "30s", "15m", "12h", "7d"')
    return seconds


def _moment(value: object) -> str:
    """ISO 8601; TOML's own dates and times are taken too."""
    refused = Refusal("must be a date such as 2026-04-01, or a time with its offset")
    date_chars = 10
    try:
        if isinstance(value, str):
            parsing = date if len(value) == date_chars else datetime
            value = parsing.fromisoformat(value)
    except ValueError:
        raise refused from None
    if not isinstance(value, date) or (isinstance(value, datetime) and value.tzinfo is None):
        raise refused
    return value.isoformat()


def local_path(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one starts where the configuration file lies."""
    if not isinstance(value, str) or not is_text(value, PATH_CHARS_MAX):
        raise Refusal(f"must be a text of 1 to {PATH_CHARS_MAX} printable characters")
    try:
        return (Place.of(info).folder / Path(value).expanduser()).absolute()
    except RuntimeError:
        raise Refusal("names a home folder that is not there; write the path") from None


def _json(value: object) -> object:
    """A value as JSON can carry it: no times, no NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise Refusal("must be a text, a finite number, true, false, a list or a table") from None
    return value


def _web_address(value: object) -> str:
    """An HTTP address without a password."""
    if not isinstance(value, str) or not is_text(value, TEXT_CHARS_MAX):
        raise Refusal(f"must be a text of 1 to {TEXT_CHARS_MAX} printable characters")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = parts = None
    if parts is None or not host or parts.scheme not in ("http", "https"):
        raise Refusal("must be an address such as https://host/path")
    if parts.username is not None or parts.password is not None:
        told = "must not hold a password; name its environment variable instead"
        raise Refusal(told, shown=False)
    return value


def secret(prefix: str = "") -> PlainValidator:
    """The name of an environment variable, with its value; one not set is told when it is used.

    Args:
        prefix: What stands before the value in a header.
    """

    def check(value: object, info: ValidationInfo) -> Secret:
        if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
            # Who pastes the secret itself must not find it in the error.
            told = "must be the name of an environment variable, as MY_API_KEY"
            raise Refusal(told, shown=False)
        return Secret(value, Place.of(info).environ.get(value, ""), prefix)

    return PlainValidator(check)


def _timezone(name: str) -> str:
    if name != "UTC":
        import zoneinfo

        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise Refusal("must be an IANA zone such as Europe/Berlin") from None
    return name


def pattern(expression: str, allowed: str) -> AfterValidator:
    """A text that matches the whole of a regular expression."""
    compiled = re.compile(expression)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise Refusal(allowed)
        return value

    return AfterValidator(check)


def some(told: str) -> AfterValidator:
    """A table with at least one key."""

    def check(value: Mapping[str, Checked]) -> Mapping[str, Checked]:
        if not value:
            raise Refusal(told)
        return value

    return AfterValidator(check)


def _header(value: object) -> object:
    if isinstance(value, str) and _HEADER.fullmatch(value):
        return value
    raise Refusal("is no name of an HTTP header")


def _ascii(value: str) -> str:
    if value.isascii():
        return value
    raise Refusal("must be ASCII")


Name = Annotated[str, PlainValidator(_name)]
Text = Annotated[str, text(TEXT_CHARS_MAX)]
Words = Annotated[tuple[str, ...], PlainValidator(_words)]
Names = Annotated[tuple[str, ...], PlainValidator(_names)]
Seconds = Annotated[int, PlainValidator(_seconds)]
Moment = Annotated[str, PlainValidator(_moment)]
LocalPath = Annotated[Path, PlainValidator(local_path)]
Json = Annotated[object, PlainValidator(_json)]
WebAddress = Annotated[str, PlainValidator(_web_address)]
Variable = Annotated[Secret, secret()]
Header = Annotated[str, PlainValidator(_header)]
HeaderText = Annotated[str, text(TEXT_CHARS_MAX), AfterValidator(_ascii)]
Zone = Annotated[str, PlainValidator(_name), AfterValidator(_timezone)]
Count = Annotated[int, whole(1, CALLS_MAX)]
