"""The store of an application: opened by the first question, under the configuration as it is now."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from gonogo.config import ConfigFile
from gonogo.errors import StoreError
from gonogo.records import Decision
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.app.parts import Stores

EDIT = "edit_configuration"
# Stores that a parent has open. A forked child lets them be: it has none of their threads, and to close
# their connections would be to write into a file that others have open.
_OF_PARENTS: list[Stores | None] = []

# Who asks, where one application answers several: it goes with the call, through all that this awaits.
_CALLER: ContextVar[str | None] = ContextVar("caller", default=None)


@contextmanager
def acting_as(actor: str | None) -> Iterator[None]:
    """Ask, record and act in a caller's name; None: in that of the application."""
    before = _CALLER.set(actor)
    try:
        yield
    finally:
        _CALLER.reset(before)


class OpenStore:
    """A store that is open while questions are asked.

    Args:
        settings: The configuration; where it was read from a file, edits of that are followed.
        clock: Now in epoch milliseconds.
        actor: Who asks, for the decision log and what is recorded; see `acting_as`.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], int], actor: str) -> None:
        self.settings = settings
        self._actor = actor
        self._given_clock = clock
        self.config_file = ConfigFile(settings)
        self._stores: Stores | None = None
        self._opening = anyio.Lock()
        self._process = os.getpid()

    def clock(self) -> int:
        """Now in epoch milliseconds, by the store's clock where this machine's is another."""
        return self._given_clock() + (0 if self._stores is None else self._stores.db.skew_ms())

    @property
    def actor(self) -> str:
        """The name under which this process asks."""
        return _CALLER.get() or self._actor

    @actor.setter
    def actor(self, actor: str) -> None:
        self._actor = actor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Write what is queued and let the store go; the next question opens it again."""
        self._leave_to_parent()
        if self._stores is not None:
            stores, self._stores = self._stores, None
            await stores.close()

    def _leave_to_parent(self) -> None:
        """Begin without a store in a process that was forked since it was opened."""
        if self._process != os.getpid():
            _OF_PARENTS.append(self._stores)
            self._stores, self._opening, self._process = None, anyio.Lock(), os.getpid()

    async def stores(self) -> Stores:
        """The open store; the first question opens it, and an edit of gonogo.toml is followed.

        Raises:
            StoreError: it cannot be opened; one line says why and what to do.
        """
        self._leave_to_parent()
        edited = self.config_file.edited(self.settings)
        if edited is not None:
            await self._follow(edited)
        if self._stores is None or self._stores.db.is_replaced:
            async with self._opening:
                if self._stores is not None and self._stores.db.is_replaced:
                    await self.close()
                with acting_as(None):  # the store is everybody's, whoever asks first
                    self._stores = self._stores or await self._open()
        caller = _CALLER.get()
        return self._stores if caller is None else replace(self._stores, actor=caller)

    async def _follow(self, edited: Settings) -> None:
        """Answer by an edited configuration from here on, and log what it changes."""
        before, self.settings = self.settings, edited
        self._forget()
        if self._stores is not None:
            self._stores = reconfigured(self._stores, edited, clock=self.clock)
            await log_change(self._stores, before, now_ms=self.clock())

    def _forget(self) -> None:
        """Drop what earlier answers left that rests on the configuration."""

    async def _open(self) -> Stores:
        from gonogo.app.parts import open_stores

        return await open_stores(self.settings, actor=self.actor, clock=self.clock)


def reconfigured(stores: Stores, settings: Settings, *, clock: Callable[[], int]) -> Stores:
    """The open store, configured anew; questions that are under way go on with it as it was."""
    from gonogo.app.parts import fallback_ports
    from gonogo.money.planned_spend import Forecasts

    telemetry = stores.telemetry.under(settings)
    ledger = stores.ledger.under(settings)
    books = stores.routes, stores.decisions, stores.incidents
    return replace(
        stores,
        telemetry=telemetry,
        ledger=ledger,
        fallback=fallback_ports(telemetry, ledger, books, settings, clock=clock),
        settings=settings,
        forecasts=Forecasts(),
    )


async def log_change(stores: Stores, before: Settings, *, now_ms: int) -> None:
    """Write what an edit changed to the log, once for all processes that follow it."""
    from gonogo.text.config_changes import config_changes

    settings = stores.settings
    if not stores.log_is_writable or settings.read_only:
        return
    with suppress(StoreError):  # the question that follows says it
        newest = await stores.decisions.decisions(dependency=None, kind=EDIT, limit=1)
        if newest and newest[0].settings_digest == settings.digest:
            return
        asked = json.dumps({"before": before.digest, "after": settings.digest})
        entry = Decision(
            id=stores.new_id(now_ms),
            ts_ms=now_ms,
            kind=EDIT,
            verdict=None,
            summary=f"gonogo.toml was edited: {config_changes(before, settings)}.",
            inputs=asked,
            answer=asked,
            action=True,
            dependency=None,
            actor=stores.actor,
            settings_digest=settings.digest,
            last_ts_ms=now_ms,
        )
        await stores.decisions.append(entry)
