"""Asking the person before a plan is carried out, where its approval is `ask`.

The question is put through the client where it can ask: as a request of its own in the handshake
era, as `input_required` from 2026-07-28 on. The resolver runs again on every round, so it only
reads. A client that cannot ask gets the plan back with the command that approves it.
"""

from __future__ import annotations

from mcp.server.elicitation import (
    AcceptedElicitation,
    CancelledElicitation,
    DeclinedElicitation,
)
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit
from pydantic import BaseModel, Field

from gonogo.app import Gonogo
from gonogo.text.answer_text import question

DECLINED = (
    "The person declined: nothing was changed. Do not ask again for this plan; tell them what you "
    "would do instead, or plan another target."
)
CANCELLED = (
    "The person closed the question without an answer: nothing was changed. Call again with the "
    "same arguments to ask once more, while the plan is valid."
)


class Consent(BaseModel):
    """What the person is asked to fill in."""

    approve: bool = Field(description="Carry out the plan now")


class NoQuestion(Consent):
    """No question was put: the policy needs none, or the client cannot ask."""

    approve: bool = False


async def person_asked(
    ctx: Context[Gonogo], dependency: str, plan_id: str | None, undo: str | None
) -> Consent | Elicit[Consent]:
    """Put the plan to the person where its approval is `ask` and the client can."""
    if (plan_id is None and undo is None) or not can_ask(ctx):
        return NoQuestion()
    app = ctx.request_context.lifespan_context
    plan = await app.plan_to_approve(dependency, plan_id=plan_id, undo=undo)
    return NoQuestion() if plan is None else Elicit(question(plan), Consent)


def can_ask(ctx: Context[Gonogo]) -> bool:
    """Whether the client declared that it can show a form to a person."""
    declared = ctx.client_capabilities
    asks = declared.elicitation if declared is not None else None
    return asks is not None and (asks.form is not None or asks.url is None)


def consent_given(
    outcome: AcceptedElicitation[Consent] | DeclinedElicitation | CancelledElicitation,
) -> bool | str:
    """Whether a person said yes; a text where they were asked and did not."""
    match outcome:
        case AcceptedElicitation(data=NoQuestion()):
            return False
        case AcceptedElicitation(data=consent):
            return True if consent.approve else DECLINED
        case CancelledElicitation():
            return CANCELLED
        case _:
            return DECLINED
