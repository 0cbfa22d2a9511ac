"""Two versions or two periods held against each other, once: one known start, the most power.

Golden items decide on the pairs that both answered. Where ordinary labels are there on both sides
too, each counts half of the evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gonogo.answers import Baseline, Current, DriftStatus, GoldenPairs
from gonogo.detectors.golden.paired import item_means
from gonogo.detectors.golden.pairs import ItemMeans, PairedTest, compare
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.rate.comparison import (
    COMPARISON_NEEDED,
    COMPARISON_SUGGESTS,
    compare_as_they_come,
    fisher_worse,
)
from gonogo.detectors.rate.rule import RateRule, deltas_for
from gonogo.drift.finding import (
    DriftQuestion,
    Finding,
    change_of,
    evidence_of,
    hour_end,
    hour_start,
)
from gonogo.drift.ladder import (
    DROP_EXCLUDED,
    P_MAX,
    GainEvidence,
    Rung,
    agreeing,
    answers_needed,
    rung,
)
from gonogo.drift.read import DriftData
from gonogo.errors import NotEnoughData, ParameterError, UnknownTarget, plain
from gonogo.hours.measured import own_for
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import GOOD_SHARES, RateStream
from gonogo.records import HOUR_MS, Dependency, GoldenAnswers
from gonogo.settings import Settings
from gonogo.text.forms import number, signed

ITEMS_MIN = 10
LABELS_MIN = 10
# Of two sources, whose rung is told.
_RANK: dict[DriftStatus, int] = {"degraded": 0, "improved": 1, "stable": 2, "insufficient_data": 3}


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of a comparison: two versions, or two periods of hours (half-open)."""

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
        ParameterError: both are the same.
        NotEnoughData: there is no other version.
    """
    seen = {v.version: v for v in known.versions if v.version is not None}
    for name in (baseline_version, version):
        if name is not None and name not in seen:
            raise UnknownTarget(f"version of {known.name}", name, seen, "Check the name.")
    if baseline_version is not None and baseline_version == version:
        raise ParameterError(
            f"version and baseline_version are both '{plain(version, 80)}'. Name two versions, or leave one out."
        )
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
    """The paired test as the report shows it, with the evidence of the side that it tells."""
    return GoldenPairs(
        items=test.items,
        worse=test.worse,
        better=test.better,
        same=test.same,
        e_value=min(max(test.e_worse, test.e_better), 1e300),
        p_value=min(1.0, 2 * min(test.p_worse, test.p_better)),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """One kind of answers that both sides gave: ordinary outcomes, or golden items in pairs."""

    gain: GainEvidence
    before: float
    after: float
    n_before: int
    n_after: int
    golden: bool


def compare_sides(
    before: RateStream,
    after: RateStream,
    golden: PairedTest | None,
    *,
    sides: Sides,
    min_effect: float,
) -> Finding:
    """Combine the evidence of labels and golden pairs about the difference of two sides' rates.

    Evidence is the average of both: an average of e-values is an e-value. The worse of the two
    rungs is told, except that what one of them can exclude, the other need not.
    """
    sources = []
    if golden is not None:
        sources.append(_paired(golden))
    has_labels = before.labels >= LABELS_MIN and after.labels >= LABELS_MIN
    if has_labels and not (golden is not None and before.golden):
        sources.append(_labelled(before, after, min_effect))
    if not sources:
        return _too_thin(before, after, sides)
    shown, found = _judged(sources, min_effect)
    told = _told(before, after, shown, sides=sides)
    is_worse = shown.gain.worse_log10 >= shown.gain.better_log10
    why, missing = None, None
    if found.status == "insufficient_data":
        why, missing = _undecided(shown, before, min_effect)
    return replace(
        told,
        status=found.status,
        evidence=evidence_of(
            shown.gain.worse_log10 if is_worse else shown.gain.better_log10,
            needed=COMPARISON_NEEDED,
            level=found.level,
            guarantee=_guarantee(sides, shown),
        ),
        golden=golden_pairs(golden) if golden else None,
        why=why,
        missing=missing,
    )


def _told(before: RateStream, after: RateStream, shown: _Source, *, sides: Sides) -> Finding:
    """The measures of both sides, and the change between them, in the metric's own terms."""
    low, high = shown.gain.interval95
    if before.metric in GOOD_SHARES:
        first, second, interval = shown.before, shown.after, (low, high)
    else:
        first, second, interval = 1 - shown.before, 1 - shown.after, (-high, -low)
    return Finding(
        metric=before.metric,
        status="stable",
        baseline=Baseline(
            source="version" if sides.by_version else "period",
            version=sides.before_version,
            mean=first,
            n=shown.n_before,
            start=hour_start(int(before.hour[0])) if len(before.hour) else None,
            end=hour_end(int(before.hour[-1])) if len(before.hour) else None,
        ),
        current=Current(
            version=sides.after_version,
            mean=second,
            n=shown.n_after,
            start=hour_start(int(after.hour[0])) if len(after.hour) else None,
            end=hour_end(int(after.hour[-1])) if len(after.hour) else None,
            interval95=rate_interval95(second, shown.n_after),
        ),
        change=change_of(first, second, interval95=interval),
        newest_ts_ms=(int(after.hour[-1]) + 1) * HOUR_MS if len(after.hour) else None,
    )


