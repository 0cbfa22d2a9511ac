"""What a rate detector remembers between two looks, and its compact form for a cache."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from gonogo.errors import DataError

Side = Literal["up", "down"]

FORMAT = 1
EPISODES_KEPT_MAX = 8
_HEAD = struct.Struct("<BqqddBdHHHHi")
_COHORT = struct.Struct("<h")
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
        cells: Anchors of the live cohorts, log-odds in steps of `predictive_hours.CELL`.
        mass_nats: Log mass of each cohort: for each delta "up", then for each "down".
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
    cells: tuple[int, ...] = ()
    mass_nats: tuple[tuple[float, ...], ...] = ()
    grid: tuple[float, ...] = ()
    grid_first: int = 0
    latched: bool = False
    recovery_nats: float = float("-inf")
    episodes: tuple[Episode, ...] = ()

    def to_bytes(self) -> bytes:
        """A compact, versioned form from which `from_bytes` makes an equal state."""
        rows = len(self.mass_nats[0]) if self.mass_nats else 0
        parts = [
            _HEAD.pack(
                FORMAT,
                self.batches,
                _packed(self.after),
                self.bad,
                self.good,
                self.latched,
                self.recovery_nats,
                len(self.cells),
                rows,
                len(self.grid),
                len(self.episodes),
                self.grid_first,
            ),
            struct.pack(f"<{len(self.grid)}d", *self.grid),
        ]
        for cell, mass in zip(self.cells, self.mass_nats, strict=True):
            parts += [_COHORT.pack(cell), struct.pack(f"<{rows}d", *mass)]
        for e in self.episodes:
            parts.append(
                _EPISODE.pack(
                    _SIDES.index(e.side),
                    _packed(e.after),
                    e.alarmed,
                    _packed(e.recovered),
                    e.evidence_nats,
                    e.rate_before,
                    e.rate_after,
                )
            )
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


def _read(raw: bytes) -> RateState:
    head = _HEAD.unpack_from(raw)
    version, batches, after, bad, good, latched, recovery, cells, rows, points, episodes, first = (
        head
    )
    if version != FORMAT:
        raise DataError(f"A detector state of version {version}; this code reads {FORMAT}.")
    at = _HEAD.size
    grid = struct.unpack_from(f"<{points}d", raw, at)
    at += 8 * points
    cohorts: list[tuple[int, tuple[float, ...]]] = []
    for _ in range(cells):
        (cell,) = _COHORT.unpack_from(raw, at)
        cohorts.append((cell, struct.unpack_from(f"<{rows}d", raw, at + _COHORT.size)))
        at += _COHORT.size + 8 * rows
    found: list[Episode] = []
    for _ in range(episodes):
        side, start, alarmed, end, evidence, old, new = _EPISODE.unpack_from(raw, at)
        found.append(
            Episode(_SIDES[side], _unpacked(start), alarmed, _unpacked(end), evidence, old, new)
        )
        at += _EPISODE.size
    if at != len(raw):
        raise DataError(f"A detector state of {len(raw)} bytes has {len(raw) - at} too many.")
    return RateState(
        batches=batches,
        after=_unpacked(after),
        bad=bad,
        good=good,
        cells=tuple(cell for cell, _ in cohorts),
        mass_nats=tuple(mass for _, mass in cohorts),
        grid=grid,
        grid_first=first,
        latched=bool(latched),
        recovery_nats=recovery,
        episodes=tuple(found),
    )
