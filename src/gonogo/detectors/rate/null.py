"""The null, "no change": it predicts the next batch from all before it.

Three forms of one thing: a rate learned in closed form, a rate learned on a grid of log-odds where
batches are expected to differ by known offsets, and a rate that was declared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.log_space import log_gamma, log_odds
from gonogo.detectors.rate.recovery import Recovery, Side
from gonogo.detectors.rate.rule import RateRule

GRID_STEP = 0.02
GRID_MAX = 350  # points each side of even odds: rates from .001 to .999
# A point this unlikely cannot come back before the evidence has long decided.
GRID_NATS_MIN = -60.0
EPISODES_KEPT_MAX = 8
# Batches among which an onset is looked for at an alarm: two weeks of hours. A change that began
# earlier is taken to have begun there, which only the slowest slides do.
TRAIL_MAX = 336


class Null(Protocol):
    """A predictive law of the next batches. All arrays have shape (batches,)."""

    def predict(self, bad: Floats, good: Floats, offset: Floats) -> tuple[Floats, Floats]:
        """Log likelihood of each batch given those before it, and the log-odds ahead of each."""
        ...

    def after(self, bad: Floats, good: Floats, offset: Floats) -> Null:
        """The law once these batches have been learned."""
        ...

    def without(self, bad: Floats, good: Floats, offset: Floats) -> Null:
        """The law as it was before these batches, the last that it has learned."""
        ...

    def log_odds(self) -> float:
        """The present estimate, in log-odds."""
        ...

    def keep(self, state: RateState) -> RateState:
        """The state with this law in it."""
        ...


@dataclass(frozen=True, slots=True)
class BetaNull:
    """One unknown rate with Jeffreys' prior, Beta(1/2, 1/2)."""

    bad: float
    good: float

    def predict(self, bad: Floats, good: Floats, offset: Floats) -> tuple[Floats, Floats]:
        """Differences of ln B(bad + 1/2, good + 1/2): exact however labels are batched."""
        del offset
        size = len(bad) + 1
        # Failures, successes and their sum: one call for all three costs a third.
        seen = np.zeros((3, size))
        np.cumsum(bad, out=seen[0, 1:])
        np.cumsum(good, out=seen[1, 1:])
        seen[0] += self.bad + 0.5
        seen[1] += self.good + 0.5
        np.add(seen[0], seen[1], out=seen[2])
        failures, successes, both = log_gamma(seen.reshape(-1)).reshape(3, size)
        log_beta = failures + successes - both
        return log_beta[1:] - log_beta[:-1], np.log(seen[0, :-1] / seen[1, :-1])

    def after(self, bad: Floats, good: Floats, offset: Floats) -> BetaNull:
        """The null after these counts, added one by one as `predict` does."""
        del offset
        return BetaNull(self.bad + float(bad.sum()), self.good + float(good.sum()))

    def without(self, bad: Floats, good: Floats, offset: Floats) -> BetaNull:
        """The null with these counts subtracted."""
        del offset
        return BetaNull(
            max(self.bad - float(bad.sum()), 0.0), max(self.good - float(good.sum()), 0)
        )

    def log_odds(self) -> float:
        """The posterior mean's."""
        return math.log((self.bad + 0.5) / (self.good + 0.5))

    def keep(self, state: RateState) -> RateState:
        """Stored as its two counts."""
        return replace(state, bad=self.bad, good=self.good)


@dataclass(frozen=True, slots=True)
class GridNull:
    """One unknown log-odds under Jeffreys' prior, seen through a known offset for each batch."""

    first: int
    nats: tuple[float, ...]

    @classmethod
    def fresh(cls) -> GridNull:
        """The prior."""
        points = GRID_STEP * np.arange(-GRID_MAX, GRID_MAX + 1, dtype=np.float64)
        return cls(-GRID_MAX, tuple(_normal(-np.logaddexp(0, points) + points / 2).tolist()))

    def predict(self, bad: Floats, good: Floats, offset: Floats) -> tuple[Floats, Floats]:
        """Exact under the discrete prior, whatever the offsets."""
        posterior = self._posterior(bad, good, offset)
        top = posterior.max(axis=1, keepdims=True)
        weight = np.exp(posterior - top)
        total = weight.sum(axis=1)
        centre = (weight[:-1] @ self._points()) / total[:-1]
        nats = np.log(total) + top[:, 0]
        return nats[1:] - nats[:-1], centre

    def after(self, bad: Floats, good: Floats, offset: Floats) -> GridNull:
        """The posterior, without the points that no longer matter."""
        return self._learned(self._posterior(bad, good, offset)[-1])

    def without(self, bad: Floats, good: Floats, offset: Floats) -> GridNull:
        """The posterior over the points that it still has, less what these batches told."""
        prior = np.array(self.nats)
        learned = self._posterior(bad, good, offset)[-1] - prior
        return self._learned(prior - learned)

    def _learned(self, posterior: Floats) -> GridNull:
        nats = _normal(posterior)
        kept = np.flatnonzero(nats > GRID_NATS_MIN)
        low, high = int(kept[0]), int(kept[-1]) + 1
        return GridNull(self.first + low, tuple(_normal(nats[low:high]).tolist()))

    def log_odds(self) -> float:
        """The posterior mean."""
        return float(np.exp(np.array(self.nats)) @ self._points())

    def keep(self, state: RateState) -> RateState:
        """Stored as the log weights of its points."""
        return replace(state, grid=self.nats, grid_first=self.first)

    def _points(self) -> Floats:
        return GRID_STEP * np.arange(self.first, self.first + len(self.nats), dtype=np.float64)

    def _posterior(self, bad: Floats, good: Floats, offset: Floats) -> Floats:
        odds = offset[:, None] + self._points()
        gain = bad[:, None] * odds - (bad + good)[:, None] * np.logaddexp(0, odds)
        prior = np.array(self.nats)
        return np.vstack((prior, prior + np.cumsum(gain, axis=0)))


