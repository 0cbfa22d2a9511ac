"""The open store and everything that stands on it, built once for `app.Gonogo`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from gonogo.actuators.kinds import make_actuator
from gonogo.answers import Answer, DriftReport, TrustReport
from gonogo.clock import OrderedIds, is_recent
from gonogo.config import local_routes
from gonogo.errors import ActionRefused, StoreError
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.health import TrustHealth
from gonogo.money.planned_spend import Forecasts
from gonogo.money.scopes import Traffic, traffic_now
from gonogo.ports.money import Ledger
from gonogo.ports.notices import Pace
from gonogo.ports.routes import LOCAL
from gonogo.ports.standing_verdicts import part_verdict
from gonogo.records import Decision, Part
from gonogo.settings import ActuatorSettings, Settings
from gonogo.store.books.coverage_book import StoredCoverage
from gonogo.store.books.decisions import StoredDecisions
from gonogo.store.books.incident_book import StoredIncidents
from gonogo.store.books.lease_book import StoredLeases
from gonogo.store.books.notice_book import StoredNotices, StoredSilences
from gonogo.store.books.refused_book import StoredRefusals
from gonogo.store.books.route_book import StoredRoutes
from gonogo.store.engine import Engine
from gonogo.store.postgres.address import is_address, shown
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.sqlite.ledger import SqliteLedger
from gonogo.store.sqlite.lock import FileLock
from gonogo.views.decision_log import ENTROPY_BITS, entry_of, evidence_of, id_of, with_id

if TYPE_CHECKING:
    from gonogo.app.new_names import NewNames
    from gonogo.ports.actuators import Actuator
    from gonogo.ports.telemetry import Changes
    from gonogo.store.sqlite.backup import RestoreReport

# A question about a route must not wait for its peers each time.
PEERS_ASKED_EVERY_MS = 10_000

# One sequence a process, so that ids sort as they were made even where its clock is set back.
_IDS = OrderedIds(ENTROPY_BITS, secrets.randbits)

Answered = TypeVar("Answered", bound=Answer)


@dataclass(frozen=True, slots=True)
class Stores:
    """One open store, in its parts."""

    db: Engine
    telemetry: StoredTelemetry
    ledger: Ledger
    decisions: StoredDecisions
    routes: StoredRoutes
    incidents: StoredIncidents
    changes: Changes
    leases: StoredLeases
    notices: StoredNotices
    silences: StoredSilences
    refusals: StoredRefusals
    coverage: StoredCoverage
    fallback: FallbackPorts
    settings: Settings
    forecasts: Forecasts
    actor: str
    log_is_writable: bool
    looked_ms: dict[str, int] = field(default_factory=dict)
    names_seen: set[str] = field(default_factory=set)
    paces: dict[str, Pace] = field(default_factory=dict)

    async def close(self) -> None:
        """Write what is queued and close."""
        await self.db.close()

    def new_id(self, now_ms: int, prefix: str = "") -> str:
        """An id that no other process makes."""
        return id_of(_IDS.number(now_ms), prefix=prefix)

    def intake(self, *, from_files: bool = False, writer: str | None = None) -> NewNames:
        """The sink for a writer's (the actor's) observations; data dated far back move no closed baseline."""
        from gonogo.app.new_names import NewNames
        from gonogo.drift.backdating import BackdatedIntake

        said_by = writer or self.actor
        telemetry = self.telemetry.by(said_by)
        sink = BackdatedIntake(telemetry, self.decisions, self.settings, from_files, self.new_id)
        return NewNames(sink, telemetry, self.ledger, self.refusals, said_by, self.names_seen)

    async def traffic(self) -> Traffic:
        """The current routes, for pricing calls and for counting their costs."""
        return await traffic_now(self.settings, self.telemetry, self.routes)

    def noted(
        self,
        tool: str,
        asked: Mapping[str, object],
        answer: Answered,
        *,
        now_ms: int,
        about: Part | None = None,
    ) -> Answered:
        """Queue a check's log entry and return the answer with its id; without, where none can be.

        `about`: the part of its dependency's standing verdict that it answers, where it does.
        """
        entry_id = self.new_id(now_ms)
        entry = self._entry(tool, asked, answer, entry_id=entry_id, now_ms=now_ms)
        says = None if about is None else part_verdict(about, answer, now_ms=now_ms)
        if not self.log_is_writable:
            if says is not None and entry.dependency is not None:
                self.decisions.say({entry.dependency: says})
            return answer
        return with_id(answer, entry_id) if self.decisions.note(entry, says) else answer

    async def acted(
        self, tool: str, asked: Mapping[str, object], answer: Answered, *, now_ms: int
    ) -> Answered:
        """Write an action's log entry before its answer goes out."""
        entry_id = self.new_id(now_ms)
        entry = self._entry(tool, asked, answer, entry_id=entry_id, now_ms=now_ms, action=True)
        await self.decisions.append(entry)
        return with_id(answer, entry_id)

    def action_entry(
        self, tool: str, asked: Mapping[str, object], answer: Answer, entry_id: str, *, now_ms: int
    ) -> Decision:
        """The log entry of an action, for whoever writes it in the action's own transaction."""
        named = with_id(answer, entry_id)
        return self._entry(tool, asked, named, entry_id=entry_id, now_ms=now_ms, action=True)

    def _entry(
        self,
        tool: str,
        asked: Mapping[str, object],
        answer: Answer,
        *,
        entry_id: str,
        now_ms: int,
        action: bool = False,
    ) -> Decision:
        return entry_of(
            tool,
            asked,
            answer,
            entry_id=entry_id,
            now_ms=now_ms,
            actor=self.actor,
            digest=self.settings.digest,
            action=action,
        )

    async def reconcile(self, dependency: str, *, now_ms: int) -> None:
        """Make a route real again where an actuator forgot it or its process died.

        Where the store cannot be written just now the route is still told. Peers behind a network
        are asked every 10 seconds at most.
        """
        if not self.log_is_writable or self.settings.read_only:
            return
        own = (
            self.settings.actuators.get(n) for n in self.settings.dependency(dependency).actuators
        )
        if any(found is not None and found.kind != "route_file" for found in own):
            looked_ms = self.looked_ms.get(dependency, 0)
            if is_recent(looked_ms, now_ms, within_ms=PEERS_ASKED_EVERY_MS):
                return
            self.looked_ms[dependency] = now_ms
        from gonogo.fallback.promotion.ramp import carry_on_if_due
        from gonogo.fallback.reconcile import reconcile

        with suppress(StoreError):
            await reconcile(self.fallback, dependency=dependency, now_ms=now_ms)
            await carry_on_if_due(self.fallback, dependency, self.looked_ms, now_ms)

    async def watch_for_incident(
        self, report: DriftReport | TrustReport, *, dependency: str, signal: str, now_ms: int
    ) -> None:
        """Let a verdict about now open, follow or close an incident."""
        if not self.log_is_writable or report.verdict not in ("no_go", "go"):
            return
        from gonogo.app.incident_looks import look_for_incident

        await look_for_incident(
            self.fallback,
            self.telemetry,
            self.settings,
            report,
            new_id=lambda: self.new_id(now_ms, "inc-"),
            dependency=dependency,
            signal=signal,
            now_ms=now_ms,
        )


