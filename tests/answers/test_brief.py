"""What a brief answer leaves out where it would be too long."""

from __future__ import annotations

import pytest

from gonogo.answers import (
    Incident,
    IncidentList,
    PlanCheck,
    PreflightCheck,
    PreflightReport,
    TimelineEvent,
)
from gonogo.answers.brief import CHARS_MAX, INCIDENTS, briefly
from gonogo.text.answer_text import as_text
from scripted import PLAN

TS = "2026-06-01T12:00:00Z"


def incidents(count: int, *, events: int, chars: int) -> IncidentList:
    """So many, each with so many events and a cause of so many characters."""
    event = TimelineEvent(ts=TS, event="acknowledged by a person", actor="person:ada")
    return IncidentList(
        verdict="no_go",
        summary=f"{count} incidents being handled: m-0 open since {TS}.",
        as_of=TS,
        incidents=[
            Incident(
                id=f"inc-{i:016}",
                dependency=f"m-{i}",
                status="open",
                opened_at=TS,
                cause="quality: " + "x" * (chars - 9),
                verdict="no_go",
                timeline=[event] * events,
            )
            for i in range(count)
        ],
    )


@pytest.mark.parametrize(("count", "events", "chars"), [(2, 9, 300), (5, 3, 300), (50, 40, 2000)])
def test_a_list_of_incidents_is_read_in_400_tokens(count: int, events: int, chars: int) -> None:
    """The first ones are all there, each with what it is and where it stands."""
    whole = incidents(count, events=events, chars=chars)
    brief = briefly(whole)
    assert len(brief.model_dump_json(by_alias=True, exclude_none=True)) <= CHARS_MAX
    assert brief.summary.startswith(whole.summary)
    assert [i.id for i in brief.incidents] == [i.id for i in whole.incidents[:INCIDENTS]]
    assert {i.status for i in brief.incidents} == {"open"}
    assert (brief.summary == whole.summary) == (count <= INCIDENTS)


def test_a_short_list_stays_as_it_is() -> None:
    """Nothing is left out of what is short enough."""
    whole = incidents(2, events=1, chars=80)
    assert briefly(whole) is whole


def test_a_long_plan_says_how_many_checks_passed() -> None:
    """What failed is listed; what passed is counted, in the object and in the words."""
    checks = [PlanCheck(check=f"c{i}", passed=i != 3, why="x" * 200, blocks=None) for i in range(9)]
    whole = PLAN.model_copy(update={"checks": checks, "checks_made": 9, "checks_passed": 8})
    brief = briefly(whole)
    assert [c.check for c in brief.checks] == ["c3"]
    assert (brief.checks_passed, brief.checks_made) == (8, 9)
    assert "checks: 8 of 9 passed" in as_text(brief)


@pytest.mark.parametrize("count", [3, 100])
def test_a_long_preflight_gives_the_reasons_of_what_is_not_go(count: int) -> None:
    """What is go keeps verdict and score; a short one keeps every reason."""
    checks = [
        PreflightCheck(
            dependency=f"m-{i}", verdict="no_go" if i == 1 else "go", why="x" * 200, score=90.0
        )
        for i in range(count)
    ]
    whole = PreflightReport(
        verdict="no_go", summary="", as_of=TS, checks=checks, incidents=[], blockers=["m-1"]
    )
    brief = briefly(whole)
    assert [c.score for c in brief.checks] == [90.0] * count
    assert [c.dependency for c in brief.checks if c.why] == (
        ["m-1"] if count == 100 else ["m-0", "m-1", "m-2"]
    )
