"""The conditions of a switch, each on its own: what is asked, whom a failure stops, and the approval that is needed.

A failed check stops everyone (`always`), everyone but a person who overrules it with a reason
(`agents`), or no one (`never`): then a person decides, whatever the policy would have allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gonogo.answers import rfc3339
from gonogo.clock import is_recent
from gonogo.errors import ActionRefused
from gonogo.ports.incidents import IncidentRecord
from gonogo.ports.routes import Check, Route, Switch
from gonogo.ports.target_health import Assessment
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS
from gonogo.settings import DependencySettings, Policy
from gonogo.text.forms import number, percent

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


# The strictest last.
POLICIES: tuple[Policy, ...] = ("allow", "confirm", "ask", "person", "deny")
# Of the reason that a person gives, for the log.
REASON_CHARS_MAX = 400
SWITCHES_A_DAY_MAX = 2
# Every switch adds one; half of it is left a day later.
FLAPS_MAX = 3.0
P_BETTER_MIN = 0.5


def approval_of(policy: Policy, checks: Sequence[Check]) -> Policy:
    """The policy, raised to `ask` where a failed check leaves the decision to a person."""
    failed = any(not check.passed and check.blocks != "always" for check in checks)
    return "ask" if failed and policy in ("allow", "confirm") else policy


def is_approved(approval: Policy, confirmed_by: ConfirmedBy | None) -> bool:
    """Whether a yes is enough for the policy: of an agent, or of a person by a hand that it asks for."""
    if approval == "confirm":
        return confirmed_by is not None
    hands = OUT_OF_BAND if approval == "person" else ("elicited", *BY_HAND)
    return approval == "allow" or confirmed_by in hands


def approve_command(plan_id: str, checks: Sequence[Check]) -> str:
    """The command that a person types; with a reason where they overrule a block on agents."""
    overrules = any(not check.passed and check.blocks == "agents" for check in checks)
    return f"gonogo approve {plan_id}" + (' --reason "…"' if overrules else "")


def blocking(
    checks: Sequence[Check], confirmed_by: ConfirmedBy | None, overrule: str | None = None
) -> list[Check]:
    """The failed checks that stop this plan for whoever confirms it.

    Only a person overrules, by hand, and only with a reason.
    """
    overruled = confirmed_by in BY_HAND and overrule is not None
    stops = ("always",) if overruled else ("always", "agents")
    return [check for check in checks if not check.passed and check.blocks in stops]


def refuse_blocked(plan_id: str, stopping: list[Check]) -> None:
    """Refuse in one line where anything stops the plan.

    Raises:
        ActionRefused: It names the check, why, and whether a person may overrule it.
    """
    if stopping:
        first = stopping[0]
        advice = (
            f"A person can overrule it: {approve_command(plan_id, stopping)}."
            if all(check.blocks == "agents" for check in stopping)
            else "Plan again when that has changed."
        )
        why = first.why.removesuffix(".")
        raise ActionRefused(f"Plan {plan_id} is blocked by {first.check}: {why}. {advice}")


def not_held(route: Route, now_ms: int) -> Check:
    """A route that a person holds stays where it is."""
    holder = route.holder(now_ms)
    why = (
        f"held: {holder}; a person lets it go with gonogo route {route.dependency} --release"
        if holder
        else "not held"
    )
    return Check("not_held", holder is None, why, "always")


def rate_limit(switches: Sequence[Switch], now_ms: int) -> Check:
    """Two switches a day and route; steps towards the primary are not counted."""
    n = sum(not s.undo and is_recent(s.ts_ms, now_ms, within_ms=DAY_MS) for s in switches)
    why = f"{n} of {SWITCHES_A_DAY_MAX} in 24 h"
    return Check("rate_limit", n < SWITCHES_A_DAY_MAX, why, "agents")


def flap_damping(switches: Sequence[Switch], now_ms: int) -> Check:
    """A route that went back and forth rests: each switch counts one, half of it a day later.

    Stages of the way back that give the primary a part are no switches.
    The idea is route-flap damping's decaying penalty (RFC 2439, gentler as RFC 7196 asks).
    """
    penalty = sum(0.5 ** (max(0, now_ms - s.ts_ms) / DAY_MS) for s in switches if not s.stage)
    why = f"penalty {number(penalty)} of {number(FLAPS_MAX)}"
    return Check("flap_damping", penalty < FLAPS_MAX, why, "agents")


def on_ladder(own: DependencySettings, target: str) -> Check:
    """The ladder is a person's choice, as it is configured now."""
    if target == own.name or target in own.fallback:
        return Check("ladder", True, f"'{target}' is on the fallback ladder", "agents")
    if own.fallback:
        listed = ", ".join(own.fallback)
        return Check("ladder", False, f"'{target}' is not on the ladder: {listed}", "agents")
    return Check("ladder", False, "no ladder is configured: a person decides", "never")


