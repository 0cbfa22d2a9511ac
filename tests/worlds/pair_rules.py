"""Rules over two answers to one question, whose histories or plans differ in one known way.

A store holds one history, and so has no such pair: tests make the second history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from gonogo.answers import Answer, BudgetCheck, TrustReport
from gonogo.coherence.exchanges import leaves
from gonogo.coherence.rules import Disagreement
from gonogo.records import VERDICTS_BY_SEVERITY

MICRO_USD = 1e-6
FRACTION = 1e-4
POINTS = 0.1
# Ids are made of the time and of chance.
CHANCE = ("decision_id", "id", "plan_id", "audit_id", "incident_id", "state_version")


def more_harm_is_no_better_verdict(less: Answer, more: Answer) -> Iterator[str]:
    """Where calls that were good are bad instead, the verdict is no better."""
    severity = VERDICTS_BY_SEVERITY.index
    if severity(more.verdict) < severity(less.verdict):
        yield f"{less.verdict}, with more harm {more.verdict}: {less.summary!r}, {more.summary!r}"


def more_work_is_no_cheaper(less: BudgetCheck, more: BudgetCheck) -> Iterator[str]:
    """More planned calls are projected to cost no less, and pass no more surely."""
    cheaper = _apart(less.projected_usd, more.projected_usd) < -MICRO_USD
    if cheaper:
        yield (
            f"{less.planned_calls} calls cost {less.projected_usd}, "
            f"{more.planned_calls} cost {more.projected_usd}"
        )
    likelier = _apart(less.confidence, more.confidence) > FRACTION
    if likelier:
        yield (
            f"{less.planned_calls} calls pass at {less.confidence}, "
            f"{more.planned_calls} at {more.confidence}"
        )


def _apart(before: float | None, after: float | None) -> float:
    return 0.0 if before is None or after is None else after - before


def more_of_the_same_is_no_less_sure(less: TrustReport, more: TrustReport) -> Iterator[str]:
    """Where each call came twice, the interval of the score is no wider."""
    if less.interval90 is None or more.interval90 is None:
        return
    before, after = (high - low for low, high in (less.interval90, more.interval90))
    if after > before + 2 * POINTS:
        yield f"{less.n} calls give {less.interval90}, twice as many {more.interval90}"


def another_week_tells_the_same_story(first: Answer, second: Answer) -> Iterator[str]:
    """A history and its clock moved by whole weeks: every number, name and verdict is the same.

    Times move with the clock, all by the same.
    """
    told = [dict(_without_times(answer)) for answer in (first, second)]
    for path in told[0].keys() | told[1].keys():
        before, after = (each.get(path) for each in told)
        if before != after:
            yield f"{path} is {before!r}, and {after!r} at {second.as_of}"


def _without_times(answer: Answer) -> Iterator[tuple[str, object]]:
    asked = datetime.fromisoformat(answer.as_of)
    for path, value in leaves(answer.model_dump(mode="json", by_alias=True, exclude_none=True)):
        name = path.rpartition(".")[2]
        if name in CHANCE or name in ("summary", "why", "cause", "missing"):
            continue  # words name dates
        yield path, _since(value, asked)


def _since(value: object, asked: datetime) -> object:
    """A time or a date as how long before the question it was; anything else as it is."""
    if not isinstance(value, str) or not value[:4].isdigit():
        return value
    try:
        told = datetime.fromisoformat(value)
    except ValueError:
        return value
    return (asked - (told if told.tzinfo else told.replace(tzinfo=UTC))).total_seconds()


PAIR_RULES: Mapping[str, Callable[[Any, Any], Iterator[str]]] = MappingProxyType(
    {
        rule.__name__: rule
        for rule in (
            more_harm_is_no_better_verdict,
            more_work_is_no_cheaper,
            more_of_the_same_is_no_less_sure,
            another_week_tells_the_same_story,
        )
    }
)


def pair_disagreements(rule: str, less: Answer, more: Answer) -> list[Disagreement]:
    """List the disagreements that one rule of pairs finds in two answers."""
    return [Disagreement(rule, what) for what in PAIR_RULES[rule](less, more)]
