"""`gonogo guard hook CLIENT`, started by `__main__` before the command line is imported."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from gonogo.errors import GonogoError, ParameterError, plain
from gonogo.guard.hook_forms import CLIENTS, EVENT_BYTES_MAX, Ruling, tool_of

if TYPE_CHECKING:
    from gonogo.settings import Settings

# A client gives a hook a minute; who waits for a tool call waits less gladly.
ANSWER_S = 10.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"guard: {message}. See `gonogo guard --help`.")


def guard(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read a hook's event on standard input, and answer whether the call may go on.

    Returns:
        0: what is answered stands on standard output, and other statuses mean other things to each
        client.

    Raises:
        ParameterError: An argument is wrong.
    """
    given = parsed(arguments)
    try:
        ruling = _ruled(given, environ)
    except (GonogoError, OSError, TimeoutError) as error:
        ruling = _failed(plain(str(error), 300), closed=given.closed)
    except Exception as error:  # noqa: BLE001 - an entry point: the client gets an answer
        ruling = _failed(plain(f"{type(error).__name__}: {error}", 300), closed=given.closed)
    sys.stdout.write(json.dumps(CLIENTS[given.client](ruling)) + "\n")
    return 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `gonogo guard hook`.

    Raises:
        ParameterError: An argument is unknown or incomplete.
    """
    parser = _Parser(
        prog="gonogo guard",
        usage="gonogo guard hook CLIENT [--closed] [--store PATH] [--config PATH]",
        description="Answer a client's hook before a tool call: a no_go stops the call, whatever "
        "the model thinks of it. The event is read on standard input (docs/guard.md).",
        epilog="example: gonogo guard hook claude-code --closed",
        allow_abbrev=False,
    )
    parser.add_argument("what", choices=("hook",), help="what asks")
    parser.add_argument("client", choices=tuple(CLIENTS), help="whose form is spoken")
    parser.add_argument(
        "--closed", action="store_true", help="stop calls where nothing can be asked; default: open"
    )
    parser.add_argument("--store", metavar="PATH", help="the store; default: GONOGO_STORE")
    parser.add_argument("--config", metavar="PATH", help="gonogo.toml; default: GONOGO_CONFIG")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _failed(why: str, *, closed: bool) -> Ruling:
    if closed:
        return Ruling("deny", f"gonogo cannot be asked, and the gate is closed then: {why}")
    sys.stderr.write(f"gonogo guard: nothing was checked, and the call goes on: {why}\n")
    return Ruling("allow")


def _ruled(given: argparse.Namespace, environ: Mapping[str, str]) -> Ruling:
    from gonogo.config import load_settings
    from gonogo.guard.ruling import dependency_of

    tool = tool_of(sys.stdin.buffer.read(EVENT_BYTES_MAX + 1))
    settings = load_settings(given.config, given.store, environ)
    name = dependency_of(tool, settings.guard)
    if name is None:
        return Ruling("allow")
    return _judged(name, settings)


def _judged(name: str, settings: Settings) -> Ruling:
    """By what stands in the store where that is fresh; else the questions are asked."""
    from gonogo.clock import wall_clock_ms
    from gonogo.guard.ruling import ruling_of
    from gonogo.guard.verdict_read import asked_now, standing_on_file

    now_ms = wall_clock_ms()
    now = standing_on_file(name, settings, now_ms=now_ms)
    if now is None:
        import anyio

        async def ask() -> Ruling:
            with anyio.fail_after(ANSWER_S):
                return ruling_of(
                    name, await asked_now(name, settings), settings.guard, now_ms=now_ms
                )

        return anyio.run(ask)
    return ruling_of(name, now, settings.guard, now_ms=now_ms)
