"""The dashboard's HTTP surface: who may ask, the page, the questions, the stream of changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from gonogo import __version__
from gonogo.app import Gonogo
from gonogo.dashboard.approval_page import approval_route
from gonogo.dashboard.questions import Answers, question_of
from gonogo.errors import GonogoError
from gonogo.http.guard import Place, bearer, holds, refusal, status_of
from gonogo.http.signatures import PATH as LINKED
from gonogo.panel import inline_hash, panel_html, stream_script
from gonogo.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gonogo.dashboard.pulse import Pulse

COOKIE = "gonogo_token"
BEAT_S = 15.0
ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def site(
    app: Gonogo, pulse: Pulse, *, place: Place, tokens: Sequence[str], acting: Gonogo | None = None
) -> ASGIApp:
    """The dashboard of an application.

    Args:
        app: Who answers.
        pulse: Tells of changes.
        place: Where it listens; on loopback, Host must name loopback.
        tokens: Whoever asks must hold one of these; nothing where there are none.
        acting: Who carries out what a signed link approves; None: nobody.
    """
    answers = Answers(app, pulse)
    html = panel_html()
    policy = (
        f"default-src 'none'; script-src {inline_hash(html, 'script')}; "
        f"style-src {inline_hash(html, 'style')}; connect-src 'self'; worker-src 'self'; "
        "img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    safe = ALWAYS | {"content-security-policy": policy, "referrer-policy": "no-referrer"}

    async def page(_: Request) -> Response:
        return HTMLResponse(html, headers=safe)

    async def stream(_: Request) -> Response:
        # A worker has a policy of its own: it opens the stream, and nothing else.
        own = ALWAYS | {"content-security-policy": "default-src 'none'; connect-src 'self'"}
        return Response(stream_script(), media_type="text/javascript", headers=own)

    async def about(_: Request) -> Response:
        return JSONResponse(_about(app.settings, await app.budget_names()), headers=ALWAYS)

    async def ask(request: Request) -> Response:
        try:
            question = question_of(request.path_params["tool"], request.query_params)
            return JSONResponse(await answers.to(question), headers=ALWAYS)
        except GonogoError as error:
            told = {"isError": True, "content": [{"type": "text", "text": str(error)}]}
            return JSONResponse(told, status_code=status_of(error), headers=ALWAYS)

    async def changes(_: Request) -> Response:
        if pulse.is_full:
            return PlainTextResponse("Too many pages listen already.", status_code=503)
        return StreamingResponse(_events(pulse), media_type="text/event-stream", headers=ALWAYS)

    routes = [
        Route("/", page),
        Route("/stream.js", stream),
        Route("/api/about", about),
        Route("/api/changes", changes),
        Route("/api/{tool}", ask),
    ]
    if acting is not None:
        routes.append(approval_route(acting))
    return _AccessGuard(Starlette(routes=routes), place, tokens)


def _about(settings: Settings, budgets: list[str]) -> dict[str, Any]:
    """The budgets and workloads there are, which the page cannot learn from an answer."""
    return {
        "version": __version__,
        "budgets": [
            {"budget": name, "planned_calls": _planned(settings, name)} for name in budgets
        ],
        "workloads": list(settings.workloads),
    }


def _planned(settings: Settings, budget: str) -> int:
    """The calls that the workloads of a budget plan together; 100 where it has none."""
    planned = [
        sum(work.dependencies.values())
        for work in settings.workloads.values()
        if work.budget == budget
    ]
    return sum(planned) or 100


async def _events(pulse: Pulse) -> AsyncIterator[str]:
    """Server-sent events: one at once, one after each change, a comment while nothing happens."""
    yield "retry: 2000\nevent: changed\ndata: {}\n\n"
    async with aclosing(pulse.listen(beat_s=BEAT_S)) as beats:
        async for changed in beats:
            yield "event: changed\ndata: {}\n\n" if changed else ": still here\n\n"


class _AccessGuard:
    """Lets through only requests that come from where they should, from whoever holds a token."""

    def __init__(self, inner: ASGIApp, place: Place, tokens: Sequence[str]) -> None:
        self._inner, self._place, self._tokens = inner, place, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refused(Request(scope))) is not None:
            await refused(scope, receive, send)
            return
        await self._inner(scope, receive, send)

    def _opens(self, shown: str | None) -> bool:
        return any(holds(token, shown) for token in self._tokens)

    def _refused(self, request: Request) -> Response | None:
        headers: Headers = request.headers
        if (why := refusal(headers, self._place)) is not None:
            return PlainTextResponse(why, status_code=403)
        # A link that is signed is its own permission; its page checks that.
        if not self._tokens or request.url.path == LINKED:
            return None
        if self._opens(bearer(headers) or request.cookies.get(COOKIE)):
            return None
        entering = request.query_params.get("token")
        if entering is not None and self._opens(entering):
            # The address with the token should not stay in the history: it becomes a cookie.
            entered = RedirectResponse("/", status_code=303, headers=ALWAYS)
            entered.set_cookie(COOKIE, entering, httponly=True, samesite="strict")
            return entered
        return PlainTextResponse(
            "A token is needed: open /?token=… once, or send it as a bearer token.", status_code=401
        )
