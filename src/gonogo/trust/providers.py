"""Several dependencies failing at once have one cause: a provider, or one that nobody declared.

Groups that share a declared `provider` are tested first. Dependencies without one are tested in
pairs, by when their incidents began, and only those that are in a bad state are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gonogo.answers import SuspectedProvider, rfc3339
from gonogo.records import HOUR_MS
from gonogo.text.trust_summary import NOT_DECLARED

if TYPE_CHECKING:
    from gonogo.ports.trust_reads import TrustTelemetry
    from gonogo.records import HourCounts, Ints
    from gonogo.settings import Settings

HISTORY_HOURS = 14 * 24
# Members that are looked at, the most recently called first: by a check of one of them, which is
# made anew with each call of any, and by a look at the fleet.
MEMBERS_MAX = 30
MEMBERS_OF_FLEET_MAX = 500
LISTED_MAX = 50
# One naming in a hundred may be chance, whatever else is known.
NEEDED = 100.0


async def failing_provider(
    telemetry: TrustTelemetry,
    settings: Settings,
    provider: str,
    *,
    now_ms: int,
    members_max: int = MEMBERS_MAX,
) -> SuspectedProvider | None:
    """The provider, where two or more of its dependencies fail together now."""
    from gonogo.detectors.trust.cofailure import failing_together

    declared = [name for name, own in settings.dependencies.items() if own.provider == provider]
    recorded = await telemetry.provider_members(provider)
    # What the configuration says of a dependency outweighs what was recorded with it.
    moved = {
        name for name, own in settings.dependencies.items() if own.provider not in (None, provider)
    }
    every = [name for name in dict.fromkeys([*declared, *recorded]) if name not in moved]
    names, failed, n = await _history(telemetry, every[:members_max], now_ms)
    if len(names) < 2:  # noqa: PLR2004 - together takes two
        return None
    found = failing_together(failed, n)
    if found.e_value < NEEDED or len(found.members) < 2:  # noqa: PLR2004 - the same
        return None
    start_hour = now_ms // HOUR_MS - HISTORY_HOURS + 1 + found.start
    return _suspected(
        provider,
        [names[row] for row in found.members],
        start_hour,
        found.e_value,
        looked_at=min(len(every), members_max),
        of=len(every),
    )


def _suspected(
    provider: str, falling: list[str], start_hour: int, e_value: float, *, looked_at: int, of: int
) -> SuspectedProvider:
    """The suspected providers, and what was left out where there are any."""
    return SuspectedProvider(
        provider=provider,
        dependencies=falling[:LISTED_MAX],
        falling=len(falling) if len(falling) > LISTED_MAX else None,
        looked_at=looked_at if looked_at < of else None,
        of=of if looked_at < of else None,
        since=rfc3339(start_hour * HOUR_MS),
        e_value=e_value,
    )


async def falling_with(
    telemetry: TrustTelemetry, names: Sequence[str], *, now_ms: int
) -> SuspectedProvider | None:
    """Among dependencies in a bad state without a declared provider, the groups that fall together.

    Told by when their incidents began in the last 14 days; `since` is the hour in which they last
    began together, the e-value is calibrated from the pairs' p-value.
    """
    from gonogo.detectors.trust.cofailure import falling_pairs

    rows, failed, n = await _history(telemetry, names[:MEMBERS_MAX], now_ms)
    if len(rows) < 2:  # noqa: PLR2004 - a pair
        return None
    pairs = falling_pairs(failed, n)
    if not pairs:
        return None
    first = pairs[0]
    together = {first.first, first.second}
    for pair in pairs[1:]:
        if together & {pair.first, pair.second}:
            together |= {pair.first, pair.second}
    start_hour = now_ms // HOUR_MS - HISTORY_HOURS + 1 + first.newest_start
    return _suspected(
        NOT_DECLARED,
        [rows[row] for row in sorted(together)],
        start_hour,
        0.5 / max(first.p_value, 1e-300) ** 0.5,
        looked_at=min(len(names), MEMBERS_MAX),
        of=len(names),
    )


async def _history(
    telemetry: TrustTelemetry, names: Sequence[str], now_ms: int
) -> tuple[list[str], Ints, Ints]:
    """Failed calls and calls of each name by hour, oldest first; those without calls left out."""
    import numpy as np

    start = now_ms // HOUR_MS - HISTORY_HOURS + 1
    hours = await telemetry.recent_hours(names, start_hour=start)
    kept = [name for name in names if name in hours and hours[name].n.sum()]
    failed = np.zeros((len(kept), HISTORY_HOURS), dtype=np.int64)
    n = np.zeros_like(failed)
    for row, name in enumerate(kept):
        counts = hours[name]
        inside = counts.hour < start + HISTORY_HOURS
        at = counts.hour[inside] - start
        np.add.at(n[row], at, counts.n[inside])
        np.add.at(failed[row], at, _failed(counts)[inside])
    return kept, failed, n


def _failed(counts: HourCounts) -> Ints:
    """Calls that failed, came late, or were answered below the quality bar."""
    failed: Ints = counts.n - counts.ok + counts.ok_labels - counts.ok_good
    return failed
