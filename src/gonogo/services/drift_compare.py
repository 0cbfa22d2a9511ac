"""Two versions or two periods held against each other, once: one known start, the most power.

Golden items decide on the pairs that both answered. Where ordinary labels are there on both sides
too, each counts half of the evidence: an average of e-values is an e-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current, DriftStatus, GoldenPairs
from gonogo.detectors.comparison import COMPARISON_NEEDED, RateComparison, compare_rates
from gonogo.detectors.comparison_stream import compare_as_they_come
from gonogo.detectors.golden import ItemMeans, PairedTest, compare, item_means
from gonogo.detectors.predictive import RateRule, deltas_for
from gonogo.errors import NotEnoughData, UnknownTarget
from gonogo.records import HOUR_MS
from gonogo.services.drift_finding import (
    Finding,
    change_of,
    difference_interval95,
    evidence_of,
    hour_end,
    hour_start,
    rate_interval95,
)
from gonogo.text.forms import number

if TYPE_CHECKING:
    from gonogo.records import Dependency, GoldenAnswers
    from gonogo.services.drift_data import RateStream

ITEMS_MIN = 10
LABELS_MIN = 10


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: two versions, or two periods of hours (half-open)."""

    before_version: str | None
    after_version: str | None
    before_hours: tuple[int | None, int | None] = (None, None)
    after_hours: tuple[int | None, int | None] = (None, None)

    @property
    def by_version(self) -> bool:
        """Whether versions are named, rather than periods."""
        return self.before_version is not None or self.after_version is not None


def named_versions(
    known: Dependency, *, baseline_version: str | None, version: str | None
) -> tuple[str, str]:
    """The two versions to compare; the one that was not named is the newest other one.

    Raises:
        UnknownTarget: a named version was never seen.
        NotEnoughData: there is no other version.
    """
    seen = {v.version: v for v in known.versions if v.version is not None}
    for name in (baseline_version, version):
        if name is not None and name not in seen:
            raise UnknownTarget(f"version of {known.name}", name, seen, "Check the name.")
    if baseline_version is not None and version is not None:
        return baseline_version, version
    named = baseline_version or version
    others = [v for v in seen.values() if v.version != named and v.version is not None]
    if version is not None:  # its baseline is what came before it
        before = [v for v in others if v.first_ts_ms <= seen[version].first_ts_ms]
        others = before or others
    if not others or named is None:
        raise NotEnoughData(f"{known.name} has no second version to compare '{named}' with")
    other = max(others, key=lambda v: v.newest_ts_ms).version or ""
    return (named, other) if baseline_version is not None else (other, named)


def compare_golden(answers: GoldenAnswers, sides: Sides) -> PairedTest | None:
    """The paired test over the items that both sides answered; None below 10 of them."""
    before, after = (_side(answers, sides, after=side) for side in (False, True))
    try:
        test = compare(before, after)
    except NotEnoughData:
        return None
    return test if test.items >= ITEMS_MIN else None


