"""The rate detector's run as a finding: the change, its onset, and the change that would have shown."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gonogo.answers import Baseline, Change, Current, DriftStatus, Latest, Onset, Since, Trend
from gonogo.detectors.intervals import difference_interval95, rate_interval95
from gonogo.detectors.rate.onset import fit_onset, fit_outage
from gonogo.detectors.rate.rate_watch import RateWatch, Status
from gonogo.detectors.rate.rule import detectable_now
from gonogo.detectors.rate.starts import RateSince, rate_since
from gonogo.detectors.rate.trend import slope_per_day
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_end, hour_start, onset_of
from gonogo.drift.follow import FollowedRate, Volume
from gonogo.errors import NotEnoughData
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import BaselineHours, Gap, Maturity, RateStream
from gonogo.records import HOUR_MS
from gonogo.settings import DependencySettings
from gonogo.text.forms import minute, number

DAYS_A_YEAR = 365.25
LATEST_HOURS = 24
# A trouble this short is looked at by parts of an hour.
OUTAGE_HOURS_MAX = 12
_STATUS: dict[Status, DriftStatus] = {
    "quiet": "stable",
    "recovered": "stable",
    "up": "degraded",
    "recovering": "recovering",
    "down": "improved",
}


def told_evidence_nats(watch: RateWatch) -> float:
    """The evidence to report: its peak while a change lasts, else its present value.

    After a small change evidence sinks again, and "degraded, evidence 3 of 2e6" would contradict
    itself. The guarantee covers the highest evidence ever reached.
    """
    if watch.status not in ("up", "down"):
        return float(watch.evidence_nats[-1])
    before = np.flatnonzero(~watch.latched)
    return float(watch.evidence_nats[before[-1] + 1 if len(before) else 0 :].max())


def finding_of(
    followed: FollowedRate,
    watch: RateWatch,
    settings: DependencySettings,
    *,
    weight: float,
    maturity: Maturity,
) -> Finding:
    """Summarise a run in numbers. An alarm is explained from the whole run.

    Args:
        followed: The rate.
        watch: The detector's run over it; over all of it while an alarm lasts.
        settings: The dependency's.
        weight: This metric's share of the dependency's false-alarm budget.
        maturity: How long outcomes take, for the guarantee.
    """
    hours, baseline, volume = followed.hours, followed.baseline, followed.volume
    onset = _onset(followed, watch) if watch.state.latched else None
    since = _rate_since(followed, watch) if watch.status in ("up", "down") else None
    start, since_what = _current_start(watch, hours, onset)
    # While it comes back a bad hour may be the newest: it is then all that there is of the time since.
    current = followed.stream.between(min(start, int(followed.stream.hour[-1])), None)
    if int(followed.stream.hour[-1]) < hours.end_hour:
        return _nothing_since(baseline, hours)

    def rest(told: Finding) -> Finding:
        shown = detectable_now(
            before=float(baseline.labels),
            since=float(current.n @ volume.worth(current.n)),
            rate=min(max(baseline.bad_rate, 1e-6), 1 - 1e-6),
            rule=followed.rule,
        )
        return replace(
            told,
            baseline=_baseline(followed, current),
            current=told.current
            and told.current.model_copy(update={"latest": _latest(current, volume, watch)}),
            trend=_trend(current),
            detectable_now=shown,
        )

    return Finding(
        metric=baseline.metric,
        status=_STATUS[watch.status],
        current=_current(current, volume, since=since_what, found=since),
        change=_change(followed, current, since),
        evidence=evidence_of(
            told_evidence_nats(watch) / math.log(10),
            needed=followed.rule.needed,
            guarantee=_guarantee(settings, volume, maturity, weight=weight),
        ),
        onset=onset,
        rest=rest,
        newest_ts_ms=(int(current.hour[-1]) + 1) * HOUR_MS,
    )


def _onset(followed: FollowedRate, watch: RateWatch) -> Onset:
    """The onset of the newest change, fitted to the hours up to its end where that has come near."""
    stream, baseline, rule = followed.stream, followed.baseline, followed.rule
    episode, recovery = watch.episodes[-1], watch.state.recovery
    end = len(stream.hour)
    if recovery is not None and recovery.recovering:
        end = int(stream.hour.searchsorted(recovery.quiet_from))
    # A baseline whose own end is already bad is found as well: the onset may then lie within it.
    known = len(baseline.hour)
    first = known if int(stream.hour.searchsorted(episode.onset)) >= known else 1
    low = watch.since if watch.since < first else 0
    hour = stream.hour[low:end]
    if int(hour[-1]) - episode.onset < OUTAGE_HOURS_MAX:
        outage = fit_outage(
            hour,
            stream.n[low:end] / rule.dispersion,
            stream.bad[low:end] / rule.dispersion,
            around=episode.onset,
            rate_before=episode.rate_before,
        )
        return Onset(
            ts=hour_start(outage.onset),
            earliest=hour_start(outage.earliest),
            latest=hour_end(outage.latest),
            shape="step",
        )
    fit = fit_onset(
        stream.n[low:end],
        stream.bad[low:end],
        first=max(first - low, 1),
        time=hour,
        dispersion=rule.dispersion,
    )
    return onset_of(fit, hour)


def _rate_since(followed: FollowedRate, watch: RateWatch) -> RateSince:
    """The distance the rate went in the episode that lasts."""
    stream, rule = followed.stream, followed.rule
    side, worth = watch.episodes[-1].side, followed.volume.worth(stream.n)
    return rate_since(
        stream.n * worth, stream.bad * worth, rule, watch, side=side, offset=followed.expected
    )


def _trend(current: RateStream) -> Trend | None:
    days, n, bad = current.by_day()
    try:
        fit = slope_per_day(days, n, current.told_of(n, bad))
    except NotEnoughData:
        return None
    return Trend(per_day=fit.per_day, interval95=fit.interval95)


def _current_start(
    watch: RateWatch, hours: BaselineHours, onset: Onset | None
) -> tuple[int, Since]:
    """The hour from which the current period runs, and what it is counted from."""
    recovery, after = watch.state.recovery, watch.state.after
    if recovery is not None and recovery.recovering:
        return recovery.quiet_from, "recovery"
    if onset is not None:
        return first_hour(moment(onset.ts, name="onset", zone="UTC").start_ms), "onset"
    if after is not None and after >= hours.end_hour:
        # From when it was quiet, as while it came back: after the hour that settled it there may be nothing yet.
        quiet_from = watch.state.quiet_from
        return (after + 1 if quiet_from is None else quiet_from), "recovery"
    return hours.end_hour, "baseline"


def _baseline(followed: FollowedRate, current: RateStream) -> Baseline:
    baseline, hours, mean = followed.baseline, followed.hours, followed.mean_before(current)
    is_other = hours.declared_bad is None and mean != baseline.mean
    return Baseline(
        source=hours.source,
        version=hours.version,
        mean=mean,
        measured=baseline.mean if is_other else None,
        n=baseline.labels,
        start=hour_start(hours.start_hour),
        end=hour_start(hours.end_hour),
    )


def _current(
    current: RateStream, volume: Volume, *, since: Since, found: RateSince | None
) -> Current:
    """The current period: its mean, with an interval that allows for the alarm's picking of bad hours."""
    interval95 = rate_interval95(current.mean, current.labels / volume.likely_dispersion)
    if found is not None:
        bounds = current.told_between(found.rate_low, found.rate_high)
        interval95 = _around(current.mean, bounds, interval95)
    return Current(
        mean=current.mean,
        n=current.labels,
        start=hour_start(int(current.hour[0])),
        end=hour_end(int(current.hour[-1])),
        interval95=interval95,
        since=since,
    )


