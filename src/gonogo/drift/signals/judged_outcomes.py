"""Outcomes that a judge gave: did the model change, or did the judge?

Where a judge graded at least half of the outcomes, they alone never read as degraded. With people
on some of the same calls, people's grades decide, the judge's being a control variate
(`detectors/judges`), and the judge has a finding of its own; with the judge alone nobody can tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gonogo.answers import Baseline, Current, DriftStatus, JudgeReport, Onset
from gonogo.detectors.intervals import rate_interval95
from gonogo.detectors.judges.judged_hours import JudgedHours, judged_dispersion
from gonogo.detectors.judges.judged_watch import TRIGGER_DAYS, JudgedRule, JudgedWatch, watch_judged
from gonogo.detectors.rate.rule import NEAR_SPREAD, deltas_for, needed_for
from gonogo.drift.finding import Finding, change_of, evidence_of, hour_end, hour_start
from gonogo.errors import plain
from gonogo.hours.rate_hours import BaselineHours, RateStream
from gonogo.ports.signal_reads import Grades
from gonogo.records import HOUR_MS
from gonogo.settings import DependencySettings
from gonogo.text.forms import minute, number, signed

# With fewer calls that both graded, the judge stands alone.
PEOPLE_MIN = 30
# From so many of people's grades since the trigger on, a change of either would have been told.
TOLD_APART = 200
JUDGED_SHARE = 0.5
BASELINE_HOURS_MIN = 14 * 24
# How long a judge's move is news, where the outcomes do not show it any more.
NEWS_HOURS = 7 * 24
# How long after people were last seen to see chosen calls nothing is said of the judge.
WITHHELD_HOURS = 28 * 24
# An alarm has excluded 0: the end of its interval nearest to it is at least this.
SURE = 1e-4


@dataclass(frozen=True, slots=True)
class JudgedOutcomes:
    """The findings about each judge, and about the model by people's grades.

    `news` are the judges that moved, or may have, so lately that it is said whatever outcomes do.
    """

    reports: tuple[JudgeReport, ...]
    model: Finding | None
    news: frozenset[str]

    def of_whole(self, finding: Finding) -> Finding:
        """The finding on the outcomes, as far as they can be trusted to be of the model."""
        if self.model is not None:
            return self.model
        moved = finding.status in ("degraded", "recovering", "improved")
        told = next((one for one in self.reports if moved or one.judge in self.news), None)
        if told is None:
            return finding
        if told.status == "alone":
            # Which judge graded what fell is not kept: all of them may have moved.
            alone = [one.judge for one in self.reports if one.status == "alone"]
            told = told.model_copy(update={"judge": ", ".join(alone)})
        return replace(finding, status="shifted", onset=None, notes=(_words(told),))

    def of_slice(self, finding: Finding) -> Finding:
        """The finding on a slice's outcomes, which is a caution at most."""
        if finding.status != "degraded" or not self.reports:
            return finding
        judges = ", ".join(plain(one.judge, 80) for one in self.reports)
        note = f"graded by {judges}: model or judge cannot be told apart in a slice"
        return replace(finding, status="shifted", notes=(*finding.notes, note))


def _words(report: JudgeReport) -> str:
    """The finding of a judge whose grades moved."""
    judge = plain(report.judge, 80)
    people = f"{number(report.people)} calls are graded by people too"
    since = "" if report.since is None else f" since {minute(report.since)}"
    if report.status == "alone":
        return f"graded by {judge}, with people on {number(report.people)} calls: model or judge, cannot tell"
    if report.status == "withheld":
        return (
            f"people do not see a random sample of what {judge} grades: model or judge, cannot tell"
        )
    if report.status != "moved" or report.points is None:
        return f"grades moved{since}; model or judge ({judge}) not yet told apart, {people}"
    way = "more" if report.points > 0 else "less"
    told = f"{judge} grades bad {number(abs(report.points))} points {way} often{since}, the model is stable"
    if report.people_change is not None and report.people_interval95 is not None:
        low, high = map(signed, report.people_interval95)
        told += (
            f": by people's grades outcome changed by {signed(report.people_change)}, "
            f"95% interval {low} to {high}"
        )
    return told


