"""Is the watch on the scores worth its pages? Simulated golden sets, segments and providers.

    python benchmarks/trust_watch.py [--quick]

Known-good watch: 200 items a day, answered right independently at .95; the page (as it is answered:
an EWMA with the error of its own baseline allowed for) beside the two-sigma rule. Segments: twelve
of 200 labels, one of which misses by a logit, or is honestly worse, or neither. Providers: thirty
skills over fourteen days, sixteen of them with one of two providers that have four outages of half
an hour together; every skill has three incidents of its own; each hour the groups are tested as
`get_trust_score_health` does.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.golden.control_chart import pass_chart
from gonogo.detectors.golden.paired import GoldenRuns
from gonogo.detectors.trust import calibration_health as health
from gonogo.detectors.trust.cofailure import failing_together
from gonogo.trust.providers import NEEDED
from gonogo.trust.score_health import chart_warm_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gonogo.records import Floats, Ints

ITEMS, RATE = 200, 0.95
HISTORY_DAYS = 60
HOURS = 14 * 24
OUTAGE_H = 0.5
OUTAGES, OWN_INCIDENTS = 4, 3
MEMBERS, CALLS_AN_HOUR = 8, 6
WARN, PAGE = 0, 1


def alarms(outcome: Floats) -> tuple[bool, bool]:
    """Whether the newest of these runs warns by the two-sigma rule, and whether it pages."""
    days = np.arange(1, len(outcome), dtype=np.int64)
    runs = GoldenRuns(days, outcome[1:], outcome[0])
    chart = pass_chart(runs, warm_up=chart_warm_up(len(days)))
    return chart.warned, abs(chart.smoothed_sd) > health.page_limit_sd(chart.baseline_runs)


def false_alarms(rng: np.random.Generator, *, years: int) -> Floats:
    """Days from one false alarm's beginning to the next: two-sigma, page."""
    began, days = np.zeros(2), 0
    for _ in range(years):
        outcome = (rng.random((365, ITEMS)) < RATE).astype(float)
        before = np.zeros(2, dtype=bool)
        for day in range(HISTORY_DAYS, 365):
            now = np.array(alarms(outcome[:day]))
            began += now & ~before
            before = now
            days += 1
    return days / np.maximum(began, 1)


def delays(rng: np.random.Generator, *, history: int, rate: float, times: int) -> Floats:
    """Mean days to each alarm once the pass rate has fallen, the day of the fall counted."""
    total = np.zeros(2)
    for _ in range(times):
        outcome = (rng.random((history, ITEMS)) < RATE).astype(float)
        seen = np.zeros(2, dtype=bool)
        while not seen.all():
            total += ~seen
            outcome = np.vstack([outcome, rng.random(ITEMS) < rate])
            seen |= np.array(alarms(outcome))
    return total / times


def flagged(rng: np.random.Generator, kind: str) -> tuple[bool, int]:
    """Whether the segment that is other is called biased, and how many of the eleven others are."""
    chances, came = [], []
    for segment in range(12):
        shift = -1.0 if kind == "misses" and segment == 0 else 0.0
        level = 0.0 if kind == "worse" and segment == 0 else 2.0
        logit = np.round(rng.normal(level, 1, 200), 1)
        chances.append(1 / (1 + np.exp(-logit)))
        came.append(rng.random(200) < 1 / (1 + np.exp(-logit - shift)))
    whole = stated(np.concatenate(chances), np.concatenate(came))
    parts = [(str(i), stated(*pair)) for i, pair in enumerate(zip(chances, came, strict=True))]
    biased = {one.segment for one in health.residuals(whole, parts) if one.biased}
    return "0" in biased, len(biased - {"0"})


def stated(chance: Floats, came: NDArray[np.bool_]) -> health.StatedChances:
    """Chances and what came, in bins."""
    bins, at = np.unique(chance, return_inverse=True)
    good = np.bincount(at, came).astype(np.int64)
    return health.StatedChances(bins, np.bincount(at), good, float(chance.sum()))


