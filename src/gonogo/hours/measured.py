"""The measure of a dependency's quality: labels of its version, few, complaints or praise alone, or its errors.

Drift, trust and preflight ask here, so that none of them calls fit what another cannot know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gonogo.answers.base import LabelCoverage
from gonogo.records import Dependency, HourCounts, Kind, VersionSeen
from gonogo.settings import DependencySettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gonogo.hours.rate_hours import RateMetric, RateStream
    from gonogo.ports.trust_reads import CallCounts
    from gonogo.records import Ints

NOT_MEASURED = "Quality is not measured: no outcome was ever recorded."
_MEASURED_BY_ERRORS = ("tool", "api")
# Who answers now is told from so many of the newest calls: an hour may hold one call of a trial
# that gets a twentieth of the traffic.
RECENT_CALLS = 20
CURRENT_SHARE = 0.5
LATELY_HOURS = 7 * 24
CALLS_FOR_SHARE = 50
FEW_SHARE = 0.2
# Of outcomes that are drawn at random so few are good only where a dependency nearly never answers
# right and is used all the same.
COMPLAINTS_GOOD_MAX = 0.1
# Where so many outcomes are good and none is bad, either all calls are good or a bad one gets no outcome; that
# nearly every call has one tells the first.
PRAISE_MIN = 30
PRAISE_SHARE = 0.8
# How many are praised is no share of good calls: as much of it as this counts as the smallest loss that matters.
PRAISE_EFFECT = 0.25
EFFECT_MIN = 1e-3

OneSided = Literal["complaint", "praise"]
SIDES: dict[OneSided, str] = {"complaint": "complaints", "praise": "praise"}


def errors_decide(known: Dependency, own: DependencySettings) -> bool:
    """Whether a dependency is judged by its errors: it never had an outcome, and needs none.

    A tool or an API answers or fails; a model that answers without error may still be wrong, so
    for one the user must say so (`quality = "errors"`). The first outcome ends it.
    """
    return judged_by_errors(known.kind, own) and "outcome" not in known.metrics


def judged_by_errors(kind: Kind | None, own: DependencySettings) -> bool:
    """Whether a dependency that never had an outcome, or of one side alone, is judged by its errors."""
    return (own.kind or kind) in _MEASURED_BY_ERRORS or own.quality == "errors"


def are_complaints(n: Ints, labels: Ints, good: Ints) -> NDArray[np.bool_]:
    """Which dependencies' outcomes say how often somebody complained, not how often calls are good.

    So it is where few calls have one and nearly all of those are bad, as where only thumbs down or
    escalations are recorded. Their share of all calls is followed then, as `complaint`.

    Args:
        n: Calls of each; all shapes (m,).
        labels: Calls without error that have an outcome.
        good: Those whose outcome is at or above the bar.
    """
    few = (n >= CALLS_FOR_SHARE) & (labels > 0) & (labels < FEW_SHARE * n)
    return few & (good <= COMPLAINTS_GOOD_MAX * labels)


def are_praise(n: Ints, labels: Ints, good: Ints) -> NDArray[np.bool_]:
    """Which dependencies' outcomes say how often somebody was content, not how often calls are good.

    So it is where a good part of the calls has none and not one is bad, as where only thumbs up or
    accepted suggestions are recorded. One bad outcome shows that bad ones are recorded too.

    Args:
        n: Calls without error of each; all shapes (m,).
        labels: Those that have an outcome.
        good: Those whose outcome is at or above the bar.
    """
    part = (n >= CALLS_FOR_SHARE) & (labels >= PRAISE_MIN) & (labels < PRAISE_SHARE * n)
    is_praise: NDArray[np.bool_] = part & (good == labels)
    return is_praise


def one_sided(counts: HourCounts | CallCounts, own: DependencySettings) -> OneSided | None:
    """The one side of which a dependency's outcomes are: complaints, or praise.

    None where they are a share of good calls, as a declared `baseline.outcome` says that they are.
    """
    if own.baseline is not None and own.baseline.outcome is not None:
        return None
    sums = [column.sum(keepdims=True) for column in (counts.n, counts.ok_labels, counts.ok_good)]
    if are_complaints(*sums)[0]:
        return "complaint"
    labelled = counts.ok_labels.nonzero()[0]
    if not len(labelled) or sums[1][0] != sums[2][0]:
        return None
    # Calls before the first outcome and after the newest: nobody graded yet, or outcomes are on their way.
    first, last = counts.hour[labelled[[0, -1]]]
    ok = counts.ok[(counts.hour >= first) & (counts.hour <= last)].sum(keepdims=True)
    return "praise" if are_praise(ok, *sums[1:])[0] else None


def rates_of(
    known: Dependency, counts: HourCounts, own: DependencySettings
) -> tuple[RateMetric, ...]:
    """The rates that a dependency is followed by, the measure of its quality first."""
    if errors_decide(known, own):
        return ("error",)
    return (one_sided(counts, own) or "outcome", "error")


def own_for(before: RateStream, own: DependencySettings) -> DependencySettings:
    """The settings by which a rate is judged beside its baseline: of praise a quarter less matters, however rare it is."""
    if before.metric != "praise":
        return own
    least = max(PRAISE_EFFECT * before.mean, EFFECT_MIN)
    return replace(own, min_effect=min(own.min_effect, least))


def _one_sided_coverage(counts: HourCounts, side: OneSided) -> LabelCoverage:
    """Why outcomes are taken for complaints or praise, and what they leave unknown."""
    from gonogo.answers.base import LabelCoverage

    n, labels, good = (int(c.sum()) for c in (counts.n, counts.ok_labels, counts.ok_good))
    found = "none is bad" if good == labels else f"{labels - good:,} of these are bad"
    told = (
        f"Its outcomes are taken for {SIDES[side]}: {labels:,} of {n:,} calls have one, and "
        f"{found if good else 'every one is bad'}. "
        "Record outcomes of calls picked at random to know whether the others are right."
    )
    return LabelCoverage(share=labels / n, labels=labels, calls=n, bad=labels - good, warning=told)


@dataclass(frozen=True, slots=True)
class FewLabels:
    """The share of the newest week's calls with an outcome, where it is so small that it matters."""

    labels: int
    calls: int

    @property
    def share(self) -> float:
        """The fraction of calls that have an outcome."""
        return self.labels / self.calls

    @property
    def warning(self) -> str:
        """The consequence of few labels, in words."""
        return (
            f"Only {self.labels:,} of the newest week's {self.calls:,} calls have an outcome: if "
            "those were picked (complaints, escalations), this speaks for them alone; record "
            "outcomes of calls picked at random."
        )


