"""The receiver's HTTP surface: `/v1/traces`, `/v1/metrics`, `/v1/logs`, `/v1/changes`, and `/healthz` with counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.app.incident_actions import record_change
from gonogo.app.taking_back import forget
from gonogo.errors import GonogoError, ParameterError, UnknownTarget
from gonogo.http.guard import (
    Place,
    bearer,
    holds,
    listening_socket,
    refusal,
    refuse_without_token,
    status_of,
)
from gonogo.ingest.otlp.collect import Batch, Collector, metrics_run
from gonogo.ingest.otlp.stated_changes import change_of_json
from gonogo.ingest.otlp.wire import (
    BODY_BYTES_MAX,
    MalformedMessage,
    Signal,
    answer,
    failure,
    need_protobuf,
    unpacked,
)
from gonogo.store.observations.forget import Selection

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gonogo.ports.change_event import ChangeEvent

# Which way in what it takes came by.
WRITER = "otlp"
RETRY_AFTER_S = "5"
PROTOBUF = "application/x-protobuf"
SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")
UNKNOWN_KEYS_TOLD = 50

CONNECTIONS_MAX = 64


class Receiver:
    """Takes exports in, one at a time: decodes them in a thread, and stores what they tell.

    An export is answered after its commit. A client sends again what was answered with 503, and
    what was stored already is known by its id.
    """

    def __init__(self, app: Gonogo) -> None:
        self._app = app
        self._collector = Collector(app.clock(), app.settings.evaluations)
        self._turn = anyio.Lock()
        self._is_restored = False

    async def export(self, signal: Signal, request: Request) -> Response:
        """Answer one export request."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            body = await _bounded_body(request)
            if signal == "metrics" or not self._is_restored:
                await self._restore()
            batch = await self._read(
                signal, body, request.headers.get("content-encoding"), content_type
            )
            if batch.waiting:
                await self._settle(batch)
            if batch.observations or batch.rejected:
                stored = await self._app.record_evidence(
                    batch.observations, batch.rejected, writer=WRITER
                )
                self._collector.tally.told_again += stored.duplicates
                for rejection in stored.rejected:
                    batch.refused += 1
                    batch.problem = f"{rejection.field} {rejection.problem}"
            await self._keep(batch)
            for change in batch.changes:
                await self._note_change(change, batch)
        except MalformedMessage as problem:
            return _failed(problem.status, content_type, str(problem))
        except GonogoError as error:
            retry = {"retry-after": RETRY_AFTER_S}
            return _failed(503, content_type, str(error), retry)
        told = answer(signal, content_type, rejected=batch.refused, problem=batch.problem)
        return Response(told, media_type=content_type)

    async def change(self, request: Request) -> Response:
        """Answer a pipeline that tells of one change, as JSON."""
        try:
            body = await _bounded_body(request)
            event = change_of_json(body, now_ms=self._app.clock())
            told = await self._record(event)
        except MalformedMessage as problem:
            return _failed(problem.status, "", str(problem))
        except GonogoError as error:
            status = status_of(error)
            retry = {"retry-after": RETRY_AFTER_S} if status >= 500 else None  # noqa: PLR2004 - not the sender's
            return _failed(status, "", str(error), retry)
        return JSONResponse({"recorded": told})

    async def _note_change(self, event: ChangeEvent, batch: Batch) -> None:
        """Record a change that an event told; one that cannot be is counted with what is refused."""
        try:
            await self._record(event)
        except (ParameterError, UnknownTarget) as error:  # of another error it is sent again
            batch.refused += 1
            batch.problem = str(error)

    async def _record(self, event: ChangeEvent) -> list[str]:
        """Record a change under this way in; in words what is new of it."""
        made = await record_change(
            await self._app.stores(),
            event.what,
            () if event.dependency is None else (event.dependency,),
            version=event.version,
            segment=event.segment,
            note=event.note,
            at=rfc3339(event.at_ms),
            now_ms=self._app.clock(),
            actor=WRITER,
        )
        return [entry.summary for entry in made]

    async def _read(
        self, signal: Signal, body: bytes, encoding: str | None, content_type: str
    ) -> Batch:
        def work() -> Batch:
            whole = unpacked(body, encoding)
            return self._collector.read(signal, whole, content_type, now_ms=self._app.clock())

        async with self._turn:
            return await to_thread.run_sync(work)

    async def _restore(self) -> None:
        """Take in what the store knows of calls told by themselves, and once what counters stood at."""
        coverage = (await self._app.stores()).coverage
        told = await coverage.told()
        points = {} if self._is_restored else await coverage.points()
        async with self._turn:
            self._collector.note_told(told)
            if not self._is_restored:
                self._collector.restore(points)
                self._is_restored = True

    async def _keep(self, batch: Batch) -> None:
        """Note for later processes what this export told, and take back what metrics had counted of it."""
        coverage = (await self._app.stores()).coverage
        async with self._turn:
            points = self._collector.moved_points()
        if points:
            coverage.keep(points, self._app.clock())
        if batch.told:
            coverage.tell(batch.told)
        for (service, dependency), first_ms in batch.first_told.items():
            await self._withdraw(dependency, service, first_ms)

    async def _withdraw(self, dependency: str, service: str, since_ms: int) -> None:
        """Take back what metrics had counted of calls that spans or events now tell of."""
        telemetry = (await self._app.stores()).telemetry
        run = metrics_run(service)
        counted = Selection(start_ms=since_ms, run=run)
        found = await telemetry.forgettable(dependency, counted)
        if found is not None and found.rows:
            asked = {"run": run, "since": rfc3339(since_ms)}
            report = await forget(self._app, dependency, counted, asked)
            self._collector.tally.withdrawn += report.removed

    async def _settle(self, batch: Batch) -> None:
        ids = [id_ for _, ids in batch.waiting for id_ in ids]
        known = await (await self._app.stores()).telemetry.dependencies_of(ids)
        async with self._turn:
            self._collector.settle(batch, known, now_ms=self._app.clock())

    def health(self) -> dict[str, object]:
        """Report what came in so far, and the names that were not understood, most frequent first."""
        tally = self._collector.tally
        unknown = sorted(tally.unknown_keys.items(), key=lambda entry: (-entry[1], entry[0]))
        return {
            "items": tally.items,
            "observations": tally.observations,
            "ignored": tally.ignored,
            "refused": tally.refused,
            "told_again": tally.told_again,
            "withdrawn": tally.withdrawn,
            "without_duration": tally.untimed,
            "outcomes_waiting": tally.unmatched_outcomes,
            "unknown_keys": dict(unknown[:UNKNOWN_KEYS_TOLD]),
        }


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise MalformedMessage(413, f"The body is over {BODY_BYTES_MAX} bytes.")
    except ClientDisconnect:
        raise MalformedMessage(400, "The body ends too early.") from None
    return bytes(body)


