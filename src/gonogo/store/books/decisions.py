"""The decision log in SQLite: checks fold and age out, actions are chained and stay."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

from gonogo.clock import borne_out_ms, is_newer, wall_clock_ms
from gonogo.records import Decision, Part, PartVerdict, StandingVerdict
from gonogo.store.books.audit import (
    COLUMNS,
    ChainCheck,
    append_action,
    chain_of,
    decision_of,
    insert_decision,
    newest_actions,
    shard_of,
    verify_chain,
)
from gonogo.store.books.verdict_book import read_standing, write_verdicts
from gonogo.store.engine import Connection, Engine, unless_held
from gonogo.store.observations.retention import active_days

CHECKS_KEPT_MS = 90 * 86_400_000
_PRUNED_AT_ONCE = 5_000
# A note's work may have run while its group is not committed yet: it is kept this much longer.
_WRITTEN_KEPT = 1_024
# More than the writer's queue takes: only what a failing store has lost is let go of.
_QUEUED_MAX = 8_192
_SAID_AT_ONCE = 1_000
# What differs between two answers when nothing but the time has changed.
_TIMES = ("as_of", "data_age_s", "decision_id")


def _stream(decision: Decision) -> bytes:
    """The key of a question: two checks with one key asked the same."""
    question = [decision.kind, decision.dependency, decision.budget, decision.inputs]
    return hashlib.sha256(json.dumps(question).encode()).digest()[:16]


def _digest(decision: Decision) -> bytes:
    """The key of an answer, of its verdict and evidence but not its time: two checks with one key say the same."""
    answer = decision.answer
    parsed = json.loads(answer) if answer.startswith("{") else answer
    if isinstance(parsed, dict):
        parsed = {key: value for key, value in parsed.items() if key not in _TIMES}
    said = [
        decision.verdict,
        decision.confidence,
        decision.e_value,
        decision.versions,
        decision.settings_digest,
        decision.actor,
        parsed,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()[:16]


def _fold(
    conn: Connection,
    decision: Decision,
    stream: bytes,
    digest: bytes,
    says: PartVerdict | None,
    now_ms: int,
) -> None:
    """Write a check, into the row of the one before it where nothing has changed."""
    shard = shard_of(decision)
    known = conn.execute(
        "SELECT 1 FROM decision WHERE id = ?1 AND shard = ?2"
        " UNION SELECT 1 FROM decision_repeat WHERE id = ?1 AND shard = ?2",
        (decision.id, shard),
    ).fetchone()
    if known:
        return
    if says is not None and decision.dependency is not None:
        write_verdicts(conn, {decision.dependency: says}, now_ms=now_ms)
    last = conn.execute(
        "SELECT id, digest, last_ts_ms FROM decision WHERE stream = ? AND shard = ?"
        " ORDER BY last_ts_ms DESC, id DESC LIMIT 1",
        (stream, shard),
    ).fetchone()
    if last is None or last[1] != digest:
        insert_decision(conn, decision, stream=stream, digest=digest)
        return
    conn.execute(
        "UPDATE decision SET count = count + 1, last_ts_ms = ? WHERE id = ? AND shard = ?",
        (max(decision.ts_ms, last[2]), last[0], shard),
    )
    conn.execute(
        "INSERT INTO decision_repeat (id, decision_id, shard) VALUES (?, ?, ?)",
        (decision.id, last[0], shard),
    )


def _find(conn: Connection, decision_id: str) -> Decision | None:
    row = conn.execute(
        f"SELECT {COLUMNS} FROM decision WHERE id = coalesce("  # noqa: S608 - constant columns
        "(SELECT decision_id FROM decision_repeat WHERE id = ?1), ?1)",
        (decision_id,),
    ).fetchone()
    return replace(decision_of(row), id=decision_id) if row else None


_SCORED = "FROM decision WHERE kind = 'get_trust_score_health' AND dependency"
_FIRST_ASKED = f"SELECT min(ts_ms) {_SCORED} = ?"
# From the oldest on: where a dependency was known then, the first one read has it.
_FIRST_LISTED = (
    f"SELECT ts_ms {_SCORED} IS NULL AND answer LIKE ? ESCAPE '!' ORDER BY last_ts_ms LIMIT 1"
)


def _pattern(text: str) -> str:
    """A text that LIKE finds as it is."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


