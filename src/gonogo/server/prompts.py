"""Prompts: questions a person picks from a menu; each carries what is known now.

Short, for reading at night. Facts come from the same services as the tools; where the store cannot
be read the steps still stand, and the prompt says that the facts are missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts.base import Prompt
from pydantic import Field

from gonogo.answers import Answer, rfc3339
from gonogo.app import Gonogo
from gonogo.errors import GonogoError, plain
from gonogo.records import Decision
from gonogo.text.answer_text import as_text, question

BUDGETS_SHOWN = 5
DECISIONS_SHOWN = 15

Workload = Annotated[
    str | None, Field(description="workload of gonogo.toml; leave out to see what is known")
]
IncidentId = Annotated[str, Field(description="id of the incident")]
AnyIncident = Annotated[str | None, Field(description="leave out for all that are open")]
Dependency = Annotated[str, Field(description="model, skill, tool, api or prompt, as recorded")]
PlanId = Annotated[str | None, Field(description="a plan that waits for a decision")]
Budget = Annotated[str | None, Field(description="leave out for all")]

PREFLIGHT = """Decide whether to start {work}. gonogo says now:

{facts}

- go: start. Ask get_route before calling each dependency; record_observations after each batch.
- caution: say in one sentence what is doubtful, start small, and ask again half way.
- no_go: do not start. Report the blockers and what would clear them; the calls marked next: are ready.
- unknown: not known to be safe. Do not start costly or irreversible work; say what to record.
Older than a few minutes? Ask again with preflight."""

INCIDENT = """Handle {what}. gonogo says now:

{facts}

1. Real? check_model_drift on the dependency: evidence, onset, slices. On unknown say so; do not guess.
2. Alone? get_trust_score_health without arguments: a suspected provider means several fall together.
3. Already handled? The timeline above; get_route says where calls go.
4. Way back: trigger_fallback with dependency and reason only plans. Read its checks and effects.
5. Show the person three lines: from and to, why with its number, what could go wrong. Carry out with
   plan_id once approved.
6. Verify: get_route, then the outcomes of the next calls. Worse? trigger_fallback with undo.
Note times in UTC as you go: the post-mortem needs them."""

FALL_BACK = """Should '{dependency}' fall back? Answer yes, no or not yet, with one reason and its number.
gonogo says now:

{facts}

- yes: drift or trust is no_go on fresh data. Plan it with trigger_fallback(dependency, reason) and show
  the plan: target's health, effects, failed checks. Nothing moves before it is approved.
- not yet: caution or unknown. Say what would decide it (missing, detectable) and by when.
- no: go, or the traffic is already elsewhere. Say what to watch."""

POST_MORTEM = """Write the post-mortem of incident {incident}, from these facts alone; where they are
silent write "not known":

{facts}

1. Summary: two sentences with the numbers. 2. Impact: calls, money, since when (onset, not opening).
3. Timeline in UTC, with the lag from onset to opening. 4. Cause, and how sure. 5. What the fallback did;
was it verified, was it undone. 6. What would have shown it sooner. 7. At most three actions, each with
an owner to be named and the check that shows it is done. Blame nobody."""

BUDGET = """Review {what}. gonogo says now:

{facts}

