"""The ruling on a call: by the verdict that stands in the store while it is fresh, else asked now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.guard.ruling import ruling_of
from gonogo.ports.standing_verdicts import NEVER_ASKED, CurrentVerdict, standing_now
from gonogo.records import worst_verdict

if TYPE_CHECKING:
    from gonogo.guard.hook_forms import Ruling
    from gonogo.settings import Settings

__all__ = ["ruling_now"]

# A client gives a hook a minute; who waits for a tool call waits less gladly.
ANSWER_S = 10.0


def ruling_now(name: str, settings: Settings, *, now_ms: int) -> Ruling:
    """What becomes of a call of a dependency.

    Raises:
        GonogoError: The store or the configuration cannot be read.
        TimeoutError: The checks took longer than 10 s.
    """
    now = _standing_on_file(name, settings, now_ms=now_ms)
    if now is None:
        import anyio

        now = anyio.run(_asked_now, name, settings)
    return ruling_of(name, now, settings.guard, now_ms=now_ms)


def _standing_on_file(name: str, settings: Settings, *, now_ms: int) -> CurrentVerdict | None:
    """The standing verdict, read from the store's file alone; None where it has to be asked.

    A process that only looks at one row need not open the store, which takes ten times as long. Of
    a dependency that the store does not know nothing was ever asked, and nothing can be.
    """
    import sqlite3
    from contextlib import closing
    from pathlib import Path

    from gonogo.store.books.verdict_book import read_standing
    from gonogo.store.sqlite.file_connection import FileConnection

    if "://" in settings.store:
        return None
    path = Path(settings.store).absolute()
    if not path.exists():
        return NEVER_ASKED
    with closing(
        sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, factory=FileConnection)
    ) as connection:
        try:
            known = connection.execute(
                "SELECT 1 FROM dependency WHERE name = ?", (name,)
            ).fetchone()
            found = read_standing(connection, [name]).get(name)
        except sqlite3.OperationalError:
            return None  # of an earlier or a later form: who opens it says so
    if known is None:
        return NEVER_ASKED
    if found is None or found.as_of_ms is None or len(found.parts) < len(found):
        return None
    fresh = 0 <= now_ms - found.as_of_ms <= settings.guard.fresh_s * 1000
    return standing_now(settings, name, found, now_ms) if fresh else None


async def _asked_now(name: str, settings: Settings) -> CurrentVerdict:
    """The verdict as the checks give it now; they leave it standing for whoever asks next."""
    import anyio

    from gonogo.app import Gonogo
    from gonogo.errors import UnknownTarget

    with anyio.fail_after(ANSWER_S):
        async with Gonogo(settings, actor="guard") as app:
            try:
                drift = (await app.check_model_drift(name)).verdict
                trust = (await app.get_trust_score_health(name)).verdict
            except UnknownTarget:
                return NEVER_ASKED
            return CurrentVerdict(worst_verdict([drift, trust]), app.clock(), drift, trust)
