"""Maintenance: what this installation stands on, what to mend, and a copy of the store."""

from __future__ import annotations

import json
import platform
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from gonogo import __version__
from gonogo.answers import rfc3339
from gonogo.cli.command import START, Session, command
from gonogo.cli.doctor.reached import Finding, reached
from gonogo.errors import GonogoError, plain
from gonogo.text.forms import Table, named
from gonogo.text.row_notes import refused_text

group = typer.Typer()

CLOCK_YEAR_MIN = 2024
REFUSED_SHOWN = 3
BROKEN = 70
# Below the first a note, below the second nothing more is kept: a write needs some pages at least.
FREE_BYTES_MIN, FULL_BYTES = 64_000_000, 1_000_000
# A log that is taken in every 4 MB (store/sqlite/writer.py) stays below these.
LOG_BYTES_MIN, LOG_TO_STORE = 6_000_000, 4


@command(
    group,
    "doctor",
    "gonogo doctor",
    "gonogo doctor --repair",
    "gonogo doctor --coherence",
    panel=START,
    needs_config=False,
)
async def doctor(
    session: Session,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what can be derived; say what it was.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Let go what is older than settings.retention.")
    ] = False,
    coherence: Annotated[
        bool,
        typer.Option(
            "--coherence", help="Ask the store everything, read-only; name what disagrees."
        ),
    ] = False,
) -> int:
    """Say what is amiss with store, configuration, clock and clients, and how to mend it."""
    store = await _store(session)
    findings = [
        Finding("gonogo", "ok", f"{__version__}, MCP SDK {version('mcp')}"),
        Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}"),
        *_namesakes(),
        store,
        *_disk(session),
        *_log(session),
        *_sqlite(session),
        _configuration(session),
        await _clock(session, store),
        await _watcher(session, store),
        *(await _refused(session) if store.state == "ok" else []),
        *(await reached(session) if store.state == "ok" else []),
        *_clients(session),
    ]
    if store.state == "ok" or repair or prune:
        from gonogo.cli.doctor.doctor_repair import compared, pruned, repaired

        findings += await repaired(session) if repair else await compared(session)
        findings += [await pruned(session)] if prune else []
    if coherence and store.state == "ok":
        from gonogo.cli.doctor.doctor_repair import coherent

        findings += await coherent(session)
    if session.screen.as_json:
        told = [{"what": f.what, "state": f.state, "said": f.said} for f in findings]
        session.screen.line(json.dumps({"findings": told}, ensure_ascii=False))
    else:
        rows = tuple((f.what, f.state, f.said) for f in findings)
        session.screen.table(Table("doctor", ("what", "state", "found"), rows))
    return BROKEN if any(f.state == "broken" for f in findings) else 0


async def _store(session: Session) -> Finding:
    from gonogo.store.postgres.address import is_address, shown

    where = shown(session.settings.store)
    is_file = not is_address(session.settings.store)
    if is_file and _is_absent(Path(where)):
        return Finding("store", "note", f"{where}: not there yet; the first question makes it")
    try:
        names = await (await session.app.stores()).telemetry.names()
    except GonogoError as error:
        return Finding("store", "broken", str(error))
    schema = _schema(Path(where)) if is_file else "PostgreSQL"
    newest = rfc3339(max(names.values())) if names else "none"
    known = f"dependencies: {len(names):,}, newest observation {newest}"
    return Finding("store", "ok", f"{where}: {schema}, {known}")


def _disk(session: Session) -> list[Finding]:
    """Check that the disk has room: on a full one questions are answered but not logged."""
    from gonogo.store.postgres.address import is_address, shown

    folder = Path(shown(session.settings.store)).parent
    if is_address(session.settings.store) or not folder.is_dir():
        return []
    free = shutil.disk_usage(folder).free
    said = f"{folder}: {free / 1e6:,.0f} MB free"
    if free >= FREE_BYTES_MIN:
        return [Finding("disk", "ok", said)]
    advice = "; free space: nothing can be recorded, logged or switched on a full disk"
    return [Finding("disk", "broken" if free < FULL_BYTES else "note", said + advice)]


