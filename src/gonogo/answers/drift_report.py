"""The drift report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import Ahead, Answer, LabelCoverage, Number, Part, RefusalCount, Time
from gonogo.answers.fallback_report import TargetShare
from gonogo.records import Verdict

DriftStatus = Literal[
    "stable", "degraded", "recovering", "improved", "shifted", "insufficient_data"
]


class Baseline(Part):
    source: Literal["version", "period", "golden", "declared", "learned"]
    version: str | None = None
    mean: Number | None = Field(
        default=None, description="what it makes expect of the hours of the week that are current"
    )
    measured: Number | None = Field(
        default=None, description="its mean in its own hours, where those make expect another one"
    )
    n: int | None = None
    start: Time | None = None
    end: Time | None = None


Since = Literal["onset", "baseline", "recovery"]


class Latest(Part):
    mean: Number
    n: int
    start: Time
    end: Time
    interval95: tuple[Number, Number]


class Current(Part):
    version: str | None = None
    mean: Number | None = None
    n: int
    start: Time | None = None
    end: Time | None = None
    interval95: tuple[Number, Number] | None = None
    since: Since | None = None
    latest: Latest | None = None


class Change(Part):
    absolute: Number = Field(description="current.mean - baseline.mean")
    relative: Number | None = None
    interval95: tuple[Number, Number] | None = None
    in_baseline_sd: Number | None = None
    shrunk: Number | None = Field(
        default=None, description="estimate that allows for having been looked at as it was large"
    )


class Evidence(Part):
    e_value: Number = Field(description="capped at 1e300; log10_e is exact")
    log10_e: Number
    needed: Number
    level: Literal["suggestive", "small"] | None = Field(
        default=None,
        description="why a degraded status is a caution: suggestive, evidence to warn and no more; "
        "small, a change that lies within half of min_effect",
    )
    guarantee: str


class Onset(Part):
    ts: Time
    earliest: Time
    latest: Time
    shape: Literal["step", "ramp"] | None = None
    changes: list[str] | None = Field(
        default=None, description="changes recorded near it, and what speaks for each"
    )


class Trend(Part):
    per_day: Number
    interval95: tuple[Number, Number]


class MixShift(Part):
    key: str
    explains: Number = Field(description="share of the change that other shares of traffic make")


class SegmentDrift(Part):
    segment: str
    n: int
    mean: Number
    baseline_mean: Number = Field(
        description="of a slice that came after the baseline: of its own past before the change, else of all calls"
    )
    change: Number
    e_value: Number
    drifted: bool


SignalKind = Literal["rate", "mean", "distribution", "semantic", "consistency"]


class Signal(Part):
    metric: str
    kind: SignalKind
    status: str
    segment: str | None = None
    change: Number | None = None
    e_value: Number | None = None
    needed: Number | None = None
    psi: Number | None = Field(
        default=None, description="effect: population stability index of the newest week"
    )
    w1_sd: Number | None = Field(
        default=None, description="effect: Wasserstein distance in baseline sd, newest week"
    )
    p_value: Number | None = Field(default=None, description="of one look")
    note: str | None = None


class ShareShift(Part):
    category: str
    before: Number
    after: Number


class Effect(Part):
    """The size of a signal's movement, where the signal decides: the measure that its summary quotes."""

    psi: Number | None = None
    w1_sd: Number | None = None
    p_value: Number | None = None
    between_days: Number | None = Field(
        default=None, description="largest distance between days of the baseline"
    )
    other_w1_sd: Number | None = Field(default=None, description="of other traffic")
    shares: list[ShareShift] | None = None
    since: Time | None = None


class Estimate(Part):
    """An estimate, not a measurement: the likely quality of calls without an outcome."""

    mean: Number = Field(description="expected share of good calls")
    interval95: tuple[Number, Number]
    n: int = Field(description="calls without an outcome, newest week")
    labels: int
    method: str


class GoldenPairs(Part):
    items: int
    worse: int
    better: int
    same: int
    e_value: Number
    p_value: Number | None = Field(
        default=None, description="exact paired test, two-sided, one look only"
    )
    warning: str | None = None


class JudgeReport(Part):
    """A judge whose grades are outcomes, held against people's grades of the same calls."""

    judge: str
    status: Literal["alone", "stable", "moved", "not_told_apart", "withheld"]
    points: Number | None = Field(
        default=None,
        description="by how much more often it grades bad than people's grades explain",
    )
    since: Time | None = None
    people: int = Field(description="calls that people graded too")
    people_change: Number | None = Field(
        default=None, description="of the outcome since then, by people's grades"
    )
    people_interval95: tuple[Number, Number] | None = None


class VersionMean(Part):
    version: str | None = None
    n: int
    mean: Number | None = None


class Immature(Part):
    hours: int
    n: int


class RecordedData(Part):
    """The data that a dependency has, where they are old."""

    n: int
    start: Time
    end: Time


class WholeVerdict(Part):
    """The standing verdict of a dependency, beside a better answer about a part of it."""

    verdict: Verdict
    drift: Verdict | None = Field(default=None, description="absent: never asked")
    trust: Verdict | None = Field(default=None, description="absent: never asked")
    as_of: Time | None = Field(default=None, description="absent: never asked")


class DriftReport(Answer):
    """Has it degraded, improved or shifted; how much, since when, where, how sure."""

    dependency: str
    metric: str
    segment: str | None = Field(default=None, description="the slice it is about; else the whole")
    since: str | None = Field(default=None, description="as asked: a later period against before")
    until: str | None = Field(default=None, description="as asked: as of that time, not now")
    whole: WholeVerdict | None = Field(
        default=None, description="what the whole stands at, where a part was asked and is better"
    )
    status: DriftStatus
    baseline: Baseline | None = None
    current: Current | None = None
    change: Change | None = None
    evidence: Evidence | None = None
    onset: Onset | None = None
    trend: Trend | None = None
    segments: list[SegmentDrift] | None = None
    mix: MixShift | None = None
    mix_shift: dict[str, Number] | None = None
    signals: list[Signal] | None = None
    effect: Effect | None = Field(default=None, description="of a signal that decides")
    estimate: Estimate | None = None
    golden: GoldenPairs | None = None
    versions: list[VersionMean] | None = Field(
        default=None, description="of the current period; absent where two are compared"
    )
    recorded: RecordedData | None = None
    immature: Immature | None = None
    ahead: Ahead | None = None
    refused: RefusalCount | None = None
    left_out: list[str] | None = Field(default=None, description="of its files, newest first")
    detectable_now: Number | None = None
    traffic: list[TargetShare] | None = Field(
        default=None, description="where its calls go now, where that is not itself alone"
    )
    judges: list[JudgeReport] | None = Field(
        default=None, description="who graded, where judges gave half of the outcomes or more"
    )
    label_coverage: LabelCoverage | None = None
    missing: str | None = None
