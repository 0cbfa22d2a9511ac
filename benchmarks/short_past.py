"""How soon a rate that falls after few labels is found, beside the same fall after many.

    python benchmarks/short_past.py [--streams N]

Batches of ten labels, needed 1e5, `min_effect` .05. "rests": the evidence, log10, that streams of
3,000 labels come to at most where no alarm is raised, median. Each row is also run with effects that
end at 2.4 times the smallest, which the large one took the place of.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import EFFECT_SPREAD, NEAR_SPREAD, RateRule, deltas_for

NEEDED, BATCH, SINCE = 1e5, 10, 3000
FALLS = [(100, 0.2, 0.5), (100, 0.2, 0.4), (100, 0.05, 0.3), (100, 0.4, 0.7), (500, 0.2, 0.3)]
FALLS += [(2000, 0.06, 0.11), (2000, 0.06, 0.13), (2000, 0.06, 0.2)]


def found(past: int, before: float, after: float, rule: RateRule, seed: int) -> tuple[float, float]:
    """Labels after the change until the alarm, infinite without one; the most evidence, log10."""
    rng = np.random.default_rng(seed)
    chance: Floats = np.where(np.arange(past + SINCE) < past, before, after)
    bad = (rng.random(chance.size) < chance).reshape(-1, BATCH).sum(axis=1)
    watch = watch_rate(np.full(len(bad), float(BATCH)), bad, rule)
    alarms = [e.alarmed for e in watch.episodes if e.side == "up" and e.alarmed >= past // BATCH]
    labels = (alarms[0] + 1) * BATCH - past if alarms else math.inf
    return labels, float(watch.evidence_nats.max()) / math.log(10)


def row(past: int, before: float, after: float, spread: tuple[float, ...], streams: int) -> str:
    """Share found, mean labels where found, and where evidence rests where not."""
    rule = RateRule(needed=NEEDED, deltas=deltas_for(0.05, spread))
    seen = np.array([found(past, before, after, rule, seed) for seed in range(streams)])
    told = np.isfinite(seen[:, 0])
    mean = f"{seen[told, 0].mean():.0f}" if told.any() else ""
    rests = f"{np.median(seen[~told, 1]):.1f}" if not told.all() else ""
    return f"{told.mean():.2f} | {mean} | {rests}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=60)
    streams = parser.parse_args().streams
    print(
        "| labels before, fall | found | after labels | rests | without the large: found | … | … |"
    )
    print("|---|---|---|---|---|---|---|")
    for past, before, after in FALLS:
        told = [row(past, before, after, s, streams) for s in (EFFECT_SPREAD, NEAR_SPREAD)]
        print(f"| {past}, {before} → {after} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
