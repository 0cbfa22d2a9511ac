"""A trial read from the store: every metric's evidence, and what the stage asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gonogo.hours.measured import errors_decide
from gonogo.ports.promotions import STAGE_SHARES, Promotion
from gonogo.records import DAY_MS, HOUR_MS, Dependency, HourCounts
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats
    from gonogo.detectors.promotion.candidate_trial import MetricEvidence, StageMove
    from gonogo.fallback.promotion.trial_hours import TrialMetricHours
    from gonogo.ports.telemetry import Telemetry

# Far enough ahead of a trial for a thousand labels at a dozen a day.
LOOK_BACK_HOURS = 90 * 24
# More than smoke tests of another version leave it.
SERVES_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class JudgedMetric:
    """One metric's counts of both versions in the trial, and its evidence.

    `passing`: whether it has to pass; the others only send back.
    """

    metric: str
    n_current: float
    bad_current: float
    n_candidate: float
    bad_candidate: float
    evidence: MetricEvidence
    passing: bool


@dataclass(frozen=True, slots=True)
class TrialReading:
    """The present state of a trial.

    Attributes:
        metrics: Quality first; those that neither version has are left out.
        worse: Evidence that the candidate is worse, over all of them.
        move: What the stage asks for.
        line: The drop that the stage excludes, a fraction.
        expected_days: About what the stage takes where both are equal; infinite without calls.
        gives_up_ms: When it goes back undecided, epoch ms.
        interval95: Candidate less current in good outcomes, at any time; None before the first answer.
        level: How sure the better one of the two is better at all, 1 - 1/e; None as before.
        beside: Calls of the candidate's shadow in the first of the metrics.
        keys: How many sticky keys the interval counts by; 0 where it counts each call as one.
        is_one_key: No interval is told, since one of them has nearly all calls of a version.
    """

    metrics: tuple[JudgedMetric, ...]
    worse: float
    move: StageMove
    line: float
    expected_days: float
    gives_up_ms: int
    interval95: tuple[float, float] | None
    level: float | None
    beside: int = 0
    keys: int = 0
    is_one_key: bool = False


async def read_trial(
    telemetry: Telemetry, settings: Settings, known: Dependency, made: Promotion, *, now_ms: int
) -> TrialReading:
    """Weigh a trial by the mature, closed hours since it began; reads only."""
    from gonogo.detectors.promotion.candidate_trial import stage_move
    from gonogo.detectors.promotion.difference import METRICS, WORSE_WEIGHTS, rate_difference
    from gonogo.detectors.promotion.hour_evidence import LINES
    from gonogo.fallback.promotion.trial_hours import counts_of

    found, a_day, delay_ms = await _hours(telemetry, settings, known, made, now_ms)
    judged = [_judged(one, made.stage) for one in found]
    worse = sum(WORSE_WEIGHTS[METRICS.index(one.metric)] * one.evidence.worse for one in judged)
    days, most_days = _patience(found[0], a_day, made)
    gives_up_ms = made.since_ms + round(most_days * DAY_MS) + delay_ms
    counts = counts_of(found[0].hours)
    keys = [] if made.shadow else await _keyed(telemetry, settings, known, made, found[0])
    by_call = rate_difference(*counts)
    difference = rate_difference(*counts, keys=keys) if keys else by_call
    interval95 = level = None
    if difference is not None:
        interval95 = -difference.interval95[1], -difference.interval95[0]
        level = _level(max(difference.e_worse, difference.e_better))
    return TrialReading(
        metrics=tuple(judged),
        worse=worse,
        move=stage_move(
            [one.evidence for one in judged if one.passing],
            worse=worse,
            stage=made.stage,
            hours_here=(now_ms - made.since_ms) / HOUR_MS,
            limit_hours=(gives_up_ms - made.since_ms) / HOUR_MS,
        ),
        line=LINES[made.stage],
        expected_days=days,
        gives_up_ms=gives_up_ms,
        interval95=interval95,
        level=level,
        beside=round(found[0].beside),
        keys=len(keys),
        is_one_key=by_call is not None and difference is None,
    )


async def _keyed(
    telemetry: Telemetry,
    settings: Settings,
    known: Dependency,
    made: Promotion,
    main: TrialMetricHours,
) -> list[Floats]:
    """The counts of the first metric by the sticky keys that are rolled up, aligned with its hours."""
    from gonogo.fallback.promotion.trial_hours import keyed_hours

    key = settings.dependency(known.name).route_key
    if key is None:
        return []
    start = made.stages[0][0] // HOUR_MS
    segments = [s for s in await telemetry.segments(known.name) if s.startswith(f"{key}=")]
    found = [
        keyed_hours(
            await telemetry.hours(known.name, segment=segment, start_hour=start), made, main
        )
        for segment in segments
        if "," not in segment
    ]
    return [counts for counts in found if counts.any()]


def _judged(one: TrialMetricHours, stage: int) -> JudgedMetric:
    from gonogo.detectors.promotion.candidate_trial import weigh
    from gonogo.detectors.promotion.difference import ERROR_LINES, METRICS, PASSING
    from gonogo.detectors.promotion.hour_evidence import LINES

    hours = one.hours
    lines = ERROR_LINES if one.metric == "error" else LINES
    return JudgedMetric(
        metric=one.metric,
        n_current=float(hours.n_current.sum()),
        bad_current=float(hours.bad_current.sum()),
        n_candidate=float(hours.n_candidate.sum()),
        bad_candidate=float(hours.bad_candidate.sum()),
        evidence=_asked(weigh(hours, stage=stage, before=one.before, lines=lines), one),
        passing=PASSING[METRICS.index(one.metric)],
    )


def _asked(evidence: MetricEvidence, one: TrialMetricHours) -> MetricEvidence:
    """A quality that a shadow shows on the inputs of all calls need not be shown by a stage's own again."""
    by_shadow = one.metric == "outcome" and one.beside > one.served
    return replace(evidence, own_asked=False) if by_shadow else evidence