def _log(session: Session) -> list[Finding]:
    """Check that the write-ahead log is no larger than the store: a forgotten read keeps it from being merged."""
    from gonogo.store.postgres.address import is_address, shown
    from gonogo.store.sqlite.lock import users_of
    from gonogo.store.sqlite.log_ties import log_bytes

    path = Path(shown(session.settings.store))
    if is_address(session.settings.store) or not path.is_file():
        return []
    size, beside = log_bytes(path), path.stat().st_size
    if size < max(LOG_BYTES_MIN, LOG_TO_STORE * beside):
        return []
    said = f"{path}-wal is {size / 1e6:,.1f} MB beside a store of {beside / 1e6:,.1f} MB: "
    users = users_of(path)
    if users:
        some = "; ".join(users[:3]) + (f"; and {len(users) - 3} more" if len(users) > 3 else "")  # noqa: PLR2004
        said += (
            f"open in {some}. A read that does not end keeps the log from being taken in: end it"
        )
    else:
        seen = "no process that this user may see has" if users is not None else "some process has"
        said += f"{seen} the store open; where the log stays, lsof {path} names who holds it"
    return [Finding("log size", "note", said)]


def _is_absent(path: Path) -> bool:
    """Whether the first question will make a store: there is no file, and no log of one."""
    try:
        path.stat()
    except FileNotFoundError:
        return not path.with_name(path.name + "-wal").exists()
    except OSError:
        return False
    return False


