"""Suspected causes of a degradation: what changed when it began, where it is, what fell with it.

None of it is a proof; each says what was seen, so that a person knows where to look first.
"""

from __future__ import annotations

import math

from gonogo.answers import DriftReport, TrustReport, rfc3339
from gonogo.answers.drift_report import SegmentDrift
from gonogo.detectors.intervals import difference_interval95
from gonogo.records import Dependency
from gonogo.text.forms import number
from gonogo.text.trust_summary import NOT_DECLARED

NAMED_MAX = 3
# A slice is a place to look where it changed by this many times what the whole did.
STANDS_OUT = 1.5


def suspected_cause(
    drift: DriftReport | None, trust: TrustReport | None, known: Dependency | None
) -> str | None:
    """The likeliest places to look, the most specific first; None where nothing stands out.

    Args:
        drift: The newest drift report.
        trust: The newest trust report: what its provider and what it depends on do.
        known: What the store knows of the dependency: when each version was first seen.
    """
    found = []
    if trust is not None:
        if trust.provider_suspected is not None:
            suspect = trust.provider_suspected
            others = [name for name in suspect.dependencies if name != trust.dependency]
            who = f"provider {suspect.provider}, since {suspect.since}"
            if suspect.provider == NOT_DECLARED:
                who = f"a cause that is shared, last at about {suspect.since}"
            found.append(f"{who} ({_few(others)} too)")
        found += [f"upstream {bad}" for bad in (trust.upstream or [])[:2]]
    if drift is not None:
        found += (drift.onset.changes or [])[:1] if drift.onset is not None else []
        if known is not None:
            found += _versions(drift, known)
        worst = next((s for s in drift.segments or [] if s.drifted), None)
        if worst is not None and _stands_out(worst, drift):
            found.append(
                f"slice {worst.segment} ({number(worst.baseline_mean)} to "
                f"{number(worst.mean)}, n {number(worst.n)})"
            )
    return "; ".join(found) or None


def _stands_out(worst: SegmentDrift, drift: DriftReport) -> bool:
    """Whether a slice changed by more than all do, for sure: else it only shows what is everywhere.

    The difference of two changes, from the intervals of each: the MOVER of Zou & Donner (2008),
    Statistics in Medicine 27. A slice's share of the baseline is taken to be its share of now.
    """
    if drift.change is None or drift.segment == worst.segment:
        return True  # the report is about that slice itself: the whole did not fall
    whole = drift.change.absolute
    if abs(worst.change) < STANDS_OUT * abs(whole):
        return False
    if drift.change.interval95 is None or drift.baseline is None or drift.current is None:
        return True
    before_n = (drift.baseline.n or 0) * worst.n / max(drift.current.n, 1)
    low, high = difference_interval95(worst.baseline_mean, before_n, worst.mean, worst.n)
    low_whole, high_whole = drift.change.interval95
    if worst.change < 0:
        margin = math.hypot(high - worst.change, whole - low_whole)
    else:
        margin = math.hypot(worst.change - low, high_whole - whole)
    return abs(worst.change - whole) > margin


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more


def _versions(drift: DriftReport, known: Dependency) -> list[str]:
    """Versions, but the first, that were first seen while it began."""
    if drift.onset is None:
        return []
    # An onset is known to the hour; RFC 3339 sorts as time does.
    earliest, latest = drift.onset.earliest[:13], drift.onset.latest[:13]
    return [
        f"version {seen.version}, first seen {rfc3339(seen.first_ts_ms)}"
        for seen in known.versions
        if seen.version is not None
        and seen.first_ts_ms > known.first_ts_ms
        and earliest <= rfc3339(seen.first_ts_ms)[:13] <= latest
    ]
