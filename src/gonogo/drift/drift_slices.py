"""Drift of slices: declared ones and slices of time, on one share of the false-alarm budget.

Slices are followed by the day; their figures are of the very hours that the whole's are of, so that
the values of one key add up to it. A changed mix of slices is told apart from worse slices, and never
raises an alarm: every slice is held against its own baseline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current, MixShift, Onset, SegmentDrift
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.rate.comparison import COMPARISON_SUGGESTS
from gonogo.detectors.rate.onset import fit_onset
from gonogo.detectors.rate.rate_slices import CellCounts, CellFinding, Partition, watch_slices
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_end, hour_start
from gonogo.drift.follow import FollowedRate, Spells, follow, rule_of, without_spells
from gonogo.drift.ladder import GUARANTEE, worse_nats
from gonogo.drift.rates import finding_of
from gonogo.drift.slice_ranking import apart_from_mix, ranked_slices, told_apart, worst_newcomer
from gonogo.errors import NotEnoughData
from gonogo.hours.rate_hours import BaselineHours, Maturity, RateStream, learned_baseline
from gonogo.hours.time_slices import DAY_TYPES, HOUR_BANDS, time_cells
from gonogo.records import HOUR_MS
from gonogo.settings import DependencySettings
from gonogo.text.forms import number

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

WEIGHT = 0.25
SHOWN = {"brief": 5, "full": 50}
NEWCOMER = "it came after the baseline, and is held against that of all calls"
TIME_ALONE = "in a slice of time alone, while the whole is stable"


@dataclass(frozen=True, slots=True)
class SliceFindings:
    """The findings of slices: the one where one has drifted, and the list.

    `has_fallen`: whether one has become worse, also where its own past is too short for a finding.
    """

    finding: Finding | None
    segments: tuple[SegmentDrift, ...]
    has_fallen: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """The days of a stream: which is which, and how many are the baseline."""

    first: int
    count: int
    baseline: int

    def of(self, stream: RateStream, worth: Floats | float = 1.0) -> tuple[Floats, Floats]:
        """Labels and bad labels of each day, by what a label of each hour counts for."""
        at = stream.hour // 24 - self.first
        size = self.count
        n = np.bincount(at, stream.n * worth, minlength=size).astype(np.float64)
        return n, np.bincount(at, stream.bad * worth, minlength=size).astype(np.float64)


def _days_of(whole: RateStream, hours: BaselineHours) -> _Days:
    first = hours.start_hour // 24
    count = int(whole.hour[-1]) // 24 - first + 1
    return _Days(first, count, baseline=-(-hours.end_hour // 24) - first)


def sliced(
    followed: FollowedRate,
    declared: dict[str, RateStream],
    own: DependencySettings,
    *,
    zone: str,
    since_hour: int | None,
    spells: Spells,
    mixed: MixShift | None,
    weight: float,
) -> SliceFindings:
    """Follow every slice of a rate whose baseline is closed.

    Args:
        followed: The whole, from its baseline on.
        declared: Its declared slices.
        own: The dependency's settings.
        zone: Where days and hours are local.
        since_hour: The onset of the whole's change, if one was found.
        spells: Hours of the whole's trouble that has come back since. They are cut out of every
            slice: what ended for the whole has ended for its slices, and one that stays bad
            alarms again by itself. It only takes evidence away.
        mixed: The key whose other shares of traffic explain the whole's change. They move slices of
            time, and of other keys, just as well: of those only a declared one decides, and only
            where it fell further than all other traffic.
        weight: The share of the budget that a question about one slice alone has.
    """
    whole = without_spells(followed.stream, spells)
    if not len(whole.hour):
        return SliceFindings(None, ())
    declared = {name: without_spells(s, spells) for name, s in declared.items()}
    days = _days_of(whole, followed.hours)
    if days.baseline >= days.count:
        return SliceFindings(None, ())
    streams = _streams(whole, declared, zone=zone)
    partitions = _partitions(streams, followed, whole, days, spells)
    rule = rule_of(followed.volume, followed.hours, own, weight=WEIGHT)
    watch = watch_slices(
        partitions, rule, baseline=days.baseline, batch_hours=24, kept=followed.runs.rates
    )
    ranked = ranked_slices(_by_the_hour(watch.findings, streams, followed, since_hour))
    if mixed is not None:
        ranked = apart_from_mix(ranked, mixed.key, _sides(whole, followed, since_hour), followed)
    named = _named(ranked, frozenset(declared), mixed=mixed is not None)
    finding = None
    if named is not None:
        stream = next(p.slices[named.segment] for p in streams if named.segment in p.slices)
        log10_e = float(watch.evidence_nats[-1]) / math.log(10)
        evidence = evidence_of(log10_e, needed=rule.needed, guarantee=_guarantee(rule.needed))
        finding = _as_alone(stream, followed, own, zone=zone, weight=weight)
        finding = finding or _finding(named, stream, days, followed, spells)
        finding = finding and replace(finding, segment=named.segment, evidence=evidence)
        if finding is not None and _is_time(named.segment, frozenset(declared)):
            finding = replace(finding, status="shifted", notes=(TIME_ALONE,))
    newcomer = worst_newcomer(declared, followed, own.min_effect)
    if newcomer is not None:
        finding = finding or _newcomer(newcomer, declared[newcomer], followed, own)
        ranked = [replace(c, drifted=c.drifted or c.segment == newcomer) for c in ranked]
        ranked = sorted(ranked, key=lambda cell: not cell.drifted)
    if since_hour is not None:
        ranked = told_apart(ranked, followed, since_hour)
    return SliceFindings(
        finding=finding,
        segments=tuple(_line(cell, whole) for cell in ranked if cell.n),
        has_fallen=named is not None or newcomer is not None,
    )


def _is_time(segment: str, declared: frozenset[str]) -> bool:
    """Whether a slice is cut by the clock alone."""
    return declared.isdisjoint(segment.split(","))


def _named(
    ranked: Sequence[CellFinding], declared: frozenset[str], *, mixed: bool
) -> CellFinding | None:
    """The slice that the report is about: a declared one that became worse, else one of time.

    A slice of time is no part of the traffic that could be routed elsewhere, and it holds whatever
    else happened in those hours: alone it never blocks.
    """
    worse = [cell for cell in ranked if cell.drifted and cell.bad_rate > cell.baseline_bad_rate]
    own = [cell for cell in worse if not _is_time(cell.segment, declared)]
    return next(iter(own or ([] if mixed else worse)), None)


@dataclass(frozen=True, slots=True)
class _Slices:
    """The parts that a key cuts the whole into: the streams of its slices, by segment."""

    key: str
    slices: dict[str, RateStream]


def _streams(whole: RateStream, declared: dict[str, RateStream], *, zone: str) -> list[_Slices]:
    """Slices of time, each declared key, and each of its values by weekday and weekend."""
    day_type, band = time_cells(whole.hour, zone=zone)
    found = [
        _Slices("day_type", _by_time("day_type", DAY_TYPES, day_type, whole)),
        _Slices("hour_band", _by_time("hour_band", HOUR_BANDS, band, whole)),
    ]
    for key in sorted({segment.partition("=")[0] for segment in declared}):
        own = {name: s for name, s in declared.items() if name.partition("=")[0] == key}
        split: dict[str, RateStream] = {}
        for name, stream in own.items():
            types = time_cells(stream.hour, zone=zone)[0]
            split |= _by_time("day_type", DAY_TYPES, types, stream, name)
        found += [_Slices(key, own), _Slices("day_type", split)]
    return found


def _by_time(
    key: str, values: tuple[str, ...], found: Ints, stream: RateStream, name: str | None = None
) -> dict[str, RateStream]:
    """A stream's slices of time; `found` is each batch's index into the slices' values."""
    cut = {}
    for index, value in enumerate(values):
        inside = found == index
        segment = ",".join(sorted([f"{key}={value}", *([name] if name else [])]))
        cut[segment] = replace(
            stream, hour=stream.hour[inside], n=stream.n[inside], bad=stream.bad[inside]
        )
    return cut


