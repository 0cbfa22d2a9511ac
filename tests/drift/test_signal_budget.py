"""Many signals on one share of the false-alarm budget: which are named, and when any is."""

from __future__ import annotations

import math

import pytest

from gonogo.drift.finding import Finding, evidence_of
from gonogo.drift.signals.budget_shares import (
    CATEGORIES,
    CONSISTENCY,
    DISTRIBUTIONS,
    HELD,
    OUTPUTS,
    VALUES,
)
from gonogo.drift.signals.judge import judged_together


def _finding(metric: str, share_of_needed: float, status: str = "stable") -> Finding:
    evidence = evidence_of(math.log10(share_of_needed * 1e6), needed=1e6, guarantee="")
    return Finding(metric=metric, status=status, evidence=evidence)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shares", "named"),
    [
        ([0.4, 0.4], []),  # together less than one false alarm's worth
        ([1.1, 0.01], [0]),
        ([0.5, 0.5, 0.5], [0, 1, 2]),  # e-d-BH: the third has at least a third
        ([0.9, 0.15], [0]),  # enough together, none by the list: the strongest
        ([0.2, 0.6, 0.55], [1, 2]),
        ([], []),
    ],
)
def test_together_they_alarm_and_the_list_names(shares: list[float], named: list[int]) -> None:
    """The weighted average decides whether, e-d-BH decides which."""
    findings = [_finding(f"m{k}", share) for k, share in enumerate(shares)]
    judged = judged_together(findings)
    assert [k for k, f in enumerate(judged) if f.status == "shifted"] == named
    assert [f.metric for f in judged] == [f.metric for f in findings]


def test_an_episode_lasts_and_what_was_not_judged_counts_for_nothing() -> None:
    """A held alarm stays shifted; a finding without evidence is passed over."""
    thin = Finding(metric="thin", status="insufficient_data")
    held = _finding("held", 1e-9, "shifted")
    assert [f.status for f in judged_together([thin, held])] == ["insufficient_data", "shifted"]


def test_the_weights_are_the_last_quarter() -> None:
    """Half is quality's, a quarter that of its slices."""
    shares = (VALUES, DISTRIBUTIONS, CATEGORIES, OUTPUTS, CONSISTENCY, HELD)
    assert sum(shares) == pytest.approx(0.25)
