"""The report on a promotion: evidence so far, what is missing, what comes next and how it ends."""

from __future__ import annotations

import math

from gonogo.answers import NextAction, PromotionReport, TargetShare, Undo, rfc3339
from gonogo.errors import UnknownTarget
from gonogo.fallback.conditions import approve_command
from gonogo.fallback.fallback_ports import FallbackPorts
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
from gonogo.fallback.switch_result import TOOL
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import WHOLE, Plan, Route
from gonogo.records import HOUR_MS, Verdict
from gonogo.settings import Settings
from gonogo.text.forms import minute, number, share_text


async def promotion_report(
    ports: FallbackPorts, settings: Settings, *, dependency: str, now_ms: int
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
    reading = await read_trial(ports.telemetry, settings, known, made, now_ms=now_ms)
    waiting = await _waiting(ports, dependency, now_ms)
    # Validated, so that every number is rounded as the object has it.
    beside = await ports.telemetry.dependency(made.shadow) if made.shadow else None
    silence = told_silence(known, made, now_ms) or told_shadow(known, beside, made, now_ms)
    key = settings.dependency(dependency).route_key
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
