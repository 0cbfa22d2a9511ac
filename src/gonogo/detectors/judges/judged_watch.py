"""Follows people's grades, a judge's grades, and the sample that people see, hour by hour.

Four sums over candidate changes (mixture Shiryaev-Roberts; an alarm each at most once in `needed`
labels while nothing changes, see `detectors/rate/rule.py`):

* the trigger: the judge's rate on all calls. It says when something moved, and not what.
* the model: people's rate, each label weighed by a bet with the judge as control variate.
* the judge: its grades given the person's, in two strata.
* the sample: whether the calls that people see are a random sample, by the judge's grades of them.

A purse lets the trigger help without being trusted: most of each label's start is saved, and when
the trigger fires three quarters of what was saved are started at once, on the side and at the size it
implies. Starts may weigh anything that the past chose while their sum stays within the labels.

An hour with several labels shares the error of p and of K/N: each bet pays lambda^2 m (m-1) / 2 times
the variance of both, which is right to second order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.judges.candidates import Candidates, LearnedRate, bets_against, given_judge
from gonogo.detectors.judges.judged_hours import JudgedHours

JUDGE_DELTAS = (0.03, 0.06, 0.10, 0.16, 0.25)
# Saved of each label's start, until the purse holds this share of `needed`; spent of it at a trigger.
_SAVED, _PURSE_SHARE, _SPENT = 0.7, 0.12, 0.75
# Days between two false triggers.
TRIGGER_DAYS = 30
_HALF_LIFE_H = 24.0
# Hours with calls within which an alarm is taken to be of the trigger's change.
_TRIGGER_ROWS = 14 * 24
# The 2 x 2 table of grades forgets by half in so many labels, and begins with some under independence.
_TABLE_HALF_LIFE, _TABLE_PRIOR = 400.0, 10.0
_RATIO_MAX = 500.0
_STAKE_MAX = 0.95
_DEFF_MIN = 0.05
_YOUDEN_MIN = 0.1
# Odds that the old rate is back, at which an alarmed model is on its way, and the share of `needed` at
# which it is over.
_RECOVERING, _RECOVERED_SHARE = 20.0, 0.1
_BACK_MIN = 0.015

_ODDS = np.log(np.array([1 / 3, 1 / 2, 0.7, 1.4, 2.0, 3.0]))


@dataclass(frozen=True, slots=True)
class JudgedRule:
    """The alarm levels: the evidence for model, judge and sample, and for the trigger.

    `deltas` are changes of people's rate to bet on; a fall has a tenth of the weight. `dispersion` is
    what people's labels are divided by.
    """

    needed: float
    trigger_needed: float
    deltas: tuple[float, ...]
    dispersion: float = 1.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: rows of the hours at which it began and was raised; rates of bad before and since.

    For the judge the rates are of its grades over all calls. `ended`: the row at which the old rate was back.
    """

    side: int
    onset: int
    alarmed: int
    before: float
    after: float
    ended: int | None = None


@dataclass(slots=True)
class JudgedWatch:
    """The evidence and alarms after the last hour.

    `model` and `judge` are the alarms so far, `triggers` and `samples` the rows at which the trigger and
    the sample check alarmed; `evidence` of the model now, or as it was at an alarm that stands. `recovering`: the model's last alarm stands, and the old rate is back at 20 : 1.
    `increments` are people's effective (bad, n) by row.
    """

    model: list[Alarm] = field(default_factory=list)
    judge: list[Alarm] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    evidence: float = 0.0
    samples: list[int] = field(default_factory=list)
    recovering: bool = False
    increments: Floats = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def standing(self) -> Alarm | None:
        """The model's alarm that has not ended, where there is one."""
        return self.model[-1] if self.model and self.model[-1].ended is None else None


def watch_judged(hours: JudgedHours, rule: JudgedRule) -> JudgedWatch:
    """Follow the hours from the first label of the baseline on; pure.

    Args:
        hours: By hour, ascending; only hours whose outcomes have come.
        rule: What to look for.

    Returns:
        What was found, and what stands now.
    """
    run = _Run(rule)
    seen = np.zeros((len(hours.n), 2))
    for row in range(len(hours.n)):
        run.hour(row, float(hours.n[row]), float(hours.judged_bad[row]), hours.table[row])
        seen[row] = run.increment
    run.watch.increments = seen
    return run.watch


class _Purse:
    """Saves of each label's start, and spends when it is told to."""

    __slots__ = ("held", "most")

    def __init__(self, needed: float) -> None:
        self.held, self.most = 0.0, _PURSE_SHARE * needed

    def started(self, labels: float) -> float:
        """Save part of so many labels; the rest may be started."""
        saved = _SAVED * labels if self.held < self.most else 0.0
        self.held += saved
        return labels - saved

    def spend(self) -> float:
        """Most of what is held."""
        spent = _SPENT * self.held
        self.held -= spent
        return spent


