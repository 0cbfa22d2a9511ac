"""How a promotion ends: equal and worse candidates through the detector, beside what is asked of it.

    python benchmarks/promotion.py [--runs N] [--seed S]

Hour by hour, seeded: 500 labelled calls a day with a day's profile, 6 % bad outcomes that come 24 h late,
.3 % errors, lognormal latency and cost (log sd .6 and .5). Each stage as the product takes it
(`detectors/promotion`); the share of a candidate's calls is drawn call by call.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.promotion.candidate_trial import (
    STAGES,
    WHOLE_NEEDED,
    evidence_of_sums,
    expected_days,
    first_stage,
    limit_days,
    stage_move,
)
from gonogo.detectors.promotion.difference import (
    ERROR_LINES,
    METRICS,
    PASSING,
    WORSE_WEIGHTS,
    rate_difference,
)
from gonogo.detectors.promotion.hour_evidence import LINES, current_bet, hour_nats, remembered

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "worlds"))
from sticky_users import ever_misses, sticky_users

LATE_HOURS = 24
LATENCY_SD, COST_SD = 0.6, 0.5
QUALITY = 0
PROMOTED, BACK, OPEN = 2, 1, 0


@dataclass(frozen=True)
class Candidate:
    """A world: what the candidate does to bad outcomes, errors, latency and cost."""

    name: str
    points: float = 0.0  # more bad outcomes, a fraction
    errors: float = 0.003
    latency: float = 1.0
    cost: float = 1.0
    base: float = 0.06
    base_errors: float = 0.003
    a_day: int = 500
    late: int = LATE_HOURS
    only_quality: bool = False
    asked: str = ""
    times: int = 1


def normal_above(z: float) -> float:
    """The chance that a standard normal exceeds z."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def rates(world: Candidate) -> tuple[Floats, Floats]:
    """Rates of bad calls by metric, of the current version and the candidate."""
    tail, middle = 1.6448536, 0.0
    slower = [normal_above(z - math.log(world.latency) / LATENCY_SD) for z in (tail, middle)]
    dearer = [normal_above(z - math.log(world.cost) / COST_SD) for z in (tail, middle)]
    current = np.array([world.base, world.base_errors, 0.05, 0.5, 0.05, 0.5])
    candidate = np.array([world.base + world.points, world.errors, *slower, *dearer])
    return current, candidate


@dataclass(frozen=True)
class Calls:
    """One hour's calls of every run and metric; shapes (runs, metrics), stage (runs,)."""

    stage: Ints
    n_a: Floats
    bad_a: Floats
    n_b: Floats
    bad_b: Floats


