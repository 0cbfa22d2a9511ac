"""Is more harm ever less evidence: random cases of every detector, made worse step by step.

    python benchmarks/more_harm.py [--cases N]

Of each kind: how many cases lose a level (20, 100, 1e5, 1e6) that less harm had reached, and the most
decades that evidence ever lies below what less harm had. The harm comes within one batch, of 10 to
10,000 observations, after a random past; steps of a twenty-fifth, from none to all.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.golden.paired import GoldenRuns, run_evidence
from gonogo.detectors.rate.rate_slices import CellCounts, Partition, watch_slices
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.rate.strata import risen_given_mix
from gonogo.detectors.shares.categories import watch_categories
from gonogo.detectors.values.ranks import ScoreSums
from gonogo.detectors.values.score_state import ScoreRule, ScoreState
from gonogo.detectors.values.scores import watch_scores

HARMS = np.linspace(0, 1, 26)
LEVELS = (20, 100, 1e5, 1e6)
NEVER = RateRule(needed=1e300)
# From a random generator: evidence in nats at a harm in [0, 1].
Case = Callable[[np.random.Generator], Callable[[float], float]]


def batch_size(rng: np.random.Generator) -> int:
    """10 to 10,000, evenly by their logarithm."""
    return int(10 ** rng.uniform(1, 4))


def rates(rng: np.random.Generator) -> Callable[[float], float]:
    """A rate, with a past of 100 to 3,000 labels in hours of 10."""
    hours, rate, size = (
        int(rng.integers(10, 300)),
        rng.choice([0.01, 0.05, 0.2, 0.4]),
        batch_size(rng),
    )
    n, bad = np.full(hours + 1, 10.0), rng.binomial(10, rate, hours + 1).astype(np.float64)
    n[-1], usual = size, rng.binomial(size, rate)

    def evidence(harm: float) -> float:
        bad[-1] = round(usual + harm * (size - usual))
        return float(watch_rate(n, bad, NEVER).up_nats[-1])

    return evidence


def scores(rng: np.random.Generator) -> Callable[[float], float]:
    """Real values that shift by up to 3.5 standard deviations, either way."""
    known, size, side = int(10 ** rng.uniform(2, 4)), batch_size(rng), rng.choice([-1, 1])
    rule, spread = ScoreRule(needed=1e300), rng.normal(size=size)

    def evidence(harm: float) -> float:
        seen = np.clip(spread + side * 3.5 * harm, -3.5, 3.5)
        sums = ScoreSums(*(np.array([x]) for x in (float(size), seen.sum(), (seen**2).sum())))
        state = ScoreState.of_baseline(known, rule)
        return float(watch_scores(sums, rule, state=state).evidence_nats[-1])

    return evidence


def categories(rng: np.random.Generator) -> Callable[[float], float]:
    """Shares of two to eight categories that move straight towards another law."""
    known, size, k = int(10 ** rng.uniform(2, 4)), batch_size(rng), int(rng.integers(2, 9))
    usual, other = rng.dirichlet(np.ones(k)), rng.dirichlet(np.full(k, 0.3))

    def evidence(harm: float) -> float:
        table = np.array([known * usual, size * ((1 - harm) * usual + harm * other)])
        names = [str(at) for at in range(k)]
        watch = watch_categories(table, names, baseline=1, needed=1e300)
        return float(watch.evidence_nats[-1])

    return evidence


def golden(rng: np.random.Generator) -> Callable[[float], float]:
    """A golden set of 10 to 300 items, right ones of the newest run made wrong."""
    items, runs = int(10 ** rng.uniform(1, 2.5)), int(rng.integers(8, 40))
    right = rng.choice([1.0, 0.95, 0.8, 0.5])
    before = (rng.random(items) < right).astype(np.float64)
    outcome = (rng.random((runs, items)) < right).astype(np.float64)
    good = np.flatnonzero(outcome[-1])

    def evidence(harm: float) -> float:
        outcome[-1, good] = 1
        outcome[-1, good[: round(harm * len(good))]] = 0
        worse = run_evidence(GoldenRuns(np.arange(runs), outcome, before), newest=1).worse[-1]
        return math.log(max(float(worse), 1e-300))

    return evidence


def slices(rng: np.random.Generator) -> Callable[[float], float]:
    """One of three slices."""
    n, rate = np.full((100, 3), 8.0), rng.choice([0.01, 0.05, 0.2], 3)
    bad, size = rng.binomial(8, rate, (100, 3)).astype(np.float64), batch_size(rng)
    n[-1, 0], usual = size, rng.binomial(size, rate[0])

    def evidence(harm: float) -> float:
        bad[-1, 0] = round(usual + harm * (size - usual))
        cells = [CellCounts(f"k={at}", n[:, at], bad[:, at]) for at in range(3)]
        return float(watch_slices([Partition("k", cells)], NEVER, baseline=50).evidence_nats[-1])

    return evidence


def given_mix(rng: np.random.Generator) -> Callable[[float], float]:
    """All of two to four strata, the same share of the good labels of each turned bad."""
    k, hours, size = int(rng.integers(2, 5)), int(rng.integers(20, 100)), batch_size(rng)
    n = rng.poisson(8, (hours + 1, k)).astype(np.float64)
    n[-1] = rng.multinomial(size, np.ones(k) / k)
    bad = rng.binomial(n.astype(np.int64), rng.choice([0.01, 0.05, 0.1, 0.3], k)).astype(np.float64)
    usual = bad[-1].copy()

    def evidence(harm: float) -> float:
        bad[-1] = np.rint(usual + harm * (n[-1] - usual))
        return float(risen_given_mix(n, bad, NEVER)[-1])

    return evidence


KINDS: dict[str, Case] = {
    "rate": rates,
    "real values": scores,
    "categories": categories,
    "golden runs": golden,
    "slices": slices,
    "given the mix": given_mix,
}


def told(case: Callable[[float], float]) -> Floats:
    """Evidence at each harm, decades."""
    return np.array([case(harm) for harm in HARMS.tolist()]) / math.log(10)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100)
    cases = parser.parse_args().cases
    print("| | lose a level | decades at most |")
    print("|---|---|---|")
    for name, kind in KINDS.items():
        rng = np.random.default_rng(11)
        lost, most = 0, 0.0
        for _ in range(cases):
            decades = told(kind(rng))
            best = np.maximum.accumulate(decades)
            lost += any(bool(((best >= x) & (decades < x)).any()) for x in np.log10(LEVELS))
            # What says nothing yet has nothing to lose.
            most = max(most, float((best - np.maximum(decades, 1.0)).max()))
        print(f"| {name} | {lost} of {cases} | {most:.1f} |", flush=True)


if __name__ == "__main__":
    main()
