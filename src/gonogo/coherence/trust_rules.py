"""Rules of a trust report: the score, its parts, the fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gonogo.answers import TrustReport
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.rules import of_answer
from gonogo.records import worst_verdict

POINTS_ROUNDING = 0.05 + 1e-9
RATE_ROUNDING = 0.00005 + 1e-9


@of_answer(TrustReport)
def a_score_lies_in_its_interval(said: Exchange[TrustReport]) -> Iterator[str]:
    """Scores and rates lie in the intervals beside them, and scores in 0 to 100."""
    answer = said.answer
    told = [("score", answer.score, answer.interval90, POINTS_ROUNDING)]
    told += [
        (f"fleet {line.dependency}", line.score, line.interval90, POINTS_ROUNDING)
        for line in answer.fleet or ()
    ]
    told += [
        (name, part.rate, part.interval90, RATE_ROUNDING)
        for name, part in (answer.parts or {}).items()
    ]
    for name, value, interval, slack in told:
        if value is None or interval is None:
            continue
        low, high = interval
        if not low - slack <= value <= high + slack:
            yield f"{name} {value} lies outside {low} to {high}"
        if not 0 <= value <= 100:  # noqa: PLR2004 - points
            yield f"{name} is {value}"


@of_answer(TrustReport)
def a_score_has_calls_behind_it(said: Exchange[TrustReport]) -> Iterator[str]:
    """Where a score is told, so is the number of calls; no part rests on more of them."""
    answer = said.answer
    if answer.dependency is None or answer.score is None:
        return
    if not answer.n:
        yield f"score {answer.score} from n={answer.n}"
    for name, part in (answer.parts or {}).items():
        if part.n > (answer.n or 0):
            yield f"{name} rests on {part.n} calls of {answer.n}"


@of_answer(TrustReport)
def a_fleet_is_as_bad_as_its_worst(said: Exchange[TrustReport]) -> Iterator[str]:
    """The verdict of the fleet is the worst of its lines."""
    lines = [line.verdict for line in said.answer.fleet or ()]
    if lines and said.answer.verdict != worst_verdict(lines):
        yield f"{said.answer.verdict} over {dict(Counter(lines))}"


@of_answer(TrustReport)
def a_fleet_has_each_once(said: Exchange[TrustReport]) -> Iterator[str]:
    """Each dependency stands in the fleet once."""
    lines = said.answer.fleet or []
    names = Counter(line.dependency for line in lines)
    yield from (f"{name} is listed {n} times" for name, n in names.items() if n > 1)


@of_answer(TrustReport)
def a_provider_fell_with_several(said: Exchange[TrustReport]) -> Iterator[str]:
    """A provider is suspected where two or more of what it serves fell, not ahead of now."""
    suspect = said.answer.provider_suspected
    if suspect is None:
        return
    if len(set(suspect.dependencies)) < 2:  # noqa: PLR2004 - one is no provider's fault
        yield f"{suspect.provider} for {suspect.dependencies}"
    if suspect.since > said.answer.as_of:
        yield f"since {suspect.since}, asked at {said.answer.as_of}"
