"""The way back to the primary: stage by stage on evidence, away again at once, held by people.

While a fallback is in force a small share stays on the primary. Its own calls are on trial
(`detectors.trials`): when they are well, it gets 5 %, then 25, 50 and 100 %, each stage on calls
made during it. Calls that are bad, or an outage, lead back to the fallback at once. A fallback
that is due is looked at, never taken back blindly: still ill renews it, not known leaves it.

Each step is a plan of its own, so it is fenced, read back, audited and reconciled like any other,
and two watchers cannot take it twice. A route that a person holds is left alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from gonogo.fallback.apply import RETURN
from gonogo.fallback.conditions import not_held
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.plan import LEASE_MS, RETURN_STAGES, shifted
from gonogo.fallback.route import RENEWALS_MAX
from gonogo.fallback.step import ACTOR, take_step
from gonogo.fallback.traffic import unseen
from gonogo.incidents.along_route import note_stuck
from gonogo.ports.routes import WHOLE, Check, Recovery, Route, Weight
from gonogo.ports.target_health import OwnRate
from gonogo.records import HOUR_MS, MICRO, Decision, Verdict
from gonogo.text.forms import counted, number, rate_text, share_text

if TYPE_CHECKING:
    from gonogo.detectors.rate.trials import TrialRun

# A stage lasts at least this long, however good the evidence is.
DWELL_MS = HOUR_MS
_BAD_ONES = {
    "outcome": "wrong outcomes",
    "complaint": "complaints",
    "praise": "calls without praise",
}
BAD_START = "the calls of its first hour are ill"

Move = Literal["advance", "leave", "renew", "wait"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The evidence of the primary's own calls: `failed` trials, and whether it is well, ill or neither."""

    is_well: bool
    is_ill: bool
    failed: int
    why: str


@dataclass(frozen=True, slots=True)
class RecoveryOutcome:
    """The outcome of one look at a route."""

    dependency: str
    move: Move
    why: str


async def recover(ports: FallbackPorts, *, now_ms: int) -> list[RecoveryOutcome]:
    """Look once at every fallback that is in force, and take the step that its evidence allows.

    Idempotent: looking again, from any process, changes nothing until there is new evidence.

    Returns:
        Every route that was looked at; none of those that people hold or split.
    """
    worked_on = {plan.dependency for plan in await ports.routes.begun()}
    found = []
    for route in await ports.routes.routes():
        if route.recovery is None or not route.recovery.fallback or route.holder(now_ms):
            continue
        denied = ports.settings.dependency(route.dependency).fallback_policy == "deny"
        if route.dependency not in worked_on and not denied:
            found.append(await _looked_at(ports, route, route.recovery, now_ms))
    return found


def judge(rates: list[OwnRate], *, tried: int, is_trying: bool) -> Judgement:
    """Weigh the primary's own calls of a stage; pure.

    Rates that had fallen have to show that they are well; the others only must not turn ill. Where
    none had fallen (it left for another reason) all of them have to.

    Args:
        rates: Its rates that have a baseline.
        tried: Trials before this stage; only counted while the primary is merely watched.
        is_trying: A stage that gives the primary more: one trial, and the hour in which it began
            counts against it.
    """
    from gonogo.detectors.rate.trials import run_trials

    runs = []
    for rate in rates:
        weigh = partial(run_trials, well_rate=rate.well, ill_rate=rate.ill)
        run = weigh(rate.n, rate.bad, tried=0 if is_trying else tried)
        if is_trying and not run.failed:
            early = weigh([rate.n_now, *rate.n], [rate.bad_now, *rate.bad])
            run = replace(run, failed=early.failed)
        runs.append(run)
    fallen = [run for rate, run in zip(rates, runs, strict=True) if rate.fell] or runs
    failed = max((run.failed for run in runs), default=0)
    return Judgement(
        is_well=bool(fallen)
        and all(run.is_well for run in fallen)
        and not any(_is_against(run) for run in runs)
        and not (is_trying and failed),
        is_ill=any(_is_against(run) for run in fallen),
        failed=failed,
        why="; ".join(_told(*pair) for pair in zip(rates, runs, strict=True) if pair[0].n.any()),
    )


def _is_against(run: TrialRun) -> bool:
    """Whether its newest calls speak for ill."""
    return run.nats < 0 or (run.failed > 0 and run.nats == 0)


def _told(rate: OwnRate, run: TrialRun) -> str:
    what = _BAD_ONES.get(rate.metric, "errors")
    limits = f"(well {rate_text(rate.well)}, ill from {rate_text(rate.ill)})"
    if run.failed and not run.is_well:
        n, bad = float(rate.n.sum()), float(rate.bad.sum())
        return f"{rate_text(bad / n)} {what} in {_calls(n)} {limits}: {counted(run.failed, 'trial')} failed"
    evidence = math.exp(min(run.nats, math.log(MICRO)))
    return (
        f"{rate_text(run.bad / run.n)} {what} in {_calls(run.n)} {limits}, evidence "
        f"{number(evidence)} of {number(math.exp(run.needed_nats))} that it is well"
    )


def _calls(n: float) -> str:
    return counted(round(n), "call")


