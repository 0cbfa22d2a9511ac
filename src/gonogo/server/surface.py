"""The MCP server of one application: tools, resources, completions, and errors in one line.

It answers both protocol eras (the 2025-11-25 handshake and 2026-07-28) and does not open the store
before the first question.
"""

from __future__ import annotations

import difflib
import gc
import logging
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import (
    ResourceError,
    ResourceNotFoundError,
    ToolError,
    UnexpectedResourceError,
    UnexpectedToolError,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
)
from mcp_types.methods import CacheableMethod
from pydantic import AnyUrl, ValidationError
from pydantic_core import ErrorDetails

from gonogo import __version__
from gonogo.app import Gonogo
from gonogo.app.open_store import acting_as
from gonogo.errors import GonogoError, UnknownTarget, plain
from gonogo.server.definitions import DRAWN, define
from gonogo.server.gate import SUBJECT
from gonogo.server.panel_app import PanelApp
from gonogo.server.prompts import add_prompts
from gonogo.server.resources import Listeners, add_completions, add_resources, tell_listeners
from gonogo.server.tools import NO_ANSWER, Tools

INSTRUCTIONS = (
    "gonogo tells whether the models, skills, tools, APIs and budgets that work depends on are fit "
    "for it: go, caution, no_go or unknown. Ask preflight before a costly, long or irreversible "
    "run and obey it: do not start on no_go, and treat unknown as not known to be safe. Record "
    "observations after calls: they are the evidence."
)
LISTED_FOR_MS = 3_600_000
_STABLE = CacheHint(ttl_ms=LISTED_FOR_MS, scope="public")
CACHE_HINTS: dict[CacheableMethod, CacheHint] = {
    "server/discover": _STABLE,
    "tools/list": _STABLE,
    "prompts/list": _STABLE,
    "resources/list": _STABLE,
    "resources/templates/list": _STABLE,
    # What a resource says changes with every observation.
    "resources/read": CacheHint(ttl_ms=0, scope="private"),
}

logger = logging.getLogger("gonogo.server")


class GonogoServer(MCPServer[Gonogo]):
    """The SDK's server with errors that a model can act on, and crashes that tell it nothing."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the SDK's own
        super().__init__(**options)
        self.calls: Counter[tuple[str, str]] = Counter()
        self._modules = 0

    async def run_stdio_answered(self) -> None:
        """Serve over standard input and output; what cannot be read is answered too."""
        from gonogo.server.stdio_messages import answered_stdio

        lowlevel = self._lowlevel_server
        async with answered_stdio() as (read, write):
            await lowlevel.run(read, write, lowlevel.create_initialization_options())

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Gonogo, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool by name.

        Raises:
            ToolError: One line of at most 400 characters: what is wrong, what to do.
        """
        known = name if self._tool_manager.get_tool(name) else "unknown"
        try:
            with acting_as(_caller(context)):
                answered = await super().call_tool(name, arguments, context)
        except ToolError as error:
            crash = isinstance(error, UnexpectedToolError) and not isinstance(
                error.__cause__, GonogoError
            )
            self.calls[known, "crashed" if crash else "refused"] += 1
            raise ToolError(self._said(name, error)) from None
        self.calls[known, "ok"] += 1
        self._set_imports_aside()
        return answered

    def _set_imports_aside(self) -> None:
        """Keep what a tool's first call imported out of later garbage collections.

        A full collection looks through all of numpy and our own classes, some 20 ms of whichever answer
        it falls into. Cycles of that one call that are garbage by then are kept as well; they are few.
        """
        if len(sys.modules) > self._modules:
            self._modules = len(sys.modules)
            gc.freeze()

    def _said(self, name: str, error: ToolError) -> str:
        tool = self._tool_manager.get_tool(name)
        if tool is None:
            known = [t.name for t in self._tool_manager.list_tools()]
            return plain(unknown_name("tool", name, known).capitalize() + ".")
        match error.__cause__:
            case ValidationError() as cause if not isinstance(error, UnexpectedToolError):
                return refused_arguments(name, tool.parameters["properties"], cause)
            case ToolError() as cause if str(cause).startswith("Resolver "):
                return NO_ANSWER  # the SDK's own words of a form that came back as none
            case GonogoError() | ToolError() as cause:
                return plain(str(cause))
            case cause:
                return crashed(name, cause or error)

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Gonogo, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource by its address.

        Raises:
            ResourceNotFoundError: Nothing has this address.
            ResourceError: It cannot be read; one line.
        """
        try:
            return await super().read_resource(uri, context)
        except UnexpectedResourceError as error:
            match error.__cause__:
                case UnknownTarget() as cause:
                    raise ResourceNotFoundError(str(cause)) from None
                case GonogoError() as cause:
                    raise ResourceError(str(cause)) from None
                case cause:
                    raise ResourceError(crashed("the resource", cause or error)) from None

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[Gonogo, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Fill in a prompt.

        Raises:
            MCPError: There is no such prompt or argument, or one is missing; one line.
        """
        prompt = self._prompt_manager.get_prompt(name)
        if prompt is None:
            listed = [known.name for known in self._prompt_manager.list_prompts()]
            raise MCPError(INVALID_PARAMS, plain(unknown_name("prompt", name, listed)))
        takes = {taken.name: taken.required for taken in prompt.arguments or ()}
        for given in arguments or ():
            if given not in takes:
                raise MCPError(INVALID_PARAMS, plain(unknown_name("argument", given, takes)))
        for wanted, required in takes.items():
            if required and not (arguments or {}).get(wanted):
                raise MCPError(INVALID_PARAMS, f"{name}: argument '{wanted}' is missing.")
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            raise MCPError(INTERNAL_ERROR, crashed(name, error)) from None


