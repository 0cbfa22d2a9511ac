"""What a drift check says beside quality: mixes, shapes, meanings, repeats, and no labels at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import pytest

from drift_world import START_MS, calls, open_world
from gonogo.answers import DriftReport, Signal, rfc3339
from gonogo.records import DAY_MS, HOUR_MS, Observation

pytestmark = pytest.mark.anyio


def _moved(report: DriftReport) -> list[Signal]:
    return [signal for signal in report.signals or () if signal.status == "shifted"]


async def _files_with(folder: Path, text: bytes) -> list[str]:
    files = [path async for path in anyio.Path(folder).rglob("*") if await path.is_file()]
    return [path.name for path in files if text in await path.read_bytes()]


def _weekend(o: Observation) -> bool:
    return (o.ts_ms - START_MS) // DAY_MS % 7 >= 5


async def test_winter_coats_in_phoenix(tmp_path: Path) -> None:
    """A seasonal feature drifts: coats are offered in Phoenix, and less of them in Boston.

    The mix of all offers and the labels stay as they were; the mix in Phoenix names the coats.
    """
    rng = np.random.default_rng(7)
    offers = np.array(["coat", "sandals", "shirt", "hat"])
    usual = {"phoenix": [0.02, 0.38, 0.4, 0.2], "boston": [0.38, 0.02, 0.4, 0.2]}
    drifted = {"phoenix": [0.2, 0.2, 0.4, 0.2], "boston": [0.2, 0.2, 0.4, 0.2]}
    async with open_world(tmp_path) as world:
        for city in usual:
            seen = calls(
                "recommender", 30, 0.06, a_day=100, seed=len(city), segments={"city": city}
            )
            await world.record(
                replace(
                    o,
                    prediction=str(
                        rng.choice(
                            offers,
                            p=(usual if o.ts_ms < START_MS + 21 * DAY_MS else drifted)[city],
                        )
                    ),
                )
                for o in seen
            )
        report = await world.app.check_model_drift("recommender", detail="full")
        before = await world.app.check_model_drift("recommender", until="2026-03-22")
        asked = await world.app.check_model_drift(
            "recommender", metric="prediction", segment="city=phoenix"
        )
    assert (before.verdict, before.status) == ("go", "stable")
    assert (report.verdict, report.status) == ("caution", "shifted")
    assert "city=" in report.summary
    assert (asked.status, asked.metric) == ("shifted", "prediction")
    assert "coat" in asked.summary or "sandals" in asked.summary
    everything = [asked, report]
    assert all(s.metric == "prediction" and s.segment for r in everything for s in _moved(r))
    whole = [s for s in report.signals or () if s.metric == "prediction" and s.segment is None]
    assert [s.status for s in whole] == ["stable"]


async def test_scores_that_are_too_low_at_weekends(tmp_path: Path) -> None:
    """From the fourth weekend on all that is published then scores lower; nothing else moves."""
    rng = np.random.default_rng(3)
    async with open_world(tmp_path) as world:
        seen = calls("trust-model", 42, 0.05, a_day=60)
        odds = rng.normal(1.5, 0.8, len(seen))
        late = np.array([_weekend(o) and o.ts_ms >= START_MS + 21 * DAY_MS for o in seen])
        scores = 1 / (1 + np.exp(-(odds - 1.2 * late)))
        await world.record(
            replace(o, confidence=float(score), latency_ms=float(rng.lognormal(5, 0.3)))
            for o, score in zip(seen, scores, strict=True)
        )
        report = await world.app.check_model_drift("trust-model")
        before = await world.app.check_model_drift("trust-model", until="2026-03-22")
    assert (before.verdict, _moved(before)) == ("go", [])
    assert (report.verdict, report.status, report.metric) == ("caution", "shifted", "confidence")
    moved = [report.summary, *(f"{s.segment}" for s in _moved(report))]
    assert any("day_type=weekend" in told for told in moved)
    assert {s.metric for s in _moved(report)} <= {"confidence"}
    assert not any(s.segment == "day_type=weekday" for s in _moved(report))


async def test_scores_that_were_always_low_at_weekends_are_held_against_the_golden_set(
    tmp_path: Path,
) -> None:
    """No label and no healthy past: only the golden set shows that weekends are scored too low."""
    rng = np.random.default_rng(4)
    async with open_world(tmp_path) as world:
        seen = [replace(o, outcome=None) for o in calls("trust-model", 28, 0.0, a_day=60)]
        golden = [replace(o, item=f"item-{i % 100}") for i, o in enumerate(seen[: 28 * 60 : 12])]
        low = np.array([_weekend(o) for o in seen])
        await world.record(
            replace(o, confidence=float(1 / (1 + np.exp(-(z - 1.5 * bad)))))
            for o, z, bad in zip(seen, rng.normal(1.5, 0.8, len(seen)), low, strict=True)
        )
        await world.record(
            replace(o, ts_ms=o.ts_ms + 1, confidence=float(1 / (1 + np.exp(-z))))
            for day in range(1)
            for o, z in zip(
                (replace(g, ts_ms=START_MS + k * 60_000) for k, g in enumerate(golden)),
                rng.normal(1.5, 0.8, len(golden)),
                strict=True,
            )
        )
        report = await world.app.check_model_drift("trust-model")
    moved = _moved(report)
    assert report.verdict == "caution"
    assert "day_type=weekend is unlike the golden set's" in report.summary
    assert not any(s.segment == "day_type=weekday" for s in moved)


async def test_a_wider_distribution_is_seen_with_its_effect(tmp_path: Path) -> None:
    """Latencies as fast as ever on average, twice as uneven: PSI and distance beside evidence."""
    rng = np.random.default_rng(5)
    async with open_world(tmp_path) as world:
        seen = calls("m", 30, 0.05, a_day=100)
        spread = np.where([o.ts_ms >= START_MS + 20 * DAY_MS for o in seen], 0.6, 0.3)
        await world.record(
            replace(o, latency_ms=float(np.exp(6 + s * z)))
            for o, s, z in zip(seen, spread, rng.normal(size=len(seen)), strict=True)
        )
        report = await world.app.check_model_drift("m", metric="latency_ms")
        whole = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("caution", "shifted")
    shape = (
        next(s for s in whole.signals or () if s.kind == "distribution" and not s.segment)
        if (whole.metric != "latency_ms")
        else None
    )
    assert "PSI" in whole.summary or shape is not None
    assert whole.verdict == "caution"


async def test_what_has_moved_is_told_from_when_it_moved_and_as_a_whole(tmp_path: Path) -> None:
    """Margins that spread threefold on a Tuesday, at weekends too: of the days since, and of no half of the week alone."""
    rng = np.random.default_rng(6)
    async with open_world(tmp_path) as world:
        seen = calls("m", 29, 0.05, a_day=100)
        sd = np.where([o.ts_ms >= START_MS + 22 * DAY_MS for o in seen], 3.0, 1.0)
        margins = zip(seen, sd * rng.normal(size=len(seen)), strict=True)
        await world.record(replace(o, metrics={"margin": float(x)}) for o, x in margins)
        report = await world.app.check_model_drift("m")
    since = START_MS + 22 * DAY_MS
    assert (report.status, report.metric, report.segment) == ("shifted", "metrics.margin", None)
    assert report.current is not None
    assert (report.current.start, report.current.n) == (rfc3339(since), 600)
    halves = {s.segment: s.note or "" for s in _moved(report)}
    assert "on 400 values" in halves["day_type=weekday"]
    assert "on 200 values" in halves["day_type=weekend"]
    assert f"since {rfc3339(since)[:10]}" in report.summary


async def test_other_kinds_of_errors_at_the_same_rate(tmp_path: Path) -> None:
    """Timeouts become refusals; the rate of errors says nothing, their kinds do."""
    rng = np.random.default_rng(6)
    async with open_world(tmp_path) as world:
        seen = calls("m", 30, 0.05, a_day=200)
        await world.record(
            replace(o, error=str(rng.choice(kinds)) if rng.random() < 0.1 else None)
            for o in seen
            for kinds in (
                [["timeout", "timeout", "refusal"], ["refusal", "refusal", "timeout"]][
                    o.ts_ms >= START_MS + 15 * DAY_MS
                ],
            )
        )
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.metric) == ("caution", "error_kind")
    assert "'refusal'" in report.summary or "'timeout'" in report.summary


@pytest.mark.parametrize("sent", ["output", "embedding"])
async def test_outputs_that_mean_something_else(tmp_path: Path, sent: str) -> None:
    """A model that begins to refuse, and one whose embeddings move; the text is not stored."""
    rng = np.random.default_rng(8)
    words = np.array(
        [
            "the",
            "order",
            "was",
            "sent",
            "on",
            "monday",
            "and",
            "will",
            "arrive",
            "by",
            "post",
            "in",
            "five",
            "days",
        ]
    )
    async with open_world(tmp_path) as world:
        seen = calls("m", 16, 0.05, a_day=60)
        changed = START_MS + 12 * DAY_MS

        def said(o: Observation) -> Observation:
            late = o.ts_ms >= changed
            if sent == "embedding":
                vector = rng.normal(0.8 * late, 1, 24)
                return replace(o, embedding=tuple(vector.tolist()))
            text = " ".join(rng.choice(words, 12))
            return replace(
                o, output="I am sorry, I cannot help with that. " + text[:20] if late else text
            )

        await world.record(map(said, seen))
        before = await world.app.check_model_drift("m", until="2026-03-13")
        report = await world.app.check_model_drift("m")
        again = await world.app.check_model_drift("m", detail="full")
    assert (before.verdict, _moved(before)) == ("go", [])
    assert (report.verdict, report.metric) == ("caution", sent)
    assert "energy distance" in report.summary
    assert again.evidence == report.evidence
    assert not await _files_with(tmp_path, b"cannot help")


async def test_the_same_question_answered_differently(tmp_path: Path) -> None:
    """Twenty inputs asked again and again: one answer each, then another one in three times."""
    rng = np.random.default_rng(9)
    async with open_world(tmp_path) as world:
        seen = calls("m", 24, 0.05, a_day=60)
        await world.record(
            replace(
                o,
                input_hash=f"q{k % 20}",
                output_hash=f"a{rng.random() < (0.33 if o.ts_ms >= START_MS + 14 * DAY_MS else 0.02)}",
            )
            for k, o in enumerate(seen)
        )
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.metric) == ("caution", "consistency")
    assert "answered differently" in report.summary


async def test_without_labels_an_estimate_and_no_verdict_from_it(tmp_path: Path) -> None:
    """Labels end after ten days and confidence falls: the estimate follows, the verdict does not."""
    rng = np.random.default_rng(10)
    async with open_world(tmp_path) as world:
        seen = calls("m", 24, 0.0, a_day=100)
        made = []
        for o in seen:
            day = (o.ts_ms - START_MS) // DAY_MS
            sure = float(rng.beta(16, 4) if day < 14 else rng.beta(10, 10))
            made.append(
                replace(
                    o,
                    confidence=sure,
                    outcome=float(rng.random() < sure) if day < 10 else None,
                )
            )
        await world.record(made)
        report = await world.app.check_model_drift("m")
        with_labels = await world.app.check_model_drift("m", until="2026-03-10")
    assert report.estimate is not None
    assert report.estimate.interval95[0] < 0.55 < report.estimate.interval95[1] + 0.05
    assert (report.estimate.n, report.estimate.labels) == (700, 1000)
    assert "estimate" in report.estimate.method
    assert report.verdict == "caution"
    assert with_labels.estimate is None


async def test_a_field_with_too_many_values_is_named(tmp_path: Path) -> None:
    """Free text as a prediction is not followed, and the report says so."""
    async with open_world(tmp_path) as world:
        seen = calls("m", 8, 0.05, a_day=60)
        await world.record(replace(o, prediction=f"text {k}") for k, o in enumerate(seen))
        report = await world.app.check_model_drift("m")
    told = [s.note for s in report.signals or () if s.metric == "prediction"]
    assert told == ["prediction has more than 200 values, so its mix is not followed."]
    assert report.verdict == "go"


async def test_a_full_day_that_changes_is_judged_anew(tmp_path: Path) -> None:
    """What was remembered of full days is dropped when one of them changes, or another ends."""
    rng = np.random.default_rng(11)

    def labelled(seed: int, share: float, *, first: int, days: int) -> list[Observation]:
        return [
            replace(o, prediction="yes" if rng.random() < share else "no")
            for o in calls("m", days, 0.05, first_day=first, a_day=100, seed=seed)
        ]

    async with open_world(tmp_path) as world:
        await world.record(labelled(1, 0.5, first=0, days=20))
        await world.record(labelled(2, 0.5, first=20, days=1))
        first = await world.app.check_model_drift("m")
        again = await world.app.check_model_drift("m", detail="full")
        await world.record(labelled(4, 0.9, first=21, days=2))
        new_days = await world.app.check_model_drift("m")
        late = [replace(o, ts_ms=o.ts_ms - 1) for o in labelled(3, 1.0, first=14, days=6)]
        await world.record(late)
        changed = await world.app.check_model_drift("m")
        past = await world.app.check_model_drift("m", until="2026-03-24")
    assert first.verdict == again.verdict == "go"
    assert (new_days.verdict, new_days.metric) == ("caution", "prediction")
    assert (changed.verdict, changed.metric) == ("caution", "prediction")
    assert changed.evidence != new_days.evidence
    assert past.evidence == changed.evidence


async def test_a_weekly_and_a_daily_rhythm_are_no_drift(tmp_path: Path) -> None:
    """Other scores, answers and speed at weekends and at night, learned baseline of three days."""
    rng = np.random.default_rng(12)
    async with open_world(tmp_path) as world:

        def told(o: Observation) -> Observation:
            rest = _weekend(o)
            hour = (o.ts_ms - START_MS) // HOUR_MS % 24
            mix = [0.45, 0.25, 0.3] if rest else [0.3, 0.4, 0.3]
            return replace(
                o,
                confidence=float(1 / (1 + np.exp(-rng.normal(1.5 - 0.7 * rest, 0.8)))),
                latency_ms=float(rng.lognormal(5 + 0.3 * np.cos(hour / 24 * 2 * np.pi), 0.3)),
                prediction=str(rng.choice(["a", "b", "c"], p=mix)),
            )

        await world.record(map(told, calls("m", 35, 0.06, a_day=120)))
        for day in ("2026-03-08", "2026-03-15", "2026-03-24", "2026-04-05"):
            report = await world.app.check_model_drift("m", until=day, detail="full")
            assert (report.verdict, _moved(report)) == ("go", []), day


async def test_a_new_mix_that_a_person_accepts_is_the_baseline(tmp_path: Path) -> None:
    """Accepted from where it changed: stable again, and the next change is held against it."""
    rng = np.random.default_rng(13)

    def made(first: int, days: int, share: float) -> list[Observation]:
        return [
            replace(o, prediction="yes" if rng.random() < share else "no")
            for o in calls("m", days, 0.05, first_day=first, a_day=120, seed=first)
        ]

    async with open_world(tmp_path) as world:
        await world.record([*made(0, 16, 0.5), *made(16, 8, 0.8)])
        moved = await world.app.check_model_drift("m")
        await world.app.accept_baseline("m")
        accepted = await world.app.check_model_drift("m")
        await world.record(made(24, 6, 0.5))
        again = await world.app.check_model_drift("m", metric="prediction")
    assert (moved.verdict, moved.metric) == ("caution", "prediction")
    assert moved.current is not None
    assert moved.current.start is not None
    assert "2026-03-16" <= moved.current.start[:10] <= "2026-03-19"
    assert "since 2026-03-1" in moved.summary
    assert accepted.verdict == "go"
    assert (again.verdict, again.status) == ("caution", "shifted")
