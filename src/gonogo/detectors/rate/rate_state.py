"""The state of a rate detector between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gonogo.detectors.rate.recovery import Recovery, Side

EPISODES_KEPT_MAX = 8
# Batches among which an onset is looked for at an alarm: two weeks of hours. A change that began
# earlier is taken to have begun there, which only the slowest slides do.
TRAIL_MAX = 336


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
        rate_after: Rate that was bet to have held since; biased up, as a winner is.
    """

    side: Side
    after: int | None
    alarmed: int
    onset: int
    recovering: int | None
    recovered: int | None
    evidence_nats: float
    rate_before: float
    rate_after: float


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
