"""`check_model_drift` over a real store with simulated history: what it says, and when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, calls, hour_of, open_world
from gonogo.answers import rfc3339
from gonogo.errors import ParameterError, UnknownTarget
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import BaselineSettings, DependencySettings

pytestmark = pytest.mark.anyio


async def test_a_lasting_drop_is_degraded_with_its_onset(tmp_path: Path) -> None:
    """From 6 % to 16 % wrong on day 14: no_go, the onset within a day, the numbers with n."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06))
        await world.record(calls("m", 7, 0.16, first_day=14, seed=2))
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status, report.metric) == ("no_go", "degraded", "outcome")
    assert report.evidence is not None
    assert report.evidence.e_value >= report.evidence.needed
    assert report.onset is not None
    changed = (START_MS + 14 * DAY_MS) // HOUR_MS
    assert abs(hour_of(report.onset.ts) - changed) <= 24
    assert hour_of(report.onset.earliest) <= changed <= hour_of(report.onset.latest)
    assert report.change is not None
    assert report.change.interval95 is not None
    assert report.change.interval95[0] <= -0.10 <= report.change.interval95[1]
    assert report.decision_id is not None
    assert "since about" in report.summary


async def test_a_healthy_stream_is_go_and_says_what_would_have_shown(tmp_path: Path) -> None:
    """Three weeks at one rate: stable, with n, an interval, and the smallest drop it would show."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 21, 0.06))
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("go", "stable")
    assert report.detectable_now is not None
    assert 0 < report.detectable_now < 0.1
    assert report.baseline is not None
    assert (report.baseline.source, report.baseline.n) == ("learned", 3 * 240)
    assert report.current is not None
    assert report.current.n == 18 * 240


async def test_until_is_a_slice_of_the_same_evidence(tmp_path: Path) -> None:
    """Asked as of an earlier day it answers just as it did on that day, then and now."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 12, 0.06))
        then = await world.app.check_model_drift("m")
        await world.record(calls("m", 6, 0.5, first_day=12, seed=2))
        assert (await world.app.check_model_drift("m")).status == "degraded"
        past = await world.app.check_model_drift("m", until="2026-03-13")
    assert past.evidence == then.evidence
    assert (past.current, past.status) == (then.current, then.status)
    # The newest data that it used, not the newest there are.
    assert past.data_age_s == (world.now_ms - 12 * DAY_MS - START_MS) // 1000


async def test_too_little_is_unknown_and_says_what_is_missing(tmp_path: Path) -> None:
    """Ninety outcomes on one day are no baseline: never go, and the words say what to record."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 1, 0.06, a_day=90))
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("unknown", "insufficient_data")
    assert report.missing is not None
    assert "10 more outcomes" in report.missing


async def test_a_metric_that_is_not_followed_says_why_in_true_words(tmp_path: Path) -> None:
    """Golden items are recorded by `item`; periods are compared by quality, and that is said."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 12, 0.06))
        golden = await world.app.check_model_drift("m", metric="golden")
        period = await world.app.check_model_drift("m", metric="consistency", since="2026-03-06")
    assert golden.missing == "Record `item` with `outcome` on 3 days and more."
    assert "periods are compared by outcome and error, not by consistency" in period.summary
    assert "2026-03-06" in period.summary
    assert "held against its baseline" in str(period.missing)


async def test_stale_data_is_unknown(tmp_path: Path) -> None:
    """Eight days without a call: what was go then says nothing of now."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06))
        world.now_ms += 8 * DAY_MS
        assert (await world.app.check_model_drift("m")).verdict == "unknown"
        assert (await world.app.check_model_drift("m", until="2026-03-14")).verdict == "go"


async def test_the_verdict_follows_the_dependency_back(tmp_path: Path) -> None:
    """Six days bad, then well again: degraded while it lasts, stable after, armed once more."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.05, a_day=480))
        await world.record(calls("m", 6, 0.20, first_day=14, a_day=480, seed=2))
        assert (await world.app.check_model_drift("m")).status == "degraded"
        await world.record(calls("m", 5, 0.05, first_day=20, a_day=480, seed=3))
        assert (await world.app.check_model_drift("m")).status == "stable"
        await world.record(calls("m", 5, 0.20, first_day=25, a_day=480, seed=4))
        assert (await world.app.check_model_drift("m")).status == "degraded"


