"""How soon a classifier's fall is seen on real data: a column of its input breaks.

    python benchmarks/classifier_streams.py [--streams N]

Outcomes are drawn from those of a tree on rows that it did not learn from (`peers/classifier_outcomes.py`, river's
own small data sets, in an environment of its own under `.peers`): 2,000 labels of baseline, 2,000 healthy ones more,
then the column is broken. By hourly counts of 21 at evidence 1e5; mean labels from the break until found, streams that
alarmed before it left out, 12,000 where nothing was found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from detection import AFTER, HEALTHY, HOURLY, RULE

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.rate_watch import watch_rate

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "peers"))
from environments import python_environment

BASELINE = 2000
SCRIPT = Path(__file__).parent / "peers" / "classifier_outcomes.py"


def found_after(before: Floats, after: Floats, rng: np.random.Generator) -> float | None:
    """Labels from the break until it is found; None where an alarm came before it."""
    healthy, broken = BASELINE + HEALTHY, AFTER
    right = np.r_[rng.choice(before, healthy), rng.choice(after, broken)]
    hours = len(right) // HOURLY
    wrong = HOURLY - right[: hours * HOURLY].reshape(hours, HOURLY).sum(axis=1)
    alarmed = watch_rate(np.full(hours, HOURLY), wrong, RULE).latched
    labels = (int(alarmed.argmax()) + 1) * HOURLY if alarmed.any() else healthy + broken
    return None if labels <= healthy else float(labels - healthy)


def main() -> None:
    """Print a row a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=60)
    streams = parser.parse_args().streams
    python = python_environment("river")
    told = subprocess.run([python, SCRIPT], check=True, stdout=subprocess.PIPE).stdout
    print(f"{'':12}{'right before':>14}{'after':>8}{'false':>8}{'labels until found':>22}")
    for seed, (name, outcomes) in enumerate(json.loads(told).items()):
        before, after = (np.array(outcomes[side], dtype=float) for side in ("before", "after"))
        rng = np.random.default_rng((17, seed))
        every = [found_after(before, after, rng) for _ in range(streams)]
        delays = [labels for labels in every if labels is not None]
        error = np.std(delays) / max(len(delays), 1) ** 0.5
        print(
            f"{name:12}{before.mean():14.3f}{after.mean():8.3f}{1 - len(delays) / streams:8.2f}"
            f"{np.mean(delays):14.0f} +- {error:3.0f}"
        )


if __name__ == "__main__":
    main()
