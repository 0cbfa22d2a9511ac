"""A gate around calls of models and tools: it asks, holds, lets run, records and settles.

The one mechanism of `gonogo wrap --budget` and of the middlewares in `gonogo.integrations`.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from anyio import to_thread

from gonogo.clock import wall_clock_ms
from gonogo.errors import ActionRefused, UnknownTarget
from gonogo.guard.not_asked import why_not_asked
from gonogo.guard.resident import Judge
from gonogo.recorder.asker import Asker
from gonogo.recorder.recorder import Call, is_async

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from types import TracebackType
    from typing import Self

    from gonogo.answers import BudgetCheck
    from gonogo.app import Gonogo
    from gonogo.settings import Settings

__all__ = ["CallGate", "CallRefusedError", "GatedCall"]

P = ParamSpec("P")
R = TypeVar("R")

# What says what a call cost, beside its cost itself.
_USAGE = ("cost_usd", "input_tokens", "output_tokens", "error")

logger = logging.getLogger("gonogo.guard")


class CallRefusedError(ActionRefused):
    """A call that was stopped before it ran; the message says why and what to do."""


class CallGate:
    """Stops calls under a no_go or beyond a budget, and books what the others cost.

    Each call holds its money while it runs. When it ends, by an answer, an exception, a cancellation or a
    stream that is read no more, it is recorded under its hold, which is settled at what was recorded:
    in a thread of the gate's own, so that nobody waits. Safe among threads and event loops.

    Args:
        budget: Whose money is held; None: calls are asked about and recorded only.
        call_usd: What a call costs that tells neither its cost nor its tokens; it is held for. Without
            it a call is forecast from the recorded ones.
        closed: Whether calls are stopped where nothing can be asked, or nothing is known of their cost.
            Else they go on, and a warning is logged once for each reason.
        store: The store's path or URL; default: GONOGO_STORE, else the user's own.
        config: Path of a gonogo.toml; default: GONOGO_CONFIG, else the user's own.
    """

    def __init__(
        self,
        *,
        budget: str | None = None,
        call_usd: float | None = None,
        closed: bool = False,
        store: str | None = None,
        config: str | None = None,
    ) -> None:
        self.budget, self.call_usd, self._closed = budget, call_usd, closed
        self._named = store, config
        self._judge = Judge(self._settings, clock=wall_clock_ms, closed=closed)
        self._asker: Asker | None = None
        self._starting = threading.Lock()
        self._said: set[str] = set()

    def call(self, dependency: str, **fields: object) -> GatedCall:
        """A block, `with` or `async with`, that is one call; fields as of an observation.

        Raises:
            CallRefusedError: On entering, where the call is stopped.
        """
        return GatedCall(self, dependency, fields)

    def wrap(self, dependency: str, **fields: object) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function, `def` or `async def`, or a generator of either kind: each call is gated.

        A generator's call lasts from its first value to its end; that its reader stops early is no error.
        """

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            return _gated(function, lambda: self.call(dependency, **fields))

        return decorate

    def admit(self, dependency: str) -> None:
        """Let a call go on by the verdict of what it calls, or raise.

        Raises:
            CallRefusedError: It is stopped.
        """
        ruling = self._judge(dependency)
        if ruling.what != "allow":
            raise CallRefusedError(ruling.reason)

    def hold(self, dependency: str) -> str | None:
        """Hold the money of one call; the hold's id, None where nothing is held.

        Raises:
            CallRefusedError: It does not fit the budget.
        """
        if self.budget is None:
            return None
        try:
            found = self._ask_money(self.budget, dependency)
        except Exception as error:  # noqa: BLE001 - an entry point: the call gets an answer
            self._without_hold(why_not_asked(error))
            return None
        if found.verdict == "no_go":
            raise CallRefusedError(f"gonogo: {dependency} was not called. {found.summary}")
        if found.reservation is None:
            self._without_hold(found.summary)
            return None
        return found.reservation.id

    def end(
        self, hold: str | None, fields: dict[str, object] | None, usd: float | None = None
    ) -> None:
        """Record a call and settle its hold, without waiting; `usd` settles it at an amount."""

        async def book(app: Gonogo) -> None:
            if fields is not None:
                answer = await app.record_observations([fields])
                for refused in answer.rejected:
                    logger.warning("gonogo: not recorded: %s %s", refused.field, refused.problem)
            if hold is not None:
                await app.settle_reservation(hold, usd)

        self._started().begin(book)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every call that has ended is booked; False where the time-out came first."""
        return self._asker is None or self._asker.wait(timeout_s)

    def _ask_money(self, budget: str, dependency: str) -> BudgetCheck:
        ask, usd = self._started().ask, self.call_usd

        def check(app: Gonogo, name: str | None) -> Any:  # noqa: ANN401 - the answer's coroutine
            return app.check_budget_with_confidence(
                budget, name, None if usd else 1, usd, reserve=True
            )

        try:
            return cast("BudgetCheck", ask(lambda app: check(app, dependency)))
        except UnknownTarget as unknown:
            if unknown.what != "dependency" or usd is None:
                raise
            # Nothing was ever recorded of it, and its cost is declared.
            return cast("BudgetCheck", ask(lambda app: check(app, None)))

    def _without_hold(self, why: str) -> None:
        if self._closed:
            raise CallRefusedError(f"gonogo holds no money, and the gate is closed then: {why}")
        if why not in self._said:
            self._said.add(why)
            logger.warning("gonogo: no money is held, and the call goes on: %s", why)

    def _started(self) -> Asker:
        with self._starting:
            if self._asker is None or self._asker.pid != os.getpid():
                self._asker = Asker(self._settings(), actor="gate")
            return self._asker

    def _settings(self) -> Settings:
        from gonogo.config import load_settings

        store, config = self._named
        return load_settings(config, store, os.environ)


class GatedCall(Call):
    """One call behind a gate. What it raises passes on unchanged and becomes its `error`."""

    __slots__ = ("_gate", "_hold", "_name")

    def __init__(self, gate: CallGate, dependency: str, fields: dict[str, object]) -> None:
        super().__init__(self._ended, dependency, dict(fields))
        self._gate, self._name, self._hold = gate, dependency, cast("str | None", None)

    def __enter__(self) -> Self:
        self._gate.admit(self._name)
        self._hold = self._gate.hold(self._name)
        return super().__enter__()

    async def __aenter__(self) -> Self:
        # A cancelled wait leaves a hold behind, which ends by itself.
        return await to_thread.run_sync(self.__enter__)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, GeneratorExit):
            kind = error = trace = None
        super().__exit__(kind, error, trace)

    def _ended(self, fields: dict[str, object]) -> bool:
        if self._gate.call_usd is not None and not any(fields.get(key) for key in _USAGE):
            fields["cost_usd"] = self._gate.call_usd
        if self._hold is not None:
            fields["reservation"] = self._hold
        elif self._gate.budget is not None:
            fields.setdefault("budget", self._gate.budget)
        self._gate.end(self._hold, fields)
        return True


def _gated(function: Callable[P, R], call: Callable[[], GatedCall]) -> Callable[P, R]:
    """The function, each of whose calls is a gated one."""
    within: object
    if is_async(function):

        async def within(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - as the function
            async with call():
                return await cast("Any", function(*args, **kwargs))

    elif inspect.isasyncgenfunction(function):

        async def within(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[object]:
            async with call(), aclosing(function(*args, **kwargs)) as values:
                async for value in values:
                    yield value

    elif inspect.isgeneratorfunction(function):

        def within(*args: P.args, **kwargs: P.kwargs) -> Generator[object, object, object]:
            with call():
                return (yield from cast("Any", function(*args, **kwargs)))

    else:

        def within(*args: P.args, **kwargs: P.kwargs) -> R:
            with call():
                return function(*args, **kwargs)

    return cast("Callable[P, R]", functools.wraps(function)(cast("Any", within)))
