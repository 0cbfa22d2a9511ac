"""The signals beside quality: judged once a UTC day has ended, and remembered until the next.

What a day brings is read from daily rollups and bounded samples, once; the store drops what is
remembered when one of those days changes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b

import numpy as np
from pydantic import TypeAdapter, ValidationError

from gonogo.answers import Estimate
from gonogo.detectors.many import listed, together_nats
from gonogo.detectors.trust.unlabelled import estimate_from_confidence
from gonogo.drift.finding import Finding
from gonogo.drift.signals.budget_shares import WEEK, SignalQuestion
from gonogo.drift.signals.label_mix import category_findings
from gonogo.drift.signals.outputs import consistency_findings, output_findings
from gonogo.drift.signals.value_shapes import VALUES_MIN, DailyShape, read_shape, value_shapes
from gonogo.errors import NotEnoughData

# Besides the metrics that are followed as values.
SIGNAL_METRICS = ("prediction", "error_kind", "output", "embedding", "consistency")
# Part of a remembered answer's key: raise it when the same days are to give another one.
_FORMAT = 2
# With fewer calls of the newest week unlabelled than this, the labels say more.
_UNLABELLED_SHARE_MIN = 0.5
METHOD = (
    "estimate from stated confidence (CBPE): isotonic calibration on the labels there are, golden "
    "ones included; blind to a change of what confidence means, and never a verdict"
)


@dataclass(frozen=True, slots=True)
class DailySignals:
    """The findings of full days. `findings` hold every slice that was judged."""

    findings: tuple[Finding, ...] = ()
    estimate: Estimate | None = None


async def daily_signals(
    asked: SignalQuestion, *, rev: int | None, made: dict[Hashable, object] | None = None
) -> DailySignals:
    """Judge the full days, or remember how they were judged.

    Args:
        asked: The dependency and its full days.
        rev: The dependency's revision, as it was when its hours were read; None where the answer
            is not to be remembered, for it is about the past.
        made: What was made of the full days alone, while none of them has changed.
    """
    key = _key(asked)
    own = key, asked.end_day
    found = None if made is None else made.get(own)
    if not isinstance(found, DailySignals):
        found = await _remembered(asked, key, rev)
        if made is not None:
            made[own] = found
    return found


async def _remembered(asked: SignalQuestion, key: str, rev: int | None) -> DailySignals:
    """Judgements of full days: those that any process stored, and new ones for the rest."""
    if rev is not None:
        kept = await asked.telemetry.cached_state(asked.dependency, key)
        found = _read(kept[1]) if kept is not None and kept[0] == asked.end_day * 24 else None
        if found is not None:
            return found
    stopped = await asked.telemetry.not_rolled_up(asked.dependency)
    found = DailySignals(
        (
            *await category_findings(asked, stopped),
            *await value_shapes(asked),
            *await output_findings(asked),
            *await consistency_findings(asked),
        ),
        await performance_estimate(asked),
    )
    if rev is not None:
        raw = _adapter().dump_json(found, exclude_none=True)
        await asked.telemetry.cache_state(asked.dependency, key, asked.end_day * 24, raw, rev=rev)
    return found


def judged_together(findings: Sequence[Finding]) -> list[Finding]:
    """Judge everything that shares the last quarter of the budget, as one list.

    Each finding's evidence over what it needs is a share of one false alarm. Their sum (the
    weighted average of the evidence) decides whether something shifted; which of them did is told
    by e-d-BH. What is held as an episode stays shifted until it has recovered.
    """
    nats = [finding.strength * math.log(10) for finding in findings]
    if not nats or together_nats(nats, [1 / len(nats)] * len(nats)) + math.log(len(nats)) < 0:
        return list(findings)
    count = math.log(len(nats))
    named = listed([value + count for value in nats], needed=1.0) or [nats.index(max(nats))]
    return [
        replace(finding, status="shifted") if index in named else finding
        for index, finding in enumerate(findings)
    ]


def _read(raw: bytes) -> DailySignals | None:
    try:
        return _adapter().validate_json(raw)
    except ValidationError:  # made by another release: it is made anew
        return None


@cache
def _adapter() -> TypeAdapter[DailySignals]:
    return TypeAdapter(DailySignals)


def _key(asked: SignalQuestion) -> str:
    """Names what a remembered answer depends on besides the days."""
    said = repr((_FORMAT, asked.own, asked.accepted, asked.zone, asked.metrics))
    return f"signals/{blake2b(said.encode(), digest_size=12).hexdigest()}"


async def performance_estimate(asked: SignalQuestion) -> Estimate | None:
    """The expected share of good calls in the newest week; None where labels say it better."""
    stated = await read_shape(asked, "confidence")
    if stated is None:
        return None
    labelled = [
        (await read_shape(asked, "confidence_labelled", golden=golden), kind)
        for golden, kind in ((False, "own"), (True, "golden"))
    ]
    good = [await read_shape(asked, "confidence_good", golden=golden) for golden in (False, True)]
    parts = [part for part in (stated, *(one for one, _ in labelled), *good) if part is not None]
    bins = np.unique(np.concatenate([part.bins for part in parts]))

    def total(
        part: DailyShape | None, since: int = 0
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if part is None:
            return np.zeros(len(bins))
        wide = part.over(bins)
        summed: np.ndarray[tuple[int], np.dtype[np.float64]] = wide.table[wide.day >= since].sum(
            axis=0
        )
        return summed

    since = asked.end_day - WEEK
    everything = total(stated, since)
    unlabelled = everything - total(labelled[0][0], since)
    if unlabelled.sum() < max(VALUES_MIN, _UNLABELLED_SHARE_MIN * everything.sum()):
        return None
    try:
        found = estimate_from_confidence(
            sum(total(one) for one, _ in labelled), sum(total(one) for one in good), unlabelled
        )
    except NotEnoughData:
        return None
    return Estimate(
        mean=found.mean,
        interval95=found.interval95,
        n=found.n,
        labels=found.labels,
        method=METHOD,
    )
