"""Incidents over a real store: opened when it lasts, once, followed, and closed when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

import engines
from fallback_world import MINUTE, NOW, World, world
from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.app.incident_actions import change_incident
from gonogo.app.people import silence
from gonogo.errors import ParameterError, UnknownTarget
from gonogo.incidents.by_hand import acknowledge, assign, change_by_hand, resolve
from gonogo.incidents.handle import VerdictReading, get_incidents, note_verdict
from gonogo.records import Verdict
from gonogo.settings import Settings
from gonogo.store.books.incident_book import StoredIncidents
from gonogo.store.engine import Engine
from gonogo.text.answer_text import as_text

pytestmark = pytest.mark.anyio


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """An empty store."""
    async with world(tmp_path) as made:
        yield made


async def look(w: World, verdict: Verdict, minute: int, **other: object) -> str | None:
    """A verdict on `m`, so many minutes after the beginning."""
    seen = VerdictReading("m", verdict, f"as of {minute}", NOW + minute * MINUTE, **other)  # type: ignore[arg-type]
    return await note_verdict(w.incidents, seen, new_id=w.ports.new_id)


async def status(w: World) -> str:
    """Of the newest incident, with the verdict of the list."""
    listed = await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    return f"{listed.incidents[0].status} {listed.verdict}" if listed.incidents else "none"


async def test_a_no_go_opens_an_incident_when_it_lasts(w: World) -> None:
    """One look is a suspicion, a second ten minutes later an incident, a third changes nothing."""
    assert await look(w, "no_go", 0) is None
    assert await look(w, "no_go", 5) is None
    opened = await look(w, "no_go", 10, onset_ms=NOW - MINUTE)
    assert opened is not None
    assert await look(w, "no_go", 20) == opened
    listed = await get_incidents(
        w.incidents, w.ports.decisions, w.settings, dependency="m", now_ms=NOW
    )
    assert (listed.verdict, len(listed.incidents)) == ("no_go", 1)
    assert listed.incidents[0].cause == "quality: as of 10"
    assert listed.incidents[0].onset == rfc3339(NOW - MINUTE)
    assert [e.event for e in listed.incidents[0].timeline] == ["opened"]


async def test_a_go_between_forgets_the_suspicion_and_unknown_does_not(w: World) -> None:
    """What comes and goes is no incident; not knowing says nothing either way."""
    await look(w, "no_go", 0)
    await look(w, "go", 5)
    assert await look(w, "no_go", 10) is None
    await look(w, "unknown", 15)
    assert await look(w, "no_go", 20) is not None


async def test_evidence_twice_what_is_needed_opens_at_once(w: World) -> None:
    """Just the needed evidence has to last; twice as much has not."""
    assert await look(w, "no_go", 0, e_value=199.0, needed=100.0) is None
    assert await look(w, "no_go", 1, e_value=200.0, needed=100.0) is not None


async def test_it_goes_through_its_states_and_is_over_when_it_stays_well(w: World) -> None:
    """Open, acknowledged, mitigated by a fallback, recovering once back, resolved after ten minutes."""
    incident_id = await look(w, "no_go", 0, e_value=500.0, needed=100.0) or ""
    await change_by_hand(w.incidents, incident_id, acknowledge(), actor="kim", now_ms=NOW + MINUTE)
    assert await status(w) == "acknowledged no_go"
    result = await w.switched()
    assert result.incident_id == incident_id
    assert await status(w) == "mitigated caution"
    await look(w, "go", 30, on_primary=False)
    await look(w, "go", 60, on_primary=False)
    assert await status(w) == "mitigated caution"  # mitigated is not resolved
    await w.undo(result.audit_id)
    assert await status(w) == "recovering caution"
    await look(w, "no_go", 61)
    assert await status(w) == "open no_go"
    await look(w, "go", 70)
    await look(w, "go", 75)
    assert await status(w) == "recovering caution"
    await look(w, "go", 80)
    assert await status(w) == "resolved go"
    listed = await get_incidents(
        w.incidents, w.ports.decisions, w.settings, incident_id=incident_id, now_ms=NOW
    )
    events = [e.event.split(":")[0] for e in listed.incidents[0].timeline]
    assert events == [
        *("opened", "acknowledged", "mitigated", "well again; the fallback is still active"),
        *("recovering", "bad again", "well again", "resolved"),
    ]
    assert await look(w, "no_go", 90, e_value=500.0, needed=100.0) != incident_id


async def test_one_signal_that_is_well_does_not_speak_for_another(w: World) -> None:
    """Drift says no_go, trust says go: one incident, two signals, no back and forth."""
    incident_id = await look(w, "no_go", 0, e_value=500.0, needed=100.0)
    for minute in range(5, 60, 5):
        await look(w, "no_go", minute)
        await look(w, "go", minute, signal="trust")
    assert await status(w) == "open no_go"
    listed = await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    assert len(listed.incidents[0].timeline) == 1
    assert await look(w, "no_go", 60, signal="trust") == incident_id
    await look(w, "go", 61)
    assert await status(w) == "open no_go"  # trust still says no_go
    await look(w, "go", 62, signal="trust")
    assert await status(w) == "recovering caution"


async def test_a_person_closes_a_false_alarm(w: World) -> None:
    """It stays in the list, labelled."""
    incident_id = await look(w, "no_go", 0, e_value=500.0, needed=100.0) or ""
    await change_by_hand(
        w.incidents, incident_id, resolve(false_alarm=True), actor="kim", now_ms=NOW
    )
    listed = await get_incidents(
        w.incidents, w.ports.decisions, w.settings, status="resolved", now_ms=NOW
    )
    assert "(false alarm)" in (listed.incidents[0].cause or "")
    assert listed.verdict == "go"
    assert listed.summary.startswith("1 resolved incident: m resolved, ")
    of_other = await get_incidents(
        w.incidents, w.ports.decisions, w.settings, dependency="n", status="open", now_ms=NOW
    )
    assert (of_other.summary, of_other.dependency, of_other.status) == (
        *("No open incident of n.", "n", "open"),
    )


async def test_what_is_not_there_is_named(w: World) -> None:
    """Wrong ids and states are refused in one line."""
    with pytest.raises(UnknownTarget, match="Unknown incident 'nope'"):
        await get_incidents(
            w.incidents, w.ports.decisions, w.settings, incident_id="nope", now_ms=NOW
        )
    with pytest.raises(UnknownTarget, match="Unknown incident 'nope'"):
        await change_by_hand(w.incidents, "nope", acknowledge(), actor="kim", now_ms=NOW)
    with pytest.raises(ParameterError, match="status 'closed' is none of: open, acknowledged"):
        await get_incidents(w.incidents, w.ports.decisions, w.settings, status="closed", now_ms=NOW)
    assert (
        await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    ).summary == "No incident."


async def test_many_processes_open_one_incident(w: World) -> None:
    """Each agent's server sees the same no_go; the store has one incident."""
    databases = [await engines.opened(w.folder) for _ in range(4)]
    seen = VerdictReading("m", "no_go", "x", NOW, e_value=500.0, needed=100.0)
    found: list[str | None] = []

    async def note(db: Engine) -> None:
        found.append(await note_verdict(StoredIncidents(db), seen, new_id=w.ports.new_id))

    async with anyio.create_task_group() as group:
        for db in databases * 4:
            group.start_soon(note, db)
    for db in databases:
        await db.close()
    assert len(found) == 16
    assert len(set(found)) == 1
    listed = await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    assert len(listed.incidents) == 1