def _judged(sources: list[_Source], min_effect: float) -> tuple[_Source, Rung]:
    """The source that decides, with the evidence of all, and where on the ladder it stands."""
    strongest = max(sources, key=lambda s: max(s.gain.worse_log10, s.gain.better_log10))
    judged = []
    for source in sources:
        beside = sources if source is strongest else [source]
        worse, better = (
            float(np.logaddexp.reduce(np.array(terms) * math.log(10))) / math.log(10)
            - math.log10(len(sources))
            for terms in (
                [s.gain.worse_log10 for s in beside],
                [s.gain.better_log10 for s in beside],
            )
        )
        weighed = replace(source.gain, worse_log10=worse, better_log10=better)
        told = rung(
            weighed,
            min_effect=min_effect,
            needed=COMPARISON_NEEDED,
            suggests=COMPARISON_SUGGESTS,
        )
        judged.append((replace(source, gain=weighed), told))
    return min(judged, key=lambda pair: _RANK[pair[1].status] + (pair[1].level is not None) / 2)


def _labelled(before: RateStream, after: RateStream, min_effect: float) -> _Source:
    """Ordinary labels, as they came: whichever stream began first is the one the other is held to."""
    rule = RateRule(needed=COMPARISON_NEEDED, deltas=deltas_for(min_effect))
    reverse = bool(after.hour[0] < before.hour[0])
    hours = np.union1d(before.hour, after.hour)
    columns = np.zeros((4, len(hours)))
    for row, stream in ((0, after if reverse else before), (2, before if reverse else after)):
        at = np.searchsorted(hours, stream.hour)
        columns[row, at], columns[row + 1, at] = stream.n, stream.bad
    seen = compare_as_they_come(columns[0], columns[1], columns[2], columns[3], rule)
    worse, better = (x / math.log(10) for x in (seen.up_nats, seen.down_nats))
    n0, n1 = float(before.n.sum()), float(after.n.sum())
    bad0, bad1 = float(before.bad.sum()), float(after.bad.sum())
    p_worse, p_better = fisher_worse(n0, bad0, n1, bad1), fisher_worse(n0, n0 - bad0, n1, n1 - bad1)
    good0, good1 = 1 - before.bad_rate, 1 - after.bad_rate
    gain = GainEvidence(
        worse_log10=better if reverse else worse,
        better_log10=worse if reverse else better,
        interval95=agreeing(difference_interval95(good0, n0, good1, n1), p_worse, p_better),
        p_worse=p_worse,
        p_better=p_better,
    )
    return _Source(gain, good0, good1, before.labels, after.labels, golden=False)