1. Which budget runs out before its window ends, how likely (confidence) and when.
2. What the money went to; holds that were never settled (settle_reservation ends them).
3. One proposal each: another limit, required_confidence, fewer calls (calls_that_would_pass), a cheaper
   way (trigger_fallback plans one), or leave it. Give the number that it rests on."""


class Prompts:
    """The prompts of one application."""

    def __init__(self, app: Gonogo) -> None:
        self._app = app

    async def preflight(self, *, workload: Workload = None) -> str:
        """Go or no-go for planned work, with what to do on each verdict."""
        if workload is None:
            known = ", ".join(plain(name, 80) for name in self._app.settings.workloads) or "none"
            facts = await _told(self._app.list_dependencies)
            return PREFLIGHT.format(work=f"the work (workloads: {known})", facts=facts)
        facts = await _told(lambda: self._app.preflight(workload=workload))
        return PREFLIGHT.format(work=f"workload '{plain(workload, 80)}'", facts=facts)

    async def incident_response(self, *, incident_id: AnyIncident = None) -> str:
        """Write the prompt for handling one incident, or all that are open, step by step."""
        facts = await _told(lambda: self._app.get_incidents(incident_id=incident_id))
        what = "what is open" if incident_id is None else f"incident {plain(incident_id, 80)}"
        return INCIDENT.format(what=what, facts=facts)

    async def should_i_fall_back(self, *, dependency: Dependency, plan_id: PlanId = None) -> str:
        """Yes, no or not yet, from drift, trust and the route."""
        app = self._app
        facts = [
            await _told(lambda: app.check_model_drift(dependency)),
            await _told(lambda: app.get_trust_score_health(dependency)),
            await _told(lambda: app.get_route(dependency)),
        ]
        if plan_id is not None:
            facts.append(await self._waiting(dependency, plan_id))
        return FALL_BACK.format(dependency=plain(dependency, 80), facts="\n\n".join(facts))

    async def post_mortem(self, *, incident_id: IncidentId) -> str:
        """The draft of a post-mortem, from the timeline and the decision log."""
        facts = [await _told(lambda: self._app.get_incidents(incident_id=incident_id))]
        try:
            [incident] = (await self._app.get_incidents(incident_id=incident_id)).incidents
            entries = await self._app.decisions(
                dependency=incident.dependency, limit=DECISIONS_SHOWN
            )
            facts.append("decisions, newest first:\n" + "\n".join(map(_line, entries)))
        except GonogoError:
            pass  # the facts above say why
        return POST_MORTEM.format(incident=plain(incident_id, 80), facts="\n\n".join(facts))

    async def budget_review(self, *, budget: Budget = None) -> str:
        """Write the prompt for reviewing budgets: where money goes, what will not last, one proposal each."""
        names = [budget] if budget is not None else list(self._app.settings.budgets)
        facts = [await self._budget(name) for name in names[:BUDGETS_SHOWN]]
        if len(names) > BUDGETS_SHOWN:
            facts.append("not shown: " + ", ".join(plain(n, 80) for n in names[BUDGETS_SHOWN:]))
        what = "every budget" if budget is None else f"budget '{plain(budget, 80)}'"
        none = "No budget is configured: add [budgets.NAME] to gonogo.toml."
        return BUDGET.format(what=what, facts="\n\n".join(facts) or none)

    async def _budget(self, name: str) -> str:
        return await _told(lambda: self._app.check_budget_with_confidence(name))

    async def _waiting(self, dependency: str, plan_id: str) -> str:
        try:
            plan = await self._app.plan_to_approve(dependency, plan_id=plan_id)
        except GonogoError as error:
            return f"plan: {error}"
        return "plan: needs no approval" if plan is None else question(plan)


async def _told(ask: Callable[[], Awaitable[Answer]]) -> str:
    """An answer in words, or why there is none."""
    try:
        return as_text(await ask())
    except GonogoError as error:
        return f"(not known: {error})"


def _line(entry: Decision) -> str:
    told = f"{rfc3339(entry.ts_ms)} {entry.kind} {entry.verdict or ''}: {plain(entry.summary, 200)}"
    return f"{told} ({entry.id})"


TITLES = {
    "preflight": "Preflight",
    "incident_response": "Respond to an incident",
    "should_i_fall_back": "Should I fall back?",
    "post_mortem": "Write a post-mortem",
    "budget_review": "Review budgets",
}


def add_prompts(server: MCPServer[Gonogo], app: Gonogo) -> None:
    """Add every prompt, in the order in which they are listed."""
    prompts = Prompts(app)
    for name, title in TITLES.items():
        server.add_prompt(Prompt.from_function(getattr(prompts, name), name=name, title=title))
