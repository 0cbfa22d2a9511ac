"""What a rate detector remembers between two looks, and its compact form for a cache."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from gonogo.errors import DataError

Side = Literal["up", "down"]

FORMAT = 1
EPISODES_KEPT_MAX = 8
_HEAD = struct.Struct("<BqqddBdHHHi")
_EPISODE = struct.Struct("<Bqqqddd")
_SIDES: tuple[Side, Side] = ("up", "down")
_NONE = -(2**62)


@dataclass(frozen=True, slots=True)
class Episode:
    """One alarm, and its end where there is one.

    Attributes:
        side: Whether the bad rate rose ("up") or fell ("down").
        after: Stamp of the batch that ended the episode before: it began later; None for the first.
        alarmed: Stamp of the batch that raised the alarm.
        recovered: Stamp of the batch after which the old rate was back; None while it lasts.
        evidence_nats: Evidence at the alarm, both sides weighed.
        rate_before: Rate that the change was bet to have started from.
        rate_after: Rate that was bet to have held since; biased up, as a winner is.
    """

    side: Side
    after: int | None
    alarmed: int
    recovered: int | None
    evidence_nats: float
    rate_before: float
    rate_after: float


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
        latched: Whether the newest episode still lasts.
        recovery_nats: Evidence so far that it is over.
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
    latched: bool = False
    recovery_nats: float = float("-inf")
    episodes: tuple[Episode, ...] = ()

    def to_bytes(self) -> bytes:
        """A compact, versioned form from which `from_bytes` makes an equal state."""
        bets = len(self.cell)
        parts = [
            _HEAD.pack(
                FORMAT,
                self.batches,
                _packed(self.after),
                self.bad,
                self.good,
                self.latched,
                self.recovery_nats,
                bets,
                len(self.grid),
                len(self.episodes),
                self.grid_first,
            ),
            struct.pack(f"<{len(self.grid)}d", *self.grid),
            struct.pack(f"<{bets}h{bets}B{bets}d", *self.cell, *self.row, *self.mass_nats),
        ]
        parts += [_packed_episode(episode) for episode in self.episodes]
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
    side, stamps = _SIDES.index(e.side), (_packed(e.after), e.alarmed, _packed(e.recovered))
    return _EPISODE.pack(side, *stamps, e.evidence_nats, e.rate_before, e.rate_after)


def _unpacked_episode(values: tuple[int, int, int, int, float, float, float]) -> Episode:
    side, after, alarmed, recovered, nats, old, new = values
    return Episode(_SIDES[side], _unpacked(after), alarmed, _unpacked(recovered), nats, old, new)


def _read(raw: bytes) -> RateState:
    head = _HEAD.unpack_from(raw)
    version, batches, after, bad, good, latched, recovery, bets, points, episodes, first = head
    if version != FORMAT:
        raise DataError(f"A detector state of version {version}; this code reads {FORMAT}.")
    at = _HEAD.size
    grid = struct.unpack_from(f"<{points}d", raw, at)
    at += 8 * points
    live = struct.Struct(f"<{bets}h{bets}B{bets}d")
    values = live.unpack_from(raw, at)
    at += live.size
    ends = [at + _EPISODE.size * i for i in range(episodes + 1)]
    found = tuple(_unpacked_episode(_EPISODE.unpack_from(raw, start)) for start in ends[:-1])
    at = ends[-1]
    if at != len(raw):
        raise DataError(f"A detector state of {len(raw)} bytes has {len(raw) - at} too many.")
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
        latched=bool(latched),
        recovery_nats=recovery,
        episodes=found,
    )
