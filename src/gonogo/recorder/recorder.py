"""`Recorder`: evidence from a host application that it can neither slow down nor break."""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping
from concurrent import futures
from types import TracebackType
from typing import Literal, ParamSpec, Self, TypedDict, TypeVar, Unpack, cast

from gonogo.ingest.error_codes import error_code_of
from gonogo.recorder.outbox import CAPACITY, CLOSE_S, Delivery, Outbox
from gonogo.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")


class ObservationFields(TypedDict, total=False):
    """The fields of an observation beside `dependency`, as every way in takes them."""

    ts: str | float
    id: str
    kind: Literal["model", "skill", "tool", "api", "prompt"]
    provider: str
    version: str
    outcome: bool | float
    outcome_ts: str | float
    outcome_by: str
    error: str
    confidence: float
    latency_ms: float
    cost_usd: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    tier: str
    weight: float
    item: str
    budget: str
    reservation: str
    prediction: str
    label: str
    input_hash: str
    output_hash: str
    embedding: list[float]
    segments: dict[str, str]
    metrics: dict[str, float]
    output: str


class Recorder:
    """Records observations without waiting: a thread of its own checks and writes them.

    Recording costs the caller a few microseconds, never raises, and never blocks. The queue is
    bounded; what is malformed, or lost because the store is away for too long, is counted in
    `delivery`. Safe among threads, event loops and forks. At the interpreter's end what is queued
    is written, for at most ten seconds; `with Recorder() as recorder:` does it earlier.

    Args:
        store: The store's path or URL; default: GONOGO_STORE, else the user's own.
        config: Path of a gonogo.toml; default: GONOGO_CONFIG, else the user's own.
        capacity: Observations that may wait; more are dropped, and counted.
    """

    def __init__(
        self, store: str | None = None, *, config: str | None = None, capacity: int = CAPACITY
    ) -> None:
        environ = dict(os.environ)

        def settings() -> Settings:
            from gonogo.config import load_settings

            return load_settings(config, store, environ)

        self._outbox = Outbox(settings, capacity=capacity)
        self._put = self._outbox.put
        atexit.register(self.close)

    def record(self, dependency: str, **fields: Unpack[ObservationFields]) -> bool:
        """Queue one observation, dated now unless `ts` says otherwise; False where it is dropped.

        The call's values are handed over: an object given in `segments`, `metrics` or `embedding`
        must not be changed afterwards.
        """
        whole = cast("dict[str, object]", fields)
        whole["dependency"] = dependency
        if "ts" not in whole:
            whole["ts"] = time.time()
        return self._put(whole)

    def record_fields(self, fields: dict[str, object]) -> bool:
        """Queue one observation given as a mapping, which is handed over; dated as it says."""
        return self._put(fields)

    def call(self, dependency: str, **fields: Unpack[ObservationFields]) -> Call:
        """A block, `with` or `async with`, that is recorded as one call when it ends."""
        return Call(self._put, dependency, cast("dict[str, object]", fields))

    def observe(
        self, dependency: str, **fields: Unpack[ObservationFields]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function: each call of it is recorded, with its time and what it raises.

        `def` and `async def`, methods of classes, generators of both kinds, and objects that can be called. A generator's
        call lasts from its first value to its end; that its reader stops early is no error. A future's lasts until it is done.
        An object of another kind that is read later, as an SDK's `Stream`, ends the call when it is returned: observe
        the function that reads it.
        """
        given = cast("dict[str, object]", fields)

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if isinstance(function, classmethod | staticmethod):
                # Above these decorators there is no function yet, only what will become one.
                return cast("Callable[P, R]", type(function)(decorate(function.__func__)))

            @functools.wraps(function)
            def observed(*args: P.args, **kwargs: P.kwargs) -> R:
                call = Call(self._put, dependency, dict(given))
                call.__enter__()
                try:
                    result = function(*args, **kwargs)
                except BaseException as error:
                    call.__exit__(type(error), error, error.__traceback__)
                    raise
                going_on = followed(result, call)
                if going_on is None:
                    call.__exit__(None, None, None)
                    return result
                return cast("R", going_on)

            if is_async(function):
                # Frameworks ask a function whether it must be awaited.
                return cast("Callable[P, R]", _marked(observed))
            return observed

        return decorate

    @property
    def delivery(self) -> Delivery:
        """The fate of the observations so far: stored, refused, dropped, queued, and why."""
        return self._outbox.delivery

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is queued; False where the time-out came first."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float = CLOSE_S) -> Delivery:
        """Write what is queued, for at most so long; later observations are dropped, and counted."""
        atexit.unregister(self.close)
        return self._outbox.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Call:
    """One call in progress: its time is measured, and what it raises becomes its `error`.

    An exception passes on unchanged. A call that was cancelled has the error `cancelled`, one that
    timed out `timeout`, else it is the exception's name.
    """

    __slots__ = ("_fields", "_put", "_started_ns")

    def __init__(
        self, put: Callable[[dict[str, object]], bool], dependency: str, fields: dict[str, object]
    ) -> None:
        fields["dependency"] = dependency
        self._put, self._fields = put, fields
        self._started_ns = 0

    def set(self, **fields: Unpack[ObservationFields]) -> None:
        """Add what is known by now: tokens, cost, confidence, outcome."""
        self._fields.update(cast("Mapping[str, object]", fields))

    def __enter__(self) -> Self:
        self._fields.setdefault("ts", time.time())
        self._started_ns = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fields = self._fields
        fields.setdefault("latency_ms", (time.perf_counter_ns() - self._started_ns) / 1e6)
        if error is not None:
            fields.setdefault("error", error_code(error))
        self._put(fields)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


def is_async(function: object) -> bool:
    """Whether calling it gives something to be awaited."""
    asked = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004 - its own method
    return inspect.iscoroutinefunction(asked) or inspect.iscoroutinefunction(function)


def _marked(function: Callable[P, R]) -> Callable[P, object]:
    @functools.wraps(function)
    async def awaited(*args: P.args, **kwargs: P.kwargs) -> object:
        return await cast("Awaitable[object]", function(*args, **kwargs))

    return awaited


def followed(result: object, call: Call) -> object:
    """Wrap a stream or a coroutine, or wait for a future, so that the call ends when it does; None for a plain value."""
    if inspect.iscoroutine(result):
        return _awaited(result, call)
    if inspect.isgenerator(result):
        return _generated(cast("Generator[object, object, object]", result), call)
    if inspect.isasyncgen(result):
        return _generated_async(cast("AsyncGenerator[object, object]", result), call)
    if isinstance(result, asyncio.Future | futures.Future):
        result.add_done_callback(functools.partial(_done, call))
        return result
    return None


def _done(call: Call, result: asyncio.Future[object] | futures.Future[object]) -> None:
    # asyncio takes an exception that was looked at here for seen, and warns of it no more.
    error = asyncio.CancelledError() if result.cancelled() else result.exception()
    call.__exit__(None if error is None else type(error), error, None)


async def _awaited(result: Coroutine[object, object, object], call: Call) -> object:
    with call:
        return await result


def _generated(
    result: Generator[object, object, object], call: Call
) -> Generator[object, object, object]:
    call.__enter__()
    try:
        returned = yield from result
    except GeneratorExit:
        call.__exit__(None, None, None)
        raise
    except BaseException as error:
        call.__exit__(type(error), error, error.__traceback__)
        raise
    call.__exit__(None, None, None)
    return returned


async def _generated_async(
    result: AsyncGenerator[object, object], call: Call
) -> AsyncGenerator[object, object]:
    call.__enter__()
    try:
        async for value in result:
            yield value
    except GeneratorExit:
        await result.aclose()
        call.__exit__(None, None, None)
        raise
    except BaseException as error:
        call.__exit__(type(error), error, error.__traceback__)
        raise
    call.__exit__(None, None, None)


def error_code(error: BaseException) -> str:
    """The code of an exception: its kind, never its message, which may tell what was asked."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return error_code_of(type(error).__name__)
