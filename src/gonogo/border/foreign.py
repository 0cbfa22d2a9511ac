"""JSON that somebody else wrote: read within bounds, or refused; nothing else comes out.

A parser can read what its caller cannot bear: 900 brackets overflow whoever walks the value, 4,000
digits whoever makes a number of them. Bounds are held here, before anybody looks.
"""

from __future__ import annotations

import json
import math
import os
import stat

# JSON that anything here reads on purpose is ten levels deep; a JSON Schema may be thirty.
DEPTH_MAX = 64
# A float has 17 significant digits, an exact decimal amount not many more.
DIGITS_MAX = 40


def foreign_json(
    raw: bytes | str, *, bytes_max: int | None = None, names_once: bool = False
) -> object:
    """The value that JSON text says.

    Args:
        raw: The text; bytes are UTF-8.
        bytes_max: How long it may be; None where whoever read it has seen to that.
        names_once: Whether a name that an object has twice is refused: parsers differ in which they take.

    Raises:
        ValueError: It is no JSON (NaN and Infinity are none), or larger, deeper or with more digits
            than anything here means; one short line without its content.
    """
    if bytes_max is not None and len(raw) > bytes_max:
        raise ValueError(f"is larger than {bytes_max:,} bytes")
    try:
        value: object = json.loads(
            raw,
            parse_int=_whole,
            parse_constant=_no_number,
            object_pairs_hook=_named_once if names_once else None,
        )
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    # There are no more levels than brackets that open one.
    brackets = raw.count(b"[") + raw.count(b"{") if isinstance(raw, bytes) else None
    if brackets is None and isinstance(raw, str):
        brackets = raw.count("[") + raw.count("{")
    if (brackets or 0) > DEPTH_MAX and not depth_within(value, DEPTH_MAX):
        raise ValueError("is nested too deeply")
    return value


def number(value: object) -> float | int | None:
    """A number that a float can hold, also one that is written as text; None for all else."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str):
            value = int(value) if value.isdecimal() else float(value)
        return value if isinstance(value, int | float) and math.isfinite(value) else None
    except (ValueError, OverflowError):
        return None


def whole(text: str) -> int | None:
    """A whole number in ASCII digits; None for all else: `"²".isdigit()` holds, and int() takes 4,300 digits."""
    is_whole = text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX
    return int(text) if is_whole else None


def foreign_file(path: str, *, bytes_max: int) -> bytes:
    """The bytes of a regular file; never waits for a writer, never reads on and on.

    Raises:
        OSError: It cannot be read.
        ValueError: It is a pipe, a device or a folder, or larger.
    """
    # Opening a FIFO would wait until somebody writes to it.
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("is no regular file")
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise ValueError(f"is larger than {bytes_max:,} bytes")
    return content


def depth_within(value: object, levels_max: int) -> bool:
    """Whether lists and mappings lie at most so many deep within each other; never recurses."""
    level = [value]
    for _ in range(levels_max):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        if not inner:
            return True
        level = inner
    return not any(isinstance(each, dict | list) for each in level)


def _whole(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError(f"has a number of {len(digits)} digits")
    return int(digits)


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("names something twice")
    return found


def _no_number(constant: str) -> float:
    raise ValueError(f"has {constant}, which is no JSON number")
