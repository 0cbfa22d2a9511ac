"""What `Recorder` costs the thread that records: the caller's own CPU time, a call.

Prints one table: the best of interleaved rounds for each way in, beside the figure asked and the
loop alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gonogo import Recorder

CALLS = 2_000
ASKED_US = 5.0


def cpu_us(work: Callable[[], object]) -> float:
    """CPU time of this thread for one call, microseconds."""
    start_ns = time.thread_time_ns()
    for _ in range(CALLS):
        work()
    return (time.thread_time_ns() - start_ns) / CALLS / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 5 if parser.parse_args().quick else 25
    with (
        tempfile.TemporaryDirectory() as folder,
        Recorder(str(Path(folder) / "gonogo.db"), capacity=4 * CALLS) as recorder,
    ):

        @recorder.observe("decorated")
        def decorated() -> None:
            pass

        def block() -> None:
            with recorder.call("block") as call:
                call.set(outcome=1)

        ways: dict[str, Callable[[], object]] = {
            "the loop alone": lambda: None,
            "record(…)": lambda: recorder.record("m", outcome=1, latency_ms=12.5, cost_usd=0.001),
            "with call(…)": block,
            "@observe(…)": decorated,
        }
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(rounds):
            for name, work in ways.items():
                best[name] = min(best[name], cpu_us(work))
                recorder.flush(60)
        told = recorder.delivery
    print("caller's thread       us a call   asked")
    for name, us in best.items():
        asked = "" if name == "the loop alone" else f"<= {ASKED_US:g}"
        print(f"{name:20} {us:10.2f}   {asked}")
    print(f"stored {told.stored:,}, dropped {told.dropped:,}, refused {told.refused:,}")


if __name__ == "__main__":
    main()
