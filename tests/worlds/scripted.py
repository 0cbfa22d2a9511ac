"""An application that answers from a script: what the surface does, apart from what is asked."""

# mypy: disable-error-code="override"
# ruff: noqa: ANN401, D102 - it takes what the tools pass, and its methods are the application's
from __future__ import annotations

import inspect
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextContent

from gonogo import answers as a
from gonogo.app import Gonogo
from gonogo.app.parts import Stores
from gonogo.errors import StoreError, UnknownTarget
from gonogo.ports.change_event import ChangeEvent
from gonogo.records import Decision, Verdict
from gonogo.server.surface import build_server
from gonogo.settings import BudgetSettings, Settings, WorkloadSettings

AS_OF = "2026-06-01T12:00:00Z"
ID = "01JX0000ABCDEFGH"
GUARANTEE = (
    "While quality stays within 0.05 of its baseline, a false alarm is expected at most once a "
    "year, however often this is asked."
)


def envelope(verdict: Verdict, summary: str, *calls: a.NextAction) -> dict[str, Any]:
    """What every scripted answer begins with."""
    return {
        "verdict": verdict,
        "summary": summary,
        "as_of": AS_OF,
        "data_age_s": 7200,
        "decision_id": ID,
        "next_actions": list(calls),
    }


FALL_BACK = a.NextAction(
    tool="trigger_fallback",
    arguments={"dependency": "gpt-4", "reason": "accuracy fell from 0.840 to 0.511"},
    reason="plan the way back; nothing changes yet",
)
DRIFT = a.DriftReport(
    **envelope("no_go", "gpt-4 degraded: 0.840 → 0.511 on 1,000 pairs.", FALL_BACK),
    dependency="gpt-4",
    metric="outcome",
    status="degraded",
    baseline=a.Baseline(source="version", version="0314", mean=0.84, n=1000),
    current=a.Current(version="0613", mean=0.511, n=1000, interval95=(0.48, 0.542)),
    change=a.Change(absolute=-0.329, relative=-0.3917, interval95=(-0.366, -0.292)),
    evidence=a.Evidence(e_value=1.2e54, log10_e=54.08, needed=100, guarantee=GUARANTEE),
    golden=a.GoldenPairs(items=1000, worse=359, better=30, same=611, e_value=1.2e54),
)
TRUST = a.TrustReport(
    **envelope("caution", "gpt-4: 87 of 100 calls are good (90% 84 to 90)."),
    dependency="gpt-4",
    score=87.2,
    interval90=(84.1, 90.3),
    good_means="no error, outcome at least 0.5",
    n=1200,
    newest_ts="2026-06-01T10:00:00Z",
    parts={"availability": a.TrustPart(rate=0.99, interval90=(0.98, 0.995), n=1200)},
    score_health=a.ScoreHealth(status="healthy", ece=0.03, labels=800),
)
BUDGET = a.BudgetCheck(
    **envelope("go", "Budget check passed with 73% confidence: remaining budget $47.23."),
    budget="nightly",
    passed=True,
    confidence=0.73,
    required_confidence=0.7,
    limit_usd=60,
    spent_usd=12.77,
    held_usd=0,
    remaining_usd=47.23,
    projected_usd=12.14,
    projected_interval80_usd=(9.8, 15.02),
    planned_calls=40,
    calls_that_would_pass=120,
    window=a.Window(kind="day", start="2026-06-01T00:00:00Z", end="2026-06-02T00:00:00Z"),
    n=400,
    method="lognormal posterior",
)
PLAN = a.FallbackPlan.model_validate(
    {
        **envelope("no_go", "Plan: move gpt-4 to gpt-4@0314. Nothing has changed."),
        "plan_id": "plan-1",
        "expires_at": "2026-06-01T12:15:00Z",
        "state_version": 3,
        "dependency": "gpt-4",
        "from": [{"target": "gpt-4", "share": 1}],
        "to": [{"target": "gpt-4@0314", "share": 1}],
        "target_health": {"verdict": "go", "score": 93, "p_better": 0.999},
        "effects": ["routes: write routes.json"],
        "checks": [{"check": "target is healthy", "passed": True, "why": "score 93"}],
        "approval": "ask",
    }
)
PENDING = PLAN.model_copy(
    update={"pending_approval": True, "approve_command": "gonogo approve plan-1"}
)
RESULT = a.FallbackResult(
    **envelope("go", "gpt-4 now goes to gpt-4@0314."),
    dependency="gpt-4",
    applied=True,
    route_epoch=4,
    to=[a.TargetShare(target="gpt-4@0314", share=1)],
    actuators=[a.ActuatorResult(name="routes", status="done", detail="written and read back")],
    incident_id="inc-1",
    undo=a.Undo(tool="trigger_fallback", arguments={"dependency": "gpt-4", "undo": "aud-1"}),
    audit_id="aud-1",
)
ROUTE = a.RouteAnswer(
    **envelope("go", "Call gpt-4@0314."),
    dependency="gpt-4",
    target="gpt-4@0314",
    version="0314",
    share=1,
    route_epoch=4,
    why="fallback aud-1 is in force",
)
PREFLIGHT = a.PreflightReport(
    **envelope("no_go", "triage is no_go: gpt-4 degraded.", FALL_BACK),
    workload="triage",
    checks=[a.PreflightCheck(dependency="gpt-4", verdict="no_go", why="degraded", score=51.0)],
    budget=BUDGET,
    incidents=[a.IncidentBrief(id="inc-1", dependency="gpt-4", status="open")],
    p_success=0.51,
    blockers=["gpt-4: outcome fell from 0.840 to 0.511"],
)
RECORD = a.RecordAnswer(
    **envelope("go", "1 stored, 1 refused."),
    accepted=1,
    duplicates=0,
    updated=0,
    rejected=[a.RejectedItem(index=1, field="outcome", problem="must be finite")],
)
SETTLED = a.Settlement(
    **envelope("go", "Settled."),
    reservation_id="res-1",
    status="settled",
    held_usd=2,
    actual_usd=1.5,
    overrun_usd=0,
)
LISTED = a.DependencyList(
    **envelope("no_go", "2 dependencies."),
    dependencies=[
        a.DependencyLine(
            dependency=name, versions=["0613"], n=2000, metrics=["outcome"], verdict="no_go"
        )
        for name in ("gpt-3.5-turbo", "gpt-4")
    ],
)
INCIDENTS = a.IncidentList(
    **envelope("no_go", "1 incident is open."),
    incidents=[
        a.Incident(
            id="inc-1",
            dependency="gpt-4",
            status="open",
            opened_at=AS_OF,
            cause="outcome degraded",
            verdict="no_go",
            timeline=[a.TimelineEvent(ts=AS_OF, event="opened", actor="agent")],
        )
    ],
)
DECISION = Decision(
    id=ID,
    ts_ms=1_780_315_200_000,
    kind="check_model_drift",
    verdict="no_go",
    summary=DRIFT.summary,
    inputs='{"dependency": "gpt-4"}',
    answer=DRIFT.model_dump_json(exclude_none=True),
    dependency="gpt-4",
    e_value=1.2e54,
    versions=("0314", "0613"),
)