async def _looked_at(
    ports: FallbackPorts, route: Route, recovery: Recovery, now_ms: int
) -> RecoveryOutcome:
    name, is_trying = route.dependency, route.targets != recovery.fallback
    rates = await ports.health.own_rates(
        name,
        fallback=[weight for weight in recovery.fallback if weight.target != route.home],
        fell_ms=recovery.fell_ms,
        since_ms=recovery.since_ms,
        now_ms=now_ms,
    )
    said = judge(rates, tried=recovery.tried, is_trying=is_trying)
    if is_trying:
        down = await ports.health.is_down(name, now_ms=now_ms)
        if down or said.failed:
            why = "half or more of its newest calls failed" if down else said.why or BAD_START
            after, reason = recovery.fallback, f"{name} is not well on trial: {why}"
            dead = await _dead_fallback(ports, recovery, name, now_ms)
            if dead is not None and not down:
                stays = f"{reason}; it stays where it is, since {dead}: a person has to decide"
                await _tell_stuck(ports, name, stays, now_ms)
                return RecoveryOutcome(name, "wait", stays)
            await _step(ports, route, after, recovery, reason, now_ms)
            return RecoveryOutcome(name, "leave", reason)
    rested = now_ms - recovery.since_ms >= DWELL_MS
    if said.is_well and rested and route.primary_share:
        return await _advanced(ports, route, recovery, said, now_ms)
    if not is_trying and route.expires_ms is not None and now_ms >= route.expires_ms:
        return await _due(ports, route, said, now_ms)
    blind = unseen(route, await ports.telemetry.dependency(name), now_ms)
    return RecoveryOutcome(name, "wait", said.why or blind or f"no calls of {name} to judge yet")


async def _dead_fallback(
    ports: FallbackPorts, recovery: Recovery, name: str, now_ms: int
) -> str | None:
    """The reason not to go back to a fallback that no longer answers."""
    main = max(recovery.fallback, key=lambda weight: weight.share).target
    health = await ports.health.assess(main, primary=name, now_ms=now_ms)
    return f"{main}: {health.answered}" if health.answers is False else None


async def _tell_stuck(ports: FallbackPorts, name: str, why: str, now_ms: int) -> None:
    """Log that the way back cannot go on by itself, and put it before people."""
    entry = _entry(ports, name, "no_go", why, now_ms, action=False)
    ports.decisions.note(entry)
    await note_stuck(
        ports.incidents, name, why=why, actor=ACTOR, decision_id=entry.id, now_ms=now_ms
    )


async def _advanced(
    ports: FallbackPorts, route: Route, recovery: Recovery, said: Judgement, now_ms: int
) -> RecoveryOutcome:
    name = route.dependency
    share = next(stage for stage in RETURN_STAGES if stage > route.primary_share)
    after = shifted(route, route.home, share, ports.settings.dependency(name).fallback)
    is_watched = route.targets == recovery.fallback
    returns = replace(
        recovery,
        tried=recovery.tried + (said.failed + 1 if is_watched else 0),
        fallback=() if share == WHOLE else recovery.fallback,
    )
    reason = f"{name} is well, {share_text(share / WHOLE)} back on it: {said.why}"
    await _step(ports, route, after, returns, reason, now_ms)
    return RecoveryOutcome(name, "advance", reason)


async def _step(
    ports: FallbackPorts,
    route: Route,
    after: tuple[Weight, ...],
    returns: Recovery,
    reason: str,
    now_ms: int,
) -> None:
    """The yes to the fallback was a yes to its way back: a step asks nobody."""
    checks = (
        Check("evidence", True, reason, "always"),
        not_held(route, now_ms),
        Check("state_version", True, f"version {route.version}", "always"),
    )
    await take_step(
        ports,
        route,
        after,
        kind=RETURN,
        reason=reason,
        checks=checks,
        returns=returns,
        now_ms=now_ms,
    )


async def _due(ports: FallbackPorts, route: Route, said: Judgement, now_ms: int) -> RecoveryOutcome:
    """A fallback that is due: renewed where the primary is still ill, else left where it is."""
    name = route.dependency
    if not said.is_ill:
        blind = unseen(route, await ports.telemetry.dependency(name), now_ms)
        seen = f" ({blind})" if blind else ""
        why = (
            f"not known whether {name} is well again: the fallback stays until a person looks{seen}"
        )
        ports.decisions.note(_entry(ports, name, "unknown", why, now_ms, action=False))
        return RecoveryOutcome(name, "wait", why)
    if route.renewals >= RENEWALS_MAX:
        why = f"{name} is still ill after {RENEWALS_MAX} renewals: a person has to decide"
        await _tell_stuck(ports, name, why, now_ms)
        return RecoveryOutcome(name, "wait", why)
    why = f"{name} is still ill, renewed {route.renewals + 1} of {RENEWALS_MAX} times: {said.why}"
    entry = _entry(ports, name, "no_go", why, now_ms, action=True)

    def renewed(found: Route) -> tuple[Route, Decision] | None:
        if found.version != route.version:
            return None
        later = replace(found, expires_ms=now_ms + LEASE_MS, renewals=found.renewals + 1)
        return later, entry

    await ports.routes.amend(name, renewed, now_ms=now_ms)
    return RecoveryOutcome(name, "renew", why)


def _entry(
    ports: FallbackPorts, dependency: str, verdict: Verdict, why: str, now_ms: int, *, action: bool
) -> Decision:
    return Decision(
        id=ports.new_id(),
        ts_ms=now_ms,
        kind=RETURN,
        verdict=verdict,
        summary=why,
        inputs=json.dumps({"dependency": dependency}),
        answer=json.dumps({"why": why}),
        action=action,
        dependency=dependency,
        actor=ACTOR,
        settings_digest=ports.settings.digest,
    )
