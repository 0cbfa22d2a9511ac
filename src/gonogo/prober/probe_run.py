"""One run of a probe: every item asked as often as configured, a few at a time, and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from gonogo.errors import ConfigError, ProbeError
from gonogo.prober.checkers import score_answer
from gonogo.prober.endpoints import Ask, Connection, Reply, endpoint, without_secrets
from gonogo.prober.fetch import http_client
from gonogo.records import Observation

if TYPE_CHECKING:
    import httpx

    from gonogo.prober.golden_run import Item
    from gonogo.settings import DependencySettings, ProbeSettings

CALLS_MAX = 32
OUTPUT_BYTES_MAX = 64 * 1024
DEFAULT_KINDS = {"http": "api", "chat": "model", "mcp": "tool"}

# Micro-dollars of a call from its dependency, version, input and output tokens; None: no price.
Price = Callable[[str, str | None, int, int], int | None]


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """A call of a probe. It has a `reply` or an `error`; `score` where the answer could be checked."""

    item: Item
    ts_ms: int
    reply: Reply | None = None
    latency_ms: float | None = None
    error: str | None = None
    note: str = ""
    score: float | None = None
    problem: str = ""
    cost_micro_usd: int | None = None


@dataclass(slots=True)
class Run:
    """The state of a run so far; `problem` is one that is not the dependency's."""

    probe: ProbeSettings
    planned: tuple[Item, ...]
    calls: list[ProbeCall] = field(default_factory=list)
    problem: str = ""
    dearest_micro_usd: int = 0
    in_flight: int = 0

    @property
    def spent_micro_usd(self) -> int:
        """The cost of its calls."""
        return sum(call.cost_micro_usd or 0 for call in self.calls)

    @property
    def is_unanswered(self) -> bool:
        """Whether it asked and nothing answered."""
        return bool(self.calls) and all(call.reply is None for call in self.calls)

    def may_ask(self) -> bool:
        """Whether one more call stays within the run's ceiling, at the dearest price seen."""
        most = self.probe.run_micro_usd_max
        if self.problem or most is None:
            return not self.problem
        ahead = (self.in_flight + 1) * self.dearest_micro_usd
        if self.spent_micro_usd + ahead > most:
            self.problem = (
                f"stopped after {len(self.calls) + self.in_flight} of {len(self.planned)} calls: the "
                "next could pass max_cost_usd"
            )
        return not self.problem


def planned_run(probe: ProbeSettings, items: Sequence[Item]) -> Run:
    """A run that asks every item once, then all of them again, as often as configured."""
    return Run(probe, tuple(items) * probe.repeat, dearest_micro_usd=probe.call_micro_usd or 0)


