"""The golden set followed run by run, a run a day, against its first run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gonogo.answers import Baseline, Current, DriftStatus, Evidence, GoldenPairs
from gonogo.detectors.golden.paired import (
    WARM_UP_RUNS,
    GoldenRuns,
    item_means,
    run_evidence,
    runs_of,
)
from gonogo.detectors.golden.pairs import PairedTest, compare
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.rate.comparison import COMPARISON_NEEDED, COMPARISON_SUGGESTS
from gonogo.detectors.rate.rule import needed_for
from gonogo.drift.compare import golden_pairs
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_start
from gonogo.drift.ladder import agreeing
from gonogo.errors import NotEnoughData
from gonogo.records import DAY_MS, HOUR_MS, GoldenAnswers
from gonogo.settings import DependencySettings
from gonogo.text.forms import counted, number

RUNS_A_DAY = 1.0
# One-sided p-values of the newest run against the first: that it is still worse, and that it is so by
# itself.
STILL_WORSE_P, ALONE_P = 0.05, 0.01


def golden_finding(
    answers: GoldenAnswers,
    own: DependencySettings,
    *,
    weight: float,
    end_hour: int,
    start_day: int | None = None,
) -> Finding:
    """Whether the golden set is answered worse or better than in its first runs.

    Args:
        answers: Of all days.
        own: The dependency's settings.
        weight: Its share of the dependency's false-alarm budget.
        end_hour: The first hour that is not looked at.
        start_day: The UTC day from which runs count; None is the first.
    """
    counted_rows = answers.day < -(-end_hour // 24)
    if start_day is not None:
        counted_rows &= answers.day >= start_day
    try:
        runs = runs_of(answers, counted_rows)
    except NotEnoughData as thin:
        return Finding(
            metric="golden",
            status="insufficient_data",
            why=str(thin).rstrip("."),
            missing="Run the golden set on the days to come.",
        )
    if len(runs.day) <= WARM_UP_RUNS:
        return _learning(answers, counted_rows, runs)
    followed = _followed(runs, own, weight=weight)
    if followed.status != "stable":
        return followed
    return _baseline_fell(answers, counted_rows, runs) or followed


def _followed(runs: GoldenRuns, own: DependencySettings, *, weight: float) -> Finding:
    """The finding of the newest run, by the baseline of the first week."""
    evidence = run_evidence(runs, newest=1)
    needed = needed_for(
        labels_per_day=RUNS_A_DAY, false_alarms_per_year=own.false_alarms_per_year * weight
    )
    value, worse = float(evidence.value[-1]), evidence.worse[-1] >= evidence.better[-1]
    before, after = float(runs.rate[:WARM_UP_RUNS].mean()), float(runs.rate[-1])
    items, warm_up = int(runs.items[-1]), int(runs.items[:WARM_UP_RUNS].sum())
    interval95 = difference_interval95(before, warm_up, after, items)
    status: DriftStatus = "stable"
    if value >= needed:
        # What was better for days and has come back is no improvement now, whatever the days before showed.
        status = "degraded" if worse else "improved" if interval95[0] > 0 else "stable"
    return Finding(
        metric="golden",
        status=status,
        baseline=Baseline(
            source="golden",
            mean=before,
            n=warm_up,
            start=hour_start(int(runs.day[0]) * 24),
            end=hour_start((int(runs.day[WARM_UP_RUNS - 1]) + 1) * 24),
        ),
        current=Current(
            mean=after,
            n=items,
            start=hour_start(int(runs.day[-1]) * 24),
            end=hour_start((int(runs.day[-1]) + 1) * 24),
            interval95=rate_interval95(after, items),
        ),
        change=change_of(before, after, interval95=interval95),
        evidence=evidence_of(
            math.log10(max(value, 1e-300)), needed=needed, guarantee=_guarantee(needed)
        ),
        golden=_last_run(runs, value),
        newest_ts_ms=(int(runs.day[-1]) + 1) * DAY_MS,
    )


def _guarantee(needed: float) -> str:
    return (
        f"However often it is asked, at most one false alarm is expected in {number(needed)} daily "
        f"runs, while runs are exchangeable with the first {WARM_UP_RUNS}; asking the same items "
        "again on one day adds nothing."
    )


def _last_run(runs: GoldenRuns, value: float) -> GoldenPairs:
    items, worse, better = (int(counts[-1]) for counts in (runs.items, runs.worse, runs.better))
    return GoldenPairs(
        items=items, worse=worse, better=better, same=items - worse - better, e_value=value
    )


def _learning(answers: GoldenAnswers, rows: NDArray[np.bool_], runs: GoldenRuns) -> Finding:
    """The first week: a baseline is being learned, but a collapse is told by the items in pairs."""
    first = int(answers.day[rows].min())
    fallen = _fallen_from(first, answers, runs) if len(runs.day) else None
    if fallen is not None:
        return fallen
    missing = WARM_UP_RUNS + 1 - len(runs.day)
    return Finding(
        metric="golden",
        status="insufficient_data",
        why="its golden set is still learning its baseline, the first week of daily runs",
        missing=f"Run it on {counted(missing, 'more day')}, or compare two versions by name.",
    )


def _fallen_from(first: int, answers: GoldenAnswers, runs: GoldenRuns) -> Finding | None:
    """The newest run against the first, item by item, where that is evidence of a fall.

    Only e-values, since there is a look on each of these days: seven of them reach seven times
    what one is allowed with the probability that one is allowed.
    """
    newest = int(runs.day[-1])
    test = _held_against(first, answers, answers.day == newest)
    if test is None or test.e_worse < WARM_UP_RUNS * COMPARISON_SUGGESTS:
        return None
    needed = WARM_UP_RUNS * COMPARISON_NEEDED
    evidence = evidence_of(
        math.log10(test.e_worse),
        needed=needed,
        level=None if test.e_worse >= needed else "suggestive",
        guarantee=(
            f"However often it is asked, evidence of one of the first {WARM_UP_RUNS} runs after "
            f"the first reaches {number(needed)} with probability at most "
            f"{1 / COMPARISON_NEEDED:g}, and {number(WARM_UP_RUNS * COMPARISON_SUGGESTS)}, a "
            f"caution, at most {1 / COMPARISON_SUGGESTS:g}, while no item got worse."
        ),
    )
    return _against_first(test, first, newest, evidence)


def _baseline_fell(
    answers: GoldenAnswers, rows: NDArray[np.bool_], runs: GoldenRuns
) -> Finding | None:
    """A warning where the runs that are the baseline may have fallen themselves, from the first.

    By all later runs against the first, which is one draw of luck and so hardly more than one look, while
    the newest run is still worse; or by the newest alone, at a stricter level.
    """
    first, newest = int(answers.day[rows].min()), int(runs.day[-1])
    now = _held_against(first, answers, answers.day == newest)
    if now is None or now.p_worse > STILL_WORSE_P:
        return None
    since = _held_against(first, answers, rows & (answers.day > first))
    told = since is not None and since.e_worse >= COMPARISON_SUGGESTS
    if since is None or not (told or now.p_worse <= ALONE_P):
        return None
    evidence = evidence_of(
        math.log10(max(since.e_worse, 1e-300)),
        needed=COMPARISON_SUGGESTS,
        level="suggestive",
        guarantee=(
            f"Evidence of all later runs against the first reaches {COMPARISON_SUGGESTS:g}, a caution, with "
            f"probability at most {1 / COMPARISON_SUGGESTS:g} at one look, while no item got worse. Below that "
            f"a caution is McNemar's exact test of the newest run, false in at most {ALONE_P:g} of looks."
        ),
    )
    return _against_first(now, first, newest, evidence)


def _held_against(first: int, answers: GoldenAnswers, rows: NDArray[np.bool_]) -> PairedTest | None:
    """Some answers against those of the first run, item by item; None without an item of both."""
    try:
        return compare(item_means(answers, answers.day == first), item_means(answers, rows))
    except NotEnoughData:
        return None


def _against_first(test: PairedTest, first: int, newest: int, evidence: Evidence) -> Finding:
    """The finding that the newest run is worse than the first."""
    start, end = newest * 24, (newest + 1) * 24
    return Finding(
        metric="golden",
        status="degraded",
        baseline=Baseline(
            source="golden",
            mean=test.mean_before,
            n=test.items,
            start=hour_start(first * 24),
            end=hour_start((first + 1) * 24),
        ),
        current=Current(
            mean=test.mean_after,
            n=test.items,
            start=hour_start(start),
            end=hour_start(end),
            interval95=rate_interval95(test.mean_after, test.items),
        ),
        change=change_of(
            test.mean_before,
            test.mean_after,
            interval95=agreeing(test.interval95, test.p_worse, test.p_better),
        ),
        evidence=evidence,
        golden=golden_pairs(test).model_copy(update={"e_value": evidence.e_value}),
        newest_ts_ms=end * HOUR_MS,
    )
