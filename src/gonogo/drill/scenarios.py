"""The scenarios: what each does to the calls to come, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from gonogo.records import DAY_MS, HOUR_MS, MICRO

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats, Ints
    from gonogo.drill.replayed_calls import ReplayedCalls
    from gonogo.store.reads.call_columns import CallColumns


# Outcomes of the slice, and of all others, below which their difference is chance.
OUTCOMES_MIN = 100
# Of the other calls at most so many give way.
CHANCE_MAX = 0.9
# By so many times the smallest effect that matters the whole is meant to fall.
FALLS_BY = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class MixMove:
    """A slice that grows.

    Attributes:
        segment: As `tier=free`.
        calls: The history.
        rows: Its calls of the slice.
        chance: With which any other call gives way to one of them.
    """

    segment: str
    calls: CallColumns
    rows: Ints
    chance: float


def mix_move(calls: CallColumns, segments: Collection[str], *, min_effect: float) -> MixMove | None:
    """The declared slice that would pull the whole down most if it grew; None where none would matter.

    Args:
        calls: The history.
        segments: Those that are rolled up.
        min_effect: The smallest change that matters to the user, rate points.
    """
    known = ~np.isnan(calls.outcome_e6)
    found: list[tuple[float, MixMove]] = []
    for segment in segments:
        declared = np.array([segment in each for each in calls.segment_sets], dtype=bool)
        inside = declared[calls.segments]
        own, others = (calls.outcome_e6[side & known] for side in (inside, ~inside))
        if min(len(own), len(others)) < OUTCOMES_MIN:
            continue
        # What the whole loses where all others give way.
        loss = float((~inside).mean()) * float(others.mean() - own.mean()) / MICRO
        if CHANCE_MAX * loss >= min_effect:
            chance = min(CHANCE_MAX, FALLS_BY * min_effect / loss)
            found.append((loss, MixMove(segment, calls, np.flatnonzero(inside), chance)))
    return max(found, key=lambda each: each[0])[1] if found else None


# `fallback`: the traffic has to leave for a healthy target. `notice`: it has to be seen, and the
# traffic has to stay. `quiet`: nothing may be raised. `unknown`: no verdict may say go.
# `steady`: the traffic may not go back and forth. `refuse`: not to a target that is broken.
# `reach`: it leaves, and everybody is told: at once, or once they answer again.
# `back`: a version that is promoted goes back before it has much of the traffic.
# `golden`: the golden set has to show it. `blameless`: it may not be called a fault of the model.
# `limit`: a budget has to refuse before its limit is passed.
Wanted = Literal[
    "quiet",
    "fallback",
    "notice",
    "unknown",
    "steady",
    "refuse",
    "reach",
    "back",
    "golden",
    "blameless",
    "limit",
]


@dataclass(frozen=True, slots=True)
class Harm:
    """When it begins and what it is done with.

    `own_rate` is the user's own share of good calls, `mix` the slice that grows where one does.
    """

    start_ms: int
    own_rate: float
    min_effect: float
    rng: np.random.Generator
    mix: MixMove | None = None


Injection = Callable[["ReplayedCalls", Harm], "ReplayedCalls"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rehearsal.

    Attributes:
        name: As `--scenario` takes it.
        told: What happens, in a few words.
        wanted: What has to come of it.
        inject: Makes the calls of the dependency worse.
        look_every_h: How often somebody looks.
        lasts_ms: How long it lasts; None: until the end.
        metric: The metric besides quality that it moves.
        breaks_target: The first rung is broken as well.
        dies: The target dies between the plan and the deed.
        hangs: The first receiver of notices and the first actuator do not answer.
        days_max: How long one replicate is watched at most.
    """

    name: str
    told: str
    wanted: Wanted
    inject: Injection
    look_every_h: int = 24
    lasts_ms: int | None = None
    metric: str | None = None
    breaks_target: bool = False
    dies: bool = False
    hangs: bool = False
    days_max: int = 28


# What is wanted of these is that it is seen; then it is over.
SEEN = ("notice", "unknown", "golden", "limit")
SLIDE_POINTS, SLIDE_MS = 0.07, 21 * DAY_MS
WEEKEND_POINTS = 0.25
LATE_POINTS, LATE_MS = 0.10, 3 * DAY_MS
OUTAGE_MS, OUTAGE_SHARE = 12 * HOUR_MS, 0.9
COST_TIMES = 5.0
LOOP_TIMES = 5
CANDIDATE_POINTS = 0.20
FLAP_MS = 3 * DAY_MS
THURSDAY_TO_SATURDAY = 2  # 1970-01-01 was a Thursday


def _after(played: ReplayedCalls, hurt: Harm) -> NDArray[np.bool_]:
    after: NDArray[np.bool_] = played.ts_ms >= hurt.start_ms
    return after


def _flips(played: ReplayedCalls, hurt: Harm, points: Floats | float) -> NDArray[np.bool_]:
    """Good calls that turn wrong so that the mean outcome falls by so much."""
    chance = np.clip(np.asarray(points) / max(hurt.own_rate, 1e-6), 0, 1)
    flipped: NDArray[np.bool_] = hurt.rng.random(len(played.ts_ms)) < chance
    return flipped & _after(played, hurt)


