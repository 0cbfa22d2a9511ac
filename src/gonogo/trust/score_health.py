"""Can the scores be trusted: what was stated against what came, the golden set, the segments.

For a dependency its own stated `confidence` is judged, on its traffic and its golden set. Without
one gonogo's scores are: each hour's calls against the score that stood before that hour, from the
first that was told on.

`status`, the first that holds: `biased` (a segment misses what was said of it, or the golden set
pages), `miscalibrated`, `stale` (the newest label or golden answer is older than `stale_after`),
`unknown` (fewer than 200 labels and no golden chart), `healthy`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gonogo.answers import ScoreHealth, SegmentHealth
from gonogo.errors import NotEnoughData
from gonogo.hours.measured import SIDES, OneSided
from gonogo.ports.trust_reads import TrustTelemetry
from gonogo.records import DAY_MS, HOUR_MS, MICRO
from gonogo.settings import Settings
from gonogo.text.forms import counted, number, signed
from gonogo.trust.trust_estimate import MEMORY_DAYS, TrustEstimate, by_hour
from gonogo.trust.trust_verdict import CALLS_MIN, days

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gonogo.detectors.trust.calibration_health import Calibration, Residual, StatedChances
    from gonogo.records import Floats, GoldenAnswers, Histograms, Ints

Status = Literal["healthy", "biased", "miscalibrated", "stale", "unknown"]

SEGMENTS_BRIEF = 5
SEGMENTS_FULL = 50
# A miss in calibration that is worth a word, beyond what chance makes.
ECE_EXCESS_MAX = 0.05
P_MAX = 0.01
# The baseline of the golden chart grows to this many runs: with few, its own error makes pages.
BASELINE_RUNS_MIN = 7
BASELINE_RUNS_MAX = 120


@dataclass(frozen=True, slots=True)
class _Golden:
    """The known-good set: its chart, what part of it was asked lately, and how old it is."""

    deviation_sd: float | None = None
    page: bool | None = None
    warning: str | None = None
    coverage: float | None = None
    age_ms: int | None = None


async def dependency_health(
    telemetry: TrustTelemetry,
    settings: Settings,
    dependency: str,
    *,
    now_ms: int,
    side: OneSided | None = None,
    detail: Literal["brief", "full"] = "brief",
) -> ScoreHealth:
    """Judge what a dependency said of itself.

    `side`: the one side of which the outcomes of its traffic are; these say nothing of what it stated.
    """
    from gonogo.detectors.trust.calibration_health import calibration, residuals

    # From the beginning of a day, so that slices can be read by the day.
    start_hour = (now_ms // DAY_MS - MEMORY_DAYS) * 24
    kinds = (False, True) if side is None else (True,)
    whole, by_time, newest_hour = await _stated(
        telemetry, settings, dependency, start_hour, kinds=kinds
    )
    parts = list(by_time)
    for segment in await telemetry.segments(dependency) if side is None else ():
        part = await _stated_slice(telemetry, dependency, start_hour, segment=segment)
        parts.append((segment, part))
    stale_ms = settings.dependency(dependency).stale_after_s * 1000
    golden = _golden(await telemetry.golden_answers(dependency), stale_ms, now_ms)
    found = calibration(whole) if whole.labels else None
    label_age_ms = None if newest_hour is None else now_ms - (newest_hour + 1) * HOUR_MS
    ages = [age for age in (label_age_ms, golden.age_ms) if age is not None]
    what = "stated confidence"
    if side is not None:
        what += f" of calls picked at random (of {SIDES[side]} alone it says nothing)"
    return _health(
        found,
        residuals(whole, parts),
        golden,
        what=what,
        stale=bool(ages) and min(ages) > stale_ms,
        stale_ms=stale_ms,
        shown=SEGMENTS_FULL if detail == "full" else SEGMENTS_BRIEF,
    )


def own_health(
    estimates: Sequence[TrustEstimate],
    first_told_ms: Mapping[str, int],
    settings: Settings,
    *,
    detail: Literal["brief", "full"],
) -> ScoreHealth:
    """Judge gonogo's scores: each hour's calls against the score that stood before it.

    Only hours after a dependency's score was first told: of history that was brought in nothing
    had been said. The first ten calls of a dependency are left out: no verdict rests on them.
    """
    import numpy as np

    from gonogo.detectors.trust.calibration_health import calibration, residuals

    chance, n, good, hour = _said_before(estimates, first_told_ms)
    if not n.size:
        return ScoreHealth(
            status="unknown", note="no score that was told has been followed by calls yet"
        )
    every = np.ones(n.shape, dtype=bool)
    whole = _grouped(chance, n, good, every)
    parts = [
        (name, _grouped(chance, n, good, inside))
        for name, inside in _time_slices(hour, settings.timezone)
    ]
    return _health(
        calibration(whole),
        residuals(whole, parts),
        _Golden(),
        what="gonogo's own scores",
        stale=False,
        stale_ms=0,
        shown=SEGMENTS_FULL if detail == "full" else SEGMENTS_BRIEF,
    )


def _health(
    found: Calibration | None,
    segments: Sequence[Residual],
    golden: _Golden,
    *,
    what: str,
    stale: bool,
    stale_ms: int,
    shown: int,
) -> ScoreHealth:
    from gonogo.detectors.trust.calibration_health import LABELS_MIN

    labels = found.labels if found else 0
    enough = found is not None and labels >= LABELS_MIN
    missed = (
        found is not None
        and enough
        and found.p_value < P_MAX
        and found.ece - found.ece_by_chance > ECE_EXCESS_MAX
    )
    rules: list[tuple[bool, Status]] = [
        (bool(golden.page) or any(s.biased for s in segments), "biased"),
        (missed, "miscalibrated"),
        (stale, "stale"),
        (not enough and golden.page is None, "unknown"),
    ]
    status: Status = next((status for holds, status in rules if holds), "healthy")
    lines = [
        SegmentHealth(
            segment=s.segment,
            labels=s.labels,
            residual=s.sd,
            biased="cannot_tell" if s.biased is None else s.biased,
        )
        for s in segments[:shown]
    ]
    return ScoreHealth(
        status=status,
        ece=found.ece if found else None,
        brier=found.brier if found else None,
        labels=labels,
        golden_deviation_sd=golden.deviation_sd,
        golden_page=golden.page,
        golden_warning=golden.warning,
        coverage=golden.coverage,
        segments=lines or None,
        note=_note(found, segments, golden, what=what, stale_ms=stale_ms if stale else None),
    )


def _note(
    found: Calibration | None,
    segments: Sequence[Residual],
    golden: _Golden,
    *,
    what: str,
    stale_ms: int | None,
) -> str:
    """Describe in one line what was judged."""
    from gonogo.detectors.trust.calibration_health import LABELS_MIN

    if found is None:
        said = f"{what}: none with an outcome; record `confidence` and `outcome` together"
    else:
        said = f"{what}: ECE {number(round(found.ece, 4))} on {counted(found.labels, 'outcome')}"
        said += f" ({number(round(found.ece_by_chance, 4))} is chance)"
        if found.labels < LABELS_MIN:
            said += f", too few to tell ({LABELS_MIN} needed)"
    for segment in [s for s in segments if s.biased][:2]:
        way = "worse" if segment.miss < 0 else "better"
        said += f"; {segment.segment} comes out {way} than said by {number(abs(segment.miss))}"
    if golden.page:
        said += f"; golden set {signed(golden.deviation_sd or 0.0)} sd, paged"
    if stale_ms is not None:
        said += f"; nothing newer than {days(stale_ms)}"
    return said


async def _stated(
    telemetry: TrustTelemetry,
    settings: Settings,
    dependency: str,
    start_hour: int,
    *,
    kinds: Sequence[bool],
) -> tuple[StatedChances, list[tuple[str, StatedChances]], int | None]:
    """Stated confidence with its outcomes: all, by slices of time, and the newest label's hour.

    Of the first of `kinds` (golden or not) that carries any.
    """
    import numpy as np

    for golden in kinds:
        said, good = [
            await telemetry.histograms(dependency, metric, golden=golden, start_hour=start_hour)
            for metric in ("confidence_labelled", "confidence_good")
        ]
        if said.bucket.size:
            break
    every = np.ones(said.bucket.shape, dtype=bool)
    slices = _time_slices(said.bucket, settings.timezone)
    by_time = [(name, _of_rows(said, good, rows)) for name, rows in slices]
    newest = int(said.bucket.max()) if said.bucket.size else None
    return _of_rows(said, good, every), by_time, newest


async def _stated_slice(
    telemetry: TrustTelemetry, dependency: str, start_hour: int, *, segment: str
) -> StatedChances:
    """Stated confidence with its outcomes in a declared segment."""
    import numpy as np

    said, good = [
        await telemetry.histograms(
            dependency, metric, segment=segment, start_hour=start_hour, daily=True
        )
        for metric in ("confidence_labelled", "confidence_good")
    ]
    return _of_rows(said, good, np.ones(said.bucket.shape, dtype=bool))


def _of_rows(said: Histograms, good: Histograms, rows: NDArray[np.bool_]) -> StatedChances:
    """Bins of stated confidence over some rows, with the good ones among them.

    Good calls are found by their hour and version: a row without one has no good histogram.
    """
    import numpy as np

    from gonogo.detectors.bins import layout_named
    from gonogo.detectors.trust.calibration_health import StatedChances

    kept = rows[said.row]
    bins, at = np.unique(said.bins[kept], return_inverse=True)
    n = np.bincount(at, said.counts[kept], minlength=bins.size).astype(np.int64)
    good_kept = np.isin(good.bucket, said.bucket[rows])[good.row]
    place = np.searchsorted(bins, good.bins[good_kept])
    came = np.bincount(place, good.counts[good_kept], minlength=bins.size).astype(np.int64)
    chance = layout_named(said.layout).centre(bins)
    return StatedChances(chance, n, came, float(said.sum[rows].sum()) / MICRO)


def _time_slices(hour: Ints, zone: str) -> list[tuple[str, NDArray[np.bool_]]]:
    """Masks of the rows on weekends, on weekdays and in each band of the day."""
    from gonogo.hours.time_slices import DAY_TYPES, HOUR_BANDS, time_cells

    day_types, bands = time_cells(hour, zone=zone)
    slices = [(f"day_type={name}", day_types == i) for i, name in enumerate(DAY_TYPES)]
    return slices + [(f"hour_band={name}", bands == i) for i, name in enumerate(HOUR_BANDS)]


def _grouped(chance: Floats, n: Ints, good: Ints, inside: NDArray[np.bool_]) -> StatedChances:
    """Scores and what came, in bins of half a point."""
    import numpy as np

    from gonogo.detectors.trust.calibration_health import StatedChances

    chance, n, good = chance[inside], n[inside], good[inside]
    _, at = np.unique(np.round(chance * 200), return_inverse=True)
    calls = np.bincount(at, n).astype(np.int64)
    said = np.bincount(at, n * chance)
    came = np.bincount(at, good).astype(np.int64)
    mean: Floats = np.clip(said / np.maximum(calls, 1), 0, 1)
    return StatedChances(mean, calls, came, float(said.sum()))


def _said_before(
    estimates: Sequence[TrustEstimate], first_told_ms: Mapping[str, int]
) -> tuple[Floats, Ints, Ints, Ints]:
    """Hour by hour the score that stood before it, its calls, the good ones among them, the hour.

    Where successes are labelled it is the chance that a labelled success is good, else the chance
    of success: what of the score can be held against what came.
    """
    import numpy as np

    from gonogo.detectors.trust.score import after_batch, trust_path

    parts = []
    for found in estimates:
        counts, labelled = found.counts, found.quality is not None
        hour, good, n = by_hour(
            counts,
            counts.ok_good if labelled else counts.ok,
            counts.ok_labels if labelled else counts.n,
        )
        path = trust_path(hour, good, n, prior=found.quality_prior or found.ok_prior)
        rows = np.arange(path.n.shape[0])
        chance = after_batch(path, rows, 0 * rows, 0 * rows).mean()
        told = slice(n.size - rows.size, None)
        begun = (np.cumsum(n) - n)[told] >= CALLS_MIN
        begun &= hour[told] > first_told_ms[found.dependency] // HOUR_MS
        parts.append((chance[begun], n[told][begun], good[told][begun], hour[told][begun]))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return none.astype(np.float64), none, none, none
    chance, n, good, hour = (np.concatenate(column) for column in zip(*parts, strict=True))
    return chance, n, good, hour


def chart_warm_up(runs: int) -> int:
    """Runs that make the baseline of a chart of so many."""
    return min(max(runs // 2, BASELINE_RUNS_MIN), BASELINE_RUNS_MAX)


def _golden(answers: GoldenAnswers, stale_ms: int, now_ms: int) -> _Golden:
    """The known-good set's chart, coverage and age."""
    from gonogo.detectors.golden.control_chart import pass_chart
    from gonogo.detectors.golden.paired import runs_of
    from gonogo.detectors.trust.calibration_health import page_limit_sd

    if not answers.item.size:
        return _Golden()
    newest_day = int(answers.day.max())
    lately = answers.day >= newest_day - max(stale_ms // DAY_MS, 1)
    coverage = len(set(answers.item[lately].tolist())) / len(answers.items)
    age_ms = max(0, now_ms - (newest_day + 1) * DAY_MS)
    runs = runs_of(answers)
    try:
        chart = pass_chart(runs, warm_up=chart_warm_up(len(runs.day)))
    except NotEnoughData:
        return _Golden(coverage=coverage, age_ms=age_ms)
    warning = None
    if chart.warned:
        warning = (
            f"newest run {signed(chart.deviation_sd)} sd from its baseline; with nothing wrong a "
            f"warning like this comes every {number(round(chart.warn_every))} runs"
        )
    page = abs(chart.smoothed_sd) > page_limit_sd(chart.baseline_runs)
    return _Golden(chart.deviation_sd, page, warning, coverage, age_ms)
