"""Rules that every answer keeps, by name: its words and its numbers, its parts and its whole, one surface and the next.

A rule is a small pure function. It looks at one answer (`@of_answer`), at all answers of one store
at one moment (`@of_moment`), or at two answers of which one must not be better than the other
(`@of_pair`), and yields a sentence for each thing that disagrees. `gonogo doctor --coherence` asks a
store everything, without writing, and runs the first two kinds; the tests run all three.
"""

from __future__ import annotations

from gonogo.coherence import (
    budget_rules,
    drift_rules,
    every_rules,
    figure_rules,
    moment_rules,
    pair_rules,
    plan_rules,
    step_rules,
    trust_rules,
    work_rules,
)
from gonogo.coherence.exchanges import Exchange, heard
from gonogo.coherence.moment import Moment, look
from gonogo.coherence.rules import (
    MOMENT_RULES,
    PAIR_RULES,
    RULES,
    Disagreement,
    disagreements,
    moment_disagreements,
    pair_disagreements,
)

__all__ = [
    "MOMENT_RULES",
    "PAIR_RULES",
    "RULES",
    "Disagreement",
    "Exchange",
    "Moment",
    "disagreements",
    "heard",
    "look",
    "moment_disagreements",
    "pair_disagreements",
]

# Importing a module of rules is what makes them known.
_KNOWN = (
    budget_rules,
    drift_rules,
    every_rules,
    figure_rules,
    moment_rules,
    pair_rules,
    plan_rules,
    step_rules,
    trust_rules,
    work_rules,
)
