"""The part of a trial's calls that whoever asked for the promotion recorded: nobody's own word carries it on."""

from __future__ import annotations

from gonogo.errors import plain
from gonogo.ports.promotions import Promotion
from gonogo.ports.telemetry import Telemetry
from gonogo.records import HOUR_MS, HourCounts
from gonogo.text.forms import actor_name

# A part that is too small to hide a drop that a stage has to exclude.
SHARE_MAX = 0.05


async def told_own_word(telemetry: Telemetry, made: Promotion, dependency: str) -> str | None:
    """Says that more than a twentieth of a version's calls in the trial are theirs; None where they are not."""
    if not made.asked_by:
        return None
    from gonogo.hours.counts import hours_where

    begun = made.stages[0][0] // HOUR_MS
    calls, theirs = dict[str | None, int](), dict[str | None, int]()
    for name in (dependency, made.shadow):
        if name and await telemetry.dependency(name) is not None:
            of_all = await telemetry.hours(name, start_hour=begun)
            part = await telemetry.recorded_by(name, made.asked_by, since_ms=begun * HOUR_MS)
            _add(calls, of_all)
            _add(theirs, hours_where(part, part.hour >= begun))
    for version in (made.version, made.current):
        n, of = theirs.get(version, 0), calls.get(version, 0)
        if n > SHARE_MAX * of:
            who = plain(" and ".join(map(actor_name, made.asked_by)), 80)
            told = version or "those without a version"
            return f"{who}, who asked for it, recorded {n:,} of {of:,} calls of {told}: a person decides"
    return None


def _add(sums: dict[str | None, int], counts: HourCounts) -> None:
    for at, version in enumerate(counts.versions):
        sums[version] = sums.get(version, 0) + int(counts.n[counts.version == at].sum())
