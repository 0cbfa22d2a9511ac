"""The hash chain of actions: who changed what, in an order that cannot be rewritten unseen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.records import Decision

if TYPE_CHECKING:
    import sqlite3

GENESIS = bytes(32)

COLUMNS = (
    "id, ts_ms, kind, verdict, summary, inputs, answer, action, dependency, budget,"
    " confidence, e_value, versions, actor, settings_digest, count, last_ts_ms"
)


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What became of walking the chain. `head` (hex) is what to keep elsewhere as an anchor.

    A chain proves that nothing inside it was changed, removed or put in between. That its end was
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
    values[12] = tuple(json.loads(str(values[12])))
    return Decision(*values)  # type: ignore[arg-type]  # STRICT columns have these types


def insert_decision(
    conn: sqlite3.Connection, decision: Decision, *, stream: bytes = b"", digest: bytes = b""
) -> None:
    """Add a row; an id that is there already is left as it is."""
    conn.execute(
        f"INSERT INTO decision ({COLUMNS}, stream, digest)"  # noqa: S608 - constant columns
        f" VALUES ({', '.join('?' * 19)}) ON CONFLICT (id) DO NOTHING",
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


def append_action(conn: sqlite3.Connection, decision: Decision) -> None:
    """Add an action and its link, inside the caller's transaction."""
    head = conn.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = head or (0, GENESIS)
    action = replace(decision, action=True)
    insert_decision(conn, action)
    conn.execute(
        "INSERT INTO audit (seq, decision_id, previous_hash, hash) VALUES (?, ?, ?, ?)",
        (seq + 1, action.id, previous, link_hash(previous, action)),
    )


def verify_chain(conn: sqlite3.Connection, kept: str | None = None) -> ChainCheck:
    """Walk the chain from its beginning and name the first broken link.

    `kept` is a head that was kept elsewhere, in hex: the chain must still contain it.
    """
    previous, entries, is_kept = GENESIS, 0, kept is None
    links = conn.execute("SELECT seq, decision_id, previous_hash, hash FROM audit ORDER BY seq")
    for seq, decision_id, said_previous, said_hash in links:
        entries += 1
        row = conn.execute(
            f"SELECT {COLUMNS} FROM decision WHERE id = ? AND action = 1",  # noqa: S608 - constant
            (decision_id,),
        ).fetchone()
        problem = None
        if seq != entries:
            problem = f"link {entries} is missing"
        elif row is None:
            problem = f"its action {decision_id} is missing"
        elif said_previous != previous:
            problem = "it does not follow the link before it"
        elif said_hash != link_hash(previous, decision_of(row)):
            problem = f"its action {decision_id} was changed"
        if problem:
            return ChainCheck(entries - 1, previous.hex(), entries, problem)
        previous = said_hash
        is_kept = is_kept or previous.hex() == kept
    loose = conn.execute(
        "SELECT id FROM decision WHERE action = 1 AND id NOT IN (SELECT decision_id FROM audit)"
    ).fetchone()
    if loose:
        return ChainCheck(entries, previous.hex(), entries + 1, f"action {loose[0]} has no link")
    if not is_kept:
        problem = f"the head that was kept, {plain(kept or '', 80)}, is not in it"
        return ChainCheck(entries, previous.hex(), entries + 1, problem)
    return ChainCheck(entries, previous.hex())
