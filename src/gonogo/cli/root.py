"""The command line as a whole: its groups, the options before a command, its errors."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from gonogo import __version__
from gonogo.cli import (
    actions,
    checks,
    demo,
    drill_command,
    incident,
    ingest,
    log,
    setup,
    store_commands,
    watch_command,
)
from gonogo.cli.command import START, Common, ConfigOption, JsonOption, StoreOption
from gonogo.cli.doctor import doctor_command
from gonogo.config.early_options import command_place
from gonogo.errors import ParameterError, plain

_NO_COMMAND = re.compile("No such command '([^']+)'")
USAGE = 64
INTERRUPTED = 130

# In the order of the first hour.
FIRST = ("demo", "ingest", "check", "install", "doctor")


class RootGroup(TyperGroup):
    """The command line as a whole, with a help of its own.

    Typer lists options before commands, and a heading in the order of its first command; a terminal of 24 lines then
    shows no command at all.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as typer calls it
        """Print usage, five commands and where to read on; then the others and the options."""
        from rich.console import Console
        from rich.table import Table

        first = [(_example(self.commands[name]), self.commands[name]) for name in FIRST]
        panels = {START: [(typed, _first_sentence(command.help or "")) for typed, command in first]}
        for name, command in self.commands.items():
            heading = str(getattr(command, "rich_help_panel", None) or "More")
            if heading != START:
                panels.setdefault(heading, []).append((name, _first_sentence(command.help or "")))
        options = [
            (", ".join(option.opts), str(getattr(option, "help", "") or ""))
            for option in self.get_params(ctx)
        ]
        panels["Options, before a command or after it"] = options
        console = Console(highlight=False)
        console.print(f"[bold]Usage:[/] {ctx.command_path} COMMAND …\n\n{self.help}", style="")
        for heading, rows in panels.items():
            console.print(f"\n[bold]{heading}[/]")
            table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
            table.add_column(no_wrap=True, min_width=15)
            table.add_column()
            for name, said in rows:
                table.add_row(f"  [cyan]{name}[/]", said)
            console.print(table)
            if heading == START:
                console.print(f"\n{self.epilog}\nA command's options: gonogo COMMAND --help")


def _example(command: Any) -> str:  # noqa: ANN401 - typer's own
    """The first example of a command's help, as it is typed."""
    return str(command.epilog).split("`")[1]


def _first_sentence(text: str) -> str:
    """The first sentence of a command's help, without what follows a semicolon."""
    return " ".join(text.split()).partition(". ")[0].partition(";")[0].removesuffix(".")


root = typer.Typer(
    name="gonogo",
    help="Go or no-go for AI agents: is what the agent depends on fit for the work, with evidence.",
    cls=RootGroup,
    epilog="A first hour: `gonogo demo`, then docs/tutorial.md.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for part in (
    demo.group,
    ingest.group,
    doctor_command.group,
    checks.money,
    store_commands.removals,
    log.group,
    actions.group,
    incident.people,
    actions.baselines,
    setup.group,
    store_commands.copies,
    drill_command.group,
    watch_command.group,
    store_commands.moves,
):
    root.registered_commands += part.registered_commands
root.add_typer(checks.group, rich_help_panel=START)
root.add_typer(log.decisions, rich_help_panel="Look")
root.add_typer(incident.incident, rich_help_panel="Act")
root.add_typer(incident.audit, rich_help_panel="Look")


def _version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        sys.stdout.write(f"gonogo {__version__}\n")
        raise typer.Exit


@root.callback()
def before(
    ctx: typer.Context,
    *,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    ctx.obj = Common(ctx.obj, store, config, as_json)


@root.command(rich_help_panel="Set up", epilog="`gonogo serve --read-only`")
def serve() -> None:
    """Serve the tools to an agent (MCP), over standard input and output or over HTTP.

    Options: --store, --config, --read-only, --http HOST:PORT, --token-file, --allow-host.
    """
    raise ParameterError("serve takes its options after its name: gonogo serve --read-only")


@root.command(rich_help_panel="Record", epilog="`gonogo wrap github -- npx -y SERVER`")
def wrap() -> None:
    """Run another MCP server, passing every byte through, and record its tool calls.

    gonogo wrap NAME -- COMMAND…; options before NAME: --store, --config.
    """
    raise ParameterError("wrap takes its options after its name: gonogo wrap NAME -- COMMAND…")


@root.command(rich_help_panel="Act", epilog="`gonogo guard hook claude-code`")
def guard() -> None:
    """Stop tool calls under no_go, from a client's own hook.

    gonogo guard hook claude-code|codex|gemini; options: --closed, --store, --config.
    """
    raise ParameterError("guard takes its options after its name: gonogo guard hook CLIENT")


def run_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit status.

    Raises:
        GonogoError: What went wrong, in one line.
    """
    command = typer.main.get_command(root)
    try:
        status = command.main(
            args=_completed(arguments), prog_name="gonogo", standalone_mode=False, obj=environ
        )
    except typer.Abort:
        return INTERRUPTED
    except TyperException as error:
        if not error.format_message():  # no command: its help was printed
            return USAGE
        raise ParameterError(_usage(error)) from None
    return status if isinstance(status, int) else 0


def _completed(arguments: Sequence[str]) -> list[str]:
    """The arguments with `decisions` alone read as `decisions list`."""
    place = command_place(arguments)
    whole = list(arguments)
    if place is not None and whole[place] == "decisions":
        after = whole[place + 1 : place + 2]
        if not after or (after[0].startswith("-") and after[0] != "--help"):
            whole.insert(place + 1, "list")
    return whole


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gonogo"
    said = " ".join(error.format_message().split()).rstrip(".")
    unknown = _NO_COMMAND.match(said)
    if unknown is not None:
        near = _near_commands(unknown[1])
        said = unknown[0] + (f": did you mean {' or '.join(near)}?" if near else ".")
        return f"{plain(said, 300)} See `{path} --help`."
    return f"{plain(said, 300)}. See `{path} --help`."


def _near_commands(typed: str) -> list[str]:
    """At most two commands that someone may have meant, whole: `gonogo check drift` for `drift`.

    A tool's name counts as its words: `check_model_drift` is typed by who knows the tools.
    """
    places = _places(typer.main.get_command(root), "gonogo")
    words = re.split(r"[\W_]+", typed.lower())
    last = [place for place in places if place.rsplit(" ", 1)[1] in words]
    if not last:
        near = difflib.get_close_matches(typed.lower(), {p.rsplit(" ", 1)[1] for p in places}, n=1)
        last = [place for place in places if place.rsplit(" ", 1)[1] in near]
    inmost = [p for p in last if not any(other.startswith(f"{p} ") for other in last)]
    return [f"`{place}`" for place in inmost[:2]]


def _places(command: Any, path: str) -> list[str]:  # noqa: ANN401 - a command or a group of Typer's
    """A command's own path, then those of the commands in it."""
    inner = getattr(command, "commands", {}).items()
    found = [
        place for name, sub in inner if not sub.hidden for place in _places(sub, f"{path} {name}")
    ]
    return found if path == "gonogo" else [path, *found]