def judged_outcomes(
    grades: dict[str, Grades],
    stream: RateStream,
    baseline: BaselineHours,
    own: DependencySettings,
    *,
    weight: float,
) -> JudgedOutcomes:
    """Follow each judge, where judges gave at least half of the outcomes.

    Args:
        grades: By judge, by hour.
        stream: The mature outcomes.
        baseline: Its hours.
        own: The dependency's settings.
        weight: The outcomes' share of the dependency's false-alarm budget, shared by its judges.
    """
    end_hour = int(stream.hour[-1]) + 1 if len(stream.hour) else 0
    hours = {
        judge: made
        for judge, found in sorted(grades.items())
        if (made := _hours(found, baseline.start_hour, end_hour)) is not None
    }
    labels = stream.between(baseline.start_hour, None).labels
    if not hours or sum(float(one.n.sum()) for one in hours.values()) < JUDGED_SHARE * labels:
        return JudgedOutcomes((), None, frozenset())
    reports: list[JudgeReport] = []
    news: set[str] = set()
    models: list[Finding] = []
    for judge, made in hours.items():
        people = int(made.table.sum())
        if people < PEOPLE_MIN:
            reports.append(JudgeReport(judge=judge, status="alone", people=people))
            continue
        followed = _followed(made, baseline, own, weight / len(hours))
        reports.append(followed.report(judge))
        if followed.is_news(reports[-1]):
            news.add(judge)
        if (model := followed.model()) is not None:
            models.append(model)
    worst = max(models, key=lambda f: (f.status == "degraded", f.strength), default=None)
    return JudgedOutcomes(tuple(reports), worst, frozenset(news))


def _hours(found: Grades, start_hour: int, end_hour: int) -> JudgedHours | None:
    """Hours with their grades, good ones left of bad ones; None where there are none."""
    inside = (found.hour >= start_hour) & (found.hour < end_hour) & (found.judge_grade > 0)
    if not inside.any():
        return None
    hour, row = np.unique(found.hour[inside], return_inverse=True)
    judge_bad, person = found.judge_grade[inside] - 1, found.person_grade[inside]
    n = found.n[inside].astype(float)
    table = np.zeros((len(hour), 2, 2))
    both = person > 0
    np.add.at(table, (row[both], person[both] - 1, judge_bad[both]), n[both])
    return JudgedHours(
        hour,
        np.bincount(row, n, minlength=len(hour)).astype(np.float64),
        np.bincount(row, n * judge_bad, minlength=len(hour)).astype(np.float64),
        table,
    )


