"""The forecast of planned work's cost, from the newest calls of everything it will call."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.money.amounts import CALLS_MIN, call_amounts
from gonogo.money.planned_spend import (
    UNPRICED_SHARE_MAX,
    Curve,
    Forecasts,
    PlannedSpend,
    plan_declared,
    quantile,
)
from gonogo.money.scopes import CallGroup, is_routed, routed_groups, spread_calls
from gonogo.ports.money import CallCosts, JudgedCheck
from gonogo.ports.routes import Route
from gonogo.records import HOUR_MS
from gonogo.settings import Settings
from gonogo.text.forms import UNIT_WORDS, rate_text

if TYPE_CHECKING:
    from gonogo.detectors.cost.forecast import CostModel
    from gonogo.records import Costs, Dependency, Floats, Ints, Unit

PLANNED_CALLS_MAX = 10_000_000
_MIX_CALLS_MAX = 2000
GRID = 1000
_HOLD_QUANTILE = 0.95
_CURVE_CALLS = sorted({round(10 ** (k / 6)) for k in range(37)})


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """Work as it is asked about.

    `work` states calls by dependency; without it `calls` go to `names`, as mixed lately. Calls go
    where `routes` send them now.
    """

    names: tuple[str, ...]
    calls: int | None
    work: Mapping[str, int] | None
    routes: Mapping[str, Route]
    declared_micro_usd: int | None
    required: tuple[float, ...]
    unit: Unit = "usd"


async def plan_work(
    telemetry: CallCosts,
    settings: Settings,
    plan: WorkPlan,
    *,
    judged: Sequence[JudgedCheck],
    now_ms: int,
    forecasts: Forecasts | None = None,
) -> PlannedSpend:
    """Forecast work from the newest calls of what will be called.

    Of stated work each part is forecast by itself and the parts are added up, so that no part is
    dearer than the whole. A declared cost is folded in, and stands alone where there are no calls
    to go by. Every recorded call counts, so retries and failed calls are part of what a call costs.
    """
    found = None
    declared = plan.declared_micro_usd
    if plan.calls is not None:
        groups, known = await _groups(telemetry, plan)
        if plan.unit == "calls":
            return _counted(plan.calls, groups, plan, known)
        revisions = tuple((each.name, each.rev, each.n) for each in known.values())
        # How much of the day is left moves a forecast; to the hour, so that it can be kept.
        hour_ms = now_ms // HOUR_MS * HOUR_MS
        work = tuple(groups), declared, plan.required, plan.unit
        key = (settings.digest, revisions, work, hour_ms)
        found = forecasts.get(key) if forecasts is not None else None
        if found is None:
            seen = [
                await _seen(telemetry, settings, group, known, plan.unit, now_ms)
                for group in groups
            ]
            found = _forecast(seen, plan, plan.calls, now_ms=hour_ms)
            if forecasts is not None:
                forecasts.keep(key, found)
    if declared is not None and (found is None or not found.grid):
        return plan_declared(declared, judged, plan.calls)
    return found or PlannedSpend((), 0, 0, 0, "none")


def _counted(
    calls: int, groups: Sequence[CallGroup], plan: WorkPlan, known: Mapping[str, Dependency]
) -> PlannedSpend:
    """Planned calls as a budget of calls counts them: what is answered by rules or a person is none."""
    total = max(min(sum(group.calls for group in groups), calls), plan.declared_micro_usd or 0)
    curve = Curve(tuple(_CURVE_CALLS), tuple(n * total / calls for n in _CURVE_CALLS))
    return PlannedSpend(
        grid=(total,) * GRID,
        hold_micro_usd=total,
        worst_micro_usd=total,
        n=sum(each.n for each in known.values()),
        method="each planned call counts as one",
        curves=tuple((p, curve) for p in plan.required),
        calls=calls,
        newest_ts_ms=max((each.newest_ts_ms for each in known.values()), default=None),
        worst_call_micro_usd=total / calls,
        parts=max(len(groups), 1),
        is_exact=True,
    )


async def _groups(
    telemetry: CallCosts, plan: WorkPlan
) -> tuple[list[CallGroup], dict[str, Dependency]]:
    """Group the planned calls by forecast, with all that is known of each."""
    calls = plan.calls or 0
    work = plan.work
    if work is None and len(plan.names) == 1:
        work = {plan.names[0]: calls}
    targets = {w.target for route in plan.routes.values() for w in route.targets}
    named = await _known(telemetry, {*plan.names, *(work or ()), *targets})
    if work is None:
        names = tuple(name for name in plan.names if name in named)
        if not is_routed(names, plan.routes):
            return [CallGroup(names, calls)], {name: named[name] for name in names}
        newest = {name: (await telemetry.newest_costs(name)).ts_ms for name in names}
        order = sorted((int(ts), name) for name, times in newest.items() for ts in times)
        counts = dict.fromkeys(names, 0)
        for _, name in order[-_MIX_CALLS_MAX:]:
            counts[name] += 1
        if not order:
            return [CallGroup(names, calls)], {}
        work = spread_calls(calls, counts)
    groups = routed_groups(work, plan.routes, named)
    kept = {name for group in groups for name in group.names}
    return groups, {name: each for name, each in named.items() if name in kept}


async def _known(telemetry: CallCosts, names: set[str]) -> dict[str, Dependency]:
    found = {name: await telemetry.dependency(name) for name in sorted(names)}
    return {name: known for name, known in found.items() if known is not None}


@dataclass(frozen=True, slots=True, eq=False)
class _Calls:
    """The priced calls that one group's forecast rests on, oldest first."""

    group: CallGroup
    times: Ints
    costs: Floats
    unpriced: str | None  # what has no price, by name
    usable: bool  # little enough of it
    unit: Unit = "usd"
    free: tuple[str, ...] = ()  # tools of which no call ever had a cost

    @property
    def is_free(self) -> bool:
        """Whether it is of such tools alone."""
        return bool(self.free) and not self.times.size

    def missing(self, *, alone: bool) -> str | None:
        """The reason why it cannot be forecast."""
        if not self.usable:
            lacks = UNIT_WORDS[self.unit].lacks
            return f"too many calls have {lacks} (`unpriced` says which)."
        if self.is_free or self.costs.size >= CALLS_MIN:
            return None
        if not self.group.names:
            return (
                "no recorded call counts in it. Mend its entry in gonogo.toml, record calls that name "
                "it, or pass `planned_cost_usd`."
            )
        words = UNIT_WORDS[self.unit]
        size = int(self.costs.size)
        seen = f"{size:,} {words.counted if size == 1 else words.counted_many}"
        instead = self.group.instead_of
        of = "" if alone and not instead else f" of '{plain(self.group.names[0], 80)}'"
        routed = f", where calls of '{plain(instead, 80)}' go now" if instead else ""
        return (
            f"{seen}{of}{routed}, and {CALLS_MIN} are needed. Pass `planned_cost_usd`, or record "
            f"more calls with {words.with_it}."
        )


