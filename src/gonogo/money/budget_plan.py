"""What planned work will cost: the forecast as a grid that a transaction can look things up in."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.money.prices import price_calls
from gonogo.text.forms import counted, rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.money import CallCosts, JudgedCheck
    from gonogo.records import Costs, Dependency, Floats, Ints
    from gonogo.settings import Settings

CALLS_MIN = 5
PLANNED_CALLS_MAX = 10_000_000
# Above this share of calls without a price a forecast would leave out what it should count.
UNPRICED_SHARE_MAX = 0.05
# A declared amount is taken at its word this often, until settled reservations say otherwise;
# they outweigh that belief once there are more of them than it counts for.
_DECLARED_KEPT = 0.96
_DECLARED_WEIGHT = 5
_OVERRUN_SD = 0.5
_GRID = 1000
_MIX_CALLS_MAX = 2000
_HOLD_QUANTILE = 0.95
_CURVE_CALLS = sorted({round(10 ** (k / 6)) for k in range(37)})


@dataclass(frozen=True, slots=True)
class Curve:
    """What totals stay within at one probability, by number of calls. Both ascending."""

    calls: tuple[int, ...]
    micro_usd: tuple[float, ...]

    def calls_within(self, micro_usd: int) -> int:
        """The largest number of calls whose total stays within an amount; 0 where none does."""
        i = bisect_right(self.micro_usd, micro_usd)
        if i == 0:
            return 0
        if i == len(self.calls):
            return self.calls[-1]
        low, high = self.micro_usd[i - 1], self.micro_usd[i]
        share = (micro_usd - low) / (high - low)
        return self.calls[i - 1] + math.floor(share * (self.calls[i] - self.calls[i - 1]))


@dataclass(frozen=True, slots=True)
class PlannedSpend:
    """The predictive distribution of what the planned work will cost.

    `grid` holds equally likely totals in micro-dollars, ascending; empty where nothing is known.
    """

    grid: tuple[int, ...]
    hold_micro_usd: int
    worst_micro_usd: int
    n: int
    method: str
    curves: tuple[tuple[float, Curve], ...] = ()
    calls: int | None = None
    regime_start_ms: int | None = None
    newest_ts_ms: int | None = None
    unpriced: str | None = None
    worst_call_micro_usd: float | None = None  # where the worst case grows with the calls

    def quantile(self, probability: float) -> int:
        """The total that the work stays within, with a probability."""
        return quantile(self.grid, probability)

    def chance_within(self, micro_usd: int) -> float:
        """The chance that the work stays within an amount; never quite 0 or 1."""
        return (bisect_right(self.grid, micro_usd) + 0.5) / (len(self.grid) + 1)


def quantile(grid: Sequence[int], probability: float) -> int:
    """The value that a share of a grid of equally likely, ascending values stays within."""
    return grid[min(int(probability * len(grid)), len(grid) - 1)]


class Forecasts:
    """Forecasts made, kept until the calls that they rest on change. Bounded, throw-away."""

    def __init__(self, size_max: int = 256) -> None:
        self._size_max = size_max
        self._made: OrderedDict[tuple[object, ...], PlannedSpend] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> PlannedSpend | None:
        """A forecast made before, for the same calls and the same plan."""
        found = self._made.get(key)
        if found is not None:
            self._made.move_to_end(key)
        return found

    def keep(self, key: tuple[object, ...], plan: PlannedSpend) -> None:
        """Keep a forecast; the one that was unused the longest gives way."""
        self._made[key] = plan
        if len(self._made) > self._size_max:
            self._made.popitem(last=False)


async def plan_work(
    telemetry: CallCosts,
    settings: Settings,
    dependencies: Sequence[Dependency],
    *,
    calls: int | None,
    declared_micro_usd: int | None,
    required: tuple[float, ...],
    judged: Sequence[JudgedCheck],
    now_ms: int,
    forecasts: Forecasts | None = None,
) -> PlannedSpend:
    """Forecast work from the newest calls of some dependencies, mixed as they came.

    A declared cost is folded in, and stands alone where there are no calls to go by. Every recorded call counts, so retries and failed calls are part of what a call costs.
    """
    found = None
    if calls is not None:
        revisions = tuple((known.name, known.rev, known.n) for known in dependencies)
        key = (settings.digest, revisions, calls, declared_micro_usd, required)
        found = forecasts.get(key) if forecasts is not None else None
        if found is None:
            newest = [(each.name, await telemetry.newest_costs(each.name)) for each in dependencies]
            found = _forecast(newest, settings, calls, declared_micro_usd, required, now_ms)
            if forecasts is not None:
                forecasts.keep(key, found)
    if declared_micro_usd is not None and (found is None or not found.grid):
        return plan_declared(declared_micro_usd, judged, calls)
    return found or PlannedSpend((), 0, 0, 0, "none")


def _forecast(
    newest: Sequence[tuple[str, Costs]],
    settings: Settings,
    calls: int,
    declared: int | None,
    required: tuple[float, ...],
    now_ms: int,
) -> PlannedSpend:
    import numpy as np

    from gonogo.detectors.cost.forecast import POOL_CALLS, fit_costs, quantile_by_calls, spend_draws

    times, costs, unpriced, usable = _mixed(newest, settings, now_ms)
    n = int(costs.size)
    if n < CALLS_MIN or not usable:
        return PlannedSpend((), 0, 0, n, "none", calls=calls, unpriced=unpriced)
    digest = hashlib.blake2b(costs.tobytes(), digest_size=8).digest()
    model = fit_costs(costs, seed=int.from_bytes(digest, "big"))
    draws = spend_draws(model, calls=calls, declared=declared)
    grid = tuple(int(total) for total in np.ceil(np.minimum(draws, 9e18)))
    by_calls = np.array(_CURVE_CALLS, dtype=float)
    curves = []
    for probability in sorted(set(required)):
        # The quick curve, lifted to meet the forecast proper where that was made.
        at = np.array([float(calls)])
        quick = float(quantile_by_calls(model, at, probability=probability)[0])
        lift = float(np.quantile(draws, probability)) / quick if quick > 0 else 1.0
        values = quantile_by_calls(model, by_calls, probability=probability) * lift
        curves.append((probability, Curve(tuple(_CURVE_CALLS), tuple(values.tolist()))))
    share = POOL_CALLS / (POOL_CALLS + model.n)
    mixed = "declared cost folded in, " if declared is not None else ""
    return PlannedSpend(
        grid=grid,
        hold_micro_usd=quantile(grid, _HOLD_QUANTILE) if declared is None else declared,
        worst_micro_usd=math.ceil(float(costs.max()) * calls) if declared is None else declared,
        n=model.n,
        method=f"{rate_text(share)} lognormal posterior and {rate_text(1 - share)} Dirichlet bootstrap since the "
        f"last change of regime, {mixed}level drift; retries count as calls",
        curves=tuple(curves),
        calls=calls,
        regime_start_ms=int(times[model.start]),
        newest_ts_ms=int(times[-1]),
        worst_call_micro_usd=float(costs.max()) if declared is None else None,
        unpriced=unpriced,
    )


def _mixed(
    newest: Sequence[tuple[str, Costs]], settings: Settings, now_ms: int
) -> tuple[Ints, Floats, str | None, bool]:
    """Times and prices of the newest calls, oldest first; what has no price, and if it matters."""
    import numpy as np

    times, costs, unpriced = [np.zeros(0, np.int64)], [np.zeros(0)], []
    for name, calls in newest:
        priced = price_calls(calls, name, settings, now_ms=now_ms)
        times.append(calls.ts_ms)
        costs.append(priced.micro_usd)
        if priced.unpriced:
            unpriced.append(f"{priced.unpriced} of {calls.ts_ms.size} calls of '{plain(name, 80)}'")
    all_times, all_costs = np.concatenate(times), np.concatenate(costs)
    order = np.argsort(all_times, kind="stable")[-_MIX_CALLS_MAX:]
    all_times, all_costs = all_times[order], all_costs[order]
    known = ~np.isnan(all_costs)
    usable = bool((~known).sum() <= UNPRICED_SHARE_MAX * known.size)
    said = (
        f"no cost and no known price: {', '.join(unpriced)}. Record cost_usd, or add the model to "
        "[settings.prices] in gonogo.toml."
        if unpriced
        else None
    )
    return all_times[known], all_costs[known], said, usable


def plan_declared(
    declared_micro_usd: int, judged: Sequence[JudgedCheck], calls: int | None
) -> PlannedSpend:
    """A plan that is known only by its declared cost.

    Taken at its word, but for a share of overruns, until this budget's own settled reservations
    tell how declared costs turn out.
    """
    ratios = [
        check.actual_micro_usd / check.planned_micro_usd
        for check in judged
        if check.planned_micro_usd
    ]
    believed = round(_GRID * _DECLARED_WEIGHT / (_DECLARED_WEIGHT + len(ratios)))
    kept = math.ceil(believed * _DECLARED_KEPT)
    over = believed - kept
    normal = NormalDist(0, _OVERRUN_SD)
    factors = [1.0] * kept
    factors += [math.exp(normal.inv_cdf(0.5 + (i + 0.5) / over / 2)) for i in range(over)]
    ratios.sort()
    learned = _GRID - believed
    factors += [ratios[i * len(ratios) // learned] for i in range(learned)]
    grid = tuple(sorted(math.ceil(declared_micro_usd * factor) for factor in factors))
    method = "declared cost, taken at its word in 96 of 100 cases"
    if ratios:
        settled = counted(len(ratios), "settled reservation")
        method = f"declared cost, judged by {settled} that declared theirs"
    return PlannedSpend(grid, declared_micro_usd, declared_micro_usd, 0, method, calls=calls)
