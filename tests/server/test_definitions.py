"""How the tools are listed: what a model reads before it calls, and what it costs to read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp_types import ListToolsResult, Tool

from gonogo.app import Gonogo
from gonogo.ingest.observation import FIELDS
from gonogo.server.definitions import DEFINITIONS, LISTED
from gonogo.server.schemas import answer_schema, arguments_schema
from gonogo.server.tools import Tools
from gonogo.settings import Settings
from scripted import CALLS, ERAS, Scripted, client

pytestmark = pytest.mark.anyio

TOKENS_MAX = 3000
TOKENS_NOW = 2400
GROWTH_MAX = 1.05
CHARS_A_TOKEN = 4
DESCRIPTION_WORDS_MAX = 80


async def listed(era: str = ERAS[1]) -> ListToolsResult:
    """What the server lists."""
    async with client(Scripted(), era) as asked:
        return await asked.list_tools()


def definition(tool: Tool) -> dict[str, Any]:
    """A tool as it goes out."""
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


async def test_the_ten_tools_are_listed_in_the_same_order_in_both_eras() -> None:
    """A list that changes its order defeats every client's cache."""
    both = [[tool.name for tool in (await listed(era)).tools] for era in ERAS]
    assert both[0] == both[1] == list(CALLS)


async def test_reading_every_definition_costs_at_most_3000_tokens() -> None:
    """Names, descriptions and input schemas, four characters a token; growth is a decision."""
    chars = sum(
        len(tool.name)
        + len(tool.description or "")
        + len(json.dumps(tool.input_schema, separators=(",", ":")))
        for tool in (await listed()).tools
    )
    assert chars / CHARS_A_TOKEN <= min(TOKENS_MAX, GROWTH_MAX * TOKENS_NOW)


async def test_each_tool_goes_out_as_its_types_say() -> None:
    """The listing is read from files, which a changed tool or answer makes anew.

    A changed definition is a changed product: accept it with GONOGO_SNAPSHOTS=accept.
    """
    functions = Tools(Gonogo(Settings(store="")))
    schemas = {
        defined.name: {
            "inputSchema": arguments_schema(getattr(functions, defined.name)),
            "outputSchema": answer_schema(defined.answer),
        }
        for defined in DEFINITIONS
    }
    accepts = os.environ.get("GONOGO_SNAPSHOTS") == "accept"
    if accepts:
        await _write(schemas)  # nothing is listed before a new tool has its file
    tools = {tool.name: definition(tool) | schemas[tool.name] for tool in (await listed()).tools}
    if accepts:
        await _write(tools)
    kept = {path.stem: json.loads(path.read_text()) for path in sorted(LISTED.glob("*.json"))}
    assert kept == tools


async def _write(tools: dict[str, dict[str, Any]]) -> None:
    for name, shown in tools.items():
        text = json.dumps(shown, indent=1, ensure_ascii=False) + "\n"
        await anyio.Path(LISTED / f"{name}.json").write_text(text)


async def test_each_tool_says_what_it_is_when_to_use_it_and_how_it_acts() -> None:
    """Gates treat an absent hint as unsafe, and a model needs the moment of use."""
    for tool in (await listed()).tools:
        assert tool.title
        assert tool.description is not None
        assert len(tool.description.split()) <= DESCRIPTION_WORDS_MAX
        assert "Use " in tool.description
        hints = tool.annotations
        assert hints is not None
        flags = (hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert None not in (hints.title, hints.read_only_hint, *flags)
        if hints.read_only_hint:
            assert flags == (False, True, False)


async def test_every_parameter_is_described_and_without_noise() -> None:
    """No generated titles, no null arms, no bound that nobody meets by accident."""
    for tool in (await listed()).tools:
        assert '"title"' not in json.dumps(tool.input_schema)
        assert '"null"' not in json.dumps([tool.input_schema, tool.output_schema])
        for name, part in tool.input_schema["properties"].items():
            assert part["description"], (tool.name, name)


async def test_the_schema_of_an_observation_names_every_field() -> None:
    """What a schema leaves out, a framework that rebuilds it drops, and strict modes cannot send."""
    [tool] = [tool for tool in (await listed()).tools if tool.name == "record_observations"]
    item = tool.input_schema["properties"]["observations"]["items"]
    assert item["properties"].keys() == FIELDS.keys()


# What Gemini's declarations, OpenAI's strict mode and grammar-constrained decoders all take.
KEYWORDS = {
    *("type", "description", "properties", "required", "items", "enum", "anyOf"),
    *("minimum", "maximum", "minItems", "maxItems"),
}
TYPES = {"object", "array", "string", "number", "integer", "boolean"}


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and every schema within it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for part in [*inner, schema["items"]] if "items" in schema else inner:
        yield from parts(part)


async def test_arguments_are_listed_in_keywords_that_every_decoder_takes() -> None:
    """One keyword that a provider does not know makes it refuse the whole list of tools."""
    for tool in (await listed()).tools:
        for part in parts(tool.input_schema):
            assert part.keys() <= KEYWORDS, tool.name
            # Vertex takes nothing beside anyOf; one type is all that Gemini can say.
            assert part.keys() == {"anyOf"} or part["type"] in TYPES, tool.name
            assert "items" in part or part.get("type") != "array"


async def test_lists_may_be_cached_and_what_they_lead_to_may_not() -> None:
    """The lists never change while a server runs; a health reading is stale at once."""
    async with client(Scripted(), "2026-07-28") as asked:
        tools = await asked.list_tools()
        read = await asked.read_resource("gonogo://dependencies")
    assert (tools.ttl_ms, tools.cache_scope) == (3_600_000, "public")
    assert (read.ttl_ms, read.cache_scope) == (0, "private")


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_nothing_deprecated_is_offered(era: str) -> None:
    """Logging to the client is deprecated in 2026-07-28; warnings of the SDK fail every test."""
    async with client(Scripted(), era) as asked:
        offered = asked.server_capabilities
    assert offered is not None
    assert offered.logging is None
    assert None not in (offered.tools, offered.prompts, offered.resources, offered.completions)


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_the_server_says_who_it_is(era: str) -> None:
    """Name, title, version and short instructions, in both eras."""
    async with client(Scripted(), era) as asked:
        info = asked.server_info
        assert info is not None
        assert (info.name, info.title, info.version) == ("gonogo", "gonogo", "0.1.0")
        assert "preflight" in (asked.instructions or "")
