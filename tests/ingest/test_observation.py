"""The border: what an observation may hold, in stored units, and every way it is refused."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gonogo.ingest.observation import FIELDS, parse_observation
from gonogo.records import Observation, Rejection

NOW_MS = 1_780_000_000_000  # 2026-05-28T20:26:40Z
DAY_MS = 86_400_000

WIDE = {
    "dependency": "sentiment-v3",
    "ts": "2026-05-01T12:00:00.0014Z",
    "id": "call-1",
    "kind": "model",
    "provider": "acme",
    "version": "3.1",
    "outcome": 1,
    "error": "http_500",
    "confidence": 0.5,
    "latency_ms": 12.5,
    "cost_usd": 47.23,
    "input_tokens": 12.0,
    "output_tokens": 3,
    "item": "0",
    "budget": "nightly",
    "reservation": "r1",
    "prediction": "a",
    "label": "b",
    "input_hash": "i",
    "output_hash": "o",
    "embedding": [1, 0.5],
    "segments": {"tier": "new"},
    "metrics": {"toxicity": -0.25},
    "output": "über\n",
}


def parse(fields: dict[str, object], *, from_file: bool = True) -> Observation | Rejection:
    """One observation of a dependency called m."""
    return parse_observation({"dependency": "m", **fields}, now_ms=NOW_MS, from_file=from_file)


def test_every_field_arrives_in_stored_units() -> None:
    """All of the table at once; the oracle is written out by hand."""
    parsed = parse_observation(WIDE, now_ms=NOW_MS, from_file=True)
    assert parsed == Observation(
        dependency="sentiment-v3",
        ts_ms=1_777_636_800_001,
        id="call-1",
        kind="model",
        provider="acme",
        version="3.1",
        outcome=1.0,
        outcome_ts_ms=1_777_636_800_001,
        error="http_500",
        confidence=0.5,
        latency_ms=12.5,
        cost_micro_usd=47_230_000,
        input_tokens=12,
        output_tokens=3,
        item="0",
        budget="nightly",
        reservation="r1",
        prediction="a",
        label="b",
        input_hash="i",
        output_hash="o",
        embedding=(1.0, 0.5),
        segments={"tier": "new"},
        metrics={"toxicity": -0.25},
        output="über\n",
        outcome_ts_assumed=True,
    )


def test_the_table_covers_the_record() -> None:
    """A field added to the record and forgotten here would silently be refused."""
    attributes = [field.attribute for field in FIELDS.values()]
    known_inside = {"outcome_ts_assumed", "ts_assumed", "run", "alias", "judged", "cost_nano_usd"}
    record = {field.name for field in dataclasses.fields(Observation)} - known_inside
    assert sorted(attributes) == sorted(record)


LONG = "x" * 201
REFUSED: list[tuple[str, object, str]] = [
    ("dependncy", "x", "unknown field; nearest: dependency"),
    ("dependency", None, "is required"),
    ("dependency", "", "empty"),
    ("dependency", 5, "must be text, got a number"),
    ("dependency", LONG, "201 characters long; at most 200"),
    ("dependency", "x" * 1_000_000, "at most 200"),
    ("dependency", "a\nb", "control"),
    ("dependency", "a\x00b", "control"),
    ("version", "a\u202eb", "invisible"),
    ("provider", "\ud800", "control or invisible"),
    ("item", LONG, "at most 200"),
    ("kind", "llm", "must be one of model, skill, tool, api, prompt"),
    ("kind", ["model"], "must be one of"),
    ("outcome", "1", "must be from 0 to 1, or a word such as pass or fail, got text"),
    ("outcome", 1.5, "between 0 and 1, got 1.5"),
    ("outcome", -0.5, "must not be negative"),
    ("outcome", math.nan, "must be finite"),
    ("confidence", True, "must be a number, got true or false"),
    ("confidence", 10**400, "between 0 and 1"),
    ("latency_ms", math.inf, "must be finite"),
    ("latency_ms", -1, "must not be negative"),
    ("latency_ms", "12", "got text"),
    ("cost_usd", -0.01, "must not be negative, got -0.01 a refund is the call's id again"),
    ("weight", 0.5, "must be between 1 and got 0.5"),
    ("weight", "many", "must be a number got text"),
    ("cost_usd", 1.1e9, "between 0 and 1e+09"),
    ("input_tokens", -1, "negative"),
    ("output_tokens", 1.5, "whole number"),
    ("output_tokens", -(10**400), "negative"),
    ("ts", "yesterday", "2026-04-01T12:00:00Z"),
    ("ts", "05/06/2026", "2026-04-01T12:00:00Z"),
    ("ts", "2026-05-01", "no time zone 2026-04-01T12:00:00Z --timezone"),
    ("ts", "2026-05-01T12:00:00", "no time zone"),
    ("ts", "10/11/2026 12:00", "may mean two days"),
    ("ts", "12 Foo 2026 12:00 UTC", "no time that exists"),
    ("ts", "2026/13/01 12:00 UTC", "no time that exists"),
    ("ts", "2026-02-30T12:00:00Z", "no time that exists"),
    ("ts", True, "Unix seconds"),
    ("ts", math.nan, "finite"),
    ("ts", -5, "before 2000"),
    ("ts", 946_684_799, "before 2000"),
    ("ts", 10**400, "day ahead"),
    ("ts", NOW_MS + DAY_MS + 1, "day ahead"),
    ("ts", 45_992.5, "spreadsheet's day number"),
    ("ts", 20_260_501, "before 2000"),
    ("ts", "2026-05-01 10:00 PDT", "ends in PDT"),
    ("ts", (NOW_MS + DAY_MS) / 1000 + 1, "day ahead"),
    ("embedding", [], "has 0 numbers"),
    ("embedding", [0.0] * 4097, "has 4097 numbers"),
    ("embedding", [1, "2"], "must be a number"),
    ("embedding", [math.inf], "finite"),
    ("segments", {str(i): "x" for i in range(9)}, "9 entries; at most 8"),
    ("segments", {"a": 1}, "at 'a': must be text"),
    ("segments", {"a=b": "c"}, "no '='"),
    ("segments", {"a": LONG}, "at most 200"),
    ("segments", "a=b", "must be an object"),
    ("metrics", {str(i): i for i in range(17)}, "17 entries; at most 16"),
    ("metrics", {"a": math.nan}, "at 'a': must be finite"),
    ("metrics", {"a": True}, "true or false"),
    ("metrics", {"": 1}, "empty"),
    ("output", "x" * 65_537, "65537 bytes"),
    ("output", "ü" * 40_000, "80000 bytes"),
    ("output", "\ud800", "lone surrogate"),
    ("output", 5, "must be text"),
]


@pytest.mark.parametrize(("field", "value", "words"), REFUSED)
def test_what_is_malformed_is_refused_by_field(field: str, value: object, words: str) -> None:
    """One problem, short, naming the field."""
    refused = parse({"outcome": 1, field: value})
    assert isinstance(refused, Rejection)
    assert refused.field == field
    assert len(refused.problem) <= 300
    assert refused.problem.isprintable()
    assert [w for w in words.split() if w not in refused.problem] == []


@pytest.mark.parametrize("item", [None, [], "x", 5, True])
def test_an_item_that_is_no_object_is_refused(item: object) -> None:
    """A batch may hold anything."""
    refused = parse_observation(item, now_ms=NOW_MS, from_file=False, position=3)
    assert isinstance(refused, Rejection)
    assert (refused.position, refused.field) == (3, "observation")


def test_the_bounds_themselves_are_allowed() -> None:
    """Just inside every limit."""
    parsed = parse(
        {
            "ts": (NOW_MS + DAY_MS) // 1000,
            "outcome": True,
            "id": "x" * 200,
            "cost_usd": 1e9,
            "embedding": [0.5] * 4096,
            "segments": {str(i): "x" * 200 for i in range(8)},
            "metrics": {str(i): -1e12 for i in range(16)},
            "output": "x" * 65_536,
        }
    )
    assert isinstance(parsed, Observation)
    assert (parsed.outcome, parsed.cost_micro_usd) == (1.0, 10**15)
    assert isinstance(parse({"ts": 946_684_800}), Observation)


def test_null_is_absent() -> None:
    """Clients send null for what they leave out."""
    parsed = parse({name: None for name in FIELDS if name != "dependency"})
    assert parsed == Observation(dependency="m", ts_ms=NOW_MS)


@pytest.mark.parametrize(
    ("ts", "ts_ms"),
    [
        (1_777_636_800, 1_777_636_800_000),
        (1_777_636_800.0006, 1_777_636_800_001),
        ("2026-05-01T12:00:00Z", 1_777_636_800_000),
        ("2026-05-01t12:00:00z", 1_777_636_800_000),
        ("2026-05-01 14:00:00+02:00", 1_777_636_800_000),
        ("2026-05-01T12:00:00.123456789Z", 1_777_636_800_123),
        ("2026/05/01 12:00 UTC", 1_777_636_800_000),
        ("01/May/2026:12:00:00 +0000", 1_777_636_800_000),
        ("Fri, 01 May 2026 12:00:00 GMT", 1_777_636_800_000),
        ("1.5.2026 12:00:00 PM UTC", 1_777_636_800_000),
        ("2026-05-01 2:00 +0200", 1_777_593_600_000),
        ("2026-05-01 14:00:00+0200", 1_777_636_800_000),
        ("2026-05-01 12:00:00 UTC", 1_777_636_800_000),
        ("2026-05-01 12:00:00.5+00", 1_777_636_800_500),
    ],
)
def test_times_are_read_to_the_millisecond(ts: object, ts_ms: int) -> None:
    """RFC 3339 with any offset, or Unix seconds; what is finer is rounded."""
    parsed = parse({"ts": ts})
    assert isinstance(parsed, Observation)
    assert parsed.ts_ms == ts_ms


def test_an_outcome_follows_from_prediction_and_label_and_only_where_none_is_given() -> None:
    """What the caller judged himself wins."""
    cases: list[tuple[dict[str, object], float | None]] = [
        ({"prediction": "a", "label": "a"}, 1.0),
        ({"prediction": "a", "label": "b"}, 0.0),
        ({"prediction": "a", "label": "b", "outcome": 0.7}, 0.7),
        ({"prediction": "a"}, None),
        ({"outcome": False}, 0.0),
    ]
    for fields, outcome in cases:
        parsed = parse(fields)
        assert isinstance(parsed, Observation)
        assert parsed.outcome == outcome


def test_an_outcome_came_with_its_file_or_now() -> None:
    """History is mature at once, from a file or a day old; a live outcome came when it was told."""
    day = 86_400
    old, now = NOW_MS // 1000 - day - 1, NOW_MS // 1000 - day
    for ts, from_file, stated, expected in (
        (now, True, None, now * 1000),
        (now, False, None, NOW_MS),
        (old, False, None, old * 1000),
        (now, True, now + 5, now * 1000 + 5000),
        (old, False, old + 5, old * 1000 + 5000),
    ):
        parsed = parse({"ts": ts, "outcome": 1, "outcome_ts": stated}, from_file=from_file)
        assert isinstance(parsed, Observation)
        assert parsed.outcome_ts_ms == expected
        assert parsed.outcome_ts_assumed == (expected == ts * 1000)
    without = parse({"ts": ts, "outcome_ts": ts})
    assert isinstance(without, Observation)
    assert without.outcome_ts_ms is None


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
TEXT = st.text(st.characters(codec=None), max_size=5)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(list(FIELDS)) | TEXT,
        ANYTHING | TEXT | st.floats() | st.integers(0, 2 * 10**9),
        max_size=8,
    )
)
def test_anything_is_an_observation_or_a_rejection(raw: dict[str, object]) -> None:
    """Whatever JSON can hold, and more: never an exception, never an unbounded problem."""
    parsed = parse_observation({"dependency": "m", **raw}, now_ms=NOW_MS, from_file=False)
    if isinstance(parsed, Rejection):
        assert 0 < len(parsed.problem) <= 300
        assert (parsed.field + parsed.problem).isprintable()
    else:
        assert parsed.dependency.isprintable()
        assert parsed.ts_ms <= NOW_MS + DAY_MS


def test_a_field_of_a_file_that_only_looks_like_another_can_be_kept() -> None:
    """The nearest names are offered, and what to type where none is meant; of one that no key can have, the general advice."""

    def refused(name: str) -> str:
        found = parse({name: "x"})
        assert isinstance(found, Rejection)
        return found.problem

    kept = refused("output_category")
    assert "nearest: output_tokens" in kept
    assert "--map segments.output_category=output_category" in kept
    assert "segments.output category" not in refused("output category")
    assert "--ignore-unknown" in refused("output category")
