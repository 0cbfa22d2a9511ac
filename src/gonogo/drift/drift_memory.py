"""The cache of one process's earlier drift checks. It may be lost at any time.

Nothing here decides what an answer says: reports stand only as long as nothing has changed, and a
detector's run is known by all that it depends on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gonogo.answers import DriftReport
from gonogo.detectors.golden.golden_falls import GoldenWatch
from gonogo.detectors.pieces import PieceCache
from gonogo.detectors.rate.rate_watch import RateWatch
from gonogo.detectors.values.scores import ScoreWatch
from gonogo.hours.history import HistoryCache
from gonogo.hours.stream_cache import AnswerCache


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Pieces of detectors' runs."""

    golden: PieceCache[GoldenWatch] = field(default_factory=PieceCache)
    rates: PieceCache[RateWatch] = field(default_factory=PieceCache)
    scores: PieceCache[ScoreWatch] = field(default_factory=PieceCache)


@dataclass(frozen=True, slots=True, eq=False)
class DriftMemory:
    """Reports that may still stand, histories, and pieces of detectors' runs."""

    reports: AnswerCache[DriftReport] = field(default_factory=AnswerCache)
    past: HistoryCache = field(default_factory=HistoryCache)
    runs: Runs = field(default_factory=Runs)
