"""The verdict that a gate goes by: what stands in the store while it is fresh, else asked now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.ports.standing import NEVER_ASKED, VerdictNow, standing_now
from gonogo.records import worst_verdict

if TYPE_CHECKING:
    from gonogo.settings import Settings

__all__ = ["asked_now", "standing_on_file"]


def standing_on_file(name: str, settings: Settings, *, now_ms: int) -> VerdictNow | None:
    """The standing verdict, read from the store's file alone; None where it has to be asked.

    A process that only looks at one row need not open the store, which takes ten times as long. Of
    a dependency that the store does not know nothing was ever asked, and nothing can be.
    """
    import sqlite3
    from contextlib import closing
    from pathlib import Path

    from gonogo.store.books.verdict_book import read_standing

    path = Path(settings.store)
    if "://" in settings.store or not path.exists():
        return None if "://" in settings.store else NEVER_ASKED
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            known = connection.execute(
                "SELECT 1 FROM dependency WHERE name = ?", (name,)
            ).fetchone()
            found = read_standing(connection, [name]).get(name)  # type: ignore[arg-type]
        except sqlite3.OperationalError:
            return None  # of an earlier or a later form: who opens it says so
    if known is None:
        return NEVER_ASKED
    if found is None or found.as_of_ms is None or len(found.parts) < len(found):
        return None
    fresh = 0 <= now_ms - found.as_of_ms <= settings.guard.fresh_s * 1000
    return standing_now(settings, name, found, now_ms) if fresh else None


async def asked_now(name: str, settings: Settings) -> VerdictNow:
    """The verdict as the checks give it now; they leave it standing for whoever asks next."""
    from gonogo.app import Gonogo
    from gonogo.errors import UnknownTarget

    async with Gonogo(settings, actor="guard") as app:
        try:
            drift = (await app.check_model_drift(name)).verdict
            trust = (await app.get_trust_score_health(name)).verdict
        except UnknownTarget:
            return NEVER_ASKED
        return VerdictNow(worst_verdict([drift, trust]), app.clock(), drift, trust)
