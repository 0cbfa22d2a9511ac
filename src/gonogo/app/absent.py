"""What says nothing is not there: an optional argument that is empty text."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

Question = TypeVar("Question", bound=Callable[..., Awaitable[Any]])


def empty_is_absent(question: Question) -> Question:
    """Take "" for None wherever a question's argument may be None.

    Whoever fills every argument, a strict client, a form or a script with an unset variable, asks
    the same as who leaves them out.
    """
    parameters = inspect.signature(question).parameters
    optional = {name for name, taken in parameters.items() if taken.default is None}
    places = [name in optional for name in parameters]

    @functools.wraps(question)
    async def asked(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the question
        told = [None if places[i] and _empty(value) else value for i, value in enumerate(given)]
        filled = {name: value for name, value in named.items() if not _blank(name, value)}
        return await question(*told, **filled)

    def _blank(name: str, value: object) -> bool:
        return name in optional and _empty(value)

    return cast("Question", asked)


def _empty(value: object) -> bool:
    return isinstance(value, str) and not value.strip()
