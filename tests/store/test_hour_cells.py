"""Hours that were counted elsewhere give the verdicts of the calls that they count, bit for bit."""

from __future__ import annotations

import json
import random
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engines
from counted_cells import counted_cells
from gonogo.app import Gonogo
from gonogo.detectors.packed_bins import unpack
from gonogo.ingest.hour_cells.cell_table import parse_cell
from gonogo.ingest.observation import parse_observation
from gonogo.ports.hour_cells import HourCell
from gonogo.records import DAY_MS, Decision, Observation
from gonogo.settings import BudgetSettings, DependencySettings, Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.forget import ForgottenRows, Selection
from gonogo.store.repair import compare, let_go
from telemetry_worlds import rollups_of

pytestmark = pytest.mark.anyio
START_MS = 1_780_012_800_000
DAYS = 16
NOW_MS = START_MS + DAYS * DAY_MS
SLO_MS, BAR = 900.0, 0.6


def history(n: int = 600) -> list[dict[str, Any]]:
    """Calls of two names: one gets worse, with golden items, late labels, segments and metrics."""
    rng = np.random.default_rng(11)
    made = []
    for i in range(n):
        ts_ms = START_MS + int(rng.integers(0, DAYS * DAY_MS))
        late = ts_ms > START_MS + 10 * DAY_MS
        row: dict[str, Any] = {
            "dependency": ("sentiment", "search")[i % 2],
            "ts": ts_ms / 1000,
            "kind": ("model", "tool")[i % 2],
            "version": f"v{int(late) + 1}" if i % 2 else None,
            "outcome": float(rng.random() > (0.4 if late else 0.05)) if i % 5 else None,
            "outcome_ts": (ts_ms + int(rng.integers(-5, 90_000))) / 1000,
            "error": "timeout" if rng.random() < 0.03 else None,
            "confidence": float(rng.beta(8, 2)),
            "latency_ms": float(rng.lognormal(5.5 + 0.3 * late, 0.8)),
            "cost_usd": float(rng.lognormal(-7, 0.6)) if i % 3 else None,
            "input_tokens": int(rng.integers(0, 2000)),
            "item": f"q{i % 12}" if i % 11 == 0 else None,
            "prediction": ("yes", "no", "maybe")[int(rng.integers(0, 3))],
            "segments": {"tier": ("free", "paid")[i % 3 == 0]} if i % 4 else None,
            "metrics": {"score": float(rng.normal(3, 2))},
        }
        if row["outcome"] is None:
            row.pop("outcome_ts")
        made.append({key: value for key, value in row.items() if value is not None})
    return made


def entry(_: ForgottenRows) -> Decision:
    """The log entry of taking back."""
    return Decision(
        id=f"d{random.getrandbits(60):x}",
        ts_ms=NOW_MS,
        kind="forget",
        verdict=None,
        summary="forgot",
        inputs="{}",
        answer="{}",
        action=True,
        dependency="search",
        last_ts_ms=NOW_MS,
    )


def settings(folder: Path) -> Settings:
    """What both stores are asked under."""
    dependencies = {
        name: DependencySettings(name, latency_slo_ms=SLO_MS, quality_bar=BAR)
        for name in ("sentiment", "search")
    }
    budget = BudgetSettings("day", 9_000_000, dependencies=("sentiment",))
    return Settings(
        store=engines.store_of(folder), dependencies=dependencies, budgets={"day": budget}
    )


def observed(rows: Sequence[dict[str, Any]]) -> list[Observation]:
    """The calls as a file brings them."""
    found = [
        parse_observation({"id": f"c{i}", **row}, now_ms=NOW_MS, from_file=True)
        for i, row in enumerate(rows)
    ]
    assert all(isinstance(one, Observation) for one in found), found
    return [one for one in found if isinstance(one, Observation)]


def cells_of(rows: Sequence[dict[str, Any]], **more: object) -> list[HourCell]:
    """The cells as a file brings them."""
    table = counted_cells(rows, quality_bar=BAR, latency_slo_ms=SLO_MS)
    found = [parse_cell(row | more, now_ms=NOW_MS) for row in table]
    assert all(isinstance(one, HourCell) for one in found), found
    return [one for one in found if isinstance(one, HourCell)]


