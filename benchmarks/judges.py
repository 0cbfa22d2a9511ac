"""Did the model degrade, or did the judge move? People on some calls, a judge on all.

    python benchmarks/judges.py [--streams N] [--people SHARE]

500 calls a day, 28 days of baseline, the change on day 42, followed hour by hour to day 82; a share of
the calls is also graded by people, drawn at random but in the rows of chosen samples. "people alone" is
`watch_rate` on people's grades. Evidence needed: people's labels of 200 days. Seeded; a ratio is of
mean days from the change to the alarm, in the same streams, those that never alarm counted as 40, without
the streams in which a false alarm of either stood when the change came.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.judges.judged_hours import JudgedHours, judged_dispersion
from gonogo.detectors.judges.judged_watch import (
    TRIGGER_DAYS,
    JudgedRule,
    JudgedWatch,
    watch_judged,
)
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import NEAR_SPREAD, RateRule, deltas_for

if TYPE_CHECKING:
    from gonogo.records import Floats

DAYS, BASELINE, CHANGE = 82, 28, 42
HOUR = np.arange(DAYS * 24)
A_DAY = 500
SINCE = CHANGE * 24 <= HOUR
AFTER = np.clip((HOUR / 24 - CHANGE), 0, None)


@dataclass(frozen=True)
class Truth:
    """What is true by hour: people's rate of bad, and the judge's chances of catching good and bad.

    `chosen` tilts which calls people see: odds by the judge's grade, odds by the truth.
    """

    bad: Floats
    sees_bad: Floats
    sees_good: Floats
    day_sd: float = 0.0
    chosen: tuple[float, float] = (1.0, 1.0)
    chosen_since: int = CHANGE * 24


def level(value: float) -> Floats:
    """The same in every hour."""
    return np.full(HOUR.size, value)


def judge(quality: float) -> Callable[..., Truth]:
    """A judge that is right so often, of a model that is bad so often."""
    return lambda bad=0.06: Truth(level(bad), level(quality), level(quality))


def jump(points: float, quality: float = 0.9, bad: float = 0.06) -> Truth:
    """The judge calls so many points more of all calls bad from day 42 on."""
    truth = judge(quality)(bad)
    return replace(
        truth,
        sees_bad=np.clip(truth.sees_bad + points * SINCE, 0, 1),
        sees_good=np.clip(truth.sees_good - points * SINCE, 0, 1),
    )


def drifting() -> Truth:
    """Ten points in thirty days."""
    truth, moved = judge(0.9)(), np.minimum(AFTER / 30, 1) * 0.10
    return replace(truth, sees_good=truth.sees_good - moved, sees_bad=truth.sees_bad + moved)


def replaced(quality: float, new: float) -> Truth:
    """Another judge from day 42 on."""
    right = np.where(SINCE, new, quality)
    return Truth(level(0.06), right, right)


def fall(quality: float | tuple[float, float], before: float = 0.06, after: float = 0.14) -> Truth:
    """The model gets worse on day 42, and the judge stays."""
    sees = quality if isinstance(quality, tuple) else (quality, quality)
    return Truth(np.where(SINCE, after, before), level(sees[0]), level(sees[1]))


def chosen(by_grade: float = 1.0, by_truth: float = 1.0) -> Truth:
    """People are sent chosen calls from day 42 on."""
    return replace(judge(0.9)(), chosen=(by_grade, by_truth))


def drawn(truth: Truth, people: float, rng: np.random.Generator) -> JudgedHours:
    """A stream."""
    shift = np.repeat(rng.normal(0, truth.day_sd, DAYS), 24) if truth.day_sd else 0.0
    bad = np.clip(truth.bad + shift, 0.001, 0.999)
    n = rng.poisson(A_DAY / 24, HOUR.size)
    is_bad = rng.binomial(n, bad)
    right_bad = rng.binomial(is_bad, truth.sees_bad)
    wrong_good = rng.binomial(n - is_bad, 1 - truth.sees_good)
    cells = np.stack([n - is_bad - wrong_good, wrong_good, is_bad - right_bad, right_bad], axis=1)
    m = rng.binomial(n, people)
    table = np.zeros((HOUR.size, 4))
    by_grade, by_truth = truth.chosen
    tilt = np.array([1.0, by_grade, by_truth, by_grade * by_truth])
    for hour in np.flatnonzero(m):
        if hour >= truth.chosen_since and truth.chosen != (1.0, 1.0):
            kinds = np.repeat(np.arange(4), cells[hour])
            weight = tilt[kinds]
            picked = rng.choice(kinds, m[hour], replace=False, p=weight / weight.sum())
            table[hour] = np.bincount(picked, minlength=4)
        else:
            table[hour] = rng.multivariate_hypergeometric(cells[hour], m[hour])
    return JudgedHours(
        HOUR,
        n.astype(float),
        (wrong_good + right_bad).astype(float),
        table.reshape(-1, 2, 2),
    )


@dataclass(frozen=True)
class Told:
    """Days from the change to each first alarm; infinite where none came.

    `stood`: a false alarm, of ours or of people alone, stood when the change came.
    """

    model: float
    judge: float
    people: float
    sample: float
    points: float
    stood: bool


def _days(rows: Sequence[int]) -> float:
    later = [row for row in rows if row >= CHANGE * 24]
    return (min(later) - CHANGE * 24 + 1) / 24 if later else math.inf


def told(hours: JudgedHours, people: float) -> Told:
    """Follow one stream with a learned dispersion, as the product does."""
    needed = max(people * A_DAY * 200, 1.0)
    rule = JudgedRule(needed, A_DAY * TRIGGER_DAYS, deltas_for(0.05, NEAR_SPREAD))
    past = hours.part(slice(0, BASELINE * 24))
    rule = replace(rule, dispersion=judged_dispersion(past, watch_judged(past, rule).increments))
    found = watch_judged(hours, rule)
    m, bad = hours.table.sum(axis=(1, 2)), hours.table[:, 1].sum(axis=1)
    alone = watch_rate(m, bad, RateRule(needed, dispersion=rule.dispersion))
    return Told(
        _days([alarm.alarmed for alarm in found.model]),
        _days([alarm.alarmed for alarm in found.judge]),
        _days([e.alarmed for e in alone.state.episodes]),
        _days(found.samples),
        _points(found, hours),
        any(
            alarmed < CHANGE * 24 and (ended is None or ended >= CHANGE * 24)
            for alarmed, ended in (
                *((a.alarmed, a.ended) for a in found.model),
                *((e.alarmed, e.recovered) for e in alone.state.episodes),
            )
        ),
    )


def _points(found: JudgedWatch, hours: JudgedHours) -> float:
    """Points by which the judge is said to grade more often bad, at its first alarm."""
    first = next((a for a in found.judge if a.alarmed >= CHANGE * 24), None)
    if first is None:
        return math.nan
    before, since = (
        hours.part(slice(0, first.onset)),
        hours.part(slice(first.onset, first.alarmed + 1)),
    )
    return (since.judge_rate - before.judge_rate) - (
        since.people_rate()[0] - before.people_rate()[0]
    )


def share(values: Sequence[float]) -> float:
    """How many came at all."""
    return float(np.mean(np.isfinite(values)))


def mean_days(values: Sequence[float]) -> float:
    """Mean days, 40 where none came."""
    return float(np.mean(np.minimum(values, 40.0)))


HEALTHY = {
    "nothing changes": (judge(0.9)(), ""),
    "judge jumps +10": (jump(0.10), "judge"),
    "judge jumps -10": (jump(-0.10), "judge"),
    "judge drifts +10 in 30 days": (drifting(), "slow"),
    "judge of 95 % turns random": (replaced(0.95, 0.5), "judge"),
    "day effects sd .02": (replace(judge(0.9)(), day_sd=0.02), ""),
}
FALLS = {
    "judge 80 %": (fall(0.80), 1.06),
    "judge 90 %": (fall(0.90), 0.65),
    "judge 95 %": (fall(0.95), 0.55),
    "judge 70 %": (fall(0.70), 1.06),
    "sees .70 of bad, .98 of good": (fall((0.70, 0.98)), 0.65),
    ".15 to .23, judge 90 %": (fall(0.90, 0.15, 0.23), 0.60),
}
CHOSEN = {
    "by the judge's grade, odds 2": chosen(by_grade=2),
    "by the judge's grade, odds 3": chosen(by_grade=3),
    "by the truth, odds 2": chosen(by_truth=2),
}


Streams = Callable[[Truth, int], list[Told]]


def standing(streams: Streams, row: str) -> None:
    """Print the rows in which the model stands."""
    print(f"\n{'the model stands':30}{'model false':>12}{'asked':>7}{'people alone':>14}", end="")
    print(f"{'judge named':>13}{'days':>6}{'first':>7}{'points':>8}")
    for seed, (name, (truth, moved)) in enumerate(HEALTHY.items()):
        if row not in name:
            continue
        found = streams(truth, seed)
        named = [t.judge for t in found]
        print(
            f"{name:30}{share([t.model for t in found]):12.2f}{'.20':>7}"
            f"{share([t.people for t in found]):14.2f}{share(named):13.2f}",
            end="",
        )
        if moved:
            either = [t for t in found if t.judge < math.inf or t.model < math.inf]
            first = float(np.mean([t.judge < t.model for t in either]))
            points = float(np.mean([t.points for t in found if math.isfinite(t.points)]))
            print(f"{mean_days(named):6.1f}{first:7.2f}{100 * points:8.1f}", end="")
        print(flush=True)


def falling(streams: Streams, row: str) -> None:
    """Print the rows in which the model falls."""
    print(
        f"\n{'the model falls':30}{'days':>6}{'people alone':>14}{'ratio':>7}{'asked':>7}", end=""
    )
    print(f"{'model first':>13}")
    for seed, (name, (truth, asked)) in enumerate(FALLS.items()):
        if row not in name:
            continue
        found = [one for one in streams(truth, 100 + seed) if not one.stood]
        ours, alone = mean_days([t.model for t in found]), mean_days([t.people for t in found])
        first = float(np.mean([t.model <= t.judge for t in found]))
        said = f"{ours / alone:7.2f}{asked:7.2f}{first:13.2f}"
        print(f"{name:30}{ours:6.2f}{alone:14.2f}{said}", flush=True)


def choosing(streams: Streams, row: str) -> None:
    """Print the rows in which people see chosen calls."""
    print(f"\n{'people see chosen calls':30}{'check':>6}{'days':>6}{'model false':>13}", end="")
    print(f"{'people alone':>14}")
    for seed, (name, truth) in enumerate(CHOSEN.items()):
        if row not in name:
            continue
        found = streams(truth, 200 + seed)
        checks = [t.sample for t in found]
        false = f"{share([t.model for t in found]):13.2f}{share([t.people for t in found]):14.2f}"
        print(f"{name:30}{share(checks):6.2f}{mean_days(checks):6.1f}{false}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=60)
    parser.add_argument("--people", type=float, default=0.05)
    parser.add_argument("--row", default="", help="part of the rows' names")
    given = parser.parse_args()
    began = time.monotonic()

    def streams(truth: Truth, seed: int) -> list[Told]:
        rng = np.random.default_rng(seed)
        return [told(drawn(truth, given.people, rng), given.people) for _ in range(given.streams)]

    print(f"{given.streams} streams a row, people on {given.people:.0%} of {A_DAY} calls a day")
    standing(streams, given.row)
    falling(streams, given.row)
    choosing(streams, given.row)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
