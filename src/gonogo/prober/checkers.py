"""Whether an answer is as a golden item says: a score from 0 to 1, the lowest of its checks.

A checker that fails says nothing of the dependency: then there is no score, and the reason is told.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from gonogo.errors import ConfigError, ProbeError
from gonogo.prober.fetch import Request, fetch
from gonogo.prober.replies import header_values, json_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from gonogo.prober.golden_run import Item
    from gonogo.settings import ProbeSettings

CHECK_S = 10.0
# What no pattern needs for an answer that a probe takes. Of the processor, not of the clock: a
# loaded machine must not fail an answer.
PATTERN_CPU_S = 2.0
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?")


@dataclass(frozen=True, slots=True)
class Score:
    """What checking an answer came to; None where there was nothing to check it by.

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

    from gonogo.prober.worker import check_apart

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
