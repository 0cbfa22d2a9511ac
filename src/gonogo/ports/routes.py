"""Routes and plans as actions need them of a store; and the values that pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gonogo.ports.promotions import Promotion
    from gonogo.records import Decision
    from gonogo.settings import Policy

# A share is a whole number of these, so that shares add up exactly.
WHOLE = 10_000
# Targets that call nothing.
UNMEASURED = ("refuse", "human")
# The actuator that is always there: the route table of the store itself.
STORE = "store"
# The route file that gonogo keeps by itself where no other is configured.
LOCAL = "local file"

Blocks = Literal["never", "agents", "always"]


def split_version(target: str) -> tuple[str, str | None]:
    """`name@version` as its parts; the version is None where there is none."""
    name, at, version = target.rpartition("@")
    return (name, version) if at and name and version else (target, None)


def is_called(target: str) -> bool:
    """Whether a target is a dependency that calls go to: not rules, a refusal or a person."""
    return target not in UNMEASURED and not target.startswith("rules:")


@dataclass(frozen=True, slots=True)
class Weight:
    """A target and its share of the traffic, in ten-thousandths."""

    target: str
    share: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """The progress of the way back to the primary.

    `fallback` is where it began and where an abort leads; empty once it is over, kept so that a
    relapse is known as one. `fell_ms`: when the traffic left; `since_ms`: when the present stage
    began; `tried`: trials of the primary that ended badly.
    """

    fallback: tuple[Weight, ...]
    fell_ms: int
    since_ms: int
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """The targets that a dependency's traffic should go to.

    `targets` add up to `WHOLE`, the primary first, then the ladder's order, so that a key never
    moves back while a share grows. `version` grows with every change, `epoch` with every change of
    the targets. `renewals`: how often a fallback that was due was found still needed. `promotion`:
    where a candidate's way forward stands, or how the last one ended.
    """

    dependency: str
    targets: tuple[Weight, ...]
    epoch: int = 0
    version: int = 0
    salt: str = ""
    why: str = ""
    changed_ms: int = 0
    expires_ms: int | None = None
    held: str | None = None
    incident_id: str | None = None
    audit_id: str | None = None
    held_until_ms: int | None = None
    renewals: int = 0
    recovery: Recovery | None = None
    promotion: Promotion | None = None

    @property
    def home(self) -> str:
        """The target that calls belong to: the dependency, or the version that was promoted."""
        return self.dependency if self.promotion is None else self.promotion.place

    @property
    def is_primary(self) -> bool:
        """Whether no fallback is in place: home gets everything, but for a candidate on trial."""
        return self.primary_share == WHOLE

    @property
    def primary_share(self) -> int:
        """The share of home, and of a candidate on trial beside it, in ten-thousandths."""
        trial = self.promotion if self.promotion is not None and self.promotion.is_running else None
        own = (self.home, self.home if trial is None else trial.target)
        return sum(weight.share for weight in self.targets if weight.target in own)

    def holder(self, now_ms: int) -> str | None:
        """The person who holds the route now, and the reason; None where nobody does."""
        is_over = self.held_until_ms is not None and now_ms >= self.held_until_ms
        return None if is_over else self.held

    def dated(self, by_ms: int) -> Route:
        """Move its times by as much as the clock was set, but for the end of a hold, which a person named."""
        if not by_ms:
            return self
        made, back = self.promotion, self.recovery
        return replace(
            self,
            changed_ms=self.changed_ms + by_ms,
            expires_ms=None if self.expires_ms is None else self.expires_ms + by_ms,
            recovery=back
            and replace(back, fell_ms=back.fell_ms + by_ms, since_ms=back.since_ms + by_ms),
            promotion=made
            and replace(
                made,
                stages=tuple((since_ms + by_ms, stage) for since_ms, stage in made.stages),
                ended_ms=made.ended_ms and made.ended_ms + by_ms,
            ),
        )


def grown(before: Sequence[Weight], after: Sequence[Weight]) -> list[str]:
    """The targets that get more than they had."""
    had = {weight.target: weight.share for weight in before}
    return [weight.target for weight in after if weight.share > had.get(weight.target, 0)]


def is_way_back(dependency: str, before: Sequence[Weight], after: Sequence[Weight]) -> bool:
    """Whether a switch is a step towards the primary: it gets more, and nobody else does."""
    return grown(before, after) == [dependency]


def primary_route(dependency: str) -> Route:
    """The route of a dependency that was never switched."""
    return Route(dependency, (Weight(dependency, WHOLE),))


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a plan; `blocks` says whom its failure stops.

    "agents": everybody but a person who overrules it with a reason. "always": everybody.
    """

    check: str
    passed: bool
    why: str
    blocks: Blocks


