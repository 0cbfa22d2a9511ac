"""Looking at every dependency whose evidence changed, so that incidents open with nobody asking."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import partial

from gonogo.app import Gonogo
from gonogo.errors import ActionRefused
from gonogo.http.guard import Place, listening_socket, refuse_without_token, tokens_of
from gonogo.settings import Settings
from gonogo.watch.duties import Duty, WaitError

PAGE = 200
logger = logging.getLogger("gonogo.watch")
RECONCILE_EVERY_S = 60.0
RECOVER_EVERY_S = 60.0
LOOK_EVERY_S = 60.0
TELL_EVERY_S = 15.0
LET_GO_EVERY_S = 3600.0


class Lookout:
    """Remembers what it has looked at, and what was not well: time alone may change those."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    async def look(self, app: Gonogo) -> None:
        """Check drift and trust of each dependency that is no longer as it was when it was well."""
        after: str | None = None
        telemetry = (await app.stores()).telemetry
        while page := await telemetry.dependencies(after=after, limit=PAGE):
            for known in page:
                if self._seen.get(known.name) == known.rev:
                    continue
                drift = await app.check_model_drift(known.name)
                trust = await app.get_trust_score_health(known.name)
                if {drift.verdict, trust.verdict} <= {"go", "unknown"}:
                    self._seen[known.name] = known.rev
                else:
                    self._seen.pop(known.name, None)
            after = page[-1].name


def _silent(_: str) -> None:
    """Tell nobody."""


def roster(
    settings: Settings,
    *,
    dashboard: Place | None = None,
    otlp: Place | None = None,
    say: Callable[[str], None] = _silent,
) -> list[Duty]:
    """The duties to keep, in the order in which they start.

    Args:
        settings: The configuration.
        dashboard: Where to show the dashboard, if anywhere.
        otlp: Where to receive OpenTelemetry, if anywhere.
        say: Told where each of them is.

    Raises:
        ParameterError: One of them would be open to other machines without a token, or needs an
            extra that is not installed, or its place is taken.
        ActionRefused: Telemetry is to be received, and the configuration is read-only.
    """
    duties = []
    if not settings.read_only:
        duties.append(Duty("reconcile", _reconcile, RECONCILE_EVERY_S, alone=True))
        duties.append(Duty("recover", _recover, RECOVER_EVERY_S, alone=True))
        duties.append(Duty("promote", _promote, RECOVER_EVERY_S, alone=True))
        duties.append(Duty("look", Lookout().look, LOOK_EVERY_S, alone=True))
        duties.append(Duty("retention", _let_go, LET_GO_EVERY_S, alone=True))
        duties += [  # one for each receiver: who hangs delays nobody else
            Duty(f"tell {name}", partial(_tell, name), TELL_EVERY_S, alone=True)
            for name in settings.notify
        ]
        if settings.probes:
            duties.append(Duty("probe", _probe, alone=True))
    if dashboard is not None:
        duties.append(_dashboard(settings, dashboard, say))
    if otlp is not None:
        duties.append(_otlp(settings, otlp, say))
    return duties


def _dashboard(settings: Settings, place: Place, say: Callable[[str], None]) -> Duty:
    token = next(iter(tokens_of(settings.environ)), None)
    refuse_without_token(place, token, what="The dashboard")
    listening_socket(place, option="--dashboard").close()

    async def serve(app: Gonogo) -> None:
        from gonogo.dashboard.dashboard_server import serve_dashboard

        await serve_dashboard(app, place, say=lambda at: say(f"Dashboard: {at}"))

    return Duty("dashboard", serve)


def _otlp(settings: Settings, place: Place, say: Callable[[str], None]) -> Duty:
    from gonogo.ingest.otlp.wire import need_protobuf
    from gonogo.otlp.receiver import serve_otlp

    need_protobuf()
    token = settings.environ.get("GONOGO_TOKEN") or None
    refuse_without_token(place, token, what="The OTLP receiver")
    if settings.read_only:
        raise ActionRefused("--otlp records what it receives, and gonogo.toml says read_only.")
    listening_socket(place, option="--otlp").close()

    async def serve(app: Gonogo) -> None:
        await serve_otlp(app, place, token=token, say=lambda at: say(f"OTLP: {at}"))

    return Duty("otlp", serve)


async def _tell(name: str, app: Gonogo) -> None:
    told = [step for _, step in await app.tell(name)]
    missed = [step for step in told if step.status != "done"]
    if missed:
        wait_s = max((step.retry_after_s or 0.0 for step in missed), default=0.0)
        said = f"{len(missed)} of {len(told)} pages not taken: {missed[0].detail}."
        raise WaitError(said, wait_s)


async def _reconcile(app: Gonogo) -> None:
    await app.reconcile()


async def _let_go(app: Gonogo) -> None:
    gone = await app.let_go()
    if gone.rows or gone.checks:
        logger.info("retention: %d rows and %d checks let go", gone.rows, gone.checks)


async def _recover(app: Gonogo) -> None:
    for seen in await app.recover():
        if seen.move != "wait":
            logger.info("%s: %s", seen.move, seen.why)


async def _promote(app: Gonogo) -> None:
    for seen in await app.carry_promotions_on():
        if seen.move in ("advance", "back"):
            logger.info("%s: %s", seen.move, seen.why)


async def _probe(app: Gonogo) -> None:
    from gonogo.watch.probe_schedule import keep_probing

    draw = secrets.SystemRandom().random
    await keep_probing(app, list(app.settings.probes.values()), draw=draw)