def app_in(folder: Path) -> Gonogo:
    """The application over a store of its own."""
    folder.mkdir()
    return Gonogo(settings(folder), clock=lambda: NOW_MS)


async def asked(app: Gonogo) -> dict[str, Any]:
    """What the product says of both names."""
    told: dict[str, Any] = {}
    told["whole"] = await app.check_model_drift("search", detail="full")
    told["slice"] = await app.check_model_drift("search", segment="tier=paid")
    told["versions"] = await app.check_model_drift("search", baseline_version="v1", version="v2")
    told["metric"] = await app.check_model_drift("sentiment", metric="metrics.score")
    told["trust"] = await app.get_trust_score_health("search", detail="full")
    told["fleet"] = await app.get_trust_score_health()
    spent = await app.check_budget_with_confidence("day", planned_cost_usd=0.01)
    said = {key: json.loads(answer.model_dump_json()) for key, answer in told.items()}
    for answer in said.values():
        answer.pop("decision_id", None)
    return said | {"spent": spent.spent_usd}


async def damages(app: Gonogo) -> list[str]:
    """What the doctor finds amiss."""
    stores = await app.stores()
    found = await compare(stores.db, has_time=lambda: True, now_ms=NOW_MS)
    return [problem for figure in found.figures for problem in figure.amiss]


async def test_cells_give_the_answers_of_the_calls_that_they_count(tmp_path: Path) -> None:
    """Drift, slices, versions, trust, the fleet, spending: equal, and the rollups as well."""
    rows = history()
    cells = cells_of(rows)
    random.Random(3).shuffle(cells)  # noqa: S311 - no secret
    async with app_in(tmp_path / "rows") as one, app_in(tmp_path / "cells") as two:
        first, second = await one.stores(), await two.stores()
        await first.telemetry.record(observed(rows), NOW_MS)
        for start in range(0, len(cells), 700):
            stored = await second.telemetry.record_cells(cells[start : start + 700], NOW_MS)
            assert not stored.rejected
        of_rows, of_cells = await asked(one), await asked(two)
        for key, answer in of_rows.items():
            assert of_cells[key] == answer, key
        assert of_rows["whole"]["verdict"] == "no_go"
        assert of_rows["metric"]["verdict"] == "go"
        rolled = [await stores.db.read(rollups_of) for stores in (first, second)]
        assert rolled[0] == rolled[1]
        # Cells are no damage, and what is made of them can be made again.
        assert await damages(two) == []
        contents = await second.db.read(
            lambda c: c.execute("SELECT content FROM hour_cell").fetchall()
        )
        for (text,) in contents:  # equal contents have equal texts, as JSON has them
            parts = json.loads(text)
            assert text == json.dumps(parts, separators=(",", ":"), sort_keys=True)
        await second.telemetry.rebuild("sentiment")
        assert await second.db.read(rollups_of) == rolled[1]


async def test_cells_count_once_and_a_corrected_hour_takes_their_place(tmp_path: Path) -> None:
    """Sent twice, late, in any order of revisions: one store; a cell of no calls takes one back."""
    rows = [row for row in history(300) if row["dependency"] == "search"]
    wrong = [row | {"latency_ms": 5000.0, "error": "timeout"} for row in rows[:50]]
    first, second = cells_of([*wrong, *rows[50:100]]), cells_of(rows[:100], revision=1)
    async with app_in(tmp_path / "one") as one, app_in(tmp_path / "two") as two:
        stores = await one.stores()
        assert (await stores.telemetry.record_cells(first, NOW_MS)).accepted == len(first)
        again = await stores.telemetry.record_cells(first, NOW_MS)
        assert (again.accepted, again.duplicates) == (0, len(first))
        corrected = await stores.telemetry.record_cells(second, NOW_MS)
        assert corrected.updated + corrected.duplicates == len(second)
        assert corrected.updated > 40
        late = await stores.telemetry.record_cells(first, NOW_MS)
        assert (late.accepted, late.updated) == (0, 0)
        assert await damages(one) == []
        others = await two.stores()
        await others.telemetry.record_cells(second, NOW_MS)
        wanted = await others.db.read(rollups_of)
        assert await stores.db.read(rollups_of) == wanted
        # Who counted elsewhere adds, and takes back what it added.
        more = cells_of(rows[100:], source="eu")
        await stores.telemetry.record_cells(more, NOW_MS)
        known = await stores.telemetry.dependency("search")
        assert known is not None
        assert known.n == len(rows)
        gone = [row | {"n": 0, "source": "eu", "revision": 2} for row in keys_of(rows[100:])]
        told = [parse_cell(row, now_ms=NOW_MS) for row in gone]
        await stores.telemetry.record_cells([c for c in told if isinstance(c, HourCell)], NOW_MS)
        assert await damages(one) == []
        assert await stores.db.read(rollups_of) == wanted
        gone = [row | {"n": 0, "revision": 3} for row in keys_of(rows)]
        told = [parse_cell(row, now_ms=NOW_MS) for row in gone]
        await stores.telemetry.record_cells([c for c in told if isinstance(c, HourCell)], NOW_MS)
        assert await damages(one) == []


