"""What can be read by address, and how names in addresses are completed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS, ResourceTemplateReference, TextResourceContents

from scripted import ERAS, ID, Scripted, client

pytestmark = pytest.mark.anyio


async def read(era: str, uri: str) -> dict[str, Any]:
    """A resource as the object it is."""
    async with client(Scripted(), era) as asked:
        [content] = (await asked.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    whole = json.loads(content.text)
    assert isinstance(whole, dict)
    return whole


@pytest.mark.parametrize("era", ERAS)
async def test_a_decision_is_read_whole(era: str) -> None:
    """Inputs and answer are the objects they were."""
    whole = await read(era, f"gonogo://decision/{ID}")
    assert whole["inputs"] == {"dependency": "gpt-4"}
    assert whole["answer"]["current"]["mean"] == 0.511
    assert whole["ts"] == "2026-06-01T12:00:00Z"


@pytest.mark.parametrize("era", ERAS)
async def test_the_audit_has_a_line_an_action(era: str) -> None:
    """Who did what, and when; inputs and answer are read with the decision whose id it has."""
    [line] = (await read(era, "gonogo://audit"))["actions"]
    assert line.keys() == {"id", "ts", "kind", "actor", "dependency", "summary"}
    assert (await read(era, f"gonogo://decision/{line['id']}"))["summary"] == line["summary"]


@pytest.mark.parametrize("era", ERAS)
async def test_dependencies_and_incidents_are_read(era: str) -> None:
    """The list, one of it with its incidents, and one incident."""
    listed = await read(era, "gonogo://dependencies")
    assert [d["dependency"] for d in listed["dependencies"]] == ["gpt-3.5-turbo", "gpt-4"]
    one = await read(era, "gonogo://dependency/gpt-4")
    assert (one["verdict"], one["incidents"][0]["id"]) == ("no_go", "inc-1")
    incident = await read(era, "gonogo://incident/inc-1")
    assert incident["incidents"][0]["timeline"][0]["event"] == "opened"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("uri", "line"),
    [
        ("gonogo://dependency/gpt4", "Unknown dependency 'gpt4'. Known: gpt-4, gpt-3.5-turbo."),
        ("gonogo://decision/none", "Unknown decision 'none'."),
        ("gonogo://incident/inc-9", "Unknown incident 'inc-9'. Known: inc-1."),
        ("gonogo://else/x", "Unknown resource"),
    ],
)
async def test_an_address_that_nothing_has_is_named_in_one_line(
    era: str, uri: str, line: str
) -> None:
    """The code says "not found", the line says what there is."""
    async with client(Scripted(), era) as asked:
        with pytest.raises(MCPError, match=line) as refused:
            await asked.read_resource(uri)
    assert refused.value.error.code == INVALID_PARAMS


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("uri", "name", "typed", "values"),
    [
        ("gonogo://dependency/{name}", "name", "gpt-4", ["gpt-4"]),
        ("gonogo://dependency/{name}", "name", "", ["gpt-3.5-turbo", "gpt-4"]),
        ("gonogo://incident/{id}", "id", "inc", ["inc-1"]),
        ("gonogo://decision/{id}", "id", ID[:4], [ID]),
        ("gonogo://decision/{id}", "id", "no such", []),
    ],
)
async def test_names_are_completed(
    era: str, uri: str, name: str, typed: str, values: list[str]
) -> None:
    """What was typed is found in what there is."""
    async with client(Scripted(), era) as asked:
        result = await asked.complete(
            ResourceTemplateReference(uri=uri), {"name": name, "value": typed}
        )
    assert result.completion.values == values
