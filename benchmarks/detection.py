"""How soon a rate's change is seen, and how often health is mistaken for one: with peers.

    python benchmarks/detection.py [--streams N]

Every row sees the same streams in the same run: error rate .06, a baseline of 2,000 labels unless
said, 2,000 healthy labels more, then .11, or .13, or a slide to .13 over 10,500 labels. "false" is
the share of streams with any alarm in 20,000 healthy labels after the baseline; delays are mean
labels, streams that alarmed before their change left out, 12,000 where nothing was found. The
oracle is a CUSUM that knows both rates, with the threshold 7.15 that gives it one false alarm in
1e5 labels. The promise of gonogo at evidence 1e5 is .20. Peers run where they are installed:
`pip install river frouros` beside numpy, and `PYTHONPATH=src python benchmarks/detection.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.checks import Floats
from gonogo.detectors.predictive import RateRule, daily_dispersion
from gonogo.detectors.predictive_hours import watch_rate
from gonogo.detectors.predictive_state import RateState

NEEDED, HEALTHY, LONG, AFTER = 1e5, 2000, 20_000, 12_000
KINDS = {".06 to .11": 0.11, ".06 to .13": 0.13, "slide to .13": 0.13}
ORACLE_NATS = 7.15
HOURLY, HOURS_A_DAY = 21, 24
RULE = RateRule(needed=NEEDED)

# Labels, their baseline's length, and the rate after the change, to the indices of the alarms.
Detector = Callable[[Floats, int, float], list[int]]


@dataclass(frozen=True)
class Row:
    """One detector and the labels of baseline it gets."""

    name: str
    alarms: Detector
    baseline: int = 2000


def rates_after(kind: str) -> Floats:
    """Rates from the change on."""
    if kind.startswith("slide"):
        slide: Floats = 0.06 + 0.07 * np.minimum(np.arange(AFTER) / 10_500, 1)
        return slide
    return np.full(AFTER, KINDS[kind])


def gonogo_by(batch: int) -> Detector:
    """The product's detector on batches of so many labels."""

    def alarms(labels: Floats, _baseline: int, _after: float) -> list[int]:
        bad = labels[: len(labels) // batch * batch].reshape(-1, batch).sum(axis=1)
        watch = watch_rate(np.full(len(bad), batch), bad, RULE)
        return [(e.alarmed + 1) * batch - 1 for e in watch.episodes]

    return alarms


def oracle(labels: Floats, baseline: int, after: float) -> list[int]:
    """CUSUM between the two true rates (Page 1954); exactly optimal (Moustakides 1986)."""
    gain = np.where(labels > 0, math.log(after / 0.06), math.log((1 - after) / 0.94))
    walk = np.cumsum(gain[baseline:])
    height = walk - np.minimum.accumulate(np.concatenate(([0.0], walk)))[:-1]
    over = np.flatnonzero(height >= ORACLE_NATS)
    return (over + baseline).tolist()


def one_by_one(make: Callable[[], object], update: str, drifted: str) -> Detector:
    """A peer that takes one value at a time and says whether it drifted."""

    def alarms(labels: Floats, _baseline: int, _after: float) -> list[int]:
        detector, found = make(), []
        feed = getattr(detector, update)
        for index, label in enumerate(labels.tolist()):
            feed(label)
            if getattr(detector, drifted):
                found.append(index)
                if drifted == "drift":  # frouros stays in drift until it is reset
                    detector.reset()  # type: ignore[attr-defined]
        return found

    return alarms


def peers() -> Iterator[Row]:
    """What is installed of river and frouros, at defaults and tuned to this table's promise."""
    if importlib.util.find_spec("river"):
        from river.drift import ADWIN, PageHinkley  # type: ignore[import-not-found,unused-ignore]

        def tuned() -> object:
            return PageHinkley(delta=0.01, alpha=1.0, threshold=20.0)

        seen = ("update", "drift_detected")
        yield Row("river ADWIN, default", one_by_one(ADWIN, *seen))
        yield Row("river ADWIN, delta .1", one_by_one(lambda: ADWIN(delta=0.1), *seen))
        yield Row("river PageHinkley, default", one_by_one(PageHinkley, *seen))
        yield Row("river PageHinkley, tuned", one_by_one(tuned, *seen))
    else:
        print("river is not installed: its rows are absent.")
    if importlib.util.find_spec("frouros"):
        from frouros.detectors import concept_drift  # type: ignore[import-not-found,unused-ignore]

        for name in ("PageHinkley", "CUSUM"):
            make = getattr(concept_drift, name)
            yield Row(f"frouros {name}, default", one_by_one(make, "update", "drift"))
    else:
        print("frouros is not installed: its rows are absent.")


def labels_of(seed: tuple[int, ...], rate: Floats) -> Floats:
    """One stream."""
    drawn: Floats = (np.random.default_rng(seed).random(len(rate)) < rate).astype(np.float64)
    return drawn


def false_share(row: Row, streams: int, rate: float = 0.06) -> tuple[float, float]:
    """Share of healthy streams with an alarm after the baseline; microseconds a label."""
    hits, spent = 0, 0.0
    for stream in range(streams):
        labels = labels_of((1, stream), np.full(row.baseline + LONG, rate))
        began = time.perf_counter()
        found = row.alarms(labels, row.baseline, 0.11)
        spent += time.perf_counter() - began
        hits += any(at >= row.baseline for at in found)
    return hits / streams, 1e6 * spent / streams / (row.baseline + LONG)


def delays(row: Row, kind: str, streams: int) -> Floats:
    """Labels from the change to the first alarm; NaN where one came before it."""
    change = row.baseline + HEALTHY
    rate = np.concatenate((np.full(change, 0.06), rates_after(kind)))
    out = np.full(streams, np.nan)
    for stream in range(streams):
        labels = labels_of((2, stream, len(kind)), rate)
        # The oracle begins at the change, as its published delays do.
        known = change if row.name.startswith("oracle") else row.baseline
        found = row.alarms(labels, known, KINDS[kind])
        first = next((at for at in found if at >= known), len(labels) - 1)
        if first >= change:
            out[stream] = first + 1 - change
    return out


def table(rows: list[Row], streams: int) -> None:
    """The one table: false alarms, delays, and delays over the oracle's on the same streams."""
    print(f"{'':30}{'false':>7}" + "".join(f"{kind:>22}" for kind in KINDS) + f"{'us/label':>10}")
    for row in rows:
        false, micro = false_share(row, streams)
        cells = []
        for kind in KINDS:
            seen = delays(row, kind, streams)
            best = delays(Row("oracle", oracle, row.baseline), kind, streams)
            ok = np.isfinite(seen)
            mean, error = seen[ok].mean(), seen[ok].std() / math.sqrt(ok.sum())
            cells.append(f"{mean:8.0f} +-{error:3.0f} ({mean / best[ok].mean():.2f}x)")
        print(f"{row.name:30}{false:7.2f}" + "".join(f"{c:>22}" for c in cells) + f"{micro:10.2f}")


def promises(streams: int) -> None:
    """False alarms at other baselines and rates, looked at every hour: promised .20."""
    print(f"\nany alarm in {LONG:,} healthy labels, hourly counts of {HOURLY}; promised .20")
    for baseline in (100, 500, 2000, 10_000):
        shares = [
            f"{rate}: {false_share(Row('', gonogo_by(HOURLY), baseline), streams, rate)[0]:.2f}"
            for rate in (0.01, 0.06, 0.2, 0.5)
        ]
        print(f"  baseline {baseline:6,}   " + "   ".join(shares))


def days(streams: int) -> None:
    """Day effects, 28 baseline days: alarms in 40 healthy days; a three-week ramp in 12."""
    print("\ndays that differ, 504 labels each, asked daily: alarms in 40 days; ramp in 12 days")
    baseline, ramp = 28 * HOURS_A_DAY, 0.07 * np.arange(12 * HOURS_A_DAY) / (21 * HOURS_A_DAY)
    for spread in (0.0, 0.01, 0.02):
        alarms = found = 0
        for stream in range(streams):
            rng = np.random.default_rng((3, stream, int(1000 * spread)))
            daily = np.clip(0.06 + spread * rng.normal(size=68), 0.002, 0.5)
            rate = np.repeat(daily, HOURS_A_DAY)
            n, bad = np.full(len(rate), HOURLY), rng.binomial(HOURLY, rate)
            counted = bad[:baseline].reshape(28, -1).sum(axis=1)
            used = daily_dispersion(np.full(28, HOURLY * HOURS_A_DAY), counted).used
            rule = RateRule(needed=NEEDED, dispersion=used)
            asked = watch_rate(n, bad, rule).evidence_nats[HOURS_A_DAY - 1 :: HOURS_A_DAY]
            alarms += bool((asked >= rule.needed_nats).any())
            worse = rng.binomial(HOURLY, rate[baseline : baseline + len(ramp)] + ramp)
            slid = np.concatenate((bad[:baseline], worse))
            episodes = watch_rate(n[: len(slid)], slid, rule).episodes
            found += any(e.side == "up" and e.alarmed >= baseline for e in episodes)
        print(f"  daily sd {spread:.2f}   {alarms / streams:.3f}   {found / streams:.3f}")


def recovery(streams: int) -> None:
    """Six days at .11 or .13, then .06 again."""
    print("\nrecovery after six days of 500: declared while still bad; mean labels after the end")
    bad_from, bad_to = 4000 // HOURLY, 7000 // HOURLY
    for level in (0.11, 0.13):
        rate = np.full(bad_to + 200, 0.06)
        rate[bad_from:bad_to] = level
        seen, early, after = 0, 0, []
        for stream in range(streams):
            bad = np.random.default_rng((4, stream)).binomial(HOURLY, rate)
            episodes = watch_rate(np.full(len(bad), HOURLY), bad, RULE).episodes
            mine = [e for e in episodes if bad_from <= e.alarmed < bad_to]
            if not mine:
                continue
            over = len(rate) if mine[0].recovered is None else mine[0].recovered
            seen, early = seen + 1, early + (over < bad_to)
            if over >= bad_to:
                after.append((over + 1 - bad_to) * HOURLY)
        print(f"  at {level:.2f}   {early / seen:.3f}   {np.mean(after):.0f}   ({seen} streams)")


def cost() -> None:
    """A year of hours, both sides, whole and resumed for a day; and labels one by one in bulk."""
    bad = np.random.default_rng(5).binomial(HOURLY, 0.06, 8760)
    n = np.full(8760, HOURLY)
    state = watch_rate(n[:-24], bad[:-24], RateRule(needed=1e12)).state
    labels = labels_of((6,), np.full(200_000, 0.06))

    def best(run: Callable[[], object]) -> float:
        spent = []
        for _ in range(7):
            began = time.perf_counter()
            run()
            spent.append(time.perf_counter() - began)
        return min(spent)

    rule = RateRule(needed=1e12)
    year = best(lambda: watch_rate(n, bad, rule))
    kept = state.to_bytes()
    day = best(lambda: watch_rate(n[-24:], bad[-24:], rule, state=RateState.from_bytes(kept)))
    bulk = best(lambda: watch_rate(np.ones(len(labels)), labels, rule)) / len(labels)
    print(f"\na year of hours {1e3 * year:.1f} ms; its last day from {len(kept)} bytes", end=" ")
    print(f"{1e3 * day:.2f} ms; single labels in bulk {1e6 * bulk:.2f} us (best of 7)")


def main() -> None:
    """Print the table and the figures that have no peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="streams for each cell")
    streams = parser.parse_args().streams
    warnings.simplefilter("ignore")
    rows = [
        Row("oracle CUSUM (knows both)", oracle),
        Row("gonogo, each label", gonogo_by(1)),
        Row("gonogo, hourly counts of 21", gonogo_by(HOURLY)),
        Row("gonogo, baseline of 500", gonogo_by(1), 500),
        Row("gonogo, baseline of 100", gonogo_by(1), 100),
        *peers(),
    ]
    table(rows, streams)
    promises(streams)
    days(streams)
    recovery(streams)
    cost()


if __name__ == "__main__":
    main()
