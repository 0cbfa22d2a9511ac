"""Golden sets: how soon a five-point drop of 200 items is seen, and how often chance looks like one.

    python benchmarks/detection_golden.py [--streams N] [--only one|daily|falls]

6 % of the items break and 1 % are fixed. Sets of three kinds: items that nearly always give the
same answer, a fifth that waver, and items that are all a throw of dice (.94 each). One-shot: one
run against one other by the exact paired test at .05, one-sided, and the same runs by two
independent shares. Daily: one false alarm a year allowed, 7 runs to learn from, 20 quiet runs
before the drop. Falls: the same drop, mended after 3 runs or lasting for 30: runs that are told as
worse, and as recovering, after its end; sets in which the one that lasts is ever called over.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.golden.golden_falls import follow_runs
from gonogo.detectors.golden.paired import WARM_UP_RUNS, GoldenRuns, run_evidence
from gonogo.detectors.golden.pairs import ItemMeans, compare

ITEMS, NEEDED, QUIET, WITHIN, DAYS = 200, 365, 20, 4, 60
KINDS = ("fixed", "wavering", "dice")
P_WARNING = 0.05


def population(kind: str, rng: np.random.Generator) -> Floats:
    """Each item's chance to be right."""
    right = np.ones(ITEMS)
    if kind == "fixed":
        right[rng.random(ITEMS) < 0.05] = 0
        some = rng.random(ITEMS) > 0.96
        right[some] = rng.random(int(some.sum()))
    elif kind == "wavering":
        some = rng.random(ITEMS) > 0.8
        right[some] = rng.beta(3, 1, int(some.sum()))
        right[rng.random(ITEMS) < 0.02] = 0
    else:
        right[:] = 0.94
    return right


def dropped(chance: Floats, rng: np.random.Generator) -> Floats:
    """The same items with twelve broken and two fixed."""
    after = chance.copy()
    bad = np.flatnonzero(chance < 0.99)
    after[rng.choice(bad, min(2, bad.size), replace=False)] = 1
    after[rng.choice(np.flatnonzero(chance > 0.5), 12, replace=False)] = 0
    return after


def one_shot(kind: str, streams: int) -> dict[str, tuple[float, float]]:
    """Power and false-alarm rate of one comparison: paired, and by two independent shares."""
    hits = {"paired": [0, 0], "unpaired": [0, 0]}
    for stream in range(streams):
        rng = np.random.default_rng((1, stream, KINDS.index(kind)))
        chance = population(kind, rng)
        for fell, after in enumerate((chance, dropped(chance, rng))):
            x, y = ((rng.random(ITEMS) < c).astype(float) for c in (chance, after))
            item, once = np.arange(ITEMS), np.ones(ITEMS, dtype=np.int64)
            found = compare(ItemMeans(item, once, x), ItemMeans(item, once, y))
            hits["paired"][fell] += found.p_worse <= P_WARNING
            pooled = (x.mean() + y.mean()) / 2
            error = math.sqrt(max(2 * pooled * (1 - pooled) / ITEMS, 1e-12))
            hits["unpaired"][fell] += (x.mean() - y.mean()) / error >= 1.645
    return {name: (h[1] / streams, h[0] / streams) for name, h in hits.items()}


def daily(kind: str, streams: int) -> tuple[float, float, float]:
    """Share found within 4 runs, mean runs until found (5 where not), share that cried wolf."""
    found, needed_runs, alarms = 0, [], 0
    for stream in range(streams):
        rng = np.random.default_rng((2, stream, KINDS.index(kind)))
        chance = np.tile(population(kind, rng), (1 + WARM_UP_RUNS + QUIET + WITHIN, 1))
        chance[-WITHIN:] = dropped(chance[0], rng)
        seen = evidence(chance, rng, newest=WITHIN)[-WITHIN:] >= NEEDED
        found += bool(seen.any())
        needed_runs.append(int(np.argmax(seen)) + 1 if seen.any() else WITHIN + 1)
        quiet = np.tile(population(kind, rng), (1 + WARM_UP_RUNS + DAYS, 1))
        alarms += bool(evidence(quiet, rng).max() >= NEEDED)
    return found / streams, float(np.mean(needed_runs)), alarms / streams


def falls(kind: str, streams: int) -> tuple[float, float, float]:
    """Runs told as worse, and as recovering, after a fall of 3 runs; share of falls of 30 runs ever called over."""
    worse, recovering, over = [], [], []
    for stream in range(streams):
        rng = np.random.default_rng((3, stream, KINDS.index(kind)))
        well = population(kind, rng)
        ill, start = dropped(well, rng), 1 + WARM_UP_RUNS + QUIET
        told = statuses([well] * start + [ill] * 3 + [well] * 20, rng, first=start + 3)
        worse.append(told.count("worse"))
        recovering.append(told.count("recovering"))
        told = statuses([well] * start + [ill] * 30, rng, first=start)
        over.append("worse" in told and "quiet" in told[told.index("worse") :])
    return float(np.mean(worse)), float(np.mean(recovering)), float(np.mean(over))


def statuses(chances: list[Floats], rng: np.random.Generator, *, first: int) -> list[str]:
    """The status after each run from one of them on."""
    right = (rng.random((len(chances), ITEMS)) < np.array(chances)).astype(float)
    ends = range(first + 1, len(right) + 1)
    runs = [GoldenRuns(np.arange(n - 1), right[1:n], right[0]) for n in ends]
    return [follow_runs(one, needed=NEEDED).status for one in runs]


def evidence(chance: Floats, rng: np.random.Generator, newest: int | None = None) -> Floats:
    """Evidence after each run that follows the reference run."""
    right = (rng.random(chance.shape) < chance).astype(float)
    runs = GoldenRuns(np.arange(len(right) - 1), right[1:], right[0])
    return run_evidence(runs, newest=newest).value


def main() -> None:
    """Print the figures beside those asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200, help="sets for each cell")
    parser.add_argument("--only", choices=("one", "daily", "falls"))
    given = parser.parse_args()
    streams: int = given.streams
    if given.only in (None, "one"):
        print(
            f"{'one run against one':34}{'power':>8}{'false':>8}   asked: paired >= .70, rate said"
        )
        for kind in KINDS:
            for name, (power, false) in one_shot(kind, streams).items():
                print(f"  {kind + ', ' + name:32}{power:8.3f}{false:8.3f}")
    if given.only in (None, "daily"):
        print(
            f"{'daily runs':34}{'in 4':>8}{'mean':>8}{'false':>8}   asked: >= .95, <= .05 in 60 days"
        )
        for kind in KINDS:
            share, mean, false = daily(kind, streams)
            print(f"  {kind:32}{share:8.3f}{mean:8.2f}{false:8.3f}")
    if given.only in (None, "falls"):
        print(
            f"{'falls':34}{'worse':>8}{'recov.':>8}{'over':>8}   runs after 3 bad ones; sets of 30 bad ones"
        )
        for kind in KINDS:
            print(f"  {kind:32}" + "".join(f"{value:8.2f}" for value in falls(kind, streams)))


if __name__ == "__main__":
    main()
