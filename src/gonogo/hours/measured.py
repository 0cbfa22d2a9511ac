"""The measure of a dependency's quality: labels of its version, few labels, complaints, or its errors alone.

Drift, trust and preflight ask here, so that none of them calls fit what another cannot know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.answers.base import LabelCoverage
from gonogo.records import Dependency, HourCounts, Kind, VersionSeen
from gonogo.settings import DependencySettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gonogo.hours.rate_hours import RateMetric
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


def errors_decide(known: Dependency, own: DependencySettings) -> bool:
    """Whether a dependency is judged by its errors: it never had an outcome, and needs none.

    A tool or an API answers or fails; a model that answers without error may still be wrong, so
    for one the user must say so (`quality = "errors"`). The first outcome ends it.
    """
    return judged_by_errors(known.kind, own) and "outcome" not in known.metrics


def judged_by_errors(kind: Kind | None, own: DependencySettings) -> bool:
    """Whether a dependency that never had an outcome, or complaints alone, is judged by its errors."""
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


def complaints_alone(counts: HourCounts | CallCounts, own: DependencySettings) -> bool:
    """Whether the outcomes of a dependency are complaints; a declared `baseline.outcome` says that they are a rate."""
    declared = own.baseline is not None and own.baseline.outcome is not None
    sums = [column.sum(keepdims=True) for column in (counts.n, counts.ok_labels, counts.ok_good)]
    return not declared and bool(are_complaints(*sums)[0])


def rates_of(
    known: Dependency, counts: HourCounts, own: DependencySettings
) -> tuple[RateMetric, ...]:
    """The rates that a dependency is followed by, the measure of its quality first."""
    if errors_decide(known, own):
        return ("error",)
    return ("complaint", "error") if complaints_alone(counts, own) else ("outcome", "error")


def _complaints_coverage(counts: HourCounts) -> LabelCoverage:
    """Why outcomes are taken for complaints, and what they leave unknown."""
    from gonogo.answers.base import LabelCoverage

    n, labels, good = (int(c.sum()) for c in (counts.n, counts.ok_labels, counts.ok_good))
    bad = f"{labels - good:,} of these are" if good else "every one is"
    told = (
        f"Its outcomes are taken for complaints: {labels:,} of {n:,} calls have one, and {bad} bad. "
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

    if complaints_alone(counts, own):
        return _complaints_coverage(counts)
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
