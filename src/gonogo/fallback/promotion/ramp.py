"""A promotion's steps: on when its evidence allows, back at once when the candidate is worse.

A step up waits for nobody where the promotion's policy is `allow` or `confirm`; under `ask` and
`person`, and where who asked for it vouches for it, it is a plan that a person approves, judged again when
they do. A step back waits for nobody.
Each is a plan of its own, so it is fenced, read back, audited and reconciled like any other, and two
processes cannot take it twice. A route that a person holds stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gonogo.clock import is_recent
from gonogo.errors import plain
from gonogo.fallback.apply import PROMOTE
from gonogo.fallback.conditions import POLICIES
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.promotion.promotion_plan import promotion_checks, split_of
from gonogo.fallback.promotion.promotion_state import told_difference, told_evidence, told_worse
from gonogo.fallback.promotion.trial_reading import TrialReading, read_trial
from gonogo.fallback.step import take_step
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import WHOLE, Route, Weight
from gonogo.ports.telemetry import Telemetry
from gonogo.records import HOUR_MS, HourCounts
from gonogo.settings import Policy
from gonogo.text.forms import actor_name, share_text

# Evidence comes by the hour; a question about a route must not wait for it each time.
LOOKED_AT_EVERY_MS = 60_000
# Of the calls of a trial, a part that is too small to hide a drop that a stage has to exclude.
OWN_SHARE_MAX = 0.05

Move = Literal["advance", "back", "ask", "wait"]


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """The outcome of one look at a promotion."""

    dependency: str
    move: Move
    why: str


async def carry_on(
    ports: FallbackPorts, *, dependency: str | None = None, now_ms: int
) -> list[PromotionOutcome]:
    """Look once at every promotion under way, or at one, and take the step that its evidence allows.

    Idempotent: looking again, from any process, changes nothing until there is new evidence.
    """
    worked_on = {plan.dependency for plan in await ports.routes.begun()}
    found = []
    for route in await ports.routes.routes():
        made = route.promotion
        if made is None or not made.is_running or dependency not in (None, route.dependency):
            continue
        denied = ports.settings.dependency(route.dependency).fallback_policy == "deny"
        if route.dependency not in worked_on and not denied and not route.holder(now_ms):
            found.append(await _looked_at(ports, route, made, now_ms))
    return found


async def carry_on_if_due(
    ports: FallbackPorts, dependency: str, looked_ms: dict[str, int], now_ms: int
) -> None:
    """Look at one promotion under way, as a question about its route does: each minute at most.

    `looked_ms`: when each was looked at last, by `promote/` and its name; this notes it there.
    """
    route = await ports.routes.route(dependency)
    made = None if route is None else route.promotion
    key = f"{PROMOTE}/{dependency}"
    if made is None or not made.is_running:
        return
    if is_recent(looked_ms.get(key, 0), now_ms, within_ms=LOOKED_AT_EVERY_MS):
        return
    looked_ms[key] = now_ms
    await carry_on(ports, dependency=dependency, now_ms=now_ms)


async def _looked_at(
    ports: FallbackPorts, route: Route, made: Promotion, now_ms: int
) -> PromotionOutcome:
    name = route.dependency
    known = await ports.telemetry.dependency(name)
    if known is None:
        return PromotionOutcome(name, "wait", f"nothing is known of {name}")
    if dead := await _dead(ports, route, made, now_ms):
        return await _back(ports, route, made, dead, is_worse=True, now_ms=now_ms)
    reading = await read_trial(ports.telemetry, ports.settings, known, made, now_ms=now_ms)
    at_end = made.is_at_end
    is_worse = reading.move == "back: worse"
    if is_worse or (reading.move == "back: not shown" and not at_end):
        why = f"{made.version} is worse: {told_worse(reading)}"
        why = why if is_worse else _not_shown(made, reading)
        return await _back(ports, route, made, why, is_worse=is_worse, now_ms=now_ms)
    if reading.move != "next" or at_end:
        held = "at its share: " if at_end else ""
        return PromotionOutcome(name, "wait", held + told_evidence(reading))
    return await _advanced(ports, route, made, reading, now_ms)


def _not_shown(made: Promotion, reading: TrialReading) -> str:
    difference = told_difference(reading)
    beside = f"; {made.version} is {difference}" if difference else ""
    return f"{made.version} was not shown to be as good in time: {told_evidence(reading)}{beside}"


async def _dead(ports: FallbackPorts, route: Route, made: Promotion, now_ms: int) -> str | None:
    """The reason why the candidate counts as down while the version beside it is not: no statistics are needed."""
    answers, told = await ports.health.answers(made.target, now_ms=now_ms)
    if answers is not False:
        return None
    beside = made.home if made.current is None else f"{route.dependency}@{made.current}"
    if (await ports.health.answers(beside, now_ms=now_ms))[0] is False:
        return None
    return f"{made.version} does not answer: {told}"


async def _advanced(
    ports: FallbackPorts, route: Route, made: Promotion, reading: TrialReading, now_ms: int
) -> PromotionOutcome:
    share = made.next_share
    on = replace(
        made,
        stages=(*made.stages, (now_ms, made.stage + 1)),
        status="done" if share == WHOLE else "running",
    )
    after = split_of(made, share)
    reason = f"{made.version} gets {share_text(share / WHOLE)}: {told_evidence(reading)}"
    own_word = await _told_own_word(ports.telemetry, made, route.dependency)
    reason += f"; {own_word}" if own_word else ""
    outcome = PromotionOutcome(route.dependency, "advance", reason)
    strictest: Policy = max(made.policy, "person" if own_word else "allow", key=POLICIES.index)
    is_free = strictest in ("allow", "confirm")
    approval: Policy = "allow" if is_free else strictest
    await _step(ports, route, on, after, reason, approval, reading=reading, now_ms=now_ms)
    if is_free:
        return outcome
    return replace(outcome, move="ask", why=f"a person is asked: {reason}")


async def _back(
    ports: FallbackPorts, route: Route, made: Promotion, why: str, *, is_worse: bool, now_ms: int
) -> PromotionOutcome:
    home = replace(made, status="back", why=why, is_worse=is_worse)
    after = (Weight(made.home, WHOLE),)
    await _step(ports, route, home, after, why, "allow", now_ms=now_ms)
    return PromotionOutcome(route.dependency, "back", why)


async def _step(
    ports: FallbackPorts,
    route: Route,
    made: Promotion,
    after: tuple[Weight, ...],
    reason: str,
    approval: Policy,
    *,
    reading: TrialReading | None = None,
    now_ms: int,
) -> None:
    checks = await promotion_checks(
        ports, route, made, after, is_start=False, reading=reading, now_ms=now_ms
    )
    await take_step(
        ports,
        route,
        after,
        kind=PROMOTE,
        reason=reason,
        checks=checks,
        approval=approval,
        promotes=made,
        now_ms=now_ms,
    )


async def _told_own_word(telemetry: Telemetry, made: Promotion, dependency: str) -> str | None:
    """Say that more than a twentieth of a version's calls in the trial were recorded by who asked for it.

    Nobody's own word carries a candidate on. None where it is less.
    """
    if not made.asked_by:
        return None
    from gonogo.hours.counts import hours_where

    begun = made.stages[0][0] // HOUR_MS
    calls, theirs = dict[str | None, int](), dict[str | None, int]()
    for name in (dependency, made.shadow):
        if name and await telemetry.dependency(name) is not None:
            of_all = await telemetry.hours(name, start_hour=begun)
            part = await telemetry.recorded_by(name, made.asked_by, since_ms=begun * HOUR_MS)
            _add(calls, of_all)
            _add(theirs, hours_where(part, part.hour >= begun))
    for version in (made.version, made.current):
        n, of = theirs.get(version, 0), calls.get(version, 0)
        if n > OWN_SHARE_MAX * of:
            who = plain(" and ".join(map(actor_name, made.asked_by)), 80)
            told = version or "those without a version"
            return f"{who}, who asked for it, recorded {n:,} of {of:,} calls of {told}: a person decides"
    return None


def _add(sums: dict[str | None, int], counts: HourCounts) -> None:
    for at, version in enumerate(counts.versions):
        sums[version] = sums.get(version, 0) + int(counts.n[counts.version == at].sum())
