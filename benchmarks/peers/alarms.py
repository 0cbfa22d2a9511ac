"""Runs in a peer's own environment: streams in on standard input, the indices of its alarms out.

A request is a line of JSON, `{"detector": NAME, "labels": COUNT}`, and as many bytes of 0 and 1; the
answer is a line of JSON, `{"alarms": [...], "seconds": ...}`. An empty request names the detectors.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

# How it is made, fed, and asked; and what resets it.
Peer = tuple[Callable[[], object], str, str, str | None]


def detectors() -> dict[str, Peer]:
    """What this environment has."""
    found: dict[str, Peer] = {}
    try:
        from river.drift import (  # type: ignore[import-not-found,unused-ignore]
            ADWIN,
            PageHinkley,
        )
    except ImportError:
        pass
    else:
        tuned = {"delta": 0.01, "alpha": 1.0, "threshold": 20.0}
        made: dict[str, Callable[[], object]] = {
            "ADWIN, default": ADWIN,
            "ADWIN, delta .1": lambda: ADWIN(delta=0.1),
            "PageHinkley, default": PageHinkley,
            "PageHinkley, tuned": lambda: PageHinkley(**tuned),
        }
        for name, make in made.items():
            found[f"river {name}"] = (make, "update", "drift_detected", None)
    try:
        from frouros.detectors import (  # type: ignore[import-not-found,unused-ignore]
            concept_drift,
        )
    except ImportError:
        pass
    else:
        # It stays in drift until it is reset.
        for name in ("PageHinkley", "CUSUM"):
            make = getattr(concept_drift, name)
            found[f"frouros {name}, default"] = (make, "update", "drift", "reset")
    return found


def alarms(labels: list[float], peer: Peer) -> list[int]:
    """The indices at which it says that it drifted."""
    make, update, drifted, reset = peer
    detector, at = make(), []
    feed = getattr(detector, update)
    for index, label in enumerate(labels):
        feed(label)
        if getattr(detector, drifted):
            at.append(index)
            if reset:
                getattr(detector, reset)()
    return at


def main() -> None:
    """Answer until standard input ends."""
    known = detectors()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if not asked:
            answer: object = list(known)
        else:
            labels = [float(b) for b in sys.stdin.buffer.read(asked["labels"])]
            began = time.process_time()
            at = alarms(labels, known[asked["detector"]])
            answer = {"alarms": at, "seconds": time.process_time() - began}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
