"""What a process remembers of earlier drift checks changes no bit of a later answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, open_world
from gonogo.app import Gonogo
from gonogo.detectors.pieces import LENGTHS, PieceCache
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.drift.drift_check import check_drift
from gonogo.drift.drift_memory import DriftMemory
from gonogo.drift.finding import DriftQuestion
from gonogo.hours.history import HistoryCache
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import DependencySettings

pytestmark = pytest.mark.anyio

QUESTIONS = (
    DriftQuestion(dependency="m", detail="full"),
    DriftQuestion(dependency="m", segment="tier=a", detail="full"),
    DriftQuestion(dependency="m", segment="day_type=weekday", detail="full"),
    DriftQuestion(dependency="m", until="2026-03-14", detail="full"),
)


def call(rng: np.random.Generator, ts_ms: int, at: int, *, bad: float) -> Observation:
    """One call; a third of them get their outcome later, or never."""
    labelled = rng.random() < 0.67
    return Observation(
        dependency="m",
        id=f"call-{at}",
        ts_ms=ts_ms,
        version=str(1 + (ts_ms > START_MS + 12 * DAY_MS)),
        outcome=float(rng.random() > bad) if labelled else None,
        outcome_ts_ms=ts_ms if labelled else None,
        latency_ms=float(rng.lognormal(6, 0.4)) if rng.random() < 0.7 else 400.0,
        cost_micro_usd=int(rng.lognormal(8, 1)),
        confidence=float(rng.beta(8, 2)),
        prediction="xyz"[int(rng.integers(3))],
        segments={"tier": "ab"[int(rng.integers(2))]} if at % 3 else {},
        metrics={"tokens_left": float(rng.normal())} if ts_ms > START_MS + 9 * DAY_MS else {},
    )


async def said(world: World, memory: DriftMemory, question: DriftQuestion) -> dict[str, object]:
    """All of an answer, made with what is remembered."""
    stores = await world.app.stores()
    report = await check_drift(
        stores.telemetry,
        stores.decisions,
        world.app.settings,
        question,
        now_ms=world.now_ms,
        memory=memory,
    )
    return report.model_dump()


async def test_remembered_fresh_and_replayed_are_one_answer(tmp_path: Path) -> None:
    """Random batches, late outcomes, late calls, another process, quality that falls: same bits.

    Each moment is asked with all that earlier checks left, and with nothing; the last one also of
    a store that got everything at once.
    """
    rng, memory, sent = np.random.default_rng(11), DriftMemory(), list[Observation]()
    for folder in ("as it came", "at once"):
        (tmp_path / folder).mkdir()
    own = DependencySettings("m", stale_after_s=30 * 86_400)
    async with open_world(tmp_path / "as it came", m=own) as world:
        async with Gonogo(world.app.settings, clock=lambda: world.now_ms) as other:
            for step in range(30):
                world.now_ms = START_MS + (step + 1) * 17 * HOUR_MS
                batch = arrivals(rng, world.now_ms, sent, bad=0.06 if step < 22 else 0.3)
                writer = other if step % 3 == 0 else world.app
                await (await writer.stores()).telemetry.record(batch, world.now_ms)
                sent += batch
                for question in QUESTIONS[: 1 if step % 5 else 4] if step else ():
                    remembered = await said(world, memory, question)
                    assert remembered == await said(world, DriftMemory(), question)
        last = [await said(world, memory, question) for question in QUESTIONS]
    assert last[0]["status"] == "degraded"
    async with open_world(tmp_path / "at once", m=own) as again:
        again.now_ms = world.now_ms
        await (await again.app.stores()).telemetry.record(sent, again.now_ms)
        assert last == [await said(again, DriftMemory(), question) for question in QUESTIONS]


def arrivals(
    rng: np.random.Generator, now_ms: int, sent: list[Observation], *, bad: float
) -> list[Observation]:
    """New calls of the last seventeen hours, some of days ago, and outcomes of old calls."""
    ages = rng.integers(0, 17 * HOUR_MS, 120)
    if len(sent) > 1000 and rng.random() < 0.4:
        ages[:5] = rng.integers(0, 5 * DAY_MS, 5)
    batch = [call(rng, now_ms - int(age), len(sent) + at, bad=bad) for at, age in enumerate(ages)]
    if sent and rng.random() < 0.6:
        late = [o for o in sent[-400:] if o.outcome is None][:20]
        batch += [replace(o, outcome=float(rng.random() > bad), outcome_ts_ms=now_ms) for o in late]
    return batch


async def test_only_the_newest_day_is_read_again(tmp_path: Path) -> None:
    """And all of it once an older hour has changed, or a slice has come."""
    rng, past = np.random.default_rng(5), HistoryCache()
    async with open_world(tmp_path) as world:
        telemetry = (await world.app.stores()).telemetry

        async def first_hour_read(*batch: Observation) -> int:
            await telemetry.record(batch, world.now_ms)
            found = await past.read(telemetry, "m", without=())
            assert found is not None
            counts, whole = found.hours(golden=False), await telemetry.hours("m")
            assert counts is not None
            np.testing.assert_array_equal(counts.n, whole.n)
            np.testing.assert_array_equal(counts.hour, whole.hour)
            return found.news.first_hour * HOUR_MS

        days = [START_MS + day * DAY_MS + 9 * HOUR_MS for day in range(5)]
        world.now_ms = days[-1] + DAY_MS
        await first_hour_read(*(call(rng, ts_ms, at, bad=0.1) for at, ts_ms in enumerate(days)))
        histories = []
        for ts_ms in (days[-1], days[-1] + HOUR_MS, days[1], days[-1], world.now_ms):
            one = call(rng, ts_ms, ts_ms, bad=0.1)
            histories.append((await first_hour_read(replace(one, segments={})), ts_ms))
        new_day = START_MS + 5 * DAY_MS
        starts = [start for start, _ in histories]
        assert starts == [START_MS + 4 * DAY_MS] * 4 + [new_day]


@pytest.mark.parametrize("season", [False, True], ids=["level", "season"])
@pytest.mark.parametrize("change", [0.0, 0.3], ids=["healthy", "worse"])
def test_kept_pieces_leave_no_trace(season: bool, change: float) -> None:  # noqa: FBT001 - a case
    """A run that grows hour by hour, and whose hours are corrected, has the bits of a fresh one."""
    rng = np.random.default_rng(3)
    n = rng.integers(1, 40, 700).astype(np.float64)
    bad = np.floor(n * 0.06)
    bad[400:600] += np.floor(n[400:600] * change)
    offset = np.sin(np.arange(700) / 4) / 3 if season else None
    kept, rule = PieceCache[RateWatch](), RateRule(needed=1e6)

    def run(end: int, pieces: PieceCache[RateWatch] | None) -> RateWatch:
        own = None if offset is None else offset[:end]
        return watch_rate(n[:end], bad[:end], rule, offset=own, kept=pieces)

    for end in (1, 50, 64, 65, 200, 256, 300, 500, 530, 700):
        n[end - 1] += 3
        n[max(end - 2 * LENGTHS[-1], 0)] += 1
        same_run(run(end, kept), run(end, None))
    if change:
        assert run(700, kept).episodes


def same_run(mine: RateWatch, fresh: RateWatch) -> None:
    """Equal in everything, bit for bit."""
    arrays: tuple[Callable[[RateWatch], np.ndarray], ...] = (
        lambda w: w.evidence_nats,
        lambda w: w.up_nats,
        lambda w: w.null_nats,
        lambda w: w.anchor,
        lambda w: w.latched,
    )
    for of in arrays:
        np.testing.assert_array_equal(of(mine), of(fresh))
    assert (mine.state, mine.since, mine.status) == (fresh.state, fresh.since, fresh.status)
