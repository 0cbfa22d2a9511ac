"""The values that pass between the store, the services and the detectors.

Frozen, in the store's own units: times are epoch milliseconds (UTC), hours are whole hours since
1970, money is integer micro-dollars, outcomes and other fractions are exact to 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from gonogo.clock import is_newer
from gonogo.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

Kind = Literal["model", "skill", "tool", "api", "prompt"]
Verdict = Literal["go", "caution", "no_go", "unknown"]

HOUR_MS = 3_600_000
QUARTER_MS = HOUR_MS // 4
DAY_MS = 86_400_000
MICRO = 1_000_000
NANO_A_MICRO = 1000
# What a budget counts, and how many of the whole numbers that it is kept in make one: micro-dollars, calls,
# tokens, microseconds. Names that end in `_usd` or `_micro_usd` are in the unit of their budget.
Unit = Literal["usd", "calls", "tokens", "minutes"]
AMOUNT_MAX = 10**15
UNIT_SIZE: Mapping[Unit, int] = {"usd": MICRO, "calls": 1, "tokens": 1, "minutes": 60 * MICRO}
# How `outcome_by` names a model that grades: `judge:NAME`.
JUDGE = "judge:"
# A call that arrives more than a day after it was made is history that is brought in: how late its
# outcome came is not known then, and nothing is learned of that.
HISTORY_AFTER_MS = DAY_MS
REFUSED_DAYS = 30  # how long what was refused on the way in is said

# From best to worst: a report is as bad as its worst part. `unknown` stands between caution and
# no_go: it never reads as "go", and it never hides a part that is known to be bad.
VERDICTS_BY_SEVERITY: tuple[Verdict, ...] = ("go", "caution", "unknown", "no_go")


def in_millionths(chance: float) -> int:
    """A chance as it is kept; what is neither 0 nor 1 is not kept as either."""
    millionths = round(chance * MICRO)
    return min(max(millionths, 1), MICRO - 1) if 0 < chance < 1 else millionths


def worst_verdict(verdicts: list[Verdict]) -> Verdict:
    """The verdict of a whole whose parts have these; `unknown` where there are no parts."""
    return max(verdicts, key=VERDICTS_BY_SEVERITY.index, default="unknown")


Part = Literal["drift", "trust"]


def read_later(
    verdict: Verdict, ts_ms: int, data_ms: int | None, now_ms: int, stale_after_ms: int
) -> Verdict:
    """Read a verdict given at `ts_ms` on data up to `data_ms` as of now.

    `unknown` once the data have grown stale since; an answer that was given on stale data has
    already weighed that, and stands.
    """
    if data_ms is not None and ts_ms <= data_ms + stale_after_ms < now_ms:
        return "unknown"
    return verdict


class PartVerdict(NamedTuple):
    """The newest verdict of drift, or of trust, on a whole dependency as it was then.

    `data_ms` is the newest observation that it rests on; None where it rests on none.
    """

    part: Part
    verdict: Verdict
    ts_ms: int
    data_ms: int | None = None

    def at(self, now_ms: int, stale_after_ms: int) -> Verdict:
        """The verdict as it reads later: unknown once its data are stale."""
        return read_later(self.verdict, self.ts_ms, self.data_ms, now_ms, stale_after_ms)


class StandingVerdict(NamedTuple):
    """The verdict of a dependency: the worst of drift and trust about the whole of it, now.

    Only a question about the whole, now, changes a part: no slice, no metric, no past. A part that
    was never asked is None and takes no part; where neither was, the verdict is `unknown`.
    """

    drift: PartVerdict | None = None
    trust: PartVerdict | None = None

    @property
    def parts(self) -> list[PartVerdict]:
        """The parts that were ever asked: drift, trust or both."""
        return [part for part in self if part is not None]

    @property
    def as_of_ms(self) -> int | None:
        """Since when nothing in it was asked again: the older of its parts; None without any."""
        return min((part.ts_ms for part in self.parts), default=None)

    def verdict(self, now_ms: int, stale_after_ms: int) -> Verdict:
        """The worst of its parts as they read now."""
        return worst_verdict([part.at(now_ms, stale_after_ms) for part in self.parts])

    def with_newer(self, said: PartVerdict, now_ms: int) -> StandingVerdict:
        """This verdict with one part replaced, unless the present part was asked later, by now."""
        known: PartVerdict | None = getattr(self, said.part)
        if known is not None and is_newer(known.ts_ms, said.ts_ms, now_ms):
            return self
        return self._replace(**{said.part: said})


@dataclass(frozen=True, slots=True)
class Observation:
    """One call or evaluation of a dependency, checked at the border and in stored units."""

    dependency: str
    ts_ms: int
    id: str | None = None
    kind: Kind | None = None
    provider: str | None = None
    version: str | None = None
    outcome: float | None = None
    outcome_ts_ms: int | None = None
    error: str | None = None
    confidence: float | None = None
    latency_ms: float | None = None
    cost_micro_usd: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    item: str | None = None
    budget: str | None = None
    reservation: str | None = None
    prediction: str | None = None
    label: str | None = None
    input_hash: str | None = None
    output_hash: str | None = None
    embedding: tuple[float, ...] | None = None
    segments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    output: str | None = None
    outcome_by: str | None = None  # `human`, `rule`, `user` or `judge:NAME`
    # A judge's grade beside a person's outcome: its `outcome_by`, and the outcome that it gave.
    judged: tuple[str, float] | None = None
    # The run of an import that it came with, and another id by which evaluations may name it.
    run: str | None = None
    alias: str | None = None
    # No time was stated: `ts_ms` is that of arrival.
    ts_assumed: bool = field(default=False, compare=False)
    # `outcome_ts_ms` was taken from `ts_ms`, as for history of a file; one that fills in came on arrival.
    outcome_ts_assumed: bool = False
    # The cost in 1e-9 USD, where it is finer than `cost_micro_usd`.
    cost_nano_usd: int | None = None
    # Parts of the tokens that have prices of their own, and the service tier: `batch`, `priority`, ...
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    tier: str | None = None
    weight: float | None = None  # one over its chance of being recorded


@dataclass(frozen=True, slots=True)
class Rejection:
    """The reason why one item of a batch was refused. `position`: its index, or its line from 1 in a file.

    `dependency`: what it was a call of; "" where it did not say. `is_lost`: it says something that no
    answer knows; not so what is older than what is kept.
    """

    position: int
    field: str
    problem: str
    dependency: str = ""
    is_lost: bool = True


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Rows of a dependency that were refused in the last days, 0 where only columns were left out, and the usual reason."""

    dependency: str
    n: int
    since_day: int
    newest_ms: int
    field: str
    problem: str
    taken: int | None = None  # of the rows that came on the same days; None: not counted yet
    left_out: tuple[str, ...] = ()  # of its files, by --ignore-unknown, the newest first

    def is_recent(self, now_ms: int) -> bool:
        """Whether the newest of them came within 30 days: older ones say nothing of what is judged."""
        return now_ms - self.newest_ms <= REFUSED_DAYS * DAY_MS


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The fate of the well-formed observations of one batch.

    `rejected`, `left`: indexes of what was refused, and of what failed while the rest was stored (`problem` says why;
    sent again, what has no id counts twice). `corrected`: how many of `updated` were known at another cost, and the
    change in all. `contradicted`: how many told another outcome than their call has.
    """

    accepted: int = 0
    duplicates: int = 0
    updated: int = 0
    rejected: tuple[Rejection, ...] = ()
    left: tuple[int, ...] = ()
    problem: str = ""
    corrected: int = 0
    corrected_nano_usd: int = 0
    contradicted: int = 0

    def refuse_left(self) -> BatchReport:
        """Return this report, or raise StoreError where rows are left, for senders that repeat all by id."""
        if self.left:
            raise StoreError(self.problem)
        return self


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """One version of a dependency, as the store has seen it."""

    version: str | None
    n: int
    first_ts_ms: int
    newest_ts_ms: int


@dataclass(frozen=True, slots=True)
class Dependency:
    """A dependency as the store has it. `rev` changes whenever its evidence does."""

    name: str
    kind: Kind | None
    provider: str | None
    n: int
    first_ts_ms: int
    newest_ts_ms: int
    rev: int
    versions: tuple[VersionSeen, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A fingerprint of the data behind an answer about a dependency; time and settings are not in it.

    Attributes:
        rev: The dependency's.
        newest_ts_ms: Of its newest observation.
        accepted: The newest log entry by which a person accepted a new normal; None without one.
        watched: Whether an incident of it is open or suspected.
        refused: Rows of it that were refused on the way in; None where none were.
    """

    rev: int
    newest_ts_ms: int
    accepted: str | None
    watched: bool
    refused: RefusedRows | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HourCounts:
    """Counts of one dependency and slice: a row for each hour and version, hours ascending.

    Every array has shape (n,), int64. `ok` counts calls without error whose latency did not miss
    the SLO; `ok_labels` and `ok_good` are the labelled ones among them and those at or above the
    quality bar, so that the joint chance of a good call can be told from the margins.
    """

    hour: Ints
    version: Ints  # index into `versions`
    versions: tuple[str | None, ...]
    n: Ints
    errors: Ints
    timed: Ints  # calls with a latency
    slo_met: Ints  # of those, within the SLO (all of them where no SLO is set)
    labels: Ints  # calls with an outcome
    outcome_sum: Ints  # 1e-6
    good: Ints  # outcome at or above the quality bar
    ok: Ints
    ok_labels: Ints
    ok_good: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """Integer histograms of one metric, a row for each hour (or day) and version, ascending.

    `counts[i]` are the counts in the bins `bins[i]` of row `row[i]` (sparse, sorted by row and
    bin). `layout` names the bins (`detectors/bins.py`); `sum` is in 1e-6 of the metric's unit.
    """

    metric: str
    layout: str
    bucket: Ints
    version: Ints
    versions: tuple[str | None, ...]
    n: Ints
    sum: Ints
    row: Ints
    bins: Ints
    counts: Ints


