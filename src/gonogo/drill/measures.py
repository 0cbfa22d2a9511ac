"""The trials together: whether enough of them did what is wanted, a line for each scenario, and what the plan lacks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING

from gonogo.answers import rfc3339
from gonogo.answers.drill_report import DrillReport, DrillScenario
from gonogo.drill.scenarios import SCENARIOS, Scenario
from gonogo.errors import plain
from gonogo.records import DAY_MS, HOUR_MS, MICRO
from gonogo.text.forms import counted, number, rate_text, signed

if TYPE_CHECKING:
    from gonogo.drill.drill_run import DrillRequest
    from gonogo.drill.scenarios import Scenario, Wanted
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


# A scenario passes where this share of its replicates did what was wanted.
PASS_SHARE = 0.8
SWITCHES_MAX = 2
# What a bad candidate must not reach: until there a stage excludes less than it is worse by.
QUARTER = 0.25
# A budget that is not hard may pass its limit a little: by this much its check has refused in time.
OVER_MAX = 1.1

# How many did what was wanted, and what they did.
Done = tuple[int, str]


def enough_did(scenario: Scenario, kept: Sequence[Trial]) -> tuple[bool, str]:
    """Whether enough replicates did what was wanted; `kept` are those that were not raised too early."""
    n = len(kept)
    if not n:
        return False, "every replicate was raised before anything happened"
    good, told = _DONE[scenario.wanted](kept)
    return good >= PASS_SHARE * n, f"{good} of {n} {told}"


def count(trials: Sequence[Trial], holds: Callable[[Trial], bool]) -> int:
    """How many of them it holds of."""
    return sum(holds(trial) for trial in trials)


def mean_moved(trials: Sequence[Trial]) -> float | None:
    """By how much what a scenario moves became better, in the mean; None where it moves nothing."""
    known = [trial.moved for trial in trials if trial.moved is not None]
    return fmean(known) if known else None


def _is_noticed(trial: Trial) -> bool:
    return trial.noticed_ms is not None


def _went_well(trial: Trial) -> bool:
    return trial.fired_ms is not None and trial.target_ok is not False


def _left(kept: Sequence[Trial]) -> Done:
    unseen = count(
        kept, lambda t: t.fired_ms is not None and t.dead is not None and t.dead == t.target
    )
    told = "noticed and switched to a healthy target"
    if unseen:
        told = f"noticed and switched, {unseen} of them to what had died unseen"
    return count(kept, _went_well), told


def _reached(kept: Sequence[Trial]) -> Done:
    good = count(kept, lambda t: _went_well(t) and not t.unheard)
    return good, "switched to a healthy target, and no receiver was left untold"


def _went_back(kept: Sequence[Trial]) -> Done:
    in_time = count(kept, _is_noticed)
    good = count(kept, lambda t: 0 < t.reached < QUARTER)
    return good, f"gave it less than a quarter of the calls, {in_time} took it back in time"


def _seen_by_golden_set(kept: Sequence[Trial]) -> Done:
    return count(kept, _is_noticed), f"saw it on the golden set, which moved by {_points(kept)}"


def _blameless(kept: Sequence[Trial]) -> Done:
    good = count(kept, lambda t: not t.alarms and not t.switches)
    named = count(kept, _is_noticed)
    return good, (
        f"did not call it a fault, while the whole moved by {_points(kept)}; {named} named the mix"
    )


def _within_limits(kept: Sequence[Trial]) -> Done:
    good = count(kept, lambda t: (t.refused[1] if t.refused else t.spent) <= OVER_MAX)
    first = Counter(t.refused[0] for t in kept if t.refused is not None)
    if not first:
        largest = max(t.spent for t in kept)
        return good, f"stayed within every limit: at most {rate_text(largest)} of one was used"
    budget, _ = first.most_common(1)[0]
    share = median(t.refused[1] for t in kept if t.refused is not None)
    used = f"when {rate_text(share)} of a limit was used"
    return good, f"stayed within the limits: {plain(budget, 80)} refused first, {used}"


def _noticed_and_stayed(kept: Sequence[Trial]) -> Done:
    return count(kept, lambda t: _is_noticed(t) and t.switches == 0), "noticed, and stayed"


def _no_longer_go(kept: Sequence[Trial]) -> Done:
    good = count(kept, lambda t: _is_noticed(t) and t.fired_ms is None)
    return good, "no longer said go, and stayed"


def _steady(kept: Sequence[Trial]) -> Done:
    good = count(kept, lambda t: t.switches <= SWITCHES_MAX)
    return good, f"switched at most {SWITCHES_MAX} times"


def _points(trials: Sequence[Trial]) -> str:
    mean = mean_moved(trials)
    return "an unknown amount" if mean is None else f"{signed(round(100 * mean, 1))} points"


_DONE: Mapping[Wanted, Callable[[Sequence[Trial]], Done]] = {
    "fallback": _left,
    "refuse": _left,
    "reach": _reached,
    "back": _went_back,
    "golden": _seen_by_golden_set,
    "blameless": _blameless,
    "limit": _within_limits,
    "notice": _noticed_and_stayed,
    "unknown": _no_longer_go,
    "steady": _steady,
}
