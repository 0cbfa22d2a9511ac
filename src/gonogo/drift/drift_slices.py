"""Where it drifted: slices that were declared, and slices of time, on one share of the budget.

Slices are followed by the day; their figures are of the very hours that the whole's are of, so that
the values of one key add up to it. A changed mix of slices is told apart from worse slices, and never
raises an alarm: every slice is held against its own baseline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current, Onset, SegmentDrift
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.rate.onset import fit_onset
from gonogo.detectors.rate.rate_slices import CellCounts, CellFinding, Partition, watch_slices
from gonogo.detectors.shares.mix import split_mix
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_end, hour_start
from gonogo.drift.follow import follow, rule_of, without_spells
from gonogo.drift.rates import finding_of
from gonogo.drift.slice_ranking import apart_from_mix, ranked_slices, told_apart
from gonogo.errors import NotEnoughData
from gonogo.hours.rate_hours import Maturity, RateStream
from gonogo.hours.time_slices import DAY_TYPES, HOUR_BANDS, time_cells
from gonogo.text.forms import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.answers import MixShift
    from gonogo.drift.follow import FollowedRate, Spells
    from gonogo.hours.history import HistorySnapshot
    from gonogo.records import Floats, Ints
    from gonogo.settings import DependencySettings

WEIGHT = 0.25
SLICES_MAX = 200
SHOWN = {"brief": 5, "full": 50}
TIME_ALONE = "in a slice of time alone, while the whole is stable"


@dataclass(frozen=True, slots=True)
class SliceFindings:
    """The findings of slices: the one where one has drifted, the list, and the mix.

    `has_fallen`: whether one has become worse, also where its own past is too short for a finding.
    """

    finding: Finding | None
    segments: tuple[SegmentDrift, ...]
    mix_shift: dict[str, float] | None
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


def declared_streams(
    read: HistorySnapshot, followed: FollowedRate, *, end_hour: int
) -> dict[str, RateStream]:
    """Every declared slice of a rate, by its `key=value`, from the baseline on."""
    whole, start = followed.stream, followed.hours.start_hour
    streams = {
        segment: read.stream(whole.metric, golden=whole.golden, segment=segment)
        for segment in read.news.segments[:SLICES_MAX]
    }
    return {name: s.between(start, end_hour) for name, s in streams.items() if s is not None}


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
        return SliceFindings(None, (), None)
    declared = {name: without_spells(s, spells) for name, s in declared.items()}
    first = followed.hours.start_hour // 24
    days = _Days(
        first=first,
        count=int(whole.hour[-1]) // 24 - first + 1,
        baseline=-(-followed.hours.end_hour // 24) - first,
    )
    if days.baseline >= days.count:
        return SliceFindings(None, (), None)
    streams = _streams(whole, declared, zone=zone)
    partitions = _partitions(streams, followed, whole, days, spells)
    rule = rule_of(followed.volume, followed.hours, own, weight=WEIGHT)
    watch = watch_slices(
        partitions, rule, baseline=days.baseline, batch_hours=24, kept=followed.runs.rates
    )
    ranked = ranked_slices(_by_the_hour(watch.findings, streams, followed, since_hour))
    if mixed is not None:
        ranked = apart_from_mix(ranked, mixed.key, *_sides(whole, followed, since_hour))
    named = _named(ranked, frozenset(declared), mixed=mixed is not None)
    finding = None
    if named is not None:
        stream = next(p.slices[named.segment] for p in streams if named.segment in p.slices)
        log10_e = float(watch.evidence_nats[-1]) / math.log(10)
        finding = _finding(named, log10_e, stream, days, followed, rule.needed)
        finding = finding and _as_alone(finding, stream, followed, own, zone=zone, weight=weight)
        if finding is not None and _is_time(named.segment, frozenset(declared)):
            finding = replace(finding, status="shifted", notes=(TIME_ALONE,))
    if since_hour is not None:
        ranked = told_apart(ranked, followed, since_hour)
    return SliceFindings(
        finding=finding,
        segments=tuple(_line(cell, whole) for cell in ranked if cell.n),
        mix_shift=_mix(streams, followed, since_hour),
        has_fallen=named is not None,
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
        return CellCounts(name, *days.of(stream, own), settled=kept)

    return [
        Partition(
            part.key,
            [cell(name, stream) for name, stream in part.slices.items()],
            weight=1 / len(streams),
        )
        for part in streams
    ]


def _by_the_hour(
    findings: Sequence[CellFinding],
    streams: Sequence[_Slices],
    followed: FollowedRate,
    since_hour: int | None,
) -> list[CellFinding]:
    """Findings with the rates of the hours that the whole's are of: its baseline's, and since."""
    of = {name: stream for part in streams for name, stream in part.slices.items()}
    told = []
    for cell in findings:
        before, now = _sides(of[cell.segment], followed, since_hour)
        told.append(
            replace(
                cell,
                baseline_n=before.labels,
                baseline_bad_rate=before.bad_rate,
                n=now.labels,
                bad_rate=now.bad_rate,
            )
        )
    return told


def _sides(
    stream: RateStream, followed: FollowedRate, since_hour: int | None
) -> tuple[RateStream, RateStream]:
    """A slice's labels of the whole's baseline, and those since."""
    hours = followed.hours
    start = hours.end_hour if since_hour is None else since_hour
    return stream.between(hours.start_hour, hours.end_hour), stream.between(start, None)


def _line(cell: CellFinding, whole: RateStream) -> SegmentDrift:
    mean, before = _mean(cell.bad_rate, whole), _mean(cell.baseline_bad_rate, whole)
    return SegmentDrift(
        segment=cell.segment,
        n=cell.n,
        mean=mean,
        baseline_mean=before,
        change=mean - before,
        e_value=math.exp(min(cell.evidence_nats, 690.0)),
        drifted=cell.drifted,
    )


def _mean(bad_rate: float, whole: RateStream) -> float:
    return 1 - bad_rate if whole.metric == "outcome" else bad_rate


def _finding(
    found: CellFinding,
    log10_e: float,
    stream: RateStream,
    days: _Days,
    followed: FollowedRate,
    needed: float,
) -> Finding | None:
    """A slice that has drifted for the worse, as the report's subject."""
    whole, spread = followed.stream, followed.rule.dispersion
    n, bad = days.of(stream)
    try:
        fit = fit_onset(n, bad, first=max(days.baseline, 1), dispersion=spread)
    except NotEnoughData:
        return None
    labels, gone_bad = float(n[fit.onset :].sum()), float(bad[fit.onset :].sum())
    before_n, before = found.baseline_n, _mean(found.baseline_bad_rate, whole)
    mean = _mean(gone_bad / max(labels, 1.0), whole)
    at = [hour_start((days.first + day) * 24) for day in (fit.onset, fit.earliest)]
    latest = hour_end((days.first + fit.latest) * 24 + 23)
    return Finding(
        metric=whole.metric,
        segment=found.segment,
        status="degraded",
        baseline=Baseline(
            source=followed.hours.source,
            version=followed.hours.version,
            mean=before,
            n=before_n,
            start=hour_start(followed.hours.start_hour),
            end=hour_start(followed.hours.end_hour),
        ),
        current=Current(
            mean=mean,
            n=round(labels),
            start=at[0],
            end=hour_end(int(whole.hour[-1])),
            interval95=rate_interval95(mean, labels / spread),
            since="onset",
        ),
        change=change_of(
            before,
            mean,
            interval95=difference_interval95(before, before_n / spread, mean, labels / spread),
        ),
        evidence=evidence_of(log10_e, needed=needed, guarantee=_guarantee(needed)),
        onset=Onset(ts=at[0], earliest=at[1], latest=latest, shape=fit.shape),
        newest_ts_ms=(int(whole.hour[-1]) + 1) * 3_600_000,
    )


