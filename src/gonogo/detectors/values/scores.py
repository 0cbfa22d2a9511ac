"""Evidence that the mean of scores has shifted: the predictive construction for real values.

The null learns mean and variance of the scores (normal-inverse-gamma); candidates that start at
each value bet on a mean a few sizes away from the one learned there, and do not follow. A candidate
whose first batch is large and speaks for a change also bets on that batch's own mean, as in `rate.rule`: the
null learns a batch of 5,000 values two standard deviations off faster than a bet on .7 can win (log10
evidence of -778 without it, and 363 with it). See `rate.rule` for the construction and its promise,
`ranks` for the scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints, check_vector
from gonogo.detectors.log_space import accumulate_starts
from gonogo.detectors.pieces import PieceCache, SettledPrefix, in_pieces
from gonogo.detectors.rate.recovery import SHARE_OF_NEEDED
from gonogo.detectors.rate.rule import NO_CELL, OWN_LABELS_MIN, OWN_SHARE, cells_of
from gonogo.detectors.values.ranks import ScoreSums
from gonogo.detectors.values.score_state import (
    CELL,
    MASS_NATS_MIN,
    OWN_LEAD_NATS,
    ScoreRule,
    ScoreState,
    own_nats,
    rows_of,
)
from gonogo.errors import DataError

_BETS_MAX = 400
# The least half step, in scores, that an end of an episode is weighed against.
_STEP_MIN = 0.05
OwnCells = dict[int, Ints]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreWatch:
    """Evidence after each batch, shapes (batches,), nats; `state` goes on with later batches.

    `mean` is what the null had learned ahead of each batch, in scores.
    """

    evidence_nats: Floats
    up_nats: Floats
    down_nats: Floats
    latched: NDArray[np.bool_]
    mean: Floats
    state: ScoreState


def watch_scores(
    sums: ScoreSums,
    rule: ScoreRule,
    *,
    state: ScoreState,
    kept: PieceCache[ScoreWatch] | None = None,
    settled: SettledPrefix | None = None,
) -> ScoreWatch:
    """Weigh, batch by batch, whether the mean of the scores has moved.

    While values are exchangeable with the baseline, the expected number of alarms in n of them is
    at most n / rule.needed, averaged over baselines, however they are batched and whenever it is
    looked at; the normal law holds for scores of any continuous shape.

    Args:
        sums: Count, sum and sum of squares of each batch's scores, oldest first.
        rule: What to look for.
        state: `ScoreState.of_baseline`, or of the batches before. Not changed.
        kept: Pieces of earlier runs, which are not run again.
        settled: Of these sums.

    Raises:
        DataError: sums are malformed, or impossible (a square sum below what the sum implies).
    """
    made = _checked(sums)

    def run(span: slice, start: ScoreState) -> ScoreWatch:
        part = ScoreSums(made.n[span], made.total[span], made.squares[span])
        return _ran(_Run(part, rule, start))

    return in_pieces(
        run,
        (made.n, made.total, made.squares),
        state,
        seen=state.batches,
        rule=rule,
        state_of=lambda piece: piece.state,
        joined=_joined,
        kept=kept,
        settled=settled,
    )


def _joined(pieces: Sequence[ScoreWatch]) -> ScoreWatch:
    if len(pieces) == 1:
        return pieces[0]
    return ScoreWatch(
        np.concatenate([piece.evidence_nats for piece in pieces]),
        np.concatenate([piece.up_nats for piece in pieces]),
        np.concatenate([piece.down_nats for piece in pieces]),
        np.concatenate([piece.latched for piece in pieces]),
        np.concatenate([piece.mean for piece in pieces]),
        pieces[-1].state,
    )


def _ran(run: _Run) -> ScoreWatch:
    at = 0
    while at < run.size:
        at = run.advance(at)
    return ScoreWatch(run.both, run.up, run.down, run.latched, run.mean, run.state)


def _checked(sums: ScoreSums) -> ScoreSums:
    n, total, squares = (
        check_vector(k, v)
        for k, v in (("n", sums.n), ("total", sums.total), ("squares", sums.squares))
    )
    if not n.shape == total.shape == squares.shape or (n < 0).any():
        raise DataError("Counts, sums and squares need one shape, and counts of 0 or more.")
    if (squares * n < total**2 * (1 - 1e-9) - 1e-9).any():
        raise DataError("A batch's sum of squares is below its squared sum over its count.")
    return ScoreSums(n, total, squares)


class _Run:
    """One pass over the batches."""

    def __init__(self, sums: ScoreSums, rule: ScoreRule, state: ScoreState) -> None:
        self.rule, self.state, self.size = rule, state, len(sums.n)
        with np.errstate(divide="ignore"):
            self.log_starts = np.log(sums.n)
        self.n, self.total, self.squares = (
            values / rule.dispersion for values in (sums.n, sums.total, sums.squares)
        )
        self.up, self.down, self.both = (np.full(self.size, -math.inf) for _ in range(3))
        self.mean = np.zeros(self.size)
        self.latched: NDArray[np.bool_] = np.zeros(self.size, dtype=np.bool_)
        steps = np.array(rule.deltas)
        # A bet on a batch's own mean is on the cell itself.
        self.steps: Floats = np.concatenate((steps, -steps, np.zeros(2)))

    def advance(self, at: int) -> int:
        """Take batches from `at` to the end, or to where an episode begins or ends."""
        state, span = self.state, slice(at, self.size)
        n, total, squares = self.n[span], self.total[span], self.squares[span]
        size, s, q = (
            start + np.concatenate(([0.0], np.cumsum(step)))
            for start, step in ((state.n, n), (state.total, total), (state.squares, squares))
        )
        if state.latched:
            size, s, q = (np.full(len(n) + 1, x[0]) for x in (size, s, q))
        mean = s[:-1] / size[:-1]
        present = None if state.latched else np.rint(mean / CELL).astype(np.int64)
        own = {} if state.latched else self._own(span, size, s, q)
        cell, row, nats = self._bets(present, own)
        walk = np.cumsum(self._gains(span, size, s, q, CELL * cell + self.steps[row]), axis=1)
        mass = self._mass(walk, span, (cell, row, nats), present, own)
        count = len(self.rule.deltas)
        rises = (row < count) | (row == 2 * count)
        up, down = (_log_mean(mass[side], count) for side in (rises, ~rises))
        both = _weigh(up, down, self.rule.weight_up)
        recovery = self._recovery(span) if state.latched else None
        over = (
            both >= math.log(self.rule.needed)
            if recovery is None
            else recovery >= math.log(self.rule.needed * SHARE_OF_NEEDED)
        )
        taken = int(over.argmax()) + 1 if over.any() else len(n)
        done = slice(at, at + taken)
        self.up[done], self.down[done], self.both[done] = up[:taken], down[:taken], both[:taken]
        self.mean[done], self.latched[done] = mean[:taken], state.latched
        # The batch that alarms is no part of what is normal.
        last = taken - 1 if over.any() else taken
        learned = (float(x[last]) for x in (size, s, q))
        self._keep(tuple(learned), cell, row, mass[:, taken - 1], present, taken)
        if recovery is not None:
            self.state = replace(self.state, recovery_nats=float(recovery[taken - 1]))
        if over.any():
            self._turn(at + taken - 1)
        return at + taken

    def _own(self, span: slice, size: Floats, s: Floats, q: Floats) -> OwnCells:
        """The cell of each large batch's own mean, where it gains enough; by row, shape (n,)."""
        n, total, squares = self.n[span], self.total[span], self.squares[span]
        own, before = total / np.maximum(n, 1e-9), s[:-1] / size[:-1]
        away = np.abs(own - before)
        gap = np.minimum.reduce([np.abs(away - delta) for delta in self.rule.deltas])
        large = (n >= OWN_LABELS_MIN) & (n * gap**2 / 2 >= OWN_LEAD_NATS)
        if not large.any():
            return {}
        cell = np.rint(own / CELL).astype(np.int64)
        c, both = CELL * cell, size[:-1] + n
        about = np.maximum(q[:-1] - s[:-1] ** 2 / size[:-1], 1e-9 * size[:-1])
        null = q[:-1] + squares - (s[:-1] + total) ** 2 / both
        bet = np.maximum(about + squares - 2 * c * total + n * c**2, about)
        gains = np.log(both / size[:-1]) / 2 + both / 2 * np.log(np.maximum(null, about) / bet)
        large &= gains >= OWN_LEAD_NATS
        count, weight = len(self.rule.deltas), self.rule.weight_up
        return {
            row: np.where(mine, cell, NO_CELL)
            for row, share, mine in (
                (2 * count, weight, large & (c > before)),
                (2 * count + 1, 1 - weight, large & (c < before)),
            )
            if share > 0 and mine.any()
        }

    def _mass(
        self,
        walk: Floats,
        span: slice,
        bets: tuple[Ints, Ints, Floats],
        present: Ints | None,
        own: OwnCells,
    ) -> Floats:
        """Log mass of every bet after each batch, shape (bets, n); candidates join before each."""
        cell, row, nats = bets
        mass = walk + nats[:, None]
        log_starts = self.log_starts[span]
        is_large = self.n[span] >= OWN_LABELS_MIN
        effect_starts = np.where(is_large, log_starts + math.log1p(-OWN_SHARE), log_starts)
        joining = [
            ((cell == one) & (row < 2 * len(self.rule.deltas)), present == one, effect_starts)
            for one in cells_of(present)
        ]
        joining += [
            ((cell == one) & (row == r), cells == one, log_starts + own_nats(self.rule))
            for r, cells in own.items()
            for one in cells_of(cells)
            if one != NO_CELL
        ]
        for mine, here, starts in joining:
            begun = np.where(here, starts, -math.inf)
            mass[mine] = accumulate_starts(walk[mine], begun, nats[mine])
        return mass

    def _bets(self, present: Ints | None, own: OwnCells) -> tuple[Ints, Ints, Floats]:
        held = {(cell, row): nats for cell, row, nats in self.state.bets}
        for cell in cells_of(present):
            for row in rows_of(self.rule):
                held.setdefault((cell, row), -math.inf)
        for row, cells in own.items():
            for cell in cells_of(cells):
                if cell != NO_CELL:
                    held.setdefault((cell, row), -math.inf)
        keys = np.array(list(held), dtype=np.int64).reshape(-1, 2)
        return keys[:, 0], keys[:, 1], np.array(list(held.values()), dtype=np.float64)

    def _gains(self, span: slice, size: Floats, s: Floats, q: Floats, c: Floats) -> Floats:
        """Log likelihood ratio of each bet on each batch, shape (bets, batches)."""
        n, total, squares = self.n[span], self.total[span], self.squares[span]
        # Sums of squares about the mean; the variance's prior is what has been learned so far.
        about = np.maximum(q[:-1] - s[:-1] ** 2 / size[:-1], 1e-9 * size[:-1])
        if self.state.latched:
            mean = s[0] / size[0]
            null = about + squares - 2 * mean * total + n * mean**2
            fresh = np.zeros_like(n)
        else:
            both, total_both = size[:-1] + n, s[:-1] + total
            null = q[:-1] + squares - total_both**2 / both
            fresh = np.log(both / size[:-1]) / 2
        bet = np.maximum(about + squares - 2 * np.outer(c, total) + np.outer(c**2, n), about)
        gains: Floats = fresh + (size[:-1] + n) / 2 * (
            np.log(np.maximum(null, about)) - np.log(bet)
        )
        return gains

    def _recovery(self, span: slice) -> Floats:
        """Evidence that the mean is back, against halfway back."""
        state = self.state
        step = (state.after - state.before) / 2
        step = math.copysign(max(abs(step), _STEP_MIN), step)
        variance = max(state.squares / state.n - (state.total / state.n) ** 2, 1e-9)
        per_value = (step**2 + 2 * step * state.before) / (2 * variance)
        gain = self.n[span] * per_value - self.total[span] * step / variance
        return accumulate_starts(gain.cumsum(), self.log_starts[span], self.state.recovery_nats)

    def _keep(
        self,
        learned: tuple[float, ...],
        cell: Ints,
        row: Ints,
        nats: Floats,
        present: Ints | None,
        taken: int,
    ) -> None:
        order = np.argsort(-nats, kind="stable")[:_BETS_MAX]
        kept = order[nats[order] > (MASS_NATS_MIN if present is not None else -math.inf)]
        bets = zip(cell[kept].tolist(), row[kept].tolist(), nats[kept].tolist(), strict=True)
        self.state = replace(
            self.state,
            n=learned[0],
            total=learned[1],
            squares=learned[2],
            batches=self.state.batches + taken,
            bets=tuple(bets),
        )

    def _turn(self, at: int) -> None:
        state = self.state
        if state.latched:
            self.state = replace(state, latched=False, bets=(), recovery_nats=-math.inf)
        else:
            rises = self.up[at] >= self.down[at]
            count = len(self.rule.deltas)
            mine = [b for b in state.bets if (b[1] < count or b[1] == 2 * count) == rises]
            top = max(nats for _, _, nats in mine)
            weight = np.array([math.exp(nats - top) for _, _, nats in mine])
            weight /= weight.sum()
            row = np.array([row for _, row, _ in mine])
            anchor = CELL * np.array([cell for cell, _, _ in mine])
            after = float(weight @ (anchor + self.steps[row]))
            # A bet on a mean itself left from what was normal ahead of this batch.
            before = float(weight @ np.where(row < 2 * count, anchor, self.mean[at]))
            self.state = replace(state, latched=True, before=before, after=after)
        self.latched[at] = self.state.latched


def _log_mean(mass: Floats, bets: int) -> Floats:
    if not len(mass):
        return np.full(mass.shape[1], -math.inf)
    summed: Floats = np.logaddexp.reduce(mass, axis=0) - math.log(bets)
    return summed


def _weigh(up: Floats, down: Floats, weight_up: float) -> Floats:
    with np.errstate(divide="ignore"):
        both: Floats = np.logaddexp(np.log(weight_up) + up, np.log(1 - weight_up) + down)
    return both
