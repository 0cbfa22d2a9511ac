"""Rules of fallbacks and routes: where traffic goes, and what may be done about it."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.answers import FallbackPlan, FallbackResult, RouteAnswer, TargetShare
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.rules import of_answer

SHARE_ROUNDING = 0.001


@of_answer(FallbackPlan)
def a_plan_moves_all_of_the_traffic_somewhere(said: Exchange[FallbackPlan]) -> Iterator[str]:
    """Shares before and after add up to the whole, and differ."""
    answer = said.answer
    yield from _whole("from", answer.from_)
    yield from _whole("to", answer.to)


@of_answer(FallbackPlan)
def a_failed_check_shows_in_the_verdict(said: Exchange[FallbackPlan]) -> Iterator[str]:
    """A plan with a check that blocks everyone is not go."""
    answer = said.answer
    blocking = [c.check for c in answer.checks if not c.passed and c.blocks == "always"]
    if blocking and answer.verdict == "go":
        yield f"go, though {', '.join(blocking)} failed"


@of_answer(FallbackPlan)
def every_failed_check_is_listed(said: Exchange[FallbackPlan]) -> Iterator[str]:
    """What passed may be left out; what failed stands there, and both are counted."""
    answer = said.answer
    if answer.checks_made is None or answer.checks_passed is None:
        return  # of a plan that an earlier version made
    counted = answer.checks_made - answer.checks_passed
    failed = sum(not check.passed for check in answer.checks)
    if failed != counted or len(answer.checks) > answer.checks_made:
        yield f"{failed} of {len(answer.checks)} listed checks failed, {counted} of {answer.checks_made} counted"


@of_answer(FallbackPlan)
def a_plan_that_agents_cannot_carry_out_does_not_say_to(
    said: Exchange[FallbackPlan],
) -> Iterator[str]:
    """Where a failed check stops agents, the words do not tell one to call again."""
    answer = said.answer
    stops = [c.check for c in answer.checks if not c.passed and c.blocks in ("agents", "always")]
    if stops and "call again" in answer.summary:
        yield f"{', '.join(stops)} failed, and the plan says: {answer.summary}"


@of_answer(FallbackPlan)
def a_plan_has_not_expired(said: Exchange[FallbackPlan]) -> Iterator[str]:
    """A plan that is told can still be carried out."""
    if said.answer.expires_at < said.answer.as_of:
        yield f"expired {said.answer.expires_at}, told at {said.answer.as_of}"


@of_answer(FallbackResult)
def what_was_applied_can_be_taken_back(said: Exchange[FallbackResult]) -> Iterator[str]:
    """An applied fallback names its undo; shares add up; a result that failed is not go."""
    answer = said.answer
    yield from _whole("to", answer.to)
    if answer.applied and answer.undo is None and answer.traffic is None:
        yield "applied without undo"
    failed = [step.name for step in answer.actuators if step.status == "failed"]
    if failed and answer.verdict == "go":
        yield f"go, though {', '.join(failed)} failed"


@of_answer(FallbackResult)
def an_applied_fallback_has_an_incident(said: Exchange[FallbackResult]) -> Iterator[str]:
    """An applied fallback always has `incident_id`; a candidate's trial is no incident."""
    if said.answer.applied and not said.answer.incident_id and said.answer.promotion is None:
        yield f"{said.answer.audit_id} has none"


@of_answer(RouteAnswer)
def a_bad_target_is_not_called_unneeded(said: Exchange[RouteAnswer]) -> Iterator[str]:
    """A route whose target is not fit does not say that no fallback was ever needed."""
    answer = said.answer
    if answer.verdict == "no_go" and "no fallback was ever needed" in answer.summary:
        yield answer.summary


def _whole(name: str, targets: list[TargetShare]) -> Iterator[str]:
    total = sum(target.share for target in targets)
    if targets and abs(total - 1) > SHARE_ROUNDING:
        yield f"`{name}` adds up to {total:.4f}"
    if any(not 0 <= target.share <= 1 for target in targets):
        yield f"`{name}` has a share outside 0 to 1"
