"""What was refused on the way in is said by the next check, whichever way it came."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engines
from gonogo import Recorder
from gonogo.app import Gonogo
from gonogo.app.taking_back import forget
from gonogo.errors import UnknownTarget
from gonogo.ingest.batches import Reading
from gonogo.ingest.load import LoadReport
from gonogo.ingest.mapping_options import parse_mapping
from gonogo.records import DAY_MS
from gonogo.settings import Settings
from gonogo.store.books import refused_book
from gonogo.store.observations.forget import Selection

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000  # 2026-01-01, noon
GOOD = {"dependency": "m", "outcome": 1, "ts": "2026-01-01T10:00:00Z"}
BAD = {**GOOD, "outcome": 7}


class Clock:
    """Now, as a test sets it."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        """In epoch milliseconds."""
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    """Noon."""
    return Clock()


@pytest.fixture
async def app(tmp_path: Path, clock: Clock) -> AsyncIterator[Gonogo]:
    """An empty store."""
    async with Gonogo(Settings(store=engines.store_of(tmp_path)), clock=clock) as opened:
        yield opened


def written(file: Path, rows: list[dict[str, object]]) -> None:
    """A file, with a line at its end that is no JSON where one of its rows is bad."""
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([json.dumps(row) for row in rows] + ["{"] * (BAD in rows)))


async def ingested(app: Gonogo, file: Path, rows: list[dict[str, object]]) -> LoadReport:
    """Bring such a file in."""
    written(file, rows)
    mapping = parse_mapping([], [], ignore_unknown=False)
    return await app.ingest(
        [str(file)], mapping, reading=Reading(), stdin=io.BytesIO(), progress=lambda _: None
    )


async def refused(app: Gonogo) -> int:
    """How many rows a check says were refused; both checks, in words and in the object."""
    await (await app.stores()).db.settled()
    drift, trust = await app.check_model_drift("m"), await app.get_trust_score_health("m")
    assert drift.refused == trust.refused
    if drift.refused is None:
        assert "refused" not in drift.summary + trust.summary
        return 0
    said = f"{drift.refused.n} rows since 2026-01-01 were refused and are not counted: "
    said += f"{drift.refused.field} {drift.refused.problem}."
    assert drift.summary.endswith(said)
    assert trust.summary.endswith(said)
    return drift.refused.n


async def test_the_next_check_says_what_a_tool_refused(app: Gonogo, clock: Clock) -> None:
    """For 30 days, of the past as well: what was refused of a file of history is no less lost."""
    await app.record_observations([GOOD] * 5)
    assert await refused(app) == 0
    answer = await app.record_observations([GOOD, BAD, BAD, {**GOOD, "cost_usd": -1}])
    assert len(answer.rejected) == 3
    assert await refused(app) == 3
    past = await app.check_model_drift("m", until="2026-01-01")
    assert past.refused is not None
    assert past.refused.n == 3
    [told] = await app.refused_rows()
    assert (told.dependency, told.n, told.field) == ("m", 3, "outcome")
    clock.now_ms += 31 * DAY_MS
    assert await refused(app) == 0
    assert await app.refused_rows() == []


async def test_a_file_read_again_counts_once_and_a_mended_one_not_at_all(
    app: Gonogo, tmp_path: Path
) -> None:
    """Its newest reading says what it holds; a broken line is of the file's only dependency."""
    rows = [{**GOOD, "id": str(i)} for i in range(5)]
    for _ in range(2):
        assert (await ingested(app, tmp_path / "a.jsonl", [*rows, BAD, BAD])).refused_count == 3
        assert await refused(app) == 3
    await ingested(app, tmp_path / "other" / "a.jsonl", [*rows, BAD])
    assert await refused(app) == 5
    await ingested(app, tmp_path / "a.jsonl", rows)
    assert await refused(app) == 2


async def test_what_is_forgotten_is_not_said(app: Gonogo) -> None:
    """Nor does a count remain of a dependency that is gone."""
    await app.record_observations([GOOD, BAD, BAD])
    assert await refused(app) == 2
    await forget(app, "m", Selection(), {})
    with pytest.raises(UnknownTarget):
        await app.check_model_drift("m")
    assert await app.refused_rows() == []


@pytest.mark.sqlite
async def test_what_a_recorder_refused_is_said(app: Gonogo, tmp_path: Path) -> None:
    """The host heard nothing of it; whoever asks does."""
    await app.record_observations([GOOD])
    with Recorder(engines.store_of(tmp_path)) as recorder:
        for _ in range(4):
            recorder.record("m", cost_usd=-1)
    assert recorder.delivery.refused == 4
    [told] = await app.refused_rows()
    assert (told.dependency, told.n, told.field) == ("m", 4, "cost_usd")


async def test_counts_are_bounded(
    app: Gonogo, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names come without end; the oldest go first."""
    monkeypatch.setattr(refused_book, "COUNTS_MAX", 5)
    for i in range(12):
        clock.now_ms += 1
        await app.record_observations([{**BAD, "dependency": f"m{i}"}])
        await (await app.stores()).db.settled()
    assert {one.dependency for one in await app.refused_rows()} == {f"m{i}" for i in range(7, 12)}


async def test_a_name_of_which_all_was_refused_says_why_it_is_unknown(app: Gonogo) -> None:
    """In every question about it, in the words of a preflight, and in the list."""
    await app.record_observations([{**BAD, "dependency": "lost"}] * 3)
    await app.record_observations([{**GOOD, "dependency": "kept"}])
    why = "3 rows since 2026-01-01 were refused and are not counted: outcome must be between"
    for question in (app.check_model_drift, app.get_trust_score_health, app.get_route):
        with pytest.raises(UnknownTarget, match=why):
            await question("lost")
    with pytest.raises(UnknownTarget, match=why):
        await forget(app, "lost", Selection(), {})
    with pytest.raises(UnknownTarget, match="Known: kept"):
        await app.check_model_drift("never-sent")
    report = await app.preflight(dependencies=["lost", "kept"])
    lost, kept = report.checks
    assert lost.why is not None
    assert why in lost.why
    assert lost.refused is not None
    assert (lost.refused.n, kept.refused) == (3, None)
    assert report.summary.endswith("Refused lately and not counted: 3 rows of lost.")
    known = await app.list_dependencies()
    assert [line.dependency for line in known.dependencies] == ["kept"]
    assert known.refused is not None
    assert [(one.dependency, one.n) for one in known.refused] == [("lost", 3)]
    assert known.summary.endswith("3 rows of lost.")
    assert (await app.list_dependencies("kep")).refused is None