def target_is_well(health: Assessment, *, is_down: bool) -> Check:
    """The target is fit now; while the primary is down it is enough that it answers."""
    if health.answers is False:
        why = f"{health.target}: {health.answered or 'its newest calls failed'}"
        return Check("target_health", False, why, "agents")
    if is_down and health.answers:
        though = f", though it is {health.verdict}: {health.why}"
        told = f" ({health.answered})" if health.answered else ""
        ill = though if health.verdict == "no_go" else ""
        return Check("target_health", True, f"outage: {health.target} answers{told}{ill}", "agents")
    why = f"{health.target}: {health.why}"
    if health.verdict == "unknown":
        return Check("target_health", False, why, "never")
    return Check("target_health", health.verdict != "no_go", why, "agents")


def home_is_ill(health: Assessment) -> tuple[Check, ...]:
    """A check that notes an ill target of an undo and passes: nobody is kept from going back."""
    found = target_is_well(health, is_down=False)
    if found.passed or found.blocks == "never":
        return ()
    return (replace(found, passed=True, why=f"{found.why}; an undo is not blocked by it"),)


def target_is_better(health: Assessment, *, is_down: bool, is_bad: bool) -> Check:
    """The target is likelier better than the primary now; in an outage an answer is better."""
    if is_down and health.answers:
        return Check("target_better", True, "outage: an answer is better than none", "never")
    if health.p_better is None:
        why = "the primary is bad" if is_bad else "cannot be compared, the primary is not no_go"
        return Check("target_better", is_bad, f"{health.target}: {why}", "never")
    why = f"{percent(health.p_better)} likely better now"
    return Check("target_better", health.p_better >= P_BETTER_MIN, why, "never")


def target_provider(health: Assessment) -> list[Check]:
    """A provider that is suspected is no shelter; a target of it that answers is a person's choice."""
    if health.suspected is None:
        return []
    blocks: Literal["never", "agents"] = "never" if health.answers else "agents"
    told = f"; {health.answered}" if health.answered else ""
    why = f"{health.target}: {health.suspected}{told}"
    return [Check("target_provider", False, why, blocks)]


def target_route(dependency: str, target: str, routes: Mapping[str, Route]) -> list[Check]:
    """A target whose own calls were moved away is ill to somebody; one that leads back is a circle."""
    chain = circle(dependency, target, routes)
    if chain is not None:
        why = f"a circle, {' → '.join(chain)}: take the route of {target} back first"
        return [Check("target_route", False, why, "always")]
    route = routes.get(target)
    if target == dependency or route is None or route.is_primary:
        return []
    goes = " + ".join(weight.target for weight in route.targets if weight.target != target)
    why = f"{target} itself is routed away, to {goes}: {route.why}"
    return [Check("target_route", False, why, "agents")]


def target_incidents(
    target: str, handled: Sequence[IncidentRecord], *, is_down: bool
) -> list[Check]:
    """A target with an incident of its own that nobody has mitigated is named."""
    active = [found for found in handled if found.status in ("open", "acknowledged")]
    if not active:
        return []
    why = f"{target} has an incident of its own: {active[0].id}, {active[0].status}"
    return [Check("target_incident", is_down, why, "never")]


def circle(dependency: str, target: str, routes: Mapping[str, Route]) -> list[str] | None:
    """The way from a dependency over its target back to itself, by the routes as they stand."""
    ways, seen = [[dependency, target]], {target}
    if target == dependency:
        return None
    while ways:
        way = ways.pop()
        route = routes.get(way[-1])
        for weight in route.targets if route else ():
            if weight.target == dependency:
                return [*way, dependency]
            if weight.target not in seen:
                seen.add(weight.target)
                ways.append([*way, weight.target])
    return None


def circles(dependency: str, targets: Sequence[str], routes: Mapping[str, Route]) -> list[Check]:
    """The failed checks of those targets that lead back to the dependency."""
    failed = [check for name in targets for check in target_route(dependency, name, routes)]
    return [check for check in failed if check.blocks == "always"]
