"""When a fallback plan was last rehearsed, and what that means for who may carry it out."""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.answers import rfc3339
from gonogo.ports.routes import Check
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS
from gonogo.settings import Policy

DRILL = "drill"
DRILL_DAYS_MAX = 90


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """The newest rehearsal of a dependency's plan."""

    ts_ms: int
    passed: bool

    def is_old(self, now_ms: int) -> bool:
        """Whether it no longer counts."""
        return now_ms - self.ts_ms > DRILL_DAYS_MAX * DAY_MS


async def last_drill(log: DecisionLog, dependency: str) -> DrillRecord | None:
    """The newest rehearsal in the log; None where there was none."""
    entries = await log.decisions(dependency=dependency, kind=DRILL, limit=1)
    return DrillRecord(entries[0].ts_ms, entries[0].verdict == "go") if entries else None


def told(drill: DrillRecord | None, now_ms: int) -> str:
    """When it was, in words."""
    if drill is None:
        return "never"
    result = "passed" if drill.passed else "failed"
    old = f", more than {DRILL_DAYS_MAX} days ago" if drill.is_old(now_ms) else ""
    return f"{result} {rfc3339(drill.ts_ms)[:10]}{old}"


def rehearsed(drill: DrillRecord | None, policy: Policy, now_ms: int) -> tuple[Check, ...]:
    """Where agents may switch by themselves, a plan whose drill failed or is old asks a person.

    A plan that was never rehearsed is left to the policy.
    """
    if drill is None or policy != "allow":
        return ()
    passed = drill.passed and not drill.is_old(now_ms)
    advice = "" if passed else "; rehearse it with gonogo drill"
    return (Check("rehearsed", passed, f"drill {told(drill, now_ms)}{advice}", "never"),)
