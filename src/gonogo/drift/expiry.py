"""How long a drift report stands while its evidence is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.records import HOUR_MS

if TYPE_CHECKING:
    from gonogo.hours.rate_hours import Maturity

# How stale the data are is told in tenths of days.
STALE_TOLD_MS = 60_000


def good_until_ms(maturity: Maturity, *, stale_at_ms: int | None, now_ms: int) -> int:
    """When time alone may turn a report: the next hour, hours that ripen, data that grow stale."""
    turns = [(now_ms // HOUR_MS + 1) * HOUR_MS]
    if not maturity.prompt:
        turns.append(round((maturity.end_hour(now_ms) + 1) * HOUR_MS + maturity.lag_s * 1000))
    if stale_at_ms is not None:
        turns.append(stale_at_ms + 1 if stale_at_ms >= now_ms else now_ms + STALE_TOLD_MS)
    return min(turns)
