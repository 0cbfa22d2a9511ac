"""Telling people: each notifier hears of each thing what it has not heard, once.

What befell one provider within an hour is one page, with one key: a storm wakes people once, and
each page names all that it is about. What is not an incident (a plan that waits, a budget that
runs out) is told in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gonogo.ports.actuators import Step
from gonogo.ports.notices import (
    INCIDENT_KINDS,
    SEVERITIES,
    URGENCY,
    Notice,
    Notices,
    Notifier,
    Page,
)


def pages_of(
    due: Sequence[Notice], url: str | None = None, laddered: frozenset[str] = frozenset()
) -> list[Page]:
    """What is due, grouped by key, the most urgent first; pure."""
    grouped: dict[str, list[Notice]] = {}
    for notice in due:
        grouped.setdefault(notice.incident.key, []).append(notice)
    pages = [
        Page(tuple(sorted(parts, key=lambda part: part.incident.opened_ms)), url, laddered)
        for parts in grouped.values()
    ]
    order = list(SEVERITIES)
    return sorted(
        pages, key=lambda page: (URGENCY.index(page.status), order.index(page.kind), page.key)
    )


async def tell(
    notices: Notices,
    notifier: Notifier,
    *,
    others: Callable[[dict[str, int]], Sequence[Notice]] = lambda _: (),
    is_silenced: Callable[[str], bool] = lambda _: False,
    url: str | None = None,
    laddered: frozenset[str] = frozenset(),
    now_ms: int,
) -> list[Step]:
    """Tell one notifier what is news to it; what became of each page.

    What was not taken for certain is told again in the next turn: a message may come twice, with
    the same key, and is never lost. A receiver that hangs, or asks to be left alone for a while, is
    asked nothing more in this turn.

    Args:
        notices: Who was told what.
        notifier: Whom to tell.
        others: What is due beside incidents, of how much was told of each by subject.
        is_silenced: Whether nobody is to be woken for a dependency now.
        url: Where the dashboard is.
        laddered: The dependencies that have somewhere to fall back to.
        now_ms: When.
    """
    due = [*await notices.due(notifier.name), *others(await notices.messages(notifier.name))]
    steps = []
    heard = [notice for notice in due if not is_silenced(notice.incident.dependency)]
    for page in pages_of(heard, url, laddered):
        if not (page.news or notifier.repeats):
            continue
        step = await notifier.tell(page, now_ms=now_ms)
        steps.append(step)
        if step.status == "done":
            for part in page.parts:
                await _mark(notices, notifier.name, part)
        elif step.status == "unknown" or step.retry_after_s is not None:
            break
    return steps


async def _mark(notices: Notices, notifier: str, part: Notice) -> None:
    incident, seq = part.incident, len(part.events)
    if incident.kind in INCIDENT_KINDS:
        await notices.mark_told(notifier, incident.id, seq)
    elif seq != part.told:
        # What is over is forgotten: it does not come back under this subject.
        seen = 0 if incident.status == "resolved" else seq
        await notices.mark_message(notifier, incident.id, seen)
