"""A person is asked before a plan is carried out, in both eras, and never in vain."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from scripted import ERAS, PLAN, Scripted, client, said

pytestmark = pytest.mark.anyio

CARRY_OUT = {"dependency": "gpt-4", "plan_id": "plan-1"}


# What a client may send back as the filled form, and is no yes of anybody.
NO_YES: tuple[dict[str, Any], ...] = (
    *({}, {"approved": True}),
    *({"approve": odd} for odd in (None, "yes", "true", 1, 1.0, "\u202eon", ["x"])),
)


class Person:
    """Answers every question alike, and remembers what was asked."""

    def __init__(
        self, action: Literal["accept", "decline", "cancel"], content: dict[str, Any] | None = None
    ) -> None:
        self.questions: list[str] = []
        self._answer = ElicitResult(
            action=action, content=None if content is None else dict(content)
        )

    async def asked(
        self, _context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult:
        """Answer one question."""
        self.questions.append(params.message)
        return self._answer


YES = {"approve": True}


@pytest.mark.parametrize("era", ERAS)
async def test_a_plan_is_carried_out_after_a_persons_yes(era: str) -> None:
    """The person sees what changes; the application hears that a person said yes."""
    app, person = Scripted(), Person("accept", YES)
    async with client(app, era, elicitation_callback=person.asked) as asked:
        result = await asked.call_tool("trigger_fallback", CARRY_OUT)
    assert result.structured_content is not None
    assert result.structured_content["applied"] is True
    [question] = person.questions
    for part in ("plan-1", "gpt-4 100% → gpt-4@0314 100%", "routes: write routes.json"):
        assert part in question
    [(_, arguments)] = app.asked
    assert arguments["confirmed_by"] == "elicited"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("person", "line"),
    [
        (Person("decline"), "The person declined: nothing was changed."),
        (Person("accept", {"approve": False}), "The person declined: nothing was changed."),
        *((Person("accept", odd), "The person declined: nothing was changed.") for odd in NO_YES),
        (Person("accept"), "The client sent the form back without an answer"),
        (Person("cancel"), "The person closed the question without an answer"),
    ],
)
async def test_without_a_yes_nothing_is_asked_of_the_application(
    era: str, person: Person, line: str
) -> None:
    """A no and a closed question are told apart, and neither reaches the application."""
    app = Scripted()
    async with client(app, era, elicitation_callback=person.asked) as asked:
        result = await asked.call_tool("trigger_fallback", CARRY_OUT)
    assert result.is_error
    assert said(result).startswith(line)
    assert app.asked == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_cannot_ask_gets_the_command_for_a_person(era: str) -> None:
    """No protocol error that the model never sees: the plan waits, and says for what."""
    app = Scripted()
    async with client(app, era) as asked:
        result = await asked.call_tool("trigger_fallback", CARRY_OUT)
    assert not result.is_error
    answer = result.structured_content or {}
    assert (answer["applied"], answer["pending_approval"]) == (False, True)
    assert answer["approve_command"] == "gonogo approve plan-1"
    assert "gonogo approve plan-1" in said(result)
    assert "confirmed_by" not in app.asked[0][1]


@pytest.mark.parametrize("era", ERAS)
async def test_planning_asks_nobody(era: str) -> None:
    """The first call changes nothing, so there is nothing to approve."""
    app, person = Scripted(), Person("accept", YES)
    async with client(app, era, elicitation_callback=person.asked) as asked:
        result = await asked.call_tool(
            "trigger_fallback", {"dependency": "gpt-4", "reason": "degraded"}
        )
    assert (result.structured_content or {})["plan_id"] == PLAN.plan_id
    assert person.questions == []


@pytest.mark.parametrize("era", ERAS)
async def test_an_undo_is_approved_as_the_fallback_was(era: str) -> None:
    """Taking back moves traffic too."""
    app, person = Scripted(), Person("accept", YES)
    undo = {"dependency": "gpt-4", "undo": "aud-1"}
    async with client(app, era, elicitation_callback=person.asked) as asked:
        result = await asked.call_tool("trigger_fallback", undo)
    assert (result.structured_content or {})["applied"] is True
    assert len(person.questions) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_policy_that_allows_asks_nobody(era: str) -> None:
    """Where the operator allows it, an agent carries a plan out alone."""
    app, person = Scripted(), Person("decline")
    app.approval = "allow"
    async with client(app, era, elicitation_callback=person.asked) as asked:
        result = await asked.call_tool("trigger_fallback", CARRY_OUT)
    assert (result.structured_content or {})["applied"] is True
    assert person.questions == []


@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_cannot_claim_that_a_person_said_yes(era: str) -> None:
    """The consent is no argument of the tool."""
    app = Scripted()
    async with client(app, era) as asked:
        for name in ("consent", "confirmed_by"):
            result = await asked.call_tool("trigger_fallback", {**CARRY_OUT, name: "elicited"})
            assert f"unknown argument '{name}'" in said(result)
    assert app.asked == []
