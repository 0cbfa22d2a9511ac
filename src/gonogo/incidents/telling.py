"""Telling people: each notifier hears of each thing what it has not heard, once. And windows of silence that come again.

What befell one provider within an hour is one page, with one key: a storm wakes people once, and
each page names all that it is about. What is not an incident (a plan that waits, a budget that
runs out) is told in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from gonogo.ports.actuators import Step
from gonogo.ports.notices import (
    INCIDENT_KINDS,
    SEVERITIES,
    URGENCY,
    Notice,
    Notices,
    Notifier,
    Page,
    Silence,
)
from gonogo.settings import CronTimes, MaintenanceSettings, Settings

# Four years and a day have every date that there is.
LOOK_AHEAD_DAYS = 4 * 366
WRITTEN_BY = "gonogo.toml"


def pages_of(
    due: Sequence[Notice], url: str | None = None, laddered: frozenset[str] = frozenset()
) -> list[Page]:
    """Group due notices by key, the most urgent first; pure."""
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


def repeated_silences(settings: Settings, *, now_ms: int) -> list[Silence]:
    """List one silence a maintenance window and name: the window that holds now, else the next."""
    found = []
    for window in settings.maintenance.values():
        start_ms = _start_ms(window, settings.timezone, now_ms)
        if start_ms is not None:
            until_ms = start_ms + 1000 * window.lasts_s
            found += [
                Silence(
                    f"maintenance:{window.name}",
                    name,
                    window.reason or f"maintenance {window.name}",
                    WRITTEN_BY,
                    start_ms,
                    until_ms,
                )
                for name in window.dependencies
            ]
    return sorted(found, key=lambda silence: silence.until_ms)


def _start_ms(window: MaintenanceSettings, timezone: str, now_ms: int) -> int | None:
    """The start of the first window that ends after now; None where none ever does.

    Its length is counted in real time. Where clocks are put forward over its start it starts an
    hour later by the new ones; where they are put back, at the first of the two.
    """
    zone = ZoneInfo(window.timezone or timezone)
    from_ms = now_ms - 1000 * window.lasts_s
    first = datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(zone).date() - timedelta(days=1)
    return next((ms for ms in _starts(window.times, zone, first) if ms > from_ms), None)


def _starts(times: CronTimes, zone: tzinfo, first: date) -> Iterator[int]:
    for ahead in range(LOOK_AHEAD_DAYS):
        day = first + timedelta(days=ahead)
        if times.has_day(day):
            for hour, minute in times.of_day:
                start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                yield round(start.timestamp() * 1000)
