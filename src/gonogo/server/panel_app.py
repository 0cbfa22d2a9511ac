"""The panel as an MCP App: the page that hosts show beside an answer, and what it draws from.

A client that does not know Apps sees nothing of it: the words and the object of an answer are the
same, and its history goes only to who can draw it, in `_meta`, which no model reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mcp.server.apps import APP_MIME_TYPE, Apps, client_supports_apps
from mcp.server.mcpserver.resources import FunctionResource
from mcp_types import CallToolRequestParams, CallToolResult
from pydantic import TypeAdapter

from gonogo.errors import GonogoError
from gonogo.panel import HISTORY, panel_html

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from gonogo.answers import Answer
    from gonogo.app import Gonogo

PANEL_URI = "ui://gonogo/panel"
PANEL_META: dict[str, Any] = {"ui": {"resourceUri": PANEL_URI}}


class PanelApp(Apps):
    """Serves the page, and adds to an answer what the page draws.

    Args:
        app: Who answers.
        drawn: The type of the answer of each tool that is bound to the page.
    """

    def __init__(self, app: Gonogo, drawn: Mapping[str, Any]) -> None:
        super().__init__()
        self._app = app
        self._drawn = drawn
        self.add_resource(
            FunctionResource(
                uri=PANEL_URI,
                name="panel",
                title="gonogo panel",
                description="Draws the answers of the reading tools.",
                mime_type=APP_MIME_TYPE,
                # It brings everything along, so there is no domain to allow.
                meta={"ui": {"csp": {}, "prefersBorder": True}},
                fn=panel_html,
            )
        )

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> HandlerResult:
        """Answer as ever; for a client that draws, with the answer's history in `_meta`."""
        result = await call_next(ctx)
        if (
            params.name in self._drawn
            and isinstance(result, CallToolResult)
            and not result.is_error
            and client_supports_apps(ctx)
        ):
            shape: TypeAdapter[Answer] = TypeAdapter(self._drawn[params.name])
            answer = shape.validate_python(result.structured_content)
            asked = {k: v for k, v in (params.arguments or {}).items() if v is not None}
            # What cannot be drawn takes nothing from the answer.
            with suppress(GonogoError):
                history = await self._app.history(answer, asked)
                if history is not None:
                    drawn = {HISTORY: history.model_dump(mode="json", exclude_none=True)}
                    return result.model_copy(update={"meta": {**(result.meta or {}), **drawn}})
        return result
