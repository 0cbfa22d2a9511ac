"""Whether the mix of predictions, or of kinds of errors, moved: in the whole, or in a slice of it.

A slice's mix can move while the mix of the whole and every label stay as they were.
"""

from __future__ import annotations

import math
import re

import numpy as np

from gonogo.answers import Effect, ShareShift
from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.shares.categories import NEW
from gonogo.drift.finding import Finding, change_of, evidence_of
from gonogo.drift.signals.budget_shares import (
    CATEGORIES,
    FollowedShares,
    SignalQuestion,
    exchangeable,
    follow_shares,
)
from gonogo.errors import plain
from gonogo.ports.signal_reads import Categories, CategoryField
from gonogo.records import DAY_MS
from gonogo.text.forms import counted, number, rate_text

# The rate of errors is followed as `error`; here it is which errors there are.
METRIC_OF: dict[CategoryField, str] = {"prediction": "prediction", "error": "error_kind"}
_FIELD_WEIGHTS: dict[CategoryField, float] = {"prediction": 0.75, "error": 0.25}
_SLICES_READ = 200
_SLICES_MAX = 30
_BASELINE_MIN = 50.0
_KEYS = re.compile(r"(?:^|,)([^,=]+)=")


async def category_findings(asked: SignalQuestion, stopped: list[str]) -> list[Finding]:
    """Every mix that is followed, the whole of each field first."""
    found: list[Finding] = []
    for field, weight in _FIELD_WEIGHTS.items():
        if field in stopped:
            found.append(
                Finding(
                    metric=METRIC_OF[field],
                    kind="distribution",
                    status="insufficient_data",
                    why=f"{field} has more than 200 values, so its mix is not followed",
                    missing=f"Record {field} in at most 200 values.",
                )
            )
            continue
        seen = await asked.telemetry.categories(
            asked.dependency, field, end_day=asked.end_day, slices_max=_SLICES_READ
        )
        if len(seen.n):
            found += _field_findings(asked, field, seen, CATEGORIES * weight)
    return found


def _field_findings(
    asked: SignalQuestion, field: CategoryField, seen: Categories, weight: float
) -> list[Finding]:
    first = int(seen.day.min())
    day = np.arange(first, asked.end_day)
    tables = {
        segment: _table(seen, index, first, len(day)) for index, segment in enumerate(seen.segments)
    }
    whole = tables.pop(None)
    hours = asked.baseline_of(day, whole.sum(axis=1))
    if hours is None:
        return []
    inside = (day * 24 >= hours.start_hour) & (day * 24 < hours.end_hour)
    volume = float(whole[inside].sum()) / max((hours.end_hour - hours.start_hour) / 24, 1.0)
    sizes = {segment: float(table[inside].sum()) for segment, table in tables.items()}
    # By their baseline alone, so that the choice knows nothing of what came after.
    slices = [s for s in sorted(sizes, key=lambda s: -sizes[s]) if sizes[s] >= _BASELINE_MIN]
    keys = {_key(segment) for segment in slices}
    cells: list[tuple[str | None, Floats, float]] = [
        (None, whole, asked.needed(volume, weight / (2 if keys else 1)))
    ]
    each = asked.needed(volume, weight / (2 * max(len(keys), 1)))
    cells += [(segment, tables[segment], each) for segment in slices[:_SLICES_MAX]]
    found = []
    for segment, table, needed in cells:
        followed = follow_shares(day, table, seen.values, hours, needed=needed)
        if followed is not None:
            found.append(_finding(field, segment, followed, needed))
    return found


def _table(seen: Categories, segment: int, first: int, days: int) -> Floats:
    rows = seen.segment == segment
    width = len(seen.values)
    at: Ints = (seen.day[rows] - first) * width + seen.value[rows]
    counted = np.bincount(at, seen.n[rows], minlength=days * width)
    return counted.astype(np.float64).reshape(days, width)


def _key(segment: str | None) -> str:
    return ",".join(_KEYS.findall(segment or ""))


def _share(share: ShareShift) -> str:
    new = share.category == NEW
    name = "values new since the baseline" if new else f"'{plain(share.category, 60)}'"
    return f"{name} {rate_text(share.before)} → {rate_text(share.after)}"


def _finding(
    field: CategoryField, segment: str | None, followed: FollowedShares, needed: float
) -> Finding:
    top = followed.shares[0]
    moved = [
        ShareShift(category=share.category, before=share.before, after=share.after)
        for share in followed.shares[:2]
    ]
    where = "" if segment is None else f" at {plain(segment, 80)}"
    where += f" ({followed.only})" if followed.only else ""
    told = (
        f"{METRIC_OF[field]}{where} {', '.join(map(_share, moved))}, on "
        f"{counted(round(followed.n), 'value')} against {number(round(followed.n_before))}"
        f"{followed.since}"
    )
    return Finding(
        metric=METRIC_OF[field],
        kind="distribution",
        segment=segment,
        status="shifted" if followed.drifted else "stable",
        baseline=followed.baseline(top.before),
        current=followed.current(top.after),
        change=change_of(top.before, top.after, interval95=None),
        evidence=evidence_of(
            followed.evidence_nats / math.log(10),
            needed=needed,
            guarantee=exchangeable(needed),
        ),
        told=told,
        effect=Effect(
            shares=moved,
            since=followed.began_on,
        ),
        newest_ts_ms=(followed.last + 1) * DAY_MS,
    )
