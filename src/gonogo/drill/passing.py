"""Whether enough replicates of a scenario did what is wanted of it, and in words what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.text.forms import rate_text, signed

if TYPE_CHECKING:
    from gonogo.drill.scenarios import Scenario, Wanted
    from gonogo.drill.trial import Trial

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
