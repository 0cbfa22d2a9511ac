"""Clients that fill in what they were not asked for: empty is absent, exact text is what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from mcp import Client

from agent_world import lived_in
from every_argument import EVERY_ARGUMENT, EVERY_FIELD
from gonogo.app import Gonogo
from gonogo.ingest.observation import FIELDS
from gonogo.server.definitions import LISTED
from gonogo.server.schemas import observation_schema
from gonogo.server.surface import build_server
from scripted import ERAS, Scripted, client, said

pytestmark = pytest.mark.anyio

SCHEMAS = {path.stem: json.loads(path.read_text())["inputSchema"] for path in LISTED.glob("*.json")}
REQUIRED = {
    "dependency": "gpt-4",
    "budget": "nightly",
    "reservation_id": "res-1",
    "observations": [{"dependency": "gpt-4"}],
}


@pytest.mark.parametrize("tool", sorted(SCHEMAS))
@pytest.mark.parametrize("empty", [None, "", "  "])
async def test_an_empty_optional_argument_is_an_absent_one(tool: str, empty: str | None) -> None:
    """Whatever its type: strict modes fill every argument in."""
    schema = SCHEMAS[tool]
    needed = {name: REQUIRED[name] for name in schema["required"]}
    filled = {name: empty for name in schema["properties"] if name not in needed}
    filled |= {n: [empty] for n, part in schema["properties"].items() if part["type"] == "array"}
    app, bare = Scripted(), Scripted()
    async with client(app, ERAS[1]) as asked:
        result = await asked.call_tool(tool, {**filled, **needed})
    async with client(bare, ERAS[1]) as asked:
        await asked.call_tool(tool, needed)
    assert not result.is_error, said(result)
    for _, arguments in (*app.asked, *bare.asked):
        arguments.pop("progress", None)
    assert app.asked == bare.asked


@pytest.mark.parametrize(
    ("tool", "sent", "taken"),
    [
        (
            "check_budget_with_confidence",
            {"budget": "nightly", "planned_calls": "40", "reserve": "true"},
            {"planned_calls": 40, "reserve": True},
        ),
        (
            "check_budget_with_confidence",
            {"budget": "nightly", "planned_calls": "4e1", "planned_cost_usd": "2.50"},
            {"planned_calls": 40, "planned_cost_usd": 2.5},
        ),
        (
            "trigger_fallback",
            {"dependency": "gpt-4", "reason": "r", "share": ".5", "confirm": "False"},
            None,
        ),
        (
            "trigger_fallback",
            {"dependency": "gpt-4", "reason": "r", "share": "0.5", "confirm": "False"},
            {"share": 0.5, "confirm": False},
        ),
        ("preflight", {"dependencies": "gpt-4"}, {"dependencies": ["gpt-4"]}),
        ("preflight", {"dependencies": "null"}, {"dependencies": ["null"]}),
        ("preflight", {"dependencies": '["a", "b"]'}, {"dependencies": ["a", "b"]}),
        (
            "record_observations",
            {"observations": ['{"dependency": "a"}', "a"]},
            {"observations": [{"dependency": "a"}, "a"]},
        ),
        ("settle_reservation", {"reservation_id": "r", "actual_usd": "0"}, {"actual_usd": 0}),
        ("check_model_drift", {"dependency": "gpt-4", "version": "40"}, {"version": "40"}),
    ],
)
async def test_exact_text_is_taken_for_what_it_says(
    tool: str, sent: dict[str, Any], taken: dict[str, Any] | None
) -> None:
    """A number as JSON writes it, true and false, one name for a list; nothing that is guessed."""
    app = Scripted()
    async with client(app, ERAS[1]) as asked:
        result = await asked.call_tool(tool, sent)
    if taken is None:
        assert result.is_error
        return
    assert not result.is_error, said(result)
    [(_, arguments)] = app.asked
    assert {name: arguments.get(name, False) for name in taken} == taken


async def recorded(app: Gonogo, *observations: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """What the tool answers."""
    async with Client(build_server(app), mode="auto") as asked:
        result = await asked.call_tool("record_observations", {"observations": list(observations)})
    assert not result.is_error, said(result)
    return dict(result.structured_content or {})


async def test_every_field_filled_in_with_nothing_is_a_plain_observation(tmp_path: Path) -> None:
    """An observation whose optional fields are all null, all "" or all empty."""
    app = await lived_in(tmp_path)
    for i, empty in enumerate((None, "", " ")):
        filled = dict.fromkeys(FIELDS, empty) | {"dependency": f"filled-{i}"}
        answer = await recorded(app, filled)
        assert (answer["accepted"], answer.get("rejected", [])) == (1, [])
    hollow = {"dependency": "filled-3", "embedding": [], "segments": {"tier": ""}, "metrics": {}}
    assert (await recorded(app, hollow))["accepted"] == 1


async def test_numbers_and_slices_may_come_as_text(tmp_path: Path) -> None:
    """In strict mode an object of any names cannot be sent, so `tier=new` says the same."""
    app = await lived_in(tmp_path)
    text = {
        **{n: str(v) for n, v in EVERY_FIELD.items() if isinstance(v, float)},
        "dependency": "as-text",
        "outcome": "true",
        "segments": "tier=new, region=eu",
        "metrics": '{"length": "312"}',
        "embedding": "[0.5, -1]",
    }
    assert (await recorded(app, text))["accepted"] == 1
    async with app:
        report = await app.check_model_drift("as-text", segment="tier=new", detail="full")
        listed = await app.list_dependencies("as-text")
    assert report.segment == "tier=new"
    [line] = listed.dependencies
    assert {"outcome", "latency_ms", "cost_usd", "metrics.length"} <= set(line.metrics)


async def test_what_is_no_number_is_refused_alone_and_in_its_place(tmp_path: Path) -> None:
    """Leniency moves no index and guesses nothing."""
    app = await lived_in(tmp_path)
    answer = await recorded(
        app,
        {"dependency": "a", "latency_ms": "fast"},
        None,
        {"dependency": "a", "cost_usd": "1,5"},
        {"dependency": ""},
        {"dependency": "a", "latency_ms": "5"},
    )
    assert answer["accepted"] == 1
    refused = {item["index"]: item["field"] for item in answer["rejected"]}
    assert refused == {0: "latency_ms", 1: "observation", 2: "cost_usd", 3: "dependency"}


async def test_an_empty_argument_of_the_library_is_absent_too(tmp_path: Path) -> None:
    """Scripts pass on variables that are not set."""
    async with await lived_in(tmp_path) as app:
        named = await app.check_model_drift("sentiment-v2", metric="", segment="", until="")
        bare = await app.check_model_drift("sentiment-v2")
        everywhere = await app.get_incidents("", "", "")
    assert (named.summary, named.metric, named.segment) == (bare.summary, bare.metric, None)
    assert everywhere.verdict


def test_every_argument_and_field_is_sent_somewhere() -> None:
    """What frameworks are tried with is complete, and a JSON Schema checker agrees with it."""
    assert EVERY_FIELD.keys() == FIELDS.keys()
    jsonschema.validate(EVERY_FIELD, observation_schema())
    for tool, schema in SCHEMAS.items():
        for sent in EVERY_ARGUMENT[tool]:
            assert sent.keys() == schema["properties"].keys()
            jsonschema.validate(sent, schema)
    for wrong in ({}, {**EVERY_FIELD, "outcome": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, observation_schema())
