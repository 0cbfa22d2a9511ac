"""The decision log: what is asked for is found, repeats fold, actions are chained."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engines
from gonogo import answers as a
from gonogo.clock import OrderedIds
from gonogo.errors import StoreError, UnknownTarget
from gonogo.records import DAY_MS, Decision, Observation, PartVerdict, StandingVerdict, Verdict
from gonogo.settings import Settings
from gonogo.store import engine
from gonogo.store.books.decisions import StoredDecisions
from gonogo.store.engine import Connection, Engine
from gonogo.store.sqlite.database import Database
from gonogo.views.decision_log import ENTROPY_BITS, find_decision, id_of

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000_000


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Engine]:
    """An empty store."""
    database = await engines.opened(tmp_path)
    yield database
    await database.close()


def check(number: int, *, verdict: Verdict = "go", said: str = "", ts_ms: int = 0) -> Decision:
    """A drift check whose answer differs from the others' only in its time and in `said`."""
    return Decision(
        id=id_of((NOW + number) << ENTROPY_BITS | number),
        ts_ms=ts_ms or NOW + number,
        kind="check_model_drift",
        verdict=verdict,
        summary="as before",
        inputs='{"dependency":"m"}',
        answer=f'{{"as_of":"{number}","decision_id":"{number}","said":"{said}"}}',
        dependency="m",
        versions=("1", "2"),
        e_value=3.5,
    )


def action(number: int) -> Decision:
    """An action's entry."""
    return Decision(
        id=id_of((NOW + number) << ENTROPY_BITS | number),
        ts_ms=NOW + number,
        kind="trigger_fallback",
        verdict="go",
        summary=f"switched {number}",
        inputs="{}",
        answer='{"applied":true}',
        action=True,
        dependency="m",
    )


@given(st.lists(st.integers(0, 2**41), min_size=2, unique=True))
def test_ids_sort_as_their_times_do(times: list[int]) -> None:
    """Sixteen characters each, ordered by time whatever the random part is."""
    ids = {ts: id_of(ts << ENTROPY_BITS | hash(ts) % 2**ENTROPY_BITS) for ts in times}
    assert sorted(times) == [ts for ts, _ in sorted(ids.items(), key=lambda item: item[1])]
    assert {len(made) for made in ids.values()} == {16}


async def test_a_note_is_found_before_and_after_it_is_written(db: Database) -> None:
    """`note` returns at once; the entry is there for whoever asks next, and after a restart."""
    log, entry = StoredDecisions(db), check(1)
    await engines.telemetry_of(db, Settings(store="")).record([Observation("m", NOW)], NOW)
    await log.decisions()  # a reader is open
    writer_may_go_on = threading.Event()
    db.submit(lambda _: writer_may_go_on.wait(60))
    says = PartVerdict("drift", "go", NOW + 1, NOW)
    assert log.note(entry, says)
    assert await log.decision(entry.id) == entry
    assert await log.standing() == {"m": StandingVerdict(says)}
    writer_may_go_on.set()
    await log.append(action(2))  # the queue is in order, so the note is written too
    found = await StoredDecisions(db).decision(entry.id)
    assert found is not None
    assert (found.answer, found.versions, found.e_value) == (entry.answer, ("1", "2"), 3.5)
    assert await StoredDecisions(db).standing() == {"m": StandingVerdict(says)}


