"""What other people's libraries make of the tools' schemas: each rebuilds them in its own way."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

from agents.strict_schema import ensure_strict_json_schema
from autogen_core.utils import schema_to_pydantic_model
from google.genai import types
from outlines_core.json_schema import build_regex_from_schema


def main(listed: str, sent: str) -> None:
    """Rebuild every schema; put the arguments that were sent through AutoGen's, for each tool."""
    through: dict[str, Any] = {}
    arguments = json.loads(Path(sent).read_text())
    for tool in json.loads(Path(listed).read_text()):
        name, schema = tool["name"], tool["inputSchema"]
        declared = types.JSONSchema.model_validate(schema)
        types.Schema.from_json_schema(json_schema=declared, raise_error_on_unsupported_field=True)
        types.FunctionDeclaration(
            name=name, description=tool["description"], parameters=types.Schema(**schema)
        )
        ensure_strict_json_schema(copy.deepcopy(schema))
        build_regex_from_schema(json.dumps(schema))
        model = schema_to_pydantic_model(schema)
        through[name] = [model.model_validate(each).model_dump() for each in arguments[name]]
    sys.stdout.write(json.dumps(through) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
