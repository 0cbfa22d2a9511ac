"""Trust as an agent asks for it: one dependency, its parts, what it stands on, the fleet."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from gonogo.answers import TrustReport
from gonogo.errors import UnknownTarget
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS, HOUR_MS, Observation, PartVerdict, StandingVerdict
from gonogo.settings import DependencySettings, Settings
from gonogo.trust.trust_check import check_trust
from gonogo.trust.trust_estimate import p_better, trust_estimate
from kept_verdicts import Verdicts
from trust_fakes import MemoryTelemetry

pytestmark = pytest.mark.anyio
NOW = 1_780_000_000_000


def settings(*own: DependencySettings) -> Settings:
    """Settings with these dependency tables."""
    return Settings(store=":memory:", dependencies={one.name: one for one in own})


def calls(
    name: str,
    n: int,
    *,
    good: float = 1.0,
    days: float = 10,
    until_ms: int = NOW,
    **fields: Any,  # noqa: ANN401 - observation fields
) -> list[Observation]:
    """`n` labelled calls evenly over some days, `good` of them good, in a shuffled order."""
    rng = np.random.default_rng(n)
    right = rng.permutation(np.arange(n) < round(n * good))
    start = until_ms - int(days * DAY_MS)
    told: dict[str, Any] = {"kind": "model"} | fields
    return [
        Observation(
            name,
            start + (i + 1) * (until_ms - start) // n - 1000,
            **({"outcome": float(right[i])} | told),
        )
        for i in range(n)
    ]


async def asked(
    observations: list[Observation],
    name: str | None,
    own: Settings | None = None,
    *,
    now_ms: int = NOW,
) -> TrustReport:
    """Record, then ask."""
    own = own or settings()
    telemetry = MemoryTelemetry(own)
    await telemetry.record(observations, NOW)
    log = cast("DecisionLog", Verdicts())
    return await check_trust(telemetry, log, own, dependency=name, now_ms=now_ms)


async def test_a_steady_dependency_is_go_and_its_words_carry_the_numbers() -> None:
    """92 % good over ten days: score near 92, interval around it, go."""
    report = await asked(calls("m", 600, good=0.92), "m")
    assert report.verdict == "go"
    assert report.score == pytest.approx(92, abs=3)
    assert report.interval90 is not None
    low, high = report.interval90
    assert low < 92 < high
    assert (
        "the chance in percent that the next call is good, averaged over hours, from 600"
        in report.summary
    )
    assert report.parts is not None
    assert set(report.parts) == {"availability", "quality"}
    assert report.parts["quality"].n == 600


async def test_an_outage_of_the_last_hour_is_no_go_with_a_way_back() -> None:
    """40 errors in a row after ten good days."""
    outage = calls("m", 40, days=0.04, outcome=None, error="http_500")
    rows = [*calls("m", 600, good=0.97, until_ms=NOW - HOUR_MS), *outage]
    report = await asked(rows, "m", settings(DependencySettings("m", fallback=("spare",))))
    assert report.verdict == "no_go"
    assert report.next_actions[0].tool == "trigger_fallback"
    assert report.next_actions[0].arguments["dependency"] == "m"
    alone = await asked(rows, "m")
    assert [action.tool for action in alone.next_actions] == ["check_model_drift"]


@pytest.mark.parametrize(
    ("observations", "said"),
    [
        (calls("m", 6), "6 of the 10 calls"),
        (calls("m", 400, until_ms=NOW - 8 * DAY_MS), "older than 7 days"),
        (
            [
                *calls("m", 400, until_ms=NOW - 9 * DAY_MS),
                *calls("m", 40, outcome=None, days=1),
            ],
            "newest outcome is older",
        ),
    ],
)
async def test_thin_or_stale_evidence_is_unknown(
    observations: list[Observation], said: str
) -> None:
    """Few calls, old calls, or fresh calls whose labels stopped coming: never go."""
    report = await asked(observations, "m")
    assert report.verdict == "unknown"
    assert said in report.summary


async def test_missing_labels_never_count_as_good() -> None:
    """Half of the labelled calls are bad: 1,000 unlabelled successes do not lift the score."""
    report = await asked(
        [*calls("m", 100, good=0.5), *calls("m", 1000, outcome=None, days=9.9)], "m"
    )
    assert report.score == pytest.approx(50, abs=8)
    assert "100 labelled of 1,100 calls" in str(report.good_means)


@pytest.mark.parametrize(
    ("kind", "verdict", "said"),
    [
        ("model", "caution", "quality is not known: record `outcome`"),
        ("api", "go", "nothing else is judged"),
    ],
)
async def test_without_one_label_quality_is_said_to_be_unknown(
    kind: str, verdict: str, said: str
) -> None:
    """A model that only answers in time may answer wrongly; an API has answered."""
    report = await asked(calls("x", 500, outcome=None, kind=kind, latency_ms=80.0), "x")
    assert report.verdict == verdict
    assert said in str(report.good_means)
    assert "comes without error and in time" in report.summary


async def test_the_slo_is_part_of_good() -> None:
    """A tenth of the calls is slow: availability 1, SLO .9, and the score follows the SLO."""
    own = settings(DependencySettings("m", latency_slo_ms=1000))
    slow = [
        *calls("m", 540, latency_ms=400.0),
        *calls("m", 60, latency_ms=4000.0, days=9.95),
    ]
    report = await asked(slow, "m", own)
    assert report.parts is not None
    assert report.parts["latency_slo"].rate == pytest.approx(0.9, abs=0.03)
    assert report.parts["availability"].rate > 0.98
    assert report.score == pytest.approx(90, abs=4)
    assert "weakest part latency SLO" in report.summary


async def test_disagreeing_repeats_cost_trust() -> None:
    """The same input answered two ways, again and again."""
    pairs = [
        Observation("m", NOW - i * HOUR_MS, outcome=1.0, input_hash=str(i % 50), output_hash=str(i))
        for i in range(200)
    ]
    report = await asked(pairs, "m")
    assert report.parts is not None
    assert report.parts["consistency"].rate < 0.05
    assert report.score is not None
    assert report.score < 40


async def test_golden_calls_count_only_where_there_is_nothing_else() -> None:
    """A golden set alone gives a score and says so; beside traffic it does not."""
    golden = [
        Observation("m", NOW - i * HOUR_MS, outcome=float(i % 2), item=str(i)) for i in range(100)
    ]
    alone = await asked(golden, "m")
    assert alone.score == pytest.approx(50, abs=12)
    assert "golden-set calls" in str(alone.good_means)
    beside = await asked([*golden, *calls("m", 300)], "m")
    assert beside.score is not None
    assert beside.score > 95


async def test_a_bad_state_is_passed_on_by_name_through_others() -> None:
    """A stands on b, b on c (and c on a: a circle ends): c's outage makes a no_go."""
    own = settings(
        DependencySettings("a", depends_on=("b",)),
        DependencySettings("b", depends_on=("c",)),
        DependencySettings("c", depends_on=("a",)),
    )
    seen = [*calls("a", 400), *calls("b", 400), *calls("c", 400, good=0.05)]
    report = await asked(seen, "a", own)
    assert report.verdict == "no_go"
    assert report.upstream is not None
    assert len(report.upstream) == 1
    assert report.upstream[0].startswith("c, through b: trust no_go, ")
    assert report.upstream[0] in report.summary
    # The cause is looked at first: it is what needs a way back.
    assert report.next_actions[0].tool == "get_trust_score_health"
    assert report.next_actions[0].arguments == {"dependency": "c"}