@dataclass(frozen=True, slots=True)
class Plan:
    """A switch that was planned, and what became of it.

    `begun`: the route has changed, the actuators may or may not have. `answer` and `result` are
    the JSON of the FallbackPlan and FallbackResult that were given out. `returns` is there where
    the plan is a step of the way back, and says where that stands with it. `evidence` is the JSON
    of what was known of the dependency when it was planned. `asked` is the JSON of the arguments it
    was asked for with, `asked_by` who asked; empty where an earlier version made it.
    `home` is where its calls belonged, where that was not the dependency. `promotes` is there where it starts, carries on or ends a
    promotion, and says where that stands with it. `salt`: of the split, where one was chosen for the
    keys that are known.
    """

    id: str
    dependency: str
    created_ms: int
    expires_ms: int
    route_version: int
    before: tuple[Weight, ...]
    after: tuple[Weight, ...]
    reason: str
    checks: tuple[Check, ...]
    approval: Policy
    answer: str
    idempotency_key: str | None = None
    undoes: str | None = None
    state: Literal["planned", "begun", "done"] = "planned"
    audit_id: str | None = None
    epoch: int | None = None
    result: str | None = None
    evidence: str = ""
    returns: Recovery | None = None
    asked: str = ""
    home: str = ""
    promotes: Promotion | None = None
    salt: str = ""
    asked_by: str = ""

    def dated(self, by_ms: int) -> Plan:
        """Move its times by as much as the clock was set, where it was not used yet."""
        if not by_ms or self.state != "planned":
            return self
        return replace(self, created_ms=self.created_ms + by_ms, expires_ms=self.expires_ms + by_ms)

    @property
    def place(self) -> str:
        """The target that calls belonged to when it was made, where no fallback is in place."""
        return self.home or self.dependency

    @property
    def is_start(self) -> bool:
        """Whether it begins a promotion."""
        had = {weight.target for weight in self.before}
        made = self.promotes
        return made is not None and made.is_running and made.target not in had

    @property
    def is_way_back(self) -> bool:
        """Whether it is free of the limits on switches: a step towards home, or one on evidence."""
        if self.promotes is not None:
            return not self.is_start
        return self.returns is not None or is_way_back(self.place, self.before, self.after)

    @property
    def is_stage(self) -> bool:
        """Whether it only gives a part, for a trial."""
        if self.promotes is not None:
            return True
        whole = (Weight(self.place, WHOLE),)
        return self.returns is not None and self.after not in (whole, self.returns.fallback)


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of a route's targets that was carried out.

    `undo`: it went back. `stage`: it only gave the primary a part back, for a trial.
    """

    ts_ms: int
    undo: bool
    stage: bool = False


@dataclass(frozen=True, slots=True)
class SwitchEntry:
    """A fence's decision: the route to write and the action's entry, or neither for a replay."""

    plan: Plan
    route: Route | None = None
    entry: Decision | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """The route, its switches and every other route, as a fence reads them in one transaction."""

    route: Route
    switches: Sequence[Switch]
    routes: Mapping[str, Route]


Fence = Callable[[Plan, Books], SwitchEntry]
# What a route becomes besides its targets, and the action's entry; None: it stays as it is.
Amended = Callable[[Route], "tuple[Route, Decision] | None"]


class Routes(Protocol):
    """Routes, the plans that change them, and what was carried out."""

    async def route(self, dependency: str) -> Route | None:
        """The desired route; None where it was never switched."""
        ...

    async def routes(self) -> list[Route]:
        """Every route that was ever switched or held, by dependency."""
        ...

    async def plan(self, plan_id: str) -> Plan | None:
        """A plan as it stands."""
        ...

    async def plan_with(
        self, *, audit_id: str | None = None, undoes: str | None = None
    ) -> Plan | None:
        """The plan that an action carried out, or the one that undoes an action."""
        ...

    async def keyed_plan(self, dependency: str, idempotency_key: str) -> Plan | None:
        """The plan of a dependency that has this key."""
        ...

    async def plan_ids(self, *, limit: int) -> list[str]:
        """The newest plans' ids, newest first."""
        ...

    async def waiting(self, *, now_ms: int) -> list[Plan]:
        """Plans that a person may still approve, the newest of each switch, the oldest first."""
        ...

    async def begun(self, dependency: str | None = None) -> list[Plan]:
        """Plans whose result is not final: their process works on them or has died."""
        ...

    async def switches(self, dependency: str, *, since_ms: int) -> list[Switch]:
        """Read the switches carried out since a time, oldest first."""
        ...

    async def save_plan(self, plan: Plan) -> Plan:
        """Keep a plan and return it; or the one that already has its key or undoes the same.

        One of those that was not used and is expired, or was made for another version of the
        route, gives way. Unused plans a day past their expiry are dropped.
        """
        ...

    async def begin(
        self, plan_id: str, fence: Fence, *, idempotency_key: str | None, now_ms: int
    ) -> SwitchEntry:
        """Let `fence` judge the plan against the route as it stands, and write what it decides.

        One exclusive durable transaction; what `fence` raises leaves everything as it was. It may
        run twice, so it must be pure.

        Raises:
            ParameterError: The key was used on this dependency for another plan.
        """
        ...

    async def finish(self, plan_id: str, *, result: str, entry: Decision) -> str:
        """Make a begun plan's result final, durably, with its entry; the result that stands.

        Whoever comes first decides: a later call writes nothing and gets the first result.
        """
        ...

    async def amend(self, dependency: str, amended: Amended, *, now_ms: int) -> Route:
        """Change what a route says besides its targets (hold, renewal); the route that stands.

        One exclusive durable transaction, with a new version where something changed. `amended`
        may run twice, so it must be pure; what it raises leaves everything as it was.
        """
        ...


async def shadow_names(routes: Routes) -> dict[str, str]:
    """The names as which candidates are recorded that are called beside, and whose candidates they are."""
    found = [(each.promotion, each.dependency) for each in await routes.routes()]
    return {made.shadow_name: name for made, name in found if made and made.shadow_name}
