"""Is a trust score of 90 good nine times in ten? Simulated fleets, scored call by call.

    python benchmarks/trust.py

400 dependencies make about 200,000 calls in 60 days, unevenly; their level jumps and they have
outages. Before each call the score is asked for, from hour counts and the calls so far in the
hour, as the service would. The prior comes from 200 other dependencies. Brier scores depend on how
a world behaves: compare the rows of one table, not tables with each other or with figures measured
on other worlds. What short memories count for in the spread was chosen on "fast drift" with
another seed, so its coverage there is not a held-out figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors import trust

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

DAYS = 60
MEAN_CALLS = 500
HALF_LIFE_H = 120.0


@dataclass(frozen=True)
class World:
    """How a fleet behaves: jumps and outages in 60 days, outage hours (median), levels."""

    name: str
    jumps: float
    outages: float
    outage_h: float
    level: tuple[float, float]


@dataclass(frozen=True)
class Calls:
    """One dependency's calls in time order: hours, true rates, whether each was good."""

    at: Floats
    rate: Floats
    good: Floats


WORLDS = (
    World("stable", 0.0, 0.0, 1.0, (9.0, 1.0)),
    World("outages and jumps", 1.5, 2.5, 9.0, (9.0, 1.0)),
    World("fast drift", 12.0, 6.0, 6.0, (6.0, 1.0)),
)


def fleet(world: World, size: int, rng: np.random.Generator) -> list[Calls]:
    """A fleet with very uneven numbers of calls."""
    hours = DAYS * 24.0
    made = []
    for _ in range(size):
        calls = int(np.ceil(MEAN_CALLS * rng.lognormal(-0.72, 1.2)))
        at = np.sort(rng.uniform(0, hours, calls))
        cuts = np.sort(rng.uniform(0, hours, rng.poisson(world.jumps)))
        rate = rng.beta(*world.level, cuts.size + 1)[np.searchsorted(cuts, at)]
        for _ in range(rng.poisson(world.outages)):
            start = rng.uniform(0, hours)
            lasts = rng.lognormal(np.log(world.outage_h), 1.0)
            rate = np.where((at >= start) & (at < start + lasts), rng.uniform(0, 0.3), rate)
        made.append(Calls(at, rate, (rng.random(calls) < rate).astype(float)))
    return made


@dataclass(frozen=True)
class Rows:
    """A dependency's hours, and for each call its hour and what was seen so far in it."""

    hour: Ints
    good: Ints
    n: Ints
    row: Ints
    good_so_far: Ints
    n_so_far: Ints


def hour_rows(calls: Calls) -> Rows:
    """Hour counts, and each call's place in them."""
    hour, row, n = np.unique(np.floor(calls.at), return_inverse=True, return_counts=True)
    first = np.r_[0, np.cumsum(n)[:-1]][row]
    good = np.r_[0, np.cumsum(calls.good)].astype(np.int64)
    at = np.arange(calls.at.size)
    sums = np.bincount(row, calls.good).astype(np.int64)
    return Rows(hour.astype(np.int64), sums, n, row, good[at] - good[first], at - first)


def ratio(rows: Rows) -> tuple[Floats, Floats]:
    """Good calls so far and calls so far, before each call."""
    good = np.r_[0, np.cumsum(rows.good)[:-1]][rows.row] + rows.good_so_far
    n = np.r_[0, np.cumsum(rows.n)[:-1]][rows.row] + rows.n_so_far
    return good.astype(float), n.astype(float)


def wilson_lower(good: Floats, n: Floats) -> Floats:
    """Wilson's lower 95 % bound, 0 before the first call."""
    z, seen = 1.96, np.maximum(n, 1e-9)
    rate = good / seen
    root = z * np.sqrt(rate * (1 - rate) / seen + z * z / (4 * seen * seen))
    return np.where(n > 0, (rate + z * z / (2 * seen) - root) / (1 + z * z / seen), 0.0)


def decayed_beta(rows: Rows) -> Floats:
    """Beta(1, 1) with counts of a half-life of five days."""
    good, n = np.zeros(rows.hour.size), np.zeros(rows.hour.size)
    for i in range(1, rows.hour.size):
        kept = 0.5 ** ((rows.hour[i] - rows.hour[i - 1]) / HALF_LIFE_H)
        good[i] = (good[i - 1] + rows.good[i - 1]) * kept
        n[i] = (n[i - 1] + rows.n[i - 1]) * kept
    return (good[rows.row] + rows.good_so_far + 1) / (n[rows.row] + rows.n_so_far + 2)


