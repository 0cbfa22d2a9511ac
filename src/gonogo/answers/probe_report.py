"""The report of a run of probes."""

from __future__ import annotations

from gonogo.answers.base import Answer, Fraction, Number, Part, Usd
from gonogo.records import Verdict


class ProbeLine(Part):
    probe: str
    dependency: str
    verdict: Verdict
    asked: int
    answered: int
    checked: int
    right: Fraction | None = None
    latency_ms: Number | None = None
    cost_usd: Usd | None = None
    errors: dict[str, int] | None = None
    why: str | None = None


class ProbeReport(Answer):
    """One run of each probe: `right` is the mean score of the answers that were checked."""

    probes: list[ProbeLine]