async def open_stores(
    settings: Settings, *, actor: str, clock: Callable[[], int], looks_only: bool = False
) -> Stores:
    """Open the configured store, made where it is absent.

    A read-only process still keeps the decision log where the file lets it; one that only looks
    opens what is there in a way that cannot write.

    Raises:
        StoreError: it cannot be opened; one line says why and what to do.
    """
    parts, writable = await _open_parts(settings, actor, looks_only=looks_only)
    db, telemetry = parts.db, parts.telemetry
    decisions, incidents = StoredDecisions(db, clock), StoredIncidents(db)
    routes = StoredRoutes(db)
    return Stores(
        db=db,
        telemetry=telemetry,
        ledger=parts.ledger,
        decisions=decisions,
        routes=routes,
        incidents=incidents,
        changes=parts.changes,
        leases=StoredLeases(db),
        notices=StoredNotices(db),
        silences=StoredSilences(db),
        refusals=StoredRefusals(db),
        coverage=StoredCoverage(db),
        fallback=fallback_ports(
            telemetry,
            parts.ledger,
            (routes, decisions, incidents),
            settings,
            clock=clock,
        ),
        settings=settings,
        forecasts=Forecasts(),
        actor=actor,
        log_is_writable=writable,
    )


def fallback_ports(
    telemetry: StoredTelemetry,
    ledger: Ledger,
    books: tuple[StoredRoutes, StoredDecisions, StoredIncidents],
    settings: Settings,
    *,
    clock: Callable[[], int],
) -> FallbackPorts:
    """All that a fallback needs, as configured."""
    routes, decisions, incidents = books
    return FallbackPorts(
        routes=routes,
        telemetry=telemetry,
        decisions=decisions,
        incidents=incidents,
        health=TrustHealth(telemetry, decisions, settings),
        actuators=_actuators(settings, clock),
        settings=settings,
        evidence_of=lambda name, now_ms: evidence_of(
            telemetry, decisions, settings, name, now_ms=now_ms
        ),
        new_id=lambda: id_of(_IDS.number(clock())),
        ledger=ledger,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a store that differ between the engines; the rest is the same over each."""

    db: Engine
    telemetry: StoredTelemetry
    ledger: Ledger
    changes: Changes


async def _open_parts(settings: Settings, actor: str, *, looks_only: bool) -> tuple[_Parts, bool]:
    """The store's parts, and whether it may be written."""
    opener = _postgres if is_address(settings.store) else _file
    if looks_only:
        return await opener(settings, actor, read_only=True), False
    try:
        return await opener(settings, actor, read_only=False), True
    except StoreError:
        if not settings.read_only:
            raise
        return await opener(settings, actor, read_only=True), False


async def _file(settings: Settings, actor: str, *, read_only: bool) -> _Parts:
    from gonogo.store.sqlite.changes import SqliteChanges
    from gonogo.store.sqlite.database import Database

    db = await Database.open(
        Path(settings.store), read_only=read_only, lock_wait_s=settings.lock_wait_s
    )
    telemetry = StoredTelemetry(db, settings, writer=actor)
    return _Parts(db, telemetry, SqliteLedger(db, settings), SqliteChanges(db))


async def _postgres(settings: Settings, actor: str, *, read_only: bool) -> _Parts:
    from gonogo.store.postgres.changes import PostgresChanges
    from gonogo.store.postgres.database import PostgresDatabase
    from gonogo.store.postgres.ledger import PostgresLedger
    from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry

    db = await PostgresDatabase.open(
        settings.store,
        read_only=read_only,
        schema=settings.store_schema,
        lock_wait_s=settings.lock_wait_s,
    )
    if not read_only:
        # A file's folder is made with it; here the route file may be the first in its own. Where it
        # cannot be made, whoever writes there says so.
        with suppress(OSError):
            local_routes(settings).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    telemetry = PostgresTelemetry(db, settings, writer=actor)
    return _Parts(
        db,
        telemetry,
        PostgresLedger(db, settings),
        PostgresChanges(db, settings.environ.get("GONOGO_STORE_DIRECT")),
    )


def _actuators(settings: Settings, clock: Callable[[], int]) -> dict[str, Actuator]:
    """The configured actuators by name, and the file that `gonogo.route` reads by itself."""
    local = ActuatorSettings(LOCAL, "route_file", {"path": str(local_routes(settings))})
    return {
        name: make_actuator(found, lock_of=lambda path: FileLock(path).held, clock=clock)
        for name, found in {**settings.actuators, LOCAL: local}.items()
    }


async def restore_stores(
    settings: Settings, source: Path, *, actor: str, clock: Callable[[], int]
) -> RestoreReport:
    """Put a backup in the store's place, and log it in the store that is there then.

    Raises:
        StoreError: The backup is not whole, the store is a database or in use; nothing was changed.
        ActionRefused: Started read-only.
    """
    from gonogo.store.sqlite.backup import restore

    if settings.read_only:
        raise ActionRefused("Cannot restore: started read-only; restart without --read-only.")
    if is_address(settings.store):
        raise StoreError(
            f"Store '{shown(settings.store)}' is a PostgreSQL database: restore it with pg_restore "
            "or the server's own backup."
        )
    now_ms = clock()
    stamp = datetime.fromtimestamp(now_ms / 1000, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    place = Path(settings.store)
    entry_of = partial(_restore_entry, settings, source, actor=actor, now_ms=now_ms)
    work = partial(restore, source, place, stamp=stamp, entry_of=entry_of)
    return await anyio.to_thread.run_sync(work)


def _restore_entry(
    settings: Settings, source: Path, restored: RestoreReport, *, actor: str, now_ms: int
) -> Decision:
    facts = restored.facts
    asked = json.dumps({"file": source.name, "sha256": facts.digest}, sort_keys=True)
    kept = f"; what was there is kept as {restored.kept.name}" if restored.kept else ""
    return Decision(
        id=id_of(_IDS.number(now_ms)),
        ts_ms=now_ms,
        kind="restore",
        verdict=None,
        summary=f"{actor} restored {source.name}, {facts.observations:,} observations{kept}.",
        inputs=asked,
        answer=asked,
        action=True,
        dependency=None,
        actor=actor,
        settings_digest=settings.digest,
        last_ts_ms=now_ms,
    )
