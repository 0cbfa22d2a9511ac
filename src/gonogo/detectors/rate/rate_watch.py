"""Evidence that a rate has changed, from hourly counts (or single labels: batches of one)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.detectors.arrays import Floats, Ints, check_counts, check_vector
from gonogo.detectors.log_space import from_log_odds
from gonogo.detectors.pieces import PieceCache, SettledPrefix, in_pieces
from gonogo.detectors.rate.null import (
    EPISODES_KEPT_MAX,
    TRAIL_MAX,
    Episode,
    KnownNull,
    Null,
    PastBatch,
    RateState,
    null_from,
)
from gonogo.detectors.rate.onset import change_at_alarm
from gonogo.detectors.rate.recovery import Hours, Recovery, Side, begin_recovery, follow_recovery
from gonogo.detectors.rate.rule import (
    CELL,
    Batches,
    Bets,
    RateRule,
    check_rows,
    own_cells,
    rises_of,
    side_nats,
)
from gonogo.errors import DataError

Status = Literal["quiet", "up", "down", "recovering", "recovered"]


@dataclass(frozen=True, slots=True, eq=False)
class RateWatch:
    """The evidence of a run of batches. Arrays have shape (batches,).

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

    Source: see `rule`; cohorts of candidates with equal anchors are merged exactly.
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
    """Run over one piece to its end."""
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


