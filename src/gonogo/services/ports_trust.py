"""What trust reads beyond `Telemetry`: other dependencies of the kind, repeats, kept scores.

`SqliteTelemetry` gives these with the queries in `store/reading_trust.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gonogo.services.ports import Telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import HourCounts, Ints, Kind, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Totals of dependencies of one kind over the newest days, from day rollups; shapes (m,)."""

    names: tuple[str, ...]
    n: Ints
    errors: Ints
    timed: Ints
    slo_met: Ints
    labels: Ints
    good: Ints
    ok: Ints
    ok_labels: Ints
    ok_good: Ints


@dataclass(frozen=True, slots=True)
class Repeats:
    """How answers to the same input agree.

    `answers` counts answers with an input and an output hash, `repeats` those beyond the first to
    an input. `disagreeing` is the number of repeats expected to differ from another answer to
    their input: a sum over inputs of (answers - 1) times the share of its pairs that differ.
    """

    answers: int = 0
    repeats: int = 0
    disagreeing: float = 0.0


class KeptScore(NamedTuple):
    """The last trust score of a dependency, and the last one of an earlier UTC day.

    A tuple, since a look at the fleet makes thousands. Scores are fractions. `rev` is the dependency's when it was scored.
    """

    dependency: str
    ts_ms: int
    rev: int
    verdict: Verdict
    score: float
    lower: float
    upper: float
    earlier_verdict: Verdict | None = None
    earlier_score: float | None = None


class TrustTelemetry(Telemetry, Protocol):
    """Telemetry with the few cheap reads that a calibrated score needs."""

    async def population(self, kind: Kind | None, *, since_day: int, limit: int) -> Population:
        """Totals since a UTC day of up to `limit` dependencies of a kind (None: kind unknown).

        Of their own calls, or of golden ones where there are no others. Those with the newest
        observations come first; costs `limit` times the days, whatever the fleet's size.
        """
        ...

    async def repeats(self, dependency: str) -> Repeats:
        """How the stored answers to repeated inputs agree, within a version."""
        ...

    async def provider_members(self, provider: str, *, limit: int) -> list[str]:
        """Dependencies recorded with this provider, newest observation first."""
        ...

    async def revisions(
        self, dependency: str, others: Sequence[str], *, provider: str | None
    ) -> tuple[int, int]:
        """A number that moves with the evidence around a dependency: (sum of `rev`, how many).

        Of itself, of `others`, and of all that were recorded with `provider`, or with its own
        recorded provider where None is given.
        """
        ...

    async def recent_hours(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, HourCounts]:
        """Hourly counts of several dependencies from one snapshot; unknown names are left out."""
        ...

    async def keep_score(self, score: KeptScore) -> None:
        """Queue a score to be kept in place of the last one; may be lost, never waits."""
        ...

    async def kept_scores(self, *, limit: int | None = None) -> list[KeptScore]:
        """The kept score of each dependency, lowest `lower` first."""
        ...

    async def unscored(self, *, limit: int) -> list[str]:
        """Dependencies without a kept score, or changed since; newest observation first."""
        ...
