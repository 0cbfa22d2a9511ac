"""A verdict that stands, as checks leave it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gonogo.clock import wall_clock_ms
from gonogo.records import PartVerdict
from gonogo.store.books.verdict_book import write_verdicts

if TYPE_CHECKING:
    from gonogo.app import Gonogo
    from gonogo.records import Verdict


async def stand(app: Gonogo, verdict: Verdict) -> None:
    """Store both parts of the model's standing verdict."""
    now_ms = wall_clock_ms()
    for part in ("drift", "trust"):
        said = {"model": PartVerdict(part, verdict, now_ms, now_ms)}
        await (await app.stores()).db.write(partial(write_verdicts, verdicts=said, now_ms=now_ms))