def _patience(main: TrialMetricHours, a_day: float, made: Promotion) -> tuple[float, float]:
    """Days that the stage takes where both are equal, about, and after which it is given up."""
    from gonogo.detectors.promotion.candidate_trial import WHOLE_NEEDED, expected_days, limit_days
    from gonogo.detectors.promotion.hour_evidence import LINES

    n, bad = main.before
    share = made.share / STAGE_SHARES[-1]
    days = expected_days(
        bad / n if n else 0.05,
        a_day * (1 - share),
        a_day if main.beside else a_day * share,
        line=LINES[made.stage],
        needed=WHOLE_NEEDED[made.stage],
    )
    return days, limit_days(days)


def _level(e_value: float) -> float:
    return max(0.0, 1 - 1 / e_value) if e_value > 0 else 0.0


async def _hours(
    telemetry: Telemetry, settings: Settings, known: Dependency, made: Promotion, now_ms: int
) -> tuple[list[TrialMetricHours], float, int]:
    """Each metric's hours, labels a day, and how late outcomes are, ms."""
    from gonogo.detectors.promotion.difference import METRICS
    from gonogo.fallback.promotion.trial_hours import (
        block_hours,
        labels_a_day,
        rate_hours,
        value_hours,
    )
    from gonogo.hours.rate_hours import LAG_METRIC, maturity

    name = known.name
    begun = made.stages[0][0] // HOUR_MS
    start = begun - LOOK_BACK_HOURS
    counts = await telemetry.hours(name, start_hour=start)
    lag = maturity(await telemetry.histograms(name, LAG_METRIC, start_hour=start), as_of_ms=now_ms)
    closed = now_ms // HOUR_MS
    mature = min(closed, lag.end_hour(now_ms))
    by_quality = not errors_decide(known, settings.dependency(name))
    a_day = labels_a_day(counts, "outcome" if by_quality else "error", end_hour=begun)
    block = block_hours(a_day)
    shadow = await _shadow(telemetry, made, begun, now_ms)
    beside = None if shadow is None else shadow[0]
    found = []
    if by_quality:
        end = mature if shadow is None else min(mature, shadow[1])
        found.append(rate_hours(counts, "outcome", made, beside=beside, end_hour=end, block=block))
    found.append(rate_hours(counts, "error", made, beside=beside, end_hour=closed, block=block))
    for metric in {"latency_ms", "cost_usd"} & set(known.metrics):
        values = await telemetry.histograms(name, metric, start_hour=begun - 7 * 24)
        extra = (
            None
            if shadow is None
            else await telemetry.histograms(made.shadow, metric, start_hour=begun)
        )
        found += value_hours(values, made, beside=extra, end_hour=closed, block=block)
    found.sort(key=lambda one: METRICS.index(one.metric))
    return found, a_day, round(lag.lag_s * 1000) if by_quality else 0


async def _shadow(
    telemetry: Telemetry, made: Promotion, begun: int, now_ms: int
) -> tuple[HourCounts, int] | None:
    """The calls beside those served, and the hour up to which their outcomes are mature; None without any."""
    from gonogo.hours.rate_hours import LAG_METRIC, maturity

    if not made.shadow or await telemetry.dependency(made.shadow) is None:
        return None
    counts = await telemetry.hours(made.shadow, start_hour=begun)
    late = await telemetry.histograms(made.shadow, LAG_METRIC, start_hour=begun)
    return counts, maturity(late, as_of_ms=now_ms).end_hour(now_ms)


def current_version(counts: HourCounts, candidate: str, *, end_hour: int) -> str | None:
    """The version that most calls of the newest week are of, but for the candidate.

    Raises:
        LookupError: No other version was called in it.
    """
    calls = _calls_of_week(counts, end_hour)
    calls.pop(candidate, 0)
    if not calls:
        raise LookupError(candidate)
    return max(calls, key=lambda version: calls[version])


def serves(counts: HourCounts, version: str, *, end_hour: int) -> bool:
    """Whether nearly all calls of the newest week are of this version."""
    calls = _calls_of_week(counts, end_hour)
    return calls.get(version, 0) > SERVES_SHARE * sum(calls.values())


def _calls_of_week(counts: HourCounts, end_hour: int) -> dict[str | None, int]:
    week = (counts.hour >= end_hour - 7 * 24) & (counts.n > 0)
    found = (
        (version, int(counts.n[week & (counts.version == at)].sum()))
        for at, version in enumerate(counts.versions)
    )
    return {version: n for version, n in found if n}
