"""Does "73% confidence" come true? Forecasts of spend on a real trace, beside mean x N.

    python benchmarks/budget.py [WINDOWS] [dependent]

The trace is Azure's 2023 code-completion service (Splitwise, CC BY 4.0) at $3/$15 per million
tokens. From n calls seen, the next N are forecast; each forecast is asked about three budgets:
what another window of N calls cost, times lognormal noise of sd 0.1, 0.35 and 0.8. After a change
of regime, the calls before it cost a factor more or less than those after it.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from cost_laws import LAWS, lives

from gonogo.detectors.cost.forecast import chance_within, fit_costs, spend_draws

if TYPE_CHECKING:
    from gonogo.records import Floats

SHARED = Path(os.environ.get("GONOGO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
TRACE = SHARED / "data" / "azure_llm_2023_code.csv.gz"
SEEN = (5, 20, 100, 1000)
AHEAD = (10, 100, 1000)
TIGHTNESS = (0.1, 0.35, 0.8)


@dataclass(frozen=True)
class Case:
    """What was seen, what the calls ahead then cost, and the budgets asked about."""

    seen: Floats
    ahead: int
    actual: float
    budgets: tuple[float, ...]


@dataclass
class Score:
    """Confidences and what came of them."""

    said: list[float] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)

    def __add__(self, other: Score) -> Score:
        """Both together."""
        return Score(self.said + other.said, self.kept + other.kept, self.covered + other.covered)

    @property
    def ece(self) -> float:
        """Expected calibration error in ten bins."""
        said, kept = np.array(self.said), np.array(self.kept, dtype=float)
        bins = np.minimum((said * 10).astype(int), 9)
        gaps = np.bincount(bins, said, 10) - np.bincount(bins, kept, 10)
        return float(np.abs(gaps).sum() / said.size)

    @property
    def brier(self) -> float:
        """Mean squared error of the confidence."""
        return float(np.mean((np.array(self.said) - np.array(self.kept)) ** 2))

    @property
    def overspend(self) -> float:
        """Share that went over among checks with a confidence of 0.9 or more."""
        passed = np.array(self.said) >= 0.9
        return float(1 - np.array(self.kept)[passed].mean())


def costs_of_trace() -> Floats:
    """Cost of each call in USD."""
    with gzip.open(TRACE, "rt", encoding="utf-8") as lines:
        rows = [(int(row["in_tok"]), int(row["out_tok"])) for row in csv.DictReader(lines)]
    return np.asarray(np.array(rows) @ np.array([3e-6, 15e-6]), dtype=np.float64)


def steady(trace: Floats, seen: int, ahead: int, windows: int) -> Iterator[Case]:
    """Windows anywhere in the trace."""
    rng = np.random.default_rng([2023, seen, ahead])
    for _ in range(windows):
        start = rng.integers(0, trace.size - seen - ahead + 1)
        other = rng.integers(0, trace.size - ahead + 1)
        spend = trace[other : other + ahead].sum()
        yield Case(
            trace[start : start + seen],
            ahead,
            float(trace[start + seen : start + seen + ahead].sum()),
            tuple(spend * np.exp(sd * rng.standard_normal()) for sd in TIGHTNESS),
        )


def changed(trace: Floats, before: int, since: int, ahead: int, windows: int) -> Iterator[Case]:
    """As `steady`, but the calls before the last `since` cost e^N(0, 1) times as much."""
    rng = np.random.default_rng([2024, since, ahead])
    for case in steady(trace, before + since, ahead, windows):
        seen = case.seen.copy()
        seen[:before] *= np.exp(rng.standard_normal())
        yield Case(seen, case.ahead, case.actual, case.budgets)


def score(cases: Iterator[Case], forecast: Callable[[Floats, int], Floats]) -> Score:
    """Ask a forecast about every case."""
    found = Score()
    for case in cases:
        draws = forecast(case.seen, case.ahead)
        low, high = np.quantile(draws, [0.1, 0.9])
        found.covered.append(bool(low <= case.actual <= high))
        for budget in case.budgets:
            found.said.append(
                chance_within(draws, budget) if draws.size > 1 else float(draws[0] <= budget)
            )
            found.kept.append(case.actual <= budget)
    return found


def ours(seen: Floats, ahead: int) -> Floats:
    """The product's forecast."""
    return spend_draws(fit_costs(seen, seed=seen.size), calls=ahead)