async def test_a_slice_that_goes_bad_on_weekends_is_named(tmp_path: Path) -> None:
    """New customers at weekends, a tenth of the traffic: found, named, and no_go."""
    weeks = BaselineSettings(start="2026-03-02", end="2026-03-29")
    async with open_world(tmp_path, m=DependencySettings("m", baseline=weeks)) as world:
        days = 42
        weekend = np.array([day % 7 >= 5 for day in range(days)])
        await world.record(calls("m", days, 0.06, a_day=480, segments={"tier": "old"}))
        rate = np.where(weekend & (np.arange(days) >= 28), 0.45, 0.06)
        await world.record(calls("m", days, rate, a_day=48, seed=5, segments={"tier": "new"}))
        report = await world.app.check_model_drift("m")
        alone = await world.app.check_model_drift("m", segment="day_type=weekend,tier=new")
    assert (report.verdict, report.status) == ("no_go", "degraded")
    assert report.segments is not None
    assert report.segments[0].segment == "day_type=weekend,tier=new"
    assert report.segments[0].drifted
    assert alone.status == "degraded"


async def test_a_moved_mix_is_news_for_a_day_and_hides_no_later_fall(tmp_path: Path) -> None:
    """A harder tier grows: a caution at first, then go, which says so; a fall in every tier is no_go."""

    def day(first: int, hard: int, bad: tuple[float, float]) -> list[Observation]:
        parts = (("hard", hard, bad[0]), ("easy", 300 - hard, bad[1]))
        return [
            call
            for seed, (tier, a_day, rate) in enumerate(parts)
            for call in calls(
                "m",
                1,
                rate,
                first_day=first,
                a_day=a_day,
                seed=2 * first + seed,
                segments={"q": tier},
            )
        ]

    told = []
    async with open_world(tmp_path) as world:
        for first in range(34):
            await world.record(day(first, 45 if first < 14 else 150, (0.2, 0.05)))
            told.append(await world.app.check_model_drift("m"))
        for first in range(34, 40):
            await world.record(day(first, 150, (0.35, 0.2)))
        fallen = await world.app.check_model_drift("m")
    cautions = [at for at, report in enumerate(told) if report.verdict == "caution"]
    assert 1 <= len(cautions) <= 2
    assert cautions[-1] - cautions[0] < 2
    assert "no_go" not in {report.verdict for report in told}
    last = told[-1]
    assert (last.verdict, last.status) == ("go", "stable")
    assert last.mix is not None
    assert last.mix.key == "q"
    assert "the mix of q changed, and each of its values is as before" in last.summary
    assert last.evidence is not None
    assert last.evidence.e_value < last.evidence.needed
    assert (fallen.verdict, fallen.status) == ("no_go", "degraded")


async def test_a_changed_mix_alone_is_not_degraded(tmp_path: Path) -> None:
    """Twice the hard questions, each answered as well as ever: the mean falls, the slices do not."""
    async with open_world(tmp_path) as world:
        for first, days, hard, easy in ((0, 4, 120, 1080), (4, 8, 480, 720)):
            await world.record(
                calls(
                    "m", days, 0.2, first_day=first, a_day=hard, seed=first, segments={"q": "hard"}
                )
            )
            await world.record(
                calls(
                    "m",
                    days,
                    0.05,
                    first_day=first,
                    a_day=easy,
                    seed=9 + first,
                    segments={"q": "easy"},
                )
            )
        report = await world.app.check_model_drift("m")
    assert report.status in ("shifted", "stable")
    if report.status == "shifted":
        assert report.mix is not None
        assert report.mix.key == "q"
        assert report.mix.explains > 0.5
        assert "the mix of q changed" in report.summary
    assert report.mix_shift is not None
    assert report.mix_shift["mix"] < 0
    assert abs(report.mix_shift["within"]) < abs(report.mix_shift["mix"])
    assert report.change is not None
    assert sum(report.mix_shift.values()) == pytest.approx(report.change.absolute, abs=2e-4)


async def test_outcomes_that_come_late_are_waited_for(tmp_path: Path) -> None:
    """Failures come at once and successes after a day: the newest day looks bad, and is left out."""
    async with open_world(tmp_path) as world:
        late = [
            replace(o, outcome_ts_ms=o.ts_ms + (DAY_MS if o.outcome else 0))
            for o in calls("m", 30, 0.06)
        ]
        newest = late[-1].ts_ms
        await world.record(
            [
                o
                if (o.outcome_ts_ms or 0) <= newest
                else replace(o, outcome=None, outcome_ts_ms=None)
                for o in late
            ]
        )
        report = await world.app.check_model_drift("m")
    assert report.status == "stable"
    assert report.immature is not None
    assert 24 <= report.immature.hours <= 27
    assert report.evidence is not None
    assert "95% have come" in report.evidence.guarantee


