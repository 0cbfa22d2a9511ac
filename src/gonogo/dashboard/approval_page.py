"""The page behind a signed link: it shows the plan and asks; only its button carries the plan out."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gonogo.app import Gonogo
from gonogo.errors import GonogoError, UnknownTarget, plain
from gonogo.http.signatures import PATH, ApprovalLink, read_link
from gonogo.text.answer_text import question

if TYPE_CHECKING:
    from starlette.requests import Request

GONE, FORBIDDEN = 410, 403
HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    # The address is the permission: it is told to nobody.
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
}


def approval_route(app: Gonogo) -> Route:
    """The page behind approval links. `app` may act; without a configured secret every link is refused."""
    secret = app.settings.approval_secret

    async def approve(request: Request) -> Response:
        value = "" if secret is None else secret.value
        link = read_link(value, request.query_params) if value else None
        if link is None:
            return _page("This link is not signed by this gonogo. Nothing was changed.", FORBIDDEN)
        if app.clock() >= link.until_s * 1000:
            return _page("This link has expired. Nothing was changed.", GONE)
        try:
            if request.method == "POST":
                return _page(await _carried_out(app, link))
            return await _shown(app, link, request)
        except GonogoError as error:
            status = 404 if isinstance(error, UnknownTarget) else 409
            return _page(f"Nothing was changed. {error}", status)

    return Route(PATH, approve, methods=["GET", "POST"])


async def _shown(app: Gonogo, link: ApprovalLink, request: Request) -> Response:
    from gonogo.fallback.ask import waiting_plan

    found = await waiting_plan((await app.stores()).fallback, link.plan_id)
    if found is None:
        return _page(f"Plan {link.plan_id} was carried out already. Nothing is left to approve.")
    action = escape(f"{PATH}?{request.url.query}", quote=True)
    form = f'<form method="post" action="{action}"><button>Carry out</button></form>'
    return _page(question(*found), form=form)


async def _carried_out(app: Gonogo, link: ApprovalLink) -> str:
    actor = f"person:{plain(link.sent_to, 60)} (by link)"
    async with Gonogo(app.settings, clock=app.clock, actor=actor) as acting:
        done = await acting.approve(link.plan_id, how="link")
    again = "It was carried out already; nothing was done again. " if done.replayed else ""
    return f"{again}{done.summary}"


def _page(said: str, status: int = 200, *, form: str = "") -> Response:
    lines = "".join(f"<p>{escape(line)}</p>" for line in said.splitlines())
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>gonogo: approve</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><h1>gonogo</h1>{lines}{form}</body></html>"
    )
    return HTMLResponse(html, status_code=status, headers=HEADERS)