def _side(answers: GoldenAnswers, sides: Sides, *, after: bool) -> ItemMeans:
    version = sides.after_version if after else sides.before_version
    start, end = sides.after_hours if after else sides.before_hours
    rows = np.ones(answers.item.shape, dtype=bool)
    if version is not None:
        index = answers.versions.index(version) if version in answers.versions else -1
        rows &= answers.version == index
    if start is not None:
        rows &= answers.day >= start // 24
    if end is not None:
        rows &= answers.day < -(-end // 24)
    return item_means(answers, rows)


def golden_pairs(test: PairedTest) -> GoldenPairs:
    """The paired test as the report shows it."""
    return GoldenPairs(
        items=test.items,
        worse=test.worse,
        better=test.better,
        same=test.same,
        e_value=min(test.e_value, 1e300),
        p_value=min(1.0, 2 * min(test.p_worse, test.p_better)),
    )


def compare_sides(
    before: RateStream,
    after: RateStream,
    golden: PairedTest | None,
    *,
    sides: Sides,
    min_effect: float,
) -> Finding:
    """What the labels and the golden pairs of two sides say of one rate together."""
    ordinary = (
        before.labels >= LABELS_MIN
        and after.labels >= LABELS_MIN
        and not (golden is not None and before.golden)
    )
    if golden is None and not ordinary:
        return _too_thin(before, after, sides)
    rates = _rates(before, after, min_effect) if ordinary else None
    log10_e, worse = _evidence(rates, golden)
    found = log10_e >= math.log10(COMPARISON_NEEDED)
    status: DriftStatus = "stable"
    if found:
        status = "degraded" if worse else "improved"
    mean_before, mean_after, interval = _means(before, after, golden if not ordinary else None)
    return Finding(
        metric=before.metric,
        status=status,
        baseline=Baseline(
            source="version" if sides.by_version else "period",
            version=sides.before_version,
            mean=mean_before,
            n=before.labels,
            start=hour_start(int(before.hour[0])) if len(before.hour) else None,
            end=hour_end(int(before.hour[-1])) if len(before.hour) else None,
        ),
        current=_current(after, sides, mean_after),
        change=change_of(mean_before, mean_after, interval95=interval),
        evidence=evidence_of(log10_e, needed=COMPARISON_NEEDED, guarantee=_guarantee(sides)),
        golden=golden_pairs(golden) if golden else None,
        newest_ts_ms=(int(after.hour[-1]) + 1) * HOUR_MS if len(after.hour) else None,
    )


def _rates(before: RateStream, after: RateStream, min_effect: float) -> RateComparison:
    """The weaker of two readings, so that both promises hold: at any look, and at every rate."""
    rule = RateRule(needed=COMPARISON_NEEDED, deltas=deltas_for(min_effect))
    once = compare_rates(
        float(before.n.sum()),
        float(before.bad.sum()),
        float(after.n.sum()),
        float(after.bad.sum()),
        rule,
    )
    # Whichever came first is the one that the other is bet to differ from.
    reverse = bool(after.hour[0] < before.hour[0])
    hours = np.union1d(before.hour, after.hour)
    columns = np.zeros((4, len(hours)))
    for row, stream in ((0, after if reverse else before), (2, before if reverse else after)):
        at = np.searchsorted(hours, stream.hour)
        columns[row, at], columns[row + 1, at] = stream.n, stream.bad
    any_time = compare_as_they_come(columns[0], columns[1], columns[2], columns[3], rule)
    if reverse:
        any_time = replace(any_time, up_nats=any_time.down_nats, down_nats=any_time.up_nats)
    return min(once, any_time, key=lambda found: found.evidence_nats)


def _evidence(rates: RateComparison | None, golden: PairedTest | None) -> tuple[float, bool]:
    """log10 of the average e-value, and whether the worse side carries most of it."""
    terms = []  # (log e of both sides, log e of worse, log e of better), nats
    if rates is not None:
        terms.append((rates.evidence_nats, rates.up_nats, rates.down_nats))
    if golden is not None:
        tiny = 5e-324
        terms.append(
            (
                golden.log10_e * math.log(10),
                math.log(max(golden.e_worse, tiny)),
                math.log(max(golden.e_better, tiny)),
            )
        )
    average, up, down = (
        float(np.logaddexp.reduce(side)) - math.log(len(terms)) for side in zip(*terms, strict=True)
    )
    return average / math.log(10), up >= down


def _means(
    before: RateStream, after: RateStream, golden: PairedTest | None
) -> tuple[float, float, tuple[float, float]]:
    if golden is not None:
        return golden.mean_before, golden.mean_after, golden.interval95
    return (
        before.mean,
        after.mean,
        difference_interval95(before.mean, before.labels, after.mean, after.labels),
    )


def _current(after: RateStream, sides: Sides, mean: float) -> Current:
    return Current(
        version=sides.after_version,
        mean=mean,
        n=after.labels,
        start=hour_start(int(after.hour[0])) if len(after.hour) else None,
        end=hour_end(int(after.hour[-1])) if len(after.hour) else None,
        interval95=rate_interval95(mean, after.labels),
    )


def _too_thin(before: RateStream, after: RateStream, sides: Sides) -> Finding:
    wanted = "outcomes" if before.metric == "outcome" else "calls"
    return Finding(
        metric=before.metric,
        status="insufficient_data",
        current=Current(version=sides.after_version, n=after.labels),
        why=(
            f"a comparison needs {LABELS_MIN} {wanted} on each side, and there are "
            f"{number(before.labels)} and {number(after.labels)}"
        ),
        missing=f"Record more {wanted}, or {ITEMS_MIN} golden items answered by both.",
    )


def _guarantee(sides: Sides) -> str:
    what = "versions" if sides.by_version else "periods"
    return (
        f"If the two {what} are equally good, evidence ever reaches {COMPARISON_NEEDED:g} with "
        f"probability at most {1 / COMPARISON_NEEDED:g}, however often it is asked while outcomes "
        f"arrive, averaged over rates and provided that the {what} were named before their "
        "outcomes were seen."
    )