_PRUNED = (
    "FROM decision WHERE last_ts_ms < ?1 AND action = 0 AND id NOT IN"
    " (SELECT coalesce(r.decision_id, e.decision_id) FROM incident_event e"
    "  LEFT JOIN decision_repeat r ON r.id = e.decision_id WHERE e.decision_id IS NOT NULL)"
)


def _old(conn: Connection, before_ms: int) -> list[str]:
    """The shards that have something to prune."""
    return [row[0] for row in conn.execute(f"SELECT DISTINCT shard {_PRUNED}", (before_ms,))]


def _prune(conn: Connection, before_ms: int, shard: str) -> int:
    return conn.execute(
        f"DELETE FROM decision WHERE shard = ?2 AND id IN (SELECT id {_PRUNED} AND shard = ?2"  # noqa: S608 - constant text
        " ORDER BY last_ts_ms LIMIT ?3)",
        (before_ms, shard, _PRUNED_AT_ONCE),
    ).rowcount


class StoredDecisions:
    """The log of one store, as one process writes it (`ports.telemetry.DecisionLog`)."""

    def __init__(self, db: Engine, clock: Callable[[], int] = wall_clock_ms) -> None:
        self._db, self._clock = db, clock
        self._queued: dict[str, Decision] = {}
        self._written: deque[str] = deque()
        # What this process has said and may not find in the store yet.
        self._said: dict[tuple[str, Part], PartVerdict] = {}

    def note(self, decision: Decision, says: PartVerdict | None = None) -> bool:
        """Queue a check's entry: returns at once, folds repeats, lost only if killed.

        Args:
            decision: The entry.
            says: What it says of the whole of its dependency, now; None where it speaks of less.

        Returns:
            False where the store cannot take it: the answer then goes out without its id.
        """

        def work(conn: Connection) -> None:
            self._written.append(decision.id)
            _fold(conn, decision, _stream(decision), _digest(decision), says, self._clock())

        if says is not None and decision.dependency is not None:
            self._hear(decision.dependency, says)
        if not self._db.submit(work, shard=shard_of(decision)):
            return False
        self._queued[decision.id] = decision
        while len(self._written) > _WRITTEN_KEPT:
            self._queued.pop(self._written.popleft(), None)
        if len(self._queued) > _QUEUED_MAX:
            self._queued.pop(next(iter(self._queued)))
        return True

    async def append(self, decision: Decision) -> None:
        """Write an action's entry into the hash chain; returns after a durable commit."""
        await self._db.write(
            lambda conn: append_action(conn, decision), durable=True, shard=chain_of(decision)
        )

    async def decision(self, decision_id: str) -> Decision | None:
        """One entry, whole; a folded check is found by its own id, a queued one too."""
        found = await self._db.read(lambda conn: _find(conn, decision_id))
        return found or self._queued.get(decision_id)

    async def decisions(
        self,
        *,
        dependency: str | None = None,
        kind: str | None = None,
        limit: int = 50,
    ) -> list[Decision]:
        """The newest entries by when they were last asked, newest first; this process's own too."""
        queued = [*self._queued.values()]
        if any(dependency in (None, q.dependency) and kind in (None, q.kind) for q in queued):
            await unless_held(self._db, self._db.settled())
        wanted = {"dependency = ?": dependency, "kind = ?": kind}
        given = {clause: value for clause, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""

        def work(conn: Connection) -> list[Decision]:
            rows = conn.execute(
                f"SELECT {COLUMNS} FROM decision {where}"  # noqa: S608 - constant clauses
                " ORDER BY last_ts_ms DESC, id DESC LIMIT ?",
                (*given.values(), limit),
            )
            return [decision_of(row) for row in rows]

        return await self._db.read(work)

    async def first_scored(self, names: Sequence[str]) -> dict[str, int]:
        """Read when each dependency's trust score was first given, in epoch ms; those never scored are left out.

        By its own check, or by one of the fleet that lists it.
        """

        def work(conn: Connection) -> dict[str, int]:
            found = {}
            for name in names:
                listed = f'%"dependency":{_pattern(json.dumps(name, ensure_ascii=False))}%'
                asked = [
                    conn.execute(_FIRST_ASKED, (name,)),
                    conn.execute(_FIRST_LISTED, (listed,)),
                ]
                told = [row[0] for rows in asked for row in rows if row[0] is not None]
                if told:
                    found[name] = min(told)
            return found

        return await self._db.read(work)

    async def actions(self, *, limit: int = 50) -> list[Decision]:
        """The newest links of the hash chain, newest first."""

        def work(conn: Connection) -> list[Decision]:
            rows = conn.execute(f"SELECT {COLUMNS} {newest_actions(conn)} LIMIT ?", (limit,))
            return [decision_of(row) for row in rows]

        return await self._db.read(work)

    def say(self, verdicts: Mapping[str, PartVerdict]) -> None:
        """Queue what was found of several dependencies at once, by name, without an entry each.

        This process reads them from now on, whether or not the store can take them.
        """
        for name, said in verdicts.items():
            self._hear(name, said)
        names = sorted(verdicts)
        for start in range(0, len(names), _SAID_AT_ONCE):
            some = {name: verdicts[name] for name in names[start : start + _SAID_AT_ONCE]}
            self._db.submit(partial(self._write, some))

    def _write(self, verdicts: Mapping[str, PartVerdict], conn: Connection) -> None:
        write_verdicts(conn, verdicts, now_ms=self._clock())

    def _hear(self, name: str, said: PartVerdict) -> None:
        known = self._said.get((name, said.part))
        if known is None or not is_newer(known.ts_ms, said.ts_ms, self._clock()):
            self._said[name, said.part] = said

    async def standing(self, names: Sequence[str] | None = None) -> dict[str, StandingVerdict]:
        """The standing verdicts of these dependencies, or of all; without those never asked."""
        wanted = None if names is None else set(names)
        heard_of = [n for n in self.heard_of if wanted is None or n in wanted]
        found = await self._db.read(partial(read_standing, names=names))
        return found | self.heard({n: found.get(n, StandingVerdict()) for n in heard_of})

    @property
    def heard_of(self) -> list[str]:
        """Dependencies of which this process has said what may not be in the store yet."""
        return list(dict.fromkeys(name for name, _ in self._said))

    def heard(self, stored: Mapping[str, StandingVerdict]) -> dict[str, StandingVerdict]:
        """Read stored standing verdicts, overlaid by what this process has answered since."""
        now_ms = self._clock()
        found: dict[str, StandingVerdict] = {}
        for name, standing in stored.items():
            for part in get_args(Part):
                said = self._said.get((name, part))
                known: PartVerdict | None = getattr(standing, part)
                if said is None:
                    continue
                if known is not None and (
                    known == said or is_newer(known.ts_ms, said.ts_ms, now_ms)
                ):
                    # Written, or another process asked later: the store has it from here on.
                    del self._said[name, part]
                else:
                    found[name] = found.get(name, standing).with_newer(said, now_ms)
        return found

    async def prune(self, now_ms: int) -> int:
        """Drop checks last asked over 90 days ago that no incident refers to; how many went."""
        reached_ms = borne_out_ms(now_ms, await self._db.read(active_days))
        if reached_ms is None:
            return 0
        before_ms, total = reached_ms - CHECKS_KEPT_MS, 0
        for shard in await self._db.read(lambda conn: _old(conn, before_ms)):
            prune = partial(_prune, before_ms=before_ms, shard=shard)
            while gone := await self._db.write(prune, shard=shard):
                total += gone
        return total

    async def verify(self, kept: str | None = None) -> ChainCheck:
        """Walk the chain of actions; names the first broken link.

        `kept` is a head that was kept elsewhere, in hex: the chain must still contain it.
        """
        return await self._db.read(lambda conn: verify_chain(conn, kept))
