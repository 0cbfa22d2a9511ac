"""Costs that depend on each other: days of another level, conversations whose contexts grow, loops.

Each law makes a history of calls and what the calls after it cost. Base costs are lognormal (sd 0.8)
around one cent; hours are those of an office unless the law says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.records import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

START_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
TIGHTNESS = (0.1, 0.35, 0.8)


@dataclass(frozen=True)
class Life:
    """A history, when it is asked about, what the calls ahead cost, and the budgets asked about."""

    costs: Floats
    ts_ms: Ints
    now_ms: int
    ahead: int
    actual: float
    budgets: tuple[float, ...]


Law = Callable[[np.random.Generator, int, int], "Floats"]


def independent(rng: np.random.Generator, n: int, a_day: int) -> Floats:
    """Nothing depends on anything."""
    del a_day
    return rng.lognormal(0, 0.8, n)


def day_effect(rng: np.random.Generator, n: int, a_day: int) -> Floats:
    """Each day has a level of its own (sd 0.5 in logs)."""
    effects = 0.5 * rng.standard_normal(n // a_day + 1)
    return np.asarray(independent(rng, n, a_day) * np.exp(np.repeat(effects, a_day)[:n]))


def growing(rng: np.random.Generator, n: int, a_day: int) -> Floats:
    """Conversations of a geometric length (mean 12) whose calls cost 15 % more each time."""
    del a_day
    costs: list[float] = []
    while len(costs) < n:
        length = int(rng.geometric(1 / 12))
        base = rng.lognormal(0, 0.4)
        costs += [base * (1 + 0.15 * i) * rng.lognormal(0, 0.4) for i in range(length)]
    return np.array(costs[:n])


def levels(rng: np.random.Generator, n: int, a_day: int) -> Floats:
    """Conversations of different level (sd 0.8), of mean length 10."""
    del a_day
    costs: list[float] = []
    while len(costs) < n:
        length = int(rng.geometric(1 / 10))
        base = rng.lognormal(0, 0.8)
        costs += [base * rng.lognormal(0, 0.4) for _ in range(length)]
    return np.array(costs[:n])


def pareto(rng: np.random.Generator, n: int, a_day: int) -> Floats:
    """A tail of index 1.5: no variance."""
    del a_day
    return np.asarray(1 + rng.pareto(1.5, n))


def loops(rng: np.random.Generator, n: int, a_day: int) -> Floats:
    """One call in a hundred costs a hundred times as much."""
    return np.asarray(independent(rng, n, a_day) * np.where(rng.random(n) < 0.01, 100, 1))


LAWS: dict[str, Law] = {
    "independent": independent,
    "day effect .5": day_effect,
    "growing contexts": growing,
    "conversations of own level": levels,
    "Pareto 1.5": pareto,
    "1 % of loops at 100 x": loops,
}


def lives(law: Law, *, days: int, a_day: int, ahead: int, n: int, seed: int) -> Iterator[Life]:
    """Histories of whole days, asked about on the morning after; calls come at office hours."""
    rng = np.random.default_rng([seed, days, a_day, ahead])
    for _ in range(n):
        seen = days * a_day
        costs = 0.01 * law(rng, seen + ahead, a_day)
        other = 0.01 * law(rng, seen + ahead, a_day)[seen:].sum()
        index = np.arange(seen)
        ts_ms = START_MS + index // a_day * DAY_MS + 8 * HOUR_MS
        ts_ms = ts_ms + index % a_day * (10 * HOUR_MS // a_day)
        yield Life(
            costs[:seen],
            ts_ms,
            START_MS + days * DAY_MS + 8 * HOUR_MS,
            ahead,
            float(costs[seen:].sum()),
            tuple(other * np.exp(sd * rng.standard_normal()) for sd in TIGHTNESS),
        )