def _paired(test: PairedTest) -> _Source:
    tiny = 5e-324
    gain = GainEvidence(
        worse_log10=math.log10(max(test.e_worse, tiny)),
        better_log10=math.log10(max(test.e_better, tiny)),
        interval95=agreeing(test.interval95, test.p_worse, test.p_better),
        p_worse=test.p_worse,
        p_better=test.p_better,
    )
    return _Source(gain, test.mean_before, test.mean_after, test.items, test.items, golden=True)


def _undecided(shown: _Source, before: RateStream, min_effect: float) -> tuple[str, str]:
    """The reason why neither go nor a fall can be concluded, and the data that would decide."""
    low, high = shown.gain.interval95
    n0, n1 = shown.n_before, shown.n_after
    why = (
        f"good answers {number(shown.before)} → {number(shown.after)} on {number(n0)} and "
        f"{number(n1)} (change {signed(shown.after - shown.before)}, 95% interval {signed(low)} to "
        f"{signed(high)}), which does not exclude a loss of {number(DROP_EXCLUDED * min_effect)}"
    )
    if shown.golden:
        return why, "Ask both sides more golden items."
    wanted = "outcomes" if before.metric == "outcome" else "calls"
    rate = (shown.before * n0 + shown.after * n1) / (n0 + n1)
    enough = answers_needed(rate, n0, min_effect=min_effect)
    if enough is None or enough <= n1:
        return why, f"Record more {wanted} of both sides."
    return why, f"Record {wanted} of the second side, {number(enough)} in all."


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


def _guarantee(sides: Sides, shown: _Source) -> str:
    what = "versions" if sides.by_version else "periods"
    sides_p = (p for p in (shown.gain.p_worse, shown.gain.p_better) if p is not None)
    p_value = min(1.0, 2 * min(sides_p, default=1.0))
    test = "McNemar's" if shown.golden else "Fisher's"
    return (
        f"If the two {what} are equally good, evidence that the second is worse ever reaches "
        f"{COMPARISON_NEEDED:g} with probability at most {1 / COMPARISON_NEEDED:g}, and "
        f"{COMPARISON_SUGGESTS:g}, a caution, at most {1 / COMPARISON_SUGGESTS:g}, however often it "
        f"is asked while outcomes arrive, averaged over rates and provided that the {what} were named "
        f"before their outcomes were seen. A caution by {test} exact test (here p = {p_value:.2g}, two-sided) "
        f"is false in at most {P_MAX:.1%} of single looks at finished {what}."
    )


def compared(data: DriftData, settings: Settings, question: DriftQuestion) -> list[Finding]:
    """Hold the sides that a question names against each other, by each rate."""
    own = settings.dependency(data.known.name)
    try:
        sides = _sides(data, settings, question)
    except NotEnoughData as thin:
        return [
            Finding(
                metric="outcome",
                status="insufficient_data",
                why=str(thin).rstrip("."),
                missing="Record calls of a second version, or name two that were seen.",
            )
        ]
    golden = compare_golden(data.golden, sides) if question.segment is None else None
    findings = []
    for metric in (data.quality, "error"):
        before = data.stream(metric, sides.before_version).between(*sides.before_hours)
        after = data.stream(metric, sides.after_version).between(*sides.after_hours)
        pairs = golden if metric == "outcome" else None
        least = own_for(before, own).min_effect
        findings.append(compare_sides(before, after, pairs, sides=sides, min_effect=least))
    return findings


def _sides(data: DriftData, settings: Settings, question: DriftQuestion) -> Sides:
    since = None
    if question.since is not None:
        named = moment(question.since, name="since", zone=settings.timezone)
        since = first_hour(named.start_ms)
        if since >= data.until:
            raise ParameterError(f"since {question.since} is not before the end of the period.")
    if question.baseline_version is None and question.version is None:
        return Sides(None, None, (None, since), (since, data.until))
    before, after = named_versions(
        data.known, baseline_version=question.baseline_version, version=question.version
    )
    return Sides(before, after, (None, data.until), (since, data.until))
