"""The cost of work that is known by a declared amount alone."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from gonogo.money.planned_spend import PlannedSpend
from gonogo.text.forms import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.money import JudgedCheck

# A declared amount is taken at its word this often, until settled reservations say otherwise;
# they outweigh that belief once there are more of them than it counts for.
KEPT = 0.96
_BELIEF_WEIGHT = 5
_OVERRUN_SD = 0.5
_GRID = 1000


def plan_declared(
    declared_micro_usd: int, judged: Sequence[JudgedCheck], calls: int | None
) -> PlannedSpend:
    """A plan that is known only by its declared cost.

    Taken at its word, but for a share of overruns, until this budget's own settled reservations
    tell how declared costs turn out. A reservation speaks for a plan of its own size or less: for
    one a hundred times dearer it weighs a hundredth, so that small ones cannot vouch for a large
    one. One that was settled at nothing says no more than one that was released.
    """
    weighed = sorted(
        (
            check.actual_micro_usd / check.planned_micro_usd,
            min(1.0, check.planned_micro_usd / max(declared_micro_usd, 1)),
        )
        for check in judged
        if check.planned_micro_usd and check.actual_micro_usd > 0
    )
    heard = sum(weight for _, weight in weighed)
    believed = round(_GRID * _BELIEF_WEIGHT / (_BELIEF_WEIGHT + heard))
    kept = math.ceil(believed * KEPT)
    over = believed - kept
    normal = NormalDist(0, _OVERRUN_SD)
    factors = [1.0] * kept
    factors += [math.exp(normal.inv_cdf(0.5 + (i + 0.5) / over / 2)) for i in range(over)]
    factors += _quantiles(weighed, heard, _GRID - believed)
    grid = tuple(sorted(math.ceil(declared_micro_usd * factor) for factor in factors))
    method = "declared cost, taken at its word in 96 of 100 cases"
    if believed < _GRID:
        settled = counted(len(weighed), "settled reservation")
        method = f"declared cost, judged by {settled} that declared theirs"
    return PlannedSpend(grid, declared_micro_usd, declared_micro_usd, 0, method, calls=calls)


def _quantiles(weighed: Sequence[tuple[float, float]], total: float, k: int) -> list[float]:
    """`k` evenly spaced quantiles of weighted values, which ascend."""
    found: list[float] = []
    passed, at = 0.0, 0
    for i in range(k):
        while at < len(weighed) - 1 and passed + weighed[at][1] <= (i + 0.5) / k * total:
            passed += weighed[at][1]
            at += 1
        found.append(weighed[at][0])
    return found
