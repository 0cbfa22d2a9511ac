"""The questions a page may ask: the reading tools by name, with arguments from a query string."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.panel import HISTORY

if TYPE_CHECKING:
    from gonogo.answers import Answer
    from gonogo.app import Gonogo
    from gonogo.dashboard.pulse import Pulse

VALUE_CHARS_MAX = 200
DAYS_MAX = 3650.0
ANSWERS_KEPT = 64
# Ages in an answer, and what fades with time, move on even where nothing is written.
KEPT_S = 30.0
# `check_budget_with_confidence` may hold money, and the dashboard reads only.
NEVER = frozenset({"reserve", "idempotency_key"})
TOOLS = (
    "preflight",
    "check_model_drift",
    "get_trust_score_health",
    "check_budget_with_confidence",
    "get_route",
    "list_dependencies",
    "get_incidents",
)
_READ: Mapping[str, Callable[[str], object]] = {
    "planned_calls": int,
    "planned_cost_usd": float,
    "dependencies": lambda text: [text],
}


@dataclass(frozen=True, slots=True)
class Question:
    """One call of a reading tool; `days`: how far back its history is drawn."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    days: float | None = None


def question_of(tool: str, query: Mapping[str, str]) -> Question:
    """Read a question.

    Raises:
        UnknownTarget: No such tool may be asked.
        ParameterError: An argument is missing, unknown, too long or malformed.
    """
    from gonogo.app import Gonogo

    if tool not in TOOLS:
        raise UnknownTarget("tool", tool, TOOLS)
    parameters = inspect.signature(getattr(Gonogo, tool)).parameters
    known = parameters.keys() - {"self"} - NEVER
    arguments = {name: _argument(name, text, known) for name, text in query.items()}
    for name in known - arguments.keys():
        if parameters[name].default is inspect.Parameter.empty:
            raise ParameterError(f"{tool} needs '{name}'.")
    days = arguments.pop("days", None)
    return Question(tool, arguments, days if isinstance(days, float) else None)


def _argument(name: str, text: str, known: set[str]) -> object:
    if name not in known | {"days"}:
        raise ParameterError(
            f"argument '{plain(name, 60)}' is none of: {', '.join(sorted(known))}."
        )
    if not 1 <= len(text) <= VALUE_CHARS_MAX:
        raise ParameterError(f"argument '{name}' must have 1 to {VALUE_CHARS_MAX} characters.")
    if name == "detail" and text not in ("brief", "full"):
        raise ParameterError("argument 'detail' must be brief or full.")
    try:
        value = float(text) if name == "days" else _READ.get(name, str)(text)
    except ValueError:
        raise ParameterError(f"argument '{name}' must be a number.") from None
    if isinstance(value, float) and not 0 <= value <= (DAYS_MAX if name == "days" else 1e9):
        raise ParameterError(f"argument '{name}' is out of range.")
    return value


class Answers:
    """Answers every open page, and makes an answer once while nothing is written.

    Args:
        app: Who answers.
        pulse: Counts the writes.
    """

    def __init__(self, app: Gonogo, pulse: Pulse) -> None:
        self._app, self._pulse = app, pulse
        self._kept: OrderedDict[str, _CachedAnswer] = OrderedDict()

    async def to(self, question: Question) -> dict[str, Any]:
        """The answer as a tool's result has it, at most 30 s old, with its history beside it.

        Raises:
            GonogoError: What the tool refuses.
        """
        key = repr(question)
        kept = self._kept.setdefault(key, _CachedAnswer())
        self._kept.move_to_end(key)
        if len(self._kept) > ANSWERS_KEPT:
            self._kept.popitem(last=False)
        async with kept.making:
            now_s, beats = anyio.current_time(), self._pulse.beats
            if kept.result is None or kept.beats != beats or now_s - kept.made_s > KEPT_S:
                kept.result = await answered(self._app, question)
                kept.made_s, kept.beats = now_s, beats
            return kept.result


@dataclass(slots=True)
class _CachedAnswer:
    """An answer, when it was made, and how many writes there had been."""

    result: dict[str, Any] | None = None
    made_s: float = 0.0
    beats: int = 0
    making: anyio.Lock = field(default_factory=anyio.Lock)


async def answered(app: Gonogo, question: Question) -> dict[str, Any]:
    """The answer as a tool's result has it, with its history beside it.

    Raises:
        GonogoError: What the tool refuses.
    """
    ask: Callable[..., Awaitable[Answer]] = getattr(app, question.tool)
    answer = await ask(**question.arguments)
    result: dict[str, Any] = {"structuredContent": answer.as_object()}
    history = await app.history(answer, question.arguments, days=question.days)
    if history is not None:
        result["_meta"] = {HISTORY: history.model_dump(mode="json", exclude_none=True)}
    return result
