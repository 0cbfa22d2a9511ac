"""Telling subscribers that a resource changed, also where another process changed it.

While nobody listens nothing is looked at. A verdict changes when somebody asks for it anew; what
is told is that the resource should be read again, never what it says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing
from urllib.parse import quote

import anyio
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent

from gonogo.app import Gonogo
from gonogo.errors import GonogoError
from gonogo.views.movements import Movements

RETRY_S = 5.0

logger = logging.getLogger("gonogo.server")


class Listeners(InMemorySubscriptionBus):
    """The SDK's fan-out, which also knows whether anybody listens."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self.somebody, self.nobody = anyio.Event(), anyio.Event()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Register a listener; returns what takes it back, once."""
        forget = super().subscribe(listener)
        self._count += 1
        if self._count == 1:
            self.nobody = anyio.Event()
            self.somebody.set()
        listens = True

        def unsubscribe() -> None:
            nonlocal listens
            if not listens:
                return
            listens = False
            forget()
            self._count -= 1
            if self._count == 0:
                self.somebody = anyio.Event()
                self.nobody.set()

        return unsubscribe


async def tell_listeners(app: Gonogo, listeners: Listeners) -> None:
    """Publish what moves for as long as somebody listens, until cancelled."""
    while True:
        await listeners.somebody.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_tell, app, listeners)
            await listeners.nobody.wait()
            tasks.cancel_scope.cancel()


async def _tell(app: Gonogo, listeners: Listeners) -> None:
    while True:
        try:
            async with aclosing(app.movements()) as movements:
                async for moved in movements:
                    for uri in addresses(moved):
                        await listeners.publish(ResourceUpdated(uri=uri))
        except GonogoError as error:
            logger.warning("listening: %s", error)
            await anyio.sleep(RETRY_S)


def addresses(moved: Movements) -> list[str]:
    """The resources to read again; a name is spelt as it is and, where that differs, encoded."""
    found = ["gonogo://dependencies"] if moved.dependencies else []
    for name in moved.dependencies:
        found += dict.fromkeys(
            f"gonogo://dependency/{spelt}" for spelt in (name, quote(name, safe=""))
        )
    found += [f"gonogo://incident/{incident}" for incident in moved.incidents]
    return [*found, "gonogo://audit"] if moved.actions else found
