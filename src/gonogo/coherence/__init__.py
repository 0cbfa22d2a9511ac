"""Rules that every answer keeps, by name: its words and its numbers, its parts and its whole, one surface and the next.

A rule is a small pure function. It looks at one answer (`@of_answer`), or at all answers of one store
at one moment (`@of_moment`), and yields a sentence for each thing that disagrees. `gonogo doctor
--coherence` asks a store everything, without writing; in the tests every answer goes through them.
"""

from __future__ import annotations

# Importing a module of rules is what makes them known.
from gonogo.coherence import (  # noqa: F401
    budget_rules,
    drift_rules,
    every_rules,
    figure_rules,
    moment_rules,
    plan_rules,
    step_rules,
    trust_rules,
    work_rules,
)
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.moment import Moment, look
from gonogo.coherence.rules import (
    MOMENT_RULES,
    RULES,
    Disagreement,
    disagreements,
    moment_disagreements,
)

__all__ = [
    "MOMENT_RULES",
    "RULES",
    "Disagreement",
    "Exchange",
    "Moment",
    "disagreements",
    "look",
    "moment_disagreements",
]