def _latest(current: RateStream, volume: Volume, watch: RateWatch) -> Latest | None:
    """The newest 24 hours of the current period.

    Not on the day of the alarm: its labels were picked for being bad (their interval then covers
    .81 to .98, from the day after .92 to .99).
    """
    end = int(current.hour[-1]) + 1
    if watch.status in ("up", "down") and end - watch.episodes[-1].alarmed <= LATEST_HOURS:
        return None
    newest = current.between(end - LATEST_HOURS, None)
    return Latest(
        mean=newest.mean,
        n=newest.labels,
        start=hour_start(int(newest.hour[0])),
        end=hour_end(end - 1),
        interval95=rate_interval95(newest.mean, newest.labels / volume.likely_dispersion),
    )


def _around(
    told: float, after_alarm: tuple[float, float], naive: tuple[float, float]
) -> tuple[float, float]:
    """Widen the interval that allows for the alarm's picking, where the shown change lies outside it.

    That interval is held against all that was learned up to the onset, the naive one against the
    baseline alone: on a side where the shown change lies outside, the naive interval counts too.
    """
    low, high = after_alarm
    if told <= low:
        low = min(low, naive[0])
    if told >= high:
        high = max(high, naive[1])
    return low, high


def _change(followed: FollowedRate, current: RateStream, found: RateSince | None) -> Change:
    baseline, hours, volume = followed.baseline, followed.hours, followed.volume
    before, spread = followed.mean_before(current), volume.dispersion.used
    n_before = math.inf if hours.declared_bad is not None else float(baseline.labels)
    interval95 = difference_interval95(
        before, n_before / spread, current.mean, current.labels / spread
    )
    shrunk = None
    if found is not None:
        # Against the rate that was learned up to the onset, which knows more than the baseline.
        sign = baseline.sign
        low, high = sorted((sign * found.change_low, sign * found.change_high))
        shrunk, told = sign * found.change, current.mean - before
        interval95 = _around(told, (low, high), interval95) if told * shrunk > 0 else (low, high)
    return change_of(
        before,
        current.mean,
        interval95=interval95,
        baseline_sd=volume.daily_sd,
        shrunk=shrunk,
    )


