"""Each rule finds what it is named for, and nothing in a sound answer."""

from __future__ import annotations

from typing import Any

import pytest
from broken import BROKEN
from broken_moments import BROKEN_MOMENTS
from broken_moments import SOUND as SOUND_MOMENT

from gonogo.answers import Answer, Change
from gonogo.coherence import (
    MOMENT_RULES,
    RULES,
    Exchange,
    disagreements,
)
from gonogo.coherence.figure_rules import figures
from oracle import KNOWN
from pair_rules import PAIR_RULES, pair_disagreements
from scripted import (
    BUDGET,
    DRIFT,
    INCIDENTS,
    LISTED,
    PLAN,
    PREFLIGHT,
    RECORD,
    RESULT,
    ROUTE,
    SETTLED,
    TRUST,
)

SOUND: list[Answer] = [
    *(BUDGET, INCIDENTS, LISTED, PLAN, PREFLIGHT, RECORD, RESULT, ROUTE, SETTLED, DRIFT, TRUST)
]


def test_every_rule_has_an_answer_that_breaks_it() -> None:
    """A rule that nothing can break proves nothing."""
    assert sorted(BROKEN) == sorted(RULES)
    assert sorted(BROKEN_MOMENTS) == sorted(MOMENT_RULES)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_rule_finds_what_it_is_named_for(name: str) -> None:
    """The broken answer is found by this rule."""
    said: Exchange[Any] = BROKEN[name]()
    assert isinstance(said.answer, RULES[name].about)
    assert name in {found.rule for found in disagreements(said)}


@pytest.mark.parametrize("name", sorted(BROKEN_MOMENTS))
def test_a_rule_of_moments_finds_what_it_is_named_for(name: str) -> None:
    """The broken moment is found by this rule, and the sound one by none."""
    assert list(MOMENT_RULES[name](BROKEN_MOMENTS[name]))
    assert list(MOMENT_RULES[name](SOUND_MOMENT)) == []


BROKEN_PAIRS = {
    "more_harm_is_no_better_verdict": (DRIFT, TRUST),
    "more_work_is_no_cheaper": (BUDGET, BUDGET.model_copy(update={"projected_usd": 1.0})),
    "more_of_the_same_is_no_less_sure": (
        TRUST,
        TRUST.model_copy(update={"interval90": (50.0, 99.0)}),
    ),
    "another_week_tells_the_same_story": (TRUST, TRUST.model_copy(update={"score": 87.3})),
}


@pytest.mark.parametrize("name", sorted(PAIR_RULES))
def test_a_rule_of_pairs_finds_what_it_is_named_for(name: str) -> None:
    """The broken pair is found by this rule; an answer never disagrees with itself."""
    less, more = BROKEN_PAIRS[name]
    assert pair_disagreements(name, less, more)
    assert pair_disagreements(name, less, less) == []


@pytest.mark.parametrize("answer", SOUND, ids=lambda answer: type(answer).__name__)
def test_a_sound_answer_breaks_no_rule(answer: Answer) -> None:
    """The scripted answers hold together, their figures apart: those are a script's."""
    found = [d for d in disagreements(Exchange(answer)) if not d.rule.startswith("a_figure")]
    assert found == []


def test_what_is_known_to_disagree_is_a_rule_with_a_reason() -> None:
    """The list of known faults names rules that exist."""
    assert set(KNOWN) <= {*RULES, *MOMENT_RULES, *PAIR_RULES}
    assert all(known.reason for known in KNOWN.values())


@pytest.mark.parametrize(
    ("words", "value", "stands"),
    [
        ("99% confidence", 0.9949, True),
        ("99% confidence", 0.9995, False),
        ("over 99% confidence", 0.9995, True),
        ("$12,325.50 remain", 12325.5, True),
        ("$12,325.50 remain", 12325.51, False),
        ("evidence 1.6e6", 1_609_000, True),
        ("evidence 1e6", 1_609_000, False),
        ("alarm at 73,050", 73_050, True),
        ("about 7 in 10", 0.738, True),
        ("about 9 in 10", 0.738, False),
        ("change -0.131", -0.1305, True),
    ],
)
def test_a_figure_means_what_rounds_to_it(words: str, value: float, *, stands: bool) -> None:
    """A figure is as exact as it is said."""
    [figure] = figures(words)
    assert figure.means(value) is stands


def test_what_arithmetic_leaves_of_nothing_is_told_as_nothing() -> None:
    """A change of -5.551e-16 is none."""
    assert Change(absolute=-5.551e-16, interval95=(5.4e-20, 0.1)).model_dump(exclude_none=True) == {
        "absolute": 0.0,
        "interval95": (0.0, 0.1),
    }


def test_a_change_may_be_told_in_rounded_figures() -> None:
    """Each of them stands for what rounds to it: 0.4567 is 19.57 times 0.02333."""
    before, now = DRIFT.baseline, DRIFT.current
    assert before is not None
    assert now is not None
    told = DRIFT.model_copy(
        update={
            "baseline": before.model_copy(update={"mean": 7 / 300}),
            "current": now.model_copy(update={"mean": 0.48, "interval95": (0.4, 0.56)}),
            "change": Change(absolute=0.48 - 7 / 300, relative=0.48 * 300 / 7 - 1),
        }
    )
    rounded = type(DRIFT).model_validate_json(told.model_dump_json(exclude_none=True))
    rule = "a_change_is_current_less_baseline"
    assert rule not in {found.rule for found in disagreements(Exchange(rounded))}
