"""Which duties a configuration and the options of `gonogo watch` ask for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gonogo.watch.duties import Duty

if TYPE_CHECKING:
    from gonogo.app import Gonogo
    from gonogo.settings import Settings

RECONCILE_EVERY_S = 60.0


def roster(settings: Settings) -> list[Duty]:
    """The duties to keep, in the order in which they start."""
    duties = []
    if not settings.read_only:
        duties.append(Duty("reconcile", _reconcile, RECONCILE_EVERY_S))
        if settings.probes:
            duties.append(Duty("probe", _probe))
    return duties


async def _reconcile(app: Gonogo) -> None:
    await app.reconcile()


async def _probe(app: Gonogo) -> None:
    from gonogo.watch.probing import keep_probing

    draw = secrets.SystemRandom().random
    await keep_probing(app, list(app.settings.probes.values()), draw=draw)
