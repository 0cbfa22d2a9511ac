"""Reads of trust beyond `Telemetry`: other dependencies of the kind, repeats, kept scores.

`StoredTelemetry` gives these with the queries in `store/reads/trust_queries.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gonogo.ports.telemetry import Telemetry
from gonogo.records import (
    DAY_MS,
    PartVerdict,
    StandingVerdict,
    in_millionths,
    read_later,
    worst_verdict,
)

if TYPE_CHECKING:
    from gonogo.answers import DoubtfulWriter
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
    """Counts of how answers to the same input agree.

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


class CallCounts(NamedTuple):
    """Calls by hour, hours ascending, each with a call; shapes (hours,)."""

    hour: Ints
    n: Ints
    ok: Ints
    ok_labels: Ints
    ok_good: Ints


class WriterCounts(NamedTuple):
    """Calls that one writer recorded, golden ones apart; `good` are labels at or above the bar."""

    writer: str
    golden: bool
    n: int
    errors: int
    labels: int
    good: int


class Doubts(NamedTuple):
    """Writers whose calls of the last day disagree with the golden set.

    `aside`: those of them without whom a verdict is judged as well; `is_blame`: whether one of those says that it is worse.
    """

    named: tuple[DoubtfulWriter, ...] = ()
    aside: tuple[str, ...] = ()
    is_blame: bool = False

    def verdict(self, found: Verdict, without: Verdict) -> Verdict:
        """Combine the verdict by all calls with the one that leaves out the doubtful writers.

        No one hides a fault that shows without him; what he alone says is wrong is a caution, and no no_go.
        """
        if self.is_blame and found == "no_go" != without:
            return "caution"
        return worst_verdict([found, without])


NO_DOUBTS = Doubts()


class JudgedLabels(NamedTuple):
    """Outcomes that a judge gave and no person: of which judges, and how many."""

    judges: str
    n: int


class FleetRow(NamedTuple):
    """A dependency as a look at the fleet reads it: what is known, its score, what was last said.

    A tuple, since a look makes ten thousand. Rates are in 1e-6. `verdict` is that of the score
    alone, `scored_rev` the dependency's `rev` when it was made; all None without a score.
    """

    name: str
    kind: Kind | None
    provider: str | None
    n: int
    newest_ts_ms: int
    rev: int
    scored_ms: int | None = None
    scored_rev: int | None = None
    verdict: Verdict | None = None
    score_e6: int | None = None
    lower_e6: int | None = None
    upper_e6: int | None = None
    earlier_verdict: Verdict | None = None
    earlier_score_e6: int | None = None
    drift: Verdict | None = None
    drift_ms: int | None = None
    drift_data_ms: int | None = None
    trust: Verdict | None = None
    trust_ms: int | None = None
    trust_data_ms: int | None = None

    def scored(self, score: KeptScore) -> FleetRow:
        """This row with a new score; the last one of an earlier UTC day becomes the earlier one."""
        was = self.earlier_verdict, self.earlier_score_e6
        if self.scored_ms is not None and self.scored_ms // DAY_MS < score.ts_ms // DAY_MS:
            was = self.verdict, self.score_e6
        return self._replace(
            scored_ms=score.ts_ms,
            scored_rev=score.rev,
            verdict=score.verdict,
            score_e6=in_millionths(score.score),
            lower_e6=in_millionths(score.lower),
            upper_e6=in_millionths(score.upper),
            earlier_verdict=was[0],
            earlier_score_e6=was[1],
        )

    def order(self) -> tuple[bool, int, str]:
        """Lowest lower bound first, those without a score last."""
        return self.lower_e6 is None, self.lower_e6 or 0, self.name

    def verdict_at(self, now_ms: int, stale_after_ms: int) -> Verdict:
        """The standing verdict as of now, without an object for each part: a look reads ten thousand rows."""
        drift, trust = self.drift, self.trust
        if drift is not None and self.drift_ms is not None:
            drift = read_later(drift, self.drift_ms, self.drift_data_ms, now_ms, stale_after_ms)
        if trust is not None and self.trust_ms is not None:
            trust = read_later(trust, self.trust_ms, self.trust_data_ms, now_ms, stale_after_ms)
        return _worse(drift, trust)

    def saying(self, standing: StandingVerdict) -> FleetRow:
        """This row with the verdicts given since it was read."""
        drift, trust = standing
        row = self
        if drift is not None:
            row = row._replace(
                drift=drift.verdict, drift_ms=drift.ts_ms, drift_data_ms=drift.data_ms
            )
        if trust is not None:
            row = row._replace(
                trust=trust.verdict, trust_ms=trust.ts_ms, trust_data_ms=trust.data_ms
            )
        return row

    @property
    def standing(self) -> StandingVerdict:
        """The standing verdict of the dependency, as stored."""
        return StandingVerdict(
            None
            if self.drift is None or self.drift_ms is None
            else PartVerdict("drift", self.drift, self.drift_ms, self.drift_data_ms),
            None
            if self.trust is None or self.trust_ms is None
            else PartVerdict("trust", self.trust, self.trust_ms, self.trust_data_ms),
        )


