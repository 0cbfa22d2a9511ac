"""The hash chain of actions: who changed what, in an order that cannot be rewritten unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from gonogo.errors import StoreError, plain
from gonogo.records import Decision
from gonogo.store.engine import Connection
from gonogo.store.readable import readable

GENESIS = bytes(32)

COLUMNS = (
    "id, ts_ms, kind, verdict, summary, inputs, answer, action, dependency, budget,"
    " confidence, e_value, versions, actor, settings_digest, count, last_ts_ms"
)


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The result of walking the chain. `head` (hex) is the anchor to keep elsewhere.

    A file has one chain; a database has one for each shard, and as many heads, joined by commas. A
    chain proves that nothing inside it was changed, removed or put in between. That its end was
    not cut off, or the whole written anew, only a head kept elsewhere can prove.
    """

    entries: int
    head: str
    broken_at: int | None = None  # the first bad link, counted from 1
    problem: str | None = None


def canonical(decision: Decision) -> bytes:
    """The bytes that are hashed: every field of an action, keys sorted, UTF-8."""
    fields = {
        "id": decision.id,
        "ts_ms": decision.ts_ms,
        "kind": decision.kind,
        "verdict": decision.verdict,
        "summary": decision.summary,
        "inputs": decision.inputs,
        "answer": decision.answer,
        "dependency": decision.dependency,
        "budget": decision.budget,
        "confidence": decision.confidence,
        "e_value": decision.e_value,
        "versions": decision.versions,
        "actor": decision.actor,
        "settings_digest": decision.settings_digest,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def link_hash(previous: bytes, decision: Decision) -> bytes:
    """The hash of a link: SHA-256 over the previous hash and the action."""
    return hashlib.sha256(previous + canonical(decision)).digest()


def decision_of(row: tuple[object, ...]) -> Decision:
    """A stored row, selected as `COLUMNS`, as the record it came from."""
    values = list(row)
    values[7] = bool(values[7])
    with readable(f"Entry {values[0]} of the log"):
        values[12] = tuple(json.loads(str(values[12])))
    return Decision(*values)  # type: ignore[arg-type]  # STRICT columns have these types


def insert_decision(
    conn: Connection, decision: Decision, *, stream: bytes = b"", digest: bytes = b""
) -> bool:
    """Add a row; an id that is there already is left as it is, and False returned."""
    added = conn.execute(
        f"INSERT INTO decision ({COLUMNS}, stream, digest)"  # noqa: S608 - constant columns
        f" VALUES ({', '.join('?' * 19)}) ON CONFLICT DO NOTHING",
        (
            decision.id,
            decision.ts_ms,
            decision.kind,
            decision.verdict,
            decision.summary,
            decision.inputs,
            decision.answer,
            int(decision.action),
            decision.dependency,
            decision.budget,
            decision.confidence,
            decision.e_value,
            json.dumps(decision.versions),
            decision.actor,
            decision.settings_digest,
            1,
            max(decision.ts_ms, decision.last_ts_ms),
            stream,
            digest,
        ),
    )
    return added.rowcount > 0


def append_action(conn: Connection, decision: Decision) -> None:
    """Add an action and its link, inside the caller's transaction; one that is there stays alone.

    So that an action and what it changed are kept together or not at all, and one that is run again,
    where it was not known whether it had been kept, is logged once.

    Raises:
        StoreError: Another entry has its id; what the transaction changed is undone.
    """
    chain = chain_of(decision) if conn.has_shards else ""
    conn.alone_in(chain)
    head = conn.execute(
        "SELECT seq, hash FROM audit WHERE shard = ? ORDER BY seq DESC LIMIT 1", (chain,)
    ).fetchone()
    seq, previous = head or (0, GENESIS)
    action = replace(decision, action=True)
    if not insert_decision(conn, action):
        there = conn.execute(
            "SELECT ts_ms, kind, inputs, actor FROM decision WHERE id = ? AND shard = ?",
            (action.id, shard_of(action)),
        ).fetchone()
        if tuple(there) != (action.ts_ms, action.kind, action.inputs, action.actor):
            raise StoreError(
                f"The log has another entry '{action.id}' already; nothing was changed. Try again."
            )
        return
    conn.execute(
        "INSERT INTO audit (shard, seq, decision_id, previous_hash, hash) VALUES (?, ?, ?, ?, ?)",
        (chain, seq + 1, action.id, previous, link_hash(previous, action)),
    )


def shard_of(decision: Decision) -> str:
    """The subject of an entry: its dependency, else its budget, else nothing."""
    return decision.dependency or decision.budget or ""


def chain_of(action: Decision) -> str:
    """The chain that an action of a database goes on: its budget's before its dependency's.

    Who reserves is alone in the budget's shard anyway, whatever will be called.
    """
    return action.budget or action.dependency or ""


def newest_actions(conn: Connection) -> str:
    """The rest of a SELECT of actions, newest first: in the order of the one chain, or by time."""
    if conn.has_shards:
        return "FROM decision WHERE action = 1 ORDER BY ts_ms DESC, id DESC"
    return "FROM audit JOIN decision ON id = decision_id ORDER BY seq DESC"


def verify_chain(conn: Connection, kept: str | None = None) -> ChainCheck:
    """Walk every chain from its beginning and name the first broken link.

    `kept` is a head that was kept elsewhere, in hex: the chain must still contain it.
    """
    wanted = set() if kept is None else set(kept.split(","))
    walked, heads, missing = 0, dict[str, bytes](), set(wanted)
    links = conn.execute(
        "SELECT shard, seq, decision_id, previous_hash, hash FROM audit ORDER BY shard, seq"
    )
    for chain, own in groupby(links, key=itemgetter(0)):
        heads[chain] = GENESIS
        for at, (_, *link) in enumerate(own, 1):
            problem = _problem(conn, at, link, heads[chain])
            if problem:
                told = f"{problem}, in the chain of {plain(chain, 80)}" if chain else problem
                return ChainCheck(walked, _head(heads), walked + 1, told)
            walked += 1
            heads[chain] = link[3]
            missing.discard(link[3].hex())
    loose = conn.execute(
        "SELECT id FROM decision WHERE action = 1 AND id NOT IN (SELECT decision_id FROM audit)"
    ).fetchone()
    if loose:
        return ChainCheck(walked, _head(heads), walked + 1, f"action {loose[0]} has no link")
    if missing:
        problem = f"the head that was kept, {plain(min(missing), 80)}, is not in it"
        return ChainCheck(walked, _head(heads), walked + 1, problem)
    return ChainCheck(walked, _head(heads))


def _problem(conn: Connection, at: int, link: list[Any], previous: bytes) -> str | None:
    """Describe the fault of the link that should have this number."""
    seq, decision_id, said_previous, said_hash = link
    row = conn.execute(
        f"SELECT {COLUMNS} FROM decision WHERE id = ? AND action = 1",  # noqa: S608 - constant
        (decision_id,),
    ).fetchone()
    if seq != at:
        return f"link {at} is missing"
    if row is None:
        return f"its action {decision_id} is missing"
    if said_previous != previous:
        return "it does not follow the link before it"
    try:
        is_same = said_hash == link_hash(previous, decision_of(row))
    except StoreError:  # its texts are none that were ever written
        is_same = False
    if not is_same:
        return f"its action {decision_id} was changed"
    return None


def _head(heads: Mapping[str, bytes]) -> str:
    """The ends of all chains in hex, which are one in a file."""
    return ",".join(head.hex() for _, head in sorted(heads.items())) or GENESIS.hex()
