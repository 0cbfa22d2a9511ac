"""The trials together: a line for each scenario, what passes, and what the plan lacks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING

from gonogo.answers import rfc3339
from gonogo.answers.drill_report import DrillReport, DrillScenario
from gonogo.drill.passing import count, enough_did, mean_moved
from gonogo.drill.scenarios import SCENARIOS, Scenario
from gonogo.records import DAY_MS, HOUR_MS, MICRO
from gonogo.text.forms import counted, number

if TYPE_CHECKING:
    from gonogo.drill.drill_run import DrillRequest
    from gonogo.drill.trial import Trial, TrialInputs

YEAR_MS = 365.25 * DAY_MS
PROBLEMS_SHOWN = 6


def report(
    ground: TrialInputs, asked: DrillRequest, trials: Sequence[Trial], *, now_ms: int
) -> DrillReport:
    """Sum up a drill."""
    own = ground.settings.dependency(ground.dependency)
    lines = [
        _line(SCENARIOS[name], [t for t in trials if t.scenario == name], own.false_alarms_per_year)
        for name in asked.scenarios
        if name not in ground.left_out
    ]
    failed = [line.scenario for line in lines if not line.passed]
    calls = ground.pasts[ground.dependency].calls.ts_ms
    first_ms = int(calls[0]) // DAY_MS * DAY_MS
    steps = [*ground.gaps, *_problems(trials)]
    left = {name: why for name, why in ground.left_out.items() if name in asked.scenarios}
    told = f"failed: {', '.join(failed)}" if failed else "every scenario did what was wanted"
    return DrillReport(
        verdict="no_go" if failed else "go",
        summary=f"Drill of {ground.dependency} {'failed' if failed else 'passed'}: of "
        f"{counted(len(lines), 'scenario')} with {counted(asked.replicates, 'replicate')} each, {told}."
        + (f" {counted(len(steps), 'step is', 'steps are')} missing in the plan." if steps else "")
        + (f" Not rehearsed: {', '.join(left)}." if left else ""),
        as_of=rfc3339(now_ms),
        dependency=ground.dependency,
        passed=not failed,
        policy=own.fallback_policy,
        answers_after_min=asked.answer_after_min,
        seed=asked.seed,
        replicates=asked.replicates,
        days=asked.days,
        history={"start": rfc3339(first_ms), "end": rfc3339(ground.begin_ms)},
        played=1 / ground.pasts[ground.dependency].thinned,
        scenarios=lines,
        missing_steps=steps,
        not_rehearsed=[f"{name}: {why}" for name, why in left.items()] or None,
    )


def unready(asked: DrillRequest, why: str, policy: str, *, now_ms: int) -> DrillReport:
    """The answer where there is not enough history."""
    return DrillReport.model_validate(
        {
            "verdict": "unknown",
            "summary": why,
            "as_of": rfc3339(now_ms),
            "dependency": asked.dependency,
            "policy": policy,
            "seed": asked.seed,
            "replicates": asked.replicates,
            "days": asked.days,
            "scenarios": [],
            "missing_steps": [],
        }
    )


def _line(scenario: Scenario, trials: Sequence[Trial], promised: float) -> DrillScenario:
    kept = [trial for trial in trials if not trial.early]
    noticed = [t for t in kept if t.noticed_ms is not None]
    fired = [t for t in kept if t.fired_ms is not None]
    recovered = [t for t in fired if t.recovered_ms is not None]
    waits = [_hours(t.noticed_ms, t.start_ms) for t in noticed]
    is_control = scenario.wanted == "quiet"
    passed, why = _control(kept, promised) if is_control else enough_did(scenario, kept)
    extra = [t.extra_micro_usd / MICRO for t in kept if t.extra_micro_usd is not None]
    alarms = sum(t.alarms for t in kept)
    years = sum(t.end_ms - t.start_ms for t in kept) / YEAR_MS
    return DrillScenario(
        scenario=scenario.name,
        told=scenario.told,
        passed=passed,
        why=why,
        replicates=len(trials),
        early=len(trials) - len(kept),
        noticed=0 if is_control else len(noticed),
        missed=0 if is_control else len(kept) - len(noticed),
        detect_hours=median(waits) if waits and not is_control else None,
        detect_interval80_hours=_interval80(waits) if waits and not is_control else None,
        false_alarms=alarms if is_control else None,
        false_alarms_per_year=alarms / years if is_control else None,
        false_alarms_interval95=_a_year(alarms, years) if is_control else None,
        moved=mean_moved(kept),
        bad_decisions=median([t.hurt for t in kept]) if kept else 0,
        fired=len(fired),
        target_healthy=count(fired, lambda t: t.target_ok is not False) if fired else None,
        targets=sorted({t.target for t in fired if t.target is not None}),
        extra_cost_usd=median(extra) if extra else None,
        recovered=len(recovered) if scenario.lasts_ms is not None else None,
        recover_hours=median(_hours(t.recovered_ms, t.start_ms) for t in recovered)
        if recovered
        else None,
        switches=fmean(t.switches for t in kept) if kept else 0,
    )


def _control(kept: Sequence[Trial], promised: float) -> tuple[bool, str]:
    """False alarms fail the drill where even the low end of their rate is above the promise."""
    years = sum(t.end_ms - t.start_ms for t in kept) / YEAR_MS
    alarms = sum(t.alarms for t in kept)
    low, high = _a_year(alarms, years)
    told = (
        f"{counted(alarms, 'false alarm')} in {number(round(years, 2))} rehearsed years "
        f"({number(round(low, 2))} to {number(round(high, 2))} a year)"
    )
    return low <= promised, f"{told}, {number(promised)} a year promised"


def _a_year(alarms: int, years: float) -> tuple[float, float]:
    low, high = poisson_interval95(alarms)
    return low / years, high / years


def poisson_interval95(count: int) -> tuple[float, float]:
    """The exact interval of a Poisson mean (Garwood 1936), by bisection."""
    low = _solved(lambda mean: 1 - _at_most(count - 1, mean), 0.025, count) if count else 0.0
    return low, _solved(lambda mean: 1 - _at_most(count, mean), 0.975, count)


def _at_most(count: int, mean: float) -> float:
    return math.fsum(
        math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)
    )


def _solved(rising: Callable[[float], float], wanted: float, count: int) -> float:
    low, high = 1e-9, 2.0 * count + 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2


def _hours(at_ms: int | None, since_ms: int) -> float:
    return ((at_ms or since_ms) - since_ms) / HOUR_MS


def _interval80(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    cut = (len(ordered) - 1) * 0.1
    return ordered[math.floor(cut)], ordered[-1 - math.floor(cut)]


def _problems(trials: Sequence[Trial]) -> list[str]:
    """List the obstacles that replicates met, most frequent first."""
    met: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for trial in trials:
        for problem in trial.problems[:1]:
            # Those that differ in their numbers and ids alone are one.
            key = trial.scenario, re.sub(r"plan-\w+|[\d.]+", "", problem)
            met[key] += 1
            first.setdefault(key, problem)
    return [
        f"{key[0]}, in {times} of its replicates: {first[key]}"
        for key, times in met.most_common(PROBLEMS_SHOWN)
    ]
