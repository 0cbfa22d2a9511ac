"""How soon a rate that falls after few labels is found, beside the same fall after many.

    python benchmarks/short_past.py [--streams N]

Batches of ten labels, needed 1e5, `min_effect` .05. "rests": the evidence, log10, that streams of
3,000 labels come to at most where no alarm is raised, median. Each row is also run with effects that
end at 2.4 times the smallest, which the large one took the place of. Then healthy streams with learned
baselines, asked daily for 40 days as the product asks: how many are ever warned of, and how many days
after the baseline are unknown.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import EFFECT_SPREAD, NEAR_SPREAD, RateRule, deltas_for
from gonogo.drift.drift_memory import Runs
from gonogo.drift.drift_words import verdict_of
from gonogo.drift.follow import follow
from gonogo.drift.ladder import as_far_as_shown
from gonogo.drift.rates import finding_of
from gonogo.hours.rate_hours import Maturity, RateStream, learned_baseline
from gonogo.records import Verdict
from gonogo.settings import DependencySettings

NEEDED, BATCH, SINCE = 1e5, 10, 3000
DAYS, FIRST_HOUR = 40, 495_000 // 24 * 24
HEALTHY = [(0.05, 15), (0.2, 15), (0.05, 33)]
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


def asked_daily(rate: float, a_day: int, seed: int) -> list[Verdict]:
    """The verdicts of a healthy stream, from the day on that its baseline is closed."""
    rng, own, hours = np.random.default_rng(seed), DependencySettings("m"), np.arange(DAYS * 24)
    n = rng.poisson(a_day / 24, hours.size).astype(float)
    bad = rng.binomial(n.astype(int), rate).astype(float)
    said: list[Verdict] = []
    for day in range(1, DAYS + 1):
        kept = (n > 0) & (hours < 24 * day)
        stream = RateStream("outcome", False, hours[kept] + FIRST_HOUR, n[kept], bad[kept])
        baseline = learned_baseline(stream)
        if baseline is not None:
            followed = follow(stream, baseline, own, weight=0.3, zone="UTC", runs=Runs())
            watch = followed.watch()
            finding = finding_of(followed, watch, own, weight=0.3, maturity=Maturity(0.0))
            shown = as_far_as_shown(finding, followed, {}, own, zone="UTC")
            said.append(verdict_of(shown))
    return said


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
    print(
        "\n| healthy at, labels a day | ever caution | ever no_go | days unknown |\n|---|---|---|---|"
    )
    for rate, a_day in HEALTHY:
        lives = [asked_daily(rate, a_day, seed) for seed in range(streams)]
        caution, no_go = (np.mean([v in life for life in lives]) for v in ("caution", "no_go"))
        unknown = np.mean([life.count("unknown") for life in lives])
        print(f"| {rate}, {a_day} | {caution:.2f} | {no_go:.2f} | {unknown:.1f} |", flush=True)


if __name__ == "__main__":
    main()
