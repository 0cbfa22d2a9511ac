"""A candidate's trial, stage by stage: go on, stay, or go back.

A stage opens the next when every metric has excluded its drop, over the whole trial and by the
stage's own calls: evidence of the whole alone promotes what breaks only under load, and the own
calls alone take half as long again. All metrics must pass, so the error of each needs no splitting.

A shadow: the candidate answers the inputs of served calls too, and these count as its calls. Outcomes of
one input depend on each other, and the hour's e-value takes them as independent. That is safe where what
is hard for one is hard for both: given the past, a call's factor grows with a bad outcome of the one
version and falls with one of the other, so that the mean of their product is at most the product of
their means (Lehmann, 1966, Some Concepts of Dependence).
The way back has one budget of 5 %: the mean of evidence that it is worse over metrics, stages and
effects, weighted, is again evidence (a mean of supermartingales), and 20 sends the candidate back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gonogo.detectors.arrays import Floats, Ints, check_fractions
from gonogo.detectors.promotion.hour_evidence import LINES, WORSE_BETS, current_bets, hour_nats
from gonogo.errors import ParameterError

# The candidate's share in each stage; the fifth is the end.
STAGES = (0.01, 0.05, 0.25, 0.50, 1.0)
# What opens the next stage: evidence of the whole trial, of the stage's own calls, and hours.
WHOLE_NEEDED = (10.0, 20.0, 20.0, 20.0)
OWN_NEEDED = (1.0, 1.0, 3.0, 5.0)
HOURS_MIN = (6, 6, 12, 24)
BACK_AT = 20.0
# The last line is bet on twice, as equal and as halfway worse: an equal one passes sooner by both.
LAST_BETS = (0.7, 0.3)
# A first share that gets so many labels a day, between 1 and 5 %.
LABELS_A_DAY = 5.0
# Undecided, in multiples of the days that an equal candidate is expected to take, and at least.
PATIENCE, PATIENCE_DAYS, PATIENCE_DAYS_MAX = 5.0, 7.0, 60.0
NATS_MAX = 600.0

StageMove = Literal["next", "stay", "back: worse", "back: not shown"]


@dataclass(frozen=True, slots=True, eq=False)
class PairedHours:
    """One metric's calls of both versions, hour by hour of the trial, ascending; shapes (hours,).

    `stage`: in which stage these calls were made.
    """

    stage: Ints
    n_current: Floats
    bad_current: Floats
    n_candidate: Floats
    bad_candidate: Floats


@dataclass(frozen=True, slots=True)
class MetricEvidence:
    """The e-values of one metric in a stage.

    `whole` and `own`: that the candidate is not worse by the stage's line, over the whole trial and
    over the stage's own calls. `worse`: that it is worse. `own_asked`: whether the stage's own calls have
    to show it; not where the candidate answers every call in a shadow.
    """

    stage: int
    whole: float
    own: float
    worse: float
    own_asked: bool = True

    @property
    def passes(self) -> bool:
        """Whether this metric opens the next stage."""
        own = self.own >= OWN_NEEDED[self.stage] or not self.own_asked
        return self.whole >= WHOLE_NEEDED[self.stage] and own


def weigh(
    hours: PairedHours,
    *,
    stage: int,
    before: tuple[float, float],
    lines: Sequence[float] = LINES,
) -> MetricEvidence:
    """One metric's evidence in a stage, from all hours of the trial.

    Args:
        hours: Mature, closed hours since the trial began.
        stage: The stage in which the trial is, from 0.
        before: Calls and bad ones of the current version's newest 1,000 ahead of the trial.
        lines: The drop that each stage has to exclude, fractions.

    Raises:
        ParameterError: There is no such stage, or a line is no fraction.
        DataError: The counts are malformed.
    """
    if not 0 <= stage < len(LINES):
        raise ParameterError(f"stage = {stage} is none of 0 to {len(LINES) - 1}.")
    check_fractions(**{f"lines[{at}]": line for at, line in enumerate(lines)})
    bets = current_bets(hours.n_current, hours.bad_current, before=before)
    nats = hour_nats(
        hours.n_current,
        hours.bad_current,
        hours.n_candidate,
        hours.bad_candidate,
        bet=bets,
        lines=lines[stage : stage + 1],
    )
    line = nats.not_worse[:, 0]
    since = [nats.worse[hours.stage >= start].sum(axis=0) for start in range(stage + 1)]
    return evidence_of_sums(
        stage, line.sum(axis=0), line[hours.stage == stage].sum(axis=0), np.array(since)
    )


def evidence_of_sums(stage: int, whole: Floats, own: Floats, worse: Floats) -> MetricEvidence:
    """The evidence that summed nats come to.

    Args:
        stage: The stage in which the trial is.
        whole: Of its line, by both bets, over the whole trial; shape (2,).
        own: The same over the stage's own calls.
        worse: Since the start of each stage up to this one; shape (stages, 5).
    """
    # Divided by all stages, also those that have not begun: a budget that is not spent yet.
    parts = len(LINES) * len(WORSE_BETS)
    is_worse = float(np.exp(np.minimum(worse, NATS_MAX)).sum()) / parts
    return MetricEvidence(stage, _of_line(stage, whole), _of_line(stage, own), is_worse)


def _of_line(stage: int, nats: Floats) -> float:
    equal, halfway = (math.exp(min(float(part), NATS_MAX)) for part in nats)
    if stage < len(LINES) - 1:
        return equal
    return LAST_BETS[0] * equal + LAST_BETS[1] * halfway


def stage_move(
    metrics: Sequence[MetricEvidence],
    *,
    worse: float,
    stage: int,
    hours_here: float,
    limit_hours: float,
) -> StageMove:
    """The move that a stage's evidence asks for.

    Args:
        metrics: The evidence of each metric that has to pass.
        worse: That the candidate is worse: the weighted mean over every metric that may send back.
        stage: The stage in which the trial is, from 0.
        hours_here: Hours since it began.
        limit_hours: Hours after which an undecided candidate goes back.
    """
    if worse >= BACK_AT:
        return "back: worse"
    if metrics and hours_here >= HOURS_MIN[stage] and all(one.passes for one in metrics):
        return "next"
    return "back: not shown" if hours_here >= limit_hours else "stay"


def first_stage(labels_a_day: float) -> tuple[int, float]:
    """The stage a trial begins in and the candidate's share: 5 labelled calls a day, 1 to 5 %.

    In whole percents, which people read.
    """
    low, high = STAGES[:2]
    share = min(max(round(LABELS_A_DAY / max(labels_a_day, 1.0), 2), low), high)
    return (0, share) if share < high else (1, high)


def expected_days(
    rate: float, n_current: float, n_candidate: float, *, line: float, needed: float
) -> float:
    """Days until an equal candidate has excluded a line, about: ln needed over what a day brings.

    Args:
        rate: The rate of bad calls, a fraction.
        n_current: Calls of the current version a day.
        n_candidate: Calls of the candidate a day.
        line: The drop to exclude, a fraction.
        needed: The evidence that it takes.
    """
    both = np.array(max(n_current, 0.0)), np.array(max(n_candidate, 0.0))
    p = min(max(rate, 1e-4), 1 - 1e-4)
    day = hour_nats(both[0], both[0] * p, both[1], both[1] * p, bet=p, lines=(line,)).not_worse[
        0, 0
    ]
    return math.log(needed) / float(day) if day > 0 else math.inf


def limit_days(expected: float) -> float:
    """Days after which an undecided stage is over: five times what an equal one takes, 7 to 60."""
    return min(max(PATIENCE * expected, PATIENCE_DAYS), PATIENCE_DAYS_MAX)
