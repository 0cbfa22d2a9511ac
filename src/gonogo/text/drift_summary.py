"""The words of a drift report, written from the report: its numbers are the ones shown."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.answers import Baseline, DriftReport
from gonogo.errors import plain
from gonogo.text.forms import alike, counted, evidence, minute, number

# What is counted where a metric is judged; of every other metric it is values.
_COUNTED = {
    "outcome": "label",
    "complaint": "call",
    "praise": "call",
    "error": "call",
    "golden": "answer",
}

# Slices that every dependency has: they say nothing of which calls fell.
_OF_TIME = ("day_type", "hour_band")


def things(n: int, metric: str) -> str:
    """Count and name the values behind a mean: "1,080 labels", "1 value"."""
    return counted(n, _COUNTED.get(metric, "value"))


def drift_summary(
    report: DriftReport,
    *,
    why: str | None = None,
    change: str | None = None,
    notes: Sequence[str] = (),
) -> str:
    """One or two sentences: what was asked about, what was found, with n and uncertainty.

    Args:
        report: The finished report; its own summary is not read.
        why: Why nothing can be said, where nothing can.
        change: How a change reads that is no change of a mean.
        notes: What qualifies it, in few words each.
    """
    # Some changes name their slice themselves.
    names_slice = report.segment is not None and report.segment in (change or "")
    subject = _subject(report, with_segment=not names_slice)
    if report.status == "insufficient_data" or report.current is None:
        metric = "" if report.metric == "outcome" else f" in {plain(report.metric, 80)}"
        metric = " in its answers to the golden set" if report.metric == "golden" else metric
        return f"Cannot tell whether {subject} has drifted{metric}: {why or _known(report)}."
    lead = "is" if report.status in ("stable", "recovering") else "has"
    if report.evidence is not None and report.evidence.level == "suggestive":
        lead = "may have"
    told = f"{subject} {lead} {report.status}: {change or _change(report)}"
    told += f" ({'; '.join(notes)})" if notes else ""
    if report.onset is not None:
        onset = report.onset
        # What comes back is told as it is now; its onset is when it fell.
        since = "after a fall from" if report.status == "recovering" else "since"
        told += f", {since} about {minute(onset.ts)} ({minute(onset.earliest)} to {minute(onset.latest)})"
    return f"{told}. {_evidence(report)}{_slices(report)}".rstrip()


def _subject(report: DriftReport, *, with_segment: bool) -> str:
    """The dependency and the part of it that is spoken of, as it was asked."""
    said = plain(report.dependency, 200)
    if report.current is not None and report.current.version is not None:
        said += f" version {plain(report.current.version, 80)}"
        if report.baseline is not None and report.baseline.version is not None:
            said += f" against {plain(report.baseline.version, 80)}"
    if report.segment is not None and with_segment:
        said += f" at {plain(report.segment, 200)}"
    if report.since is not None:
        said += f" since {plain(report.since, 40)}"
    if report.until is not None:
        said += f" until {plain(report.until, 40)}"
    return said


def _known(report: DriftReport) -> str:
    current = report.current
    if current is None or current.mean is None:
        return "too little is recorded"
    return (
        f"{report.metric} is {number(current.mean)} on {things(current.n, report.metric)}, too few"
    )


def _change(report: DriftReport) -> str:
    current, baseline, change = report.current, report.baseline, report.change
    name = plain(report.metric, 80)
    if current is None or current.mean is None:
        return name
    if baseline is None or baseline.mean is None:
        return f"{name} {number(current.mean)} on {things(current.n, report.metric)}"
    pairs = report.golden
    if pairs is not None and pairs.items >= current.n:
        on = counted(pairs.items, "paired item")
    else:
        on = things(current.n, report.metric)
        on += f" against {number(baseline.n)}" if baseline.n is not None else ""
    told = f"{name} {number(baseline.mean)} → {number(current.mean)} on {on}"
    if change is not None and change.interval95 is not None:
        whole, low, high = alike((change.absolute, *change.interval95))
        told += f" (change {whole}, 95% interval {low} to {high}{_measured(baseline)})"
    return told


def _measured(baseline: Baseline) -> str:
    """The mean that the baseline had itself, where what it makes expect of other hours is told."""
    if baseline.measured is None:
        return ""
    return f"; the baseline had {number(baseline.measured)} itself, in other hours of the week"


def _slices(report: DriftReport) -> str:
    """The slice that stands apart from a fall of the whole, or that none does: so none is taken for its place."""
    # Slices are followed of outcomes alone.
    whole_fell = (
        report.verdict == "no_go"
        and report.status == "degraded"
        and report.segment is None
        and report.metric == "outcome"
    )
    if not whole_fell or not report.segments:
        return ""
    worst = next((part for part in report.segments if part.drifted), None)
    if worst is not None:
        told = f"{number(worst.baseline_mean)} → {number(worst.mean)} on {things(worst.n, report.metric)}"
        return f" It fell most at {plain(worst.segment, 200)}: {told}."
    parts = report.mix_shift
    if parts is not None and abs(parts["mix"]) > abs(parts["within"]):
        return " Slices that were bad before have more of the calls; within slices less changed."
    if all(part.segment.partition("=")[0] in _OF_TIME for part in report.segments):
        return " It fell at all hours alike."
    return " Every slice fell alike."


def _evidence(report: DriftReport) -> str:
    if report.evidence is None:
        return ""
    of = " of the fall" if report.status == "recovering" else ""
    told = f"Evidence{of} {evidence(report.evidence)}."
    if report.status == "stable" and report.detectable_now is not None:
        told += f" A lasting change of {number(report.detectable_now)} or more would have shown."
    return told