@dataclass(slots=True)
class _PlannedBet:
    """The bet that a trigger suggests: the side of the change and its step."""

    side: int
    size: float


class _Run:
    """The four sums, and what they share: the judge's recent rate and the table of both grades."""

    def __init__(self, rule: JudgedRule) -> None:
        self.rule, self.watch = rule, JudgedWatch()
        self.null, self.bets = LearnedRate(), Candidates(rule.deltas)
        self.purse = _Purse(rule.needed)
        self.trigger_null, self.trigger = LearnedRate(), Candidates(rule.deltas)
        self.strata = [(LearnedRate(), Candidates(JUDGE_DELTAS)) for _ in range(2)]
        self.judge_purse = _Purse(rule.needed)
        self.judge_pending: _PlannedBet | None = None
        self.pending: _PlannedBet | None = None
        self.sample = SampleCheck()
        self.table = np.zeros((2, 2))
        self.recent_bad, self.recent_n = 0.0, 0.0
        self.back, self.back_labels, self.levels = 0.0, 0.0, (0.0, 0.0)
        self.low = {"model": 0, "judge": 0}
        self.increment = (0.0, 0.0)

    def hour(self, row: int, n: float, judged_bad: float, table: Floats) -> None:
        """Take one hour: calls that were judged, the bad ones, and both grades where people graded too."""
        self.increment = (0.0, 0.0)
        if n <= 0:
            return
        m = float(table.sum())
        if m > 0:
            if self.sample.add(n, judged_bad, m, float(table[:, 1].sum())) >= self.rule.needed:
                self.watch.samples.append(row)
                self.sample = SampleCheck()
            self._model(row, n, judged_bad / n, m, table)
            self._judge(row, table)
            self.table = self.table * 2 ** (-m / _TABLE_HALF_LIFE) + table
        fade = 0.5 ** (1 / _HALF_LIFE_H)
        self.recent_bad = self.recent_bad * fade + judged_bad
        self.recent_n = self.recent_n * fade + n
        self._trigger(row, n, judged_bad)

    # What the judge knows of people's grades, from the hours before alone.

    def _odds_ratio(self) -> float:
        total = float(self.table.sum())
        rows, columns = (self.table.sum(axis=axis) for axis in (1, 0))
        expected = np.outer((rows + 0.5) / (total + 1), (columns + 0.5) / (total + 1))
        a, b, c, d = (float(cell) for cell in (self.table + _TABLE_PRIOR * expected).ravel())
        return min(max(a * d / max(b * c, 1e-12), 1 / _RATIO_MAX), _RATIO_MAX)

    def _model(self, row: int, n: float, judged: float, m: float, table: Floats) -> None:
        null, rule = self.null, self.rule
        p, c = null.rate, (self.recent_bad + 0.5) / (self.recent_n + 1)
        ratio = self._odds_ratio()
        above, below = given_judge(np.array([p]), c, ratio)
        slope = float(above[0] - below[0])
        shared = slope**2 * c * (1 - c) / (p * (1 - p))
        deff = max(1 - shared * (1 - m / n), _DEFF_MIN)
        variance = p * (1 - p) / (null.n + 2)
        bad = float(table[1].sum()) - slope * (float(table[:, 1].sum()) - m * judged)
        self.increment = (bad / deff, m / deff)
        if self.watch.standing is not None:
            self._way_back(row, float(table[1].sum()), m)
            return
        cell, left = null.cell, self.purse.started(m)
        self.bets.start(cell, (0.9 * left, 0.1 * left))
        if self.pending is not None:
            self.bets.start_sized(cell, self.pending.side, self.purse.spend(), self.pending.size)
            self.pending = None
        stake, beta = bets_against(self.bets.bet_rates, p, c, ratio)
        most = _STAKE_MAX / (np.where(stake > 0, p, 1 - p) + np.abs(beta))
        stake = np.clip(stake, -most, most)
        nats = -0.5 * m * (m - 1) * stake**2 * (variance + beta**2 * c * (1 - c) / n)
        for h, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            if table[h, j]:
                nats = nats + table[h, j] * np.log1p(stake * ((h - p) - beta * (j - judged)))
        self.bets.weigh((nats / rule.dispersion).reshape(self.bets.rates.shape))
        self.watch.evidence = self.bets.total
        if self.bets.total < max(null.n, 1.0):
            self.low["model"] = row
        null.add(bad / deff / rule.dispersion, m / deff / rule.dispersion)
        if self.bets.total >= rule.needed:
            self.levels = before, after = self.bets.mean_rates()
            onset = self._onset("model", row)
            self.watch.model.append(Alarm(self.bets.side(), onset, row, before, after))
            self.bets.clear()
            self.back, self.back_labels, self.watch.recovering = 0.0, 0.0, False

    def _way_back(self, row: int, bad: float, m: float) -> None:
        """The sum over when the old rate came back, against a level halfway to it; see rate/rule.py."""
        old, new = self.levels
        half = max(abs(new - old) / 2, _BACK_MIN)
        level = min(max(old + math.copysign(half, new - old), 1e-4), 1 - 1e-4)
        old = min(max(old, 1e-4), 1 - 1e-4)
        nats = bad * math.log(old / level) + (m - bad) * math.log((1 - old) / (1 - level))
        self.back = (self.back + m) * math.exp(min(nats / self.rule.dispersion, 300.0))
        self.back_labels += m
        # While the rate is still bad, the mean of the sum is the labels since the alarm.
        self.watch.recovering = self.back >= _RECOVERING * self.back_labels
        if self.back >= _RECOVERED_SHARE * self.rule.needed:
            last = self.watch.model[-1]
            self.watch.model[-1] = Alarm(
                last.side, last.onset, last.alarmed, last.before, last.after, row
            )
            self.low["model"], self.watch.recovering, self.watch.evidence = row, False, 0.0

    def _judge(self, row: int, table: Floats) -> None:
        total = labels = 0.0
        pending, self.judge_pending = self.judge_pending, None
        spent = self.judge_purse.spend() if pending is not None else 0.0
        for h, (null, bets) in enumerate(self.strata):
            m, bad = float(table[h].sum()), float(table[h, 1])
            if m > 0 or spent:
                left = self.judge_purse.started(m) / 2
                bets.start(null.cell, (left, left))
                if pending is not None:
                    bets.start_sized(null.cell, pending.side, spent / 2, pending.size)
                bets.weigh_counts(bad, m - bad, null.nats(bad, m - bad))
                null.add(bad, m)
            total, labels = total + bets.total, labels + null.n
        if total < max(labels, 1.0):
            self.low["judge"] = row
        if total >= self.rule.needed:
            strongest = max((bets for _, bets in self.strata), key=lambda bets: bets.total)
            onset = self._onset("judge", row)
            self.watch.judge.append(Alarm(strongest.side(), onset, row, *strongest.mean_rates()))
            self.strata = [(LearnedRate(), Candidates(JUDGE_DELTAS)) for _ in range(2)]
            self.low["judge"] = row

    def _trigger(self, row: int, n: float, judged_bad: float) -> None:
        null, bets = self.trigger_null, self.trigger
        bets.start(null.cell, (n / 2, n / 2))
        bets.weigh_counts(judged_bad, n - judged_bad, null.nats(judged_bad, n - judged_bad))
        null.add(judged_bad, n)
        if bets.total < self.rule.trigger_needed:
            return
        before, after = bets.mean_rates()
        step, side = abs(after - before), bets.side()
        right, wrong = (self.table[h] + 0.5 for h in (1, 0))
        youden = max(float(right[1] / right.sum() - wrong[1] / wrong.sum()), _YOUDEN_MIN)
        self.pending, self.judge_pending = _PlannedBet(side, step / youden), _PlannedBet(side, step)
        self.watch.triggers.append(row)
        self.trigger_null, self.trigger = LearnedRate(), Candidates(self.rule.deltas)

    def _onset(self, of: str, row: int) -> int:
        """The last trigger of the newest weeks, or else where the sum was last low.

        The trigger comes first: the sum may stay low for days after it.
        """
        before = self.watch.model if of == "model" else self.watch.judge
        since = max(row - _TRIGGER_ROWS, before[-1].alarmed + 1 if before else 0)
        last = self.watch.triggers[-1] if self.watch.triggers else -1
        return last if last >= since else min(self.low[of] + 1, row)


# Do people see a random sample of the calls? By the judge's grades of what they see.
#
# Of N calls, K judged bad, people see m: the judged-bad ones among them are hypergeometric where the
# sample is random. Candidates start with each label and tilt that law by fixed odds.


class SampleCheck:
    """The sum over candidates of how much better a chosen sample explains what people saw."""

    def __init__(self) -> None:
        self.mass = np.zeros(_ODDS.size)

    def add(self, n: float, judged_bad: float, seen: float, seen_bad: float) -> float:
        """Take one hour of whole numbers, and return the evidence."""
        self.mass += seen / _ODDS.size
        if 0 < seen < n and 0 < judged_bad < n:
            low, high = max(0, seen - (n - judged_bad)), min(seen, judged_bad)
            x = np.arange(low, high + 1)
            law = np.array(
                [_log_choose(judged_bad, k) + _log_choose(n - judged_bad, seen - k) for k in x]
            )
            law = np.exp(law - law.max())
            mean = (law / law.sum()) @ np.exp(np.outer(x, _ODDS))
            self.mass *= np.exp(np.minimum(seen_bad * _ODDS - np.log(mean), 300.0))
        return float(self.mass.sum())


def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