def _as_alone(
    finding: Finding,
    stream: RateStream,
    followed: FollowedRate,
    own: DependencySettings,
    *,
    zone: str,
    weight: float,
) -> Finding:
    """The finding with the figures that a question about this slice alone tells, once that alarms too.

    By the hour, and with what the alarm picked allowed for: the mean of the days since an onset that
    was chosen for being bad is too bad itself. The evidence stays that of all slices.
    """
    alone = follow(
        replace(stream, remembered=None),
        followed.hours,
        own,
        weight=weight,
        zone=zone,
        runs=followed.runs,
    )
    told = finding_of(alone, alone.watch(), own, weight=weight, maturity=Maturity(0.0))
    if told.status != finding.status:
        return finding
    return replace(told, segment=finding.segment, evidence=finding.evidence)


def _guarantee(needed: float) -> str:
    return (
        "However often it is asked and however many slices there are, evidence summed over them "
        f"reaches {number(needed)} within n labels with probability at most n / {number(needed)}, while "
        "labels are exchangeable within each slice."
    )


def _mix(
    streams: Sequence[_Slices], followed: FollowedRate, since_hour: int | None
) -> dict[str, float] | None:
    """The part of the whole's change that other shares of traffic explain, by the key where it is most.

    Of the hours that the change is told of: the two parts add up to it where each call has the key.
    """
    found: dict[str, float] | None = None
    sign = -1 if followed.stream.metric == "outcome" else 1
    for part in streams:
        if len(part.slices) < 2 or part.key in ("day_type", "hour_band"):  # noqa: PLR2004
            continue
        sides = [_sides(stream, followed, since_hour) for stream in part.slices.values()]
        table = np.array(
            [[count for side in pair for count in (side.n.sum(), side.bad.sum())] for pair in sides]
        ).T
        try:
            split = split_mix(*table)
        except NotEnoughData:
            continue
        if found is None or abs(split.mix) > abs(found["mix"]):
            found = {"mix": sign * split.mix, "within": sign * split.within}
    return found
