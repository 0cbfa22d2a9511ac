"""The golden set followed run by run, a run a day, against its first run."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gonogo.answers import Baseline, Current, DriftStatus, Evidence, GoldenPairs, Latest
from gonogo.detectors.arrays import Ints
from gonogo.detectors.golden.golden_falls import GoldenWatch, follow_runs
from gonogo.detectors.golden.paired import (
    WARM_UP_RUNS,
    GoldenRuns,
    item_means,
    items_needed,
    runs_of,
)
from gonogo.detectors.golden.pairs import PairedTest, compare
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.pieces import PieceCache
from gonogo.detectors.rate.comparison import COMPARISON_NEEDED, COMPARISON_SUGGESTS
from gonogo.detectors.rate.rule import needed_for
from gonogo.drift.compare import golden_pairs
from gonogo.drift.drift_words import verdict_of
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_start
from gonogo.drift.ladder import DROP_EXCLUDED, agreeing, one_look
from gonogo.errors import NotEnoughData
from gonogo.records import DAY_MS, HOUR_MS, GoldenAnswers
from gonogo.settings import DependencySettings
from gonogo.text.forms import counted, number, signed

RUNS_A_DAY = 1.0
# The runs that are told where no fall lasts.
WEEK_RUNS = 7
# One-sided p-values of the newest run against the first: that it is still worse, and that it is so by
# itself.
STILL_WORSE_P, ALONE_P = 0.05, 0.01
_STATUS: dict[str, DriftStatus] = {
    "quiet": "stable",
    "better": "improved",
    "worse": "degraded",
    "recovering": "recovering",
}
_WEEK_GUARANTEE = (
    "A caution that says that the 95% interval of the newest week's change excludes 0 is false in at most "
    "0.025 of single looks, while runs are exchangeable with the first ones."
)


def golden_finding(
    answers: GoldenAnswers,
    own: DependencySettings,
    *,
    weight: float,
    end_hour: int,
    start_day: int | None = None,
    kept: PieceCache[GoldenWatch] | None = None,
) -> Finding:
    """Hold the golden set's runs against its first ones: worse, better or the same.

    Args:
        answers: Of all days.
        own: The dependency's settings.
        weight: Its share of the dependency's false-alarm budget.
        end_hour: The first hour that is not looked at.
        start_day: The UTC day from which runs count; None is the first.
        kept: Runs that were followed before, which are not followed again while none is added.
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
    followed = _followed(runs, own, weight=weight, kept=kept)
    if followed.status in ("recovering", "improved") or verdict_of(followed) == "no_go":
        return followed
    return _baseline_fell(answers, counted_rows, runs) or followed


def _followed(
    runs: GoldenRuns,
    own: DependencySettings,
    *,
    weight: float,
    kept: PieceCache[GoldenWatch] | None,
) -> Finding:
    """The finding of the runs since a fall, else of the newest week, by the baseline of the first week."""
    needed = needed_for(
        labels_per_day=RUNS_A_DAY, false_alarms_per_year=own.false_alarms_per_year * weight
    )
    watch = _watched(runs, kept, needed=needed)
    told = watch.kept[max(WARM_UP_RUNS, len(watch.kept) - WEEK_RUNS) :]
    if watch.first is not None:
        told = np.arange(watch.first, len(runs.day))
    n, warm_up = int(runs.items[told].sum()), int(runs.items[:WARM_UP_RUNS].sum())
    after = float(np.nansum(runs.outcome[told])) / max(n, 1)
    before = float(runs.rate[:WARM_UP_RUNS].mean())
    interval95 = difference_interval95(before, warm_up, after, n)
    status = _STATUS[watch.status]
    if status == "improved" and interval95[0] <= 0:
        # What was better for days and has come back is no improvement now, whatever the days before showed.
        status = "stable"
    finding = Finding(
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
            n=n,
            start=hour_start(int(runs.day[told[0]]) * 24),
            end=hour_start((int(runs.day[-1]) + 1) * 24),
            interval95=rate_interval95(after, n),
            latest=_latest(runs) if len(told) > 1 else None,
        ),
        change=change_of(before, after, interval95=interval95),
        evidence=evidence_of(
            math.log10(max(watch.value, 1e-300)), needed=needed, guarantee=_guarantee(needed)
        ),
        golden=_last_run(runs, watch.value),
        newest_ts_ms=(int(runs.day[-1]) + 1) * DAY_MS,
    )
    return _as_far_as_shown(finding, runs, told, own)


def _watched(
    runs: GoldenRuns, kept: PieceCache[GoldenWatch] | None, *, needed: float
) -> GoldenWatch:
    """The runs followed, or what came of it when the same ones were followed before."""
    if kept is None:
        return follow_runs(runs, needed=needed)
    key = blake2b(repr((needed, runs.outcome.shape)).encode(), digest_size=16)
    for part in (runs.day, runs.outcome, runs.reference):
        key.update(part.tobytes())
    watch = kept.get(key.digest())
    if watch is None:
        watch = follow_runs(runs, needed=needed)
        kept.put(key.digest(), watch, batches=len(runs.day))
    return watch


def _latest(runs: GoldenRuns) -> Latest:
    """The newest run."""
    mean, n, day = float(runs.rate[-1]), int(runs.items[-1]), int(runs.day[-1])
    return Latest(
        mean=mean,
        n=n,
        start=hour_start(day * 24),
        end=hour_start((day + 1) * 24),
        interval95=rate_interval95(mean, n),
    )


def _as_far_as_shown(
    finding: Finding, runs: GoldenRuns, told: Ints, own: DependencySettings
) -> Finding:
    """The finding; where it is stable or improved, as far as so few items have shown it.

    Asking the same items again tells how often these are right, and never what the items that were
    not asked would show.
    """
    loss, items = DROP_EXCLUDED * own.min_effect, int(runs.items[told].max())
    is_fine = finding.status in ("stable", "improved")
    if not is_fine or finding.change is None or finding.change.interval95 is None:
        return finding
    low, high = finding.change.interval95
    wanted = items_needed(loss)
    if items >= wanted and low >= -loss:
        return one_look(finding)
    if high < 0:
        test = compare(runs.means(np.arange(WARM_UP_RUNS)), runs.means(told))
        evidence = evidence_of(
            math.log10(max(test.e_worse, 1e-300)),
            needed=COMPARISON_SUGGESTS,
            level="suggestive",
            guarantee=_WEEK_GUARANTEE,
        )
        return replace(finding, status="degraded", evidence=evidence)
    return replace(
        finding,
        status="insufficient_data",
        why=_too_little(finding, loss=loss),
        missing=f"Ask about {max(wanted, 2 * items if low < -loss else 0)} golden items or more.",
    )


def _too_little(finding: Finding, *, loss: float) -> str:
    """The reason why the newest runs of a set do not exclude a loss."""
    before, now, change = finding.baseline, finding.current, finding.change
    said = "golden"
    if before and now and before.mean is not None and now.mean is not None:
        said += f" {number(before.mean)} → {number(now.mean)} on {counted(now.n, 'answer')}"
    if change and change.interval95 and change.interval95[0] < -loss:
        low, high = map(signed, change.interval95)
        said += f", and the change's 95% interval, {low} to {high},"
        return f"{said} does not exclude a loss of {number(loss)}"
    return (
        f"{said}, and so few items cannot exclude a loss of {number(loss)} in what they do not ask"
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