class Scripted(Gonogo):
    """Answers every question from the script, and remembers how it was asked."""

    def __init__(self) -> None:
        budgets = {name: BudgetSettings(name, 60_000_000) for name in ("nightly", "weekly")}
        workloads = {"triage": WorkloadSettings("triage", {"gpt-4": 40}, budget="nightly")}
        super().__init__(Settings(store=":none:", budgets=budgets, workloads=workloads))
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.approval: str = "ask"

    def _hear(self, tool: str, **arguments: Any) -> None:
        self.asked.append((tool, {k: v for k, v in arguments.items() if v is not None}))

    async def close(self) -> None:
        """Nothing was opened."""

    async def preflight(self, **arguments: Any) -> a.PreflightReport:
        self._hear("preflight", **arguments)
        return PREFLIGHT

    async def check_model_drift(self, dependency: str, **arguments: Any) -> a.DriftReport:
        self._hear("check_model_drift", dependency=dependency, **arguments)
        match dependency:
            case "gpt4":
                raise UnknownTarget("dependency", dependency, ["gpt-4", "gpt-3.5-turbo"])
            case "broken store":
                raise StoreError("The store is locked.\nWait, or stop the process that holds it.")
            case "crash":
                raise ZeroDivisionError("secret detail of /home/me")
        return DRIFT

    async def get_trust_score_health(
        self, dependency: str | None = None, **rest: Any
    ) -> a.TrustReport:
        self._hear("get_trust_score_health", dependency=dependency, **rest)
        return TRUST

    async def check_budget_with_confidence(self, budget: str, **arguments: Any) -> a.BudgetCheck:
        self._hear("check_budget_with_confidence", budget=budget, **arguments)
        return BUDGET

    async def plan_to_approve(
        self,
        dependency: str,
        **_: str | None,
    ) -> a.FallbackPlan | None:
        return PLAN if self.approval == "ask" and dependency == PLAN.dependency else None

    async def trigger_fallback(
        self, dependency: str, **arguments: Any
    ) -> a.FallbackPlan | a.FallbackResult:
        self._hear("trigger_fallback", dependency=dependency, **arguments)
        if arguments["plan_id"] is None and arguments["undo"] is None:
            return PLAN
        allowed = self.approval == "allow" or arguments["confirmed_by"] == "elicited"
        return RESULT if allowed else PENDING

    async def get_route(self, dependency: str, **arguments: Any) -> a.RouteAnswer:
        self._hear("get_route", dependency=dependency, **arguments)
        return ROUTE

    async def record_observations(self, observations: list[dict[str, object]]) -> a.RecordAnswer:
        self._hear("record_observations", observations=observations)
        return RECORD

    async def settle_reservation(self, reservation_id: str, **arguments: Any) -> a.Settlement:
        self._hear("settle_reservation", reservation_id=reservation_id, **arguments)
        return SETTLED

    async def list_dependencies(self, **arguments: Any) -> a.DependencyList:
        self._hear("list_dependencies", **arguments)
        return LISTED

    async def dependency_names(self) -> list[str]:
        return [line.dependency for line in LISTED.dependencies]

    async def dependency_line(self, name: str) -> a.DependencyLine:
        for line in LISTED.dependencies:
            if line.dependency == name:
                return line
        raise UnknownTarget("dependency", name, await self.dependency_names())

    async def get_incidents(self, **arguments: Any) -> a.IncidentList:
        self._hear("get_incidents", **arguments)
        if arguments.get("incident_id") == "inc-9":
            raise UnknownTarget("incident", "inc-9", ["inc-1"])
        return INCIDENTS

    async def decision(self, decision_id: str) -> Decision:
        if decision_id != ID:
            raise UnknownTarget("decision", decision_id, [ID])
        return DECISION

    async def changes(self, dependency: str, limit: int = 20) -> list[ChangeEvent]:
        """None was recorded."""
        del dependency, limit
        return []

    async def stores(self) -> Stores:
        """A script that asks for one has left something out."""
        raise AssertionError("the script opens no store")

    async def actions(self, limit: int = 50) -> list[Decision]:
        return [DECISION][:limit]

    async def plan_ids(self, limit: int = 50) -> list[str]:
        return [PLAN.plan_id][:limit]

    async def decisions(self, **arguments: Any) -> list[Decision]:
        self._hear("decisions", **arguments)
        return [DECISION]


