"""The form of a rule, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from gonogo.answers import Answer, PreflightReport
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.moment import Moment

A = TypeVar("A", bound=Answer)
Check = Callable[[Exchange[A]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one answer: its name, the answers that it is about, its check."""

    name: str
    about: tuple[type[Answer], ...]
    check: Callable[[Exchange[Any]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A rule that was broken: its name, and one sentence with both values."""

    rule: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.found}"


RULES: dict[str, Rule] = {}
MOMENT_RULES: dict[str, Callable[[Moment], Iterator[str]]] = {}


def of_answer(*about: type[A]) -> Callable[[Check[A]], Check[A]]:
    """Make a function a rule of these answers; its name is the rule's."""

    def add(check: Check[A]) -> Check[A]:
        name = check.__name__
        if name in RULES:
            msg = f"two rules are called {name}"
            raise ValueError(msg)
        RULES[name] = Rule(name, about, check)
        return check

    return add


def of_moment(check: Callable[[Moment], Iterator[str]]) -> Callable[[Moment], Iterator[str]]:
    """Make a function a rule of moments; its name is the rule's."""
    MOMENT_RULES[check.__name__] = check
    return check


def moment_disagreements(moment: Moment) -> list[Disagreement]:
    """Everything that disagrees between the answers of a moment, and inside each of them."""
    found = [d for said in moment.said for d in disagreements(said)]
    return found + [
        Disagreement(name, what) for name, check in MOMENT_RULES.items() for what in check(moment)
    ]


def disagreements(said: Exchange[Answer]) -> list[Disagreement]:
    """Everything that the rules of one answer find in it, and in the answers that it holds."""
    found = [
        Disagreement(rule.name, what) for rule in rules_of(said.answer) for what in rule.check(said)
    ]
    inner = said.answer.budget if isinstance(said.answer, PreflightReport) else None
    return found + (disagreements(Exchange(inner)) if inner is not None else [])


def rules_of(answer: Answer) -> Iterable[Rule]:
    """The rules that are about this answer."""
    return [rule for rule in RULES.values() if isinstance(answer, rule.about)]
