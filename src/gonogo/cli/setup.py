"""Setting up: a configuration to start from, and the clients that start the server."""

from __future__ import annotations

import difflib
import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import anyio
import typer

from gonogo.cli.command import START, Session, command
from gonogo.config import default_config, default_store, load_settings
from gonogo.errors import ConfigError, ParameterError, StoreError, plain
from gonogo.settings import Settings
from gonogo.setup.clients import CLIENTS, USER_ONLY, Client, entry, link, place_of
from gonogo.setup.guard_hooks import hook_place_of, planned_hook
from gonogo.setup.merging import Change, carry_out, planned, server_in
from gonogo.setup.template import InitialConfig, filled
from gonogo.store.postgres.address import is_address, shown

group = typer.Typer()

# More of a store's dependencies are for a person to choose from.
RECORDED_MAX = 5


@command(
    group,
    "init",
    "gonogo init",
    "gonogo init --dependency sentiment-v3 --fallback sentiment-v2 --budget-usd 60",
    panel="Set up",
    needs_config=False,
)
async def init(
    session: Session,
    *,
    to: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Default: --config, GONOGO_CONFIG, or where gonogo looks by itself.",
        ),
    ] = None,
    dependency: Annotated[
        list[str] | None, typer.Option(help="What the agent relies on; may be given again.")
    ] = None,
    fallback: Annotated[
        list[str] | None, typer.Option(help="What to fall back to, best first; may be given again.")
    ] = None,
    budget_usd: Annotated[float | None, typer.Option(min=0.01, help="A budget to watch.")] = None,
    window: Annotated[str, typer.Option(help="hour, day, week, month or total.")] = "day",
) -> None:
    """Write a commented gonogo.toml; asks at a terminal for what is not given."""
    settings = session.settings
    path = to or settings.config_path or default_config(settings.environ)
    path = path.expanduser().absolute()
    if path.exists():
        raise ConfigError(f"{path} is there already and is left as it is; name another file.")
    wishes = InitialConfig(tuple(dependency or ()), tuple(fallback or ()), budget_usd, window)
    if wishes == InitialConfig() and sys.stdin.isatty() and session.screen.is_terminal:
        wishes = _asked()
    if not wishes.dependencies:
        wishes = replace(wishes, dependencies=await _recorded(session))
    text = filled(wishes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        load_settings(str(path), session.settings.store, session.settings.environ)
    except ConfigError as error:
        path.unlink()
        raise ConfigError(f"Nothing was written. {error}") from None
    if session.screen.as_json:
        session.screen.line(json.dumps({"path": str(path)}))
    else:
        session.screen.line(
            f"Wrote {path}. Next: edit it, gonogo doctor, gonogo install claude-desktop"
        )


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there; a disk that is full leaves none, which would be read as empty."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink()
            raise


async def _recorded(session: Session) -> tuple[str, ...]:
    """The first names of the store that is there already; none is made."""
    store = session.settings.store
    if not (is_address(store) or await anyio.Path(store).exists()):
        return ()
    with suppress(StoreError):  # doctor says what is amiss with it
        return tuple((await session.app.dependency_names())[:RECORDED_MAX])
    return ()


def _asked() -> InitialConfig:
    """Ask a person at the terminal; an empty answer leaves it out."""

    def words(question: str) -> tuple[str, ...]:
        said: str = typer.prompt(f"{question} (several: with commas)", default="")
        return tuple(word.strip() for word in said.split(",") if word.strip())

    dependencies = words("What does the agent rely on")
    fallback = words("What can it fall back to, best first") if dependencies else ()
    limit = typer.prompt("A budget in US dollars a day, 0 for none", default=0.0, type=float)
    return InitialConfig(dependencies, fallback, limit or None)


@command(
    group,
    "install",
    "gonogo install claude-desktop",
    "gonogo install cursor --link",
    "gonogo install vscode --project . --yes",
    "gonogo install claude-code --guard",
    panel=START,
    needs_config=False,
)
async def install(
    session: Session,
    *,
    client: Annotated[str, typer.Argument(metavar="CLIENT", help=", ".join(CLIENTS) + ".")],
    project: Annotated[
        Path | None, typer.Option(help="For one project's folder, not for the user.")
    ] = None,
    read_only: Annotated[
        bool | None,
        typer.Option(
            "--read-only/--may-act",
            help="Look and plan, and nothing more. Default: as it is set up, else it may act.",
        ),
    ] = None,
    guard: Annotated[
        bool | None,
        typer.Option(
            "--guard/--no-guard",
            help="Also stop its tool calls under no_go, by the client's own hook; or no more.",
        ),
    ] = None,
    show_link: Annotated[
        bool, typer.Option("--link", help="Print the one-click link instead.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Let an MCP client start the server; shows the change to its file first, and keeps the old one."""
    known = _client(client)
    settings = session.settings
    folder = _project(project, known) if project else None
    place = place_of(known, settings.environ, project=folder)
    before = None
    if not show_link:
        with suppress(ConfigError):  # what is amiss with the file is said where it is to be changed
            before = server_in(place)
    server = _entry(known, settings, read_only=read_only, before=before)
    if show_link:
        found = link(known, server)
        if found is None:
            raise ParameterError(f"{known} has no one-click link; gonogo install {known} does it.")
        session.screen.line(found)
        return 0
    steps = [(planned(place, server), place.then)]
    if guard is not None:
        steps = _with_guard(steps, known, settings, folder, wanted=guard)
    return _carried_out(session, steps, yes=yes, guard=guard is True)


def _carried_out(
    session: Session, steps: list[tuple[Change, str]], *, yes: bool, guard: bool
) -> int:
    """Show what would change, ask, and write it; returns the status."""
    settings = session.settings
    changes = [step for step in steps if not step[0].is_none]
    if not changes:
        session.screen.line(f"{steps[0][0].path} says so already.")
        return 0
    for change, _ in changes:
        session.screen.line(change.diff().replace(settings.store, shown(settings.store)))
    if not yes and not (sys.stdin.isatty() and typer.confirm("Write it?", default=False)):
        session.screen.line("Nothing was changed. Give --yes to write it.")
        return 1
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    for change, then in changes:
        kept = carry_out(change, stamp=stamp)
        told = f"; the old file is {kept}" if kept else ""
        session.screen.line(f"Wrote {change.path}{told}. {then}")
    if guard and is_address(settings.store):
        # An address may hold a password, and a hook has no environment of its own.
        session.screen.line("Start the client with GONOGO_STORE set: the guard reads it there.")
    if settings.config_path is not None and not settings.config_path.exists():
        session.screen.line(f"{settings.config_path} is not there yet: gonogo init writes it.")
    return 0


def _with_guard(
    steps: list[tuple[Change, str]],
    client: Client,
    settings: Settings,
    project: Path | None,
    *,
    wanted: bool,
) -> list[tuple[Change, str]]:
    """The changes with the guard's among the client's hooks, or out of them.

    Raises:
        ParameterError: The client has no hook before a tool call.
    """
    place = hook_place_of(client, settings.environ, project=project)
    if place is None:
        raise ParameterError(
            f"{client} asks nobody before a tool call, so --guard can write nothing there; "
            "gonogo wrap NAME --enforce stands in front of one server (docs/guard.md)."
        )
    [(first, then)] = steps
    options = {"--config": str(settings.config_path)} if settings.config_path else {}
    is_own = settings.store != str(default_store(settings.environ))
    if is_own and not is_address(settings.store):
        options["--store"] = settings.store
    change = planned_hook(
        place,
        own_command() if wanted else None,
        options=options,
        tools=settings.guard.tools,
        on=first if first.path == place.path else None,
    )
    told = place.then if wanted else "Its tool calls are no longer asked about."
    if first.path == place.path:
        return [(change, f"{then} {told}")]
    return [(first, then), (change, told)]


def _entry(
    client: Client,
    settings: Settings,
    *,
    read_only: bool | None,
    before: dict[str, object] | None,
) -> dict[str, object]:
    """The client's entry for this gonogo, as it is configured here."""
    is_own = settings.store != str(default_store(settings.environ))
    return entry(
        client,
        own_command(),
        config=str(settings.config_path) if settings.config_path else None,
        store=settings.store if is_own else None,
        read_only=read_only,
        before=before,
    )


def own_command() -> tuple[str, ...]:
    """The command that starts this gonogo: its script where there is one, else its interpreter."""
    scripts = [Path(sys.argv[0]).absolute(), Path(sys.executable).with_name("gonogo")]
    for script in scripts:
        if script.stem == "gonogo" and script.is_file() and os.access(script, os.X_OK):
            return (str(script),)
    return (sys.executable, "-m", "gonogo")


def _project(folder: Path, client: Client) -> Path:
    """The folder whose own file is meant.

    Raises:
        ParameterError: There is no such folder, or the client has no file for one.
    """
    if client in USER_ONLY:
        raise ParameterError(f"{client} has one file for all projects; leave --project out.")
    if not folder.is_dir():
        raise ParameterError(f"--project {plain(str(folder), 200)}: there is no such folder.")
    return folder.absolute()


def _client(name: str) -> Client:
    for client in CLIENTS:
        if client == name:
            return client
    near = difflib.get_close_matches(name, CLIENTS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ParameterError(f"No client '{plain(name, 60)}': {hint}known: {', '.join(CLIENTS)}.")
