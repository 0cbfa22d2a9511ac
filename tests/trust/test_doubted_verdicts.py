"""One writer against a golden set: his praise hides no fall, his blame alone makes no no_go, and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

import engines
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.records import DAY_MS, HOUR_MS, Observation, Verdict
from gonogo.trust.writers import PROBE_WRITER
from triage_calls import spread_calls

pytestmark = pytest.mark.anyio

# A Wednesday, half past noon in UTC.
NOW_MS = 1_793_795_400_000
calls = partial(spread_calls, NOW_MS)
TOML = '[dependencies.triage]\nkind = "model"\n'
PRODUCTION_A_DAY, GOLDEN_A_DAY = 96, 48
MINUTE = 1 / 1440


class World:
    """A dependency with production, recorded as it came, and a golden set that is asked each half hour."""

    def __init__(self, app: Gonogo) -> None:
        self.app, self.now_ms = app, NOW_MS

    async def record(self, by: Mapping[str, Sequence[Observation]]) -> None:
        """Record what several wrote, each quarter of a day when it has passed."""
        span = DAY_MS // 4
        times = {each.ts_ms // span for rows in by.values() for each in rows}
        for quarter in sorted(times):
            self.now_ms = max(min((quarter + 1) * span, NOW_MS), self.now_ms - 30 * DAY_MS)
            for writer, rows in by.items():
                if part := [each for each in rows if each.ts_ms // span == quarter]:
                    await self.app.record_evidence(part, writer=writer)
        self.now_ms = NOW_MS

    async def verdicts(self) -> tuple[Verdict, Verdict]:
        """Drift and trust, which list and fleet tell as well."""
        drift = await self.app.check_model_drift("triage")
        trust = await self.app.get_trust_score_health("triage")
        fleet = await self.app.get_trust_score_health()
        [line] = (await self.app.list_dependencies()).dependencies
        assert (line.drift, line.trust) == (drift.verdict, trust.verdict)
        assert [one.verdict for one in fleet.fleet or ()] == [line.verdict]
        return drift.verdict, trust.verdict

    async def is_down(self) -> bool:
        """Whether a fallback may skip the comparison, since nothing comes back from it."""
        stores = await self.app.stores()
        return await stores.fallback.health.is_down("triage", now_ms=self.now_ms)


def past(good: float, *, until_days: float = 0.0, days: float = 18) -> dict[str, list[Observation]]:
    """Production and golden set at one rate."""
    left = days - until_days
    n = round(PRODUCTION_A_DAY * left)
    asked = calls(round(GOLDEN_A_DAY * left), good, days=left, until_days=until_days, item="q")
    return {
        "otlp": calls(n, good, days=left, until_days=until_days),
        PROBE_WRITER: asked,
    }


@asynccontextmanager
async def world(folder: Path, toml: str = TOML) -> AsyncIterator[World]:
    """A store of a folder's own, whose clock is the world's."""
    config = folder / "gonogo.toml"
    config.write_text(toml)
    settings = load_settings(str(config), engines.store_of(folder), {})
    async with Gonogo(settings, actor="person:ops", clock=lambda: found.now_ms) as app:
        found = World(app)
        yield found


@pytest.mark.parametrize("second", [False, True], ids=["alone", "beside another"])
async def test_a_flood_of_blame_by_one_is_a_caution_and_no_outage(
    tmp_path: Path,
    second: bool,  # noqa: FBT001
) -> None:
    """Three hundred failed calls within a minute, of which the golden set and everybody else see nothing."""
    async with world(tmp_path) as its:
        await its.record(past(0.92))
        if second:
            await its.record({"batch": calls(60, 0.92, days=0.9)})
        assert await its.verdicts() == ("go", "go")
        await its.record({"agent": calls(300, 0, days=MINUTE, failed=1)})
        assert await its.verdicts() == ("caution", "caution")
        assert not await its.is_down()
        drift = await its.app.check_model_drift("triage")
        assert drift.summary.startswith("triage may have degraded: error")
        assert "What agent recorded in the last day disagrees with the golden set" in drift.summary
        trust = await its.app.get_trust_score_health("triage")
        assert trust.undoubted is not None
        assert trust.undoubted.verdict == "go"
        assert "Without it: trust go" in trust.summary


async def test_a_flood_of_praise_by_one_hides_no_fall(tmp_path: Path) -> None:
    """Production and golden set fell two days ago; twenty thousand good calls change neither verdict."""
    fell = past(0.92, until_days=2)
    async with world(tmp_path) as its:
        for writer, rows in past(0.3, days=2).items():
            fell[writer] += rows
        await its.record(fell)
        before = await its.verdicts()
        assert before == ("no_go", "no_go")
        await its.record({"agent": calls(20_000, 0.98, days=5 * MINUTE)})
        assert await its.verdicts() == before


@pytest.mark.parametrize("golden_a_day", [40, 8])
async def test_a_flood_at_a_plausible_rate_is_not_believed_for_its_number(
    tmp_path: Path, golden_a_day: int
) -> None:
    """Nine of ten good, as is normal, where seven are: so few golden answers cannot tell that from chance."""
    toml = TOML + "[dependencies.triage.baseline]\noutcome = 0.92\n"
    async with world(tmp_path, toml) as its:
        rows = past(0.7)
        rows[PROBE_WRITER] = calls(golden_a_day * 18, 0.7, days=18, item="q")
        await its.record(rows)
        [_, before] = await its.verdicts()
        assert before == "no_go"
        await its.record({"agent": calls(20_000, 0.9, days=5 * MINUTE)})
        [_, after] = await its.verdicts()
        assert after == before
        trust = await its.app.get_trust_score_health("triage")
        assert [one.writer for one in trust.doubtful or ()] == ["agent"]


async def test_an_outage_that_the_golden_set_was_not_asked_in_is_a_no_go_at_once(
    tmp_path: Path,
) -> None:
    """It was well an hour ago, and says nothing of the calls since, few or retried."""
    async with world(tmp_path) as its:
        await its.record(past(0.92, until_days=1 / 24))
        await its.record({"otlp": calls(45, 0, days=20 * MINUTE, failed=1)})
        assert await its.verdicts() == ("no_go", "no_go")
        assert await its.is_down()


@pytest.mark.parametrize(
    ("toml", "writers", "hours", "verdict"),
    [
        (TOML, ("otlp",), 20, "caution"),
        (TOML, ("otlp",), 46, "no_go"),
        (TOML, ("otlp", "batch"), 20, "no_go"),
        (TOML + 'recorders = ["otlp"]\n', ("otlp",), 20, "no_go"),
    ],
    ids=["one, since today", "one, for two days", "two", "one whose word counts"],
)
async def test_what_production_alone_sees_is_not_hidden_for_ever(
    tmp_path: Path, toml: str, writers: tuple[str, ...], hours: int, verdict: Verdict
) -> None:
    """Real answers may be bad where fixed questions are answered well: at usual volume, beside a golden set that is well."""
    days = hours / 24
    async with world(tmp_path, toml) as its:
        rows = past(0.92)
        rows["otlp"] = [row for row in rows["otlp"] if row.ts_ms < NOW_MS - hours * HOUR_MS]
        for writer in writers:
            rows.setdefault(writer, []).extend(
                calls(round(PRODUCTION_A_DAY * days), 0.15, days=days)
            )
        await its.record(rows)
        assert verdict in (found := await its.verdicts())
        assert verdict == "no_go" or "no_go" not in found
