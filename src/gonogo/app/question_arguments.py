"""A question's arguments as they are meant: empty text is absent, and a name is written one way.

A name of which all that came was refused is unknown for that reason, and the answer says so.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from gonogo.answers import Answer
from gonogo.border.characters import tidy
from gonogo.errors import UnknownTarget

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
    An answer by a configuration that is older than its file says why.

    `question` is a method of the application, which knows what was refused of a name.
    """
    parameters = inspect.signature(question).parameters
    order = list(parameters)
    optional = {name for name, taken in parameters.items() if taken.default is None}

    @functools.wraps(question)
    async def asked(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the question
        named |= zip(order, given, strict=False)
        app = named["self"]
        try:
            answer = await question(**{n: _meant(n, v, n in optional) for n, v in named.items()})
        except UnknownTarget as unknown:
            why = await why_unknown(app, unknown)
            if why is None:
                raise
            raise why from None
        problem = app.config_file.problem
        if problem is not None and isinstance(answer, Answer):
            return answer.model_copy(update={"configuration": problem})
        return answer

    return cast("Question", asked)


async def why_unknown(app: Any, unknown: UnknownTarget) -> UnknownTarget | None:  # noqa: ANN401 - whose question it is
    """Explain an unknown dependency whose rows were all refused; None where no rows came."""
    from gonogo.text.row_notes import refused_text

    if unknown.what != "dependency":
        return None
    refused = await (await app.stores()).refusals.of(unknown.name, app.clock())
    if refused is None:
        return None
    said = f"{refused_text(refused)}. Nothing of it is stored: mend that and send them again."
    return UnknownTarget("dependency", unknown.name, None, said)


def _meant(name: str, value: object, may_be_absent: bool) -> object:  # noqa: FBT001 - one caller
    if isinstance(value, str):
        if may_be_absent and not value.strip():
            return None
        return tidy(value) if name in _NAMES else value
    if name == "dependencies" and isinstance(value, list | tuple):
        return [tidy(each) if isinstance(each, str) else each for each in value]
    return value