def _nothing_since(baseline: RateStream, hours: BaselineHours) -> Finding:
    wanted = "outcomes" if baseline.metric == "outcome" else "calls"
    closed = minute(hour_start(hours.end_hour))
    gap = Gap(
        f"its baseline closed at {closed} and no {wanted} came since",
        f"Record {wanted} of calls after {closed}.",
    )
    return unjudged(baseline, gap)


def unjudged(stream: RateStream, gap: Gap) -> Finding:
    """A finding with the measured rate, where no change can be judged yet."""
    current = None
    if stream.labels:
        current = Current(
            mean=stream.mean,
            n=stream.labels,
            start=hour_start(int(stream.hour[0])),
            end=hour_end(int(stream.hour[-1])),
            interval95=rate_interval95(stream.mean, stream.labels),
        )
    return Finding(
        metric=stream.metric, status="insufficient_data", current=current, **gap._asdict()
    )


def _a_day(labels: float) -> str:
    return number(round(labels) if labels >= 10 else labels)  # noqa: PLR2004


def _guarantee(
    settings: DependencySettings, volume: Volume, maturity: Maturity, *, weight: float
) -> str:
    days = DAYS_A_YEAR / (settings.false_alarms_per_year * weight)
    told = (
        f"However often it is asked, at most one false alarm is expected in {number(days)} days at "
        f"{_a_day(volume.labels_per_day)} labels a day, while labels are exchangeable"
    )
    if volume.dispersion.used > 1:
        told += f" (a label counts as 1/{number(volume.dispersion.used)}, for days that differ)"
    told += "; averaged over baselines, and it counts labels, not days."
    if not maturity.prompt:
        told += (
            f" Outcomes are counted once 95% have come, after {number(maturity.lag_s / 3600)} h."
        )
    return told
