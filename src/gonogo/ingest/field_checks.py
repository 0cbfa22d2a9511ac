"""The check of each field on its way in, and the form in which it is stored.

A check takes whatever JSON can hold and returns the value in stored units, None where it is absent,
or raises `RefusedError` with what is wrong. Bounds are those of the contract, and where it names
none, what the store's 64-bit fixed-point sums can hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from hashlib import blake2b

from gonogo.border.characters import NAME_CHARS_MAX, UnclearName, name_of
from gonogo.errors import plain
from gonogo.ingest.cell_words import is_other_money, outcome_of_word
from gonogo.ingest.times import LIKE, duration_ms, epoch_ms, is_day_number
from gonogo.records import JUDGE

OUTPUT_BYTES_MAX = 64 * 1024
EMBEDDING_NUMBERS_MAX = 4096
SEGMENTS_MAX = 8
METRICS_MAX = 16
COST_USD_MAX = 1e9
WEIGHT_MAX = 1e6
LATENCY_MS_MAX = 1e10
TOKENS_MAX = 10**9
NUMBER_ABS_MAX = 1e12
SECONDS_MAX = 10**11
TS_MS_MIN = 946_684_800_000  # 2000-01-01
TICKS_A_SECOND = (10**9, 10**6, 10**3)
# As floats: comparing one with an integer takes longer.
_SECONDS_MIN, _SECONDS_MAX = TS_MS_MIN / 1000, float(SECONDS_MAX)
_EXACT_MAX = 2.0**53
WHICH_IS_GOOD = " (of a file, say which word is good: --good-when COLUMN=WORD)"
KINDS = ("model", "skill", "tool", "api", "prompt")
GRADERS = ("human", "rule", "user")


class RefusedError(Exception):
    """The fault of one value; never leaves this module."""


def got(value: object) -> str:
    """Name the kind of a value."""
    for types, words in (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
    ):
        if isinstance(value, types):
            return words
    return "null" if value is None else "another type"


def _seen(value: object) -> str:
    if not isinstance(value, str):
        raise RefusedError(f"must be text, got {got(value)}")
    # A subclass (an enumeration, a tracing library's own) may raise when it is stored.
    value = str.__str__(value)
    try:
        # Only what is not ASCII may become longer, or shorter, by being normalised.
        name = name_of(value) if len(value) <= 2 * NAME_CHARS_MAX else value
    except UnclearName as unclear:
        raise RefusedError(str(unclear)) from None
    if len(name) > NAME_CHARS_MAX:
        raise RefusedError(f"is {len(name)} characters long; at most {NAME_CHARS_MAX}")
    return name


def checked_name(value: object) -> str:
    """A name that must be there."""
    # What is common comes first here and below: a call less for each field of each row.
    if (
        type(value) is str
        and 0 < len(value) <= NAME_CHARS_MAX
        and value.isascii()
        and value.isprintable()
        and " " not in value
    ):
        return value
    name = _seen(value)
    if not name:
        raise RefusedError("is empty; give a name")
    return name


def optional_name(value: object) -> str | None:
    """A name that may be left out: an empty one is absent."""
    return None if isinstance(value, str) and not value.strip(" ") else checked_name(value)


def identifier(value: object) -> str | None:
    """A name that its file may keep as a number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_MAX
        value = str(int(value)) if whole else f"{value}"[: NAME_CHARS_MAX + 1]
    return optional_name(value)


def call_id(value: object) -> str | None:
    """The id of a call; a long one, as some servers draw them, by its hash."""
    return identifier(bounded_id(value) if isinstance(value, str) else value)


