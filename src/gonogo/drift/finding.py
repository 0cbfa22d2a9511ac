"""One metric's finding, before it is put into words, and the question that led to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gonogo.answers import (
    Baseline,
    Change,
    Current,
    DriftStatus,
    Effect,
    Evidence,
    GoldenPairs,
    MixShift,
    Onset,
    SignalKind,
    Trend,
    rfc3339,
    rounded,
)
from gonogo.records import HOUR_MS

if TYPE_CHECKING:
    from gonogo.detectors.rate.onset import OnsetFit
    from gonogo.records import Ints

# log10 of the largest e-value that is written out; the exact one stands beside it.
LOG10_E_MAX = 300.0
# A baseline whose days spread less than this share of its mean is constant but for rounding.
SPREAD_MIN = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftQuestion:
    """The question that `check_model_drift` was asked."""

    dependency: str
    metric: str | None = None
    segment: str | None = None
    baseline_version: str | None = None
    version: str | None = None
    since: str | None = None
    until: str | None = None
    detail: Literal["brief", "full"] = "brief"

    def arguments(self) -> dict[str, object]:
        """The arguments that were given, ready to be sent again."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {k: v for k, v in given.items() if v is not None and (k, v) != ("detail", "brief")}

    @property
    def compares(self) -> bool:
        """Whether two named versions or periods are held against each other, once."""
        return any((self.baseline_version, self.version, self.since))

    @property
    def is_about_now(self) -> bool:
        """Whether the answer speaks for the dependency as it is: an incident may rest on it."""
        return not self.compares and self.until is None and self.segment is None

    @property
    def is_about_the_whole(self) -> bool:
        """Whether the answer is one on the whole dependency, now: its standing verdict rests on it."""
        return self.is_about_now and self.metric is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The finding of one metric.

    `told`: how a change reads, where it is no change of a mean; `effect` has its figures. Where nothing can be said, `why`
    is the reason, a clause without its full stop, and `missing` what to do about it. `newest_ts_ms`: the end of the
    newest data it rests on. `rest`: adds what only the decisive finding shows.
    """

    metric: str
    status: DriftStatus
    segment: str | None = None
    kind: SignalKind = "rate"
    told: str | None = None
    effect: Effect | None = None
    baseline: Baseline | None = None
    current: Current | None = None
    change: Change | None = None
    evidence: Evidence | None = None
    onset: Onset | None = None
    trend: Trend | None = None
    golden: GoldenPairs | None = None
    mix: MixShift | None = None
    detectable_now: float | None = None
    why: str | None = None
    missing: str | None = None
    newest_ts_ms: int | None = None
    notes: tuple[str, ...] = ()
    rest: Callable[[Finding], Finding] | None = None

    def whole(self) -> Finding:
        """This finding completed by the fields that `rest` computes."""
        return self if self.rest is None else replace(self.rest(self), rest=None)

    @property
    def strength(self) -> float:
        """Evidence over what is needed, log10: above 0 it alarms."""
        if self.evidence is None:
            return -math.inf
        return self.evidence.log10_e - math.log10(self.evidence.needed)


def evidence_of(
    log10_e: float,
    *,
    needed: float,
    guarantee: str,
    level: Literal["suggestive", "small"] | None = None,
) -> Evidence:
    """An e-value as it is shown: capped where a float would end, exact as a logarithm."""
    return Evidence(
        e_value=10 ** min(max(log10_e, -LOG10_E_MAX), LOG10_E_MAX),
        log10_e=max(log10_e, -LOG10_E_MAX),
        needed=needed,
        level=level,
        guarantee=guarantee,
    )


def change_of(
    before: float,
    after: float,
    *,
    interval95: tuple[float, float] | None,
    baseline_sd: float | None = None,
    shrunk: float | None = None,
) -> Change:
    """The change as it is reported: the difference of the two means as they are shown.

    `baseline_sd` is of the baseline's daily means (`sd_of_days`); `shrunk` an estimate of the change that allows
    for its having been picked for looking large. What is smaller than a billionth of the means
    is what adding them up left over, and no change.
    """
    before, after = rounded(before), rounded(after)
    least = SPREAD_MIN * max(abs(before), abs(after))

    def cleaned(value: float) -> float:
        return 0.0 if abs(value) <= least else value

    absolute = cleaned(after - before)
    if interval95 is not None:
        low, high = map(cleaned, interval95)
        # The means were rounded to be shown, so their difference may have left a narrow interval.
        interval95 = min(low, absolute), max(high, absolute)
    in_sd = None
    if baseline_sd and baseline_sd > SPREAD_MIN * abs(before):
        in_sd = absolute / baseline_sd
    return Change(
        absolute=absolute,
        relative=absolute / before if before else None,
        interval95=interval95,
        in_baseline_sd=in_sd,
        shrunk=shrunk,
    )


def onset_of(fit: OnsetFit, hour: Ints) -> Onset:
    """A fitted onset in times; `hour` of each batch that it was fitted to.

    It may have begun at any time since the last hour that had values before it.
    """
    earliest = int(hour[fit.earliest - 1]) + 1
    return Onset(
        ts=hour_start(max(math.ceil(fit.moment), earliest)),
        earliest=hour_start(earliest),
        latest=hour_end(int(hour[fit.latest])),
        shape=fit.shape,
    )


def hour_start(hour: int) -> str:
    """The start of an hour in the form that answers show."""
    return rfc3339(hour * HOUR_MS)


def hour_end(hour: int) -> str:
    """The end of an hour in the form that answers show."""
    return rfc3339((hour + 1) * HOUR_MS)