async def _seen(
    telemetry: CallCosts,
    settings: Settings,
    group: CallGroup,
    known: Mapping[str, Dependency],
    unit: Unit,
    now_ms: int,
) -> _Calls:
    """Times and prices of a group's newest calls; what has no price, and whether it matters."""
    import numpy as np

    times, costs, unpriced, free = [np.zeros(0, np.int64)], [np.zeros(0)], [], []
    missing = 0
    for name in group.names:
        if name not in known:
            continue
        calls, amounts = await call_amounts(telemetry, settings, name, unit, now_ms=now_ms)
        is_free = UNIT_WORDS[unit].free and known[name].kind not in (None, "model")
        if is_free and (not calls.ts_ms.size or (unit != "usd" and np.isnan(amounts).all())):
            free.append(f"'{plain(name, 80)}'")
            continue
        kept = _of_version(calls, group.version)
        times.append(calls.ts_ms[kept])
        costs.append(amounts[kept])
        unknown = int(np.isnan(costs[-1]).sum()) + calls.without_usage
        if unknown:
            missing += unknown
            of = int(kept.sum()) + calls.without_usage
            unpriced.append(f"{unknown} of {of} calls of '{plain(name, 80)}'")
    all_times, all_costs = np.concatenate(times), np.concatenate(costs)
    order = np.argsort(all_times, kind="stable")[-_MIX_CALLS_MAX:]
    all_times, all_costs = all_times[order], all_costs[order]
    priced_too = ~np.isnan(all_costs)
    words = UNIT_WORDS[unit]
    said = f"{words.lacks}: {', '.join(unpriced)}. {words.remedy}"
    return _Calls(
        group,
        all_times[priced_too],
        all_costs[priced_too],
        said if unpriced else None,
        missing <= UNPRICED_SHARE_MAX * max(missing + int(priced_too.sum()), 1),
        unit,
        free=tuple(free),
    )


def _of_version(calls: Costs, version: str | None) -> Floats:
    """The calls of a version; all of them where it has too few to be told apart."""
    import numpy as np

    every = np.ones(calls.ts_ms.size, dtype=bool)
    if version is None or version not in calls.versions:
        return every
    mine = calls.version == calls.versions.index(version)
    return mine if mine.sum() >= CALLS_MIN else every


