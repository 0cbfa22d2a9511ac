"""A question's arguments as they are meant: empty text is absent, and a name is written one way."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from gonogo.border.characters import tidy

# Arguments that hold names, which are stored as `name_of` has them.
_NAMES = frozenset(
    [
        "dependency",
        "metric",
        "segment",
        "version",
        "baseline_version",
        "budget",
        "workload",
        "to",
        "query",
        "dependencies",
    ]
)

Question = TypeVar("Question", bound=Callable[..., Awaitable[Any]])


def as_meant(question: Question) -> Question:
    """Take "" for None wherever a question's argument may be None, and tidy the names in it.

    Whoever fills every argument, a strict client, a form or a script with an unset variable, asks
    the same as who leaves them out; and who copied a name with a space behind it means that name.
    """
    parameters = inspect.signature(question).parameters
    order = list(parameters)
    optional = {name for name, taken in parameters.items() if taken.default is None}

    @functools.wraps(question)
    async def asked(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the question
        named |= zip(order, given, strict=False)
        return await question(**{n: _meant(n, v, n in optional) for n, v in named.items()})

    return cast("Question", asked)


def _meant(name: str, value: object, may_be_absent: bool) -> object:  # noqa: FBT001 - one caller
    if isinstance(value, str):
        if may_be_absent and not value.strip():
            return None
        return tidy(value) if name in _NAMES else value
    if name == "dependencies" and isinstance(value, list | tuple):
        return [tidy(each) if isinstance(each, str) else each for each in value]
    return value
