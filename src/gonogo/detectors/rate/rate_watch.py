"""Evidence that a rate has changed, from hourly counts (or single labels: batches of one)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.detectors.arrays import Floats, Ints, check_counts, check_vector
from gonogo.detectors.pieces import PieceCache, SettledPrefix, in_pieces
from gonogo.detectors.rate.rate_run import Run
from gonogo.detectors.rate.rate_state import Episode, RateState
from gonogo.detectors.rate.rule import RateRule
from gonogo.errors import DataError

Status = Literal["quiet", "up", "down", "recovering", "recovered"]


@dataclass(frozen=True, slots=True, eq=False)
class RateWatch:
    """What a run of batches says. Arrays have shape (batches,).

    Attributes:
        evidence_nats: After each batch: log of the evidence for any change, both sides weighed.
            During an episode it is held against the rate before it.
        up_nats: The same for "the bad rate rose" alone.
        down_nats: The same for "the bad rate fell" alone.
        latched: Whether an episode lasts after each batch.
        recovering: Whether it is on its way back then; see `recovery`.
        status: At the end: "up" or "down" while an episode lasts, "recovering" where a rise is on
            its way back, "recovered" after one.
        state: What to hand in with the next batches.
        since: Index of the first batch since the last reset.
        null_nats: Log likelihood of each batch under "no change".
        anchor: Log-odds from which a candidate starting at each batch would bet; NaN where none
            starts, during an episode.
        spells: Of each episode that first was on its way back within these batches: the stamps of
            its onset and of the batch after which it was.
    """

    evidence_nats: Floats
    up_nats: Floats
    down_nats: Floats
    latched: NDArray[np.bool_]
    recovering: NDArray[np.bool_]
    status: Status
    state: RateState
    since: int
    null_nats: Floats
    anchor: Floats
    spells: tuple[tuple[int, int], ...]

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """The newest few alarms, oldest first, including those of the state handed in."""
        return self.state.episodes


def watch_rate(
    n: ArrayLike,
    bad: ArrayLike,
    rule: RateRule,
    *,
    state: RateState | None = None,
    offset: ArrayLike | None = None,
    stamp: ArrayLike | None = None,
    span: int = 1,
    kept: PieceCache[RateWatch] | None = None,
    settled: SettledPrefix | None = None,
) -> RateWatch:
    """Weigh, batch by batch, whether the rate of bad outcomes has changed.

    While labels are exchangeable and arrive regardless of their outcome, the expected number of
    alarms in n labels is at most n / rule.needed, however the labels are cut into batches and
    however often it is looked at; averaged over baselines and rates. The stream begins with the
    baseline itself. A call with the state of an earlier one goes on exactly as one call over both
    would have (to rounding). An hour that is still open may be handed in as it stands, as long as
    the state returned with it is dropped.

    Args:
        n: Labels of each batch, oldest first, shape (batches,).
        bad: Bad outcomes of each batch; fractional where outcomes are graded.
        rule: What to look for.
        state: Of the batches before these; None begins a stream. Not changed.
        offset: Expected log-odds of each batch less the stream's own, shape (batches,), learned
            from the baseline (`seasonal_offsets`); None for none. One stream has it or has not.
        stamp: An integer of the caller's for each batch (its hour), shown in episodes. Default:
            the number of batches before it. Recovery counts hours by it.
        span: Stamps that a batch spans; 24 where a batch is a day and stamps are hours.
        kept: Pieces of earlier runs, which are not run again.
        settled: Of this stream, with its offsets and stamps.

    Raises:
        DataError: Counts, offsets or stamps are malformed, or the state is of another rule.

    Source: see `predictive`; cohorts of candidates with equal anchors are merged exactly.
    """
    labels, failures = check_counts(n, bad)
    before = state or RateState()
    stamps = _stamps(stamp, labels, before)
    offsets = _offsets(offset, labels)

    def run(part: slice, start: RateState) -> RateWatch:
        expected = None if offsets is None else offsets[part]
        return _ran(Run(labels[part], failures[part], rule, start, expected, stamps[part], span))

    return in_pieces(
        run,
        [labels, failures, stamps, *([] if offsets is None else [offsets])],
        before,
        seen=before.batches,
        rule=(rule, span),
        state_of=lambda piece: piece.state,
        joined=_joined,
        kept=kept,
        settled=settled,
    )


def _ran(run: Run) -> RateWatch:
    """One piece: all that it has, turn by turn."""
    at = 0
    with np.errstate(divide="ignore"):  # a share of nothing has the logarithm -inf
        while at < len(run.labels):
            at = run.advance(at, len(run.labels))
    state = run.state()
    return RateWatch(
        evidence_nats=run.both,
        up_nats=run.up,
        down_nats=run.down,
        latched=run.latched,
        recovering=run.recovering,
        status=_status(state),
        state=state,
        since=run.since,
        null_nats=run.null_nats,
        anchor=run.anchor,
        spells=tuple(run.spells),
    )


def _joined(pieces: Sequence[RateWatch]) -> RateWatch:
    if len(pieces) == 1:
        return pieces[0]
    since = before = 0
    for piece in pieces:
        # 0 is "no reset in this piece": one comes after a batch.
        since = before + piece.since if piece.since else since
        before += len(piece.evidence_nats)
    return RateWatch(
        evidence_nats=np.concatenate([piece.evidence_nats for piece in pieces]),
        up_nats=np.concatenate([piece.up_nats for piece in pieces]),
        down_nats=np.concatenate([piece.down_nats for piece in pieces]),
        latched=np.concatenate([piece.latched for piece in pieces]),
        recovering=np.concatenate([piece.recovering for piece in pieces]),
        status=pieces[-1].status,
        state=pieces[-1].state,
        since=since,
        null_nats=np.concatenate([piece.null_nats for piece in pieces]),
        anchor=np.concatenate([piece.anchor for piece in pieces]),
        spells=tuple(spell for piece in pieces for spell in piece.spells),
    )


def _status(state: RateState) -> Status:
    if state.recovery is not None:
        side = state.episodes[-1].side
        return "recovering" if side == "up" and state.recovery.recovering else side
    return "recovered" if state.episodes else "quiet"


def _offsets(offset: ArrayLike | None, labels: Floats) -> Floats | None:
    if offset is None:
        return None
    values = check_vector("offset", offset)
    if values.shape != labels.shape:
        raise DataError(f"offset has {len(values)} batches and n has {len(labels)}.")
    return values


def _stamps(stamp: ArrayLike | None, labels: Floats, before: RateState) -> Ints:
    if stamp is None:
        return before.batches + np.arange(len(labels), dtype=np.int64)
    values = np.asarray(stamp)
    if values.dtype.kind != "i" or values.shape != labels.shape:
        raise DataError("stamp needs one integer for each batch.")
    return values.astype(np.int64)