@dataclass(frozen=True, slots=True)
class _JudgeHistory:
    """A judge's hours, what to look for in them, and what was found."""

    hours: JudgedHours
    rule: JudgedRule
    watch: JudgedWatch

    def report(self, judge: str) -> JudgeReport:
        """The findings about the judge, in the form of an answer."""
        hours, watch = self.hours, self.watch
        people = int(hours.table.sum())
        if watch.samples and int(hours.hour[-1] - hours.hour[watch.samples[-1]]) <= WITHHELD_HOURS:
            return JudgeReport(judge=judge, status="withheld", people=people)
        moved = watch.judge[-1] if watch.judge else None
        trigger = watch.triggers[-1] if watch.triggers else None
        last = max([a.alarmed for a in (*watch.model, *watch.judge)], default=-1)
        if trigger is not None and trigger > last:
            since = float(hours.table[trigger:].sum())
            return JudgeReport(
                judge=judge,
                status="not_told_apart" if since < TOLD_APART else "stable",
                since=hour_start(int(hours.hour[trigger])),
                people=people,
            )
        if moved is None:
            return JudgeReport(judge=judge, status="stable", people=people)
        before, after = self._around(moved.onset)
        change, interval = _people_change(before, after)
        return JudgeReport(
            judge=judge,
            status="moved",
            points=100 * (after.judge_rate - before.judge_rate + change),
            since=hour_start(int(hours.hour[moved.onset])),
            people=people,
            people_change=change,
            people_interval95=interval,
        )

    def is_news(self, report: JudgeReport) -> bool:
        """Whether what is known of the judge is said, whatever the outcomes do."""
        if report.status == "moved":
            hour = self.hours.hour
            return int(hour[-1] - hour[self.watch.judge[-1].alarmed]) <= NEWS_HOURS
        return report.status == "not_told_apart"

    def model(self) -> Finding | None:
        """The finding on the model by people's grades, where an alarm stands."""
        alarm = self.watch.standing
        if alarm is None:
            return None
        hours = self.hours
        before, after = self._around(alarm.onset)
        _, (low, high) = _people_change(before, after)
        fell = alarm.side == 0
        low, high = (low, min(high, -SURE)) if fell else (max(low, SURE), high)
        old, new = 1 - before.people_rate()[0], 1 - after.people_rate()[0]
        status: DriftStatus = "degraded" if fell else "improved"
        n = int(after.table.sum())
        end_hour = int(hours.hour[-1])
        if math.isnan(new):
            return None
        return Finding(
            metric="outcome",
            status="recovering" if fell and self.watch.recovering else status,
            baseline=Baseline(
                source="learned",
                mean=old,
                n=int(before.table.sum()),
                start=hour_start(int(hours.hour[0])),
                end=hour_start(int(hours.hour[alarm.onset])),
            ),
            current=Current(
                mean=new,
                n=n,
                start=hour_start(int(hours.hour[alarm.onset])),
                end=hour_end(end_hour),
                interval95=rate_interval95(new, n),
                since="onset",
            ),
            change=change_of(old, new, interval95=(low, high)),
            evidence=evidence_of(
                math.log10(max(self.watch.evidence, 1e-300)),
                needed=self.rule.needed,
                guarantee=_guarantee(self.rule.needed),
            ),
            onset=Onset(
                ts=hour_start(int(hours.hour[alarm.onset])),
                earliest=hour_start(int(hours.hour[max(alarm.onset - 24, 0)])),
                latest=hour_end(int(hours.hour[alarm.alarmed])),
            ),
            newest_ts_ms=(end_hour + 1) * HOUR_MS,
            notes=("by people's grades, the judge's of all calls allowed for",),
        )

    def _around(self, onset: int) -> tuple[JudgedHours, JudgedHours]:
        return self.hours.part(slice(0, max(onset, 1))), self.hours.part(slice(max(onset, 1), None))


def _people_change(before: JudgedHours, after: JudgedHours) -> tuple[float, tuple[float, float]]:
    """Change of the share of good by people's grades, with its 95 % interval."""
    (old, old_se), (new, new_se) = before.people_rate(), after.people_rate()
    if math.isnan(old) or math.isnan(new):
        return 0.0, (-1.0, 1.0)
    half = 1.96 * math.hypot(old_se, new_se)
    # To a hundredth of a point: what is smaller no number of people tells.
    change = round(old - new, 4)
    return change, (max(change - half, -1.0), min(change + half, 1.0))


def _followed(
    hours: JudgedHours, baseline: BaselineHours, own: DependencySettings, weight: float
) -> _JudgeHistory:
    """Follow a judge by the dependency's settings; how much days differ is learned of the baseline."""
    first = int(hours.hour[0])
    end = max(baseline.end_hour, first + BASELINE_HOURS_MIN)
    past = hours.part(slice(0, int(hours.hour.searchsorted(end))))
    days = max((int(past.hour[-1]) + 1 - first) / 24, 1.0)
    rule = JudgedRule(
        needed=needed_for(
            labels_per_day=max(float(past.table.sum()) / days, 1.0),
            false_alarms_per_year=own.false_alarms_per_year * weight,
        ),
        trigger_needed=max(float(past.n.sum()) / days * TRIGGER_DAYS, 1.0),
        deltas=deltas_for(own.min_effect, NEAR_SPREAD),
    )
    rule = replace(rule, dispersion=judged_dispersion(past, watch_judged(past, rule).increments))
    return _JudgeHistory(hours, rule, watch_judged(hours, rule))


def _guarantee(needed: float) -> str:
    return (
        f"Whatever the judge does, at most one false alarm is expected in {number(needed)} of people's "
        "grades, while people see a random sample of the calls and the model is as it was."
    )