def _partitions(
    streams: Sequence[_Slices],
    followed: FollowedRate,
    whole: RateStream,
    days: _Days,
    spells: Spells,
) -> list[Partition]:
    """The slices day by day, as they are followed."""
    settled = 0
    if whole.remembered is not None:
        settled = whole.remembered.end_hour // 24 - days.first - days.baseline

    worth = followed.volume.worth(whole.n)

    def cell(name: str, stream: RateStream) -> CellCounts:
        kept = followed.settled_cell(name, settled, spells=spells)
        own = worth[np.minimum(whole.hour.searchsorted(stream.hour), len(worth) - 1)]
        n, bad = days.of(stream, own)
        offsets = _daily_offsets(stream, days, followed)
        spread = followed.dispersion_of(name, stream, spells=spells)
        return CellCounts(name, n, bad, offsets, kept, spread)

    return [
        Partition(
            part.key,
            [cell(name, stream) for name, stream in part.slices.items()],
            weight=1 / len(streams),
        )
        for part in streams
    ]


def _daily_offsets(stream: RateStream, days: _Days, followed: FollowedRate) -> Floats | None:
    """By how much a slice's days are expected to differ, by the hours that its labels are of; log-odds."""
    if followed.expected is None:
        return None
    n, weighted = days.of(replace(stream, bad=stream.n * followed.offsets_of(stream)))
    offsets: Floats = weighted / np.maximum(n, 1e-9)
    return offsets


