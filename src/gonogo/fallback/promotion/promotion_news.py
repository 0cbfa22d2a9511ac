"""News of promotions for people: one that nears its limit undecided, went back, or has all calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonogo.answers import rfc3339
from gonogo.clock import is_recent
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.promotion.promotion_state import (
    told_end,
    told_evidence,
    told_share,
    told_silence,
)
from gonogo.fallback.promotion.trial_reading import read_trial
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import Route
from gonogo.records import DAY_MS
from gonogo.settings import Settings
from gonogo.text.forms import minute

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


async def promotion_news(
    ports: FallbackPorts, settings: Settings, *, now_ms: int
) -> list[PromotionNews]:
    """Collect the news of every promotion; reads only."""
    found = []
    for route in await ports.routes.routes():
        made = route.promotion
        if made is None:
            continue
        name = route.dependency
        if made.status == "running":
            why = await _undecided(ports, settings, route, made, now_ms)
            found += [PromotionNews(name, "undecided", made.since_ms, why)] if why else []
        elif is_recent(made.ended_ms, now_ms, within_ms=ENDED_TOLD_MS):
            ended = told_end(route, made)
            found.append(PromotionNews(name, made.status, made.ended_ms, ended))
    return found


async def _undecided(
    ports: FallbackPorts, settings: Settings, route: Route, made: Promotion, now_ms: int
) -> str | None:
    """The reason why a stage is about to be given up; None where it is not, or giving up changes nothing."""
    begun_ms, stays = made.since_ms, made.is_at_end
    denied = settings.dependency(route.dependency).fallback_policy == "deny"
    if stays or denied or route.holder(now_ms) or now_ms - begun_ms < NEAR_LIMIT * LEAST_LIMIT_MS:
        return None
    known = await ports.telemetry.dependency(route.dependency)
    if known is None:
        return None
    reading = await read_trial(ports.telemetry, settings, known, made, now_ms=now_ms)
    if reading.move != "stay" or now_ms - begun_ms < NEAR_LIMIT * (reading.gives_up_ms - begun_ms):
        return None
    why = told_silence(known, made, now_ms) or told_evidence(reading)
    return (
        f"{made.target} is undecided at {told_share(made)}: {why}; "
        f"it goes back at {minute(rfc3339(reading.gives_up_ms))}"
    )