def _schema(path: Path) -> str:
    """The schema and size, in words, of a store that has just answered."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        [found] = connection.execute("PRAGMA user_version").fetchone()
    return f"schema {found}, {path.stat().st_size / 1e6:,.1f} MB"


def _sqlite(session: Session) -> list[Finding]:
    from gonogo.store.postgres.address import is_address
    from gonogo.store.sqlite.opening import sqlite_advice

    if is_address(session.settings.store):
        return []
    advice = sqlite_advice()
    return [Finding("sqlite", "note" if advice else "ok", advice or sqlite3.sqlite_version)]


def _configuration(session: Session) -> Finding:
    settings = session.settings
    if settings.config_path is None:
        return Finding("configuration", "ok", "none: every setting is the default")
    if not settings.config_path.exists():
        said = f"{settings.config_path}: there is no such file; gonogo init writes it"
        return Finding("configuration", "broken", said)
    told = (
        f"dependencies: {len(settings.dependencies)}, budgets: {len(settings.budgets)}, "
        f"workloads: {len(settings.workloads)}; digest {settings.digest}"
    )
    return Finding("configuration", "ok", f"{settings.config_path}: {told}")


async def _refused(session: Session) -> list[Finding]:
    """Count rows refused lately on the way in, and name what was left out: no other figure includes them."""
    rows = await session.app.refused_rows()
    refused = [
        f"{one.dependency or 'of no dependency'}: {refused_text(one)}" for one in rows if one.n
    ]
    left = list(dict.fromkeys(what for one in rows for what in one.left_out))
    found = []
    for subject, told in (("refused rows", refused), ("left out", left)):
        more = len(told) - REFUSED_SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        found += [Finding(subject, "note", "; ".join(told[:REFUSED_SHOWN]) + rest)] if told else []
    return found


async def _clock(session: Session, store: Finding) -> Finding:
    now = datetime.fromtimestamp(time.time(), tz=UTC)
    if now.year < CLOCK_YEAR_MIN:
        return Finding("clock", "broken", f"it says {now:%Y-%m-%d}: set it, times decide verdicts")
    said = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    skew_ms = (await session.app.stores()).db.skew_ms() if store.state == "ok" else 0
    if skew_ms:
        server = f"{now + timedelta(milliseconds=skew_ms):%Y-%m-%dT%H:%M:%SZ}"
        said += f", the database server's {server}: set it; times are taken by the server's"
        return Finding("clock", "note", said)
    telemetry = (await session.app.stores()).telemetry if store.state == "ok" else None
    after_ms = (now + timedelta(days=1)).timestamp() * 1000
    times = await telemetry.names() if telemetry else {}
    ahead = [name for name, newest_ms in times.items() if newest_ms > after_ms]
    if ahead:
        said += f", and there are observations of later: {named(ahead)}. They make nothing old"
        return Finding("clock", "note", f"{said}; was a clock ahead, or is this one behind?")
    return Finding("clock", "ok", said)


async def _watcher(session: Session, store: Finding) -> Finding:
    done = await session.app.watched() if store.state == "ok" else []
    if done:
        return Finding("watcher", "ok", f"runs: {', '.join(done)}")
    return Finding(
        "watcher",
        "note",
        "none runs: verdicts are made when asked, and nobody is notified in between",
    )


def _namesakes() -> list[Finding]:
    """Other distributions that bring a module or a command of this name: the last installed wins."""
    from importlib.metadata import distributions

    found = []
    for other in distributions():
        name = other.metadata["Name"] or "one without a name"
        if name.lower() == "gonogo":
            continue
        script = any(
            point.name == "gonogo" and point.group == "console_scripts"
            for point in other.entry_points
        )
        module = any(file.parts[:2] == ("gonogo", "__init__.py") for file in other.files or ())
        if script or module:
            brings = " and ".join(
                word for word, has in (("module", module), ("command", script)) if has
            )
            said = (
                f"the distribution {plain(name, 80)} brings a {brings} named gonogo too; the one installed "
                f"last took the other's place: pip uninstall {plain(name, 80)}, then reinstall gonogo"
            )
            found.append(Finding("gonogo", "broken", said))
    return found


def _clients(session: Session) -> list[Finding]:
    """Check for each configured client that the program it starts is there."""
    from gonogo.setup.clients import CLIENTS, place_of, program_in, user_home
    from gonogo.setup.merging import server_in

    try:
        user_home(session.settings.environ)
    except GonogoError:
        return [Finding("clients", "note", "none is looked for: this user has no home folder")]
    found = []
    for client in CLIENTS:
        place = place_of(client, session.settings.environ, project=None)
        try:
            server = server_in(place)
        except GonogoError as error:
            found.append(Finding(client, "note", str(error)))
            continue
        if server is None:
            continue
        command = program_in(server)
        if command is None:
            found.append(Finding(client, "ok", f"{place.path} calls a server that runs elsewhere"))
        elif Path(command).is_file() or shutil.which(command):
            found.append(Finding(client, "ok", f"{place.path} starts {command}"))
        else:
            said = f"{place.path} starts {command}, which is not there: gonogo install {client}"
            found.append(Finding(client, "broken", said))
    found += _guards(session)
    return found or [Finding("clients", "note", "none is set up: gonogo install CLIENT")]


def _guards(session: Session) -> list[Finding]:
    """Check for each client with the guard that the program it starts is there."""
    from gonogo.setup.clients import CLIENTS
    from gonogo.setup.guard_hooks import commands_in, hook_place_of, program_of

    found = []
    for client in CLIENTS:
        place = hook_place_of(client, session.settings.environ, project=None)
        if place is None:
            continue
        try:
            programs = [program_of(command) for command in commands_in(place)]
        except GonogoError as error:
            found.append(Finding(f"{client} guard", "note", str(error)))
            continue
        for program in programs:
            if Path(program).is_file() or shutil.which(program):
                found.append(Finding(f"{client} guard", "ok", f"{place.path} asks {program}"))
            else:
                said = f"{place.path} asks {program}, which is not there, so no call is stopped: "
                found.append(
                    Finding(f"{client} guard", "broken", f"{said}gonogo install {client} --guard")
                )
    return found
