"""`gonogo guard hook CLIENT`, started by `__main__` before the command line is imported."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence

from gonogo.config.early_options import EarlyParser
from gonogo.guard.hook_forms import (
    CLIENTS,
    EVENT_BYTES_MAX,
    Ruling,
    UnreadableCall,
    called_name,
    stopped,
    tool_of,
)
from gonogo.guard.ruling import GOES_ON, not_asked, why_not_asked


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
    except UnreadableCall as error:
        ruling = stopped(error)
    except Exception as error:  # noqa: BLE001 - an entry point: the client gets an answer
        why = why_not_asked(error)
        ruling = not_asked(why, closed=given.closed)
        if ruling.what == "allow":
            sys.stderr.write(f"{GOES_ON}: {why}\n")
    sys.stdout.write(json.dumps(CLIENTS[given.client](ruling)) + "\n")
    return 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `gonogo guard hook`.

    Raises:
        ParameterError: An argument is unknown or incomplete.
    """
    parser = EarlyParser(
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


def _ruled(given: argparse.Namespace, environ: Mapping[str, str]) -> Ruling:
    from gonogo.config import load_settings
    from gonogo.guard.ruling import dependency_of

    tool = called_name(tool_of(sys.stdin.buffer.read(EVENT_BYTES_MAX + 1)))
    settings = load_settings(given.config, given.store, environ)
    name = dependency_of(tool, settings.guard)
    if name is None:
        return Ruling("allow")
    from gonogo.clock import wall_clock_ms
    from gonogo.guard.verdict_read import ruling_now

    return ruling_now(name, settings, now_ms=wall_clock_ms())