def keys_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The keys of the cells of some calls."""
    names = ("cell_version", "dependency", "version", "item", "segments", "hour")
    table = counted_cells(rows, quality_bar=BAR, latency_slo_ms=SLO_MS)
    return [{name: row[name] for name in names if name in row} for row in table]


async def test_cells_beside_calls_are_taken_back_and_let_go_as_they_are(tmp_path: Path) -> None:
    """Half of a history as cells: forgetting a part leaves the rest; retention leaves the rollups."""
    rows = [row for row in history(400) if row["dependency"] == "search"]
    rows.sort(key=lambda row: row["ts"])
    half = len(rows) // 2
    cut_ms = START_MS + 4 * DAY_MS
    kept = [row for row in rows if row["ts"] * 1000 >= cut_ms]
    async with app_in(tmp_path / "one") as one, app_in(tmp_path / "two") as two:
        stores, others = await one.stores(), await two.stores()
        await stores.telemetry.record_cells(cells_of(rows[:half]), NOW_MS)
        await stores.telemetry.record(observed(rows[half:]), NOW_MS)
        taken = await stores.telemetry.forget(
            "search", Selection(end_ms=cut_ms), now_ms=NOW_MS, entry=entry
        )
        assert taken is not None
        assert taken[0].rows == len(rows) - len(kept)
        await others.telemetry.record(observed(kept), NOW_MS)
        assert await stores.db.read(rollups_of) == await others.db.read(rollups_of)
        assert await damages(one) == []
        before = await stores.db.read(rollups_of)
        await let_go(stores.db, stores.decisions, days=7, now_ms=NOW_MS)
        assert await stores.db.read(rollups_of) == before
        assert await damages(one) == []
        old = await stores.telemetry.record_cells(cells_of(rows[:half]), NOW_MS)
        assert (old.accepted, old.updated) == (0, 0)
        assert {one.field for one in old.rejected} == {"hour"}
        await stores.telemetry.rebuild("search")
        assert await stores.db.read(rollups_of) == before
        await stores.telemetry.forget("search", Selection(), now_ms=NOW_MS, entry=entry)
        left = await stores.db.read(
            lambda c: c.execute("SELECT count(*) FROM hour_cell").fetchone()
        )
        assert left[0] == 0
        assert await damages(one) == []


async def test_cells_counted_by_another_rule_are_refused(tmp_path: Path) -> None:
    """Their counts cannot be made again; of a new name nothing is left behind."""
    table = counted_cells(history(40))
    cells = [parse_cell(row, now_ms=NOW_MS) for row in table]
    async with app_in(tmp_path / "one") as one:
        stores = await one.stores()
        sent = [cell for cell in cells if isinstance(cell, HourCell)]
        stored = await stores.telemetry.record_cells(sent, NOW_MS)
        assert stored.accepted == 0
        assert {one.field for one in stored.rejected} == {"quality_bar", "latency_slo_ms"}
        said = " ".join(one.problem for one in stored.rejected)
        assert "counted with 0.5; this dependency's quality_bar is 0.6" in said
        assert await stores.telemetry.names() == {}


async def test_two_rows_of_one_cell_in_a_batch_are_no_correction(tmp_path: Path) -> None:
    """The first stands; the second is refused by its place, with what to do."""
    one = cells_of([{"dependency": "search", "ts": START_MS / 1000, "latency_ms": 7.0}])
    other = cells_of([{"dependency": "search", "ts": START_MS / 1000, "latency_ms": 9.0}])
    async with app_in(tmp_path / "one") as app:
        telemetry = (await app.stores()).telemetry
        stored = await telemetry.record_cells([*one, *one, *other], NOW_MS)
        assert (stored.accepted, stored.duplicates, stored.updated) == (1, 1, 0)
        assert [(r.position, r.field) for r in stored.rejected] == [(2, "hour")]
        assert "counted twice" in stored.rejected[0].problem
        assert (await telemetry.record_cells(other, NOW_MS)).updated == 1
        # What it cost alone is a correction too, and a call that came later in the hour is the newest.
        last_ms = START_MS + 60_000
        dearer = replace(other[0], nano_usd=5_000, newest_ts_ms=last_ms)
        assert (await telemetry.record_cells([dearer], NOW_MS)).updated == 1
        known = await telemetry.dependency("search")
        assert known is not None
        assert (known.n, known.newest_ts_ms) == (1, last_ms)
        assert (await telemetry.record_cells([dearer], NOW_MS)).duplicates == 1
        assert await damages(app) == []


async def test_a_cell_that_an_earlier_gonogo_stored_is_the_same_cell(tmp_path: Path) -> None:
    """It wrote bins and counts in turn: sent again it changes nothing, and rollups are made of it as before."""
    cells = cells_of(history(60))
    async with app_in(tmp_path / "one") as app:
        stores = await app.stores()
        await stores.telemetry.record_cells(cells, NOW_MS)
        before = await stores.db.read(rollups_of)
        await stores.db.write(write_as_before)
        stored = await stores.telemetry.record_cells(cells, NOW_MS)
        assert (stored.accepted, stored.duplicates, stored.updated) == (0, len(cells), 0)
        assert await damages(app) == []
        assert await stores.db.read(rollups_of) == before


def write_as_before(connection: Connection) -> None:
    """Write what is stored of cells as the versions before packed bins did."""
    rows = connection.execute("SELECT dependency_id, hour, cell, content FROM hour_cell").fetchall()
    for dependency, hour, cell, text in rows:
        counts, histograms, *tallies = json.loads(text)
        old = {
            metric: [total, *chain.from_iterable(unpack(lowest, a2b_base64(bins)).items())]
            for metric, (_, total, lowest, bins) in histograms.items()
        }
        connection.execute(
            "UPDATE hour_cell SET content = ? WHERE dependency_id = ? AND hour = ? AND cell = ?",
            (json.dumps([counts, old, *tallies]), dependency, hour, cell),
        )


async def test_cells_of_a_sample_count_in_budgets_as_what_they_stand_for(tmp_path: Path) -> None:
    """As rows of the same weight do; hours of another weight are refused, and nothing is left of what is taken back."""
    rows = [row | {"weight": 20.0} for row in history() if "item" not in row]
    async with app_in(tmp_path / "rows") as one, app_in(tmp_path / "cells") as two:
        first, second = await one.stores(), await two.stores()
        await first.telemetry.record(observed(rows), NOW_MS)
        cells = cells_of(rows)
        assert {cell.content.weight_e6 for cell in cells} == {20_000_000}
        await second.telemetry.record_cells(cells, NOW_MS)
        of_rows, of_cells = await asked(one), await asked(two)
        assert of_rows == of_cells
        assert of_rows["spent"] > 0
        assert await damages(two) == []
        for weight in (1.0, 40.0):
            others = cells_of([row | {"weight": weight} for row in rows[:20]])
            stored = await second.telemetry.record_cells(others, NOW_MS)
            assert {one.field for one in stored.rejected} == {"weight"}
            assert (stored.accepted, stored.updated) == (0, 0)
        cut = Selection(start_ms=START_MS + DAY_MS)
        for stores in (first, second):
            await stores.telemetry.forget("sentiment", cut, now_ms=NOW_MS, entry=entry)
        assert await damages(two) == []
        of_rows, of_cells = await asked(one), await asked(two)
        assert of_rows["spent"] == of_cells["spent"] > 0
