"""Golden sets: one JSON object a line, an input with what its answer must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

from anyio import to_thread

from gonogo.border.foreign import foreign_file, foreign_json
from gonogo.errors import ConfigError, DataError, plain
from gonogo.settings import ProbeSettings

BYTES_MAX = 16_000_000
ITEMS_MAX = 10_000
CHARS_MAX = 200
SEGMENTS_MAX = 8
CHECKS = ("exact", "one_of", "contains", "regex", "number", "schema", "function", "judge")
KEYS = ("id", "input", "segments", *CHECKS, "tolerance", "ignore_case")


@dataclass(frozen=True, slots=True)
class Item:
    """A golden question. `checks` by name hold what the answer must be; all of them must hold."""

    id: str | None = None
    input: object = None
    checks: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    segments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tolerance: float = 0.0
    ignore_case: bool = False


async def read_golden(probe: ProbeSettings) -> list[Item]:
    """The items of a probe's golden set; one without id or checks where it has no set.

    Raises:
        ConfigError: the file cannot be read.
        DataError: a line is malformed; it is named.
    """
    if probe.golden is None:
        return [Item()]
    read = partial(foreign_file, str(probe.golden), bytes_max=BYTES_MAX)
    try:
        content = await to_thread.run_sync(read)
    except OSError as error:
        raise ConfigError(
            f"probes.{probe.name}: cannot read golden = {probe.golden}: {error.strerror}."
        ) from None
    except ValueError as error:
        raise ConfigError(f"probes.{probe.name}: {probe.golden} {error}.") from None
    return parse_golden(content, probe.golden, probe)


def parse_golden(content: bytes, path: Path, probe: ProbeSettings) -> list[Item]:
    """The items of a golden set's text.

    Raises:
        DataError: a line is malformed, an id is there twice, or there is no item.
    """
    items: dict[str, Item] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        item = _Line(line, f"{path}, line {number}").item(probe)
        if item.id is None or item.id in items:
            raise DataError(
                f"{path}, line {number}: the id '{plain(str(item.id), 60)}' is not new."
            )
        items[item.id] = item
    if not 0 < len(items) <= ITEMS_MAX:
        raise DataError(f"{path} has {len(items)} items; a golden set has 1 to {ITEMS_MAX:,}.")
    return list(items.values())


class _Line:
    """A line of a golden set, read key by key; every refusal names the line."""

    def __init__(self, line: bytes, place: str) -> None:
        self.place = place
        try:
            values = foreign_json(line)
        except ValueError:
            self.refuse("is no JSON")
        if not isinstance(values, dict):
            self.refuse("must be an object")
        self.values: dict[str, object] = values

    def refuse(self, why: str) -> NoReturn:
        raise DataError(f"{self.place}: {why}.")

    def item(self, probe: ProbeSettings) -> Item:
        for key in self.values:
            if key not in KEYS:
                self.refuse(f"'{plain(key, 60)}' is no key; allowed: {', '.join(KEYS)}")
        name = self.values.get("id")
        if not isinstance(name, str) or not 0 < len(name) <= CHARS_MAX or not name.isprintable():
            self.refuse(f"id must be a text of 1 to {CHARS_MAX} printable characters")
        checks = {key: self.values[key] for key in CHECKS if key in self.values}
        tolerance = self.values.get("tolerance", 0)
        if not _is_number(tolerance) or float(tolerance) < 0:  # type: ignore[arg-type]
            self.refuse("tolerance must be a number, 0 or more")
        ignore_case = self.values.get("ignore_case", False)
        if not isinstance(ignore_case, bool):
            self.refuse("ignore_case must be true or false")
        for key, expected in checks.items():
            self._check(key, expected, probe)
        return Item(
            name,
            self.values.get("input"),
            MappingProxyType(checks),
            self._segments(),
            float(tolerance),  # type: ignore[arg-type]
            ignore_case,
        )

    def _check(self, key: str, expected: object, probe: ProbeSettings) -> None:
        """Refuse what a checker could not use."""
        texts = isinstance(expected, list) and all(isinstance(one, str) for one in expected)
        rules: dict[str, tuple[bool, str]] = {
            "one_of": (isinstance(expected, list) and bool(expected), "a list"),
            "contains": (
                bool(expected) and (isinstance(expected, str) or texts),
                "a text or texts",
            ),
            "number": (_is_number(expected), "a number"),
            "schema": (isinstance(expected, dict | bool), "a JSON Schema"),
            "judge": (isinstance(expected, str) and bool(expected), "what a good answer does"),
        }
        holds, what = rules.get(key, (True, ""))
        if not holds:
            self.refuse(f"{key} must be {what}")
        if key == "regex":
            try:
                re.compile(expected)  # type: ignore[call-overload]
            except (re.error, TypeError):
                self.refuse("regex must be a regular expression")
        # What runs, and who is asked, stands in the configuration and not in a data file.
        if key == "function" and expected not in probe.functions:
            self.refuse(f"function is not one of functions = {list(probe.functions)}")
        if key == "judge" and probe.judge_url is None:
            self.refuse(f"judge needs judge_url in probes.{probe.name}")

    def _segments(self) -> Mapping[str, str]:
        given = self.values.get("segments", {})
        if not isinstance(given, dict) or len(given) > SEGMENTS_MAX:
            self.refuse(f"segments must be an object of at most {SEGMENTS_MAX} texts")
        for text in (*given, *given.values()):
            if (
                not isinstance(text, str)
                or not 0 < len(text) <= CHARS_MAX
                or not text.isprintable()
            ):
                self.refuse("segments must hold printable texts")
        return MappingProxyType(given)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
