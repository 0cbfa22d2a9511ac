"""gonogo's server with the fixtures that the conformance suite asks for, made by the same factory.

Run by hand: `python tests/peers/twin.py STORE` serves on a free port and says where.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from gonogo.app import Gonogo
from gonogo.http.guard import Place, listening_socket
from gonogo.server.gate import LOOPBACK, Access
from gonogo.server.streamable_http import behind_gate, serve_gate, serve_surface
from gonogo.server.surface import GonogoServer
from gonogo.settings import Settings

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="
SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
Asked = Context[Gonogo]
FIXTURE = "A fixture of the conformance suite."
Answer = CallToolResult | InputRequiredResult


def words(text: str) -> CallToolResult:
    """A result of one text."""
    return CallToolResult(content=[TextContent(type="text", text=text)])


def form(message: str, **kinds: str) -> dict[str, Any]:
    """A question that a person fills in."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in kinds.items()},
        "required": list(kinds),
    }
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


SAMPLING = {
    "method": "sampling/createMessage",
    "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": "Capital of France?"}}],
        "maxTokens": 50,
    },
}
ROOTS: dict[str, Any] = {"method": "roots/list", "params": {}}


def asking(state: str | None = None, **requests: dict[str, Any]) -> InputRequiredResult:
    """A round that asks the client."""
    whole: dict[str, Any] = {"resultType": "input_required", "inputRequests": requests}
    return InputRequiredResult.model_validate(whole | ({"requestState": state} if state else {}))


def heard(ctx: Asked, *names: str) -> bool:
    """Whether every question was answered."""
    return all(name in (ctx.input_responses or {}) for name in names)


def field(ctx: Asked, question: str, name: str) -> str:
    """What a person filled in."""
    answer = (ctx.input_responses or {})[question]
    return str((getattr(answer, "content", None) or {}).get(name))


class Reply(BaseModel):
    """What a person is asked."""

    response: str = Field(description="anything")


class Defaults(BaseModel):
    """A default of every primitive type."""

    name: str = Field(default="John Doe", description="name")
    age: int = Field(default=30, description="age")
    score: float = Field(default=95.5, description="score")
    status: str = Field(
        default="active", json_schema_extra={"enum": ["active", "inactive", "pending"]}
    )
    verified: bool = Field(default=True, description="verified")


def titled(*values: str) -> list[dict[str, str]]:
    """Choices with titles."""
    return [{"const": value, "title": value.title()} for value in values]