async def test_outcomes_that_are_waited_for_are_not_said_to_be_missing(tmp_path: Path) -> None:
    """Outcomes that came apart from their calls: "there are 0 outcomes" stood beside twenty that are waited for."""
    async with open_world(tmp_path) as world:
        ts = rfc3339(world.now_ms - 900_000)
        told: list[dict[str, object]] = [{"dependency": "m", "id": str(i)} for i in range(20)]
        await world.app.record_observations([one | {"ts": ts} for one in told])
        await world.app.record_observations([one | {"outcome": 1} for one in told])
        report = await world.app.check_model_drift("m")
    assert report.immature is not None
    assert report.immature.n == 20
    assert "0 outcomes (and 20 of hours that still bring some), and for a" in report.summary
    assert report.missing is not None
    assert "Record 80 more outcomes" in report.missing


async def test_a_declared_baseline_finds_what_was_bad_from_the_start(tmp_path: Path) -> None:
    """Sixteen percent wrong from the first day looks normal, unless 6 % is declared."""
    declared = DependencySettings("m", baseline=BaselineSettings(outcome=0.94))
    async with open_world(tmp_path, m=declared) as world:
        await world.record(calls("m", 10, 0.16))
        await world.record(calls("other", 10, 0.16))
        report = await world.app.check_model_drift("m")
        assert (await world.app.check_model_drift("other")).status == "stable"
    assert report.status == "degraded"
    assert report.baseline is not None
    assert (report.baseline.source, report.baseline.mean) == ("declared", 0.94)


async def test_a_person_accepts_a_new_normal(tmp_path: Path) -> None:
    """After acceptance the degraded level is the baseline, and the acceptance is logged."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 10, 0.05))
        await world.record(calls("m", 12, 0.25, first_day=10, seed=2))
        assert (await world.app.check_model_drift("m")).status == "degraded"
        entry = await world.app.accept_baseline("m")
        report = await world.app.check_model_drift("m")
        logged = await world.app.decisions(kind="baseline")
    assert report.status == "stable"
    assert report.baseline is not None
    assert report.baseline.source == "period"
    assert [e.id for e in logged] == [entry.id]
    assert logged[0].action


async def test_versions_compare_on_their_ordinary_labels(tmp_path: Path) -> None:
    """Without golden items the labels of two versions are weighed, and either may be left out."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 4, 0.06, version="1"))
        await world.record(calls("m", 4, 0.20, first_day=4, seed=2, version="2"))
        named = await world.app.check_model_drift("m", baseline_version="1", version="2")
        back = await world.app.check_model_drift("m", baseline_version="2", version="1")
        newest = await world.app.check_model_drift("m", baseline_version="1")
        with pytest.raises(UnknownTarget, match=r"Unknown version of m '3'\. Known: "):
            await world.app.check_model_drift("m", version="3")
    assert (named.status, back.status, newest.status) == ("degraded", "improved", "degraded")
    assert named.evidence is not None
    assert named.evidence.needed == 100


async def test_the_kept_state_changes_no_answer(tmp_path: Path) -> None:
    """Asked every day (states are kept) or only at the end (none is): the same evidence."""
    batches = [calls("m", 1, 0.06, first_day=day, seed=day) for day in range(24)]

    async def ask(world: World, *, daily: bool) -> object:
        for batch in batches:
            await world.record(batch)
            if daily:
                await world.app.check_model_drift("m")
        return (await world.app.check_model_drift("m")).evidence

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with open_world(tmp_path / "a") as world:
        daily = await ask(world, daily=True)
        stores = await world.app.stores()
        kept = await stores.db.read(
            lambda conn: conn.execute("SELECT count(*) FROM state_cache").fetchone()[0]
        )
    async with open_world(tmp_path / "b") as world:
        once = await ask(world, daily=False)
    assert daily == once
    assert kept > 0


