"""Telling people: each notifier hears of each incident what it has not heard, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.actuators import Step
    from gonogo.ports.notices import Notices, Notifier


async def tell_all(
    notices: Notices, notifiers: Sequence[Notifier], *, now_ms: int
) -> list[tuple[str, Step]]:
    """Tell every notifier what is news to it.

    What was not taken for certain is told again in the next turn: a message may come twice, with
    the same key, and is never lost.

    Returns:
        What was told, a notifier's name and what became of it each.
    """
    told = []
    for notifier in notifiers:
        for notice in await notices.due(notifier.name):
            if not (notice.news or notifier.repeats):
                continue
            step = await notifier.tell(notice, now_ms=now_ms)
            told.append((notifier.name, step))
            if step.status == "done":
                await notices.mark_told(notifier.name, notice.incident.id, len(notice.events))
    return told