@dataclass(frozen=True, slots=True)
class KnownNull:
    """A rate that was declared: nothing to learn."""

    odds: float

    def predict(self, bad: Floats, good: Floats, offset: Floats) -> tuple[Floats, Floats]:
        """Independent labels at the declared rate."""
        odds = self.odds + offset
        nats: Floats = bad * odds - (bad + good) * np.logaddexp(0, odds)
        return nats, np.full(len(bad), self.odds)

    def after(self, bad: Floats, good: Floats, offset: Floats) -> KnownNull:
        """Itself."""
        del bad, good, offset
        return self

    def without(self, bad: Floats, good: Floats, offset: Floats) -> KnownNull:
        """Itself."""
        del bad, good, offset
        return self

    def log_odds(self) -> float:
        """The log-odds of the declared rate."""
        return self.odds

    def keep(self, state: RateState) -> RateState:
        """Nothing of it is stored: the rule has it."""
        return state


def null_from(state: RateState, rule: RateRule, *, offsets: bool) -> Null:
    """The law that a state and a rule stand for."""
    if rule.declared is not None:
        return KnownNull(float(log_odds(np.array(rule.declared))))
    if not offsets:
        return BetaNull(state.bad, state.good)
    return GridNull(state.grid_first, state.grid) if state.grid else GridNull.fresh()


def _normal(nats: Floats) -> Floats:
    top = nats.max()
    normal: Floats = nats - top - math.log(np.exp(nats - top).sum())
    return normal


@dataclass(frozen=True, slots=True)
class Episode:
    """One alarm, and its end where there is one.

    Attributes:
        side: Whether the bad rate rose ("up") or fell ("down").
        after: Stamp of the batch that ended the episode before: it began later; None for the first.
        alarmed: Stamp of the batch that raised the alarm.
        onset: Stamp of the batch with which it most likely began, as seen at the alarm.
        recovering: Stamp of the batch after which it first was on its way back; None before.
        recovered: Stamp of the batch after which the old rate was back; None while it lasts.
        evidence_nats: Evidence at the alarm, both sides weighed.
        rate_before: Rate that the change was bet to have started from.
    """

    side: Side
    after: int | None
    alarmed: int
    onset: int
    recovering: int | None
    recovered: int | None
    evidence_nats: float
    rate_before: float


class PastBatch(NamedTuple):
    """A batch since the last reset: its counts, and what the null held of it.

    `anchor` is the null's log-odds ahead of it, `null_nats` its log likelihood under the null.
    """

    stamp: int
    bad: float
    good: float
    offset: float
    null_nats: float
    anchor: float


@dataclass(frozen=True, slots=True)
class RateState:
    """Everything that later evidence depends on; empty for a new stream.

    Attributes:
        batches: Batches seen.
        after: Stamp of the batch that ended the last episode; None where none has ended.
        bad, good: What the null has counted, in labels' worth (divided by the dispersion).
        cell, row, mass_nats: The live bets: see `rule.Bets`.
        grid: Log posterior of the null's log-odds, where expectations differ by batch; else empty.
        grid_first: Grid point that the first of `grid` belongs to.
        trail: The newest batches since the last reset, among which an alarm finds its onset.
        recovery: Of the newest episode, while it lasts.
        quiet_from: Stamp from which the last episode was quiet; None where none has ended.
        episodes: The newest few, oldest first.
    """

    batches: int = 0
    after: int | None = None
    bad: float = 0.0
    good: float = 0.0
    cell: tuple[int, ...] = ()
    row: tuple[int, ...] = ()
    mass_nats: tuple[float, ...] = ()
    grid: tuple[float, ...] = ()
    grid_first: int = 0
    trail: tuple[PastBatch, ...] = ()
    recovery: Recovery | None = None
    quiet_from: int | None = None
    episodes: tuple[Episode, ...] = ()

    @property
    def latched(self) -> bool:
        """Whether the newest episode still lasts."""
        return self.recovery is not None
