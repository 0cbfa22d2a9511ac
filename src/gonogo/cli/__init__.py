"""The command line: parse, call a service, print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OPTIONS_WITH_VALUE = ("--store", "--config")


def command_line(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit status.

    Raises:
        GonogoError: What went wrong, in one line.
    """
    from gonogo.cli.root import run_command

    return run_command(arguments, environ)


def command_place(arguments: Sequence[str]) -> int | None:
    """Where the command's name stands, after the options that may come before it."""
    is_value = False
    for place, argument in enumerate(arguments):
        if is_value:
            is_value = False
        elif not argument.startswith("-"):
            return place
        else:
            is_value = argument in OPTIONS_WITH_VALUE
    return None