# A call of each tool that says everything it can.
CALLS: dict[str, dict[str, Any]] = {
    "preflight": {"workload": "triage", "planned_calls": 40, "budget": "nightly", "detail": "full"},
    "check_model_drift": {
        "dependency": "gpt-4",
        "metric": "outcome",
        "segment": "day_type=weekend",
        "baseline_version": "0314",
        "version": "0613",
        "since": "2026-05-01",
        "until": "2026-06-01T00:00:00Z",
        "detail": "full",
    },
    "get_trust_score_health": {"dependency": "gpt-4", "detail": "brief"},
    "check_budget_with_confidence": {
        "budget": "nightly",
        "dependency": "gpt-4",
        "planned_calls": 40,
        "planned_cost_usd": 1.5,
        "reserve": True,
        "idempotency_key": "run-7",
        "detail": "brief",
    },
    "trigger_fallback": {
        "dependency": "gpt-4",
        "reason": "degraded",
        "to": "gpt-4@0314",
        "share": 0.5,
        "idempotency_key": "k",
    },
    "get_route": {"dependency": "gpt-4", "key": "user-1"},
    "record_observations": {"observations": [{"dependency": "gpt-4", "outcome": 1}, "no object"]},
    "settle_reservation": {"reservation_id": "res-1", "actual_usd": 1.5},
    "list_dependencies": {"query": "gpt", "cursor": "gpt-3.5-turbo"},
    "get_incidents": {"dependency": "gpt-4", "status": "open"},
}

ERAS = ("legacy", "2026-07-28")


class ScriptedClient(Client):
    """A client whose answers the oracle does not judge: a script says the same whatever is asked."""

    call_tool = inspect.unwrap(Client.call_tool)


def client(app: Scripted, era: str, **options: Any) -> Client:
    """A client of an era, connected to a server over a scripted application."""
    return ScriptedClient(build_server(app), mode=era, **options)


def said(result: CallToolResult) -> str:
    """The words of a result: its one text block."""
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text
