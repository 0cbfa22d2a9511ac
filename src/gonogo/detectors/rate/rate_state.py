"""The state of a rate detector between two runs, and its compact form in the cache."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from gonogo.detectors.rate.recovery import LEVELS, Recovery, Side
from gonogo.errors import DataError

FORMAT = 2
EPISODES_KEPT_MAX = 8
# Batches among which an onset is looked for at an alarm: two weeks of hours. A change that began
# earlier is taken to have begun there, which only the slowest slides do.
TRAIL_MAX = 336
_HEAD = struct.Struct("<BqqqddBHHHHi")
_EPISODE = struct.Struct("<Bqqqqqddd")
_TRAIL = struct.Struct("<qddddd")
_RECOVERY = struct.Struct(f"<{2 + 2 * LEVELS}dqqdqqqddH?")
_SIDES: tuple[Side, Side] = ("up", "down")
_NONE = -(2**62)


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
        cell, row, mass_nats: The live bets: see `predictive_bets.Bets`.
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

    def to_bytes(self) -> bytes:
        """A compact, versioned form from which `from_bytes` makes an equal state."""
        bets = len(self.cell)
        parts = [
            _HEAD.pack(
                FORMAT,
                self.batches,
                _packed(self.after),
                _packed(self.quiet_from),
                self.bad,
                self.good,
                self.latched,
                bets,
                len(self.grid),
                len(self.episodes),
                len(self.trail),
                self.grid_first,
            ),
            struct.pack(f"<{len(self.grid)}d", *self.grid),
            struct.pack(f"<{bets}h{bets}B{bets}d", *self.cell, *self.row, *self.mass_nats),
        ]
        parts += [_packed_episode(episode) for episode in self.episodes]
        parts += [_TRAIL.pack(*passed) for passed in self.trail]
        if self.recovery is not None:
            parts.append(_packed_recovery(self.recovery))
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, raw: bytes) -> RateState:
        """Read what `to_bytes` wrote.

        Raises:
            DataError: The bytes are of another version or cut short.
        """
        try:
            return _read(raw)
        except (struct.error, IndexError) as error:
            raise DataError(f"A detector state of {len(raw)} bytes cannot be read.") from error


def _packed(stamp: int | None) -> int:
    return _NONE if stamp is None else stamp


def _unpacked(stamp: int) -> int | None:
    return None if stamp == _NONE else stamp


def _packed_episode(e: Episode) -> bytes:
    stamps = (_packed(e.after), e.alarmed, e.onset, _packed(e.recovering), _packed(e.recovered))
    nats, rates = e.evidence_nats, (e.rate_before, e.rate_after)
    return _EPISODE.pack(_SIDES.index(e.side), *stamps, nats, *rates)


def _unpacked_episode(raw: bytes) -> Episode:
    side, after, alarmed, onset, recovering, recovered, nats, old, new = _EPISODE.unpack(raw)
    ends = _unpacked(recovering), _unpacked(recovered)
    return Episode(_SIDES[side], _unpacked(after), alarmed, onset, *ends, nats, old, new)


def _packed_recovery(r: Recovery) -> bytes:
    levels = (r.old, r.near, *r.alarm_nats, *r.level_nats)
    times = (r.begun, r.newest, r.spell, r.quiet_from, r.gap, r.span)
    return _RECOVERY.pack(*levels, *times, r.end_nats, r.over_nats, r.relapses, r.recovering)


def _unpacked_recovery(raw: bytes) -> Recovery:
    old, near, *rest = _RECOVERY.unpack(raw)
    at_alarm, now, rest = rest[:LEVELS], rest[LEVELS : 2 * LEVELS], rest[2 * LEVELS :]
    return Recovery(old, near, tuple(at_alarm), tuple(now), *rest)


class _Reader:
    """Takes one part after another from bytes; what is too short fails."""

    def __init__(self, raw: bytes) -> None:
        self.rest = raw

    def take(self, size: int) -> bytes:
        if size > len(self.rest):
            raise IndexError(size)
        part, self.rest = self.rest[:size], self.rest[size:]
        return part


def _read(raw: bytes) -> RateState:
    version, batches, after, quiet, bad, good, latched, bets, points, episodes, trail, first = (
        _HEAD.unpack_from(raw)
    )
    if version != FORMAT:
        raise DataError(f"A detector state of version {version}; this code reads {FORMAT}.")
    reader = _Reader(raw[_HEAD.size :])
    grid = struct.unpack(f"<{points}d", reader.take(8 * points))
    live = struct.Struct(f"<{bets}h{bets}B{bets}d")
    values = live.unpack(reader.take(live.size))
    found = tuple(_unpacked_episode(reader.take(_EPISODE.size)) for _ in range(episodes))
    passed = tuple(PastBatch(*_TRAIL.unpack(reader.take(_TRAIL.size))) for _ in range(trail))
    recovery = _unpacked_recovery(reader.take(_RECOVERY.size)) if latched else None
    if reader.rest:
        raise DataError(f"A detector state of {len(raw)} bytes has {len(reader.rest)} too many.")
    return RateState(
        batches=batches,
        after=_unpacked(after),
        bad=bad,
        good=good,
        cell=values[:bets],
        row=values[bets : 2 * bets],
        mass_nats=values[2 * bets :],
        grid=grid,
        grid_first=first,
        trail=passed,
        recovery=recovery,
        quiet_from=_unpacked(quiet),
        episodes=found,
    )
