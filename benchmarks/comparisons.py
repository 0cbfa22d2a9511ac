"""Two versions held against each other once: how often a fall is found, and a false one said.

    python benchmarks/comparisons.py [--tables N]

Labels: exact, by enumeration; 6 % bad on the first side where no other rate is named. Golden items:
simulated; all right at first, then a share of `drop` + 1 % wrong and 1 % of the others fixed. Last, what
must be 0: random tables of which one more bad outcome on the second side takes evidence away; and how
often it takes a level (20, 100, 1e5) away where the outcomes of both sides come hour by hour.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.golden.pairs import ItemMeans, compare
from gonogo.detectors.rate.comparison import compare_as_they_come, compare_rates, fisher_worse
from gonogo.detectors.rate.rule import RateRule, deltas_for

RULE, RATE, P_MAX, PAIRS = RateRule(needed=100), 0.06, 0.025, 2000
DROPS = [(20, 0.3), (50, 0.2), (50, 0.3), (100, 0.1), (100, 0.3), (100, 0.5), (200, 0.05)]
DROPS += [(200, 0.1), (500, 0.05)]
EQUAL = [(20, 20), (50, 50), (200, 200), (200, 20), (20, 200)]
RATES = (0.01, 0.03, 0.06, 0.2, 0.5, 0.9)


def said(n: tuple[int, int], rates: tuple[float, float]) -> Floats:
    """Chances of evidence of 100, of 20, and of Fisher's exact test at .05, all for worse."""
    before, after = (
        np.array([math.comb(m, k) * p**k * (1 - p) ** (m - k) for k in range(m + 1)])
        for m, p in zip(n, rates, strict=True)
    )
    found = np.zeros(3)
    for x in np.flatnonzero(before > 1e-6).tolist():
        for k in range(3):
            low, high = 0, n[1] + 1  # all three grow with the bad outcomes of the second side
            while low < high:
                y = (low + high) // 2
                low, high = (low, y) if _tells(k, n, x, y) else (y + 1, high)
            found[k] += before[x] * after[low:].sum()
    return found


def _tells(k: int, n: tuple[int, int], x: int, y: int) -> bool:
    if k == 2:
        return fisher_worse(n[0], x, n[1], y) <= P_MAX
    return compare_rates(n[0], x, n[1], y, RULE).up_nats >= math.log((100, 20)[k])


def paired(n: int, drop: float, rng: np.random.Generator) -> Floats:
    """The same of golden items, the exact test McNemar's."""
    found, items = np.zeros(3), np.arange(n)
    for _ in range(PAIRS):
        x = (rng.random(n) >= RATE).astype(float)
        y = np.where(x == 1, rng.random(n) >= drop + 0.01, rng.random(n) < 0.01 / RATE)
        test = compare(ItemMeans(items, items * 0 + 1, x), ItemMeans(items, items * 0 + 1, y * 1.0))
        found += (test.e_worse >= 100, test.e_worse >= 20, test.p_worse <= P_MAX)
    return found / PAIRS


def less_with_more_harm(tables: int, rng: np.random.Generator) -> int:
    """Random tables of which one more bad outcome takes evidence away."""
    found = 0
    for _ in range(tables):
        n, m = (int(x) for x in 10 ** rng.uniform(0.5, 3.3, 2))
        bad = int(rng.binomial(n, rng.beta(0.5, 2)))
        rule = RateRule(needed=100, deltas=deltas_for(float(rng.choice([0.01, 0.05, 0.2]))))
        y = int(rng.integers(0, m))
        first, second = (compare_rates(n, bad, m, y + k, rule).up_nats for k in (0, 1))
        found += second < first
    return found


def levels_lost(flips: int, rng: np.random.Generator) -> int:
    """Flips of one outcome from good to bad that lose a level, hour by hour."""
    lost = 0
    for _ in range(flips):
        hours = int(rng.integers(6, 40))
        n = rng.poisson(192 / hours, (2, hours))
        first = float(rng.choice([0.02, 0.06, 0.2, 0.5]))
        rates = np.array([[first], [min(first + rng.choice([0, 0.05, 0.1, 0.2, 0.4]), 0.99)]])
        bad = rng.binomial(n, rates)
        nats = [compare_as_they_come(n[0], bad[0], n[1], bad[1], RULE).up_nats]
        free = np.flatnonzero(bad[1] < n[1])
        bad[1, rng.choice(free)] += 1
        nats.append(compare_as_they_come(n[0], bad[0], n[1], bad[1], RULE).up_nats)
        lost += any(nats[0] >= math.log(level) > nats[1] for level in (20, 100, 1e5))
    return lost


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1500)
    tables, rng = parser.parse_args().tables, np.random.default_rng(3)
    print("| n a side, drop | labels: e 100 | e 20 | Fisher | golden: e 100 | e 20 | McNemar |")
    print("|---|---|---|---|---|---|---|")
    for n, drop in DROPS:
        row = [*said((n, n), (RATE, RATE + drop)), *paired(n, drop, rng)]
        print(f"| {n}, {drop:.2f} | " + " | ".join(f"{x:.2f}" for x in row) + " |", flush=True)
    worst = np.max([said(n, (p, p)) for n in EQUAL for p in RATES], axis=0)
    print(f"equal sides, the worst of {len(EQUAL)} sizes and {len(RATES)} rates: {worst.round(4)}")
    print(f"less evidence with more harm: {less_with_more_harm(tables, rng)} of {tables} tables")
    print(f"a level lost, hour by hour: {levels_lost(2 * tables, rng)} of {2 * tables} flips")


if __name__ == "__main__":
    main()