def _caller(context: Context[Gonogo, Any] | None) -> str | None:
    """The name in a request's token; `agent` where it names nobody."""
    request = None if context is None else context.request_context.request
    subject = getattr(request, "scope", {}).get(SUBJECT)
    return f"agent:{subject}" if subject else None


def crashed(what: str, error: BaseException) -> str:
    """Log a crash under an id, and say no more than the id."""
    incident = secrets.token_hex(4)
    logger.error("crash %s in %s", incident, what, exc_info=error)
    return (
        f"{what} failed inside gonogo (crash {incident}); nothing can be concluded from it. The "
        "server's stderr has the details under that id; gonogo doctor says whether the store is whole."
    )


def build_server(app: Gonogo) -> GonogoServer:
    """The server that answers for an application, on any transport."""
    listeners = Listeners()

    @asynccontextmanager
    async def lifespan(_: MCPServer[Gonogo]) -> AsyncIterator[Gonogo]:
        async with app, anyio.create_task_group() as tasks:
            tasks.start_soon(tell_listeners, app, listeners)
            yield app
            tasks.cancel_scope.cancel()

    server = GonogoServer(
        name="gonogo",
        title="gonogo",
        description="Is what an agent depends on fit for the work it is about to do?",
        instructions=INSTRUCTIONS,
        version=__version__,
        tools=define(Tools(app)),
        extensions=[PanelApp(app, DRAWN)],
        lifespan=lifespan,
        cache_hints=CACHE_HINTS,
        subscriptions=listeners,
        log_level="WARNING",
    )
    add_resources(server, app)
    add_prompts(server, app)
    add_completions(server, app)
    return server


PROBLEMS_SHOWN = 3
VALUE_CHARS_MAX = 60

_WANTED: Mapping[str, str] = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "is {length} characters long; at most {max_length}",
    "too_short": "needs at least {min_length}",
    "too_long": "has {actual_length}; at most {max_length}",
}


def refused_arguments(tool: str, known: Iterable[str], error: ValidationError) -> str:
    """Describe the errors in a call's arguments: names, values, what is allowed."""
    names = list(known)
    # An unknown name explains a missing one, so it comes first.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    said = [_problem(problem, names) for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        said.append(f"and {len(problems) - PROBLEMS_SHOWN} more problems")
    return plain(f"{tool}: {'; '.join(said)}.")


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, with the nearest known ones."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
    return f"unknown {what} '{plain(name, VALUE_CHARS_MAX)}' ({hint})"


def _problem(problem: ErrorDetails, names: list[str]) -> str:
    where = ".".join(plain(str(part), VALUE_CHARS_MAX) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return unknown_name("argument", str(problem["loc"][0]), names)
        case "missing":
            return f"argument '{where}' is missing"
        case kind:
            wanted = _WANTED.get(kind, "is not valid")
            context = {
                k: f"{v:g}" if isinstance(v, float) else v
                for k, v in problem.get("ctx", {}).items()
            }
            length = len(problem["input"]) if isinstance(problem["input"], str) else 0
            said = wanted.format(**{**context, "length": length}).replace(" or '", ", '")
            return f"argument '{where}' {said}{_got(problem['input'])}"


def _got(value: object) -> str:
    match value:
        case str() if len(value) > VALUE_CHARS_MAX or not value:
            return ""
        case str() | int() | float():
            return f", got {plain(repr(value), VALUE_CHARS_MAX)}"
        case list():
            return ""
        case _:
            return f", got {'null' if value is None else 'an object'}"
