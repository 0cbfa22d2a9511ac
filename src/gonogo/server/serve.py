"""`gonogo serve`: the server over standard input and output.

It is started by `__main__` before the command line is imported, since clients wait for it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import anyio

from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.errors import ParameterError

if TYPE_CHECKING:
    from gonogo.server.surface import GonogoServer

EXAMPLE = "example: gonogo serve --store ~/gonogo.db --read-only"


class _Parser(argparse.ArgumentParser):
    """The standard parser, with the product's errors: its own exit status would read as no_go."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"serve: {message}. See `gonogo serve --help`.")


def serve(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Answer until standard input ends.

    Raises:
        ParameterError: An argument is unknown or incomplete.
        ConfigError: gonogo.toml is wrong.
    """
    parser = _Parser(
        prog="gonogo serve",
        description="Serve the tools to an agent over standard input and output (MCP).",
        epilog=EXAMPLE,
        allow_abbrev=False,
    )
    parser.add_argument("--store", metavar="PATH", help="the store; default: GONOGO_STORE")
    parser.add_argument("--config", metavar="PATH", help="gonogo.toml; default: GONOGO_CONFIG")
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="answer and plan, but record, reserve, settle and carry out nothing",
    )
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    settings = load_settings(given.config, given.store, environ, read_only=given.read_only)

    # Before the SDK sets up its own: standard output carries the protocol alone, and a log line
    # is one line.
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    from gonogo.server.surface import build_server

    app = Gonogo(settings)
    anyio.run(_serve, build_server(app), app)
    return 0


async def _serve(server: GonogoServer, app: Gonogo) -> None:
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            tasks.start_soon(_close_on_signal, app)
        try:
            await server.run_stdio_async()
        except* BrokenPipeError:
            pass  # the client has gone
        tasks.cancel_scope.cancel()


async def _close_on_signal(app: Gonogo) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async for number in received:
            await app.close()
            # The thread that reads standard input cannot be interrupted, and would be waited for.
            os._exit(128 + number)