@cache
def _worse(drift: Verdict | None, trust: Verdict | None) -> Verdict:
    return worst_verdict([part for part in (drift, trust) if part is not None])


class TrustTelemetry(Telemetry, Protocol):
    """Telemetry with the few cheap reads that a calibrated score needs."""

    async def population(self, kind: Kind | None, *, since_day: int, limit: int) -> Population:
        """Totals since a UTC day of up to `limit` dependencies of a kind (None: kind unknown).

        Of their own calls, or of golden ones where there are no others. Those with the newest
        observations come first; costs `limit` times the days, whatever the fleet's size.
        """
        ...

    async def repeats(self, dependency: str) -> Repeats:
        """Read how the stored answers to repeated inputs agree, within a version."""
        ...

    async def provider_members(self, provider: str) -> list[str]:
        """Dependencies recorded with this provider, newest observation first."""
        ...

    async def newest_calls(
        self,
        dependency: str,
        *,
        version: str | None,
        since_ms: int,
        until_ms: int,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[str | None]:
        """The newest calls from `since_ms` up to `until_ms`: each one's error, or None; newest first.

        Of one version where it is named; golden calls are calls. Those of the writers `without` are left out.
        """
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

    async def call_counts(
        self, dependencies: Sequence[str], *, start_hour: int, end_hour: int
    ) -> dict[str, tuple[CallCounts, CallCounts]]:
        """Calls of many by hour, and golden ones, `start_hour <= hour < end_hour`, in one read."""
        ...

    async def partly_labelled(self, dependencies: Sequence[str], *, start_hour: int) -> list[str]:
        """Dependencies with one version that has labels and another, called, that has none.

        By days after the one of `start_hour`; golden calls and those without a version left out.
        """
        ...

    async def with_outcomes(self, dependencies: Sequence[str]) -> set[str]:
        """The names of dependencies for which an outcome was ever recorded."""
        ...

    async def judged_labels(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, JudgedLabels]:
        """Count the outcomes since an hour that only judges gave; dependencies without any are left out."""
        ...

    async def writers(self, dependency: str, *, since_ms: int) -> list[WriterCounts]:
        """Count its newest 20,000 calls since a time by writer, sorted; calls older than writers are left out."""
        ...

    async def late_writers(self, dependency: str, *, since_ms: int) -> list[str]:
        """Who recorded calls since a time that are dated before it, sorted."""
        ...

    async def golden_lately(self, *, start_hour: int) -> list[str]:
        """Dependencies whose golden set was asked since an hour, by name."""
        ...

    async def repeats_of(self, dependencies: Sequence[str]) -> dict[str, Repeats]:
        """Repeated answers (see `repeats`) of many; those without answers are left out."""
        ...

    async def keep_score(self, score: KeptScore) -> None:
        """Queue a score to be kept in place of the last one; may be lost, never waits."""
        ...

    async def keep_scores(self, scores: Sequence[KeptScore]) -> None:
        """Queue many scores to be kept (see `keep_score`)."""
        ...

    async def fleet(self) -> list[FleetRow]:
        """Every dependency, lowest `lower_e6` first, then by name; without a score last."""
        ...

    async def kept_scores(self, *, limit: int | None = None) -> list[KeptScore]:
        """The kept score of each dependency, lowest `lower` first."""
        ...