def bounded_id(stated: str) -> str:
    """An id as it is kept: whoever has it finds its call, however long it is."""
    if len(stated) <= NAME_CHARS_MAX:
        return stated
    return blake2b(stated.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def answer(value: object) -> str:
    """A prediction or a label; an empty one is an answer too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value == "" else identifier(value) or ""


def grader(value: object) -> str | None:
    """Parse who gave an outcome: a person, a rule, a user, or a judge by its name; an empty one is absent."""
    if value == "":
        return None
    if value in GRADERS or (
        isinstance(value, str) and value.removeprefix(JUDGE) not in ("", value)
    ):
        return checked_name(value)
    raise RefusedError(f"must be one of {', '.join(GRADERS)} or {JUDGE}NAME")


def kind(value: object) -> str | None:
    """Check a dependency's kind; an empty text is absent."""
    if value == "":
        return None
    if value not in KINDS:
        raise RefusedError(f"must be one of {', '.join(KINDS)}")
    return str(value)


def _number(value: object, low: float, high: float) -> int | float:
    if not isinstance(value, (float, int)) or value is True or value is False:
        raise RefusedError(f"must be a number, got {got(value)}")
    if low <= value <= high:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise RefusedError("must be finite")
    # An integer may have 400 digits: clip before it meets a float.
    shown = float(max(min(value, 10**18), -(10**18)))
    if value < low == 0:
        raise RefusedError(f"must not be negative, got {shown:.6g}")
    raise RefusedError(f"must be between {low:g} and {high:g}, got {shown:.6g}")


def fraction(value: object) -> float:
    """A number from 0 to 1."""
    if type(value) is float and 0.0 <= value <= 1.0:
        return value
    return float(_number(value, 0, 1))


def outcome(value: object) -> float:
    """A number from 0 to 1, true or false, or a word such as pass or fail."""
    if type(value) is float and 0.0 <= value <= 1.0:
        return value
    if isinstance(value, str):
        if (said := outcome_of_word(value)) is None:
            raise RefusedError(
                f"must be from 0 to 1, or a word such as pass or fail, got text{WHICH_IS_GOOD}"
            )
        return said
    return float(value) if isinstance(value, bool) else float(_number(value, 0, 1))


def latency(value: object) -> float:
    """Milliseconds; text that states its unit, as 1.2s."""
    if type(value) is float and 0.0 <= value <= LATENCY_MS_MAX:
        return value
    if isinstance(value, str):
        told = duration_ms(value[:NAME_CHARS_MAX])
        if told is None:
            raise RefusedError(
                "must be a number of milliseconds, or a duration such as 1.2s, got text"
            )
        value = told
    return float(_number(value, 0, LATENCY_MS_MAX))


def _any_number(value: object) -> float:
    if isinstance(value, str) and outcome_of_word(value) is not None:
        raise RefusedError(
            "must be a number; a word such as pass or fail is an outcome (of a file: --map outcome=COLUMN)"
        )
    return float(_number(value, -NUMBER_ABS_MAX, NUMBER_ABS_MAX))


def money(value: object) -> float:
    """USD."""
    if type(value) is float and 0.0 <= value <= COST_USD_MAX:
        return value
    if isinstance(value, str) and is_other_money(value):
        raise RefusedError("is not in USD; give USD (of a file: --map 'cost_usd=COLUMN*RATE')")
    if isinstance(value, (int, float)) and -COST_USD_MAX <= value < 0:
        raise RefusedError(
            f"must not be negative, got {value:.6g}; a refund is the call's id again with what it costs now"
        )
    return _number(value, 0, COST_USD_MAX)


def tokens(value: object) -> int:
    """A whole number of tokens."""
    if type(value) is int and 0 <= value <= TOKENS_MAX:
        return value
    number = _number(value, 0, TOKENS_MAX)
    whole = int(number)
    if whole != number:
        raise RefusedError(f"must be a whole number, got {number:.6g}")
    return whole


def weight(value: object) -> float:
    """Check a weight: the number of calls that one stands for, one over its chance of being recorded."""
    return float(_number(value, 1, WEIGHT_MAX))


def time_ms(value: object) -> int:
    """Epoch milliseconds, rounded; how far ahead it may lie is checked where now is known."""
    if type(value) is float and _SECONDS_MIN <= value <= _SECONDS_MAX:
        return round(value * 1000)
    if isinstance(value, str):
        try:
            read = epoch_ms(value)
        except ValueError as error:
            raise RefusedError(str(error)) from None
        if read is None:
            raise RefusedError(f"must be a time like {LIKE} or Unix seconds")
        ts_ms = read
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RefusedError(f"must be RFC 3339 text or Unix seconds, got {got(value)}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise RefusedError("must be finite")
    elif is_day_number(value):
        raise RefusedError(
            "seems to be a spreadsheet's day number, which has no time zone; state its zone (--timezone)"
        )
    else:
        # An integer may have 400 digits: clip before it meets a float.
        ts_ms = round(max(0, min(value, 10**20)) * 1000 / ticks_a_second(value))
    if ts_ms < TS_MS_MIN:
        raise RefusedError("is before 2000")
    return ts_ms


def ticks_a_second(value: float) -> int:
    """The unit of a time since 1970, by its size: seconds, or 1e-3, 1e-6 or 1e-9 of one.

    JavaScript and Java count in milliseconds, Python and databases also in finer ones. No time since 2000 in one of them
    is before the year 31,000 in the next longer one.
    """
    return next((ticks for ticks in TICKS_A_SECOND if value >= TS_MS_MIN // 1000 * ticks), 1)


def output(value: object) -> str:
    """Text of at most 64 KiB."""
    if not isinstance(value, str):
        raise RefusedError(f"must be text, got {got(value)}")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise RefusedError("has a lone surrogate: it is not Unicode text") from None
    if size > OUTPUT_BYTES_MAX:
        raise RefusedError(f"is {size} bytes long; at most {OUTPUT_BYTES_MAX}")
    return value


def embedding(value: object) -> tuple[float, ...]:
    """A vector of numbers."""
    if not isinstance(value, (list, tuple)):
        raise RefusedError(f"must be a list of numbers, got {got(value)}")
    if not 0 < len(value) <= EMBEDDING_NUMBERS_MAX:
        raise RefusedError(f"has {len(value)} numbers; 1 to {EMBEDDING_NUMBERS_MAX} are allowed")
    return tuple([_any_number(number) for number in value])


def segments(value: object) -> dict[str, object]:
    """Text by name; an entry that is empty or null is absent."""
    return _entries(value, SEGMENTS_MAX, optional_name)


def metrics(value: object) -> dict[str, object]:
    """A number by name; an entry that is null is absent."""
    return _entries(value, METRICS_MAX, _any_number)


def key_of(name: object, chars_max: int = NAME_CHARS_MAX) -> str:
    """A name of somebody else's as the key of an entry, which has no '=' and no ','."""
    return str(name).replace("=", "_").replace(",", "_")[:chars_max]


def _entries(
    value: object, entries_max: int, check: Callable[[object], object]
) -> dict[str, object]:
    # `dict` first: asking an abstract class costs as much as five fields.
    if not isinstance(value, (dict, Mapping)):
        raise RefusedError(f"must be an object, got {got(value)}")
    if len(value) > entries_max:
        raise RefusedError(f"has {len(value)} entries; at most {entries_max}")
    checked: dict[str, object] = {}
    key: object = None
    try:
        for key, entry in value.items():
            name = checked_name(key)
            told = None if entry is None else check(entry)
            if told is not None:
                checked[name] = told
            if "=" in name or "," in name:
                raise RefusedError("a key has no '=' and no ','")  # noqa: TRY301
    except RefusedError as refused:
        raise RefusedError(f"at '{plain(str(key), 60)}': {refused}") from None
    return checked
