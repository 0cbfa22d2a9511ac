"""What the detector costs: labels in bulk, a year of hours, a day on top of a kept state, a year of golden runs.

    python benchmarks/detection_cost.py

Process time of one core, best of seven, both sides watched; peers' cost stands in detection.py.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from gonogo.detectors.golden.golden_falls import follow_runs
from gonogo.detectors.golden.paired import GoldenRuns
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule

HOURS, HOURLY, LABELS = 8760, 21, 200_000
# No alarm ends a run early.
RULE = RateRule(needed=1e12)


def best_s(run: Callable[[], object]) -> float:
    """Least process time of seven rounds."""
    spent = []
    for _ in range(7):
        began = time.process_time()
        run()
        spent.append(time.process_time() - began)
    return min(spent)


def golden_year(rng: np.random.Generator, parts: int) -> GoldenRuns:
    """A year of daily runs of 200 items, each scored in so many parts of 1."""
    answers = rng.binomial(parts, rng.beta(8, 1, 200), (366, 200)) / parts
    return GoldenRuns(np.arange(365), answers[1:], answers[0])


def main() -> None:
    """Print each figure beside the one asked for."""
    rng = np.random.default_rng(5)
    n, bad = np.full(HOURS, HOURLY), rng.binomial(HOURLY, 0.06, HOURS)
    labels, single = (rng.random(LABELS) < 0.06).astype(np.float64), np.ones(LABELS)
    kept = watch_rate(n[:-24], bad[:-24], RULE).state
    longer = watch_rate(np.tile(n, 3), np.tile(bad, 3), RULE).state
    year = best_s(lambda: watch_rate(n, bad, RULE))
    day = best_s(lambda: watch_rate(n[-24:], bad[-24:], RULE, state=kept))
    bulk = best_s(lambda: watch_rate(single, labels, RULE)) / LABELS
    print(f"{'single labels in bulk, each':40}{1e6 * bulk:8.2f} us   asked: <= 1")
    print(f"{'a year of hours, uncached':40}{1e3 * year:8.2f} ms   asked: <= 50")
    print(f"{'its last day, from the kept state':40}{1e3 * day:8.2f} ms   asked: <= 1")
    print(f"{'the state after one year':40}{len(pickle.dumps(kept)):8} bytes")
    print(f"{'the state after three':40}{len(pickle.dumps(longer)):8} bytes   asked: O(1)")

    for name, parts in (("right or wrong", 1), ("scored in thousandths", 1000)):
        runs = golden_year(rng, parts)
        spent = best_s(partial(follow_runs, runs, needed=1e12))
        print(f"{'a year of golden runs, ' + name:40}{1e3 * spent:8.2f} ms")


if __name__ == "__main__":
    main()