def _failed(
    status: int, content_type: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    media_type = PROTOBUF if content_type == PROTOBUF else "application/json"
    return Response(
        failure(content_type, message), status_code=status, media_type=media_type, headers=headers
    )


def site(receiver: Receiver, *, place: Place, token: str | None) -> ASGIApp:
    """The receiver behind its guard.

    Args:
        receiver: Who takes the exports in.
        place: Where it listens; on loopback, Host must name loopback.
        token: The bearer token that exporters must send; None: nothing.
    """

    def route(signal: Signal) -> Route:
        async def export(request: Request) -> Response:
            return await receiver.export(signal, request)

        return Route(f"/v1/{signal}", export, methods=["POST"])

    async def healthz(_: Request) -> Response:
        return JSONResponse(receiver.health())

    changes = Route("/v1/changes", receiver.change, methods=["POST"])
    inner = Starlette(routes=[*map(route, SIGNALS), changes, Route("/healthz", healthz)])

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refused, status = refusal(headers, place), 403
        if refused is None and token is not None and not holds(token, bearer(headers)):
            refused, status = "Send the token: authorization: Bearer GONOGO_TOKEN.", 401
        if refused is None:
            await inner(scope, receive, send)
        else:
            content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            await _failed(status, content_type, refused)(scope, receive, send)

    return guarded


async def serve_otlp(
    app: Gonogo, place: Place, *, token: str | None, say: Callable[[str], None]
) -> None:
    """Receive until cancelled.

    Args:
        app: Its store takes what comes.
        place: Where to listen.
        token: What exporters must send; needed off loopback.
        say: Told once where exporters are to send.

    Raises:
        ParameterError: The place is taken, or off loopback without a token, or an extra is missing.
        StoreError: The store cannot be opened.
    """
    need_protobuf()
    refuse_without_token(place, token, what="The OTLP receiver")
    from gonogo.http.quiet_server import serve_quietly

    with listening_socket(place, option="--otlp") as listener:
        await app.stores()
        host = f"[{place.host}]" if ":" in place.host else place.host
        say(f"http://{host}:{listener.getsockname()[1]}")
        served = site(Receiver(app), place=place, token=token)
        await serve_quietly(served, listener, connections_max=CONNECTIONS_MAX)