class Trials:
    """Many lives of one world side by side, each with its own stage; arrays of shape (runs, ...)."""

    def __init__(self, world: Candidate, runs: int, seed: int) -> None:
        self.world = world
        self.rng = np.random.default_rng((seed, len(world.name), world.a_day))
        self.rates = rates(world)
        self.used = [QUALITY] if world.only_quality else list(range(len(METRICS)))
        first, share = first_stage(world.a_day)
        self.shares = np.array((share, *STAGES[1:]))
        self.limits = [self._limit(stage) for stage in range(len(LINES))]
        size = (runs, len(METRICS))
        self.known = np.full(size, 1000.0)
        self.known_bad = self.rng.binomial(1000, self.rates[0], size).astype(float)
        self.whole, self.own = np.zeros((*size, 4, 2)), np.zeros((*size, 2))
        self.worse = np.zeros((*size, 4, 5))
        self.stage, self.since = np.full(runs, first), np.zeros(runs)
        self.late: list[Calls] = []
        self.end = np.zeros(runs, dtype=np.int64)
        self.days = np.full(runs, np.nan)
        self.reached = self.stage.copy()
        self.harm = np.zeros(runs)

    def _limit(self, stage: int) -> float:
        n_b = self.world.a_day * float(self.shares[stage])
        days = expected_days(
            self.world.base,
            self.world.a_day - n_b,
            n_b,
            line=LINES[stage],
            needed=WHOLE_NEEDED[stage],
        )
        return 24 * limit_days(days) + self.world.late

    def live(self) -> None:
        """Every run to its end, at most 70 days."""
        block = 4 if self.world.a_day < 200 else 1
        for hour in range(0, 70 * 24, block):
            alive = self.end == OPEN
            if not alive.any():
                return
            self._take_in(self._drawn(hour, block, alive), block)
            for run in np.flatnonzero(alive):
                self._decide(int(run), hour + block)

    def _drawn(self, hour: int, block: int, alive: Ints) -> Calls:
        profile = 1 + 0.6 * math.sin(2 * math.pi * (hour + block / 2) / 24)
        n = self.rng.poisson(self.world.a_day * block / 24 * profile, len(alive)) * alive
        n_b = self.rng.binomial(n, self.shares[self.stage])
        a, b = self.rates
        self.harm += n_b * (b[QUALITY] - a[QUALITY])
        wide = [np.repeat(m[:, None], len(METRICS), 1) for m in (n - n_b, n_b)]
        bad_a, bad_b = (
            self.rng.binomial(m, p).astype(float) for m, p in zip(wide, (a, b), strict=True)
        )
        return Calls(self.stage.copy(), wide[0].astype(float), bad_a, wide[1].astype(float), bad_b)

    def _take_in(self, new: Calls, block: int) -> None:
        """Weigh what is known now: the newest hour, and the outcomes of a day ago."""
        self.late.append(new)
        past = self.world.late // block
        old = self.late[-1 - past] if len(self.late) > past else None
        made = np.repeat(new.stage[:, None], len(METRICS), 1)
        made[:, QUALITY] = -1 if old is None else old.stage
        seen = []
        for name in ("n_a", "bad_a", "n_b", "bad_b"):
            counts = getattr(new, name).copy()
            counts[:, QUALITY] = 0 if old is None else getattr(old, name)[:, QUALITY]
            seen.append(counts)
        lines = np.array([ERROR_LINES if name == "error" else LINES for name in METRICS])
        nats = hour_nats(*seen, bet=current_bet(self.known, self.known_bad), lines=lines)
        self.known, self.known_bad = remembered(self.known, self.known_bad, seen[0], seen[1])
        self.whole += nats.not_worse
        line = self.stage[:, None, None, None]
        mine = np.take_along_axis(nats.not_worse, line, axis=2)[:, :, 0]
        self.own += np.where((made == self.stage[:, None])[..., None], mine, 0.0)
        for start in range(4):
            self.worse[:, :, start] += np.where((made >= start)[..., None], nats.worse, 0.0)

    def _decide(self, run: int, hour: int) -> None:
        k = int(self.stage[run])
        found = {
            m: evidence_of_sums(
                k, self.whole[run, m, k], self.own[run, m], self.worse[run, m, : k + 1]
            )
            for m in self.used
        }
        move = stage_move(
            [one for m, one in found.items() if PASSING[m]],
            worse=sum(WORSE_WEIGHTS[m] * one.worse for m, one in found.items()),
            stage=k,
            hours_here=hour - self.since[run],
            limit_hours=self.limits[k],
        )
        if move == "stay":
            return
        if move == "next":
            self.own[run], self.stage[run], self.since[run] = 0.0, min(k + 1, 3), hour
            self.reached[run] = k + 1
        if move != "next" or k == len(LINES) - 1:
            self.end[run] = PROMOTED if move == "next" else BACK
            self.days[run] = hour / 24


WORLDS = (
    Candidate("equal", asked="promoted >= .95, median <= 9 days"),
    # So near its floor that 400 runs, with a standard error of .012, say nothing.
    Candidate("-20 points", 0.20, times=6, asked="25 % in <= .05; bad calls <= 12"),
    Candidate("-10 points", 0.10, asked="100 % in <= .005"),
    Candidate("-5 points", 0.05),
    Candidate("-3 points", 0.03),
    Candidate("+3 points", -0.03),
    Candidate("latency x2", latency=2.0, asked="never promoted"),
    Candidate("latency x1.3", latency=1.3),
    Candidate("cost x1.5", cost=1.5, asked="never promoted"),
    Candidate("errors 0 to 1 %", errors=0.01, base_errors=0.0),
    Candidate("errors 0 to 2 %", errors=0.02, base_errors=0.0),
    Candidate("errors .3 to 60 %", errors=0.6),
    Candidate("equal, 100 a day", a_day=100, asked="promoted >= .95, median <= 21 days"),
    Candidate("-20, 100 a day", 0.20, a_day=100, asked="25 % in <= .05"),
    Candidate("equal, no lateness", late=0),
)