def _by_the_hour(
    findings: Sequence[CellFinding],
    streams: Sequence[_Slices],
    followed: FollowedRate,
    since_hour: int | None,
) -> list[CellFinding]:
    """Findings with the rates of the hours that the whole's are of: its baseline's, and since.

    A slice that came later is held against its own labels before the change, else against all calls:
    by those it was followed.
    """
    of = {name: stream for part in streams for name, stream in part.slices.items()}
    told = []
    for cell in findings:
        before, now = _sides(of[cell.segment], followed, since_hour)
        before = before if before.labels else followed.baseline
        told.append(
            replace(
                cell,
                baseline_n=before.labels,
                baseline_bad_rate=followed.expected_bad(before, now),
                n=now.labels,
                bad_rate=now.bad_rate,
            )
        )
    return told


def _sides(
    stream: RateStream, followed: FollowedRate, since_hour: int | None
) -> tuple[RateStream, RateStream]:
    """A slice's labels before and since: of the whole's baseline, or where it came later of its own past."""
    hours = followed.hours
    start = hours.end_hour if since_hour is None else since_hour
    before, past = stream.between(hours.start_hour, hours.end_hour), stream.between(None, start)
    is_later = not before.labels and learned_baseline(past) is not None
    return past if is_later else before, stream.between(start, None)


def _line(cell: CellFinding, whole: RateStream) -> SegmentDrift:
    mean, before = whole.told(cell.bad_rate), whole.told(cell.baseline_bad_rate)
    return SegmentDrift(
        segment=cell.segment,
        n=cell.n,
        mean=mean,
        baseline_mean=before,
        change=mean - before,
        e_value=math.exp(min(cell.evidence_nats, 690.0)),
        drifted=cell.drifted,
    )