class Prober:
    """Runs probes, with one HTTP client and one limit on calls in flight for all of them.

    Args:
        clock: Now in epoch milliseconds.
        price: What tokens cost.
        folder: Where a person's check functions lie.
    """

    def __init__(self, *, clock: Callable[[], int], price: Price, folder: Path | None) -> None:
        self._clock, self._price, self._folder = clock, price, folder
        self._calls = anyio.CapacityLimiter(CALLS_MAX)
        self._stack = AsyncExitStack()
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(http_client(CALLS_MAX))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def carry_out(self, run: Run) -> None:
        """Ask what the run has planned; its calls are there even where this is cancelled.

        A dependency that cannot be asked is an error of each call; what is wrong on this side (a
        secret that is not set, a ceiling that is reached) is the run's problem.
        """
        try:
            async with self._connection(run.probe) as ask:
                await self._ask_all(run, ask)
        except ProbeError as error:
            if not run.problem:
                now_ms, note = self._clock(), without_secrets(str(error), run.probe)
                run.calls += [
                    ProbeCall(item, now_ms, error=error.code, note=note)
                    for item in run.planned[len(run.calls) :]
                ]
        except ConfigError as error:
            run.problem = str(error)

    def _connection(self, probe: ProbeSettings) -> Connection:
        if probe.kind == "mcp":
            from gonogo.prober.mcp_server import mcp_server

            return mcp_server(probe)
        return endpoint(probe, self._http)

    @property
    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("a Prober is used inside `async with`")
        return self._client

    async def _ask_all(self, run: Run, ask: Ask) -> None:
        planned = list(run.planned)
        room = anyio.Semaphore(run.probe.concurrency)
        if run.probe.run_micro_usd_max is not None and run.may_ask():
            # What a call costs is known after one; until then the ceiling could be passed.
            await room.acquire()
            await self._ask_one(run, ask, planned.pop(0), room)
        async with anyio.create_task_group() as tasks:
            for item in planned:
                await room.acquire()
                if not run.may_ask():
                    break
                tasks.start_soon(self._ask_one, run, ask, item, room)

    async def _ask_one(self, run: Run, ask: Ask, item: Item, room: anyio.Semaphore) -> None:
        run.in_flight += 1
        try:
            async with self._calls:
                asked = await self._asked(run.probe, ask, item)
            run.calls.append(asked)
            if asked.reply is not None and run.probe.run_micro_usd_max is not None:
                self._hold_to_ceiling(run, asked)
        except ConfigError as error:
            run.problem = str(error)
        finally:
            run.in_flight -= 1
            room.release()

    async def _asked(self, probe: ProbeSettings, ask: Ask, item: Item) -> ProbeCall:
        ts_ms, begun = self._clock(), anyio.current_time()
        try:
            reply = await ask(item)
        except ProbeError as error:
            # Even an address that it redirects to may echo what it was sent.
            note = without_secrets(str(error), probe)
            return ProbeCall(
                item, ts_ms, error=error.code, note=note, cost_micro_usd=probe.call_micro_usd
            )
        latency_ms = 1000 * (anyio.current_time() - begun)
        score = await score_answer(reply.text, item, probe, client=self._http, folder=self._folder)
        return ProbeCall(
            item,
            ts_ms,
            reply,
            latency_ms,
            score=score.value,
            problem=score.problem,
            cost_micro_usd=self._cost(probe, reply),
        )

    def _cost(self, probe: ProbeSettings, reply: Reply) -> int | None:
        tokens = (reply.input_tokens, reply.output_tokens)
        if tokens != (None, None):
            priced = self._price(probe.dependency, reply.version, tokens[0] or 0, tokens[1] or 0)
            if priced is not None:
                return priced
        return probe.call_micro_usd

    def _hold_to_ceiling(self, run: Run, asked: ProbeCall) -> None:
        if asked.cost_micro_usd is None:
            run.problem = (
                f"probes.{run.probe.name}: no price is known, so max_cost_usd cannot be held; set "
                "call_cost_usd, or prices"
            )
        else:
            run.dearest_micro_usd = max(run.dearest_micro_usd, asked.cost_micro_usd)


def observations(
    run: Run, own: DependencySettings, *, reservation: str | None
) -> list[Observation]:
    """The run's calls as evidence. No secret is in them, whatever the endpoint echoed."""
    return [_observation(call, run.probe, own, reservation) for call in run.calls]


def _observation(
    call: ProbeCall, probe: ProbeSettings, own: DependencySettings, reservation: str | None
) -> Observation:
    reply = call.reply
    text = without_secrets(reply.text, probe) if reply is not None else None
    fits = text is not None and len(text.encode(errors="replace")) <= OUTPUT_BYTES_MAX
    said = reply.version if reply is not None else None
    repeated = text is not None and probe.repeat > 1
    return Observation(
        dependency=probe.dependency,
        ts_ms=call.ts_ms,
        kind=own.kind or DEFAULT_KINDS[probe.kind],  # type: ignore[arg-type]
        version=without_secrets(said, probe) if said is not None else probe.version,
        outcome=call.score,
        outcome_ts_ms=call.ts_ms if call.score is not None else None,
        error=call.error,
        latency_ms=call.latency_ms,
        cost_micro_usd=call.cost_micro_usd,
        input_tokens=reply.input_tokens if reply is not None else None,
        output_tokens=reply.output_tokens if reply is not None else None,
        item=call.item.id,
        budget=probe.budget,
        reservation=reservation,
        input_hash=_digest(json.dumps(call.item.input, sort_keys=True)) if repeated else None,
        output_hash=_digest(" ".join((text or "").split())) if repeated else None,
        segments=call.item.segments,
        output=text if fits else None,
    )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()
