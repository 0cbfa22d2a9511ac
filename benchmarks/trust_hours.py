"""Does trust's 90 % interval hold the chance of the hour in which it is asked?

    python benchmarks/trust_hours.py [--dependencies N]

Dependencies whose hours differ, by a rule that is drawn for each; a look every six days from the
tenth on, at an hour that is drawn. "average" is the interval before it is widened by how hours
differ, "now" the one that is answered. Seeded; the same hours for both.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.trust.hour_spread import widened
from gonogo.detectors.trust.mixture import quantiles
from gonogo.detectors.trust.prior import Prior
from gonogo.detectors.trust.score import posterior

if TYPE_CHECKING:
    from gonogo.records import Floats

DAYS = 60
HOUR = np.arange(DAYS * 24)
Make = Callable[[np.random.Generator], "Floats"]


def level(rng: np.random.Generator) -> float:
    """Levels differ between dependencies."""
    return float(rng.uniform(0.85, 0.98))


def steady(rng: np.random.Generator) -> Floats:
    """Every hour alike."""
    return np.full(HOUR.size, level(rng))


def nights(rng: np.random.Generator) -> Floats:
    """Eight hours of night are ten points worse."""
    return np.asarray(level(rng) - 0.10 * (HOUR % 24 < 8))


def weekends(rng: np.random.Generator) -> Floats:
    """Weekends are four points worse."""
    return np.asarray(level(rng) - 0.04 * (HOUR // 24 % 7 >= 5))


def providers(rng: np.random.Generator) -> Floats:
    """For hours all calls go to one of two providers, .97 and .85."""
    first, hour = np.empty(HOUR.size, dtype=bool), 0
    while hour < first.size:
        span = 1 + int(rng.exponential(6))
        first[hour : hour + span] = rng.random() < 0.5
        hour += span
    return np.where(first, 0.97, 0.85)


def hanging_together(rng: np.random.Generator) -> Floats:
    """Log-odds move around their mean, sd .4, correlation .9 an hour."""
    walk, now = np.empty(HOUR.size), 0.4 * rng.normal()
    for hour in range(walk.size):
        now = 0.9 * now + 0.4 * math.sqrt(1 - 0.9**2) * rng.normal()
        walk[hour] = now
    mean = level(rng)
    chance: Floats = 1 / (1 + np.exp(-(math.log(mean / (1 - mean)) + walk)))
    return chance


LIVES: dict[str, tuple[Make, str]] = {
    "steady": (steady, ">= .88"),
    "night and day": (nights, ">= .80"),
    "two providers": (providers, ">= .80"),
    "hours that hang together": (hanging_together, ">= .80"),
    "weekends": (weekends, ""),
}


def covers(make: Make, a_day: float, dependencies: int) -> tuple[float, float, float]:
    """Cover of the average's interval and of the one answered, and the latter's mean width."""
    rng = np.random.default_rng(5)
    average, now, width = [], [], []
    for _ in range(dependencies):
        chance = make(rng)
        n = rng.poisson(a_day / 24, HOUR.size)
        good = rng.binomial(n, chance)
        for day in range(10, DAYS, 6):
            asked = day * 24 + int(rng.integers(24))
            rows = np.flatnonzero(n[:asked])
            found = posterior(rows, good[rows], n[rows], now_hour=asked, prior=Prior())
            low, high = (float(end) for end in quantiles(found, np.array([0.05, 0.95])))
            average.append(low <= chance[asked] <= high)
            low, high = widened(float(found.mean()), (low, high), float(found.between_hours))
            now.append(low <= chance[asked] <= high)
            width.append(high - low)
    return float(np.mean(average)), float(np.mean(now)), float(np.mean(width))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dependencies", type=int, default=24, help="of each life")
    dependencies = parser.parse_args().dependencies
    print(f"{'':26}{'calls a day':>12}{'average':>9}{'now':>6}{'width':>7}  asked of now")
    for name, (make, asked) in LIVES.items():
        for a_day in (15, 300, 2000):
            average, now, width = covers(make, a_day, dependencies)
            said = asked if a_day >= 300 else ""
            print(f"{name:26}{a_day:12}{average:9.2f}{now:6.2f}{width:7.3f}  {said}", flush=True)


if __name__ == "__main__":
    main()
