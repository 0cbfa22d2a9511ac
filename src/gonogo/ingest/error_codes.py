"""Whether an `error` says that a call failed, and the short code that it becomes.

Any failure counts as one, whatever its form: refusing a sentence or an object would drop the failures
alone, and leave a record in which nothing ever fails. A code never quotes a message, which may hold
what was asked: it is a status, the name of a class, or the message's first plain words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gonogo.border.foreign import foreign_json
from gonogo.ingest.cell_words import NO, YES, plainly

CODE_CHARS_MAX = 64
SENTENCE_WORDS_MAX = 5
_DEPTH_MAX = 4

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NO_CODE = re.compile(r"[^A-Za-z0-9_.:-]+")
_HTTP_STATUS = re.compile(r"[1-5]\d\d", re.ASCII)
_HTTP_FINE = re.compile(r"(?:http[ _/]?)?2\d\d(?:\.0)?(?: ?ok| created| accepted)?", re.ASCII)

# How exports write that nothing went wrong, and that nothing is known of an error.
_FINE = NO.union(
    {"", "0", "0.0", "ok", "okay", "success", "succeeded", "successful", "none", "pass", "passed"}
    | {"complete", "completed", "done", "finished"}
    | {"null", "nan", "nil", "n/a", "na", "-", "\\n", "<na>", "#n/a", "undefined", "{}", "[]"}
)
_BARE = YES.union({"1", "1.0", "fail", "failed", "failure"})

# A status that a message states, as openai's "Error code: 429 - …" and requests' "503 Server Error".
_STATUS_IN = re.compile(
    r"(?:\b(?:error code|status(?: code)?|http(?: error)?|code)\D{0,3}|^\D{0,3})([45]\d\d)\b",
    re.ASCII | re.IGNORECASE,
)
# The exception of a traceback's last line, or of a message that starts with one.
_CLASS_IN = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*(?:Error|Exception|Timeout|Interrupt|Exit))\b(?=\s*(?::|\(|$))",
    re.ASCII | re.MULTILINE,
)
_TIMEOUT_IN = re.compile(r"\btim(?:ed|e)[ -]?out\b", re.ASCII | re.IGNORECASE)
_CLAUSE_END = re.compile(r"[:;,.!?()\[\]{}<>\"'`\n]")
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]*", re.ASCII)

# Where SDKs keep what an error is; the most telling first.
_KEYS = (
    *("code", "status_code", "error_code", "http_status", "type", "error_type", "error_class"),
    *("name", "status", "class", "exception", "error", "reason", "message", "detail"),
)


def error_code_of(text: str) -> str:
    """A word or the name of a class as an error code; an HTTP status as `http_NNN`."""
    code = _NO_CODE.sub("_", text)[:CODE_CHARS_MAX]
    return f"http_{code}" if _HTTP_STATUS.fullmatch(code) else code or "error"


def error_code(value: object) -> str | None:
    """The code of whatever stands in an `error`; None where it says that the call did not fail."""
    return _code(value, _DEPTH_MAX)


def _code(value: object, depth: int) -> str | None:
    if value is None or isinstance(value, bool):
        return "error" if value else None
    if isinstance(value, int | float):
        return _of_number(value)
    if isinstance(value, str):
        return _of_text(value.strip(), depth)
    if isinstance(value, Mapping):
        return _of_object(value, depth)
    if isinstance(value, Sequence) and not value:
        return None
    first = value[0] if isinstance(value, Sequence) and depth else True
    return _code(first, depth - 1) or "error"


def _of_number(value: float) -> str | None:
    if value != value:  # noqa: PLR0124 - NaN
        return None
    # Clipped: an integer may have more digits than can be written.
    clipped = max(min(value, 10**15), -(10**15))
    return _of_text(f"{int(clipped)}" if clipped == int(clipped) else f"{clipped:g}", 0)


def _of_object(value: Mapping[object, object], depth: int) -> str | None:
    if not value:
        return None
    stated = [value[key] for key in _KEYS if value.get(key) not in (None, "")]
    if not depth or not stated:
        return "error"
    codes = [_code(part, depth - 1) for part in stated]
    return next((code for code in codes if code), None)


def _of_text(text: str, depth: int) -> str | None:
    lowered = plainly(text[:CODE_CHARS_MAX])
    if lowered in _FINE or _HTTP_FINE.fullmatch(lowered):
        return None
    if lowered in _BARE:
        return "error"
    if _CODE.fullmatch(text):
        return error_code_of(text)
    if text[0] in "{[" and depth:
        try:
            return _code(foreign_json(text), depth - 1)
        except ValueError:
            pass
    return _of_sentence(text)


def _of_sentence(text: str) -> str:
    """A status or a class that it states, else its first clause without digits and quotations."""
    if status := _STATUS_IN.search(text[:2000]):
        return f"http_{status[1]}"
    # A traceback ends with what was thrown.
    if thrown := _CLASS_IN.findall(text[-4000:]) or _CLASS_IN.findall(text[:200]):
        return error_code_of(thrown[-1])
    if _TIMEOUT_IN.search(text[:2000]):
        return "timeout"
    words = _WORD.findall(_CLAUSE_END.split(text[:200].lstrip("\"'`([{<"), maxsplit=1)[0])
    return error_code_of("_".join(words[:SENTENCE_WORDS_MAX]).lower() or "error")