def calibration_error(said: Floats, came: Floats, bins: int = 20) -> float:
    """Expected calibration error over bins of equal numbers of calls."""
    edges = np.quantile(said, np.linspace(0, 1, bins + 1)[1:-1])
    of = np.searchsorted(edges, said, side="right")
    gap = np.bincount(of, said, minlength=bins) - np.bincount(of, came, minlength=bins)
    return float(np.abs(gap).sum() / said.size)


@dataclass
class Scores:
    """What each rule said before each call, and what is needed to judge it."""

    said: dict[str, list[Floats]]
    came: list[Floats]
    seen: list[Floats]
    covered: list[bool]
    no_go_true: list[bool]


def score_fleet(world: World, *, size: int, seed: int) -> Scores:
    """Score every call of a fleet by every rule; intervals at one call in fifty."""
    rng = np.random.default_rng(seed)
    others = fleet(world, size // 2, rng)
    prior = trust.population_prior(
        np.array([int(one.good.sum()) for one in others]),
        np.array([one.good.size for one in others]),
    )
    names = ("naive ratio", "Wilson lower 95 %", "decayed Beta", "gonogo", "oracle")
    scores = Scores({name: [] for name in names}, [], [], [], [])
    for one in fleet(world, size, rng):
        rows = hour_rows(one)
        good, n = ratio(rows)
        path = trust.trust_path(rows.hour, rows.good, rows.n, prior=prior, rows_max=10**6)
        mixed = trust.after_batch(path, rows.row, rows.good_so_far, rows.n_so_far)
        naive = np.where(n > 0, good / np.maximum(n, 1), 0.5)
        each = (naive, wilson_lower(good, n), decayed_beta(rows), mixed.mean(), one.rate)
        for name, said in zip(names, each, strict=True):
            scores.said[name].append(said)
        scores.came.append(one.good)
        scores.seen.append(n)
        for call in np.flatnonzero(rng.random(n.size) < 0.02):
            judge_interval(scores, mixed, int(call), float(one.rate[call]), float(n[call]))
    return scores


def judge_interval(
    scores: Scores, mixed: trust.BetaMixture, call: int, rate: float, n: float
) -> None:
    """Whether the interval holds the true rate, and a no_go a rate that is below its bar."""
    at = trust.BetaMixture(mixed.weight[call], mixed.a[call], mixed.b[call])
    low, high = trust.quantiles(at, np.array([0.05, 0.95]))
    scores.covered.append(bool(low <= rate <= high))
    bar = max(0.5, float(at.a[-1] / (at.a[-1] + at.b[-1])) - 0.05)
    if high < bar and n >= 10:
        scores.no_go_true.append(rate < bar)


def report(world: World, scores: Scores) -> None:
    """Print one world's table."""
    came, seen = np.concatenate(scores.came), np.concatenate(scores.seen)
    print(f"\n{world.name}: {len(scores.came)} dependencies, {came.size:,} calls")
    print(f"{'score':18} {'Brier':>7} {'ECE':>6}  88-92 came true  ECE n<10")
    thin = seen < 10
    for name, parts in scores.said.items():
        said = np.concatenate(parts)
        around = (said >= 0.88) & (said < 0.92)
        true = f"{came[around].mean():.3f}" if around.any() else "-"
        print(
            f"{name:18} {np.mean((said - came) ** 2):7.4f} {calibration_error(said, came):6.3f}"
            f"  {true:>15}  {calibration_error(said[thin], came[thin], 10):8.3f}"
        )
    print(f"90 % interval covers {np.mean(scores.covered):.1%} of {len(scores.covered):,}", end="")
    if scores.no_go_true:
        print(f"; no_go rightly below its bar {np.mean(scores.no_go_true):.1%}", end="")
        print(f" of {len(scores.no_go_true):,}", end="")
    print()


def main() -> None:
    """Print every table."""
    for world in WORLDS:
        report(world, score_fleet(world, size=400, seed=1))


if __name__ == "__main__":
    main()
