"""The ladder of claims about a change: the rungs from no_go to unknown.

Two named sides are judged so. Evidence decides, and the interval that stands beside the verdict never
says otherwise:

- degraded (no_go): evidence of worse reached `needed`; `small` (caution) where the whole interval
  lies within half of `min_effect`;
- degraded, suggestive (caution): evidence of worse reached `suggests`, or one exact test at .05, or
  the interval lies below 0;
- cannot tell (unknown): the interval holds a drop of twice `min_effect`;
- improved, or stable (go): everything else.

A rate that is followed and raised no alarm has the lower rungs, `as_far_as_shown`. A young one can fall
and raise none: what is normal is learned from few labels, and the new rate is learned as fast as it is
doubted. So what came since the baseline is also held against it as a whole:

- degraded, suggestive: evidence of worse reached `COMPARISON_SUGGESTS`, by at least `min_effect`, and
  the newest day is still worse;
- cannot tell: the interval of the rate now reaches a loss of twice `min_effect`; suggestive, where the
  interval of the change excludes 0 as well;
- stable: everything else.

A young stream that fell at a weekend, of which its baseline has none, is degraded, suggestive, until days
that the baseline knows show the fall as well, or where it is larger than weekends differ by habit.

The evidence is a martingale in the labels that come after the baseline, so that where nothing changes
it ever reaches 20 with probability at most .05, however often it is asked (Ville 1939). The error of
the baseline's own mean is left out of the interval of the rate now: with 100 labels it would keep a
healthy dependency unknown for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gonogo.answers import DriftStatus
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.rate.comparison import COMPARISON_SUGGESTS, compare_rates
from gonogo.detectors.rate.rule import RateRule, deltas_for
from gonogo.drift.drift_mix import moved_mix, shifted
from gonogo.drift.finding import Finding, evidence_of
from gonogo.drift.follow import SEASON_HOURS_MIN, FollowedRate
from gonogo.errors import plain
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import GOOD_SHARES, RateStream
from gonogo.hours.time_slices import WEEKEND_HOUR, hours_of_week
from gonogo.settings import DependencySettings
from gonogo.text.forms import number

# `go` excludes a drop of so many times `min_effect`.
DROP_EXCLUDED = 2.0
# One side of an exact test at .05.
P_MAX = 0.025
ONE_LOOK = "no alarm: that interval is of one look, and evidence allows for them all"
# For so long after its alarm a moved mix is news, a caution; then it is how things are.
NEWS_HOURS = 24
_ANSWERS_MAX = 1e7
_NEWEST_HOURS = 24
# Rate points by which no weekend differs by habit, and odds at which days that a baseline knows show a fall.
_HABIT_MAX, _SHOWN = 0.25, 20.0
_ONE_KIND = (
    "its baseline has days of one kind, weekdays or weekend, and only the other kind shows it"
)
GUARANTEE = (
    f"Held against its baseline as a whole, evidence of worse ever reaches {COMPARISON_SUGGESTS:g}, a "
    f"caution, with probability at most {1 / COMPARISON_SUGGESTS:g}, however often it is asked, while "
    "labels are exchangeable, averaged over rates. Below that a caution says that the 95% interval of "
    "the change excludes 0, and is false in at most 0.025 of single looks."
)


@dataclass(frozen=True, slots=True)
class GainEvidence:
    """One source's evidence about a share of good answers.

    Attributes:
        worse_log10: Evidence that it fell, log10 of an e-value.
        better_log10: Evidence that it rose.
        interval95: Of the share now less the share before.
        p_worse: One-sided p-value of one look; None where none was worked out.
        p_better: The same for better.
    """

    worse_log10: float
    better_log10: float
    interval95: tuple[float, float]
    p_worse: float | None = None
    p_better: float | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """A status, and why a degraded one is only a caution."""

    status: DriftStatus
    level: Literal["suggestive", "small"] | None = None


def rung(found: GainEvidence, *, min_effect: float, needed: float, suggests: float) -> Rung:
    """The rung of the ladder that a source's evidence reaches.

    Args:
        found: What the source says.
        min_effect: The smallest change that matters to the user, rate points.
        needed: Evidence at which a change is called found.
        suggests: Evidence at which one is warned of.
    """
    low, high = found.interval95
    if found.worse_log10 >= math.log10(needed):
        return Rung("degraded", "small" if low > -min_effect / 2 else None)
    if _suggested(found.worse_log10, found.p_worse, suggests) or high < 0:
        return Rung("degraded", "suggestive")
    if low < -DROP_EXCLUDED * min_effect:
        return Rung("insufficient_data")
    if found.better_log10 >= math.log10(needed):
        return Rung("improved")
    if _suggested(found.better_log10, found.p_better, suggests) or low > 0:
        return Rung("improved", "suggestive")
    return Rung("stable")


def agreeing(
    interval95: tuple[float, float], p_worse: float, p_better: float
) -> tuple[float, float]:
    """An interval that holds 0 where the exact test at .05 does not refuse it.

    Score intervals are a little narrower than the exact test; two answers beside each other that
    disagree would leave the reader to choose. It only ever widens.
    """
    low, high = interval95
    return low if p_better <= P_MAX else min(low, 0.0), high if p_worse <= P_MAX else max(high, 0.0)


def _suggested(log10_e: float, p_value: float | None, suggests: float) -> bool:
    return log10_e >= math.log10(suggests) or (p_value is not None and p_value <= P_MAX)


def answers_needed(rate: float, n_before: float, *, min_effect: float) -> int | None:
    """Answers of the second side with which no change would read as go; None where none are enough.

    Args:
        rate: Of good answers on both sides, a fraction.
        n_before: Answers of the first side.
        min_effect: The smallest change that matters to the user, rate points.
    """
    n = 10.0
    while n < _ANSWERS_MAX:
        low, _ = difference_interval95(rate, n_before, rate, n)
        if low >= -DROP_EXCLUDED * min_effect:
            return math.ceil(n)
        n *= 1.05
    return None


def as_far_as_shown(
    finding: Finding,
    followed: FollowedRate,
    declared: dict[str, RateStream],
    own: DependencySettings,
    *,
    zone: str,
) -> Finding:
    """The finding; where it is stable, as far as what came since the baseline has shown it.

    Where it has degraded at a first weekend, as far as days that the baseline knows show it.

    Args:
        finding: Of the detector's run.
        followed: The rate that it ran over.
        declared: Its declared slices, by which a moved mix is told from a fall.
        own: The dependency's settings.
        zone: Where weekends are local.
    """
    if finding.status == "degraded":
        return _held_at_weekends(finding, followed, own, zone=zone)
    if finding.status == "stable" and finding.current and finding.current.since == "baseline":
        finding = _since_baseline(finding, followed, declared, own)
    return one_look(finding)


def _held_at_weekends(
    finding: Finding, followed: FollowedRate, own: DependencySettings, *, zone: str
) -> Finding:
    """The finding; a fall that only days of a kind show that the baseline lacks is a caution for now.

    For sure it is a change, and a habit as likely as a fall, until two weekends were seen.
    """
    stream, hours = followed.stream, followed.hours
    is_young = int(stream.hour[-1]) < hours.start_hour + SEASON_HOURS_MIN
    if finding.onset is None or not is_young:
        return finding
    weekend = hours_of_week(stream.hour, zone=zone) >= WEEKEND_HOUR
    known = np.unique(weekend[stream.hour < hours.end_hour])
    if len(known) > 1:
        return finding
    onset = first_hour(moment(finding.onset.ts, name="onset", zone="UTC").start_ms)
    alike = (stream.hour >= max(onset, hours.end_hour)) & np.isin(weekend, known)
    since = replace(
        stream, hour=stream.hour[alike], n=stream.n[alike], bad=stream.bad[alike], remembered=None
    )
    if since.labels and worse_nats(followed.baseline, since, followed, own) >= math.log(_SHOWN):
        return finding
    return as_caution(finding)


def as_caution(finding: Finding) -> Finding:
    """A fall by no more than weekends may differ, as a caution that says why."""
    change, evidence = finding.change, finding.evidence
    if finding.status != "degraded" or evidence is None:
        return finding
    if change is None or abs(change.absolute) > _HABIT_MAX:
        return finding
    held = evidence.model_copy(update={"level": "suggestive"})
    return replace(finding, evidence=held, notes=(*finding.notes, _ONE_KIND))


def _since_baseline(
    finding: Finding,
    followed: FollowedRate,
    declared: dict[str, RateStream],
    own: DependencySettings,
) -> Finding:
    """A stable finding, held against the baseline as a whole."""
    since = followed.stream.between(followed.hours.end_hour, None)
    unknown = _if_unknown(finding, followed, since, own)
    evidence_nats = _worse_nats(followed, since, own)
    if evidence_nats is None:
        return unknown or finding
    excludes_none = _is_worse_for_sure(finding)
    if evidence_nats < math.log(COMPARISON_SUGGESTS) and not (unknown and excludes_none):
        return unknown or finding
    evidence = evidence_of(
        evidence_nats / math.log(10),
        needed=COMPARISON_SUGGESTS,
        level="suggestive",
        guarantee=GUARANTEE,
    )
    moved = moved_mix(followed, declared, own.min_effect)
    if moved is None:
        return replace(finding, status="degraded", evidence=evidence)
    return shifted(replace(finding, evidence=evidence), moved)


def one_look(finding: Finding) -> Finding:
    """A finding; a stable one beside an interval that leaves out 0 says why it is stable all the same."""
    interval95 = finding.change.interval95 if finding.change is not None else None
    if finding.status != "stable" or interval95 is None or interval95[0] <= 0 <= interval95[1]:
        return finding
    return replace(finding, notes=(*finding.notes, ONE_LOOK))


def settled_mix(
    finding: Finding, nats: float, *, alarmed: int, now: int, min_effect: float
) -> Finding:
    """The finding of a whole whose moved mix raised an alarm: `shifted`, and `stable` once that is known.

    Each kind of call is answered as before, which goes on being watched. A whole that may have lost twice
    what matters stays a caution for as long: that much is not fine for being explained.

    Args:
        finding: Shifted by its mix.
        nats: Evidence that it is worse given its mix.
        alarmed: Hour of the alarm.
        now: The newest hour.
        min_effect: The smallest change that matters to the user, rate points.
    """
    mix, change, evidence = finding.mix, finding.change, finding.evidence
    if now - alarmed < NEWS_HOURS or mix is None or evidence is None:
        return finding
    if change is None or change.interval95 is None:
        return finding
    if max(map(abs, change.interval95)) >= DROP_EXCLUDED * min_effect:
        return finding
    note = f"the mix of {plain(mix.key, 80)} changed, and each of its values is as before"
    log10_e = nats / math.log(10)
    given = evidence_of(log10_e, needed=evidence.needed, guarantee=evidence.guarantee)
    return replace(finding, status="stable", evidence=given, notes=(note,))


def _is_worse_for_sure(finding: Finding) -> bool:
    """Whether the interval of the change excludes that there is none, or a better one."""
    if finding.change is None or finding.change.interval95 is None:
        return False
    low, high = finding.change.interval95
    return high < 0 if finding.metric in GOOD_SHARES else low > 0


def _worse_nats(followed: FollowedRate, since: RateStream, own: DependencySettings) -> float | None:
    """Evidence that a rate rose since its baseline; None where it is not worse by what matters.

    Nor where the rate was declared: it is known, and the detector itself loses no power.
    """
    baseline = followed.baseline
    newest = since.between(int(since.hour[-1]) + 1 - _NEWEST_HOURS, None)
    rise, newest_rise = (part.bad_rate - followed.bad_before(part) for part in (since, newest))
    is_worse = rise >= own.min_effect and newest_rise > own.min_effect / 2
    if followed.hours.declared_bad is not None or not is_worse:
        return None
    return worse_nats(baseline, since, followed, own)


def worse_nats(
    before: RateStream, since: RateStream, followed: FollowedRate, own: DependencySettings
) -> float:
    """Evidence that later labels are worse than earlier ones, each taken as a whole."""
    rule = RateRule(
        needed=COMPARISON_SUGGESTS,
        deltas=deltas_for(own.min_effect),
        dispersion=followed.rule.dispersion,
    )
    n_before, n, bad = float(before.n.sum()), float(since.n.sum()), float(since.bad.sum())
    bad_before = n_before * followed.expected_bad(before, since)
    return compare_rates(n_before, bad_before, n, bad, rule).up_nats


def _if_unknown(
    finding: Finding, followed: FollowedRate, since: RateStream, own: DependencySettings
) -> Finding | None:
    """Unknown, where the interval of the rate now reaches a loss that `go` excludes."""
    before, loss = followed.bad_before(since), DROP_EXCLUDED * own.min_effect
    dispersion = followed.volume.likely_dispersion
    worth = since.labels / dispersion
    low, high = rate_interval95(since.bad_rate, worth)
    if high - before <= loss:
        return None
    low, high = since.told_between(low, high)
    why = (
        f"{since.metric} {number(followed.mean_before(since))} → {number(since.mean)} on {number(since.labels)}, and its "
        f"95% interval, {number(low)} to {number(high)}, does not exclude a loss of {number(loss)}"
    )
    wanted = "outcomes" if since.metric == "outcome" else "calls"
    enough = _enough(followed.bad_before(since), loss, dispersion)
    more = enough - since.labels
    missing = (
        f"Record about {number(more)} more {wanted}." if more > 1 else f"Record more {wanted}."
    )
    return replace(finding, status="insufficient_data", why=why, missing=missing)


def _enough(rate: float, loss: float, dispersion: float) -> int:
    """Labels whose interval excludes the loss where the rate is what it was."""
    n = 10.0
    while n < _ANSWERS_MAX and rate_interval95(rate, n / dispersion)[1] - rate > loss:
        n *= 1.05
    return math.ceil(n)
