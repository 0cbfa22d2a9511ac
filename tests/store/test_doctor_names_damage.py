"""A store that is damaged in twenty ways: each is named, and what can be derived is mended."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engines
from gonogo.app import Gonogo
from gonogo.store.engine import Connection
from gonogo.store.repair import FigureComparison
from whole_store import NOW_MS, filled, settings_of

pytestmark = pytest.mark.anyio

# Each with the figure that has to name it.
DAMAGES = {
    "a count": ("counts", "UPDATE dependency SET n = n + 7 WHERE name = 'm'"),
    "a newest time": ("counts", "UPDATE dependency SET newest_ts_ms = 1 WHERE name = 'm'"),
    "a first time": ("counts", "UPDATE dependency SET first_ts_ms = 1 WHERE name = 'm'"),
    "a version's count": ("counts", "UPDATE dependency_version SET n = 1"),
    "versions that are gone": ("counts", "DELETE FROM dependency_version"),
    "a rollup": ("rollups", "UPDATE rollup SET good = good + 1 WHERE daily = 1"),
    "rollups that are gone": ("rollups", "DELETE FROM rollup WHERE daily = 0"),
    "a histogram": ("histograms", "UPDATE histogram SET sum = sum + 1"),
    "a category": ("categories", "UPDATE category SET n = n + 1"),
    "a golden answer": ("golden answers", "UPDATE golden_answer SET outcome_sum = 1"),
    "an answer": ("answers", "UPDATE answer SET n = n + 1"),
    "a day's answer": ("answers", "DELETE FROM answer_day"),
    "metrics that are gone": ("metrics", "DELETE FROM dependency_metric"),
    "an id of no row": (
        "ids",
        "INSERT INTO observation_id (dependency_id, id, ts_ms, seq) SELECT id, {blob}, 1, 99 FROM dependency LIMIT 1",
    ),
    "counts of values that are gone": ("values", "DELETE FROM cardinality"),
    "values counted": ("values", "UPDATE cardinality SET values_seen = values_seen + 1"),
    "a day's spending": ("daily spend", "UPDATE spend SET micro_usd = 1 WHERE daily = 1"),
    "a hold": ("reservations", "UPDATE reservation SET held_micro_usd = 1"),
    "what a reservation cost": ("reservations", "UPDATE reservation SET observed_micro_usd = 1"),
    "a route": ("routes", "UPDATE route SET targets = '[[\"elsewhere\", 1000000]]'"),
    "a route of junk": ("routes", "UPDATE route SET targets = '['"),
    "a route of another form": ("routes", "UPDATE route SET targets = 'null'"),
    "a route's epoch": ("routes", "UPDATE route SET epoch = epoch + 1"),
    "an incident": ("incidents", "UPDATE incident SET status = 'resolved'"),
    "a standing verdict": ("standing verdicts", "UPDATE standing SET drift = 'go'"),
    "spending that is gone": ("spend", "DELETE FROM spend"),
    "an open ledger": ("ledger guard", "DROP TRIGGER ledger_entry_is_never_changed{on_ledger}"),
    "a way back of junk": ("routes", "UPDATE route SET recovery = '['"),
    "rows kept from a day ahead on": (
        "retention",
        "INSERT INTO retention SELECT id, 9999999999999 FROM dependency WHERE name = 'm'",
    ),
    "a series that is gone": (
        "rollups",
        "DELETE FROM series WHERE id = (SELECT max(id) FROM series)",
    ),
    "a revision": ("revisions", "UPDATE dependency SET rev = 0 WHERE name = 'm'"),
    "a kept score": ("kept scores", "UPDATE kept_score SET lower_e6 = score_e6 + 1"),
    "a cached answer": (
        "cached answers",
        "INSERT INTO state_cache SELECT id, 'signals/1', 1, {blob} FROM dependency WHERE name = 'm'",
    ),
    "a grade of no call": (
        "grades",
        "INSERT INTO grade SELECT id, 600000, 1, 1, 0, 5 FROM dependency WHERE name = 'm'",
    ),
    "more arrivals than calls": ("arrivals", "UPDATE arrival_day SET n = n + 1000"),
    "a late arrival of nobody": (
        "late arrivals",
        "INSERT INTO late_arrival SELECT id, 99999, 5, 9 FROM dependency WHERE name = 'm'",
    ),
    "a repeated check": ("log", "UPDATE decision SET count = count + 1 WHERE action = 0"),
}
# What nothing else says again.
FOR_GOOD = {
    "a changed action": ("audit", "UPDATE decision SET summary = 'x' WHERE action = 1"),
    "a link that is gone": ("audit", "DELETE FROM audit WHERE seq = 1"),
    "a check of junk": ("log entries", "UPDATE decision SET inputs = '[' WHERE action = 0"),
    "an answer of junk": ("log entries", "UPDATE decision SET answer = '{' WHERE action = 0"),
    "a plan that was not carried out": (
        "plans",
        "UPDATE plan SET state = 'planned', audit_id = NULL",
    ),
    "a plan that is gone": ("plans", "DELETE FROM plan"),
    "an event that is gone": ("incident events", "DELETE FROM incident_event WHERE seq = 1"),
    "a reservation that is gone": (
        "holds",
        "DELETE FROM reservation WHERE id = (SELECT min(id) FROM reservation)",
    ),
    "a plan of junk": ("plans", "UPDATE plan SET body = '['"),
    "a route that is gone": ("switches", "DELETE FROM route"),
    "a name that is gone": ("names", "DELETE FROM name WHERE text = 'tier=new'"),
    "a writer that nobody is": ("names", "UPDATE observation SET writer_id = 99999"),
    "a run that is none": ("names", "UPDATE observation SET run_id = 99999"),
    "a judge that nobody is": ("names", "UPDATE observation SET judge_id = 99999"),
    "segments of junk": ("rows", "UPDATE observation SET segments = '['"),
    "segments of another form": ("rows", "UPDATE observation SET segments = '{\"tier\": null}'"),
    "metrics of junk": ("rows", "UPDATE observation SET metrics = '{'"),
    "a rule of junk": ("rules", "UPDATE dependency SET rule = '['"),
    "metrics of another form": ("rows", 'UPDATE observation SET metrics = \'{"tokens": "many"}\''),
}


UNREAD = ("names", "rows", "rules")
LEFT = ("spend", "log entries", "plans", "switches", "incident events", "holds")
# What cannot be read keeps its dependency from being compared; what is gone has no wrong part.
HIDING = {
    *(
        "spending that is gone",
        "counts of values that are gone",
    ),
    "a series that is gone",
    "rows kept from a day ahead on",
    *(damage for damage, (figure, _) in FOR_GOOD.items() if figure in LEFT),
    *(damage for damage, (figure, _) in FOR_GOOD.items() if figure in UNREAD),
}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Gonogo]:
    """A store with something in every table."""
    settings = settings_of(engines.store_of(tmp_path))
    async with (
        Gonogo(settings, clock=lambda: NOW_MS, actor="agent") as opened,
        Gonogo(settings, clock=lambda: NOW_MS, actor="otlp") as traffic,
    ):
        await filled(opened, traffic)
        await opened.get_trust_score_health()  # keeps a score of each
        yield opened


async def damaged(app: Gonogo, statement: str) -> int:
    """Change the store behind its back; how many rows that were."""

    def work(connection: Connection) -> int:
        blob = "'\\x01'::bytea" if connection.has_shards else "x'01'"
        on = " ON ledger_entry" if connection.has_shards else ""
        said = statement.replace("{blob}", blob).replace("{on_ledger}", on)
        return connection.execute(said).rowcount

    return await (await app.stores()).db.write(work)


def amiss(found: FigureComparison) -> set[str]:
    """The figures that differ."""
    return {figure.what for figure in found.figures if figure.amiss}


async def test_each_of_twenty_damages_is_named_and_mended(app: Gonogo) -> None:
    """By the figure that it is of; after the repair nothing differs."""
    assert amiss(await app.compare(60)) == set()
    for damage, (figure, statement) in DAMAGES.items():
        assert await damaged(app, statement) != 0, damage
        assert figure in amiss(await app.repair()), damage
        after = await app.compare(60)
        assert amiss(after) == set(), (damage, [f.said for f in after.figures if f.amiss])


async def test_all_at_once_are_named(app: Gonogo) -> None:
    """No damage hides another, and what cannot be derived is said to be so."""
    for damage, (_, statement) in {**DAMAGES, **FOR_GOOD}.items():
        if damage not in HIDING:
            assert await damaged(app, statement) != 0, damage
    shown = {**DAMAGES, **FOR_GOOD}.items()
    wanted = {figure for damage, (figure, _) in shown if damage not in HIDING}
    assert wanted <= amiss(await app.compare(60))
    await app.repair()
    assert amiss(await app.compare(60)) == {"audit"}


@pytest.mark.parametrize("damage", FOR_GOOD)
async def test_what_cannot_be_derived_is_named_and_left(app: Gonogo, damage: str) -> None:
    """The repair changes nothing of it."""
    figure, statement = FOR_GOOD[damage]
    assert await damaged(app, statement) > 0
    found = await app.repair()
    assert figure in amiss(found)
    assert not next(f for f in found.figures if f.what == figure).is_derived
    assert figure in amiss(await app.compare(60))


@pytest.mark.parametrize("damage", [d for d in FOR_GOOD if FOR_GOOD[d][0] in UNREAD])
async def test_what_cannot_be_read_is_named_with_its_dependency(app: Gonogo, damage: str) -> None:
    """Whatever of it is made anew is left; that of others is made anew."""
    figure, statement = FOR_GOOD[damage]
    of_m = "dependency_id = (SELECT id FROM dependency WHERE name = 'm')"
    if figure == "rules":
        of_m = "name = 'm'"
    await damaged(app, statement if "WHERE" in statement else f"{statement} WHERE {of_m}")
    await damaged(app, "UPDATE rollup SET good = good + 1")
    found = await app.repair()
    assert any(said.startswith("m:") for f in found.figures if f.what == figure for said in f.amiss)
    assert amiss(await app.compare(60)) == {figure}


@pytest.mark.skipif(engines.ADDRESS is not None, reason="what another program does to a file")
async def test_what_another_program_drops_is_named_and_made_anew(
    app: Gonogo,
) -> None:
    """Tables and indexes of the schema, by `sqlite3`; what a table held is derived again where it can be."""
    await app.close()
    with contextlib.closing(sqlite3.connect(app.settings.store)) as foreign:
        foreign.executescript(
            "DROP INDEX reservation_open; DROP TABLE rollup; DROP TABLE kept_score;"
            "DELETE FROM incident"
        )
    found = await app.compare(60)
    [schema] = found.figures
    assert schema.amiss == [
        "table rollup is gone",
        "table kept_score is gone",
        "index reservation_open is gone",
    ]
    assert {"schema", "rollups", "incident events"} <= amiss(await app.repair())
    left = await app.compare(60)
    assert [figure.amiss for figure in left.figures if figure.amiss] == [
        ["the incident of inc-1's events is gone"]
    ]


async def test_an_outcome_before_its_call_is_told_and_is_no_damage(app: Gonogo) -> None:
    """Clocks differ: it may have come in so."""
    call = {"dependency": "m", "ts": "2026-01-01T06:00:00Z", "outcome": 1}
    await app.record_observations([{**call, "outcome_ts": "2026-01-01T05:59:00Z"}])
    found = await app.compare(60)
    assert amiss(found) == set()
    told = next(figure for figure in found.figures if figure.what == "outcome times")
    assert told.said.endswith("compared: m: 1 came before their calls")


async def test_costs_beyond_64_bits_are_compared(app: Gonogo) -> None:
    """Ten thousand calls at a thousand million dollars in one quarter of an hour: not damaged."""
    call = {"dependency": "m", "ts": "2026-01-01T06:00:00Z", "cost_usd": 1e9, "budget": "work"}
    for _ in range(10):
        assert (await app.record_observations([call] * 1000)).accepted == 1000
    assert amiss(await app.compare(60)) == set()
