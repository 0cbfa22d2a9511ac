"""Money of calls, held for those of the next second at once, and booked when they have ended.

To check a budget and hold money durably takes 10 to 30 ms. So a program that calls often holds for as
many calls ahead as it made in the last second, but never for more than a sixteenth of what is left: near
its end each call of a budget is checked alone. What was not drawn within a second is given back. A hold
lasts half a minute and is renewed while its calls run: of a process that is killed nothing stays held.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gonogo.errors import ActionRefused, GonogoError, ParameterError, UnknownTarget, plain
from gonogo.ports.money import micro_usd
from gonogo.records import Unit

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gonogo.answers import BudgetCheck
    from gonogo.app import Gonogo
    from gonogo.recorder.asker import Asker

# As long is held for calls that have not begun; other processes wait no longer for this money.
AHEAD_S = 1.0
AHEAD_CALLS_MAX = 1024
# Below so many calls a second each is checked alone.
OFTEN = 4
# At most this part of what is left is held ahead.
SHARE_AHEAD = 16
# How long giving it back may take.
GIVE_BACK_S = 0.5
LEASE_S = 30
# Ended calls are booked together.
LINGER_S = 0.2
BATCH_MAX = 1000
ENDED_MAX = 10_000
RETRY_S = 1.0
CLOSE_S = 2.0

logger = logging.getLogger("gonogo.guard")


class CallRefusedError(ActionRefused):
    """A call that was stopped before it ran; the message says why and what to do."""


@dataclass(slots=True, eq=False)
class HeldCalls:
    """A hold for some calls of one dependency: `left` have not begun, `running` are not booked yet."""

    id: str
    size: int
    left: int
    held_usd: float
    running: int = 0
    declared_usd: float = 0.0
    unit: Unit = "usd"
    # Set once it has nothing to wait for: no call left to draw, none running.
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Lane:
    """Calls of one dependency: the holds to draw from, the one that is asked for, the newest calls."""

    holds: deque[HeldCalls] = field(default_factory=deque)
    coming: Future[HeldCalls | None] | None = None
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=AHEAD_CALLS_MAX))
    roof: int = 1

    def wanted(self, now: float) -> int:
        """The number of calls to hold money for: as many as came within the last second."""
        while self.newest and now - self.newest[0] > AHEAD_S:
            self.newest.popleft()
        return max(1, min(len(self.newest), self.roof))


class CallMoney:
    """Holds and books the money of calls in one process; safe among threads.

    Args:
        asker: The application, in whose thread everything is held and booked.
        budget: Whose money is held; None: calls are recorded only.
        call_usd: What a call costs; without it a call is forecast from recorded ones.
        ahead: Whether calls are held for before they come.
        unheld: Told why a call goes on without a hold; raises where it may not.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        budget: str | None,
        call_usd: float | None,
        ahead: bool,
        unheld: Callable[[str, str], None],
    ) -> None:
        self.asker, self._budget, self._call_usd = asker, budget, call_usd
        self._most = AHEAD_CALLS_MAX if ahead else 1
        self._unheld = unheld
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}
        self._ended: list[tuple[HeldCalls | None, dict[str, object] | None, float | None]] = []
        self._booking: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._open: dict[HeldCalls, asyncio.Task[None]] = {}
        self._said: str | None = None

    def draw(self, dependency: str) -> HeldCalls | None:
        """The hold of one call that begins now; None where nothing can be held.

        Raises:
            CallRefusedError: It does not fit the budget.
        """
        if self._budget is None:
            return None
        lane, now = self._lanes.setdefault(dependency, _Lane()), time.monotonic()
        lane.newest.append(now)
        while True:
            with self._lock:
                hold = self._drawn(lane, dependency, now)
                if hold is not None:
                    return hold
                coming = lane.coming or self._ask(lane, dependency, lane.wanted(now))
            try:
                found = coming.result()
            except ActionRefused as refused:
                raise CallRefusedError(str(refused)) from None
            if found is None:
                return None

    def _drawn(self, lane: _Lane, dependency: str, now: float) -> HeldCalls | None:
        """Take one call from the held ones; where less than half a second's worth is left, ask for more."""
        while lane.holds and not lane.holds[0].left:
            lane.holds.popleft()
        if not lane.holds:
            return None
        hold = lane.holds[0]
        hold.left -= 1
        hold.running += 1
        if lane.coming is None and self._most > 1:
            wanted = lane.wanted(now)
            if wanted >= OFTEN and sum(each.left for each in lane.holds) * 2 < wanted:
                self._ask(lane, dependency, wanted)
        return hold

    def _ask(self, lane: _Lane, dependency: str, calls: int) -> Future[HeldCalls | None]:
        lane.coming = self.asker.submit(
            lambda app: self._held(app, lane, dependency, min(calls, self._most))
        )
        return lane.coming

    async def _held(
        self, app: Gonogo, lane: _Lane, dependency: str, calls: int
    ) -> HeldCalls | None:
        hold = None
        try:
            found = await self._checked(app, dependency, calls)
            if found.verdict == "no_go" and calls > 1:
                calls = 1
                found = await self._checked(app, dependency, calls)
            refused_at = time.monotonic()
            # What others hold ahead is given back unless it is used.
            while found.verdict == "no_go" and (found.held_usd or found.binding):
                if time.monotonic() - refused_at > AHEAD_S + GIVE_BACK_S:
                    break
                await asyncio.sleep(AHEAD_S / 4)
                found = await self._checked(app, dependency, calls, reserve=False)
                if found.verdict != "no_go":
                    found = await self._checked(app, dependency, calls)
            if found.verdict == "no_go":
                raise CallRefusedError(f"gonogo: {dependency} was not called. {found.summary}")
            if found.reservation is None:
                self._unheld(dependency, found.summary)
                return None
            held = found.reservation
            hold = HeldCalls(held.id, calls, calls, held.held_usd, unit=found.unit or "usd")
            left_usd = found.binding.remaining_usd if found.binding else found.remaining_usd
            with self._lock:
                lane.roof = int(left_usd * calls / max(hold.held_usd, 1e-6) / SHARE_AHEAD)
                lane.holds.append(hold)
            self._open[hold] = asyncio.create_task(self._look_after(app, hold))
            return hold
        finally:
            with self._lock:
                lane.coming = None

    async def _checked(
        self, app: Gonogo, dependency: str, calls: int, *, reserve: bool = True
    ) -> BudgetCheck:
        usd = None if self._call_usd is None else self._call_usd * calls
        budget = app.settings.budget(self._budget or "")
        if usd is not None and budget is not None:
            try:
                micro_usd(usd, name="call_usd", unit=budget.unit)
            except ParameterError as wrong:
                # No later call could be held for either: to let them go on would be no budget at all.
                said = f"gonogo: {dependency} was not called. Budget '{self._budget}': {wrong}"
                raise CallRefusedError(said) from None

        def check(name: str | None) -> Coroutine[object, object, BudgetCheck]:
            return app.check_budget_with_confidence(
                self._budget or "",
                name,
                None if usd else calls,
                usd,
                reserve=reserve,
                lease_s=LEASE_S,
            )

        try:
            return await check(dependency)
        except UnknownTarget as unknown:
            if unknown.what != "dependency" or usd is None:
                raise
            # Nothing was ever recorded of it, and its cost is declared.
            return await check(None)

    async def _look_after(self, app: Gonogo, hold: HeldCalls) -> None:
        """Give back what is not drawn within a second, renew while calls run, settle at the end."""
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(hold.done.wait(), AHEAD_S)
            await self._lower(app, hold)
            await self._free_surplus(app, hold)
            budget = app.settings.budget(self._budget or "")
            until = time.monotonic() + (LEASE_S if budget is None else budget.hold_expires_s)
            while hold.running and time.monotonic() < until:
                with suppress(TimeoutError):
                    await asyncio.wait_for(hold.done.wait(), LEASE_S / 3)
                    break
                with suppress(GonogoError):  # a store that is away is tried again
                    ledger = (await app.stores()).ledger
                    await ledger.renew(hold.id, now_ms=app.clock(), length_s=LEASE_S)
            await app.settle_reservation(hold.id, hold.declared_usd or None)
        except Exception as error:  # noqa: BLE001 - a task's entry point
            self._say(error)
        finally:
            del self._open[hold]

    async def _lower(self, app: Gonogo, hold: HeldCalls) -> None:
        """Give back what was held for calls that did not come."""
        with self._lock:
            drawn, hold.left = hold.size - hold.left, 0
            if not hold.running:
                hold.done.set()
        if 0 < drawn < hold.size:
            held = micro_usd(hold.held_usd, name="held_usd", unit=hold.unit) * drawn // hold.size
            ledger = (await app.stores()).ledger
            await ledger.lower(hold.id, to_micro_usd=held, now_ms=app.clock())

    async def _free_surplus(self, app: Gonogo, hold: HeldCalls) -> None:
        """Give back what booked calls cost less than was held for each, while others of the hold run."""
        if hold.left or not 0 < hold.running < hold.size:
            return
        share = -(-micro_usd(hold.held_usd, name="held_usd", unit=hold.unit) // hold.size)
        declared = micro_usd(hold.declared_usd, name="declared_usd", unit=hold.unit)
        ledger = (await app.stores()).ledger
        await ledger.lower(
            hold.id,
            to_micro_usd=share * hold.running + declared,
            now_ms=app.clock(),
            beyond_recorded=True,
        )

    def end(
        self, hold: HeldCalls | None, fields: dict[str, object] | None, usd: float | None = None
    ) -> None:
        """Record a call that has ended, by its hold, without waiting; `usd`: what it is settled at."""
        with self._lock:
            self._ended.append((hold, fields, usd))
            first = len(self._ended) == 1
        if first:
            self.asker.submit(self._begin_booking)

    async def _begin_booking(self, app: Gonogo) -> None:
        if self._booking is None or self._booking.done():
            self._booking = asyncio.create_task(self._book(app))

    async def _book(self, app: Gonogo) -> None:
        """Record what has ended, in batches; a store that is away is tried again."""
        while self._ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), LINGER_S)
            with self._lock:
                batch, self._ended = self._ended[:BATCH_MAX], self._ended[BATCH_MAX:]
            try:
                rows = [
                    self._priced(app, hold, fields)
                    for hold, fields, _ in batch
                    if fields is not None
                ]
                answer = await app.record_observations(rows) if rows else None
            except Exception as error:  # noqa: BLE001 - the task must go on, whatever the store does
                self._say(error)
                with self._lock:
                    self._ended = [*batch, *self._ended][:ENDED_MAX]
                await asyncio.sleep(RETRY_S)
                continue
            for refused in answer.rejected if answer else ():
                logger.warning("gonogo: not recorded: %s %s", refused.field, refused.problem)
            with self._lock:
                for hold, _, usd in batch:
                    if hold is not None:
                        hold.declared_usd += usd or 0.0
                        hold.running -= 1
                        if not hold.running and not hold.left:
                            hold.done.set()
            try:
                for hold in {hold for hold, _, _ in batch if hold is not None}:
                    await self._free_surplus(app, hold)
            except Exception as error:  # noqa: BLE001 - as above: it is given back later
                self._say(error)

    def _priced(
        self, app: Gonogo, hold: HeldCalls | None, fields: dict[str, object]
    ) -> dict[str, object]:
        """A call's fields; at the declared cost where its tokens have no price, which would count as nothing spent."""
        if self._call_usd is None or (hold is not None and hold.unit != "usd"):
            return fields
        told = {key for key, value in fields.items() if value is not None}
        if "cost_usd" in told or not told & {"input_tokens", "output_tokens"}:
            return fields
        from gonogo.money.prices import TokenUsage, call_nano_usd

        name, version = str(fields["dependency"]), fields.get("version")
        price = call_nano_usd(
            name,
            None if version is None else str(version),
            TokenUsage(1, 1),
            ts_ms=app.clock(),
            settings=app.settings,
        )
        return fields if price is not None else {**fields, "cost_usd": self._call_usd}

    def flush(self, timeout_s: float) -> bool:
        """Book every call that has ended, and give back what is held ahead; False after the time-out."""
        flushed = self.asker.submit(self._flushed)
        try:
            return flushed.result(timeout_s)
        except TimeoutError:
            flushed.cancel()
            return False

    def close(self, timeout_s: float) -> None:
        """Book what has ended, and settle the holds of calls that will not end any more."""
        self.flush(timeout_s)
        with suppress(TimeoutError):
            self.asker.submit(self._abandoned).result(CLOSE_S)

    async def _abandoned(self, app: Gonogo) -> None:
        del app
        for hold in self._open:
            hold.running = 0
            hold.done.set()
        if self._open:
            await asyncio.wait([*self._open.values()])

    async def _flushed(self, app: Gonogo) -> bool:
        del app
        self._hurry.set()
        try:
            while self._booking is not None and not self._booking.done():
                await asyncio.wait([self._booking])
            with self._lock:
                coming = [lane.coming for lane in self._lanes.values() if lane.coming is not None]
            await asyncio.gather(*map(asyncio.wrap_future, coming), return_exceptions=True)
            with self._lock:
                for lane in self._lanes.values():
                    lane.holds.clear()
                idle = [hold for hold in self._open if not hold.running]
            for hold in idle:
                hold.done.set()
            if idle:
                await asyncio.wait([self._open[hold] for hold in idle])
        finally:
            self._hurry.clear()
        return True

    def _say(self, error: Exception) -> None:
        """Log a failure, each reason once in a row."""
        said = plain(str(error) or repr(error), 300)
        if said != self._said:
            self._said = said
            logger.warning("gonogo: %s", said)
