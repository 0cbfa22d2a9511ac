"""Checks that a hostile answer could make endless, run in a process of their own that can be ended.

A regular expression holds the interpreter while it backtracks, and a person's function may do
anything: in the watching process either would stop every other probe.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from gonogo.border.foreign import foreign_json
from gonogo.errors import plain

Verdict = tuple[float | None, str]


class EndlessMatch(BaseException):
    """A pattern backtracks. No Exception: a library that is matching must not take it for its own."""


def check_apart(
    check: str,
    expected: object,
    text: str,
    item: Mapping[str, object],
    folder: str | None,
    pattern_cpu_s: float,
) -> Verdict:
    """The score of an answer, 0 to 1, or None and what went wrong in checking it."""
    if check == "function":
        return _by_function(str(expected), text, item, folder)
    if check == "schema":
        import jsonschema  # type: ignore[import-untyped] # noqa: F401 - loaded before time counts
    try:
        with _bounded(pattern_cpu_s):
            if check == "schema":
                return _by_schema(expected, text)
            flags = re.IGNORECASE if item.get("ignore_case") else 0
            return float(re.search(str(expected), text, flags) is not None), ""
    except EndlessMatch:
        # Left without a score, such an answer would be a way to hide from the check.
        return 0.0, f"not matched within {pattern_cpu_s:g} s of processor time, taken as wrong"


@contextmanager
def _bounded(cpu_s: float) -> Iterator[None]:
    """Raise EndlessMatch after too much processor time; `re` looks for signals as it backtracks."""
    if sys.platform == "win32":  # it has no such timer: who waits ends the process
        yield
        return

    def end(_signal: int, _frame: object) -> None:
        raise EndlessMatch

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _by_schema(schema: object, text: str) -> Verdict:
    import jsonschema  # it has no types
    from referencing import Registry

    try:
        value = foreign_json(text)
    except ValueError:
        return 0.0, ""
    # An own registry: without one, a $ref to an address would be fetched.
    validator = jsonschema.Draft202012Validator(
        cast("dict[str, object]", schema), registry=Registry()
    )
    try:
        return float(validator.is_valid(value)), ""
    except Exception as error:  # noqa: BLE001 - the library raises what the schema makes it raise
        return None, f"the schema failed: {type(error).__name__}"


def _by_function(named: str, text: str, item: Mapping[str, object], folder: str | None) -> Verdict:
    try:
        score = _function(named, folder)(text, item)
        scored = float(score)
    except Exception as error:  # noqa: BLE001 - a process' entry point: a person's code may raise anything
        return None, plain(f"{named} raised {type(error).__name__}: {error}", 200)
    if not 0 <= scored <= 1:
        return None, f"{named} returned {scored:g}; true, false or a number from 0 to 1 is allowed"
    return scored, ""


def _function(named: str, folder: str | None) -> Callable[[str, Mapping[str, object]], float]:
    """The function `module:name`; a module beside gonogo.toml comes before an installed one."""
    module_name, _, name = named.partition(":")
    beside = Path(folder, *module_name.split(".")).with_suffix(".py") if folder else None
    if beside is not None and beside.is_file():
        spec = importlib.util.spec_from_file_location(module_name, beside)
        if spec is None or spec.loader is None:
            raise ImportError(module_name)
        module = importlib.util.module_from_spec(spec)
        # What it imports may lie beside it as well.
        sys.path.insert(0, str(folder))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(folder))
    else:
        module = importlib.import_module(module_name)
    return cast("Callable[[str, Mapping[str, object]], float]", getattr(module, name))