def nothing(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """The control: the calls as they were."""
    del hurt
    return played


def slide(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Seven points of accuracy in three weeks, as from 94 % to 87 %."""
    way = np.clip((played.ts_ms - hurt.start_ms) / SLIDE_MS, 0, 1)
    return played.worse(_flips(played, hurt, SLIDE_POINTS * way))


def weekend(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Wrong at weekends only."""
    day = (played.ts_ms // DAY_MS - THURSDAY_TO_SATURDAY) % 7
    return played.worse(_flips(played, hurt, WEEKEND_POINTS) & (day <= 1))


def collapse(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """The confidence falls to half of what it was; the outcomes stay as they were."""
    left = np.where(_after(played, hurt), 0.5, 1.0)
    return replace(played, confidence_e6=np.round(played.confidence_e6 * left))


def spike(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Every call costs five times as much."""
    after = _after(played, hurt)
    cost = np.where(after, np.round(played.cost_micro_usd * COST_TIMES), played.cost_micro_usd)
    booked = np.where(after, played.booked_micro_usd * COST_TIMES, played.booked_micro_usd)
    return replace(played, cost_micro_usd=cost, booked_micro_usd=booked, hurt=played.hurt | after)


def runaway(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """An agent in a loop: every call is made five times."""
    return played.repeated(_after(played, hurt), LOOP_TIMES)


def other_mix(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """More calls of the kind that was always answered worse; each kind is answered as before."""
    if hurt.mix is None:
        return played
    moves = _after(played, hurt) & (hurt.rng.random(len(played.ts_ms)) < hurt.mix.chance)
    moves &= ~np.isin(played.source, hurt.mix.rows)
    source = hurt.rng.choice(hurt.mix.rows, len(played.ts_ms))
    return played.asked_otherwise(moves, source, hurt.mix.calls)


def outage(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Nine calls in ten fail outright, for twelve hours."""
    during = _after(played, hurt) & (played.ts_ms < hurt.start_ms + OUTAGE_MS)
    return played.failing(during & (hurt.rng.random(len(played.ts_ms)) < OUTAGE_SHARE))


def late(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Ten points of accuracy at once, and outcomes that come three days late."""
    after = _after(played, hurt)
    hurt_calls = played.worse(_flips(played, hurt, LATE_POINTS))
    return replace(hurt_calls, seen_ms=np.where(after, played.ts_ms + LATE_MS, played.seen_ms))


def missing(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Nothing is recorded any more."""
    return played.without(_after(played, hurt))


def flapping(played: ReplayedCalls, hurt: Harm) -> ReplayedCalls:
    """Three days twice the smallest effect that matters below its own rate, three days well."""
    ill = ((played.ts_ms - hurt.start_ms) // FLAP_MS) % 2 == 0
    return played.worse(_flips(played, hurt, np.where(ill, 2 * hurt.min_effect, 0.0)))


SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Scenario("none", "control: nothing changes", "quiet", nothing),
        Scenario("slide", "7 points of accuracy in 3 weeks", "fallback", slide),
        Scenario("weekend", "25 points at weekends only", "fallback", weekend),
        Scenario(
            "confidence",
            "confidence halves, accuracy stays",
            "notice",
            collapse,
            metric="confidence",
            days_max=14,
        ),
        Scenario(
            "cost", "5 times the cost a call", "notice", spike, metric="cost_usd", days_max=14
        ),
        Scenario(
            "outage",
            "90% of calls fail for 12 hours",
            "fallback",
            outage,
            look_every_h=1,
            lasts_ms=OUTAGE_MS,
            days_max=14,
        ),
        Scenario("late", "10 points, outcomes 3 days late", "fallback", late, days_max=21),
        Scenario("missing", "recording stops", "unknown", missing, days_max=21),
        Scenario(
            "broken",
            "an outage, and the first fallback is broken too",
            "refuse",
            outage,
            look_every_h=1,
            lasts_ms=OUTAGE_MS,
            breaks_target=True,
            days_max=3,
        ),
        Scenario("flapping", "ill and well, three days each", "steady", flapping, look_every_h=48),
        Scenario(
            "dies",
            "an outage, and the target dies between plan and deed",
            "refuse",
            outage,
            look_every_h=1,
            lasts_ms=OUTAGE_MS,
            dies=True,
            days_max=3,
        ),
        Scenario(
            "hanging",
            "an outage, and the first receiver and actuator never answer while it lasts",
            "reach",
            outage,
            look_every_h=1,
            lasts_ms=OUTAGE_MS,
            hangs=True,
            days_max=3,
        ),
        Scenario(
            "candidate",
            "a new version, 20 points worse, is promoted",
            "back",
            nothing,
            look_every_h=3,
            days_max=14,
        ),
        Scenario(
            "golden",
            "half of the golden set's items go wrong, the traffic shows nothing",
            "golden",
            nothing,
        ),
        Scenario(
            "mix",
            "more of the calls that were always answered worse, each kind as before",
            "blameless",
            other_mix,
            days_max=14,
        ),
        Scenario(
            "runaway",
            "an agent in a loop makes every call 5 times",
            "limit",
            runaway,
            look_every_h=1,
            days_max=8,
        ),
    )
}