async def test_lists_hold_what_this_process_noted_just_now(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that is queued is written before the list is read; but none waits for a held store."""
    log = StoredDecisions(db)
    for number in range(20):
        noted = check(number, said=str(number))
        assert log.note(noted)
        assert [entry.id for entry in await log.decisions(dependency="m", limit=1)] == [noted.id]
    monkeypatch.setattr(engine, "_LOOKS_MAX", 5)
    held, let_go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        let_go.wait(60)

    db.submit(hold)
    await anyio.to_thread.run_sync(held.wait)
    late = check(99, said="late")
    log.note(late)
    try:
        assert (await log.decisions(limit=1))[0].id == noted.id
    finally:
        let_go.set()
    assert (await log.decisions(limit=1))[0].id == late.id


async def test_repeats_fold_and_every_id_finds_its_entry(db: Engine) -> None:
    """Three equal checks are one row; another answer, or another verdict, begins a new one."""
    log = StoredDecisions(db)
    equal = [check(1), check(2), check(3)]
    for entry in [*equal, check(4, said="new"), check(5, verdict="no_go"), check(6)]:
        log.note(entry)
    log.note(equal[0])  # sent again: changes nothing
    await log.append(action(7))
    fresh = StoredDecisions(db)
    rows = await fresh.decisions(kind="check_model_drift")
    assert [(row.count, row.verdict) for row in rows] == [
        (1, "go"),
        (1, "no_go"),
        (1, "go"),
        (3, "go"),
    ]
    for entry in equal:
        found = await fresh.decision(entry.id)
        assert found is not None
        assert (found.id, found.count, found.last_ts_ms) == (entry.id, 3, NOW + 3)


async def test_two_subjects_asked_in_turn_fold_each_on_its_own(db: Engine) -> None:
    """An agent that checks two dependencies in a loop leaves two rows."""
    log = StoredDecisions(db)
    for number in range(10):
        entry = check(number)
        log.note(entry)
        log.note(replace(check(100 + number), dependency="n", inputs='{"d":"n"}'))
    await log.append(action(999))
    rows = await StoredDecisions(db).decisions(kind="check_model_drift")
    assert sorted((row.dependency, row.count) for row in rows) == [("m", 10), ("n", 10)]


async def test_an_action_whose_id_another_has_is_refused_and_not_lost(db: Engine) -> None:
    """The same one again is logged once; another one fails, with what it would have changed."""
    log = StoredDecisions(db)
    await log.append(action(1))
    await log.append(action(1))
    with pytest.raises(StoreError, match="has another entry"):
        await log.append(replace(action(2), id=action(1).id))
    assert (await log.verify()).entries == 1


async def test_old_checks_are_pruned_and_actions_and_referenced_checks_stay(db: Engine) -> None:
    """Ninety days after they were last asked; what an incident cites is kept."""
    log = StoredDecisions(db)
    old, cited, young = (
        check(1, said="a"),
        check(2, said="b"),
        check(3, said="c", ts_ms=NOW + 2 * DAY_MS),
    )
    for entry in (old, cited, young):
        log.note(entry)
    # That so much time has passed the log itself says.
    since = [check(day, said=str(day), ts_ms=NOW + day * DAY_MS) for day in (89, 90, 91)]
    for entry in since:
        log.note(entry)
    await log.append(action(4))

    def cite(conn: Connection) -> None:
        conn.execute(
            "INSERT INTO incident (id, dependency, cause, status, opened_ms, changed_ms, why,"
            " verdict, bad_signals) VALUES ('i', 'm', 'quality', 'open', 0, 0, '', 'no_go', '[]')"
        )
        conn.execute(
            "INSERT INTO incident_event (dependency, incident_id, seq, ts_ms, event, actor,"
            " decision_id) VALUES ('m', 'i', 1, 0, 'x', 'y', ?)",
            (cited.id,),
        )

    await db.write(cite)
    assert await log.prune(NOW + 91 * DAY_MS) == 1
    left = {row.id for row in await StoredDecisions(db).decisions()}
    assert left == {cited.id, young.id, action(4).id, *(entry.id for entry in since)}


async def test_the_newest_come_first(db: Engine) -> None:
    """Those of any kind, whatever they are about; filters narrow them."""
    log = StoredDecisions(db)
    for number in range(5):
        log.note(check(number, said=str(number)))
    await log.append(action(9))
    assert len(await log.decisions(limit=2, dependency="m")) == 2
    assert [row.id for row in await log.decisions()] == [
        id_of((NOW + number) << ENTROPY_BITS | number) for number in (9, 4, 3, 2, 1, 0)
    ]
    assert await log.decisions(dependency="nobody") == []


async def test_a_decision_that_nobody_made_is_named(db: Engine) -> None:
    """The error shows ids that there are."""
    log = StoredDecisions(db)
    log.note(check(1))
    await log.append(action(2))
    with pytest.raises(UnknownTarget, match=f"Unknown decision 'nope'.*{check(1).id}"):
        await find_decision(log, "nope")


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("tampering", "broken_at", "problem"),
    [
        ("UPDATE decision SET summary = 'innocent' WHERE summary = 'switched 3'", 3, "was changed"),
        ("UPDATE decision SET actor = 'nobody' WHERE summary = 'switched 1'", 1, "was changed"),
        ("DELETE FROM decision WHERE summary = 'switched 2'", 2, "is missing"),
        ("DELETE FROM audit WHERE seq = 4", 4, "link 4 is missing"),
        ("UPDATE audit SET previous_hash = zeroblob(32) WHERE seq = 2", 2, "does not follow"),
        ("UPDATE decision SET action = 0 WHERE summary = 'switched 5'", 5, "is missing"),
        (
            """INSERT INTO decision SELECT 'forged', ts_ms, last_ts_ms, 1, kind, verdict, summary,
            inputs, answer, 1, dependency, budget, confidence, e_value, versions, actor,
            settings_digest, stream, digest FROM decision LIMIT 1""",
            6,
            "forged has no link",
        ),
        ("SELECT 1", None, "None"),
    ],
)
async def test_the_chain_names_its_first_broken_link(
    db: Engine, tampering: str, broken_at: int | None, problem: str
) -> None:
    """Whoever edits, removes or adds an action behind gonogo's back is found out."""
    assert isinstance(db, Database)
    log = StoredDecisions(db)
    for number in range(1, 6):
        await log.append(action(number))

    def tamper(conn: Connection) -> None:
        conn.execute("PRAGMA defer_foreign_keys = ON")
        conn.execute(tampering)

    if tampering.startswith("DELETE FROM decision"):
        outside = sqlite3.connect(db.path)  # without foreign keys, as a tamperer would
        outside.execute(tampering)
        outside.commit()
        outside.close()
    else:
        await db.write(tamper)
    checked = await log.verify()
    assert checked.broken_at == broken_at
    assert problem in str(checked.problem)


async def test_of_two_baselines_of_one_millisecond_the_later_written_one_holds(db: Engine) -> None:
    """Ids of a process are in the order in which they were made, and settle what time does not."""
    log = StoredDecisions(db)
    telemetry = engines.telemetry_of(cast("Database", db), Settings(store=""))
    await telemetry.record([Observation("m", NOW)], NOW)
    ids = OrderedIds(ENTROPY_BITS, lambda bits: (1 << bits) // 2)
    made = [id_of(ids.number(NOW)) for _ in range(9)]
    for entry_id in made:
        entry = replace(check(1), id=entry_id, ts_ms=NOW, kind="baseline", action=True)
        await log.append(entry)
        mark = await telemetry.mark("m")
        assert mark is not None
        assert mark.accepted == entry_id
    assert [entry.id for entry in await log.decisions(kind="baseline")] == made[::-1]


async def test_a_score_was_first_told_by_a_check_of_its_own_or_a_fleet_that_lists_it(
    db: Engine,
) -> None:
    """The earlier of both; names are taken as they are, and another question tells no score."""
    log = StoredDecisions(db)
    names = ["m", "m%", 'q"é', "n"]
    listed = [a.FleetLine(dependency=name, verdict="go") for name in names[1:3]]
    fleet = a.TrustReport(verdict="go", summary="", as_of="", fleet=listed)
    scored = [replace(check(i), kind="get_trust_score_health") for i in range(6)]
    seen = [
        check(1),
        replace(scored[2], dependency=None, answer=fleet.as_json()),
        replace(scored[3], dependency="m%"),
        scored[4],
        replace(scored[5], answer='{"said":"other"}'),
    ]
    for entry in seen:
        assert log.note(entry)
    await db.settled()
    assert await log.first_scored(names) == {"m": NOW + 4, "m%": NOW + 2, 'q"é': NOW + 2}