def mean_times_calls(seen: Floats, ahead: int) -> Floats:
    """What budget tools do: a point."""
    return np.array([seen.mean() * ahead])


def line(name: str, mine: Score, peer: Score, goal: str) -> None:
    """One row of the table."""
    print(
        f"{name:<26} {mine.ece:6.3f} {peer.ece:8.3f} {np.mean(mine.covered):9.1%}"
        f" {mine.overspend:9.1%} {peer.overspend:9.1%} {mine.brier:7.3f} {peer.brier:7.3f}   {goal}"
    )


def main() -> None:
    """Print the table."""
    if not TRACE.exists():
        print(f"no trace at {TRACE}; set GONOGO_SHARED to the folder that holds data/")
        return
    windows = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    if "dependent" in sys.argv:
        dependent(windows)
        return
    trace = costs_of_trace()
    print(f"{trace.size} calls, {windows} windows a cell, {3 * windows} budgets; ECE has ten bins")
    print(
        f"{'':<26} {'ECE':>6} {'mean x N':>8} {'in 80%':>9} {'over @.9':>9} {'mean x N':>9}"
        f" {'Brier':>7} {'mean':>7}   goal"
    )
    cells = {}
    for seen in SEEN:
        for ahead in AHEAD:
            cells[seen, ahead] = (
                score(steady(trace, seen, ahead, windows), ours),
                score(steady(trace, seen, ahead, windows), mean_times_calls),
            )
            line(f"n = {seen}, N = {ahead}", *cells[seen, ahead], "")

    def pooled(*ns: int) -> tuple[Score, Score]:
        mine, peer = Score(), Score()
        for (n, _), (a, b) in cells.items():
            if n in ns:
                mine, peer = mine + a, peer + b
        return mine, peer

    line("n = 5", *pooled(5), "ECE <= .075")
    line("n = 20 and 100", *pooled(20, 100), "in 80%: 77-83%")
    line("n >= 20", *pooled(20, 100, 1000), "ECE <= .03")
    line("all", *pooled(*SEEN), "over @.9 <= 4%")
    line("n = N = 1000", *cells[1000, 1000], "in 80% >= 75%")
    mine, peer = Score(), Score()
    for since in (10, 30, 100):
        for ahead in (10, 100):
            mine += score(changed(trace, 100, since, ahead, windows), ours)
            peer += score(changed(trace, 100, since, ahead, windows), mean_times_calls)
    line("after a change of regime", mine, peer, "ECE <= .07")
    dependent(windows)


def dependent(windows: int) -> None:
    """Print how forecasts of costs that depend on each other come true, by days seen."""
    print(
        f"\ndependent costs, {windows} lives a cell: in 80% / over @.9 / ECE; a plan begins a new day"
    )
    cells = [(1, 50), (2, 50), (3, 50), (10, 50), (10, 200)]
    # Of a few hundred checks the ECE of a perfect forecast is .03: only all together tell.
    print(
        f"{'':<28}" + "".join(f"{f'{d} d of 50, next {n}':>21}" for d, n in cells) + "  ECE of all"
    )
    for name, law in LAWS.items():
        found, every = [], Score()
        for days, ahead in cells:
            of = Score()
            for life in lives(law, days=days, a_day=50, ahead=ahead, n=windows, seed=2026):
                model = fit_costs(
                    life.costs, seed=life.costs.size, ts_ms=life.ts_ms, now_ms=life.now_ms
                )
                draws = spend_draws(model, calls=ahead)
                low, high = np.quantile(draws, [0.1, 0.9])
                of.covered.append(bool(low <= life.actual <= high))
                of.said += [chance_within(draws, budget) for budget in life.budgets]
                of.kept += [life.actual <= budget for budget in life.budgets]
            every += of
            found.append(f"{np.mean(of.covered):.2f} / {of.overspend:.2f} / {of.ece:.3f}")
        print(f"{name:<28}" + "".join(f"{cell:>21}" for cell in found) + f"{every.ece:12.3f}")
    print("goal: from 3 days >= .70 / <= .10, from 10 days >= .80 / <= .06; independent .77-.89")


if __name__ == "__main__":
    main()
