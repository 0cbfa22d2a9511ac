"""The command line: parse, call a service, print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def command_line(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit status.

    Raises:
        GonogoError: What went wrong, in one line.
    """
    from gonogo.cli.root import run_command

    return run_command(arguments, environ)
