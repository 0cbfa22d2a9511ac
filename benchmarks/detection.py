"""How soon a rate's change is seen, and how often health is mistaken for one: with peers.

    python benchmarks/detection.py [--streams N] [--without-peers]

Every row sees the same streams in the same run: error rate .06, a baseline of 2,000 labels unless
said, 2,000 healthy labels more, then .11 (accuracy 94 to 89), or .13 (94 to 87), or a slide to .13
over 10,500 labels (three weeks at 500 a day). "false" is the share of streams with any alarm in
20,000 healthy labels after the baseline; delays are mean labels, streams that alarmed before their
change left out, 12,000 where nothing was found. The oracle is a CUSUM that knows both rates, with
the threshold 7.15 that gives it one false alarm in 1e5 labels. The promise of gonogo at evidence
1e5 is .20. river and frouros run in environments of their own, made once under `.peers` from
hashed requirements, on the same streams. `detection_product.py`, `detection_golden.py` and
`detection_cost.py` have the other figures.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "peers"))
from environments import python_environment

NEEDED, HEALTHY, LONG, AFTER = 1e5, 2000, 20_000, 12_000
KINDS = {".06 to .11": 0.11, ".06 to .13": 0.13, "slide to .13": 0.13}
ORACLE_NATS = 7.15
HOURLY = 21
RULE = RateRule(needed=NEEDED)

# Labels, their baseline's length, and the rate after the change, to the indices of the alarms.
Detector = Callable[[Floats, int, float], list[int]]


@dataclass(frozen=True)
class Row:
    """One detector and the labels of baseline it gets."""

    name: str
    alarms: Detector
    baseline: int = 2000
    asked: tuple[int, int, int] | None = None  # labels of delay, at most
    peer: Peers | None = None


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


class Peers:
    """Peers in an environment of their own, asked stream by stream."""

    def __init__(self, name: str) -> None:
        python = python_environment(name)
        script = str(Path(__file__).parent / "peers" / "alarms.py")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([str(python), script], stdin=pipe, stdout=pipe)
        self.seconds = 0.0

    def rows(self) -> list[Row]:
        """Every detector that it has."""
        names = cast("list[str]", self._asked({}, b""))
        return [Row(name, self._detector(name), peer=self) for name in names]

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _detector(self, name: str) -> Detector:
        def alarms(labels: Floats, _baseline: int, _after: float) -> list[int]:
            asked = {"detector": name, "labels": len(labels)}
            answer = cast(
                "dict[str, object]", self._asked(asked, labels.astype(np.uint8).tobytes())
            )
            self.seconds += cast("float", answer["seconds"])
            return cast("list[int]", answer["alarms"])

        return alarms

    def _asked(self, request: dict[str, object], labels: bytes) -> object:
        into, out = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        into.write(json.dumps(request).encode() + b"\n" + labels)
        into.flush()
        return json.loads(out.readline())


def labels_of(seed: tuple[int, ...], rate: Floats) -> Floats:
    """One stream."""
    drawn: Floats = (np.random.default_rng(seed).random(len(rate)) < rate).astype(np.float64)
    return drawn


def false_share(row: Row, streams: int, rate: float = 0.06) -> tuple[float, float]:
    """Share of healthy streams with an alarm after the baseline; microseconds a label."""
    hits, spent = 0, 0.0
    inside = row.peer.seconds if row.peer else 0.0
    for stream in range(streams):
        labels = labels_of((1, stream), np.full(row.baseline + LONG, rate))
        began = time.process_time()
        found = row.alarms(labels, row.baseline, 0.11)
        spent += time.process_time() - began
        hits += any(at >= row.baseline for at in found)
    spent = row.peer.seconds - inside if row.peer else spent
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
    best = {
        (baseline, kind): delays(Row("oracle", oracle, baseline), kind, streams)
        for baseline in {row.baseline for row in rows}
        for kind in KINDS
    }
    for row in rows:
        false, micro = false_share(row, streams)
        cells = []
        for kind in KINDS:
            seen = delays(row, kind, streams)
            known = best[row.baseline, kind]
            ok = np.isfinite(seen) & np.isfinite(known)
            if not ok.any():
                cells.append("none in time")
                continue
            mean, error = seen[ok].mean(), seen[ok].std() / math.sqrt(ok.sum())
            cells.append(f"{mean:8.0f} +-{error:3.0f} ({mean / known[ok].mean():.2f}x)")
        print(f"{row.name:30}{false:7.2f}" + "".join(f"{c:>22}" for c in cells) + f"{micro:10.2f}")
        if row.asked:
            print(f"{'  asked':30}{'<= .20':>7}" + "".join(f"{f'<= {n:,}':>22}" for n in row.asked))


def promises(streams: int) -> None:
    """False alarms at other baselines and rates, looked at every hour: promised .20."""
    print(f"\nany alarm in {LONG:,} healthy labels, hourly counts of {HOURLY}; promised .20")
    for baseline in (100, 500, 2000, 10_000):
        shares = [
            f"{rate}: {false_share(Row('', gonogo_by(HOURLY), baseline), streams, rate)[0]:.2f}"
            for rate in (0.01, 0.06, 0.2, 0.5)
        ]
        print(f"  baseline {baseline:6,}   " + "   ".join(shares))


def main() -> None:
    """Print the table and the promise at other baselines and rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="streams for each cell")
    parser.add_argument("--without-peers", action="store_true", help="only gonogo and the oracle")
    given = parser.parse_args()
    peers = [] if given.without_peers else [Peers(name) for name in ("river", "frouros")]
    rows = [
        Row("oracle CUSUM (knows both)", oracle),
        Row("gonogo, each label", gonogo_by(1), asked=(420, 250, 3700)),
        Row("gonogo, hourly counts of 21", gonogo_by(HOURLY), asked=(470, 265, 3800)),
        Row("gonogo, baseline of 500", gonogo_by(1), 500),
        Row("gonogo, baseline of 100", gonogo_by(1), 100, asked=(500, 280, 4100)),
        *(row for peer in peers for row in peer.rows()),
    ]
    table(rows, given.streams)
    for peer in peers:
        peer.close()
    promises(given.streams)


if __name__ == "__main__":
    main()
