"""Whether an answer is as a golden item says: a score from 0 to 1, the lowest of its checks.

A checker that fails says nothing of the dependency: then there is no score, and the reason is told.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio

from gonogo.border.foreign import foreign_json
from gonogo.errors import ConfigError, ProbeError, plain
from gonogo.prober.endpoints import header_values, json_value
from gonogo.prober.fetch import Request, fetch

if TYPE_CHECKING:
    import httpx

    from gonogo.prober.golden_run import Item
    from gonogo.settings import ProbeSettings

CHECK_S = 10.0
# What no pattern needs for an answer that a probe takes. Of the processor, not of the clock: a
# loaded machine must not fail an answer.
PATTERN_CPU_S = 2.0
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?")
Verdict = tuple[float | None, str]


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a checked answer; None where there was nothing to check it by.

    `problem`: what was odd about the check itself, with a score or without.
    """

    value: float | None
    problem: str = ""


async def score_answer(
    text: str, item: Item, probe: ProbeSettings, *, client: httpx.AsyncClient, folder: Path | None
) -> Score:
    """The lowest score of an item's checks; None where it has none, or one could not be made."""
    lowest: float | None = None
    value: float | None
    said = ""
    for check, expected in item.checks.items():
        if check in _TEXT_CHECKS:
            value, problem = float(_TEXT_CHECKS[check](text, expected, item)), ""
        elif check == "judge":
            value, problem = await _judged(text, item, probe, client)
        else:
            value, problem = await _apart(check, text, item, folder)
        if problem:
            said = f"item {item.id}, {check}: {problem}"
        if value is None:
            return Score(None, said)
        lowest = value if lowest is None else min(lowest, value)
    return Score(lowest, said)


def _exact(text: str, expected: object, item: Item) -> bool:
    """Equal, white space around it aside; anything but a text is compared as JSON."""
    if isinstance(expected, str):
        return _folded(text, item).strip() == _folded(expected, item).strip()
    try:
        return _same_json(json_value(text), expected)
    except ProbeError:
        return False


def _same_json(left: object, right: object) -> bool:
    """Equal as JSON has it: 1 is 1.0, and true is not 1."""
    return json.dumps(_floats(left), sort_keys=True) == json.dumps(_floats(right), sort_keys=True)


def _floats(value: object) -> object:
    if isinstance(value, dict):
        return {key: _floats(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_floats(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53:
        return float(value)
    return value


def _one_of(text: str, expected: object, item: Item) -> bool:
    return isinstance(expected, list) and any(_exact(text, one, item) for one in expected)


def _contains(text: str, expected: object, item: Item) -> bool:
    wanted = expected if isinstance(expected, list) else [expected]
    folded = _folded(text, item)
    return all(_folded(str(one), item) in folded for one in wanted)


def _number(text: str, expected: object, item: Item) -> bool:
    """The last number of the answer, as models say "so it is 42", within the tolerance."""
    found = _NUMBER.findall(text)
    if not found or not isinstance(expected, int | float):
        return False
    value = float(found[-1].replace(",", ""))
    # Decimal fractions are not exact: 0.3 within 0.1 of 0.2 must hold.
    slack = 1e-9 * max(1.0, abs(float(expected)))
    return math.isfinite(value) and abs(value - expected) <= item.tolerance + slack


def _folded(text: str, item: Item) -> str:
    return text.casefold() if item.ignore_case else text


_TEXT_CHECKS: dict[str, Callable[[str, object, Item], bool]] = {
    "exact": _exact,
    "one_of": _one_of,
    "contains": _contains,
    "number": _number,
}


async def _apart(
    check: str, text: str, item: Item, folder: Path | None
) -> tuple[float | None, str]:
    """A check in a process of its own, ended when it takes too long."""
    from anyio.to_process import run_sync

    told = {"id": item.id, "input": item.input, "ignore_case": item.ignore_case}
    place = None if folder is None else str(folder)
    wanted = item.checks[check]
    with anyio.move_on_after(CHECK_S):
        return await run_sync(
            check_apart, check, wanted, text, told, place, PATTERN_CPU_S, cancellable=True
        )
    return None, f"took longer than {CHECK_S:g} s"


async def _judged(
    text: str, item: Item, probe: ProbeSettings, client: httpx.AsyncClient
) -> tuple[float | None, str]:
    """The score that the judge's endpoint gives."""
    question = {"input": item.input, "answer": text, "criterion": item.checks["judge"]}
    try:
        headers = header_values({}, dict(probe.judge_headers), probe.name)
        request = Request(
            "POST",
            probe.judge_url or "",
            {"Content-Type": "application/json"} | headers,
            json.dumps(question).encode(),
            probe.bytes_max,
            probe.timeout_s,
        )
        match json_value(await fetch(client, request)):
            case {"score": bool(score) | int(score) | float(score)} if 0 <= score <= 1:
                return float(score), ""
    except (ProbeError, ConfigError) as error:
        return None, str(error)
    return None, 'the judge must answer {"score": X}, X true, false or a number from 0 to 1'


# Checks that a hostile answer could make endless, run in a process of their own that can be ended.
#
# A regular expression holds the interpreter while it backtracks, and a person's function may do
# anything: in the watching process either would stop every other probe.


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