class Choices(BaseModel):
    """Every way of saying an enumeration."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["one", "two"]})  # noqa: N815 - the suite's
    titledSingle: str = Field(json_schema_extra={"oneOf": titled("low", "high")})  # type: ignore[dict-item]  # noqa: N815
    legacyEnum: str = Field(  # noqa: N815
        json_schema_extra={"enum": ["small", "large"], "enumNames": ["Small", "Large"]}
    )
    untitledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"type": "string", "enum": ["read", "write"]}}
    )
    titledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"anyOf": titled("bug", "docs")}}  # type: ignore[dict-item]
    )


def add_contents(server: GonogoServer) -> None:
    """Tools that answer with each kind of content."""
    image = ImageContent(type="image", data=PIXEL, mime_type="image/png")

    def resource(uri: str) -> EmbeddedResource:
        held = TextResourceContents(uri=uri, mime_type="text/plain", text="held")
        return EmbeddedResource(type="resource", resource=held)

    contents: dict[str, list[Any]] = {
        "test_simple_text": [
            TextContent(type="text", text="This is a simple text response for testing.")
        ],
        "test_image_content": [image],
        "test_audio_content": [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")],
        "test_embedded_resource": [resource("test://embedded-resource")],
        "test_multiple_content_types": [
            TextContent(type="text", text="Multiple content types test:"),
            image,
            resource("test://mixed-content-resource"),
        ],
    }
    for name, content in contents.items():
        server.add_tool(
            _answering(content), name=name, description=FIXTURE, structured_output=False
        )


def _answering(content: list[Any]) -> Callable[[], CallToolResult]:
    def answer() -> CallToolResult:
        return CallToolResult(content=content)

    return answer


def add_calls(server: GonogoServer) -> None:
    """Tools that fail, tell progress, or ask over a back channel."""

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_error_handling() -> CallToolResult:
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_tool_with_progress(ctx: Asked) -> CallToolResult:
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await anyio.sleep(0.05)
        return words("done")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_elicitation(message: str, ctx: Asked) -> CallToolResult:
        return words((await ctx.elicit(message, Reply)).model_dump_json())

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Asked) -> CallToolResult:
        return words((await ctx.elicit("Fill in", Defaults)).model_dump_json())

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Asked) -> CallToolResult:
        return words((await ctx.elicit("Choose", Choices)).model_dump_json())

    def add_with_schema(name: str, schema: dict[str, Any]) -> None:
        async def kept(region: str = "") -> CallToolResult:
            return words(f"kept {region}")

        server.add_tool(kept, name=name, description=FIXTURE, structured_output=False)
        found = server._tool_manager.get_tool(name)
        assert found is not None
        found.parameters = schema

    add_with_schema("json_schema_2020_12_tool", SCHEMA_2020_12)
    region = {"type": "string", "x-mcp-header": "Region"}
    add_with_schema("test_headers", {"type": "object", "properties": {"region": region}})


def add_rounds(server: GonogoServer) -> None:
    """Tools that need input of the client, from 2026-07-28 on."""
    name = form("What is your name?", name="string")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_elicitation(ctx: Asked) -> Answer:
        if not heard(ctx, "user_name"):
            return asking(user_name=name)
        return words(f"Hello, {field(ctx, 'user_name', 'name')}!")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_missing_capability(ctx: Asked) -> CallToolResult:
        declared = ctx.client_capabilities
        if declared is None or declared.sampling is None:
            needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "Sampling is needed.", needed)
        return words("declared")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_sampling(ctx: Asked) -> Answer:
        return (
            words("heard") if heard(ctx, "capital_question") else asking(capital_question=SAMPLING)
        )

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_list_roots(ctx: Asked) -> Answer:
        return words("heard") if heard(ctx, "client_roots") else asking(client_roots=ROOTS)

    @server.prompt(description=FIXTURE)
    async def test_input_required_result_prompt(ctx: Asked) -> Any:  # noqa: ANN401 - as the SDK
        if not heard(ctx, "user_context"):
            question = form("What context should the prompt use?", context="string")
            return asking(user_context=question)
        return f"Use {field(ctx, 'user_context', 'context')}."


def add_states(server: GonogoServer) -> None:  # noqa: C901 - fixtures, one after the other
    """Tools that keep state between rounds, or look at what the client declared."""
    name = form("What is your name?", name="string")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_request_state(ctx: Asked) -> Answer:
        if not heard(ctx, "confirm") or ctx.request_state != "kept":
            return asking("kept", confirm=form("Please confirm", ok="boolean"))
        return words("state-ok")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_tampered_state(ctx: Asked) -> Answer:
        if not heard(ctx, "confirm"):
            return asking("kept", confirm=form("Please confirm", ok="boolean"))
        return words("state-ok")

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_multiple_inputs(ctx: Asked) -> Answer:
        if heard(ctx, "user_name", "greeting", "client_roots"):
            return words("heard all")
        return asking("kept", user_name=name, greeting=SAMPLING, client_roots=ROOTS)

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_multi_round(ctx: Asked) -> Answer:
        if heard(ctx, "step2"):
            return words("done in three rounds")
        if heard(ctx, "step1"):
            color = form("Step 2: What is your favorite color?", color="string")
            return asking("second", step2=color)
        return asking("first", step1=form("Step 1: What is your name?", name="string"))

    @server.tool(description=FIXTURE, structured_output=False)
    async def test_input_required_result_capabilities(ctx: Asked) -> Answer:
        declared = ctx.client_capabilities
        requests: dict[str, Any] = {}
        if declared is not None and declared.elicitation is not None:
            requests["user_name"] = name
        if declared is not None and declared.sampling is not None:
            requests["greeting"] = SAMPLING
        return asking(**requests) if requests else words("nothing to ask with")


def add_documents(server: GonogoServer) -> None:
    """Resources and prompts."""

    @server.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        return base64.b64decode(PIXEL)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    async def template(id: str) -> str:  # noqa: A002 - the template's variable
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.prompt(description=FIXTURE)
    async def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description=FIXTURE)
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(description=FIXTURE)
    async def test_prompt_with_embedded_resource(resourceUri: str) -> list[Any]:  # noqa: N803
        held = TextResourceContents(uri=resourceUri, mime_type="text/plain", text="held")
        return [EmbeddedResource(type="resource", resource=held), "Please process it."]

    @server.prompt(description=FIXTURE)
    async def test_prompt_with_image() -> list[Any]:
        image = ImageContent(type="image", data=PIXEL, mime_type="image/png")
        return [image, "Please look at it."]


def main(store: str) -> None:
    """Serve the twin until a signal ends it."""
    served = serve_surface(Gonogo(Settings(store=store)))
    for add in (add_contents, add_calls, add_rounds, add_states, add_documents):
        add(served.server)
    gate = behind_gate({"act": served}, Access(hosts=LOOPBACK))
    with listening_socket(Place("127.0.0.1", 0), option="twin") as listener:
        anyio.run(serve_gate, gate, listener)


if __name__ == "__main__":
    main(sys.argv[1])
