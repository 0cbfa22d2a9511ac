"""Do outputs still mean what they did, and is the same input still answered the same."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from gonogo.answers import Baseline, Current, Effect
from gonogo.detectors.arrays import Ints
from gonogo.detectors.outputs.semantic import (
    OUTPUTS_MIN,
    daily_evidence,
    day_spread,
    permutations_for,
    sample_change,
)
from gonogo.detectors.shares.consistency import daily_disagreement
from gonogo.drift.drift_memory import Runs
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_start
from gonogo.drift.follow import follow
from gonogo.drift.rates import finding_of
from gonogo.drift.signals.budget_shares import CONSISTENCY, OUTPUTS, SignalQuestion
from gonogo.hours.rate_hours import Maturity, RateStream
from gonogo.ports.signal_reads import OutputSample
from gonogo.records import DAY_MS
from gonogo.text.forms import counted, number, rate_text

_BASELINE_OUTPUTS_MAX = 160
_NEWEST_OUTPUTS = 80
_NEWEST_DAYS_MAX = 7
_OUTPUTS_A_DAY = 64
# Beyond it a user's wish for fewer false alarms costs more time than a check may take.
_PERMUTATIONS_MAX = 1 << 17


async def output_findings(asked: SignalQuestion) -> list[Finding]:
    """One test a day: the newest outputs against the baseline's, by embedding and by text."""
    counts = asked.counts
    days, at = np.unique(counts.hour // 24, return_inverse=True)
    hours = asked.baseline_of(days, np.bincount(at, counts.n, minlength=len(days)).astype(float))
    if hours is None:
        return []
    found = []
    for embedded in (True, False):
        before = await asked.telemetry.outputs(
            asked.dependency,
            start_day=hours.start_hour // 24,
            end_day=hours.end_hour // 24,
            limit=_BASELINE_OUTPUTS_MAX,
            embedded=embedded,
        )
        newest = await asked.telemetry.outputs(
            asked.dependency,
            start_day=max(hours.end_hour // 24, asked.end_day - _NEWEST_DAYS_MAX),
            end_day=asked.end_day,
            limit=_NEWEST_DAYS_MAX * _OUTPUTS_A_DAY,
            embedded=embedded,
        )
        kept = _newest(newest)
        if len(before.day) < OUTPUTS_MIN or len(kept) < OUTPUTS_MIN:
            continue
        baseline = Baseline(
            source=hours.source,
            version=hours.version,
            n=len(before.day),
            start=hour_start(hours.start_hour),
            end=hour_start(hours.end_hour),
        )
        metric = "embedding" if embedded else "output"
        found.append(_compared(asked, metric, before, newest, kept, baseline))
    return found


def _newest(sample: OutputSample) -> Ints:
    """Indices of the newest days' outputs, as many days as it takes; those of smallest hash."""
    days = np.unique(sample.day)[::-1]
    sizes = np.cumsum([np.count_nonzero(sample.day == day) for day in days])
    enough = int(np.searchsorted(sizes, _NEWEST_OUTPUTS)) + 1
    inside = np.flatnonzero(np.isin(sample.day, days[:enough]))
    smallest: Ints = inside[np.argsort(sample.hash[inside], kind="stable")][:_NEWEST_OUTPUTS]
    return smallest


def _compared(
    asked: SignalQuestion,
    metric: str,
    before: OutputSample,
    newest: OutputSample,
    kept: Ints,
    baseline: Baseline,
) -> Finding:
    needed = asked.needed(1.0, OUTPUTS / 2)
    change = sample_change(
        before.features,
        newest.features[kept],
        seed=_seed(before.hash, newest.hash[kept]),
        permutations=min(permutations_for(needed), _PERMUTATIONS_MAX),
    )
    spread = day_spread(before.features, before.day)
    larger = change.energy > spread
    e_value = daily_evidence(change.p_value, needed=needed) if larger else 0.0
    days = np.unique(newest.day[kept])
    told = (
        f"{metric}s differ from the baseline's: energy distance {number(change.energy)} (between "
        f"days of the baseline up to {number(spread)}), p = {number(change.p_value)} on "
        f"{counted(len(kept), 'sampled output')} against {number(len(before.day))}"
    )
    return Finding(
        metric=metric,
        kind="semantic",
        status="shifted" if e_value >= needed else "stable",
        baseline=baseline,
        current=Current(
            n=len(kept),
            start=hour_start(int(days[0]) * 24),
            end=hour_start((int(days[-1]) + 1) * 24),
        ),
        change=change_of(0.0, change.energy, interval95=None),
        evidence=evidence_of(
            math.log10(e_value) if e_value > 0 else -math.inf,
            needed=needed,
            guarantee=(
                f"One test a UTC day, however often it is asked: at most one false alarm is expected "
                f"in {number(needed)} days, while outputs are exchangeable with the baseline's."
            ),
        ),
        effect=Effect(p_value=change.p_value, between_days=spread),
        told=told,
        newest_ts_ms=(int(days[-1]) + 1) * DAY_MS,
    )


def _seed(*hashes: Ints) -> int:
    """The identity of the data, so that the same samples meet the same dice."""
    digest = blake2b(b"".join(part.astype("<i8").tobytes() for part in hashes), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


async def consistency_findings(asked: SignalQuestion) -> list[Finding]:
    """Whether repeated inputs are answered differently more often than in the baseline."""
    seen = await asked.telemetry.daily_answers(asked.dependency, end_day=asked.end_day)
    found = daily_disagreement(seen.version, seen.day, seen.input, seen.output, seen.n)
    hours = asked.baseline_of(found.day, found.compared)
    if hours is None:
        return []
    stream = RateStream("error", False, found.day * 24, found.compared, found.differing)
    followed = follow(stream, hours, asked.own, weight=CONSISTENCY, zone=asked.zone, runs=Runs())
    told = finding_of(
        followed, followed.watch(), asked.own, weight=CONSISTENCY, maturity=Maturity(0.0)
    ).whole()
    if told.change is None or told.baseline is None or told.current is None:
        return []
    before, after = told.baseline.mean or 0.0, told.current.mean or 0.0
    return [
        replace(
            told,
            metric="consistency",
            kind="consistency",
            status="shifted" if told.status == "degraded" else "stable",
            detectable_now=None,
            told=(
                f"repeated inputs answered differently {rate_text(before)} → {rate_text(after)} of the time, "
                f"on {counted(told.current.n, 'repeated input')} against "
                f"{number(told.baseline.n or 0)}"
            ),
        )
    ]