def fortnight(rng: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    """Failed calls and calls of a provider's members by hour, and when its outages began."""
    shared = np.sort(rng.uniform(48, HOURS - 2, OUTAGES))
    failed, n = np.zeros((MEMBERS, HOURS), np.int64), np.zeros((MEMBERS, HOURS), np.int64)
    for member in range(MEMBERS):
        at = rng.uniform(0, HOURS, rng.poisson(CALLS_AN_HOUR * HOURS))
        down = np.zeros(at.size, dtype=bool)
        own = rng.uniform(0, HOURS, OWN_INCIDENTS)
        for start in (*shared, *own):
            down |= (at >= start) & (at < start + OUTAGE_H)
        bad = rng.random(at.size) < np.where(down, 0.95, 0.02)
        np.add.at(n[member], at.astype(np.int64), 1)
        np.add.at(failed[member], at[bad].astype(np.int64), 1)
    return failed, n, shared


def namings(rng: np.random.Generator, *, fortnights: int) -> tuple[float, float, int]:
    """Precision of namings, recall of outages, outages. Each hour is asked about at its end."""
    right = named = found = 0
    for _ in range(2 * fortnights):
        failed, n, shared = fortnight(rng)
        caught, before = set(), False
        for hour in range(48, HOURS):
            told = failing_together(failed[:, : hour + 1], n[:, : hour + 1])
            now = told.e_value >= NEEDED and len(told.members) > 1
            # Named while it lasts, or in the two hours that count as now.
            near = [i for i, start in enumerate(shared) if -1 < hour - start < OUTAGE_H + 2]
            if now:
                caught.update(near)
            if now and not before:
                named += 1
                right += bool(near)
            before = now
        found += len(caught)
    outages = 2 * fortnights * OUTAGES
    return right / max(named, 1), found / outages, outages


def main() -> None:
    """Print the tables: figure reached beside figure asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the simulations")
    scale = 1 if parser.parse_args().quick else 5
    rng = np.random.default_rng(11)
    print(
        f"{'known-good watch, 200 items a day':44}{'two-sigma':>10}{'page':>8}   asked of the page"
    )
    between = false_alarms(rng, years=2 * scale)
    print(f"{'days between false alarms':44}{between[WARN]:10.0f}{between[PAGE]:8.0f}   > 200")
    for history, rate, asked in ((60, 0.88, "<= 1.5"), (240, 0.88, "<= 1.5"), (240, 0.92, "")):
        took = delays(rng, history=history, rate=rate, times=60 * scale)
        name = f"days to catch .95 -> {rate:.2f}, after {history} days"
        print(f"{name:44}{took[WARN]:10.1f}{took[PAGE]:8.1f}   {asked}")
    times = 80 * scale
    print(f"\n{'segments of 200 labels, one of twelve':44}{'flagged':>10}   asked")
    for kind, asked in (("misses", ">= 95 %"), ("worse", "<= 1 %"), ("steady", "")):
        hits = [flagged(rng, kind) for _ in range(times)]
        told = {
            "misses": "misses by one logit",
            "worse": "honestly worse",
            "steady": "as the others",
        }
        print(f"{told[kind]:44}{np.mean([own for own, _ in hits]):10.1%}   {asked}")
        false = np.mean([others > 0 for _, others in hits])
        print(f"{'  fleets with a false segment beside it':44}{false:10.1%}")
    precision, recall, outages = namings(rng, fortnights=3 * scale)
    print(f"\n{f'declared providers, {outages} outages of 30 minutes':44}{'reached':>10}   asked")
    print(f"{'precision of namings':44}{precision:10.1%}   >= 95 %")
    print(f"{'recall of outages':44}{recall:10.1%}   >= 80 %")


if __name__ == "__main__":
    main()
