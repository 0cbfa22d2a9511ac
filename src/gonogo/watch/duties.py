"""The duties of `gonogo watch`, and the loop that keeps them going."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio

from gonogo.app import Gonogo
from gonogo.errors import GonogoError, plain

BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 60.0
# A dead process is noticed after this long, and a duty that another does is looked at this often.
LEASE_S = 30.0
LOOK_EVERY_S = 5.0

logger = logging.getLogger("gonogo.watch")


@dataclass(frozen=True, slots=True)
class Duty:
    """A task that `gonogo watch` repeats.

    Attributes:
        name: How log lines call it.
        work: Does it once, or for as long as it runs where `every_s` is None.
        every_s: Seconds from the end of one turn to the start of the next.
        alone: One process at a time does it, of all that share the store: by a lease, which goes
            to another where its holder dies.
    """

    name: str
    work: Callable[[Gonogo], Awaitable[None]]
    every_s: float | None = None
    alone: bool = False


class WaitError(GonogoError):
    """A duty has nothing to do until a time has passed: who was asked wants to be left alone."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


async def keep(duty: Duty, app: Gonogo, *, holder: str = "watch") -> None:
    """Do a duty again and again until cancelled; a failure is logged, and retried with back-off."""
    try:
        await _keep(duty, app, holder)
    finally:
        if duty.alone:
            # Else another process would wait until the lease is over. Best effort: it ends anyway.
            with anyio.CancelScope(shield=True), suppress(GonogoError):
                await app.release(duty.name, holder)


async def _keep(duty: Duty, app: Gonogo, holder: str) -> None:
    failures = 0
    while True:
        wait_s = 0.0
        try:
            done = await _alone(duty, app, holder) if duty.alone else await _work(duty, app)
        except Exception as error:  # noqa: BLE001 - an entry point: one duty must not end another
            failures += 1
            told = plain(str(error), 300) if isinstance(error, GonogoError) else repr(error)
            logger.warning("%s failed (%d in a row): %s", duty.name, failures, told)
            if isinstance(error, WaitError):
                wait_s = error.wait_s
                with suppress(GonogoError):  # nobody else asks meanwhile either
                    await app.claim(duty.name, holder, for_s=wait_s + LEASE_S)
        else:
            failures = 0
            if duty.every_s is None and done:
                return
            if not done:
                await anyio.sleep(LOOK_EVERY_S)
                continue
        backoff_s = min(BACKOFF_MIN_S * 2 ** min(failures, 10), BACKOFF_MAX_S) if failures else 0.0
        await anyio.sleep(max(backoff_s, duty.every_s or 0.0, wait_s))


async def _work(duty: Duty, app: Gonogo) -> bool:
    await duty.work(app)
    return True


async def _alone(duty: Duty, app: Gonogo, holder: str) -> bool:
    """Do a turn under its lease; False where another process holds it, or has taken it over.

    Between two turns the lease is kept, so that one process does them as often as they are due.
    """
    if not await app.claim(duty.name, holder, for_s=LEASE_S):
        return False
    kept, failure = True, None

    async def renew() -> None:
        nonlocal kept
        while kept:
            await anyio.sleep(LEASE_S / 3)
            try:
                kept = await app.claim(duty.name, holder, for_s=LEASE_S)
            except GonogoError:
                kept = False  # it cannot be known: another may do it by now
        turn.cancel_scope.cancel()

    async with anyio.create_task_group() as turn:
        turn.start_soon(renew)
        try:
            await duty.work(app)
        except Exception as error:  # noqa: BLE001 - raised below, as itself and not in a group
            failure = error
        turn.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if kept and duty.every_s is not None:
        await app.claim(duty.name, holder, for_s=duty.every_s + LEASE_S)
    return kept


async def keep_all(duties: Sequence[Duty], app: Gonogo, *, holder: str = "watch") -> None:
    """Keep every duty going side by side until cancelled.

    Args:
        duties: What to do.
        app: What to do it with.
        holder: A name that no other process has, for the leases.
    """
    async with anyio.create_task_group() as tasks:
        for duty in duties:
            tasks.start_soon(partial(keep, duty, app, holder=holder), name=duty.name)
