"""The entry point: finds the command, and turns every error into one line and an exit status."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence

from gonogo.errors import GonogoError, plain

INTERRUPTED = 130
CRASHED = 70


def main() -> None:
    """Run the command line of this process."""
    if not sys.warnoptions:
        # Standard error carries errors, a line each; a library's advice to developers is none.
        warnings.simplefilter("ignore")
    if "wrap" not in sys.argv:  # its child has this environment
        # Matrices are small here: threads that wait for each other made a test of outputs cost ten
        # times the CPU. numpy, loaded later, reads it once.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    status = run(sys.argv[1:], os.environ)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output has gone; the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; returns its exit status and raises nothing."""
    try:
        from gonogo.config.early_options import command_place

        place = command_place(arguments)
        early = None if place is None else _early(arguments[place])
        if early is not None and place is not None:
            return early([*arguments[:place], *arguments[place + 1 :]], environ)
        from gonogo.cli.root import run_command

        return run_command(arguments, environ)
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except Exception as raised:
        error = _alone(raised)
        if isinstance(error, GonogoError):
            from gonogo.cli.next_steps import with_options

            sys.stderr.write(f"gonogo: {with_options(str(error))}\n")
            return error.exit_code
        if environ.get("GONOGO_DEBUG"):
            raise
        said = plain(f"{type(error).__name__}: {error}", 300)
        sys.stderr.write(
            f"gonogo: crashed: {said} (GONOGO_DEBUG=1 shows where; gonogo doctor says whether the store is "
            "whole)\n"
        )
        return CRASHED


def _early(name: str) -> Callable[[Sequence[str], Mapping[str, str]], int] | None:
    """A command for which a client waits: it starts without the command line's own imports."""
    if name == "serve":
        # What is imported stays: to look through it for garbage took a tenth of a start.
        gc.disable()
        from gonogo.server.serve import serve

        return serve
    if name == "wrap":
        from gonogo.wrap.wrap_command import wrap

        return wrap
    if name == "guard":
        from gonogo.guard.guard_command import guard

        return guard
    return None


def _alone(error: Exception) -> Exception:
    """The one error that a task group wrapped."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    main()
