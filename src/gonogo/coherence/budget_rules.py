"""Rules of money: what is spent, held and left, and whether planned work fits."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.answers import Answer, BudgetCheck, Settlement
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.rules import of_answer

MICRO_USD = 1e-6
FRACTION = 1e-4


@of_answer(BudgetCheck)
def spent_held_and_left_are_the_limit(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """What is spent, held and left adds up to the limit: spent + held + remaining = limit."""
    answer = said.answer
    total = answer.spent_usd + answer.held_usd + answer.remaining_usd
    if abs(total - answer.limit_usd) > 2 * MICRO_USD:
        yield (
            f"{answer.spent_usd} + {answer.held_usd} + {answer.remaining_usd} "
            f"against {answer.limit_usd}"
        )


@of_answer(BudgetCheck)
def passed_is_the_verdict(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """Passed is go, failed is no_go, neither is unknown; a run that is to step down or stop is a caution."""
    answer = said.answer
    expected = {True: "go", False: "no_go", None: "unknown"}[answer.passed]
    if answer.passed and answer.run is not None and answer.run.advice in ("step down", "stop"):
        expected = "caution"
    if answer.verdict != expected:
        yield f"passed={answer.passed} is {answer.verdict}"


@of_answer(BudgetCheck)
def passed_is_sure_enough(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """A check passes exactly where its confidence reaches what is required.

    A hard budget fails what it cannot hold at its worst, however likely it fits.
    """
    answer = said.answer
    if answer.confidence is None or answer.passed is None or answer.worst_case_usd is not None:
        return
    apart = answer.confidence - answer.required_confidence
    if (apart < -FRACTION and answer.passed) or (apart > FRACTION and not answer.passed):
        yield f"passed={answer.passed} at {answer.confidence} of {answer.required_confidence}"


@of_answer(BudgetCheck)
def what_would_pass_agrees_with_what_passed(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """Planned calls pass exactly where they are no more than the calls that would."""
    answer = said.answer
    planned, most = answer.planned_calls, answer.calls_that_would_pass
    if planned is None or most is None or answer.passed is None or answer.reservation is not None:
        return
    if answer.passed != (planned <= most):
        yield f"passed={answer.passed} for {planned} calls, {most} would pass"


@of_answer(BudgetCheck)
def a_projection_lies_in_its_interval(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """The projected spend lies in its interval, and neither is negative."""
    answer = said.answer
    if answer.projected_usd is None:
        return
    if answer.projected_usd < 0:
        yield f"projected {answer.projected_usd}"
    if answer.projected_interval80_usd is not None:
        low, high = answer.projected_interval80_usd
        if not low - MICRO_USD <= answer.projected_usd <= high + MICRO_USD:
            yield f"{answer.projected_usd} lies outside {low} to {high}"


@of_answer(BudgetCheck)
def only_what_passed_is_held(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """A hold is made where the check passed, ends ahead of now, and is capped only where that is said."""
    answer, hold = said.answer, said.answer.reservation
    if hold is None:
        return
    if answer.passed is False:
        yield f"{hold.id} holds {hold.held_usd} for a check that failed"
    if hold.held_usd < 0:
        yield f"{hold.id} holds {hold.held_usd}"
    late = answer.replayed  # what was spent since may have taken what was left
    if not late and hold.held_usd > answer.remaining_usd + MICRO_USD and answer.remaining_usd >= 0:
        yield f"{hold.id} holds {hold.held_usd} of {answer.remaining_usd} that remain"


@of_answer(BudgetCheck)
def a_replay_holds_what_it_held(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """A replay names the hold that it repeats: a key without an open hold is free."""
    if said.answer.replayed and said.answer.reservation is None:
        yield "replayed without a hold"


@of_answer(BudgetCheck)
def a_window_holds_now(said: Exchange[BudgetCheck]) -> Iterator[str]:
    """The window that is told has begun and has not ended."""
    window, now = said.answer.window, said.answer.as_of
    if window.start is not None and window.start > now:
        yield f"begins {window.start}, asked at {now}"
    if window.end is not None and window.end < now:
        yield f"ended {window.end}, asked at {now}"


@of_answer(BudgetCheck, Settlement)
def a_run_ends_no_cheaper_than_it_is(said: Exchange[Answer]) -> Iterator[str]:
    """A run's projected total lies in its interval, and neither is below what it has spent."""
    run = said.answer.run if isinstance(said.answer, BudgetCheck | Settlement) else None
    if run is None or run.projected_total_usd is None:
        return
    if run.projected_total_usd < run.spent_usd - MICRO_USD:
        yield f"{run.projected_total_usd} in the end, {run.spent_usd} spent"
    if run.interval90_usd is not None:
        low, high = run.interval90_usd
        if low < run.spent_usd - MICRO_USD:
            yield f"{low} at least, {run.spent_usd} spent"
        if not low - MICRO_USD <= run.projected_total_usd <= high + MICRO_USD:
            yield f"{run.projected_total_usd} lies outside {low} to {high}"


@of_answer(Settlement)
def an_overrun_is_what_was_not_held(said: Exchange[Settlement]) -> Iterator[str]:
    """Overrun is what was spent beyond the hold; what is released cost nothing."""
    answer = said.answer
    expected = max(0.0, answer.actual_usd - answer.held_usd)
    if abs(answer.overrun_usd - expected) > 2 * MICRO_USD:
        yield (
            f"{answer.overrun_usd} over, with {answer.actual_usd} spent and {answer.held_usd} held"
        )
    if answer.status == "released" and answer.actual_usd:
        yield f"released, yet {answer.actual_usd} spent"
