"""What will a run cost in the end? Cover at every step, and what following the advice saves.

    python benchmarks/run_costs.py [HISTORIES]

Runs of five kinds, simulated: geometric, lognormal and bimodal lengths, growing contexts, levels of
their own, 2 % endless (cut at twelve times the 95 % quantile of ordinary totals). Each history has so
many past runs and twenty new ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.cost.run_total import advise, fit_runs, run_forecast

if TYPE_CHECKING:
    from gonogo.records import Floats

NEW_RUNS = 20
CALLS_MAX = 400
Kind = Callable[[np.random.Generator], "Floats"]


def _costs(rng: np.random.Generator, n: int, growth: float, level_sd: float) -> Floats:
    level = np.exp(level_sd * rng.standard_normal())
    return np.asarray(level * (1 + growth * np.arange(n)) * rng.lognormal(0, 0.5, n))


def geometric(rng: np.random.Generator) -> Floats:
    """Any call may be the last, one in twelve is."""
    return _costs(rng, int(rng.geometric(1 / 12)), 0.0, 0.3)


def growing(rng: np.random.Generator) -> Floats:
    """Contexts grow by a tenth of the first call each time."""
    return _costs(rng, int(min(max(rng.lognormal(2.3, 0.6), 1), CALLS_MAX)), 0.1, 0.3)


def early(rng: np.random.Generator) -> Floats:
    """Three in ten end at once, the others take about twenty calls."""
    n = 1 + rng.poisson(1) if rng.random() < 0.3 else 10 + rng.poisson(12)
    return _costs(rng, int(n), 0.0, 0.3)


def own_level(rng: np.random.Generator) -> Floats:
    """Runs differ by a level of sd 0.7."""
    return _costs(rng, int(min(max(rng.lognormal(2.3, 0.6), 1), CALLS_MAX)), 0.05, 0.7)


def endless(rng: np.random.Generator) -> Floats:
    """As `growing`, and one in fifty never ends."""
    return _costs(rng, CALLS_MAX, 0.05, 0.3) if rng.random() < 0.02 else growing(rng)


KINDS: dict[str, Kind] = {
    "geometric": geometric,
    "growing": growing,
    "early ends": early,
    "levels": own_level,
    "2 % endless": endless,
}


def ordinary(kind: Kind, quantile: float) -> float:
    """A quantile of the totals of runs that end."""
    rng = np.random.default_rng(99)
    ends = [run for run in (kind(rng) for _ in range(4000)) if run.size < CALLS_MAX]
    return float(np.quantile([run.sum() for run in ends], quantile))


def history(
    kind: Kind, rng: np.random.Generator, runs: int, cap: float
) -> tuple[list[Floats], int]:
    """Past runs that ended below a cap, and how many it cut."""
    past = [kind(rng) for _ in range(runs)]
    ended = [run for run in past if run.sum() <= cap]
    return (ended, runs - len(ended)) if len(ended) > 1 else history(kind, rng, runs, cap)


def cover(kind: Kind, runs: int, histories: int) -> float:
    """How often the interval holds the total after every call."""
    rng = np.random.default_rng([7, runs])
    cap = 12 * ordinary(kind, 0.95)
    held = []
    for _ in range(histories):
        past, cut = history(kind, rng, runs, cap)
        model = fit_runs(past, endless=cut)
        for _ in range(NEW_RUNS):
            run = kind(rng)
            if run.size == CALLS_MAX:
                continue  # an endless run has no total
            total = float(run.sum()) * (1 - 1e-9)
            held.append(
                all(run_forecast(model, run[:t]).high >= total for t in range(run.size + 1))
            )
    return float(np.mean(held))


def followed(
    kind: Kind, limit: float, histories: int, *, cheaper: float | None, runs: int = 50
) -> tuple[float, float, float, float]:
    """Overspend, needless stops, saved of what overspending runs cost, overspending runs rescued."""
    rng = np.random.default_rng([8, runs])
    over = needless = fits = would = rescued = 0
    spent = capped = 0.0
    for _ in range(histories):
        past, cut = history(kind, rng, runs, 12 * ordinary(kind, 0.95))
        model = fit_runs(past, endless=cut)
        for _ in range(NEW_RUNS):
            run = kind(rng)
            paid, finished, t, price = 0.0, True, 0, 1.0
            seen: list[float] = []
            while t < run.size:
                option = cheaper if price == 1.0 else None
                room = limit - paid + sum(seen)  # as if all had been paid here
                said = advise(model, np.array(seen), limit=room, cheaper=option)
                if said == "step down" and cheaper is not None:
                    price = cheaper
                elif said == "stop" and price == 1.0:
                    finished = False
                    break
                paid += run[t] * price
                seen.append(run[t])
                t += 1
                if paid > limit:
                    finished = False
                    break
            over += paid > limit
            if run.sum() <= limit:
                fits += 1
                needless += not finished or price < 1.0
            else:
                would += 1
                rescued += finished and paid <= limit
                spent += min(paid, limit)
                capped += limit
    n = histories * NEW_RUNS
    return over / n, needless / max(fits, 1), 1 - spent / max(capped, 1e-9), rescued / max(would, 1)


def main() -> None:
    """Print the tables."""
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"covered after every call, {histories} histories of {NEW_RUNS} new runs; goal >= .88")
    sizes = (3, 5, 8, 10, 20, 50)
    print(f"{'':<14}" + "".join(f"{n:>7}" for n in sizes))
    for name, kind in KINDS.items():
        print(f"{name:<14}" + "".join(f"{cover(kind, n, histories):>7.2f}" for n in sizes))
    print("\nadvice followed, 50 past runs: overspend / needless / saved / rescued")
    print("goal: <= .03 / <= .04 / >= .05 at q85, >= .20 with 2 % endless at 2 x q95")
    for name, kind in KINDS.items():
        cells = []
        for quantile, times in ((0.85, 1.0), (0.95, 2.0)):
            limit = times * ordinary(kind, quantile)
            over, needless, saved, _ = followed(kind, limit, histories, cheaper=None)
            cells.append(f"{over:.3f} / {needless:.3f} / {saved:.2f}")
        over, needless, _, rescued = followed(kind, ordinary(kind, 0.85), histories, cheaper=0.25)
        cells.append(f"at .25: rescued {rescued:.2f}, needless {needless:.2f}")
        print(f"{name:<14}" + "   ".join(cells))


if __name__ == "__main__":
    main()
