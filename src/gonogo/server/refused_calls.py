"""Refusals of wrong calls of a tool: the fault in one line that a model can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gonogo.errors import plain

PROBLEMS_SHOWN = 3
VALUE_CHARS_MAX = 60

_WANTED: Mapping[str, str] = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "is {length} characters long; at most {max_length}",
    "too_short": "needs at least {min_length}",
    "too_long": "has {actual_length}; at most {max_length}",
}


def refused_arguments(tool: str, known: Iterable[str], error: ValidationError) -> str:
    """Describe the errors in a call's arguments: names, values, what is allowed."""
    names = list(known)
    # An unknown name explains a missing one, so it comes first.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    said = [_problem(problem, names) for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        said.append(f"and {len(problems) - PROBLEMS_SHOWN} more problems")
    return plain(f"{tool}: {'; '.join(said)}.")


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, with the nearest known ones."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
    return f"unknown {what} '{plain(name, VALUE_CHARS_MAX)}' ({hint})"


def _problem(problem: ErrorDetails, names: list[str]) -> str:
    where = ".".join(plain(str(part), VALUE_CHARS_MAX) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return unknown_name("argument", str(problem["loc"][0]), names)
        case "missing":
            return f"argument '{where}' is missing"
        case kind:
            wanted = _WANTED.get(kind, "is not valid")
            context = {
                k: f"{v:g}" if isinstance(v, float) else v
                for k, v in problem.get("ctx", {}).items()
            }
            length = len(problem["input"]) if isinstance(problem["input"], str) else 0
            said = wanted.format(**{**context, "length": length}).replace(" or '", ", '")
            return f"argument '{where}' {said}{_got(problem['input'])}"


def _got(value: object) -> str:
    match value:
        case str() if len(value) > VALUE_CHARS_MAX or not value:
            return ""
        case str() | int() | float():
            return f", got {plain(repr(value), VALUE_CHARS_MAX)}"
        case list():
            return ""
        case _:
            return f", got {'null' if value is None else 'an object'}"
