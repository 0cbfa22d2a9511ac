"""A gate around calls of models and tools: it asks, holds, lets run, records and settles.

The one mechanism of `gonogo wrap --budget` and of the middlewares in `gonogo.integrations`.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from anyio import get_cancelled_exc_class, to_thread

from gonogo.clock import wall_clock_ms
from gonogo.guard.held_calls import CallMoney, CallRefusedError, HeldCalls
from gonogo.guard.resident import Judge
from gonogo.guard.ruling import why_not_asked
from gonogo.recorder.asker import Asker
from gonogo.recorder.outbox import close_with_child
from gonogo.recorder.recorder import Call, is_async
from gonogo.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

# How long the end of a program waits for what has ended; as the recorder's outbox.
CLOSE_S = 10.0
# What says what a call cost, beside its cost itself.
_USAGE = ("cost_usd", "input_tokens", "output_tokens")

logger = logging.getLogger("gonogo.guard")


class CallGate:
    """Stops calls under a no_go or beyond a budget, and books what the others cost.

    Each call holds its money while it runs; where calls come often, those of the next second hold theirs
    before they come. When a call ends, by an answer, an exception, a cancellation or a stream that is read
    no more, it is recorded under its hold, which is settled at what was recorded: in a thread of the gate's
    own, so that nobody waits. Safe among threads and event loops.

    Args:
        budget: Whose money is held; None: calls are asked about and recorded only.
        call_usd: What a call costs that tells neither its cost nor tokens that have a price; it is held for.
            Without it a call is forecast from the recorded ones. In the budget's unit, and recorded where that is money.
        closed: Whether calls are stopped where nothing can be asked, or nothing is known of their cost.
            Else they go on, and a warning is logged once for each reason.
        store: The store's path or URL; default: GONOGO_STORE, else the user's own.
        config: Path of a gonogo.toml; default: GONOGO_CONFIG, else the user's own.
        ahead: Whether money may be held for the calls of the next second as well.
    """

    def __init__(
        self,
        *,
        budget: str | None = None,
        call_usd: float | None = None,
        closed: bool = False,
        store: str | None = None,
        config: str | None = None,
        ahead: bool = True,
    ) -> None:
        self.budget, self.call_usd, self._closed = budget, call_usd, closed
        self._ahead = ahead
        self._named = store, config
        self._judge = Judge(self._settings, self._started, clock=wall_clock_ms, closed=closed)
        self._asker: Asker | None = None
        self._money: CallMoney | None = None
        self._starting = threading.Lock()
        self.entering = threading.Lock()
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

    def hold(self, dependency: str) -> HeldCalls | None:
        """Hold the money of one call; None where nothing is held.

        Raises:
            CallRefusedError: It does not fit the budget.
        """
        if self.budget is None:
            return None
        try:
            return self._booked().draw(dependency)
        except CallRefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - an entry point: the call gets an answer
            self._without_hold("", why_not_asked(error))
            return None

    def end(
        self, hold: HeldCalls | None, fields: dict[str, object] | None, usd: float | None = None
    ) -> None:
        """Record a call and settle its hold, without waiting; `usd` settles it at an amount."""
        try:
            self._booked().end(hold, fields, usd)
        except Exception as error:  # noqa: BLE001 - an entry point: the call's own end stands
            logger.warning("gonogo: not recorded: %s", why_not_asked(error))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every call that has ended is booked; False where the time-out came first."""
        return self._money is None or self._money.flush(timeout_s)

    def _without_hold(self, dependency: str, why: str) -> None:
        if self._closed:
            raise CallRefusedError(f"gonogo holds no money, and the gate is closed then: {why}")
        # Once a dependency: the reason names amounts, which differ from call to call.
        if (dependency or why) not in self._said:
            self._said.add(dependency or why)
            logger.warning("gonogo: no money is held, and the call goes on: %s", why)

    def _booked(self) -> CallMoney:
        asker = self._started()
        with self._starting:
            if self._money is None or self._money.asker is not asker:
                self._money = CallMoney(
                    asker,
                    budget=self.budget,
                    call_usd=self.call_usd,
                    ahead=self._ahead,
                    unheld=self._without_hold,
                )
                # Before the asker's own end, which was registered earlier.
                atexit.register(self._money.close, CLOSE_S)
                close_with_child(self._money.close, CLOSE_S)
            return self._money

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

    __slots__ = ("_entered", "_gate", "_hold", "_left", "_name")

    def __init__(self, gate: CallGate, dependency: str, fields: dict[str, object]) -> None:
        super().__init__(self._ended, dependency, dict(fields))
        self._gate, self._name = gate, dependency
        self._hold: HeldCalls | None = None
        self._entered = self._left = False

    def __enter__(self) -> Self:
        self._gate.admit(self._name)
        self._hold = self._gate.hold(self._name)
        return super().__enter__()

    async def __aenter__(self) -> Self:
        try:
            await to_thread.run_sync(self._enter_unless_left)
        except get_cancelled_exc_class():
            with self._gate.entering:
                self._left = True
                given_back = self._entered
            if given_back:
                self._gate.end(self._hold, None)
            raise
        return self

    def _enter_unless_left(self) -> None:
        """Enter; where who waited was cancelled meanwhile, nobody else will end what is held."""
        self.__enter__()
        with self._gate.entering:
            self._entered = True
            left = self._left
        if left:
            self._gate.end(self._hold, None)

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
        is_money = self._hold is None or self._hold.unit == "usd"
        stated = any(fields.get(key) for key in _USAGE)
        if self._gate.call_usd is not None and is_money and not stated:
            # A call that failed before any token is counted as free, and not as one whose cost nobody knows: after a
            # few of those nothing can be held.
            fields["cost_usd"] = 0.0 if fields.get("error") else self._gate.call_usd
        if self._hold is not None:
            fields["reservation"] = self._hold.id
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