@dataclass(frozen=True, slots=True, eq=False)
class GoldenAnswers:
    """Golden-set answers: a row for each item, version and UTC day. All shapes (n,)."""

    items: tuple[str, ...]
    versions: tuple[str | None, ...]
    item: Ints  # index into `items`
    version: Ints  # index into `versions`
    day: Ints  # days since 1970
    n: Ints
    outcome_sum: Ints  # 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Rollups:
    """The rollups of one dependency from an hour on, all of one moment.

    Attributes:
        known: The dependency.
        first_hour: Everything of this hour and later is here; 0 is all.
        newest_day_hour: The hour that began the newest day.
        segments: All declared slices that are rolled up, sorted.
        hours: By golden or not and slice (None is the whole): of the first 200 slices, where there
            are any.
        histograms: Of the whole, hourly and without golden calls, by metric.
        golden: All golden-set answers.
    """

    known: Dependency
    first_hour: int
    newest_day_hour: int
    segments: tuple[str, ...]
    hours: Mapping[tuple[bool, str | None], HourCounts]
    histograms: Mapping[str, Histograms]
    golden: GoldenAnswers


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """The newest priced or priceable calls, oldest first. All shapes (n,).

    `cost_micro_usd` is below 0 where none is known (`UNLISTED_TIER`: nor from the tokens), token counts are -1.
    """

    ts_ms: Ints
    cost_micro_usd: Floats
    input_tokens: Ints
    output_tokens: Ints
    version: Ints
    versions: tuple[str | None, ...]
    without_usage: int = 0  # calls since the oldest of these with neither a cost nor tokens


@dataclass(frozen=True, slots=True)
class Decision:
    """One logged verdict or action.

    `kind` is the tool's name; `inputs` and `answer` are JSON texts, `answer` the whole object that
    was returned. An action is hash-chained and never pruned; a check folds into the one before it
    when nothing but the time has changed (`count`, `last_ts_ms`).
    """

    id: str
    ts_ms: int
    kind: str
    verdict: Verdict | None
    summary: str
    inputs: str
    answer: str
    action: bool = False
    dependency: str | None = None
    budget: str | None = None
    confidence: float | None = None
    e_value: float | None = None
    versions: tuple[str, ...] = ()
    actor: str = "agent"
    settings_digest: str = ""
    count: int = 1
    last_ts_ms: int = 0
