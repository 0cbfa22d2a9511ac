"""One TOML table, read key by key: a wrong key or value is one line that says what is allowed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from gonogo.errors import ConfigError, plain

__all__ = ["Table", "duration_s"]

NAME_CHARS_MAX = 200
PATH_CHARS_MAX = 4096
DURATION_S_MAX = 100 * 366 * 86_400

_DURATION = re.compile(r"([1-9][0-9]{0,9})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

Choice = TypeVar("Choice", bound=str)


def duration_s(text: str) -> int | None:
    """Seconds of a duration such as `15m` or `7d`; None where it is not one."""
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    return seconds if 0 < seconds <= DURATION_S_MAX else None


class Table:
    """The values of one table, with the file and the key path that its errors name.

    Args:
        values: The table as TOML has it.
        file: The configuration file.
        path: Dotted path of the table; empty for the whole file.
        known: Every key that may stand in it; None where keys are names that a person chose.

    Raises:
        ConfigError: a key is not known, or is no usable name.
    """

    def __init__(
        self, values: object, file: Path, path: str = "", known: Sequence[str] | None = None
    ) -> None:
        self.file, self.path = file, path
        if not isinstance(values, dict):
            raise ConfigError(f"{file}: {path} = {_shown(values)} must be a table.")
        self._values: Mapping[str, object] = values
        for key in values:
            if known is None:
                if not _is_name(key, NAME_CHARS_MAX):
                    self.refuse(key, f"a name has 1 to {NAME_CHARS_MAX} printable characters")
            elif key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                self.refuse(key, f"is no key; {hint}allowed: {', '.join(known)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def value(self, key: str) -> object:
        """The value as TOML has it; None where the key is absent."""
        return self._values.get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def refuse(self, key: str, allowed: str) -> NoReturn:
        """Raise the line that names the file, the key, its value and what is allowed."""
        path = plain(f"{self.path}.{key}" if self.path else key, 120)
        value = f" = {_shown(self._values[key])}" if key in self._values else ""
        raise ConfigError(f"{self.file}: {path}{value}: {allowed}.")

    def refuse_unshown(self, key: str, allowed: str) -> NoReturn:
        """Raise the same line without the value, which may be a secret."""
        raise ConfigError(f"{self.file}: {plain(f'{self.path}.{key}', 120)}: {allowed}.")

    def name(self, key: str, chars_max: int = NAME_CHARS_MAX) -> str | None:
        """A text of printable characters; None where the key is absent."""
        value = self._values.get(key)
        if value is None or (isinstance(value, str) and _is_name(value, chars_max)):
            return value
        return self.refuse(key, f"must be a text of 1 to {chars_max} printable characters")

    def required_name(self, key: str, chars_max: int = NAME_CHARS_MAX) -> str:
        """A text that must be there."""
        return self.name(key, chars_max) or self.refuse(key, "is required")

    def words(self, key: str, chars_max: int = NAME_CHARS_MAX) -> tuple[str, ...]:
        """A list of printable texts; empty where the key is absent."""
        value = self._values.get(key, [])
        if isinstance(value, list):
            words = [w for w in value if isinstance(w, str) and _is_name(w, chars_max)]
            if len(words) == len(value):
                return tuple(words)
        return self.refuse(key, f"must be a list of texts of 1 to {chars_max} printable characters")

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names, each once."""
        names = self.words(key)
        return names if len(set(names)) == len(names) else self.refuse(key, "names one twice")

    def choice(self, key: str, choices: Sequence[Choice], default: Choice) -> Choice:
        """One of the given words."""
        value = self._values.get(key, default)
        for choice in choices:
            if value == choice:
                return choice
        return self.refuse(key, f"must be one of {', '.join(choices)}")

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._values.get(key, default)
        return value if isinstance(value, bool) else self.refuse(key, "must be true or false")

    def number(self, key: str, low: float, high: float) -> float | None:
        """A finite number in [low, high]; None where the key is absent."""
        value = self._values.get(key)
        if value is None:
            return None
        # NaN and infinity fail the comparison.
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        return self.refuse(key, f"must be a number from {low:g} to {high:g}")

    def whole(self, key: str, low: int, high: int) -> int:
        """A whole number in [low, high] that must be there."""
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.refuse(key, f"must be a whole number from {low} to {high}")
        return value

    def seconds(self, key: str) -> int | None:
        """A duration such as `15m`, in seconds."""
        value = self._values.get(key)
        if value is None:
            return None
        seconds = duration_s(value) if isinstance(value, str) else None
        return seconds or self.refuse(key, 'must be a duration such as "30s", "15m", "12h", "7d"')

    def moment(self, key: str) -> str | None:
        """A date, or a time with its offset, as ISO 8601 text; TOML's own types are taken too."""
        value = self._values.get(key)
        if value is None:
            return None
        allowed = "must be a date such as 2026-04-01, or a time with its offset"
        try:
            parsed = _moment(value) if isinstance(value, str) else value
        except ValueError:
            self.refuse(key, allowed)
        if isinstance(parsed, datetime):
            return parsed.isoformat() if parsed.tzinfo else self.refuse(key, allowed)
        return parsed.isoformat() if isinstance(parsed, date) else self.refuse(key, allowed)

    def path_to(self, key: str) -> Path | None:
        """A path; a relative one starts where the configuration file lies."""
        name = self.name(key, PATH_CHARS_MAX)
        return None if name is None else (self.file.parent / Path(name).expanduser()).absolute()

    def json(self, key: str) -> object:
        """A value as JSON can carry it: no times, no NaN."""
        value = self._values.get(key)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            self.refuse(key, "must be a text, a finite number, true, false, a list or a table")
        return value

    def table(self, key: str, known: Sequence[str] | None = None) -> Table:
        """The table under a key; empty where the key is absent."""
        path = f"{self.path}.{key}" if self.path else key
        return Table(self._values.get(key, {}), self.file, path, known)

    def tables(self, key: str, known: Sequence[str]) -> Iterator[tuple[str, Table]]:
        """The named tables under a key."""
        named = self.table(key)
        for name in named:
            yield name, named.table(name, known)


def _is_name(text: str, chars_max: int) -> bool:
    return 0 < len(text) <= chars_max and text.isprintable()


def _moment(text: str) -> date:
    date_chars = 10
    if len(text) == date_chars:
        return date.fromisoformat(text)
    return datetime.fromisoformat(text)


def _shown(value: object) -> str:
    return plain(json.dumps(value, ensure_ascii=False, default=str), 60)
