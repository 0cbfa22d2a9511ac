"""The last rehearsal of a fallback plan, the approval it needs, and the effect of one on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonogo.answers import rfc3339
from gonogo.clock import is_recent
from gonogo.ports.routes import Check
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS
from gonogo.settings import Policy

DRILL = "drill"
DRILL_DAYS_MAX = 90
# `terminal`: a person who was asked at one; `link`: whoever opened a link that was sent to a person;
# `approved`: whoever ran `gonogo approve` where nobody was asked.
ConfirmedBy = Literal["confirm", "elicited", "approved", "terminal", "link"]
BY_HAND: tuple[ConfirmedBy, ...] = ("approved", "terminal", "link")
OUT_OF_BAND: tuple[ConfirmedBy, ...] = ("terminal", "link")


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """The newest rehearsal of a dependency's plan."""

    ts_ms: int
    passed: bool

    def is_old(self, now_ms: int) -> bool:
        """Whether it no longer counts."""
        return not is_recent(self.ts_ms, now_ms, within_ms=DRILL_DAYS_MAX * DAY_MS)


async def last_drill(log: DecisionLog, dependency: str) -> DrillRecord | None:
    """The newest rehearsal in the log; None where there was none."""
    entries = await log.decisions(dependency=dependency, kind=DRILL, limit=1)
    return DrillRecord(entries[0].ts_ms, entries[0].verdict == "go") if entries else None


def told(drill: DrillRecord | None, now_ms: int) -> str:
    """The time of the drill, in words."""
    if drill is None:
        return "never"
    result = "passed" if drill.passed else "failed"
    old = f", more than {DRILL_DAYS_MAX} days ago" if drill.is_old(now_ms) else ""
    return f"{result} {rfc3339(drill.ts_ms)[:10]}{old}"


def rehearsed(drill: DrillRecord | None, policy: Policy, now_ms: int) -> tuple[Check, ...]:
    """Require a person for a plan whose drill failed or is old, where agents could switch by themselves.

    A plan that was never rehearsed is left to the policy.
    """
    if drill is None or policy != "allow":
        return ()
    passed = drill.passed and not drill.is_old(now_ms)
    advice = "" if passed else "; rehearse it with gonogo drill"
    return (Check("rehearsed", passed, f"drill {told(drill, now_ms)}{advice}", "never"),)


@dataclass(frozen=True, slots=True)
class Approval:
    """The word to carry a plan out: who gave it, and when; `overrule`: why, past failed checks."""

    confirmed_by: ConfirmedBy | None
    actor: str
    now_ms: int
    settings_digest: str = ""
    idempotency_key: str | None = None
    overrule: str | None = None

    def askers_beside(self, asked_by: str) -> tuple[str, ...]:
        """The agents that asked for a plan or carry it out; none where a person approved it."""
        return () if self.confirmed_by in BY_HAND else askers(asked_by, self.actor)


def askers(*actors: str) -> tuple[str, ...]:
    """The actors, people excepted, whose own records of a target are no reason to switch to it."""
    return tuple(dict.fromkeys(a for a in actors if a and not a.startswith("person:")))
