"""Whom and what gonogo reaches: a line for each receiver, actuator and budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import anyio

from gonogo.errors import ConfigError, plain
from gonogo.money.not_counted import nearest, uncounted_names
from gonogo.notifiers.pagerduty import EVENTS_URL
from gonogo.settings import NotifierSettings
from gonogo.text.budget_summary import not_counted_text
from gonogo.text.forms import minute, share_text

if TYPE_CHECKING:
    from gonogo.cli.command import Session

CONNECT_S = 3.0

State = Literal["ok", "note", "broken"]


async def reached(session: Session) -> list[Finding]:
    """Each receiver that is configured, each actuator and budget; nobody is told anything."""
    receivers = [await _receiver(one) for one in session.settings.notify.values()]
    return [
        *receivers,
        *await _actuators(session),
        *await _budgets(session),
        *await _promotions(session),
    ]


async def _receiver(configured: NotifierSettings) -> Finding:
    what = f"receiver {configured.name}"
    url = configured.options.get("url", EVENTS_URL)
    try:
        if configured.secret is not None:
            secret = configured.secret.reveal(wanted_by=f"settings.notify.{configured.name}")
            url = secret if configured.kind == "slack" else url
    except ConfigError as error:
        return Finding(what, "broken", str(error))
    host = urlsplit(url).hostname or ""
    port = urlsplit(url).port or (443 if urlsplit(url).scheme == "https" else 80)
    try:
        with anyio.fail_after(CONNECT_S):
            await (await anyio.connect_tcp(host, port)).aclose()
    except (OSError, TimeoutError):
        said = f"{configured.kind}: nobody answers at {host}:{port}"
        return Finding(what, "broken", said)
    test = f"gonogo notify --test --to {configured.name} sends a test"
    return Finding(what, "ok", f"{configured.kind}: {host}:{port} answers; {test}")


async def _actuators(session: Session) -> list[Finding]:
    found = []
    ports = (await session.app.stores()).fallback
    used = {
        actuator: name
        for name, own in session.settings.dependencies.items()
        for actuator in own.actuators
    }
    for name, configured in session.settings.actuators.items():
        actuator, what = ports.actuators.get(name), f"actuator {name}"
        if name not in used or actuator is None:
            found.append(Finding(what, "note", f"{configured.kind}: no dependency names it"))
            continue
        seen = await actuator.read(used[name])
        said = seen.detail or ("read" if seen.status == "known" else "nothing there yet")
        state: State = "broken" if seen.status == "unknown" else "ok"
        found.append(Finding(what, state, f"{configured.kind}: {said}"))
    return found


async def _promotions(session: Session) -> list[Finding]:
    """Versions on their way to all calls, and whether somebody looks at them."""
    from gonogo.app.people import promotions

    stores, now_ms = await session.app.stores(), session.app.clock()
    ways = [one for one in await promotions(stores, now_ms=now_ms) if one.status == "running"]
    is_watched = not ways or "promote" in await session.app.watched()
    state: State = "ok" if is_watched else "note"
    alone = "" if is_watched else "; no gonogo watch runs: its stages are looked at only when asked"
    return [
        Finding(
            f"promotion {one.dependency}",
            state,
            f"{one.candidate} has {share_text(one.share)} since {minute(one.since)}{alone}",
        )
        for one in ways
    ]


UNNAMED = (
    "lists no dependencies, and no call names it: nothing counts in it. "
    "List them (`dependencies`), or record calls with its name (`budget`)"
)


async def _budgets(session: Session) -> list[Finding]:
    """Names that no budget counts: of its `dependencies`, and of budgets in recorded calls."""
    settings = session.settings
    stores = await session.app.stores()
    traffic = await stores.traffic()
    every = {**settings.budgets, **settings.keyed_budgets}
    found = [
        Finding(f"budget {name}", "note", not_counted_text(*each))
        for name, budget in every.items()
        for each in uncounted_names(settings, (budget,), traffic)
        if each.listed in budget.dependencies
    ]
    named = await stores.ledger.budgets_named() if every else ()
    known = {*named, *(budget.parent for budget in every.values())}
    found += [
        Finding(f"budget {name}", "note", UNNAMED)
        for name, budget in settings.budgets.items()
        if not budget.dependencies and name not in known
    ]
    for name in named:
        if settings.is_nowhere(name):
            near = nearest(name, every)
            said = "recorded calls name it, and it is not configured"
            said += f": is '{plain(near, 80)}' meant?" if near else ""
            said += "; if it was renamed, name it in `formerly` of the budget in its place"
            found.append(Finding(f"budget {plain(name, 80)}", "note", said))
    return found


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of the doctor."""

    what: str
    state: State
    said: str
