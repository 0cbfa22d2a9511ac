"""What was asked is in the answer, and a newcomer's first question is answered with what there is."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_world import DAY_MS, NOW_MS, lived_in
from gonogo.answers import Answer, NextAction, rfc3339
from gonogo.app import Gonogo
from gonogo.cli.next_steps import as_command, with_options
from gonogo.errors import UnknownTarget
from gonogo.text.answer_text import as_text

pytestmark = pytest.mark.anyio

LAST_YEAR_MS = NOW_MS - 400 * DAY_MS


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Gonogo]:
    """The shop's six weeks, last year's history of one model, and a clock that was set wrong."""
    shop = await lived_in(tmp_path)
    old = [
        {
            "dependency": "last-year",
            "id": str(i),
            "ts": rfc3339(LAST_YEAR_MS + i * 3_600_000),
            "outcome_ts": rfc3339(LAST_YEAR_MS + i * 3_600_000),
            "outcome": int(i % 20 > 0),
            "version": "a" if i < 480 else "b",
        }
        for i in range(960)
    ]
    await shop.record_observations(old)
    async with shop:
        yield shop


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"segment": "day_type=weekend"}, " at day_type=weekend is stable"),
        ({"until": "2026-05-20"}, " until 2026-05-20 is stable"),
        ({"since": "2026-05-20"}, " since 2026-05-20 "),
        ({"metric": "cost_usd"}, " is stable: cost_usd "),
        ({"segment": "day_type=weekday", "until": "2026-05-25"}, " at day_type=weekday until "),
    ],
)
async def test_the_question_is_echoed(app: Gonogo, asked: dict[str, str], said: str) -> None:
    """In the fields of its names and in the sentence."""
    report = await app.check_model_drift("sentiment-v2", **asked)  # type: ignore[arg-type]
    assert {name: getattr(report, name) for name in asked} == asked
    assert said in report.summary
    whole = await app.check_model_drift("sentiment-v2")
    assert (whole.segment, whole.since, whole.until) == (None, None, None)


async def test_money_is_told_as_it_is_and_not_as_labels(app: Gonogo) -> None:
    """A cost of fifths of a cent is no 0.002 → 0.002, and values are no labels."""
    report = await app.check_model_drift("sentiment-v2", metric="cost_usd")
    assert report.change is not None
    assert re.search(r"cost_usd 0\.00\d{4,} → 0\.00\d{4,} on [\d,]+ values", report.summary)
    assert not re.search(r"\+0\.000\b", report.summary)
    assert "label" not in report.summary


async def test_history_of_last_year_is_said_to_be_there(app: Gonogo) -> None:
    """Its versions, period and size, and the two questions that it answers."""
    report = await app.check_model_drift("last-year")
    assert report.verdict == "unknown"
    assert (
        "960 calls of 2 versions (a, b) from 2025-04-27 to 2025-06-06 and none since"
        in report.summary
    )
    assert report.change is None
    assert [(v.version, v.n) for v in report.versions or ()] == [("a", 480), ("b", 480)]
    compare, until = report.next_actions
    assert compare.arguments == {"dependency": "last-year", "baseline_version": "a", "version": "b"}
    assert until.arguments == {"dependency": "last-year", "until": "2025-06-06"}
    for action in (compare, until):
        told = await app.check_model_drift(**action.arguments)  # type: ignore[arg-type]
        assert told.verdict != "unknown"
        # The older of two versions in the days of the newer would be another count of the same name.
        assert (told.versions is None) == ("version" in action.arguments)
    assert "--until 2025-06-06" in with_options(as_text(report, as_command))


async def test_an_unknown_metric_names_quality(app: Gonogo) -> None:
    """A newcomer asks for accuracy."""
    with pytest.raises(UnknownTarget, match="Quality is `outcome`"):
        await app.check_model_drift("sentiment-v2", metric="accuracy")


async def test_what_is_stamped_ahead_is_said_when_recorded_and_when_asked(app: Gonogo) -> None:
    """A local time sent as UTC: it is not judged, and its age is not told as none."""
    rows = [
        {"dependency": "ahead", "outcome": 1, "ts": rfc3339(NOW_MS + 7_200_000 + i * 60_000)}
        for i in range(200)
    ]
    stored = await app.record_observations(rows)
    assert stored.accepted == 200
    [note] = stored.notes or []
    assert "200 observations lie ahead of the clock, up to 2026-06-01T17:19Z" in note
    drift = await app.check_model_drift("ahead")
    trust = await app.get_trust_score_health("ahead")
    for report in (drift, trust):
        assert report.verdict == "unknown"
        assert report.ahead is not None
        assert report.ahead.n == 200
        assert note.partition(":")[0] in report.summary
        assert report.data_age_s is None
    fleet = await app.get_trust_score_health()
    assert "newest data 0 s old" not in as_text(fleet)
    listed, checked = (
        await app.list_dependencies("ahead"),
        await app.preflight(dependencies=["ahead"]),
    )
    told = [line.ahead for line in fleet.fleet or () if line.dependency == "ahead"]
    told += [line.ahead for line in listed.dependencies]
    told += [line.ahead for line in checked.checks]
    assert [ahead and ahead.latest for ahead in told] == ["2026-06-01T17:19:00Z"] * 3
    for answer in (fleet, listed, checked):
        assert "of ahead lie ahead of the clock, up to 2026-06-01T17:19Z" in answer.summary


async def test_work_of_unstated_calls_leads_to_no_hold(app: Gonogo) -> None:
    """A budget beside it is priced by one call, for which nobody asked to hold money."""
    report = await app.preflight(dependencies=["ticket-search"], budget="nightly")
    assert report.budget is not None
    assert report.budget.verdict == "unknown"
    assert report.budget.next_actions == []
    assert [action for action in report.next_actions if "reserve" in action.arguments] == []


async def test_no_sentence_stands_twice(app: Gonogo) -> None:
    """Of the words: facts say what the summary does not. Of a brief object: `missing` is advice."""
    answers: list[Answer] = [
        await app.check_model_drift("sentiment-v3"),
        await app.check_model_drift("sentiment-v2"),
        await app.check_model_drift("new-model"),
        await app.check_model_drift("last-year"),
        await app.check_model_drift("vision-api"),
        await app.get_trust_score_health("vision-api"),
        await app.get_trust_score_health("sentiment-v3"),
        await app.check_budget_with_confidence("nightly", planned_calls=100),
        await app.check_budget_with_confidence("tight", planned_calls=100),
        await app.check_budget_with_confidence("unused", planned_calls=100),
        await app.record_observations([{"dependency": "x", "nonsense": 1}]),
        await app.get_route("sentiment-v3"),
        await app.trigger_fallback("sentiment-v3", reason="it fell"),
        await app.preflight("trial"),
    ]
    for answer in answers:
        text = as_text(answer)
        sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s|\n|: ", text) if len(s) > 30]
        twice = [a for a, b in itertools.combinations(sentences, 2) if a == b]
        assert not twice, text
        verdict, _, said = text.partition(": ")
        assert not said.lower().startswith(verdict.lower().replace("_", "-")), text
        missing = getattr(answer, "missing", None)
        assert missing is None or missing not in answer.summary


async def test_a_fall_of_the_whole_names_no_slice_for_its_place(app: Gonogo) -> None:
    """sentiment-v3 fell at all hours, and has no other slices; of the errors of vision-api none is followed."""
    assert "It fell at all hours alike." in (await app.check_model_drift("sentiment-v3")).summary
    assert "slice" not in (await app.check_model_drift("vision-api")).summary


async def test_a_full_answer_does_not_offer_itself(app: Gonogo) -> None:
    """What follows detail="full" is something else."""
    report = await app.check_model_drift("sentiment-v3", detail="full")
    assert all(action.arguments.get("detail") != "full" for action in report.next_actions)


def test_a_person_types_options_where_an_agent_passes_arguments() -> None:
    """Names of fields stay as they are."""
    told = with_options("pass `reason` with `plan_id`; see `outcome`")
    assert told == "pass --reason with --plan; see `outcome`"
    told = with_options("Approval: call again with `plan_id` and `confirm=true`.")
    assert told == "Approval: yours, by `gonogo approve`."
    carry_out = NextAction(
        tool="trigger_fallback",
        arguments={"dependency": "m", "plan_id": "plan-1", "confirm": True},
        reason="carry the plan out",
    )
    assert as_command(carry_out) == "gonogo approve plan-1: carry the plan out"
