"""The health of a fallback target beside its primary: trust, drift, its newest calls, its provider.

Two paths. Quality: the target's verdict and the chance that it is better than the primary now.
Outage: where the primary is down, waiting for statistics makes it worse; it is enough that the
target answers, and that is judged by its newest calls: a day's share of errors still looks well
minutes after the last good call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.answers import in_points
from gonogo.errors import NotEnoughData, plain
from gonogo.fallback.target_drift import TargetDrift, names_of, not_counting
from gonogo.ports.routes import UNMEASURED, Weight, split_version
from gonogo.ports.signal_reads import ReportTelemetry
from gonogo.ports.target_health import Assessment, OwnRate
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import HOUR_MS, VERDICTS_BY_SEVERITY, HourCounts, worst_verdict
from gonogo.settings import Settings
from gonogo.text.forms import counted, number

if TYPE_CHECKING:
    from gonogo.drift.drift_memory import DriftMemory
    from gonogo.hours.rate_hours import RateStream
    from gonogo.trust.trust_estimate import TrustEstimate

# It does not answer where half of its newest calls failed, or each of the newest few: at 20 %
# errors, five in a row are one in three thousand.
NEWEST_CALLS = 30
DOWN_SHARE = 0.5
DOWN_CALLS_MIN = 5
ANSWERS_WITHIN_MS = 24 * HOUR_MS
DOWN_WITHIN_MS = 2 * HOUR_MS
# How far it had fallen: the worst of the newest hours, by windows with enough labels to tell.
FELL_WINDOWS = ((2, 5), (24, 20), (168, 50))
RATE_MIN = 0.002


class TrustHealth:
    """Health from what was recorded (`ports.routes.Health`)."""

    def __init__(
        self,
        telemetry: ReportTelemetry,
        log: DecisionLog,
        settings: Settings,
        memory: DriftMemory | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._log = log
        self._settings = settings
        self._drift = TargetDrift(telemetry, log, settings, memory)

    async def assess(
        self, target: str, *, primary: str, now_ms: int, asked_by: Sequence[str] = ()
    ) -> Assessment:
        """A target beside the primary; `unknown` where nothing was recorded of it.

        With `asked_by`, it is judged without what those recorded of it in the last day too, and the worse counts.
        """
        if target in UNMEASURED:
            return Assessment(target, "go", "needs no measurement", answers=True)
        if target.startswith("rules:") and not await self.is_known(target):
            return Assessment(target, "go", "rules: nothing to measure", answers=True)
        name, version = await self._parts(target)
        found = await self._estimate(name, version, now_ms)
        if found is None:
            return Assessment(target, "unknown", "nothing was recorded of it")
        answers, answered = await self._answers(name, version, now_ms)
        alone = await self._without(found, version, asked_by, now_ms) if asked_by else found
        if alone is not found and answers is not False:
            answers, answered = await self._answers(name, version, now_ms, asked_by)
        told = _worse(found, alone or found)
        verdict = worst_verdict([told.verdict, "go" if alone else "unknown"])
        why = _why(told) if told is found else not_counting(_why(told), asked_by)
        if alone is None:
            why = f"nobody but {names_of(asked_by)}, who asks for it, recorded anything of it"
        if version is None:
            drift, drifted = await self._drift.look(name, without=asked_by, now_ms=now_ms)
            if drifted:
                why = drifted + (f"; {why}" if told.why else "")
                verdict = worst_verdict([drift, verdict])
        if doubt := await self._doubt(name, now_ms):
            verdict = worst_verdict(["caution", verdict])
            why += doubt
        assessed = Assessment(
            target,
            verdict,
            why,
            told.score,
            answers=answers,
            answered=answered,
            suspected=await self._suspected(found, now_ms),
        )
        if name == primary and version is None:
            return assessed
        return replace(
            assessed, p_better=await self._better((found, told), primary, asked_by, now_ms)
        )

    async def _better(
        self, target: Sequence[TrustEstimate], primary: str, asked_by: Sequence[str], now_ms: int
    ) -> float | None:
        """The chance that a target is better than the primary now, the least of how both can be seen.

        The primary is seen without what who asks said against it, too; None where nobody else tells of it.
        """
        from gonogo.trust.trust_estimate import p_better

        whole = await self._primary(primary, now_ms)
        others = None if whole is None else await self._without(*whole, asked_by, now_ms)
        if whole is None or others is None:
            return None
        return min(p_better(one, other) for one in target for other in (whole[0], others))

    async def is_down(self, dependency: str, *, now_ms: int, asked_by: Sequence[str] = ()) -> bool:
        """Whether its newest calls of the last two hours failed outright, among at least 5.

        By what others than `asked_by` recorded, and whoever blames it beside a golden set that answers well:
        an outage lets an ill target pass.
        """
        from gonogo.trust.writers import doubts_about

        if await self.outage(dependency, now_ms=now_ms, without=asked_by) is None:
            return False
        doubts = await doubts_about(self._telemetry, self._settings, dependency, now_ms=now_ms)
        others = [*asked_by, *doubts.aside]
        return (
            not doubts.is_blame
            or await self.outage(dependency, now_ms=now_ms, without=others) is not None
        )

    async def outage(
        self, dependency: str, *, now_ms: int, without: Sequence[str] = ()
    ) -> str | None:
        """Describe the failures of a target that is down; None where it is not."""
        errors = await self._telemetry.newest_calls(
            dependency,
            version=None,
            since_ms=now_ms - DOWN_WITHIN_MS,
            until_ms=now_ms,
            limit=NEWEST_CALLS,
            without=without,
        )
        if len(errors) < DOWN_CALLS_MIN or not is_failing(errors):
            return None
        codes = Counter(error for error in errors if error is not None)
        most = ", ".join(f"{code} {n}" for code, n in codes.most_common(3))
        calls = counted(len(errors), "call")
        return f"{codes.total()} of its newest {calls} failed ({most})"

    async def answers(self, target: str, *, now_ms: int) -> tuple[bool | None, str]:
        """Whether a target's newest calls came back, in words too; None without any of the last day."""
        return await self._answers(*await self._parts(target), now_ms)

    async def _answers(
        self, name: str, version: str | None, now_ms: int, without: Sequence[str] = ()
    ) -> tuple[bool | None, str]:
        errors = await self._telemetry.newest_calls(
            name,
            version=version,
            since_ms=now_ms - ANSWERS_WITHIN_MS,
            until_ms=now_ms,
            limit=NEWEST_CALLS,
            without=without,
        )
        if not errors:
            others = " by anybody else" if without else ""
            return None, f"it was not called{others} in the last 24 h"
        failed = sum(error is not None for error in errors)
        return not is_failing(
            errors
        ), f"{failed} of its newest {counted(len(errors), 'call')} failed"

    async def _doubt(self, name: str, now_ms: int) -> str:
        """Name who recorded calls of a target that disagree with its golden set; empty where nobody did."""
        from gonogo.trust.writers import doubts_about

        doubts = await doubts_about(self._telemetry, self._settings, name, now_ms=now_ms)
        who = plain(doubts.named[0].writer, 80) if doubts.named else ""
        return f"; what {who} recorded disagrees with the golden set" if who else ""

    async def _suspected(self, found: TrustEstimate, now_ms: int) -> str | None:
        """Name the target's provider, where several of its dependencies fail together now."""
        from gonogo.trust.providers import failing_provider

        provider = self._settings.dependency(found.dependency).provider or found.known.provider
        if provider is None:
            return None
        failing = await failing_provider(self._telemetry, self._settings, provider, now_ms=now_ms)
        if failing is None:
            return None
        return f"its provider {provider} is suspected: {', '.join(failing.dependencies[:3])} fail together"

    async def own_rates(
        self,
        dependency: str,
        *,
        fallback: Sequence[Weight],
        fell_ms: int,
        since_ms: int,
        now_ms: int,
    ) -> list[OwnRate]:
        """The rates of its own calls since a stage began, beside the baseline that drift uses.

        Still ill is halfway back from where it had fallen, and at least `min_effect` off. Outcomes
        are read when their hour is mature, as drift reads them.
        """
        from gonogo.drift.baseline import accepted_baseline, choose_baseline
        from gonogo.hours.measured import own_for, rates_of
        from gonogo.hours.rate_hours import LAG_METRIC, maturity, rate_stream

        own = self._settings.dependency(dependency)
        counts = await self._telemetry.hours(dependency)
        accepted = await accepted_baseline(self._log, dependency)
        kept = _without(counts, [split_version(w.target) for w in fallback], dependency)
        lags = await self._telemetry.histograms(dependency, LAG_METRIC)
        lag = maturity(lags, as_of_ms=now_ms)
        found = []
        known = await self._telemetry.dependency(dependency)
        for metric in () if known is None else rates_of(known, counts, own):
            end_hour = now_ms // HOUR_MS + 1 if metric == "error" else lag.end_hour(now_ms)
            stream = rate_stream(counts, metric, golden=False).between(None, end_hour)
            hours = choose_baseline(stream, counts, own, accepted, zone=self._settings.timezone)
            if hours is None:
                continue
            before = stream.between(hours.start_hour, hours.end_hour)
            least = own_for(before, own).min_effect
            well = before.bad_rate if hours.declared_bad is None else hours.declared_bad
            well = min(max(well, RATE_MIN), 1 - least - RATE_MIN)
            fell = _fell_to(stream, fell_ms // HOUR_MS) - well
            since = since_ms // HOUR_MS
            own_calls = rate_stream(kept, metric, golden=False).between(since, end_hour)
            trial, first = own_calls.between(since + 1, None), own_calls.between(None, since + 1)
            found.append(
                OwnRate(
                    metric=metric,
                    well=well,
                    ill=min(well + max(least, fell / 2), 1 - RATE_MIN),
                    fell=fell >= least / 2,
                    n=trial.n,
                    bad=trial.bad,
                    n_now=float(first.n.sum()),
                    bad_now=float(first.bad.sum()),
                )
            )
        return found

    async def is_known(self, dependency: str) -> bool:
        """Whether anything was ever recorded of it, or of this version of it."""
        name, version = await self._parts(dependency)
        known = await self._telemetry.dependency(name)
        if known is None or version is None:
            return known is not None
        return any(seen.version == version for seen in known.versions)

    async def _parts(self, target: str) -> tuple[str, str | None]:
        if await self._telemetry.dependency(target) is not None:
            return target, None
        return split_version(target)

    async def _primary(self, primary: str, now_ms: int) -> tuple[TrustEstimate, str | None] | None:
        """The primary as it serves now, and its newest version, where it states versions."""
        known = await self._telemetry.dependency(primary)
        versions = [seen for seen in known.versions if seen.version] if known else []
        newest = max(versions, key=lambda seen: seen.newest_ts_ms, default=None)
        version = newest.version if newest else None
        found = await self._estimate(primary, version, now_ms)
        return None if found is None else (found, version)

    async def _estimate(self, name: str, version: str | None, now_ms: int) -> TrustEstimate | None:
        from gonogo.trust.estimate_without import estimate_again, judged_estimate, of_version

        known = await self._telemetry.dependency(name)
        if known is None:
            return None
        try:
            whole = await judged_estimate(self._telemetry, self._settings, name, now_ms)
        except NotEnoughData:
            return None
        if version is None:
            return whole
        seen = next((seen for seen in known.versions if seen.version == version), None)
        counts = of_version(whole.counts, version)
        if seen is None or not counts.n.sum():
            return None
        seen_alone = replace(known, n=seen.n, newest_ts_ms=seen.newest_ts_ms)
        return await estimate_again(
            self._telemetry, self._settings, replace(whole, known=seen_alone, counts=counts), now_ms
        )

    async def _without(
        self, found: TrustEstimate, version: str | None, writers: Sequence[str], now_ms: int
    ) -> TrustEstimate | None:
        """The estimate without what some recorded in the last day; None where that is all there is."""
        from gonogo.trust.estimate_without import estimate_without

        return await estimate_without(
            self._telemetry,
            self._settings,
            found,
            [*writers, *found.doubts.aside],
            now_ms=now_ms,
            version=version,
        )


def _worse(found: TrustEstimate, alone: TrustEstimate) -> TrustEstimate:
    """The worse of two estimates of a target; the first where they are equal."""
    return max(
        (found, alone), key=lambda one: (VERDICTS_BY_SEVERITY.index(one.verdict), -one.score)
    )


def _why(told: TrustEstimate) -> str:
    return told.why or f"{number(in_points(told.score))}% of its calls are good"


def _without(
    counts: HourCounts, targets: Sequence[tuple[str, str | None]], dependency: str
) -> HourCounts:
    """The calls of a dependency that none of its own versions among the targets answered."""
    from gonogo.hours.counts import hours_where

    away = [version for name, version in targets if name == dependency and version is not None]
    places = [counts.versions.index(version) for version in away if version in counts.versions]
    kept = counts.version >= 0
    for place in places:
        kept &= counts.version != place
    return hours_where(counts, kept)


def is_failing(errors: Sequence[str | None]) -> bool:
    """Whether the newest calls, newest first, say that it does not answer; pure.

    Args:
        errors: Each call's error, or None where it came back; at least one.
    """
    newest = errors[:DOWN_CALLS_MIN]
    in_a_row = len(newest) == DOWN_CALLS_MIN and None not in newest
    return in_a_row or sum(error is not None for error in errors) >= DOWN_SHARE * len(errors)


def _fell_to(stream: RateStream, hour: int) -> float:
    """The worst bad rate of the newest hours up to one; 0 where there were too few labels."""
    windows = [(stream.between(hour + 1 - hours, hour + 1), n) for hours, n in FELL_WINDOWS]
    return max((seen.bad_rate for seen, n in windows if seen.labels >= n), default=0.0)
