"""What the demo has to tell, whenever it is run."""

from __future__ import annotations

import re

import pytest

VERDICT = re.compile(r"^ (GO|CAUTION|NO-GO|UNKNOWN) ", re.MULTILINE)
SUSPECT = re.compile(r"(\S+): suspected slice (\S+)")
REMAINING = re.compile(r"remaining budget \$(\d+\.\d+),")

# The heads of the answers in their order, by part.
VERDICTS = {
    "Before": ["GO"],
    "During": ["NO-GO", "NO-GO", "NO-GO", "GO"],
    "The way back": ["GO", "GO", "GO"],
    "What is being handled": ["NO-GO"],
    "After": ["NO-GO", "GO"],
}


def check_course(said: str) -> None:
    """A go, the decline and its alarm, a fallback that is carried out, and a go again."""
    cuts = [said.index(f" {name}") for name in VERDICTS] + [len(said)]
    parts = {
        name: said[start:end] for name, start, end in zip(VERDICTS, cuts, cuts[1:], strict=False)
    }
    assert "simulated" in said[: cuts[0]]
    assert {name: VERDICT.findall(part) for name, part in parts.items()} == VERDICTS
    before, during = _unwrapped(parts["Before"]), _unwrapped(parts["During"])
    assert "Budget check passed" in before
    for words in ("sentiment-v3 has degraded", "alarm day", "onset day", "Budget check failed"):
        assert words in during
    slices = during.split('segment="published=weekend"')[1]
    weekend, weekday = slices.split('segment="published=weekday"')
    assert "source-trust at published=weekend has degraded" in weekend
    assert "source-trust at published=weekday is stable" in weekday
    back = _unwrapped(parts["The way back"])
    assert "now goes to sentiment-v2 99% + sentiment-v3 1%" in back
    handled = _unwrapped(parts["What is being handled"])
    assert "sentiment-v3 mitigated" in handled
    assert "source-trust open" in handled
    assert SUSPECT.findall(handled) == [("source-trust", "published=weekend")]
    assert "a post-mortem" in handled
    assert "Routed to sentiment-v2" in _unwrapped(parts["After"])
    # The calls of the weeks are the same everywhere, and so is what the last seven days cost; a cent
    # less where a quarter hour begins while the demo runs.
    remaining = [float(usd) for usd in REMAINING.findall(_unwrapped(said))]
    assert remaining == pytest.approx([2.68, 0.51, 0.51, 0.51], abs=0.021)


def _unwrapped(text: str) -> str:
    return " ".join(text.split())
