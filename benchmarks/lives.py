"""Lives of a dependency over weeks, as `benchmarks/whole.py` lives them; most of them healthy.

Every life draws one dependency from a seed: its calls in order of arrival, and the true chance
that a call is good in each hour. Levels differ between dependencies, as they do in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from gonogo.records import HOUR_MS, Kind, Observation
from gonogo.settings import DependencySettings

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

NAME = "dependency"
# A Monday, 00:00 UTC.
START_MS = 1_780_272_000_000
USUAL_A_DAY = 300
ERRORS = 0.01
NO_SEGMENTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Plan:
    """What is true of each hour; arrays of shape (hours,).

    `good`: the chance of a good outcome where there is no error. `tiers`: shares of tiers by hour
    with each tier's own `good` in place of it.
    """

    calls: Floats
    good: Floats
    errors: Floats
    labelled: float = 1.0
    kind: Kind = "model"
    version: Callable[[int], str] = lambda _hour: "v1"
    tiers: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)

    @property
    def chance(self) -> Floats:
        """The chance that a call of the hour is good."""
        good = self.good
        if self.tiers:
            good = np.sum([share * own for share, own in self.tiers.values()], axis=0)
        chance: Floats = (1 - self.errors) * good
        return chance


@dataclass(frozen=True, eq=False)
class Lived:
    """One dependency: calls with when each arrived, ascending; the true chance by hour."""

    arrivals: Sequence[tuple[int, Observation]]
    chance: Floats


Maker = Callable[[np.random.Generator, int], Lived]


@dataclass(frozen=True)
class Life:
    """A life: what it is called, what is asked of the product in it, and how it is drawn.

    `asked`: upper bounds of "no_go" (share of dependencies with any), "blocked" and "caution"
    (days a dependency).
    """

    name: str
    make: Maker
    asked: Mapping[str, float] = field(default_factory=dict)
    own: DependencySettings = field(default_factory=lambda: DependencySettings(NAME))


def plan(rng: np.random.Generator, days: int, *, a_day: float = USUAL_A_DAY) -> Plan:
    """A dependency that stays as it is: its level is drawn between .85 and .98."""
    hours = days * 24
    level = rng.uniform(0.85, 0.98)
    return Plan(np.full(hours, a_day / 24), np.full(hours, level), np.full(hours, ERRORS))


def lived(rng: np.random.Generator, made: Plan) -> Lived:
    """Calls drawn from a plan; each arrives with its outcome when it is made."""
    arrivals = []
    names = list(made.tiers)
    for hour, n in enumerate(rng.poisson(made.calls)):
        at = np.sort(rng.integers(0, HOUR_MS, n)) + START_MS + hour * HOUR_MS
        failed = rng.random(n) < made.errors[hour]
        labelled = ~failed & (rng.random(n) < made.labelled)
        good = np.full(n, made.good[hour])
        tier = np.zeros(n, dtype=np.int64)
        if names:
            share = np.array([made.tiers[name][0][hour] for name in names])
            tier = rng.choice(len(names), n, p=share)
            good = np.array([made.tiers[name][1][hour] for name in names])[tier]
        outcome = rng.random(n) < good
        version = made.version(hour)
        for i in range(n):
            call = Observation(
                dependency=NAME,
                ts_ms=int(at[i]),
                kind=made.kind,
                version=version,
                outcome=float(outcome[i]) if labelled[i] else None,
                outcome_ts_ms=int(at[i]) if labelled[i] else None,
                error="timeout" if failed[i] else None,
                segments={"tier": names[tier[i]]} if names else NO_SEGMENTS,
            )
            arrivals.append((call.ts_ms, call))
    return Lived(arrivals, made.chance)


def _hours(days: int) -> Ints:
    return np.arange(days * 24, dtype=np.int64)


def _within(good: Floats) -> Floats:
    return np.clip(good, 0.02, 0.999)


def steady(a_day: float) -> Maker:
    """Nothing ever changes."""
    return lambda rng, days: lived(rng, plan(rng, days, a_day=a_day))


def weekly(rng: np.random.Generator, days: int) -> Lived:
    """Weekends are four points worse."""
    made, hour = plan(rng, days), _hours(days)
    return lived(rng, replace(made, good=_within(made.good - 0.04 * (hour // 24 % 7 >= 5))))


def low_weekends(rng: np.random.Generator, days: int) -> Lived:
    """Weekends are eight points worse."""
    made, hour = plan(rng, days), _hours(days)
    return lived(rng, replace(made, good=_within(made.good - 0.08 * (hour // 24 % 7 >= 5))))


def saturday(rng: np.random.Generator, days: int) -> Lived:
    """From the first Saturday on eight points worse, for good."""
    made, hour = plan(rng, days), _hours(days)
    return lived(rng, replace(made, good=_within(made.good - 0.08 * (hour >= 5 * 24))))


def night_and_day(rng: np.random.Generator, days: int) -> Lived:
    """Eight hours of night are ten points worse."""
    made, hour = plan(rng, days), _hours(days)
    return lived(rng, replace(made, good=_within(made.good - 0.10 * (hour % 24 < 8))))


def hanging_together(rng: np.random.Generator, days: int) -> Lived:
    """Hours hang together: log-odds move around their mean, sd .4, correlation .9 an hour."""
    made = plan(rng, days)
    walk, now = np.empty(days * 24), 0.4 * rng.normal()
    for hour in range(walk.size):
        now = 0.9 * now + 0.4 * np.sqrt(1 - 0.9**2) * rng.normal()
        walk[hour] = now
    odds = np.log(made.good / (1 - made.good)) + walk
    return lived(rng, replace(made, good=1 / (1 + np.exp(-odds))))


def wandering(rng: np.random.Generator, days: int) -> Lived:
    """A point up and down over weeks, at 1,000 calls a day."""
    made, hour = plan(rng, days, a_day=1000), _hours(days)
    wave = 0.01 * np.sin(2 * np.pi * (hour / (24 * rng.uniform(14, 40)) + rng.random()))
    return lived(rng, replace(made, good=_within(made.good + wave)))


def _outage(errors: Floats, hour: int, share: float) -> None:
    """Most calls of a share of an hour fail."""
    if hour < errors.size:
        errors[hour] = max(errors[hour], 0.9 * share)


def bursts(rng: np.random.Generator, days: int) -> Lived:
    """Ten minutes of errors twice a week."""
    made = plan(rng, days)
    for start in range(0, days * 24, 84):
        _outage(made.errors, start + int(rng.integers(84)), 1 / 6)
    return lived(rng, made)


def incidents(rng: np.random.Generator, days: int) -> Lived:
    """Six hours at half quality, and two hours of errors, once each."""
    made = plan(rng, days)
    half, errors = rng.permutation(np.array([days // 3, 2 * days // 3])) * 24 + rng.integers(
        24, size=2
    )
    made.good[half : half + 6] = 0.5
    for hour in range(errors, errors + 2):
        _outage(made.errors, hour, 1.0)
    return lived(rng, made)


def deploys(rng: np.random.Generator, days: int) -> Lived:
    """A new version each Tuesday at noon, with half an hour of errors."""
    made = plan(rng, days)
    for week in range(days // 7 + 1):
        _outage(made.errors, week * 168 + 36, 0.5)
    return lived(rng, replace(made, version=lambda hour: f"v{1 + (hour + 132) // 168}"))


def volume(rng: np.random.Generator, days: int) -> Lived:
    """Three times the calls in the second third of the time, a tenth in the last."""
    made, hour = plan(rng, days), _hours(days)
    third = days * 8
    calls = made.calls * np.choose(np.minimum(hour // third, 2), [1.0, 3.0, 0.1])
    return lived(rng, replace(made, calls=calls))


def moving_mix(rng: np.random.Generator, days: int) -> Lived:
    """A tier that was always harder, .80 beside .95, doubles from 15 to 30 %; no tier changes."""
    made, hour = plan(rng, days), _hours(days)
    hard = np.where(hour < days * 10, 0.15, 0.30)
    level = np.ones(hour.size)
    tiers = {"hard": (hard, 0.80 * level), "easy": (1 - hard, 0.95 * level)}
    return lived(rng, replace(made, tiers=tiers))


def five_tiers(*, own: bool, falls_day: int | None = None) -> Maker:
    """Days differ by three points, for all calls or for each of five tiers; one may fall from .9 to .5."""

    def made(rng: np.random.Generator, days: int) -> Lived:
        usual, share = plan(rng, days, a_day=240), np.full(days * 24, 0.2)
        tiers, effect = {}, 0.03 * rng.normal(size=days)
        for name in "abcde":
            level = 0.9 + np.repeat(0.03 * rng.normal(size=days) if own else effect, 24)
            if name == "a" and falls_day is not None:
                level[falls_day * 24 :] -= 0.4
            tiers[name] = (share, _within(level))
        return lived(rng, replace(usual, tiers=tiers))

    return made


def complaints(rng: np.random.Generator, days: int) -> Lived:
    """Labels come from complaints: 5 % of calls have one, and read 66 where the truth is 94."""
    made = lived(rng, replace(plan(rng, days), good=np.full(days * 24, 0.94)))
    kept = []
    for came, call in made.arrivals:
        chosen = rng.random() < (0.05 * 0.34 / 0.06 if call.outcome == 0 else 0.05 * 0.66 / 0.94)
        kept.append((came, call if chosen else replace(call, outcome=None, outcome_ts_ms=None)))
    return Lived(kept, made.chance)


def complaints_alone(rng: np.random.Generator, days: int) -> Lived:
    """Half of the bad calls are complained about, and no other call has a label."""
    made = lived(rng, plan(rng, days))
    kept = [
        (came, call)
        if call.outcome == 0 and rng.random() < 0.5
        else (came, replace(call, outcome=None, outcome_ts_ms=None))
        for came, call in made.arrivals
    ]
    return Lived(kept, made.chance)


def praise_alone(praised: float, *, falls_day: int | None = None) -> Maker:
    """A share of the good calls is praised, and no other call has a label; quality may fall to a half."""

    def made(rng: np.random.Generator, days: int) -> Lived:
        usual = plan(rng, days)
        if falls_day is not None:
            usual.good[falls_day * 24 :] *= 0.5
        one = lived(rng, usual)
        kept = [
            (came, call)
            if call.outcome == 1 and rng.random() < praised
            else (came, replace(call, outcome=None, outcome_ts_ms=None))
            for came, call in one.arrivals
        ]
        return Lived(kept, one.chance)

    return made


def late(rng: np.random.Generator, days: int) -> Lived:
    """Outcomes come hours later, six in the mean, bad ones sooner than good ones."""
    made = lived(rng, plan(rng, days))
    arrivals = []
    for index, (came, call) in enumerate(made.arrivals):
        named = replace(call, id=str(index))
        if call.outcome is None:
            arrivals.append((came, named))
            continue
        lag_ms = int(rng.exponential(6.3 if call.outcome else 1.5) * HOUR_MS)
        arrivals.append((came, replace(named, outcome=None, outcome_ts_ms=None)))
        arrivals.append((came + lag_ms, replace(named, outcome_ts_ms=came + lag_ms)))
    arrivals.sort(key=lambda arrival: arrival[0])
    return Lived(arrivals, made.chance)


def weekly_job(rng: np.random.Generator, days: int) -> Lived:
    """Each Sunday two hours bring 600 more calls, which are ten points harder."""
    made, hour = plan(rng, days), _hours(days)
    job = (hour // 24 % 7 == 6) & (hour % 24 >= 2) & (hour % 24 < 4)
    calls, good = made.calls + 300.0 * job, _within(made.good - 0.10 * job)
    return lived(rng, replace(made, calls=calls, good=good))


def two_providers(rng: np.random.Generator, days: int) -> Lived:
    """One name, two providers behind it, .97 and .85: for hours all calls go to one of them."""
    made = plan(rng, days)
    first, hour = np.empty(days * 24, dtype=bool), 0
    while hour < first.size:
        span = 1 + int(rng.exponential(6))
        first[hour : hour + span] = rng.random() < 0.5
        hour += span
    return lived(rng, replace(made, good=np.where(first, 0.97, 0.85)))


def tool(rng: np.random.Generator, days: int) -> Lived:
    """A tool whose calls have no outcome ever, one in 200 with an error."""
    made = plan(rng, days)
    quiet = replace(made, labelled=0.0, kind="tool", errors=np.full(days * 24, 0.005))
    return lived(rng, replace(quiet, good=np.ones(days * 24)))


def everything(rng: np.random.Generator, days: int) -> Lived:
    """Nights and weekends, three segments, five metrics and a golden set, and nothing changes."""
    made, hour = plan(rng, days), _hours(days)
    good = made.good - 0.03 * (hour % 24 < 8) - 0.02 * (hour // 24 % 7 >= 5)
    one = lived(rng, replace(made, good=_within(good)))
    arrivals = [(came, _dressed(rng, call)) for came, call in one.arrivals]
    items = rng.beta(8, 1, 50)
    for day in range(days):
        ts_ms = START_MS + day * 24 * HOUR_MS + 4 * HOUR_MS
        for item, chance in enumerate(items):
            answer = Observation(
                dependency=NAME,
                ts_ms=ts_ms + item * 1000,
                kind="model",
                version="v1",
                item=f"item-{item}",
                outcome=float(rng.random() < chance),
                outcome_ts_ms=ts_ms + item * 1000,
            )
            arrivals.append((answer.ts_ms, answer))
    arrivals.sort(key=lambda arrival: arrival[0])
    return Lived(arrivals, one.chance)


def _dressed(rng: np.random.Generator, call: Observation) -> Observation:
    tokens = int(rng.lognormal(5, 0.6))
    return replace(
        call,
        confidence=float(rng.beta(8, 2)),
        latency_ms=float(rng.lognormal(6, 0.5)),
        cost_micro_usd=3 * tokens,
        output_tokens=tokens,
        metrics={"steps": float(1 + rng.poisson(3))},
        segments={
            "tier": "free" if rng.random() < 0.7 else "paid",
            "region": ("eu", "us", "asia")[int(rng.choice(3, p=(0.5, 0.3, 0.2)))],
            "language": ("en", "de", "fr", "other")[int(rng.choice(4, p=(0.6, 0.2, 0.1, 0.1)))],
        },
    )


RARE = {"no_go": 0.04}
LIVES = (
    Life("iid, 300 a day", steady(USUAL_A_DAY), {"no_go": 0.02}),
    Life("iid, 15 a day", steady(15), {"no_go": 0.02}),
    Life("weekly cycle", weekly, RARE),
    Life("night and day", night_and_day, RARE),
    Life("hours that hang together", hanging_together, {"no_go": 0.10, "blocked": 0.4}),
    Life("wander of a point", wandering, {"no_go": 0.05}),
    Life("ten-minute bursts", bursts, {"blocked": 0.5}),
    Life("incidents", incidents),
    Life("Tuesday deploys", deploys, {"blocked": 0.2}),
    Life("volume x3, then /10", volume, RARE),
    Life("a mix that doubles", moving_mix, {"no_go": 0.02, "caution": 2}),
    Life("days differ, five tiers", five_tiers(own=False), RARE),
    Life("each tier's days differ", five_tiers(own=True), RARE),
    Life("one of five falls on day 20", five_tiers(own=False, falls_day=20)),
    Life("labels of complainers", complaints),
    Life("complaints alone", complaints_alone, RARE),
    Life("praise alone, of a third", praise_alone(0.33), RARE),
    Life("praise alone, of one in forty", praise_alone(0.025), RARE),
    Life("praise of a third halves on day 20", praise_alone(0.33, falls_day=20)),
    Life("praise of one in forty halves on day 20", praise_alone(0.025, falls_day=20)),
    Life("late labels", late, RARE),
    Life("weekly job", weekly_job, RARE),
    Life("two providers", two_providers, RARE),
    Life("tool without outcomes", tool, RARE),
    Life("weekends 8 points lower", low_weekends, RARE),
    Life("8 points from a Saturday on", saturday),
    Life("everything at once", everything, {"no_go": 0.05, "caution": 1}),
)
