"""The parts every command shares: its options, its application, and how it ends."""

from __future__ import annotations

import contextlib
import getpass
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import typer

from gonogo.config import load_settings
from gonogo.errors import plain
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.answers import Answer
    from gonogo.app import Gonogo
    from gonogo.app.parts import Stores
    from gonogo.cli.screen import Screen

PANEL = "Every command"
# What a newcomer needs in the first hour; `gonogo --help` shows it above the rest.
START = "Start here"
VERDICT_EXIT = {"go": 0, "caution": 1, "no_go": 2, "unknown": 3}

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PATH", help="The store. [GONOGO_STORE]", rich_help_panel=PANEL
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="PATH", help="gonogo.toml. [GONOGO_CONFIG]", rich_help_panel=PANEL
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the answer as the tools return it.", rich_help_panel=PANEL),
]


@dataclass(frozen=True, slots=True)
class Common:
    """The options that stand before a command or after it; after wins."""

    environ: Mapping[str, str]
    store: str | None = None
    config: str | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """One run of one command."""

    settings: Settings
    screen: Screen
    app: Gonogo

    def show(self, answer: Answer) -> None:
        """Print an answer."""
        self.screen.show(answer)

    async def stores_to_write(self, action: str) -> Stores:
        """The open store, for an action that a read-only process refuses.

        Raises:
            ActionRefused: One line saying what to do.
        """
        self.app.refuse_read_only(action)
        return await self.app.stores()

    def show_verdict(self, answer: Answer) -> int:
        """Print an answer; its verdict is the exit status."""
        self.screen.show(answer)
        return VERDICT_EXIT[answer.verdict]


Work = TypeVar("Work", bound=Callable[..., Awaitable[int | None]])


def command(
    group: typer.Typer,
    name: str,
    *examples: str,
    panel: str | None = None,
    actor: str | None = None,
    needs_config: bool = True,
) -> Callable[[Work], Work]:
    """Make an async function of a session and its options a command of a group.

    Its docstring is the help. It returns the exit status, or None.

    Args:
        group: Where it belongs.
        name: As it is typed.
        examples: Shown below its help.
        panel: Under which heading it is listed.
        actor: Who does what it does, for the log; None: the person who runs it.
        needs_config: Whether a gonogo.toml that was named has to be there already.
    """

    def decorate(work: Work) -> Work:
        signature = inspect.signature(work, eval_str=True)
        _, *own = signature.parameters.values()
        shared = [
            _option("store", StoreOption, None),
            _option("config", ConfigOption, None),
            _option("as_json", JsonOption, False),
        ]
        context = inspect.Parameter("ctx", _KEYWORD, annotation=typer.Context)
        parameters = [context, *(p.replace(kind=_KEYWORD) for p in own), *shared]

        def run(**arguments: Any) -> None:  # noqa: ANN401 - whatever the command declares
            ctx: typer.Context = arguments.pop("ctx")
            before: Common = ctx.obj
            common = Common(
                environ=before.environ,
                store=arguments.pop("store") or before.store,
                config=arguments.pop("config") or before.config,
                as_json=arguments.pop("as_json") or before.as_json,
            )
            settings = load_settings(
                common.config, common.store, common.environ, may_be_missing=not needs_config
            )
            _say_what_is_not_read(settings)
            status = anyio.run(_ask, work, settings, common.as_json, actor or _person(), arguments)
            raise typer.Exit(status or 0)

        run.__name__ = name
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        group.command(
            name,
            help=inspect.getdoc(work),
            epilog="\n\n".join(f"`{example}`" for example in examples) or None,
            rich_help_panel=panel,
        )(run)
        return work

    return decorate


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _option(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, _KEYWORD, annotation=annotation, default=default)


async def _ask(
    work: Work,
    settings: Settings,
    as_json: bool,  # noqa: FBT001 - anyio passes by place
    actor: str,
    arguments: dict[str, Any],
) -> int | None:
    from gonogo.app import Gonogo
    from gonogo.cli.screen import Screen

    with _store_log_on_stderr():
        async with Gonogo(settings, actor=actor) as app:
            return await work(Session(settings, Screen(as_json=as_json), app), **arguments)


def _say_what_is_not_read(settings: Settings) -> None:
    """A gonogo.toml of the folder one stands in is not followed: whoever wrote the folder would decide."""
    if settings.config_path is None and Path("gonogo.toml").is_file():
        sys.stderr.write(
            "gonogo: the gonogo.toml of this folder is not read by itself: give --config gonogo.toml, "
            "or set GONOGO_CONFIG.\n"
        )


@contextlib.contextmanager
def _store_log_on_stderr() -> Iterator[None]:
    """Show whom a write waits for, and what was lost, to the person who waits.

    For one command only: a handler that stayed would write to the standard error of a command
    that ended long ago, where several run in one process.
    """
    log, handler = logging.getLogger("gonogo.store"), logging.StreamHandler()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _person() -> str:
    """The operating system's user, as whom commands are logged.

    A container may run as a number that no account has: then it is "person" alone.
    """
    try:
        return f"person:{plain(getpass.getuser(), 60)}"
    except (KeyError, OSError):
        return "person"
