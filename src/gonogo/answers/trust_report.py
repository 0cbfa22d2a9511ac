"""The trust report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import (
    Ahead,
    Answer,
    Fraction,
    LabelCoverage,
    Number,
    Part,
    Points,
    RefusalCount,
    Time,
)
from gonogo.answers.fallback_report import TargetShare
from gonogo.records import Verdict


class TrustPart(Part):
    rate: Fraction
    interval90: tuple[Fraction, Fraction]
    n: int


class SuspectedProvider(Part):
    provider: str
    dependencies: list[str]
    falling: int | None = None
    looked_at: int | None = None
    of: int | None = None
    since: Time
    e_value: Number


class SegmentHealth(Part):
    segment: str
    labels: int
    residual: Number
    biased: bool | Literal["cannot_tell"]


class ScoreHealth(Part):
    status: Literal["healthy", "biased", "miscalibrated", "stale", "unknown"]
    ece: Fraction | None = None
    brier: Fraction | None = None
    labels: int = 0
    golden_deviation_sd: Number | None = None
    golden_page: bool | None = None
    golden_warning: str | None = None
    coverage: Fraction | None = None
    segments: list[SegmentHealth] | None = None
    note: str | None = None


class DoubtfulWriter(Part):
    """A recorder whose calls of the last day changed otherwise than the golden set did.

    Changes of the share of good calls, in points, from the 14 days before.
    """

    writer: str
    metric: Literal["quality", "availability"]
    n: int
    change_points: Number
    golden_change_points: Number


class UndoubtedScore(Part):
    """The score without what doubtful writers recorded."""

    verdict: Verdict
    score: Points
    interval90: tuple[Points, Points]


class FleetLine(Part):
    dependency: str
    score: Points | None = None
    interval90: tuple[Points, Points] | None = None
    verdict: Verdict
    as_of: Time | None = None
    drift: Verdict | None = Field(default=None, description="absent: never asked")
    ahead: Ahead | None = None
    changed: str | None = None
    upstream: str | None = None
    doubtful: str | None = Field(
        default=None, description="whose calls disagree with its golden set"
    )


class TrustReport(Answer):
    """The calibrated chance that the next call is good, and whether scores can be trusted."""

    dependency: str | None = None
    score: Points | None = None
    interval90: tuple[Points, Points] | None = None
    score_needed: Points | None = Field(
        default=None, description="the least score that its normal, or an even chance, allows"
    )
    hours_sd: Points | None = Field(
        default=None, description="how hours differ, in interval90; absent: too few calls to tell"
    )
    good_means: str | None = None
    n: int | None = None
    newest_ts: Time | None = None
    parts: (
        dict[Literal["availability", "quality", "latency_slo", "consistency"], TrustPart] | None
    ) = None
    provider_suspected: SuspectedProvider | None = None
    label_coverage: LabelCoverage | None = None
    missing: str | None = Field(default=None, description="what to record for a verdict")
    upstream: list[str] | None = Field(default=None, description="bad states of what it depends on")
    score_health: ScoreHealth | None = None
    undoubted: UndoubtedScore | None = Field(
        default=None, description="without the doubtful writers, where its verdict is another"
    )
    doubtful: list[DoubtfulWriter] | None = Field(
        default=None, description="writers whose calls disagree with the golden set"
    )
    ahead: Ahead | None = None
    refused: RefusalCount | None = None
    left_out: list[str] | None = Field(default=None, description="of its files, newest first")
    traffic: list[TargetShare] | None = Field(
        default=None, description="where its calls go now, where that is not itself alone"
    )
    fleet: list[FleetLine] | None = None
    total: int | None = Field(default=None, description="of the fleet: all, listed or not")
    verdicts: dict[Verdict, int] | None = Field(
        default=None, description="of the fleet: how many of each"
    )
    waiting: int | None = Field(default=None, description="of the fleet: not scored yet")