def few_labels(counts: HourCounts) -> FewLabels | None:
    """Measure the share of the newest week's calls that are labelled; None where it is a fifth or more.

    Few labels are no fault where they are drawn at random. Where they come from who complains they
    are of bad calls, and nothing in the counts can tell the two apart: so it is said.
    """
    if not len(counts.hour):
        return None
    lately = counts.hour > counts.hour[-1] - LATELY_HOURS
    calls, labels = int(counts.n[lately].sum()), int(counts.labels[lately].sum())
    if not labels or calls < CALLS_FOR_SHARE or labels >= FEW_SHARE * calls:
        return None
    return FewLabels(labels, calls)


def coverage_of(counts: HourCounts, own: DependencySettings) -> LabelCoverage | None:
    """The share of calls with an outcome, as answers give it, where it is so small that it matters."""
    from gonogo.answers.base import LabelCoverage

    side = one_sided(counts, own)
    if side is not None:
        return _one_sided_coverage(counts, side)
    few = few_labels(counts)
    if few is None:
        return None
    return LabelCoverage(share=few.share, labels=few.labels, calls=few.calls, warning=few.warning)


@dataclass(frozen=True, slots=True)
class UnlabelledVersion:
    """A version that answers now without an outcome of its own, where an older one has some."""

    version: str
    labelled: str

    @property
    def why(self) -> str:
        """The reason why quality is unknown: a clause without its full stop."""
        return (
            f"version {self.version} answers now and has no outcome of its own; those of version "
            f"{self.labelled} say nothing of it"
        )

    @property
    def missing(self) -> str:
        """The data to record so that quality can be known, in words."""
        return f"Record `outcome` for calls of version {self.version}."


def unlabelled_version(
    counts: HourCounts, golden: HourCounts | None, seen: Sequence[VersionSeen]
) -> UnlabelledVersion | None:
    """The version that answers now, where none of its calls has an outcome but another's have.

    A label without a version may be of any version that was called by then. Calls without a version
    belong to no new one.

    Args:
        counts: The dependency's own calls, up to the moment that is asked about.
        golden: Its golden calls, whose outcomes are labels of their versions as well.
        seen: Its versions, with when they were first and last called.
    """
    named: dict[str, int] = {}
    nameless_until = -1
    for part in (counts,) if golden is None else (counts, golden):
        for index, version in enumerate(part.versions):
            rows = (part.version == index) & (part.labels > 0)
            if not rows.any():
                continue
            if version is None:
                nameless_until = max(nameless_until, int(part.hour[rows][-1]))
            else:
                named[version] = named.get(version, 0) + int(part.labels[rows].sum())
    if not named:
        return None
    older = max(named, key=lambda version: named[version])
    found: list[tuple[float, UnlabelledVersion]] = []
    for index, version in enumerate(counts.versions):
        hours = counts.hour[(counts.version == index) & (counts.n > 0)]
        if version is None or version in named or not len(hours) or nameless_until >= hours[0]:
            continue
        share = 1.0 if _came_last(version, seen) else _recent_share(counts, index, int(hours[0]))
        found.append((share, UnlabelledVersion(version, older)))
    share, most = max(found, key=lambda pair: pair[0], default=(0.0, None))
    return most if share >= CURRENT_SHARE else None


def _came_last(version: str, seen: Sequence[VersionSeen]) -> bool:
    """Whether every other version was last called before this one was first: a clean switch."""
    own = next((one for one in seen if one.version == version), None)
    return own is not None and all(
        one.newest_ts_ms < own.first_ts_ms for one in seen if one.version != version
    )


def _recent_share(counts: HourCounts, index: int, first_hour: int) -> float:
    """A version's share of the newest calls, none of them from before its first hour."""
    total = own = 0
    for at in range(len(counts.hour) - 1, -1, -1):
        hour = int(counts.hour[at])
        is_new_hour = at == len(counts.hour) - 1 or hour != int(counts.hour[at + 1])
        if is_new_hour and (hour < first_hour or total >= RECENT_CALLS):
            break
        total += int(counts.n[at])
        own += int(counts.n[at]) * (int(counts.version[at]) == index)
    return own / total if total else 0.0
