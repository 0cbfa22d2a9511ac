"""How a promotion stands: the report that is asked for, and the news that people are told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gonogo.answers import NextAction, PromotionReport, TargetShare, Undo, rfc3339
from gonogo.clock import is_recent
from gonogo.errors import UnknownTarget
from gonogo.fallback.conditions import approve_command
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.fallback_words import TOOL
from gonogo.fallback.promotion.promotion_state import (
    promotion_state,
    told_difference,
    told_end,
    told_evidence,
    told_shadow,
    told_share,
    told_silence,
    trial_metrics,
)
from gonogo.fallback.promotion.trial_reading import TrialReading, read_trial
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import WHOLE, Plan, Route
from gonogo.records import DAY_MS, HOUR_MS, Verdict
from gonogo.text.forms import minute, number, share_text


async def promotion_report(
    ports: FallbackPorts, *, dependency: str, now_ms: int
) -> PromotionReport:
    """The promotion of a dependency that is under way, or the last one; reads only.

    Raises:
        UnknownTarget: There never was one.
    """
    route = await ports.routes.route(dependency)
    made = None if route is None else route.promotion
    if route is None or made is None:
        promoted = [found.dependency for found in await ports.routes.routes() if found.promotion]
        raise UnknownTarget("promotion of", dependency, promoted, "Name a version to begin one.")
    undo = None
    if made.status != "back" and route.audit_id is not None:
        undo = Undo(tool=TOOL, arguments={"dependency": dependency, "undo": route.audit_id})
    plain = PromotionReport(
        verdict="go",
        summary=f"{told_end(route, made)}.",
        as_of=rfc3339(now_ms),
        next_actions=[_looked_up(dependency, "where its calls go now")],
        dependency=dependency,
        promotion=promotion_state(made),
        traffic=[TargetShare(target=w.target, share=w.share / WHOLE) for w in route.targets],
        metrics=[],
        undo=undo,
    )
    if made.status == "back":
        return plain.model_copy(update={"verdict": "no_go" if made.is_worse else "caution"})
    known = await ports.telemetry.dependency(dependency)
    if made.status == "done" or known is None:
        return plain
    reading = await read_trial(ports.telemetry, ports.settings, known, made, now_ms=now_ms)
    waiting = await _waiting(ports, dependency, now_ms)
    # Validated, so that every number is rounded as the object has it.
    beside = await ports.telemetry.dependency(made.shadow) if made.shadow else None
    silence = told_silence(known, made, now_ms) or told_shadow(known, beside, made, now_ms)
    key = ports.settings.dependency(dependency).route_key
    standing = _standing(route, made, reading, waiting, silence, key, now_ms)
    if silence is not None:
        standing["next_actions"] = [_looked_up(dependency, "what the application has to call")]
    return PromotionReport.model_validate(plain.model_dump(exclude_none=True) | standing)


def _looked_up(dependency: str, reason: str) -> NextAction:
    return NextAction(tool="get_route", arguments={"dependency": dependency}, reason=reason)


async def _waiting(ports: FallbackPorts, dependency: str, now_ms: int) -> Plan | None:
    plans = await ports.routes.waiting(now_ms=now_ms)
    return next((p for p in plans if p.dependency == dependency and p.promotes), None)


def _standing(
    route: Route,
    made: Promotion,
    reading: TrialReading,
    waiting: Plan | None,
    silence: str | None,
    key: str | None,
    now_ms: int,
) -> dict[str, object]:
    """The fields of a running trial, beside those that every promotion has."""
    from gonogo.detectors.promotion.candidate_trial import BACK_AT

    holder = route.holder(now_ms)
    at_end = made.is_at_end
    against = made.current or "calls without a version"
    since = minute(rfc3339(made.since_ms))
    parts = [
        f"{made.target} has {told_share(made)} of the calls since {since}, held against {against}",
        *([] if silence is None else [silence]),
        told_evidence(reading),
    ]
    difference = told_difference(reading)
    if difference:
        parts.append(f"{made.version} is {difference}")
    parts += [] if key is None else _told_keys(reading, key)
    parts.append(_next(made, reading, waiting, holder, at_end=at_end))
    return {
        "verdict": _verdict(reading, waiting, holder, at_end=at_end),
        "summary": "; ".join(parts) + ".",
        "metrics": trial_metrics(reading),
        "shadow_calls": reading.beside if made.shadow else None,
        "worse_e_value": reading.worse,
        "worse_needed": BACK_AT,
        "line": reading.line,
        "interval95": reading.interval95,
        "keys": reading.keys or None,
        "level": reading.level,
        "comparison": difference,
        "expected_days": reading.expected_days if math.isfinite(reading.expected_days) else None,
        "gives_up_at": None if at_end else rfc3339(reading.gives_up_ms),
        "waits_for": None if waiting is None else approve_command(waiting.id, waiting.checks),
    }


def _told_keys(reading: TrialReading, key: str) -> list[str]:
    """A sentence on the unit that the difference counts, where calls of one key keep one version."""
    if reading.is_one_key:
        return [
            f"one {key} has nearly all calls of a version, so that how others fare is not known"
        ]
    if reading.interval95 is None:
        return []
    if reading.keys:
        return [f"counted by {key}, of which there are {number(reading.keys)}"]
    return [f"this counts each call as one: of few {key}s it is surer than it may be"]


def _verdict(
    reading: TrialReading, waiting: Plan | None, holder: str | None, *, at_end: bool
) -> Verdict:
    if reading.move.startswith("back"):
        return "no_go" if reading.move == "back: worse" else "caution"
    if waiting is not None or holder is not None:
        return "caution"
    return "go" if _passes(reading) and (at_end or reading.move == "next") else "unknown"


def _passes(reading: TrialReading) -> bool:
    return all(one.evidence.passes for one in reading.metrics if one.passing)


def _next(
    made: Promotion,
    reading: TrialReading,
    waiting: Plan | None,
    holder: str | None,
    *,
    at_end: bool,
) -> str:
    from gonogo.detectors.promotion.candidate_trial import HOURS_MIN

    if holder is not None:
        return f"the route is held: {holder}"
    if at_end:
        return "it stays at this share until a person changes it, and goes back when it is worse"
    share = share_text(made.next_share / WHOLE)
    if waiting is not None:
        return f"{share} waits for a person: {approve_command(waiting.id, waiting.checks)}"
    if _passes(reading):
        first_ms = made.since_ms + HOURS_MIN[made.stage] * HOUR_MS
        return f"next {share} from {minute(rfc3339(first_ms))} on, if that still holds"
    days = round(reading.expected_days, 1)
    unit = "day" if days == 1 else "days"
    about = (
        f"about {number(days)} {unit} in this stage where both are equal"
        if math.isfinite(days)
        else "no calls to tell when"
    )
    return (
        f"next {share}, {about}; it goes back undecided at {minute(rfc3339(reading.gives_up_ms))}"
    )


# A weekend: who was not there, or had a receiver that was down, still hears how it ended.
ENDED_TOLD_MS = 3 * DAY_MS
# Of a stage's time; a stage has 7 days at least, so that a younger one need not be read.
NEAR_LIMIT = 0.8
LEAST_LIMIT_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class PromotionNews:
    """A notice about a promotion; `since_ms`: when it ended, or when its stage began."""

    dependency: str
    status: Literal["undecided", "back", "done"]
    since_ms: int
    why: str


async def promotion_news(ports: FallbackPorts, *, now_ms: int) -> list[PromotionNews]:
    """Collect the news of every promotion; reads only."""
    found = []
    for route in await ports.routes.routes():
        made = route.promotion
        if made is None:
            continue
        name = route.dependency
        if made.status == "running":
            why = await _undecided(ports, route, made, now_ms)
            found += [PromotionNews(name, "undecided", made.since_ms, why)] if why else []
        elif is_recent(made.ended_ms, now_ms, within_ms=ENDED_TOLD_MS):
            ended = told_end(route, made)
            found.append(PromotionNews(name, made.status, made.ended_ms, ended))
    return found


async def _undecided(
    ports: FallbackPorts, route: Route, made: Promotion, now_ms: int
) -> str | None:
    """The reason why a stage is about to be given up; None where it is not, or giving up changes nothing."""
    begun_ms, stays = made.since_ms, made.is_at_end
    denied = ports.settings.dependency(route.dependency).fallback_policy == "deny"
    if stays or denied or route.holder(now_ms) or now_ms - begun_ms < NEAR_LIMIT * LEAST_LIMIT_MS:
        return None
    known = await ports.telemetry.dependency(route.dependency)
    if known is None:
        return None
    reading = await read_trial(ports.telemetry, ports.settings, known, made, now_ms=now_ms)
    if reading.move != "stay" or now_ms - begun_ms < NEAR_LIMIT * (reading.gives_up_ms - begun_ms):
        return None
    why = told_silence(known, made, now_ms) or told_evidence(reading)
    return (
        f"{made.target} is undecided at {told_share(made)}: {why}; "
        f"it goes back at {minute(rfc3339(reading.gives_up_ms))}"
    )
