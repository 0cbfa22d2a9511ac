"""A store of before the log had shards: its chain goes on, and all that was written is found."""

from __future__ import annotations

from pathlib import Path

import pytest

import engines
from gonogo.records import Decision
from gonogo.store.books.audit import GENESIS, insert_decision, link_hash
from gonogo.store.books.decisions import StoredDecisions
from gonogo.store.books.incident_book import StoredIncidents
from gonogo.store.books.notice_book import StoredNotices
from gonogo.store.engine import Connection
from gonogo.store.sqlite import opening

pytestmark = pytest.mark.anyio

NOW = 1_780_000_000_000
ACTIONS = [
    Decision(f"act-{name}", NOW, "trigger_fallback", None, "s", "{}", "{}", True, name)
    for name in ("m", "n")
]
CHECK = Decision("check", NOW, "check_model_drift", "go", "s", "{}", "{}", dependency="m")


def write(conn: Connection) -> bytes:
    """As a release of that time wrote; the head of its one chain."""
    previous = GENESIS
    for seq, action in enumerate(ACTIONS, 1):
        insert_decision(conn, action)
        linked = link_hash(previous, action)
        conn.execute(
            "INSERT INTO audit (seq, decision_id, previous_hash, hash) VALUES (?, ?, ?, ?)",
            (seq, action.id, previous, linked),
        )
        previous = linked
    insert_decision(conn, CHECK)
    conn.execute("INSERT INTO decision_repeat VALUES ('again', 'check')")
    conn.execute(
        "INSERT INTO incident (id, dependency, cause, status, opened_ms, changed_ms, why, verdict,"
        " bad_signals) VALUES ('i', 'm', 'quality', 'open', 0, 0, '', 'no_go', '[]')"
    )
    for seq in (1, 2):
        conn.execute("INSERT INTO incident_event VALUES ('i', ?, 0, 'x', 'y', NULL)", (seq,))
    conn.execute("INSERT INTO notice VALUES ('pager', 'i', 1)")
    return previous


async def test_a_log_of_before_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head that was kept is still in it; new entries lie in the shard of their subject."""
    # The last schema of each engine without shards.
    with engines.schemas_of_then(tmp_path, monkeypatch, sqlite=9, postgres=5) as then:
        # Nor did it know what backups say of themselves.
        then.setattr(opening, "forget_backup", lambda _: None)
        db = await engines.opened(tmp_path)
        head = (await db.write(write)).hex()
        await db.close()
    db = await engines.opened(tmp_path)
    log = StoredDecisions(db)
    assert (await log.verify(head)).problem is None
    found = await log.decision("again")
    assert found is not None
    assert found.dependency == "m"
    later = Decision(
        "act-later", NOW + 1, "trigger_fallback", None, "s", "{}", "{}", dependency="m"
    )
    await log.append(later)
    checked = await log.verify(head)
    assert (checked.entries, checked.problem) == (3, None)
    assert len(checked.head.split(",")) == (1 if engines.ENGINE == "sqlite" else 2)
    assert [entry.id for entry in await log.actions(limit=1)] == ["act-later"]
    [(incident, events)] = await StoredIncidents(db).incidents(dependency="m")
    assert (incident.id, len(events)) == ("i", 2)
    notices = StoredNotices(db)
    [due] = await notices.due("pager")
    await notices.mark_told("pager", "i", 2)
    [told] = await notices.due("pager")
    assert (due.told, told.told) == (1, 2)
    await db.close()


async def test_a_link_that_was_taken_out_of_any_chain_is_named(tmp_path: Path) -> None:
    """And so is a whole chain, where its head was kept."""
    db = await engines.opened(tmp_path)
    log = StoredDecisions(db)
    for number in range(3):
        for name in ("m", "n"):
            own = f"{name}-{number}"
            await log.append(
                Decision(
                    own, NOW + number, "trigger_fallback", None, "s", "{}", "{}", dependency=name
                )
            )
    kept = await log.verify()
    assert (kept.entries, kept.problem) == (6, None)

    def cut(conn: Connection) -> None:
        conn.execute("DELETE FROM audit WHERE decision_id IN ('n-1', 'n-2')")
        conn.execute("DELETE FROM decision WHERE id IN ('n-1', 'n-2')")

    await db.write(cut)
    missing = await log.verify(kept.head)
    assert missing.problem is not None
    await db.close()