def differences(runs: int, seed: int) -> None:
    """How often the interval of equal versions ever misses, asked each day, and its width at 2,000 a side."""
    rng = np.random.default_rng((seed, 1))
    days, a_day = 16, 500
    missed, level, widths = 0, 0, []
    for _ in range(runs):
        day = np.repeat(np.clip(0.06 + rng.normal(0, 0.03, days), 0.005, 0.5), 24)
        n = rng.poisson(a_day / 48, (2, days * 24))
        bad = rng.binomial(n, day)
        told = [
            rate_difference(n[0, :end], bad[0, :end], n[1, :end], bad[1, :end])
            for end in range(24, days * 24 + 1, 24)
        ]
        known = [one for one in told if one is not None]
        missed += any(not one.interval95[0] <= 0 <= one.interval95[1] for one in known)
        level += any(max(one.e_better, one.e_worse) >= 25 for one in known)
        low, high = known[7].interval95
        rate, size = float(bad[:, :192].sum() / n[:, :192].sum()), float(n[0, :192].sum())
        widths.append((high - low) / (2 * 1.96 * math.sqrt(2 * rate * (1 - rate) / size)))
    print(
        f"difference of equal versions, shared day sd .03: ever missed {missed / runs:.3f} (asked <= .05); ever "
        f"'better or worse at all: level 96%' {level / runs:.3f}; width {np.median(widths):.2f} x that of a fixed time "
        "at 2,000 a side (asked <= 1.6)"
    )


def differences_by_key(runs: int, seed: int) -> None:
    """How often it ever misses where each of few users keeps one of two equal versions, by call and by user."""
    for users, heavy in ((30, 0.0), (100, 0.0), (30, 0.4), (30, 0.7), (30, 0.85)):
        rng, by_call, by_user = np.random.default_rng((seed, 2)), 0, 0
        for _ in range(runs):
            counts, keys = sticky_users(rng, users, heavy=heavy)
            by_call += ever_misses(counts, [])
            by_user += ever_misses(counts, keys)
        print(
            f"{users} users of rates sd .05, one with {heavy:.2f} of a version's calls: ever missed by call "
            f"{by_call / runs:.3f}, by user {by_user / runs:.3f} (asked <= .05)",
            flush=True,
        )


def main() -> None:
    """Print a row a world, beside what is asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=400)
    arguments.add_argument("--seed", type=int, default=20)
    chosen = arguments.parse_args()
    quality = [
        replace(world, name=f"{world.name}, quality only", only_quality=True)
        for world in WORLDS[:3]
    ]
    print(f"{chosen.runs} runs a row, seed {chosen.seed}")
    print(
        "candidate                     promoted   back  days   25 %  100 %  bad calls (p95)  asked"
    )
    for world in (*WORLDS, *quality):
        lives = Trials(world, chosen.runs * world.times, chosen.seed)
        lives.live()
        days = np.nanmedian(lives.days)
        print(
            f"{world.name:30}{np.mean(lives.end == PROMOTED):8.4f}{np.mean(lives.end == BACK):7.3f}"
            f"{days:6.1f}{np.mean(lives.reached >= 2):7.3f}{np.mean(lives.reached >= 4):7.4f}"
            f"{lives.harm.mean():9.1f} ({np.quantile(lives.harm, 0.95):.0f})   {world.asked}",
            flush=True,
        )
    differences(chosen.runs, chosen.seed)
    differences_by_key(chosen.runs, chosen.seed)


if __name__ == "__main__":
    main()
