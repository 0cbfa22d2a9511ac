"""Schemas from the tools' types: models that check arguments, and the listed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver.resolve import find_resolved_parameters
from mcp.server.mcpserver.utilities.context_injection import find_context_parameter
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, func_metadata
from pydantic import ConfigDict, TypeAdapter

from gonogo.ingest.cell_words import Form
from gonogo.ingest.field_checks import KINDS
from gonogo.ingest.observation import FIELDS

# A bound that nobody meets by accident is not worth a model's tokens.
ENDLESS = 1_000_000_000


def arguments_model(function: Callable[..., Any]) -> type[ArgModelBase]:
    """The model that checks a tool's arguments.

    The SDK ignores unknown arguments and reads "5" as 5: a wrong call would look answered.
    """
    context = find_context_parameter(function)
    skipped = [*find_resolved_parameters(function), *([context] if context else [])]
    model = func_metadata(function, skip_names=skipped, structured_output=False).arg_model
    model.model_config |= ConfigDict(extra="forbid", strict=True)
    model.model_rebuild(force=True)
    return model


def arguments_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """JSON Schema of a tool's arguments as it is listed."""
    made = arguments_model(function).model_json_schema(by_alias=True)
    # "required" is there even where nothing is: a reader need not guess whether it was forgotten.
    schema: dict[str, Any] = without_noise({"required": [], **made})
    # What is not listed is refused by name, which costs no token of a listing.
    del schema["additionalProperties"]
    for part in schema["properties"].values():
        # Strict decoders refuse it; the description says what is taken where nothing is given.
        part.pop("default", None)
    if "observations" in schema["properties"]:
        schema["properties"]["observations"]["items"] = observation_schema()
    return schema


_OF_FORM: dict[Form, dict[str, Any]] = {
    "text": {"type": "string"},
    "time": {"type": "string"},
    "number": {"type": "number"},
    "count": {"type": "number"},
    "outcome": {"type": "number", "minimum": 0, "maximum": 1},
    "list": {"type": "array", "items": {"type": "number"}},
}


def observation_schema() -> dict[str, Any]:
    """JSON Schema of one observation: every field, in keywords that every client takes.

    An object of any names cannot be said in strict mode, so it may come as text: `tier=new`.
    """
    properties: dict[str, Any] = {}
    for field in FIELDS.values():
        said = {"description": field.description}
        if field.form in _OF_FORM:
            properties[field.name] = {**_OF_FORM[field.form], **said}
        else:
            # A description beside anyOf is refused by Vertex.
            properties[field.name] = {"anyOf": [{"type": "object", **said}, {"type": "string"}]}
    properties["kind"]["enum"] = list(KINDS)
    return {"type": "object", "properties": properties, "required": ["dependency"]}


def answer_schema(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - a model or a union of models
    """JSON Schema of a tool's answer as it is listed."""
    return {"type": "object", **without_noise(TypeAdapter(answer).json_schema(by_alias=True))}


def without_noise(schema: Any) -> Any:  # noqa: ANN401 - a JSON Schema is any JSON
    """A schema without generated titles and null arms: a field that would be null is left out."""
    if isinstance(schema, list):
        return [without_noise(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: without_noise(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else without_noise(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and value is None)
        # That a name is neither empty nor endless goes without saying; it is refused all the same.
        and not (key == "minLength" and value == 1)
        and key != "maxLength"
        and not (key == "maximum" and value >= ENDLESS)
    }
    if "exclusiveMinimum" in kept:
        # Gemini refuses a whole list for this keyword; the bound itself is checked at the call.
        kept["minimum"] = kept.pop("exclusiveMinimum")
    arms = [arm for arm in kept.get("anyOf", ()) if arm != {"type": "null"}]
    if len(arms) == 1:
        del kept["anyOf"]
        return {**arms[0], **kept}
    return {**kept, "anyOf": arms} if arms else kept