def _forecast(seen: Sequence[_Calls], plan: WorkPlan, calls: int, *, now_ms: int) -> PlannedSpend:
    """Add up the forecasts of all groups. Nothing is known of work of which a part is not known."""
    import numpy as np

    declared = plan.declared_micro_usd
    n = sum(int(each.costs.size) for each in seen)
    unpriced = " ".join(each.unpriced for each in seen if each.unpriced) or None
    alone = len(seen) == 1
    free = ", ".join(name for each in seen for name in each.free)
    words = UNIT_WORDS[plan.unit]
    said = f"counted as free, since {words.free}: {free}." if free else None
    missing = next(filter(None, (each.missing(alone=alone) for each in seen)), None)
    if missing is not None:
        return PlannedSpend(
            (),
            0,
            0,
            n,
            "none",
            calls=calls,
            unpriced=unpriced,
            free=said,
            missing=missing,
            parts=len(seen),
        )
    fitted = [_Model.of(each, now_ms) for each in seen if each.costs.size and not each.is_free]
    if not fitted:
        return _free(calls, said, plan.required)
    folded = declared if len(fitted) == 1 else None
    totals = sum(each.totals(folded) for each in fitted)
    totals = np.sort(np.asarray(totals))
    grid = tuple(int(total) for total in np.ceil(np.minimum(totals, 9e18)))
    worst = sum(math.ceil(each.dearest * each.seen.group.calls) for each in fitted)
    newest = max(fitted, key=lambda each: int(each.seen.times[-1]))
    return PlannedSpend(
        grid=grid,
        hold_micro_usd=quantile(grid, _HOLD_QUANTILE) if declared is None else declared,
        worst_micro_usd=worst if declared is None else declared,
        n=sum(each.model.n for each in fitted),
        method=_method(fitted, declared=folded),
        curves=tuple((p, _curve(fitted, calls, p, totals)) for p in plan.required),
        calls=calls,
        regime_start_ms=max(int(each.seen.times[each.model.start]) for each in fitted),
        newest_ts_ms=int(newest.seen.times[-1]),
        worst_call_micro_usd=worst / calls if declared is None else None,
        unpriced=unpriced,
        free=said,
        parts=len(seen),
        days=min((each.days for each in fitted), key=lambda days: days[0]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A group's model of what a call costs."""

    seen: _Calls
    model: CostModel
    dearest: float

    @classmethod
    def of(cls, seen: _Calls, now_ms: int) -> _Model:
        from gonogo.detectors.cost.forecast import fit_costs

        digest = hashlib.blake2b(seen.costs.tobytes(), digest_size=8).digest()
        seed = int.from_bytes(digest, "big")
        model = fit_costs(seen.costs, seed=seed, ts_ms=seen.times, now_ms=now_ms)
        return cls(seen, model, float(seen.costs.max()))

    @property
    def days(self) -> tuple[int, int]:
        """The days that it saw, and those beyond today that its calls reach."""
        days, calls = self.model.days, self.seen.group.calls
        return (0, 0) if days is None else (days.seen, math.ceil(days.days_ahead(calls)))

    def totals(self, declared: int | None) -> Floats:
        """Draws of its total, shuffled by its name so that parts are drawn independently.

        Draw by draw the sum of several parts is no less than one of them.
        """
        import numpy as np

        from gonogo.detectors.cost.forecast import spend_draws

        draws = spend_draws(self.model, calls=self.seen.group.calls, declared=declared)
        named = _name_bytes(self.seen.group)
        seed = int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big")
        return np.asarray(np.random.default_rng(seed).permutation(draws))


def _name_bytes(group: CallGroup) -> bytes:
    """A group's name."""
    return "\0".join((*group.names, group.version or "")).encode(errors="surrogatepass")


def _curve(fitted: Sequence[_Model], calls: int, probability: float, totals: Floats) -> Curve:
    """The bound that totals stay within by number of calls, mixed as planned.

    The quick curve, lifted to meet the forecast proper where that was made.
    """
    import numpy as np

    from gonogo.detectors.cost.forecast import quantile_by_calls

    by_calls = np.array([*_CURVE_CALLS, calls], dtype=float)
    order = np.argsort(by_calls, kind="stable")
    values = np.zeros(by_calls.size)
    for each in fitted:
        share = each.seen.group.calls / calls
        values[order] += quantile_by_calls(
            each.model, by_calls[order] * share, probability=probability
        )
    quick = float(values[-1])
    lift = float(np.quantile(totals, probability)) / quick if quick > 0 else 1.0
    return Curve(tuple(_CURVE_CALLS), tuple((values[:-1] * lift).tolist()))


def _method(fitted: Sequence[_Model], *, declared: int | None) -> str:
    from gonogo.detectors.cost.forecast import POOL_CALLS

    share = POOL_CALLS / (POOL_CALLS + min(each.model.n for each in fitted))
    each_by_itself = "" if len(fitted) == 1 else "each dependency by itself, added up: "
    mixed = "declared cost folded in, " if declared is not None else ""
    return (
        f"{each_by_itself}{rate_text(share)} lognormal posterior and {rate_text(1 - share)} "
        f"Dirichlet bootstrap since the last change of regime, {mixed}level drift and days; "
        "retries count as calls"
    )


def _free(calls: int, free: str | None, required: tuple[float, ...]) -> PlannedSpend:
    """Work that calls only what costs nothing."""
    nothing = Curve(tuple(_CURVE_CALLS), (0.0,) * len(_CURVE_CALLS))
    return PlannedSpend(
        grid=(0,) * GRID,
        hold_micro_usd=0,
        worst_micro_usd=0,
        n=0,
        method="nothing that is called has a cost",
        curves=tuple((p, nothing) for p in required),
        calls=calls,
        free=free,
    )
