"""The standing verdicts as every surface shows them: one rule, read in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gonogo.ports.telemetry import DecisionLog
from gonogo.records import VERDICTS_BY_SEVERITY, Part, PartVerdict, StandingVerdict, Verdict
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.answers import Answer


class CurrentVerdict(NamedTuple):
    """A standing verdict as it reads now, and the parts that it is the worst of.

    `as_of_ms`: when the older of its parts was asked. A part is None where it was never asked.
    """

    verdict: Verdict
    as_of_ms: int | None = None
    drift: Verdict | None = None
    trust: Verdict | None = None


NEVER_ASKED = CurrentVerdict("unknown")


def by_severity(counts: Mapping[Verdict, int]) -> dict[Verdict, int]:
    """Count dependencies by verdict, the worst verdict first."""
    return {one: counts[one] for one in reversed(VERDICTS_BY_SEVERITY) if counts.get(one)}


def part_verdict(part: Part, answer: Answer, *, now_ms: int) -> PartVerdict:
    """The standing verdict that an answer about a whole dependency, now, gives."""
    age_s = answer.data_age_s
    data_ms = None if age_s is None else now_ms - 1000 * age_s
    return PartVerdict(part, answer.verdict, now_ms, data_ms)


def stale_after_ms(settings: Settings, dependency: str) -> int:
    """The age of its newest data from which a dependency is unknown."""
    return round(settings.dependency(dependency).stale_after_s * 1000)


def standing_now(
    settings: Settings, dependency: str, standing: StandingVerdict, now_ms: int
) -> CurrentVerdict:
    """Read a stored standing verdict as of now; stale evidence reads as unknown."""
    stale_ms = stale_after_ms(settings, dependency)
    return CurrentVerdict(
        standing.verdict(now_ms, stale_ms),
        standing.as_of_ms,
        standing.drift and standing.drift.at(now_ms, stale_ms),
        standing.trust and standing.trust.at(now_ms, stale_ms),
    )


async def verdicts_now(
    log: DecisionLog, settings: Settings, *, now_ms: int, names: Sequence[str] | None = None
) -> dict[str, CurrentVerdict]:
    """The standing verdicts of these dependencies, or of all; without those never asked."""
    found = await log.standing(names)
    return {name: standing_now(settings, name, one, now_ms) for name, one in found.items()}