async def test_a_metric_that_moves_while_quality_does_not_is_shifted(tmp_path: Path) -> None:
    """Latency doubles, outcomes stay: caution, the metric named; asked alone it says how much."""
    rng = np.random.default_rng(3)
    async with open_world(tmp_path) as world:
        for first, days, centre in ((0, 10, 400.0), (10, 5, 800.0)):
            slow = [
                replace(o, latency_ms=float(centre * rng.lognormal(0, 0.4)))
                for o in calls("m", days, 0.06, first_day=first, seed=first)
            ]
            await world.record(slow)
        report = await world.app.check_model_drift("m")
        alone = await world.app.check_model_drift("m", metric="latency_ms")
    assert (report.verdict, report.status, report.metric) == ("caution", "shifted", "latency_ms")
    assert (alone.verdict, alone.status) == ("caution", "shifted")
    assert alone.baseline is not None
    assert alone.baseline.mean == pytest.approx(433, rel=0.05)
    assert alone.evidence == report.evidence


async def test_a_slice_whose_newest_hour_is_bad_is_told_by_it(tmp_path: Path) -> None:
    """Half of the calls 34 points worse on three days: of the mornings it never says that none came."""
    rng = np.random.default_rng(1)
    said = []
    async with open_world(tmp_path) as world:
        for day in range(20):
            batch = []
            for call in calls("m", 1, 0.0, first_day=day, a_day=200):
                is_worse = 12 <= day < 15 and rng.random() < 0.5
                good = rng.random() < (0.60 if is_worse else 0.94)
                batch.append(replace(call, outcome=float(good)))
            await world.record(batch)
            if day >= 12:
                said.append(await world.app.check_model_drift("m", segment="hour_band=06-12"))
    assert [report.summary for report in said if "came since" in report.summary] == []
    assert "recovering" in {report.status for report in said}


async def test_a_metric_of_ones_own_is_known_by_its_short_name(tmp_path: Path) -> None:
    """`f1` is `metrics.f1`, in the answer too, again from memory; what is not recorded is refused."""
    async with open_world(tmp_path) as world:
        await world.record(replace(c, metrics={"f1": 0.8}) for c in calls("m", 5, 0.05))
        said = [
            await world.app.check_model_drift("m", metric=name)
            for name in ("f1", "f1", "metrics.f1")
        ]
        with pytest.raises(UnknownTarget, match="f2"):
            await world.app.check_model_drift("m", metric="f2")
    assert {report.metric for report in said} == {"metrics.f1"}
    assert len({report.summary for report in said}) == 1


async def test_a_metric_is_told_before_it_can_be_judged(tmp_path: Path) -> None:
    """Twenty calls: unknown, with the mean, its n and what is missing."""
    async with open_world(tmp_path) as world:
        await world.record([replace(o, latency_ms=250.0) for o in calls("m", 1, 0.0, a_day=20)])
        report = await world.app.check_model_drift("m", metric="latency_ms")
        with pytest.raises(UnknownTarget, match="latency_ms"):
            await world.app.check_model_drift("m", metric="latency")
    assert (report.verdict, report.status) == ("unknown", "insufficient_data")
    assert report.current is not None
    assert (report.current.mean, report.current.n) == (250.0, 20)


async def test_a_change_lies_inside_its_interval_whatever_its_alarm_picked(tmp_path: Path) -> None:
    """Falls by a little every day, whose mean since the onset is far from where they have come to."""
    falls = [(size, days) for size in (0.3, 0.4) for days in (5, 9)]
    async with open_world(tmp_path) as world:
        for at, (size, days) in enumerate(falls):
            rates = np.full(20, 0.05)
            rates[20 - days :] += np.linspace(0, size, days)
            await world.record(calls(f"m{at}", 20, rates, a_day=80))
        found = [await world.app.check_model_drift(f"m{at}") for at in range(len(falls))]
    fell = [report.change for report in found if report.status == "degraded"]
    assert len(fell) == len(falls)
    for change in fell:
        assert change is not None
        assert change.interval95 is not None
        assert change.interval95[0] < change.absolute < change.interval95[1]


async def test_what_compares_nothing_is_refused(tmp_path: Path) -> None:
    """A version against itself, and a day that has not begun anywhere, are no go."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 5, 0.06, version="1"))
        with pytest.raises(ParameterError, match=r"both '1'\. Name two versions"):
            await world.app.check_model_drift("m", baseline_version="1", version="1")
        with pytest.raises(ParameterError, match=r"until 2030-01-01 lies ahead"):
            await world.app.check_model_drift("m", until="2030-01-01")