class Run:
    """One pass over the batches: learn, bet, alarm, wait for recovery, begin again; `advance` goes on."""

    def __init__(
        self,
        labels: Floats,
        failures: Floats,
        rule: RateRule,
        state: RateState,
        offset: Floats | None,
        stamp: Ints,
        span: int = 1,
    ) -> None:
        self.rule, self.stamp, self.span, self.labels = rule, stamp, span, labels
        with np.errstate(divide="ignore"):
            self.log_starts = np.log(labels)
        self.bad = failures / rule.dispersion
        self.good = (labels - failures) / rule.dispersion
        self.offset = np.zeros(1) if offset is None else offset
        self.null: Null = null_from(state, rule, offsets=offset is not None)
        self.bets = _bets_of(state, rule)
        self.before = state
        self.after, self.quiet_from = state.after, state.quiet_from
        self.recovery: Recovery | None = state.recovery
        self.episodes = list(state.episodes)
        self.spells: list[tuple[int, int]] = []
        self.since = 0
        count = len(labels)
        self.up, self.down, self.both = (np.full(count, -math.inf) for _ in range(3))
        self.null_nats = np.zeros(count)
        self.anchor = np.full(count, math.nan)
        self.latched: NDArray[np.bool_] = np.zeros(count, dtype=np.bool_)
        self.recovering: NDArray[np.bool_] = np.zeros(count, dtype=np.bool_)

    def advance(self, at: int, end: int) -> int:
        """Take batches from `at` to at most `end`; where an episode begins or ends, to there."""
        span = slice(at, end)
        bad, good, offset = self.bad[span], self.good[span], self._offset(span)
        latched = self.recovery is not None
        null: Null = KnownNull(self.null.log_odds()) if latched else self.null
        null_nats, anchor = null.predict(bad, good, offset)
        present = None if latched else np.rint(anchor / CELL).astype(np.int64)
        batches = Batches(self.log_starts[span], bad, good, offset, null_nats)
        own = own_cells(batches, present, self.rule)
        bets = self.bets if present is None else self.bets.joined(present, own, self.rule)
        mass = bets.evolve(batches, present, own, self.rule)
        up, down = side_nats(bets, mass, self.rule)
        both = _weigh(up, down, self.rule)
        turn = self._follow(span) if latched else _first(both >= self.rule.needed_nats)
        taken = len(both) if turn is None else turn + 1
        done = slice(at, at + taken)
        self.up[done], self.down[done], self.both[done] = up[:taken], down[:taken], both[:taken]
        self.null_nats[done], self.latched[done] = null_nats[:taken], latched
        self.bets = Bets(bets.cell, bets.row, mass[:, taken - 1])
        if present is not None:
            self.anchor[done] = anchor[:taken]
            self.null = null.after(bad[:taken], good[:taken], offset[:taken])
            self.bets = self.bets.pruned(int(present[taken - 1]))
        if turn is not None:
            self._turn(at + turn)
        return at + taken

    def state(self) -> RateState:
        """The state that later batches go on from."""
        kept = RateState(
            batches=self.before.batches + len(self.labels),
            after=self.after,
            cell=tuple(self.bets.cell.tolist()),
            row=tuple(self.bets.row.tolist()),
            mass_nats=tuple(self.bets.nats.tolist()),
            trail=() if self.recovery is not None else self._trail(len(self.labels)),
            recovery=self.recovery,
            quiet_from=self.quiet_from,
            episodes=tuple(self.episodes),
        )
        return self.null.keep(kept)

    def _offset(self, span: slice) -> Floats:
        return self.offset if len(self.offset) == 1 else self.offset[span]

    def _hours(self, span: slice) -> Hours:
        """The batches as a recovery counts them: up is away from the old rate."""
        bad, good = self.bad[span], self.good[span]
        hours = Hours(self.stamp[span], bad, good, np.broadcast_to(self._offset(span), bad.shape))
        return hours if self.episodes[-1].side == "up" else hours.mirrored()

    def _trail(self, end: int) -> tuple[PastBatch, ...]:
        """The newest batches since the last reset, before `end`."""
        low = max(self.since, end - TRAIL_MAX)
        span = slice(low, end)
        offset = np.broadcast_to(self._offset(span), end - low)
        seen = (self.bad[span], self.good[span], offset, self.null_nats[span], self.anchor[span])
        rows = np.array(seen).T.tolist()
        own = [
            PastBatch(stamp, *row)
            for stamp, row in zip(self.stamp[span].tolist(), rows, strict=True)
        ]
        return (*(self.before.trail if self.since == 0 else ()), *own)[-TRAIL_MAX:]

    def _follow(self, span: slice) -> int | None:
        """Take batches of an episode; the index of the one after which it is over."""
        if self.recovery is None:
            return None
        followed = follow_recovery(self.recovery, self._hours(span))
        taken, episode = len(followed.recovering), self.episodes[-1]
        self.recovering[span.start : span.start + taken] = followed.recovering
        if episode.recovering is None and followed.recovering.any():
            first = int(self.stamp[span][int(followed.recovering.argmax())])
            self.episodes[-1] = replace(episode, recovering=first)
            self.spells.append((episode.onset, first))
        self.recovery = followed.state
        return taken - 1 if followed.over else None

    def _turn(self, at: int) -> None:
        if self.recovery is not None:
            self.latched[at] = self.recovering[at] = False
            self.episodes[-1] = replace(self.episodes[-1], recovered=int(self.stamp[at]))
            self.after, self.quiet_from = int(self.stamp[at]), self.recovery.quiet_from
            self.recovery = None
            self.bets = _bets_of(RateState(), self.rule)
            self.since = at + 1
            return
        side: Side = "up" if self.up[at] >= self.down[at] else "down"
        trail = self._trail(at + 1)
        change = change_at_alarm(trail, side=side)
        self.episodes.append(self._episode(at, side, int(change.hours.stamp[0])))
        del self.episodes[:-EPISODES_KEPT_MAX]
        self.recovery = begin_recovery(
            change, effect=self.rule.effect, quiet_from=self.quiet_from, span=self.span
        )
        # The null goes back to what it held at the onset: the trouble is nothing to learn from.
        learned = np.array([passed[1:4] for passed in trail[-len(change.hours.stamp) :]]).T
        self.null = self.null.without(*learned)
        self.latched[at] = True

    def _episode(self, at: int, side: Side, onset: int) -> Episode:
        mine = rises_of(self.bets.row, self.rule) == (side == "up")
        weight = np.exp(self.bets.nats[mine] - self.bets.nats[mine].max())
        weight /= weight.sum()
        anchor = from_log_odds(CELL * self.bets.cell[mine].astype(np.float64))
        # The cell of a rate of its own is that rate; it was left from what the null held.
        is_own = self.bets.row[mine] >= 2 * len(self.rule.deltas)
        anchor = np.where(is_own, from_log_odds(self.anchor[at : at + 1]), anchor)
        return Episode(
            side=side,
            after=self.after,
            alarmed=int(self.stamp[at]),
            onset=onset,
            recovering=None,
            recovered=None,
            evidence_nats=float(self.both[at]),
            rate_before=float(weight @ anchor),
        )


def _bets_of(state: RateState, rule: RateRule) -> Bets:
    check_rows(state.row, rule)
    return Bets(
        np.array(state.cell, dtype=np.int64),
        np.array(state.row, dtype=np.int64),
        np.array(state.mass_nats, dtype=np.float64),
    )


def _weigh(up: Floats, down: Floats, rule: RateRule) -> Floats:
    weight_up, weight_down = rule.side_weights
    if weight_down == 0:
        return up
    if weight_up == 0:
        return down
    both: Floats = np.logaddexp(math.log(weight_up) + up, math.log(weight_down) + down)
    return both


def _first(found: NDArray[np.bool_]) -> int | None:
    return int(found.argmax()) if found.any() else None