async def test_a_second_signal_is_named_in_the_timeline(w: World) -> None:
    """Who else says so, and nothing that only an insider could read."""
    await look(w, "no_go", 0, e_value=500.0, needed=100.0)
    await look(w, "no_go", 5, signal="trust")
    listed = await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    [incident] = listed.incidents
    assert incident.timeline[-1].event == "trust says so as well"


async def test_what_waits_is_the_newest_plan_of_each_switch(w: World) -> None:
    """However often it is planned, and no longer than it can be approved."""
    for _ in range(7):
        w.now_ms += MINUTE
        again = await w.plan(to="v2")
    w.now_ms += MINUTE
    half = await w.plan(to="v2", share=0.5)

    async def waiting() -> list[str]:
        return [plan.id for plan in await w.ports.routes.waiting(now_ms=w.now_ms)]

    assert await waiting() == [again.plan_id, half.plan_id]
    await w.apply(half.plan_id)
    assert await waiting() == []


async def test_one_acknowledgement_is_of_all_that_was_told_together(tmp_path: Path) -> None:
    """A storm of one provider is one page: seen once by any of its ids or its key, each logged."""
    app = Gonogo(Settings(store=str(tmp_path / "gonogo.db")), clock=lambda: NOW)
    async with app:
        stores = await app.stores()
        ids = [
            await note_verdict(
                stores.incidents,
                VerdictReading(
                    name, "no_go", "it fell", NOW, e_value=9e9, needed=1, provider="acme"
                ),
                new_id=lambda: stores.new_id(NOW),
            )
            for name in ("a", "b", "c")
        ]
        first = (await app.acknowledge(ids[1] or "", alone=True)).incidents
        assert [(i.dependency, i.status) for i in first] == [("b", "acknowledged")]
        seen = await app.acknowledge("gonogo/a/quality")
        assert {i.dependency: i.status for i in seen.incidents} == dict.fromkeys(
            "abc", "acknowledged"
        )
        assert seen.counts == {"acknowledged": 3}
        log = await app.decisions(kind="acknowledge_incident", limit=9)
        assert sorted(entry.dependency or "" for entry in log) == ["a", "b", "c"]
        await app.resolve(ids[0] or "")
        assert [i.id for i in (await app.acknowledge(ids[0] or "")).incidents] == [ids[0]]
        with pytest.raises(UnknownTarget):
            await app.acknowledge("gonogo/z/quality")


async def test_a_list_says_whose_it_is_and_till_when_nobody_is_woken(tmp_path: Path) -> None:
    """Text has the columns only where something fills them."""
    app = Gonogo(Settings(store=str(tmp_path / "gonogo.db")), clock=lambda: NOW)
    async with app:
        stores = await app.stores()
        look = VerdictReading("m", "no_go", "it fell", NOW, e_value=9e9, needed=1)
        opened = await note_verdict(stores.incidents, look, new_id=lambda: stores.new_id(NOW))
        assert "owner" not in as_text(await app.get_incidents())
        await change_incident(stores, opened or "", assign("kim"), now_ms=NOW)
        made = await silence(stores, "m", for_s=3600, reason="moving", now_ms=NOW)
        text = as_text(await app.get_incidents())
    assert "id,dependency,status,owner,silenced_until,verdict," in text
    assert f",open,kim,{rfc3339(made.until_ms)}," in text
