"""Which duties a configuration and the options of `gonogo watch` ask for."""

from __future__ import annotations

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
    return duties


async def _reconcile(app: Gonogo) -> None:
    await app.reconcile()
