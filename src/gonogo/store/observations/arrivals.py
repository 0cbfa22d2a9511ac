"""Telling new observations of one dependency from those that are there, and from late outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gonogo.records import MICRO, Observation
from gonogo.store.engine import Connection
from gonogo.store.observations.rows import COLUMNS, Row, hash16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.store.observations.catalogue import Catalogue

__all__ = ["Arrivals", "outcome_lag_ms", "sort_out"]


@dataclass(slots=True)
class Arrivals:
    """What a batch brings: new observations with the hash of their id, and filled-in rows."""

    fresh: list[tuple[Observation, bytes | None]] = field(default_factory=list)
    filled: list[tuple[Row, Row]] = field(default_factory=list)  # before, after
    duplicates: int = 0
    updated: int = 0


def outcome_lag_ms(came_ms: int | None, ts_ms: int, now_ms: int) -> int:
    """How long after its call an outcome came: on arrival, where its time is not given."""
    return (now_ms if came_ms is None else came_ms) - ts_ms


def sort_out(
    connection: Connection,
    catalogue: Catalogue,
    dependency_id: int,
    observations: Sequence[Observation],
    now_ms: int,
) -> Arrivals:
    """Sort a batch of one dependency by what must be done with each.

    An id that is there already changes nothing, except that an outcome fills an empty one.
    """
    arrivals = Arrivals()
    hashes = [None if o.id is None else hash16(o.id) for o in observations]
    stored = catalogue.places_of(dependency_id, [h for h in hashes if h is not None])
    pending: dict[bytes, int] = {}
    filled: set[bytes] = set()
    fresh = arrivals.fresh
    for observation, hashed in zip(observations, hashes, strict=True):
        if hashed is None:
            fresh.append((observation, None))
        elif hashed not in stored and hashed not in pending:
            pending[hashed] = len(fresh)
            fresh.append((observation, hashed))
        elif observation.outcome is None or hashed in filled:
            arrivals.duplicates += 1
        elif hashed in pending:
            _fill_pending(arrivals, pending[hashed], observation, now_ms)
        else:
            filled.add(hashed)
            _fill_stored(
                connection, arrivals, (dependency_id, *stored[hashed]), observation, now_ms
            )
    return arrivals


def _late(observation: Observation, now_ms: int) -> Observation:
    """An outcome that fills in later came on arrival, also where its file dates it with its call.

    Else a second file would make young hours look mature, which breaks the false-alarm promise.
    """
    if not observation.outcome_ts_assumed:
        return observation
    return replace(observation, outcome_ts_ms=now_ms)


def _fill_pending(arrivals: Arrivals, at: int, late: Observation, now_ms: int) -> None:
    first, hashed = arrivals.fresh[at]
    if first.outcome is not None:
        arrivals.duplicates += 1
        return
    came = _late(late, now_ms).outcome_ts_ms
    arrivals.fresh[at] = replace(first, outcome=late.outcome, outcome_ts_ms=came), hashed
    arrivals.updated += 1


def _fill_stored(
    connection: Connection,
    arrivals: Arrivals,
    key: tuple[int, int, int],
    late: Observation,
    now_ms: int,
) -> None:
    found = connection.execute(
        f"SELECT {COLUMNS} FROM observation WHERE dependency_id = ? AND ts_ms = ? AND seq = ?",  # noqa: S608 - constant names
        key,
    ).fetchone()
    before = None if found is None else Row(*found)
    if before is None or before.outcome_e6 is not None or late.outcome is None:
        arrivals.duplicates += 1
        return
    came_ms = _late(late, now_ms).outcome_ts_ms
    after = before._replace(
        outcome_e6=round(late.outcome * MICRO),
        outcome_lag_ms=outcome_lag_ms(came_ms, key[1], now_ms),
    )
    arrivals.filled.append((before, after))
    arrivals.updated += 1
