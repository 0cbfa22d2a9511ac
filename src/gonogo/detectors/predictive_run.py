"""One pass over a stream of batches: learn, bet, alarm, wait for recovery, begin again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.checks import Floats, Ints
from gonogo.detectors.predictive import RateRule, from_log_odds, log_odds
from gonogo.detectors.predictive_bets import CELL, Batches, Bets, check_rows, side_nats
from gonogo.detectors.predictive_null import KnownNull, Null, null_from
from gonogo.detectors.predictive_state import EPISODES_KEPT_MAX, Episode, RateState, Side
from gonogo.detectors.recovery import SHARE_OF_NEEDED, recovery_nats, recovery_rates


class Run:
    """What stands after each batch taken so far; `advance` takes the next ones."""

    def __init__(
        self,
        labels: Floats,
        failures: Floats,
        rule: RateRule,
        state: RateState,
        offset: Floats | None,
        stamp: Ints,
    ) -> None:
        self.rule, self.stamp, self.labels = rule, stamp, labels
        with np.errstate(divide="ignore"):
            self.log_starts = np.log(labels)
        self.bad = failures / rule.dispersion
        self.good = (labels - failures) / rule.dispersion
        self.offset = np.zeros(1) if offset is None else offset
        self.null: Null = null_from(state, rule, offsets=offset is not None)
        self.bets = _bets_of(state, rule)
        self.before = state
        self.after = state.after
        self.is_latched = state.latched
        self.recovery_nats = state.recovery_nats
        self.episodes = list(state.episodes)
        self.since = 0
        count = len(labels)
        self.up, self.down, self.both = (np.full(count, -math.inf) for _ in range(3))
        self.null_nats = np.zeros(count)
        self.anchor = np.full(count, math.nan)
        self.latched: NDArray[np.bool_] = np.zeros(count, dtype=np.bool_)

    def advance(self, at: int, end: int) -> int:
        """Take batches from `at` to at most `end`; where an episode begins or ends, to there."""
        span = slice(at, end)
        bad, good, offset = self.bad[span], self.good[span], self._offset(span)
        null: Null = KnownNull(self.null.log_odds()) if self.is_latched else self.null
        null_nats, anchor = null.predict(bad, good, offset)
        present = None if self.is_latched else np.rint(anchor / CELL).astype(np.int64)
        bets = self.bets if present is None else self.bets.joined(present, self.rule)
        batches = Batches(self.log_starts[span], bad, good, offset, null_nats)
        mass = bets.evolve(batches, present, self.rule)
        up, down = side_nats(bets, mass, self.rule)
        both = _weigh(up, down, self.rule)
        turn = self._recovery(span) if self.is_latched else _first(both >= self.rule.needed_nats)
        taken = len(both) if turn is None else turn + 1
        done = slice(at, at + taken)
        self.up[done], self.down[done], self.both[done] = up[:taken], down[:taken], both[:taken]
        self.null_nats[done], self.latched[done] = null_nats[:taken], self.is_latched
        self.bets = Bets(bets.cell, bets.row, mass[:, taken - 1])
        if present is not None:
            self.anchor[done] = anchor[:taken]
            self.null = null.after(bad[:taken], good[:taken], offset[:taken])
            self.bets = self.bets.pruned(int(present[taken - 1]))
        if turn is not None:
            self._turn(at + turn)
        return at + taken

    def state(self) -> RateState:
        """What later batches go on from."""
        kept = RateState(
            batches=self.before.batches + len(self.labels),
            after=self.after,
            cell=tuple(self.bets.cell.tolist()),
            row=tuple(self.bets.row.tolist()),
            mass_nats=tuple(self.bets.nats.tolist()),
            latched=self.is_latched,
            recovery_nats=self.recovery_nats,
            episodes=tuple(self.episodes),
        )
        return self.null.keep(kept)

    def _offset(self, span: slice) -> Floats:
        return self.offset if len(self.offset) == 1 else self.offset[span]

    def _recovery(self, span: slice) -> int | None:
        episode = self.episodes[-1]
        odds = log_odds(np.array(episode.rate_before)) + self._offset(span)
        rates = recovery_rates(
            from_log_odds(odds),
            side=episode.side,
            change=episode.rate_after - episode.rate_before,
            typical=self.rule.deltas[len(self.rule.deltas) // 2],
        )
        nats = recovery_nats(
            self.log_starts[span], self.bad[span], self.good[span], rates, self.recovery_nats
        )
        turn = _first(nats >= self.rule.needed_nats + math.log(SHARE_OF_NEEDED))
        self.recovery_nats = float(nats[-1])
        return turn

    def _turn(self, at: int) -> None:
        if self.is_latched:
            self.episodes[-1] = _ended(self.episodes[-1], int(self.stamp[at]))
            self.after = int(self.stamp[at])
            self.bets = _bets_of(RateState(), self.rule)
            self.since = at + 1
        else:
            self.episodes.append(self._episode(at))
            del self.episodes[:-EPISODES_KEPT_MAX]
        self.is_latched = not self.is_latched
        self.latched[at] = self.is_latched
        self.recovery_nats = -math.inf

    def _episode(self, at: int) -> Episode:
        side: Side = "up" if self.up[at] >= self.down[at] else "down"
        mine = (self.bets.row < len(self.rule.deltas)) == (side == "up")
        weight = np.exp(self.bets.nats[mine] - self.bets.nats[mine].max())
        weight /= weight.sum()
        anchor = from_log_odds(CELL * self.bets.cell[mine].astype(np.float64))
        rate = self.bets.rates(self.rule, np.zeros(1))[mine, 0]
        return Episode(
            side=side,
            after=self.after,
            alarmed=int(self.stamp[at]),
            recovered=None,
            evidence_nats=float(self.both[at]),
            rate_before=float(weight @ anchor),
            rate_after=float(weight @ rate),
        )


def _ended(episode: Episode, stamp: int) -> Episode:
    return Episode(
        side=episode.side,
        after=episode.after,
        alarmed=episode.alarmed,
        recovered=stamp,
        evidence_nats=episode.evidence_nats,
        rate_before=episode.rate_before,
        rate_after=episode.rate_after,
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