def _finding(
    found: CellFinding, stream: RateStream, days: _Days, followed: FollowedRate, spells: Spells
) -> Finding | None:
    """A slice that has drifted for the worse, as the report's subject; None where it came later."""
    n, bad = days.of(stream)
    spread = followed.dispersion_of(found.segment, stream, spells=spells)
    try:
        fit = fit_onset(n, bad, first=max(days.baseline, 1), dispersion=spread)
    except NotEnoughData:
        return None
    onset, earliest, latest = [(days.first + k) * 24 for k in (fit.onset, fit.earliest, fit.latest)]
    at, until = hour_start(onset), hour_end(latest + 23)
    begun = Onset(ts=at, earliest=hour_start(earliest), latest=until, shape=fit.shape)
    now = stream.between(onset, None)
    before = stream.between(followed.hours.start_hour, followed.hours.end_hour)
    bad_rate = followed.expected_bad(before, now) if before.labels else found.baseline_bad_rate
    return _told(now, (stream.told(bad_rate), found.baseline_n), begun, followed, spread)


def _newcomer(
    segment: str, stream: RateStream, followed: FollowedRate, own: DependencySettings
) -> Finding:
    """A value that came after the baseline and is worse than what that knew: it never fell itself."""
    first, known = int(stream.hour[0]), followed.baseline
    at = hour_start(first)
    begun = Onset(ts=at, earliest=at, latest=hour_end(first), shape="step")
    mean = stream.told(followed.expected_bad(known, stream))
    told = _told(stream, (mean, known.labels), begun, followed, followed.rule.dispersion)
    log10_e = worse_nats(known, stream, followed, own) / math.log(10)
    found = evidence_of(log10_e, needed=COMPARISON_SUGGESTS, guarantee=GUARANTEE)
    return replace(told, segment=segment, status="shifted", evidence=found, notes=(NEWCOMER,))


def _told(
    now: RateStream, before: tuple[float, int], onset: Onset, followed: FollowedRate, spread: float
) -> Finding:
    """A slice since its onset, against a mean of so many labels before; `spread`: its dispersion."""
    hours, (mean, n) = followed.hours, before
    interval95 = difference_interval95(mean, n / spread, now.mean, now.labels / spread)
    return Finding(
        metric=now.metric,
        status="degraded",
        baseline=Baseline(
            source=hours.source,
            version=hours.version,
            mean=mean,
            n=n,
            start=hour_start(hours.start_hour),
            end=hour_start(hours.end_hour),
        ),
        current=Current(
            mean=now.mean,
            n=now.labels,
            start=onset.ts,
            end=hour_end(int(followed.stream.hour[-1])),
            interval95=rate_interval95(now.mean, now.labels / spread),
            since="onset",
        ),
        change=change_of(mean, now.mean, interval95=interval95),
        onset=onset,
        newest_ts_ms=(int(followed.stream.hour[-1]) + 1) * HOUR_MS,
    )


def _own_hours(stream: RateStream, followed: FollowedRate) -> BaselineHours | None:
    """The whole's baseline; of a slice that came later its own, None while that is open."""
    hours = followed.hours
    known = hours.declared_bad is not None or stream.between(None, hours.end_hour).labels
    return hours if known else learned_baseline(stream)


def _as_alone(
    stream: RateStream,
    followed: FollowedRate,
    own: DependencySettings,
    *,
    zone: str,
    weight: float,
) -> Finding | None:
    """The finding with the figures that a question about this slice alone tells, once that alarms too.

    By the hour, and with what the alarm picked allowed for: the mean of the days since an onset that
    was chosen for being bad is too bad itself.
    """
    hours = _own_hours(stream, followed)
    if hours is None:
        return None
    alone = follow(
        replace(stream, remembered=None), hours, own, weight=weight, zone=zone, runs=followed.runs
    )
    told = finding_of(alone, alone.watch(), own, weight=weight, maturity=Maturity(0.0))
    return told if told.status == "degraded" else None


def _guarantee(needed: float) -> str:
    return (
        "However often it is asked and however many slices there are, evidence summed over them "
        f"reaches {number(needed)} within n labels with probability at most n / {number(needed)}, while "
        "labels are exchangeable within each slice."
    )