async def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    """The error names what there is."""
    with pytest.raises(UnknownTarget, match="Known: sentiment-v3"):
        await asked(calls("sentiment-v3", 20), "sentiment-v4")


async def test_p_better_orders_two_targets() -> None:
    """95 % against 80 % on 300 calls each is certain; against itself it is even."""
    own = settings()
    telemetry = MemoryTelemetry(own)
    await telemetry.record([*calls("a", 300, good=0.95), *calls("b", 300, good=0.8)], NOW)
    first, second = [await trust_estimate(telemetry, own, name, NOW) for name in "ab"]
    assert p_better(first, second) > 0.97
    assert p_better(first, first) == pytest.approx(0.5)


async def test_the_fleet_shows_the_worst_first_and_what_changed() -> None:
    """Scores of the day before are kept; the one that fell is named; what is gone is not there."""
    own = settings()
    telemetry = MemoryTelemetry(own)
    asked_of = PartVerdict("drift", "caution", NOW - DAY_MS)
    verdicts = {"a": StandingVerdict(asked_of), "gone": StandingVerdict(asked_of)}
    log = cast("DecisionLog", Verdicts(verdicts))
    yesterday = NOW - DAY_MS
    await telemetry.record(
        [*calls("a", 400, good=0.95), *calls("b", 400, good=0.95, until_ms=yesterday)], NOW
    )
    await check_trust(telemetry, log, own, dependency=None, now_ms=yesterday)
    await telemetry.record(calls("b", 60, days=0.5, outcome=None, error="timeout"), NOW)
    report = await check_trust(telemetry, log, own, dependency=None, now_ms=NOW)
    assert report.fleet is not None
    assert [line.dependency for line in report.fleet] == ["b", "a"]
    assert report.verdict == "no_go"
    assert str(report.fleet[0].changed).startswith("was go, 9")
    assert "Lowest score: b, trust" in report.summary
    assert "Changed since the day before: b (was go" in report.summary
    assert (report.fleet[1].verdict, report.fleet[1].drift) == ("caution", "caution")


async def test_the_fleet_passes_a_bad_state_on_and_names_it() -> None:
    """Two steps up from what fails; a state that is its own is not blamed on others."""
    own = settings(
        DependencySettings("app", depends_on=("search",)),
        DependencySettings("search", depends_on=("index",)),
    )
    bad = calls("index", 60, days=0.5, outcome=None, error="timeout")
    good = [one for name in ("app", "search", "index", "other") for one in calls(name, 300)]
    report = await asked([*good, *bad], None, own)
    assert report.fleet is not None
    told = {line.dependency: (line.verdict, line.upstream) for line in report.fleet}
    assert told == {
        "index": ("no_go", None),
        "app": ("no_go", "index: trust no_go"),
        "search": ("no_go", "index: trust no_go"),
        "other": ("go", None),
    }


async def test_a_fleet_tells_the_score_that_each_tells_alone() -> None:
    """Whenever either is asked: memories fade from hour to hour, for both at once."""
    own = settings()
    telemetry = MemoryTelemetry(own)
    log = cast("DecisionLog", Verdicts({}))
    names = [f"m{number:02}" for number in range(30)]
    failing = [one for name in names for one in calls(name, 30, days=0.1, outcome=None, error="x")]
    await telemetry.record([*(o for n in names for o in calls(n, 200)), *failing], NOW)
    for minutes in (0, 30, 59, 75, 140):
        now_ms = NOW + minutes * 60_000
        fleet = (await check_trust(telemetry, log, own, dependency=None, now_ms=now_ms)).fleet
        alone = await check_trust(telemetry, log, own, dependency="m07", now_ms=now_ms)
        assert {line.score for line in fleet or ()} == {alone.score}, minutes


async def test_an_empty_fleet_is_unknown() -> None:
    """Nothing recorded is not healthy."""
    report = await asked([], None)
    assert report.verdict == "unknown"
    assert report.fleet == []
