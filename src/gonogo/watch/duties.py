"""The duties of `gonogo watch`, and the loop that keeps them going."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from gonogo.app import Gonogo
from gonogo.errors import GonogoError, plain

BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 60.0

logger = logging.getLogger("gonogo.watch")


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that is done while somebody watches.

    Attributes:
        name: How log lines call it.
        work: Does it once, or for as long as it runs where `every_s` is None.
        every_s: Seconds from the end of one turn to the start of the next.
    """

    name: str
    work: Callable[[Gonogo], Awaitable[None]]
    every_s: float | None = None


async def keep(duty: Duty, app: Gonogo) -> None:
    """Do a duty again and again until cancelled; a failure is logged, and retried with back-off."""
    failures = 0
    while True:
        try:
            await duty.work(app)
        except Exception as error:  # noqa: BLE001 - an entry point: one duty must not end another
            failures += 1
            told = plain(str(error), 300) if isinstance(error, GonogoError) else repr(error)
            logger.warning("%s failed (%d in a row): %s", duty.name, failures, told)
        else:
            failures = 0
            if duty.every_s is None:
                return
        backoff_s = min(BACKOFF_MIN_S * 2 ** min(failures, 10), BACKOFF_MAX_S) if failures else 0.0
        await anyio.sleep(max(backoff_s, duty.every_s or 0.0))


async def keep_all(duties: Sequence[Duty], app: Gonogo) -> None:
    """Keep every duty going side by side until cancelled."""
    async with anyio.create_task_group() as tasks:
        for duty in duties:
            tasks.start_soon(keep, duty, app, name=duty.name)
